"""All tables: importing this module makes ``metadata`` whole, for migrations, backups and checks."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from gateway.store.metadata import metadata

__all__ = ["metadata"]

for _module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    if _module.name.endswith("_tables"):
        import_module(f"gateway.store.{_module.name}")
