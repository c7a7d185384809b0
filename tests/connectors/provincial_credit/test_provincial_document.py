"""The interface document by itself: valid, complete enough to write a client from, and without loose ends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from connectors.provincial_credit.sandbox import calls
from connectors.provincial_credit.schema import document

HERE = Path(__file__)
FILE = HERE.parents[3] / "connectors" / "provincial_credit" / "openapi.json"
METHODS = {"get", "put", "post", "delete", "patch"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    paths: Any = document()["paths"]
    for path, item in paths.items():
        for method in METHODS & item.keys():
            yield path, method, item[method]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_it_is_valid_openapi() -> None:
    validate(document())  # type: ignore[arg-type]


def test_every_operation_says_what_it_does_and_how_it_is_signed() -> None:
    known: Any = document()
    tags = {tag["name"] for tag in known["tags"] if tag["description"]}
    schemes = known["components"]["securitySchemes"]
    used = set()
    for path, method, operation in operations():
        where = f"{method} {path}"
        assert operation["operationId"], where
        assert operation["summary"], where
        assert len(operation["description"]) > len("a word or two"), where
        assert operation["tags"], where
        assert set(operation["tags"]) <= tags, where
        named = {name for alternative in operation["security"] for name in alternative}
        assert named <= schemes.keys(), where
        assert bool(named) is (path not in calls.OPEN), where
        assert any(status.startswith("4") for status in operation["responses"]), where
        used |= set(operation["tags"]) | named
    assert used == tags | schemes.keys()


def test_operation_ids_are_the_calls_of_the_platform() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    assert set(ids) == {call.operation for call in calls.CALLS} | set(calls.OPEN.values()) - {"openapi"}


def test_every_reference_leads_somewhere_and_every_component_is_referred_to() -> None:
    known: Any = document()
    components = {
        f"#/components/{section}/{name}"
        for section, items in known["components"].items()
        if section != "securitySchemes"
        for name in items
    }
    assert set(references(known)) == components


def test_every_parameter_of_a_path_is_described() -> None:
    known: Any = document()
    for path, method, operation in operations():
        given = [
            known["components"]["parameters"][p["$ref"].rpartition("/")[2]] if "$ref" in p else p
            for p in operation.get("parameters", ())
        ]
        assert {p["name"] for p in given if p["in"] == "path"} == set(re.findall(r"{(\w+)}", path)), (method, path)
        assert len({(p["name"], p["in"]) for p in given}) == len(given)
        assert all(p["required"] is True for p in given if p["in"] == "path")


def test_the_document_names_its_makers() -> None:
    info: Any = document()["info"]
    assert info["contact"]["name"]
    assert info["license"]["identifier"]


def test_the_example_of_the_signature_is_right() -> None:
    info: Any = document()["info"]
    said = info["description"].partition("Example: ")[2].partition("\n")[0]
    secret, call, app_key, moment, body, key, signature = re.findall(r"`([^`]+)`", said)
    method, path = call.split()
    lines = (method, path, "", app_key, moment, "0" * 31 + "1", body, key)
    made = hmac.digest(secret.encode(), "\n".join(lines).encode(), hashlib.sha256)
    assert base64.b64encode(made).decode() == signature


def test_a_reader_begins_with_from_or_goes_on_with_cursor() -> None:
    (feed,) = (operation for _, _, operation in operations() if operation["operationId"] == "getCreditChanges")
    names = {p["name"]: p for p in feed["parameters"] if "name" in p}
    for name in ("from", "cursor"):
        assert "xactly one of" in names[name]["description"]
    assert names["from"]["schema"]["anyOf"] == [{"enum": ["BEGIN", "NOW"]}, {"format": "date-time"}]


LINTERS = ("@stoplight/spectral-cli@6.15.0", "@redocly/cli@1.34.5")


@pytest.fixture(scope="module")
def tools(pytestconfig: pytest.Config) -> Path:
    """Folder with the linters, installed once by npm into pytest's cache."""
    npm, cache = shutil.which("npm"), pytestconfig.cache
    if npm is None or cache is None:
        pytest.skip("npm is not here")
    folder = cache.mkdir("linters")
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *LINTERS]
    if subprocess.run(command, capture_output=True, check=False, timeout=900).returncode:
        pytest.skip("npm cannot install the linters")
    return folder / "node_modules" / ".bin"


@pytest.mark.soak
def test_spectral_finds_nothing(tools: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"extends": ["spectral:oas"]}))
    command = [str(tools / "spectral"), "lint", str(FILE), "--ruleset", str(rules), "--fail-severity", "warn"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout[-4000:]


@pytest.mark.soak
def test_redocly_finds_no_error(tools: Path, tmp_path: Path) -> None:
    command = [str(tools / "redocly"), "lint", str(FILE), "--extends", "recommended", "--format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path)
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-4000:]
