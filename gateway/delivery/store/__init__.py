"""SQL of the delivery wing."""
