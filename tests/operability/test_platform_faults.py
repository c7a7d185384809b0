"""What is wrong with a platform, the way to it or our access: named in Chinese, with what helps, in two commands."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.responses import Response

from connectors.provincial_credit.sandbox.platform import ProvincialCreditSandbox
from gateway import registry
from gateway.testing.serving import HOST
from tests.operability.conftest import Site, assert_named

CREDIT, WORKER, MARKET = "provincial_credit", "worker_platform", "national_market"
EVERY = (CREDIT, WORKER, MARKET)
TITLES = {CREDIT: "省信用", WORKER: "工人管理", MARKET: "市场监管"}


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        (CREDIT, ["时间戳超出允许范围", "校准本机时钟"]),
        (WORKER, ["[timestamp]值超出范围", "本机时钟"]),
        (MARKET, ["fault_FailedAuthentication", "本机时钟"]),
    ],
)
def test_a_clock_that_is_ten_minutes_off(site: Site, platform: str, words: list[str]) -> None:
    sandbox = registry.build_sandbox(platform)
    sandbox.clock = lambda: datetime.now(UTC) + timedelta(minutes=10)
    with site.platform(sandbox):
        assert_named(site.hears("push", "status"), f"{TITLES[platform]}（{platform}）暂停中", *words)
        assert_named(site.hears("check"), "✗", words[1])


@pytest.mark.parametrize(
    ("platform", "setting", "value", "words"),
    [
        (CREDIT, "APP_SECRET", "wrong-secret-of-32-letters-00000", ["签名校验错误"]),
        (WORKER, "APPID", "wrong-secret-of-32-letters-00000", ["核对GATEWAY_WORKER_PLATFORM__APPID"]),
        (MARKET, "PASSWORD", "wrong", ["登录校验未通过"]),
    ],
)
def test_a_wrong_secret_names_the_setting(
    site: Site, platform: str, setting: str, value: str, words: list[str]
) -> None:
    variable = f"GATEWAY_{platform.upper()}__{setting}"
    with site.platform(platform, **{setting: value}):
        assert_named(site.hears("push", "status"), "暂停中", variable, f"gateway resume {platform}", *words)
        assert_named(site.hears("check"), "✗", variable)


def test_a_secret_of_the_wrong_form_names_the_setting(site: Site) -> None:
    with site.platform(WORKER, APPSECRET="short"):
        assert_named(site.hears("status"), "GATEWAY_WORKER_PLATFORM__APPSECRET", "gateway check")


@pytest.mark.parametrize("platform", EVERY)
def test_a_port_where_nobody_listens(site: Site, platform: str) -> None:
    with site.platform(platform):
        pass
    endpoint = os.environ[f"GATEWAY_{platform.upper()}__ENDPOINT"]
    words = ["连接被拒绝", f"GATEWAY_{platform.upper()}__ENDPOINT和网络"]
    assert_named(site.hears("push"), *words)
    assert_named(site.hears("check"), "✗", endpoint, *words)
    assert_named(site.hears("status"), *words)


@pytest.mark.parametrize(
    ("platform", "word"), [(CREDIT, "答复未签名"), (WORKER, "地址上没有此服务"), (MARKET, "地址上没有此服务")]
)
def test_a_wrong_path(site: Site, platform: str, word: str) -> None:
    with site.platform(platform):
        variable = f"GATEWAY_{platform.upper()}__ENDPOINT"
        site.patch.setenv(variable, os.environ[variable].rstrip("/") + "/elsewhere")
        assert_named(site.hears("push", "status"), word, "核对", variable)
        assert_named(site.hears("check"), "✗", "/elsewhere", variable)


@contextmanager
def encrypted(folder: Path) -> Iterator[int]:
    """A port that shows a certificate which nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = datetime(2019, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day.replace(year=2099))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    paper = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private = key.private_bytes(serialization.Encoding.PEM, *form)
    (folder / "server.pem").write_bytes(private + paper.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(peer, server_side=True).close()
            except OSError:
                peer.close()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()


def test_a_certificate_authority_that_nobody_gave_us(site: Site) -> None:
    with site.platform(CREDIT):
        pass
    with encrypted(site.folder) as port:
        site.set(CREDIT, ENDPOINT=f"https://localhost:{port}/credit")
        words = ("证书不受信任", "GATEWAY_PROVINCIAL_CREDIT__VERIFY", "CA")
        assert_named(site.hears("check"), "✗", *words)
        assert_named(site.hears("push", "status"), *words)


def test_a_bundle_of_authorities_that_is_not_there(site: Site) -> None:
    with site.platform(CREDIT, VERIFY="/nowhere/ca.pem"):
        assert_named(site.hears("check"), "✗", "GATEWAY_PROVINCIAL_CREDIT__VERIFY", "没有这个文件")


@pytest.mark.parametrize("platform", EVERY)
def test_a_login_page_instead_of_an_answer(site: Site, platform: str) -> None:
    with site.platform(platform) as sandbox:
        sandbox.faults.set(rates={"login_page": 1.0})
        words = ("答复是网页", f"GATEWAY_{platform.upper()}__ENDPOINT", f"GATEWAY_{platform.upper()}__PROXY")
        assert_named(site.hears("push", "status"), *words)
        assert_named(site.hears("check"), "✗", *words)


class OtherHand(ProvincialCreditSandbox):
    """Signs its answers with something that is not its key."""

    def handle(self, request: Any, body: bytes, fault: str | None) -> Response:
        answer = super().handle(request, body, fault)
        for name in [one for one in answer.headers if "sign" in one.lower()]:
            answer.headers[name] = "A" * len(answer.headers[name])
        return answer


def test_answers_under_a_wrong_signature(site: Site) -> None:
    with site.platform(OtherHand()):
        assert_named(site.hears("push", "status"), "答复签名不符", "平台密钥", "gateway check")


def test_answers_that_do_not_fit_the_interface_any_more(site: Site) -> None:
    with site.platform(MARKET, RETRY_SECONDS="[0.01]", RETRY_THEN_SECONDS="0.01") as sandbox:
        sandbox.faults.set(rates={"off_schema": 1.0})
        site.run("push")
        words = ("答复不合接口", "接口有何变动", "gateway resume national_market")
        assert_named(site.hears("push", "status"), *words)


@pytest.mark.parametrize("platform", EVERY)
def test_a_platform_that_is_busy_all_day(site: Site, platform: str) -> None:
    with site.platform(platform) as sandbox:
        sandbox.faults.set(rates={"busy": 1.0})
        words = ("访问超过限制", "自动重发", f"GATEWAY_{platform.upper()}__MIN_INTERVAL_SECONDS")
        assert_named(site.hears("push"), *words)
        assert_named(site.hears("status"), *words)
        assert_named(site.hears("check"), *words)


def test_a_pause_that_was_forgotten(site: Site) -> None:
    with site.platform(CREDIT):
        site.run("pause", CREDIT, "--reason", "合同到期")
        act = f"gateway resume {CREDIT}"
        assert_named(site.hears("push", "status"), "人工暂停", "合同到期", act)
        assert_named(site.hears("check"), "暂停中", act)
        assert_named(site.hears(f"why {site.paper}"), "平台已暂停", "合同到期", act)


def test_a_dialect_that_takes_no_certificates(site: Site) -> None:
    with site.platform(WORKER, DIALECT="national"):
        assert_named(site.hears("status"), "不接受", "证书", "没有接收证书的接口")
        heard = site.hears(f"why {site.paper}")
        assert_named(heard, "该平台不接收", "没有接收证书的接口", "无需推送")
        assert "gatewaypush" not in heard
