"""The connector: certificates out, credit events in, books compared, decisions handed on.

The interface is this project's own proposal, built from public code of comparable platforms (see the README); the
platform's real document has not been read.
"""

from __future__ import annotations

from datetime import timedelta

from connectors.provincial_credit.books import Booking
from connectors.provincial_credit.decisions import Deciding
from connectors.provincial_credit.desk import AtDesk
from connectors.provincial_credit.feed import Feeding
from connectors.provincial_credit.login import LoggingIn
from connectors.provincial_credit.properties import properties
from connectors.provincial_credit.push import Pushing
from connectors.provincial_credit.settings import ProvincialCreditSettings
from connectors.provincial_credit.signing import OK
from connectors.provincial_credit.tables import Looking
from gateway.codec.jsonbody import JsonError, moment, read_object
from gateway.contract.connector import Endpoint
from gateway.contract.messages import Health, Stamp, WireRequest, WireResponse
from gateway.settings import Loader


def build(load: Loader) -> ProvincialCredit:
    """Make the connector from its settings: with a login, or signing every request with an SM2 key."""
    settings = load(ProvincialCreditSettings)
    return ProvincialCredit(settings) if settings.signature_alg == "SM2-SM3" else WithLogin(settings)


class ProvincialCredit(Pushing, Feeding, Booking, Deciding, AtDesk, Looking):
    """Connector of the provincial credit platform."""

    def __init__(self, settings: ProvincialCreditSettings) -> None:
        super().__init__(settings)
        self.endpoint: Endpoint = settings.to_endpoint()
        self.info = properties(settings)

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        """The platform's clock; an open call, unsigned both ways."""
        return WireRequest(operation="getTime", method="GET", path="/time", headers={"accept": "application/json"})

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        try:
            now = moment(read_object(response.body, response.headers.get("content-type", "")), "now")
        except JsonError:
            now = None
        if response.status not in OK or now is None:
            return Health(ok=False, detail="the clock call gave no time")
        skew = now - stamp.now
        tolerated = abs(skew) < timedelta(seconds=self._settings.clock_tolerance_seconds)
        detail = "clock within tolerance" if tolerated else "our clock is too far off: every request will be refused"
        return Health(ok=tolerated, detail=detail, code=None if tolerated else "clock_skew", clock_skew=skew)


class WithLogin(ProvincialCredit, LoggingIn):
    """The same where requests are signed with a short-lived secret."""
