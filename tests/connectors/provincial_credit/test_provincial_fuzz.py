"""The document against the simulated platform: requests made from the schemas, right and wrong ones (schemathesis).

No answer may be a 500 or say what the document does not: status, media type, headers, body. What breaks a schema must
be refused. Requests are signed on their way, so that they get past authentication; some are left as they were made.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks
from starlette.responses import JSONResponse

from connectors.provincial_credit.adapter import WithLogin, build
from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from connectors.provincial_credit.sandbox.http import BASE
from connectors.provincial_credit.sandbox.reading import openapi
from gateway.contract.messages import Payload, Stamp, Token
from gateway.domain.records import RecordKind
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.inprocess import answer_of

NOW = datetime(2019, 4, 4, 1, 30, tzinfo=UTC)
SIGNED = (
    "X-App-Key",
    "X-Timestamp",
    "X-Nonce",
    "X-Signature-Alg",
    "X-Key-Id",
    "X-Signature",
    "Content-Digest",
    "X-Content-SM3",
)
CHECKS = (
    schemathesis.checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
)
EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", "200"))


class Signing:
    """An ASGI application before the sandbox: signs what passes, and gives the document without the signed headers."""

    def __init__(self, sandbox: ProvincialCreditSandbox, token: Token) -> None:
        self._app = sandbox.app()
        self._sandbox = sandbox
        self._token = token
        self._rng = Random(1)
        self.left = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("/openapi.json"):
            await JSONResponse(_document())(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [(name, value) for name, value in scope["headers"] if name.decode().title() not in _TITLED]
        if self._rng.random() > 0.05:
            headers += self._signed(scope, dict(headers), body)
        else:
            self.left += 1

        async def again() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app({**scope, "headers": headers}, again, send)

    def _signed(self, scope: Any, headers: dict[bytes, bytes], body: bytes) -> list[tuple[bytes, bytes]]:
        secret, key_id = self._token.values["requestSecret"], self._token.values["requestSecretId"]
        if scope["path"].endswith("/auth/request-secrets"):
            secret, key_id = self._sandbox.credentials.app_secret, ""
        made = {
            "x-app-key": self._sandbox.credentials.app_key,
            "x-timestamp": str(round(NOW.timestamp() * 1000)),
            "x-nonce": self._rng.randbytes(16).hex(),
        }
        lines = (
            scope["method"],
            (scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
            _canonical(scope["query_string"].decode("latin-1")),
            *made.values(),
            hashlib.sha256(body).hexdigest(),
            headers.get(b"idempotency-key", b"").decode("latin-1"),
        )
        made["x-signature"] = base64.b64encode(
            hmac.digest(secret.encode(), "\n".join(lines).encode(), "sha256")
        ).decode()
        made |= {"x-signature-alg": "HMAC-SHA256"} | ({"x-key-id": key_id} if key_id else {})
        if body:
            made["content-digest"] = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
        return [(name.encode(), value.encode()) for name, value in made.items()]


_TITLED = {name.title() for name in SIGNED}


def _canonical(query: str) -> str:
    pairs = sorted(
        (quote(name, safe="-._~"), quote(value, safe="-._~"))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def _document() -> dict[str, Any]:
    """The document without what the signing application adds."""
    made = copy.deepcopy(openapi())
    made["components"].pop("securitySchemes")
    for item in made["paths"].values():
        for call in item.values():
            call.pop("security")
            for part in (call.get("requestBody", {}), *call["responses"].values()):
                for kind in _AGREED & part.get("content", {}).keys():
                    del part["content"][kind]
            call["parameters"] = [
                p for p in call.get("parameters", ()) if p.get("$ref", "").rpartition("/")[2] not in _REFERRED
            ]
    return made


_AGREED = {"application/vnd.sdcredit.gm+json", "application/vnd.sdcredit.envelope+json"}
"""forms of bodies in other profiles than the one that is fuzzed"""
_REFERRED = {"AppKey", "Timestamp", "Nonce", "SignatureAlg", "KeyId", "Signature", "ContentDigest", "ContentSm3"}


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[ProvincialCreditSandbox, Signing, dict[str, list[str]]]]:
    """A sandbox with certificates and every case, the application before it, and ids that exist."""
    sandbox = ProvincialCreditSandbox(seed=9, clock=lambda: NOW)
    connector = build(loader(sandbox.access("https://sandbox.invalid").environment))
    assert isinstance(connector, WithLogin)
    rng = Random(3)

    def stamp(token: Token | None = None) -> Stamp:
        return Stamp(message_id=people.ulid(rng), now=NOW, nonce=rng.randbytes(16), token=token)

    def ask(request: Any) -> Any:
        return answer_of(sandbox, connector.endpoint.base_url, request)

    first = stamp()
    token = connector.decode_login(ask(connector.encode_login(None, first)), first)
    assert isinstance(token, Token)
    submitted = people.submissions("provincial_credit", RecordKind.CERTIFICATE, 8)
    payloads = [p for s in submitted if isinstance(p := connector.check(s, connector.map(s)), Payload)]
    ask(connector.encode_push(payloads, stamp(token)))
    sandbox.books.put("pending", "SC0000000001", 0)
    ask(connector.encode_feedback(None, stamp(token)))
    known = {
        "certificateKey": [p.record_key for p in payloads],
        "platformRecordId": [key for key, _ in sandbox.books.items("records")],
        "requestSerialCode": ["SC0000000001"],
        "table": ["credit_ack_code"],
        "date": ["2019-04-03", "2019-04-04"],
    }
    yield sandbox, Signing(sandbox, token), known
    sandbox.books.close()


def _fuzz(played: Any, operation: str, examples: int) -> None:
    _, app, known = played
    schema = schemathesis.openapi.from_asgi(f"{BASE}/openapi.json", app)
    path, method = _place(operation)
    rng = Random(operation)
    found = schema[path][method]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of(
            found.as_strategy(generation_mode=GenerationMode.POSITIVE),
            found.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )
    )
    def run(case: Any) -> None:
        right = case.meta.generation.mode is GenerationMode.POSITIVE
        for name, values in known.items():
            if right and name in (case.path_parameters or {}) and rng.random() < 0.7:
                case.path_parameters[name] = rng.choice(values)
        if right and operation == "getCreditChanges" and rng.random() < 0.7:
            kept = {name: value for name, value in (case.query or {}).items() if name != "cursor"}
            case.query = {**kept, "from": "BEGIN"}
        case.validate_response(case.call(), checks=CHECKS)

    run()


def _place(operation: str) -> tuple[str, str]:
    return next(
        (path, method)
        for path, item in openapi()["paths"].items()
        for method, call in item.items()
        if call["operationId"] == operation
    )


OPERATIONS = [call["operationId"] for item in openapi()["paths"].values() for call in item.values()]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_made_from_the_document_never_contradicts_it(played: Any, operation: str) -> None:
    _fuzz(played, operation, 4)


@pytest.mark.soak
@pytest.mark.parametrize("operation", OPERATIONS)
def test_nor_does_it_in_the_long_run(played: Any, operation: str) -> None:
    _fuzz(played, operation, EXAMPLES)
