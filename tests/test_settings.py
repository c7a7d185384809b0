"""Where settings come from, in which order, and that a refused value is named and never shown."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from gateway.contract.connector import Endpoint, Pace
from gateway.domain.errors import ConfigurationError
from gateway.settings import GatewaySettings, PlatformSettings, load, loader


class Harbour(PlatformSettings):
    """A platform's settings as a connector writes them."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_HARBOUR__")

    password: SecretStr = SecretStr("")
    batch_max: int = 10


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


def test_without_anything_the_defaults_hold() -> None:
    settings = load(GatewaySettings)
    assert settings.url == Path(".gateway/gateway.db")
    assert settings.keys is None
    assert settings.notice_start == date(2019, 1, 25)


def test_each_source_wins_over_the_one_below(monkeypatch: pytest.MonkeyPatch) -> None:
    write("gateway.toml", "claim_limit = 1\n")
    assert load(GatewaySettings).claim_limit == 1
    write(".env", "GATEWAY_CLAIM_LIMIT=2\n")
    assert load(GatewaySettings).claim_limit == 2
    monkeypatch.setenv("GATEWAY_CLAIM_LIMIT", "3")
    assert load(GatewaySettings).claim_limit == 3
    assert loader({"GATEWAY_CLAIM_LIMIT": "4"})(GatewaySettings).claim_limit == 4
    assert load(GatewaySettings, claim_limit=5).claim_limit == 5


def test_the_core_reads_the_top_of_the_file_and_a_platform_its_section() -> None:
    write(
        "gateway.toml",
        'claim_limit = 7\n[harbour]\nendpoint = "https://h.invalid"\nclaim_limit = 9\n[other]\nbatch_max = 99\n',
    )
    assert load(GatewaySettings).claim_limit == 7
    harbour = load(Harbour)
    assert (harbour.endpoint, harbour.batch_max) == ("https://h.invalid", 10)


def test_a_platform_without_its_section_takes_nothing_from_the_top() -> None:
    write("gateway.toml", 'endpoint = "https://top.invalid"\n')
    with pytest.raises(ConfigurationError, match="GATEWAY_HARBOUR__ENDPOINT"):
        load(Harbour)


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    write(".env", "GATEWAY_CLAIM_LIMIT=12\n")
    monkeypatch.setenv("GATEWAY_CLAIM_LIMIT", "")
    assert load(GatewaySettings).claim_limit == 12


def test_chinese_text_in_the_files_is_read_as_utf8() -> None:
    write(".env", "GATEWAY_HOME=数据\n")
    assert load(GatewaySettings).home == Path("数据")


def test_a_loader_falls_back_to_the_process_for_what_it_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_HARBOUR__BATCH_MAX", "3")
    harbour = loader({"GATEWAY_HARBOUR__ENDPOINT": "https://h.invalid"})(Harbour)
    assert (harbour.endpoint, harbour.batch_max) == ("https://h.invalid", 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_HARBOUR__BATCH_MAX", "secret-7f3"),
        ("GATEWAY_HARBOUR__CONNECTIONS", "-7731"),
        ("GATEWAY_HARBOUR__RETRY_SECONDS", "60,secret-7f3"),
        ("GATEWAY_HARBOUR__RETRY_SECONDS", '["secret-7f3"]'),
        ("GATEWAY_HARBOUR__RETRY_SECONDS", "-7731"),
    ],
)
@pytest.mark.parametrize("source", ["environment", "loader", ".env"])
def test_a_refused_value_is_named_by_its_variable_and_never_shown(
    name: str, value: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"GATEWAY_HARBOUR__ENDPOINT": "https://h.invalid", "GATEWAY_HARBOUR__PASSWORD": "p-55512", name: value}
    if source == "environment":
        for one, text in given.items():
            monkeypatch.setenv(one, text)
    elif source == ".env":
        write(".env", "".join(f"{one}='{text}'\n" for one, text in given.items()))
    with pytest.raises(ConfigurationError, match=name) as caught:
        loader(given if source == "loader" else {})(Harbour)
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__suppress_context__}"
    assert "7f3" not in shown
    assert "7731" not in shown
    assert "55512" not in shown
    assert shown.endswith("None True")


def test_a_missing_variable_is_named_and_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"GATEWAY_HARBOUR__ENDPOINT.*; GATEWAY_HARBOUR__CONNECTIONS"):
        loader({"GATEWAY_HARBOUR__CONNECTIONS": "0"})(Harbour)


def test_a_file_that_is_no_toml_is_refused_by_name() -> None:
    write("gateway.toml", "claim_limit = = secret-7f3\n")
    with pytest.raises(ConfigurationError, match=r"gateway\.toml") as caught:
        load(GatewaySettings)
    assert "7f3" not in str(caught.value)


@pytest.mark.parametrize("name", ["gateway.toml", ".env"])
def test_a_file_in_another_charset_is_refused_by_name(name: str) -> None:
    Path(name).write_bytes('GATEWAY_HOME="数据"\n'.encode("gb18030"))
    with pytest.raises(ConfigurationError, match=f"{name}: not .*UTF-8"):
        load(GatewaySettings)


def test_secrets_do_not_show_in_the_settings() -> None:
    given = {"GATEWAY_HARBOUR__ENDPOINT": "https://h.invalid", "GATEWAY_HARBOUR__PASSWORD": "p-55512"}
    harbour = loader(given)(Harbour)
    assert harbour.password.get_secret_value() == "p-55512"
    assert "55512" not in f"{harbour!r} {harbour} {harbour.model_dump()}"
    assert "abc" not in repr(load(GatewaySettings, keys="abc"))


def test_the_log_level_is_a_known_one_in_any_case() -> None:
    assert load(GatewaySettings, log_level="info").log_level == "INFO"
    with pytest.raises(ConfigurationError, match="GATEWAY_LOG_LEVEL"):
        load(GatewaySettings, log_level="loud")


def test_a_platforms_settings_give_the_transport_its_view() -> None:
    harbour = load(
        Harbour, endpoint="https://h.invalid/api/", min_interval_seconds=0.5, connections=3, deadline_seconds=9
    )
    assert harbour.to_endpoint() == Endpoint(
        base_url="https://h.invalid/api",
        pace=Pace(interval=timedelta(seconds=0.5), connections=3),
        connect_timeout=timedelta(seconds=5),
        deadline=timedelta(seconds=9),
    )


def test_the_database_may_be_elsewhere() -> None:
    assert load(GatewaySettings, database_url="postgresql://db/x").url == "postgresql://db/x"
    assert load(GatewaySettings, home="x?y%41").url == Path("x?y%41/gateway.db")


@pytest.mark.parametrize(
    ("environment", "language", "chinese"),
    [
        ({}, None, False),
        ({"LANG": "zh_CN.UTF-8"}, None, True),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, None, False),
        ({"LANG": "en_GB.UTF-8"}, "zh", True),
        ({"LANG": "zh_CN.UTF-8"}, "EN", False),
    ],
)
def test_the_language_is_chosen_or_taken_from_the_locale(
    environment: dict[str, str], language: str | None, chinese: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANG", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load(GatewaySettings, language=language).chinese is chinese
