"""Read a dialect from its file and refuse one that contradicts itself, naming file and key.

A file may say ``extends = "national"``: its tables are then laid over the other's; its ``patterns`` come before the
inherited ones; other lists are replaced.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from connectors.worker_platform.dialect import SUCCESS, Dialect, Methods
from connectors.worker_platform.schema import FIELDS_OF_A_TRAINING, FIELDS_OF_A_WORKER
from gateway.domain.errors import ConfigurationError
from gateway.locale import tr

_PACKAGE = "connectors.worker_platform.dialects"


def load_dialect(name: str) -> Dialect:
    """Read a dialect by the name of a packaged file or by the path of a ``.toml`` file; ConfigurationError if unfit."""
    try:
        dialect = Dialect.model_validate(_read(name, ()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigurationError(
            tr("dialect {name}: {names}: {msg}", name=name, names=".".join(map(str, first["loc"])), msg=first["msg"])
        ) from None
    for key, message in _contradictions(dialect):
        raise ConfigurationError(tr("dialect {name}: {key}: {message}", name=name, key=key, message=message))
    return dialect


def _read(name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if name in seen:
        raise ConfigurationError(tr("dialect {name}: extends: the files extend each other in a circle", name=name))
    try:
        text = Path(name).read_text("utf-8") if name.endswith(".toml") else _packaged(name)
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            tr("dialect {name}: the file cannot be read ({kind})", name=name, kind=type(error).__name__)
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(tr("dialect {name}: not TOML: {error}", name=name, error=error)) from None
    base = table.pop("extends", None)
    return table if base is None else _lay_over(_read(str(base), (*seen, name)), table)


def _packaged(name: str) -> str:
    known = {p.name.removesuffix(".toml"): p for p in files(_PACKAGE).iterdir() if p.name.endswith(".toml")}
    if name not in known:
        raise ConfigurationError(
            tr(
                "dialect {name}: unknown; there are {names}, or a .toml file's path",
                name=name,
                names=", ".join(sorted(known)),
            )
        )
    return known[name].read_text("utf-8")


def _lay_over(base: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in upper.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _lay_over(old, value)
        elif key == "patterns" and isinstance(old, list) and isinstance(value, list):
            merged[key] = value + old
        else:
            merged[key] = value
    return merged


def _contradictions(d: Dialect) -> Iterator[tuple[str, str]]:
    names = list(d.names.model_dump().values())
    if len(set(names)) != len(names) or "" in names:
        yield "names", "two common fields share a name, or one is empty"
    if set(d.extra_fields) & set(names):
        yield "extra_fields", "a name is already a common field"
    for key, path in (("path", d.path), ("result_path", d.result_path or d.path)):
        if not path.startswith("/"):
            yield key, "must begin with a slash"
    if "%Y" not in d.timestamp.format or "%d" not in d.timestamp.format:
        yield "timestamp.format", "must hold year and day"
    if not _is_zone(d.timestamp.zone):
        yield "timestamp.zone", "no such time zone"
    if unknown := set(d.version.methods) - set(Methods.model_fields):
        yield "version.methods", f"there is no method {sorted(unknown)[0]}"
    yield from _contradictory_answers(d)
    yield from _contradictory_certificates(d)
    yield from _contradictory_projects(d)


def _contradictory_answers(d: Dialect) -> Iterator[tuple[str, str]]:
    states = [*d.result.waiting, *d.result.failed, *d.result.done]
    if len(set(states)) != len(states):
        yield "result", "one state stands in two of waiting, failed, done"
    if SUCCESS in d.error_codes:
        yield "error_codes", "0 means success and cannot be an error"
    if d.poll.give_up < d.poll.then:
        yield "poll.give_up", "is shorter than one wait"


def _contradictory_certificates(d: Dialect) -> Iterator[tuple[str, str]]:
    has, can, form = d.methods, d.capabilities, d.credential
    for key, wanted, name in (
        ("check_sign", can.check_sign, has.check_sign),
        ("credential_query", can.credential_read or can.credential_write, has.credential_query),
        ("credential_add", can.credential_write, has.credential_add),
        ("credential_update", can.credential_write, has.credential_update),
        ("worker_query", can.training_write, has.worker_query),
        ("worker_add", can.training_write, has.worker_add),
        ("worker_update", can.training_write, has.worker_update),
        ("training_query", can.training_write, has.training_query),
        ("training_add", can.training_write, has.training_add),
    ):
        if wanted and not name:
            yield f"methods.{key}", "a capability needs this method"
    if d.batch_max.credential > 1 and not form.list_field:
        yield "batch_max.credential", "more than one needs credential.list_field"
    if form.update_shape == "list" and not form.list_field:
        yield "credential.update_shape", "list needs credential.list_field"
    if can.credential_write and form.wire("idCardNumber") not in d.encrypted:
        yield "encrypted", "the identity number would travel in clear"
    if any(not form.wire(name) for name in ("idCardType", "idCardNumber", "certificationCode")):
        yield "credential.fields", "identity and certificate number cannot be left out"


def _contradictory_projects(d: Dialect) -> Iterator[tuple[str, str]]:
    for key, form, known in (("worker", d.worker, FIELDS_OF_A_WORKER), ("training", d.training, FIELDS_OF_A_TRAINING)):
        if d.capabilities.training_write and form.wire("idCardNumber") not in d.encrypted:
            yield "encrypted", "the identity number would travel in clear"
        for part, names in (("required", form.required), ("compare", form.compare), ("fields", tuple(form.fields))):
            if unknown := set(names) - known:
                yield f"{key}.{part}", f"there is no field {sorted(unknown)[0]}"
        wire = [name for name in map(form.wire, sorted(known)) if name]
        if len(set(wire)) != len(wire):
            yield f"{key}.fields", "two fields share a name"
        if not form.wire("idCardNumber"):
            yield f"{key}.fields", "the identity number cannot be left out"
    yield from _contradictory_workers(d)
    if not d.training.list_field:
        yield "training.list_field", "this call has a list"
    if "{number}" not in d.training.name:
        yield "training.name", "must hold {number}, because the name is the key"
    if not d.training.wire("trainingName") or not d.training.wire("trainingDate"):
        yield "training.fields", "name and day cannot be left out, because they are the key"


def _contradictory_workers(d: Dialect) -> Iterator[tuple[str, str]]:
    if not d.worker.list_field and d.worker.update_shape == "list":
        yield "worker.update_shape", "list needs worker.list_field"
    for key, names in (("codes", set(d.worker.codes)), ("dictionaries", set(d.worker.dictionaries))):
        if unknown := names - FIELDS_OF_A_WORKER:
            yield f"worker.{key}", f"there is no field {sorted(unknown)[0]}"
    if taken := set(d.worker.constants) & set(map(d.worker.wire, FIELDS_OF_A_WORKER)):
        yield "worker.constants", f"{sorted(taken)[0]} is filled from the filing"
    if set(d.worker.outer) - FIELDS_OF_A_WORKER or "idCardNumber" in d.worker.outer:
        yield "worker.outer", "holds what is no field, or belongs to the worker"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True
