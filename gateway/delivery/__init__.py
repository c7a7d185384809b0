"""Delivery wing: push, acknowledge, look up and reconcile, through one exchanger."""
