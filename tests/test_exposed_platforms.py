"""How a platform is reached: in the clear or with weak encryption by an explicit setting only, and then it is said."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict
from typer.testing import CliRunner

from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.contract.connector import Endpoint, Pace, Tls
from gateway.domain.errors import ConfigurationError
from gateway.settings import PlatformSettings, loader
from gateway.transport.sender import _trusted


class Harbour(PlatformSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_HARBOUR__")


def endpoint(**given: str) -> Endpoint:
    environment = {f"GATEWAY_HARBOUR__{name}": value for name, value in given.items()}
    return loader(environment)(Harbour).to_endpoint()


@pytest.mark.parametrize("address", ["http://192.0.2.1/x", "http://platform.example", "http://localhost.example/"])
def test_plain_http_to_another_machine_is_refused_unless_it_is_allowed(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"GATEWAY_HARBOUR__ALLOW_PLAIN_HTTP: .*use https"):
        endpoint(ENDPOINT=address)
    assert endpoint(ENDPOINT=address, ALLOW_PLAIN_HTTP="true").in_clear


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]/x", "https://platform.example"]
)
def test_what_stays_on_this_machine_or_is_encrypted_needs_no_permission(address: str) -> None:
    assert not endpoint(ENDPOINT=address).in_clear


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://platform.example", "platform.example", "https://"])
def test_what_is_no_web_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"GATEWAY_HARBOUR__ENDPOINT: .*must be an address"):
        endpoint(ENDPOINT=address)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKER_PLATFORM__APPSECRET", "0" * 32),
        ("WORKER_PLATFORM__APPSECRET", "a" * 32),
        ("PROVINCIAL_CREDIT__FIELD_KEY", "A" * 43 + "="),
        ("PROVINCIAL_CREDIT__APP_SECRET", "0" * 32),
    ],
)
def test_a_secret_of_zeros_is_refused_and_named(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    platform, _, field = name.partition("__")
    given = {
        "WORKER_PLATFORM__APPID": "1",
        "WORKER_PLATFORM__APPSECRET": "0123456789abcdef0123456789abcdef",
        "PROVINCIAL_CREDIT__APP_KEY": "abcdefgh1",
        "PROVINCIAL_CREDIT__APP_SECRET": "0123456789abcdef0123456789abcdef",
        "PROVINCIAL_CREDIT__FIELD_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        f"{platform}__ENDPOINT": "https://platform.example",
        name: value,
    }
    read = loader({f"GATEWAY_{key}": text for key, text in given.items()})
    with (
        open_gateway(loader=read, create=True) as gateway,
        pytest.raises(ConfigurationError, match=f"{field} is the same letter throughout"),
    ):
        gateway.connector(platform.lower())


def test_encryption_is_weakened_for_the_peer_that_needs_it_and_for_no_other() -> None:
    def context(**given: object) -> ssl.SSLContext:
        pace = Pace(interval=endpoint(ENDPOINT="https://a.example").pace.interval, connections=1)
        return _trusted(Endpoint(base_url="https://a.example", pace=pace, tls=Tls(**given)))  # type: ignore[arg-type]

    usual, old = context(), context(minimum="1.0", ciphers="ALL:@SECLEVEL=0", legacy_renegotiation=True)
    assert usual.minimum_version is ssl.TLSVersion.TLSv1_2
    assert not usual.options & 0x4
    assert len(old.get_ciphers()) > len(usual.get_ciphers())
    assert old.options & 0x4
    assert (old.verify_mode, old.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context().minimum_version is ssl.TLSVersion.TLSv1_2
    with pytest.raises(ConfigurationError, match="tls_ciphers"):
        context(ciphers="no such cipher")


def test_check_and_status_say_what_is_exposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    for name, value in {
        "ENDPOINT": "http://192.0.2.1",
        "ALLOW_PLAIN_HTTP": "true",
        "APPID": "1",
        "APPSECRET": "0123456789abcdef0123456789abcdef",
    }.items():
        monkeypatch.setenv(f"GATEWAY_WORKER_PLATFORM__{name}", value)
    run = CliRunner()
    assert run.invoke(app, ["init"]).exit_code == 0
    told = json.loads(run.invoke(app, ["status", "--json"]).stdout)["exposed"]
    assert "plain http" in told["worker_platform"]
    assert "worker_platform: plain http" in run.invoke(app, ["status"]).stdout
