"""The token pair: a short-lived request secret and the refresh secret that renews it (HMAC profiles only)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connectors.provincial_credit.keys import HmacKey, HmacVerifier
from connectors.provincial_credit.signing import OK, SignedCalls
from connectors.provincial_credit.verdicts import Refused
from gateway.codec.jsonbody import whole
from gateway.contract.messages import Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.domain.errors import ContractError

_FIELDS = (
    "requestSecret",
    "requestSecretId",
    "requestSecretEndTime",
    "refreshSecret",
    "refreshSecretId",
    "refreshSecretEndTime",
)


class LoggingIn(SignedCalls):
    """Gets and renews request secrets."""

    def encode_login(self, previous: Token | None, stamp: Stamp, /) -> WireRequest:
        """Refresh with the previous token's refresh secret, else log in with the app secret.

        The answer is signed with the same secret, and ``decode_login`` sees only the stamp: a refresh is asked for
        where the stamp carries the previous token, so that the answer can be verified.
        """
        refresh = previous if previous is not None and previous == stamp.token else None
        if refresh is not None and stamp.now >= _moment(int(refresh.values["refreshSecretEndTime"])):
            refresh = None
        digest = self._settings.digest_alg
        key = (
            HmacKey(secret=self._settings.app_secret.get_secret_value(), digest=digest)
            if refresh is None
            else HmacKey(
                secret=refresh.values["refreshSecret"], digest=digest, key_id=refresh.values["refreshSecretId"]
            )
        )
        grant = "APP_SECRET" if refresh is None else "REFRESH_SECRET"
        return self._wire.request(
            "createRequestSecret",
            "/auth/request-secrets",
            stamp,
            key=key,
            body=("RequestSecretRequest", {"grant": grant, "appKey": self._settings.app_key}),
        )

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        secrets = [self._settings.app_secret.get_secret_value()]
        secrets += [stamp.token.values["refreshSecret"]] if stamp.token else []
        verifier = HmacVerifier(secrets=secrets, digest=self._settings.digest_alg)
        answer = self._wire.open(response, stamp, verifier=verifier, expect="RequestSecret", statuses=OK)
        if isinstance(answer, Refused):
            return answer.verdict
        if not isinstance(answer, dict):
            raise ContractError("the schema of a login's answer lets through what is no object")
        ends = _moment(whole(answer, "requestSecretEndTime") or 0)
        margin = timedelta(seconds=self._settings.token_margin_seconds)
        return Token(
            values={name: str(answer[name]) for name in _FIELDS},
            expires_at=ends,
            renew_at=max(ends - margin, stamp.now),
            proof={"requestSecret": str(answer["requestSecret"])},
        )


def _moment(milliseconds: int) -> datetime:
    """A moment counted from 1970; one beyond the year 9000 is kept within it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=max(0, min(milliseconds, _LATEST_MS)))


_LATEST_MS = 7030 * 365 * 86_400_000
