"""SQL of the credit wing."""
