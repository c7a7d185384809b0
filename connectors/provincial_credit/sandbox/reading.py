"""Bodies and parameters as the published document wants them, or Refusal with a pointer for each broken rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.message import Message
from email.parser import BytesParser
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from starlette.requests import Request

from connectors.provincial_credit.sandbox.refusal import Refusal

CHINA = timezone(timedelta(hours=8))
_BODY_MAX = 2 * 1024 * 1024
SCAN_MAX = 5 * 1024 * 1024
_FORMATS = FormatChecker(formats=("date",))


@_FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def check_size(body: bytes, *, scan: bool) -> None:
    """Refuse what is larger than the contract allows."""
    if len(body) > (SCAN_MAX + 65536 if scan else _BODY_MAX):
        raise Refusal("PAYLOAD_TOO_LARGE")


def check_type(request: Request, media_type: str) -> None:
    """Refuse another media type than the one agreed, and another charset than UTF-8."""
    kind, _, charset = request.headers.get("content-type", "").replace(" ", "").lower().partition(";")
    if kind != media_type or charset not in ("", "charset=utf-8"):
        raise Refusal("UNSUPPORTED_MEDIA", f"{media_type} in UTF-8 is asked for")


def read_json(body: bytes, schema: str) -> dict[str, Any]:
    """The body as the document's schema wants it; absent and null mean the same."""
    try:
        value = without_nulls(json.loads(body.decode("utf-8"), parse_constant=_refuse, parse_float=_number))
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Refusal("PARAM_INVALID", "the body is not JSON") from None
    errors = list(_errors(schema, value))
    if errors:
        raise Refusal("SCHEMA_INVALID", f"{len(errors)} rules of the schema are broken", errors=errors[:50])
    assert isinstance(value, dict)
    return value


def read_form(request: Request, body: bytes) -> dict[str, tuple[bytes, str]]:
    """The parts of a multipart form: name -> content and media type."""
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        raise Refusal("UNSUPPORTED_MEDIA", "multipart/form-data is asked for")
    head = f"content-type: {kind}\r\nmime-version: 1.0\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser().parsebytes(head + body)
    parts = message.get_payload() if message.is_multipart() else []
    found: dict[str, tuple[bytes, str]] = {}
    for part in parts if isinstance(parts, list) else []:
        assert isinstance(part, Message)
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = (content, part.get_content_type())
    missing = [name for name in ("file", "purpose", "digest") if name not in found]
    if missing:
        raise Refusal("PARAM_MISSING", f"a part is missing: {missing[0]}")
    return found


def check_parameters(operation: str, request: Request) -> None:
    """Query and header parameters by the document; a query parameter it does not name is refused."""
    known = _parameters(operation)
    query = request.query_params
    for name in query:
        if ("query", name) not in known:
            raise Refusal("PARAM_INVALID", "a query parameter is not known")
    for (place, name), schema in known.items():
        given = query.getlist(name) if place == "query" else request.headers.getlist(name)
        if len(given) > 1 and schema.get("type") != "array":
            raise Refusal("PARAM_INVALID", f"{name} is given twice")
        for text in given:
            one = schema["items"] if schema.get("type") == "array" else schema
            value: Any = int(text) if one.get("type") == "integer" and text.isascii() and text.isdigit() else text
            if next(Draft202012Validator(one, format_checker=_FORMATS).iter_errors(value), None):
                raise Refusal("PARAM_INVALID", f"{name} does not have the form asked for")


def check_path(operation: str, key: tuple[str, ...]) -> None:
    """Parts of the path by the document."""
    schemas = [schema for (place, _), schema in _parameters(operation).items() if place == "path"]
    for schema, text in zip(schemas, key, strict=True):
        if next(Draft202012Validator(schema, format_checker=_FORMATS).iter_errors(text), None):
            raise Refusal("PARAM_INVALID", "a part of the path does not have the form asked for")


@cache
def _parameters(operation: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(place, name) -> schema, without the headers of authentication, checked in http.py."""
    shared = openapi()["components"]["parameters"]
    for item in openapi()["paths"].values():
        for call in item.values():
            if call["operationId"] == operation:
                listed = [shared[p["$ref"].rpartition("/")[2]] if "$ref" in p else p for p in call["parameters"]]
                return {
                    (p["in"], p["name"]): p["schema"]
                    for p in listed
                    if not p["name"].startswith(("X-", "Content-", "Idempotency-")) or p["name"] == "X-Request-Id"
                }
    raise KeyError(operation)


@cache
def validator(schema: str) -> Draft202012Validator:
    """Validator of one schema of the published document."""
    root = {"$ref": f"#/components/schemas/{schema}", "components": openapi()["components"]}
    return Draft202012Validator(root, format_checker=_FORMATS)


@cache
def openapi() -> dict[str, Any]:
    """The published document."""
    text = files("connectors.provincial_credit").joinpath("openapi.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def without_nulls(value: Any) -> Any:
    """Absent and null mean the same."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def china(now: datetime) -> str:
    """A moment as the platform writes it."""
    return now.astimezone(CHINA).isoformat(timespec="milliseconds")


def milliseconds(now: datetime) -> int:
    """Epoch milliseconds."""
    return round(now.timestamp() * 1000)


def _refuse(_: str) -> None:
    raise ValueError("not JSON")


def _number(text: str) -> int | float:
    """5.0 is the whole number 5; what is too large to be told is no number."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("too large")
    return int(value) if value.is_integer() else value


def _errors(schema: str, value: Any) -> Iterator[dict[str, str]]:
    """Code and pointer (RFC 6901) of each broken rule; of the members one rule misses, each has an error of its own."""
    missing: dict[tuple[object, ...], Iterator[str]] = {}
    for error in validator(schema).iter_errors(value):
        steps, code = list(error.absolute_path), "SCHEMA_INVALID"
        if error.validator == "required":
            rule = (*steps, "#", *error.absolute_schema_path)
            absent = (name for name in error.validator_value if name not in error.instance)
            steps.append(next(missing.setdefault(rule, absent)))
            code = "PARAM_MISSING"
        escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
        yield {"code": code, "pointer": "".join(f"/{step}" for step in escaped)}
