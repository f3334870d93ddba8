"""`x07 pkg`: what a project requires, what that resolves to, and the lock that holds it."""
