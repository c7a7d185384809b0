"""The connector's data, without what writes and reads its messages: for the commands that only ask."""

from __future__ import annotations

from connectors.provincial_credit.properties import properties
from connectors.provincial_credit.settings import ProvincialCreditSettings
from gateway.contract.connector import Description
from gateway.settings import Loader


def describe(load: Loader) -> Description:
    """Kinds, limits, plans and address; ConfigurationError as ``adapter.build`` raises it."""
    settings = load(ProvincialCreditSettings)
    return Description(info=properties(settings), endpoint=settings.to_endpoint(), gives_feedback=True)
