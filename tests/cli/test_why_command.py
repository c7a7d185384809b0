"""``gateway why`` from the shell: an identity number comes by stdin, and a break is an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.bootstrap import open_gateway
from gateway.codec.codes import table
from gateway.intake.reading.columns import field_of
from gateway.intake.store import batches
from gateway.operations.store.why import subject
from gateway.testing.batch import write_sample

Ask = Callable[..., Result]


@pytest.fixture
def ask(run: Ask) -> Ask:
    """Ask about somebody, in a home where nothing was read yet."""
    return partial(run, "why")


def test_what_nobody_reported_is_the_first_broken_link(ask: Ask) -> None:
    assert "no row that was read names it" in ask("370100201900000001", code=1).stdout


def test_an_identity_number_comes_by_stdin_and_is_not_repeated(ask: Ask) -> None:
    result = ask("-", "--json", stdin="37000019800101001x\n", code=1)
    assert json.loads(result.stdout)["broken"][0]["step"] == "filed"
    assert "37000019800101001" not in result.output


def test_nothing_on_stdin_is_misuse(ask: Ask) -> None:
    ask("-", code=2)


def test_every_row_that_did_not_go_is_found_by_both_its_numbers(run: Ask, tmp_path: Path) -> None:
    write_sample(tmp_path / "sample.xlsx", 330)
    run("intake", "sample.xlsx", "--json", code=1)
    asked = 0
    with open_gateway() as gateway, gateway.store.read() as connection:
        vault = gateway.store.vault
        types = [row["canonical"] for row in table("id_document_type").rows if row["canonical"]]
        ids = batches.named(connection, "sample.xlsx")
        for row in batches.failing(connection, vault, ids, "sample.xlsx"):
            cells = {field_of(header): text for header, text in batches.unpack(row.packed).items()}
            for text in (cells.get("certificate_number"), cells.get("id_number")):
                if text and row.outcome in ("refuse", "hold"):
                    asked += 1
                    found = subject(connection, vault, text, types).rows
                    assert row.row_no in [one.row_no for one in found]
    assert asked > 100


def test_a_batch_is_followed_by_its_name_in_the_chosen_language(
    run: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(tmp_path / "sample.xlsx", 40)
    run("intake", "sample.xlsx", "--json", code=1)
    monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
    told = run("why", "sample.xlsx", code=1).stdout
    assert "断点" in told
    assert "gateway batches" in told


@pytest.mark.parametrize(
    "command",
    [
        ("failures", "--platform", "nope"),
        ("failures", "--batch", "nope.xlsx"),
        ("replay", "plan", "--reason", "r", "--platform", "nope"),
        ("replay", "plan", "--reason", "r", "--batch", "nope.xlsx"),
        ("tickets", "list", "--platform", "nope"),
    ],
)
def test_an_unknown_name_in_a_filter_is_misuse(run: Ask, command: tuple[str, ...]) -> None:
    assert "nope" in run(*command, code=2).stderr


def test_an_end_that_is_given_holds_for_a_pause_in_force(run: Ask) -> None:
    run("pause", "national_market", "--reason", "contract")
    told = run("pause", "national_market", "--reason", "other", "--until", "2099-04-02 22:30").stdout
    assert "contract" in told
    assert "2099-04-02 22:30" in told
    held = run("status", "--json").stdout
    assert "2099-04-02T14:30:00+00:00" in held
