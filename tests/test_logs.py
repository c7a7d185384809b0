"""Log lines: one JSON object each, and nobody in them whatever was logged."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.logs import JsonLine, set_up

LIBRARIES = ("httpx", "zeep", "sqlalchemy", "sqlalchemy.engine", "zeep.transports", "aiohttp")
NUMBER, PHONE = "370000199001010011", "13800001234"


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, root.handlers[:], {n: logging.getLogger(n).level for n in ("httpx", "zeep", "sqlalchemy")})
    for name in LIBRARIES:
        logging.getLogger(name).disabled = False  # as a logging configuration in the same process may have left it
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def line(message: str, *args: object, error: Exception | None = None, **extra: Any) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.getLogger("gateway.x").makeRecord(
        "gateway.x", logging.WARNING, __file__, 1, message, args, info, extra=extra
    )
    return JsonLine().format(record)


def test_a_line_is_one_json_object_with_time_level_logger_event_and_ids() -> None:
    read = json.loads(line("no answer", platform="p", exchange=7))
    assert list(read) == ["at", "level", "logger", "event", "platform", "exchange"]
    assert read["event"] == "no answer"
    assert read["exchange"] == "7"
    assert read["at"].endswith("+00:00")


@pytest.mark.parametrize("frame", ["{}", "证件号{}已存在", "x: '{}'", "\n{}\n", "\t{}", '"{}"', "a\\{}"])
@pytest.mark.parametrize("number", [NUMBER, PHONE])
def test_numbers_are_masked_in_message_arguments_extra_and_error(frame: str, number: str) -> None:
    text = frame.format(number)
    shown = line(f"{text} %s", text, error=ValueError(text), detail=text, others=[text])
    assert number not in shown
    assert shown.count("***") >= 5
    assert "\n" not in shown
    assert json.loads(shown)["logger"] == "gateway.x"


def test_an_error_is_told_with_its_trace_on_the_same_line() -> None:
    try:
        raise ValueError("bad")
    except ValueError as error:
        read = json.loads(line("failed", error=error))
    assert read["error"].startswith("Traceback")
    assert read["error"].endswith("ValueError: bad")


@pytest.mark.parametrize("text", ["引号\"和'", "换\n行", "emoji 🚧", "\ud800", "\x00"])
def test_any_text_gives_one_readable_line(text: str) -> None:
    shown = line("%s", text)
    assert "\n" not in shown
    assert json.loads(shown)["event"] == text.replace("\ud800", "\ufffd")


@pytest.mark.parametrize("name", LIBRARIES)
def test_libraries_that_print_requests_are_quiet_below_warning(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO")
    logging.getLogger(name).info("HTTP Request: POST http://h.invalid/?id=%s", NUMBER)
    logging.getLogger("gateway.delivery").info("own")
    logging.getLogger(name).warning("trouble with %s", NUMBER)
    lines = [json.loads(text) for text in capsys.readouterr().err.splitlines()]
    assert [one["event"] for one in lines] == ["own", "trouble with ***"]


def test_setting_up_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    set_up()
    set_up()
    logging.getLogger("gateway").warning("once")
    logging.getLogger("gateway").info("not at this level")
    assert len(capsys.readouterr().err.splitlines()) == 1
