"""SQL of the operations wing."""
