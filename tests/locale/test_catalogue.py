"""The Chinese catalogue: every text of the code is translated, with the same names in braces, and none is left over."""

from __future__ import annotations

import gettext
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.domain.errors import InputError
from gateway.locale import Text, in_chinese, shown, tr
from tests.support import catalogue

RENEW = "run `make texts`, and translate what it names in gateway/locale/zh/LC_MESSAGES/gateway.po"


@pytest.fixture(scope="module")
def pairs() -> dict[str, str]:
    return {str(one.id): str(one.string) for one in catalogue.read() if one.id}


def test_every_text_of_the_code_is_in_the_catalogue_and_nothing_else(pairs: dict[str, str]) -> None:
    in_code = catalogue.texts()
    assert sorted(set(in_code) - set(pairs)) == [], RENEW
    assert sorted(set(pairs) - set(in_code)) == [], RENEW


def test_every_text_is_translated(pairs: dict[str, str]) -> None:
    assert sorted(text for text, chinese in pairs.items() if not chinese) == [], RENEW


def test_translations_keep_the_names_in_braces(pairs: dict[str, str]) -> None:
    assert [text for text, chinese in pairs.items() if catalogue.places(text) != catalogue.places(chinese)] == []


def test_what_the_gateway_reads_is_compiled_from_the_catalogue(pairs: dict[str, str]) -> None:
    with catalogue.MO.open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert {text: compiled.gettext(text) for text in pairs} == pairs, RENEW


def test_a_text_is_its_english_sentence_and_can_be_said_in_chinese() -> None:
    text = tr("No such option: {name}", name="--x")
    assert text == "No such option: --x"
    assert shown(text, chinese=True) == "没有选项 --x"
    assert shown(text, chinese=False) == "No such option: --x"


def test_a_text_within_a_text_is_said_in_the_same_language() -> None:
    text = tr("Invalid value: {message}", message=tr("Missing command."))
    assert shown(text, chinese=True) == "值无效：缺少命令。"


def test_a_moment_in_a_text_is_told_in_china_s_time() -> None:
    text = tr("Help: {command}", command=datetime(2026, 11, 30, 18, 0, tzinfo=UTC))
    assert text == "Help: 2026-12-01 02:00"


def test_an_error_keeps_its_text_through_str_and_between_processes() -> None:
    error = InputError(tr("File {name} does not exist.", name="a.xlsx"))
    assert shown(str(error), chinese=True) == "文件 a.xlsx 不存在。"
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy.args[0], Text)
    assert shown(str(copy), chinese=True) == "文件 a.xlsx 不存在。"


@pytest.mark.parametrize(
    ("language", "environment", "chinese"),
    [
        ("zh", {"LANG": "en_US.UTF-8"}, True),
        ("en", {"LANG": "zh_CN.UTF-8"}, False),
        (None, {"LANG": "zh_CN.UTF-8"}, True),
        (None, {"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, False),
        (None, {"LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, True),
        (None, {}, False),
    ],
)
def test_the_setting_wins_over_the_locale(language: str | None, environment: dict[str, str], chinese: bool) -> None:
    assert in_chinese(language, environment) is chinese


def all_commands() -> list[list[str]]:
    def walk(command: object, path: list[str]) -> list[list[str]]:
        below = getattr(command, "commands", {})
        return [path, *(found for name, one in below.items() for found in walk(one, [*path, name]))]

    return walk(typer.main.get_command(app), [])


@pytest.mark.parametrize("path", all_commands(), ids=" ".join)
def test_help_speaks_chinese_within_eighty_columns(path: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.cli.layout import cell_length

    monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
    monkeypatch.setenv("COLUMNS", "80")
    told = CliRunner().invoke(app, [*path, "--help"]).stdout
    assert "显示本帮助" in told
    assert "Show" not in told
    assert [line for line in told.splitlines() if cell_length(line) > 80] == []


@pytest.mark.parametrize("place", [".env", "gateway.toml"])
def test_help_speaks_the_language_of_the_files(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_LANGUAGE", raising=False)
    text = {".env": "GATEWAY_LANGUAGE=zh\n", "gateway.toml": 'language = "zh"\n'}[place]
    (tmp_path / place).write_text(text, encoding="utf-8")
    assert "显示本帮助" in CliRunner().invoke(app, ["--help"]).stdout


def test_misuse_is_told_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
    told = CliRunner().invoke(app, ["push", "--limit", "0"])
    assert told.exit_code == 2
    assert "错误: '--limit' 的值无效：不得小于 1" in told.stderr
