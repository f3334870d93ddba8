"""`x07 arch`: modules and their imports, the rules of a manifest, contracts, and what is wrong with them."""
