"""SQL of the intake wing."""
