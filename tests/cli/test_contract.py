"""``gateway check PLATFORM --wsdl``: against a file, against a platform's own description, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import Result

from gateway import registry
from gateway.testing.serving import running

PLATFORM = "national_market"
Check = Callable[..., Result]


@pytest.fixture
def check(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Check:
    """Run ``gateway check`` in a home of its own, with one platform configured."""
    for name, value in (("ENDPOINT", "https://market.example/Service"), ("PASSWORD", "example-only")):
        monkeypatch.setenv(f"GATEWAY_NATIONAL_MARKET__{name}", value)

    return partial(run, "check")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The connector's documents in a folder of their own; gives the WSDL."""
    spec = find_spec(f"connectors.{PLATFORM}")
    assert spec is not None
    assert spec.origin is not None
    folder = tmp_path / "published"
    folder.mkdir()
    for name in ("service.wsdl", "service.xsd", "types.xsd"):
        shutil.copy(Path(spec.origin).parent / name, folder)
    return folder / "service.wsdl"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing to stderr."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_same_contract_is_said_to_be_the_same(check: Check, published: Path) -> None:
    assert "is the one the connector was written for" in check(PLATFORM, "--wsdl", str(published)).stdout
    assert json.loads(check(PLATFORM, "--wsdl", str(published), "--json").stdout)["changes"] == []


def test_a_change_that_breaks_ends_with_1_and_one_that_does_not_with_0(check: Check, published: Path) -> None:
    edit(published, 'location="http://127.0.0.1/PersonCertDataService"', 'location="https://new.example/"')
    shown = check(PLATFORM, "--wsdl", str(published)).stdout
    assert "0 of 2 changes break" in shown
    edit(published.parent / "types.xsd", '"Remark" type="t:Text1000" minOccurs="0"', '"Remark" type="t:Text1000"')
    shown = check(PLATFORM, "--wsdl", str(published), code=1).stdout
    assert "2 of 4 changes break" in shown
    assert "type Person / Remark" in shown
    document = json.loads(check(PLATFORM, "--wsdl", str(published), "--json", code=1).stdout)
    assert document["breaking"] == 2
    assert document["changes"][0] == {
        "place": "type Certificate / Remark",
        "change": "occurs 0..1 -> 1..1",
        "breaks": ["requests"],
    }


def test_a_platforms_own_description_is_read_from_its_address(check: Check) -> None:
    with running(registry.build_sandbox(PLATFORM, seed=1)) as url:
        document = json.loads(check(PLATFORM, "--wsdl", f"{url}/PersonCertDataService?wsdl", "--json").stdout)
    assert len(document["documents"]) == 3
    assert {change["change"].partition(" ")[0] for change in document["changes"]} == {"address"}


def test_a_document_on_another_host_is_not_fetched(check: Check, published: Path) -> None:
    edit(published, 'schemaLocation="service.xsd"', 'schemaLocation="http://127.0.0.2:9/service.xsd"')
    with serving(published.parent) as url:
        refused = check(PLATFORM, "--wsdl", f"{url}/service.wsdl", code=2).stderr
        assert "another host (127.0.0.2:9)" in refused
        assert "status 404" in check(PLATFORM, "--wsdl", f"{url}/nothing.wsdl", code=2).stderr
    assert "outside the folder" in check(PLATFORM, "--wsdl", str(published), code=2).stderr


@pytest.mark.parametrize("place", ["../secret.xsd", "/etc/hostname", "file:///etc/hostname", "https://a.example/x.xsd"])
def test_a_document_outside_the_folder_is_not_read(check: Check, published: Path, place: str) -> None:
    edit(published, 'schemaLocation="service.xsd"', f'schemaLocation="{place}"')
    assert "outside the folder" in check(PLATFORM, "--wsdl", str(published), code=2).stderr


@pytest.mark.parametrize("place", ["http://[x", "http://[x/", "//[x", "x" * 300])
def test_a_location_that_is_no_address_is_a_sentence(check: Check, published: Path, place: str) -> None:
    edit(published, 'schemaLocation="service.xsd"', f'schemaLocation="{place}"')
    assert "Traceback" not in check(PLATFORM, "--wsdl", str(published), code=2).stderr
    with serving(published.parent) as url:
        assert "Traceback" not in check(PLATFORM, "--wsdl", f"{url}/service.wsdl", code=2).stderr


def test_a_document_that_is_a_link_to_itself_is_a_sentence(check: Check, published: Path) -> None:
    (published.parent / "service.xsd").unlink()
    (published.parent / "service.xsd").symlink_to("service.xsd")
    assert "cannot be read" in check(PLATFORM, "--wsdl", str(published), code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((PLATFORM, "--wsdl", "http://[x"), "http://[x: no address"),
        ((PLATFORM, "--wsdl", "missing.wsdl"), "missing.wsdl: cannot be read"),
        (("--wsdl", "missing.wsdl"), "exactly one platform"),
        ((PLATFORM, "worker_platform", "--wsdl", "missing.wsdl"), "exactly one platform"),
        (("nobody", "--wsdl", "missing.wsdl"), "no platform 'nobody'"),
    ],
)
def test_misuse_is_named(check: Check, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in check(*arguments, code=2).stderr


def test_a_connector_without_a_wsdl_says_so(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(registry.build_sandbox("worker_platform", seed=1)) as url:
        for name, value in registry.build_sandbox("worker_platform", seed=1).access(url).environment.items():
            monkeypatch.setenv(name, value)
        assert "not written for a WSDL" in check("worker_platform", "--wsdl", "x.wsdl", code=2).stderr


def test_an_address_where_nobody_answers_is_a_failure(check: Check) -> None:
    assert "connector_error" in check(PLATFORM, "--wsdl", "http://127.0.0.1:9/x?wsdl", code=1).stderr
