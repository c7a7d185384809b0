"""Shipped for connector authors, tests and the demo: synthetic people, sandbox kit, conformance suite, bench."""
