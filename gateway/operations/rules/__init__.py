"""Pure rules of the operations wing."""
