"""The connector's data, without what writes and reads its messages: for the commands that only ask."""

from __future__ import annotations

from connectors.worker_platform.capabilities import describe as properties
from connectors.worker_platform.dialect_file import load_dialect
from connectors.worker_platform.settings import WorkerPlatformSettings
from gateway.contract.connector import Description
from gateway.settings import Loader


def describe(load: Loader) -> Description:
    """Kinds, limits, plans and address in the dialect of the settings; ConfigurationError as ``adapter.build``."""
    settings = load(WorkerPlatformSettings)
    dialect = load_dialect(settings.dialect)
    settings.credentials(dialect)  # refused where they do not fit the dialect
    return Description(info=properties(settings, dialect), endpoint=settings.endpoint_for(dialect))
