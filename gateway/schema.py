"""The whole schema: importing this module makes ``metadata`` complete, for migrations, backups and checks."""

from __future__ import annotations

from gateway.credit.store import case_tables as _credit_cases
from gateway.credit.store import tables as _credit
from gateway.delivery.store import tables as _delivery
from gateway.intake.store import tables as _intake
from gateway.operations.store import tables as _operations
from gateway.store import tables as _records
from gateway.store.metadata import metadata

__all__ = ["metadata"]

SCHEMA_MODULES = (_records, _delivery, _intake, _credit, _credit_cases, _operations)
"""where the tables stand"""
