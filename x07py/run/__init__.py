"""`x07 run`: from a profile to a plan, from a plan to a confined program, and the report of how it went."""
