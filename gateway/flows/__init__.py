"""Prefect flows: triggers, progress and run names over the services. They hold no delivery state and no record.

Only this package imports Prefect. A task is a chunk of deliveries, never a record; a flow that dies loses nothing,
because the ledger alone says what is still to be done.
"""
