"""Finding modules and what they import: one interface for Python and for x07AST trees."""
