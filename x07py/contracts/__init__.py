"""Typed readers of the contract files under ``arch/`` and of the project manifest.

A program reads what it needs and stops at the first fault with the code of the reference; `x07 arch check` is the place
where every file is validated whole.
"""
