"""Pure rules of the delivery wing."""
