"""Connector of the platform example_platform: values into bytes, bytes into values, nothing else."""
