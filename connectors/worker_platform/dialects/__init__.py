"""Dialects of ``open.api`` as data; ``connectors.worker_platform.dialect_file`` reads and checks them."""
