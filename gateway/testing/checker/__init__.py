"""Checks of the promises (invariants) against a store and what the sandboxes saw."""
