"""The forty cases of credit feedback as the simulated platform shows them, each read back by the connector."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from connectors.provincial_credit.sandbox import cases
from gateway.contract.messages import Finding
from gateway.domain.identifiers import resident_id_check_digit
from gateway.domain.records import Certificate, RecordKind
from gateway.testing import people

Check = Callable[[list[Finding]], bool]


def _all(bench: Any, cursor: str | None = None) -> list[Finding]:
    found: list[Finding] = []
    for _ in range(30):
        page = bench.ask("feedback", cursor)
        found += page.findings
        cursor = page.next_cursor
        if not page.has_more:
            return found
    raise AssertionError("the feed does not end")


def _kinds(*kinds: str) -> Check:
    return lambda found: [f.event_type for f in found] == list(kinds)


def _versions(*versions: int) -> Check:
    return lambda found: [f.version for f in found] == list(versions) and len({f.record_id for f in found}) == 1


def _held() -> dict[str, str]:
    """Number -> name of the people who are held."""
    submitted = people.submissions("provincial_credit", RecordKind.CERTIFICATE, 4)
    holders = [s.record.content.holder for s in submitted if isinstance(s.record.content, Certificate)]
    return {holder.id_number: holder.name for holder in holders}


def _known(finding: Finding) -> bool:
    return finding.subject is not None and (finding.subject.id_number or "") in _held()


def _named(finding: Finding) -> bool:
    return finding.subject is not None and finding.subject.name in _held().values()


CHECKS: dict[str, Check] = {
    "F01": lambda f: {x.stream for x in f} == {"PERSON_BAD", "PERSON_GOOD"} and all(map(_known, f)),
    "F02": lambda f: len(f) == 2 and f[0] == f[1],
    "F03": lambda f: _versions(1, 1)(f) and f[0].digest != f[1].digest,
    "F04": lambda f: _kinds("CREATED", "AMENDED")(f) and f[1].effective_from is not None,
    "F05": lambda f: _kinds("CREATED", "CORRECTED")(f) and f[0].decision_no != f[1].decision_no,
    "F06": lambda f: _kinds("CREATED", "PERIOD_CHANGED")(f) and f[0].publish_end != f[1].publish_end,
    "F07": lambda f: _kinds("CREATED", "REVOKED")(f) and f[1].status_code == "1",
    "F08": _kinds("CREATED", "VOIDED"),
    "F09": lambda f: _kinds("CREATED", "REPAIRED")(f) and "repair" in f[1].extra,
    "F10": _kinds("CREATED", "REPAIRED", "REPAIR_REVOKED"),
    "F11": _kinds("CREATED", "EXPIRED"),
    "F12": lambda f: _kinds("CREATED", "DELISTED")(f) and f[0].category == "BLACKLIST",
    "F13": lambda f: _kinds("CREATED", "OBJECTION_OPENED", "OBJECTION_CLOSED")(f) and f[1].status_code == "2",
    "F14": _versions(1, 3, 2),
    "F15": lambda f: _versions(1, 3, 2)(f) and f[1].prev_version == 1,
    "F16": lambda f: not any(map(_known, f)),
    "F17": lambda f: {x.stream for x in f} == {"CORP_BAD"} and len({x.subject.corp_code for x in f if x.subject}) == 2,
    "F18": lambda f: _known(f[0]) and not _named(f[0]),
    "F19": lambda f: _known(f[0]) and not _named(f[0]),
    "F20": lambda f: not _known(f[0]) and _named(f[0]) and f[0].certificate_number is not None,
    "F21": lambda f: _kinds("SUBJECT_MERGED")(f) and f[0].stream == "SUBJECT",
    "F22": lambda f: _kinds("SUBJECT_MERGED", "SUBJECT_SPLIT")(f) and _versions(1, 2)(f),
    "F23": lambda f: _kinds("SUBJECT_RENAMED")(f) and _known(f[0]) and not _named(f[0]),
    "F24": lambda f: _kinds("SUBJECT_RENAMED")(f) and f[0].extra["succession"] != {},
    "F25": lambda f: _kinds("CREATED", "REASSIGNED")(f) and f[0].subject != f[1].subject,
    "F26": lambda f: _kinds("CERT_INVALIDATED")(f) and f[0].stream == "CERT" and bool(f[0].certificate_number),
    "F27": _kinds("CREATED"),
    "F28": lambda f: f == [],
    "F29": lambda f: f[0].decision_no == f[1].decision_no and f[0].record_id != f[1].record_id,
    "F30": lambda f: f[0].decision_no == f[1].decision_no and f[0].subject != f[1].subject,
    "F31": lambda f: bool(f[0].publish_begin and f[0].publish_begin > f[0].event_time.date()),
    "F32": lambda f: bool(f[0].decision_date and f[0].decision_date.year == 2015),
    "F33": lambda f: {x.flaw for x in f} == {"SCHEMA_INVALID"},
    "F34": lambda f: f[0].authority != f[1].authority and f[0].source_org != f[1].source_org,
    "F35": lambda f: {x.flaw for x in f} == {"SIGNATURE_INVALID"},
    "F36": lambda f: f == [],
    "F37": lambda f: f[0].flaw is None,
    "F38": lambda f: f == [],
    "F39": lambda f: _kinds("CREATED", "REVOKED")(f) and f[0].stream == "PERSON_GOOD",
    "F40": _versions(1, 2, 3),
}


@pytest.mark.parametrize("case", cases.ALL)
def test_a_case_shows_itself_as_it_should(bench: Any, case: str) -> None:
    bench.hold(4)
    bench.sandbox.command(tell=(case,))
    assert CHECKS[case](_all(bench))


def test_a_clock_that_is_ahead_shows_in_the_event_s_time(bench: Any) -> None:
    bench.hold(4)
    bench.sandbox.command(tell=("F37",))
    (finding,) = _all(bench)
    assert finding.event_time - bench.clock.now == timedelta(minutes=15)


def test_a_record_disappears_without_a_word_and_comes_back_with_its_next_version(bench: Any) -> None:
    bench.hold(4)
    bench.sandbox.command(tell=("F27", "F28"))
    assert [f.version for f in _all(bench)] == [1, 2]


def test_a_lost_page_a_repeated_page_and_a_cursor_that_jumps_back_lose_nothing_to_who_asks_again(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench(feedback_limit="4")
    bench.hold(4)
    bench.sandbox.command(tell=tuple(name for name in cases.STORY if name != "F02"))
    first = bench.ask("feedback", None)
    bench.sandbox.command(tell=("F36",))
    lost = bench.ask("feedback", first.next_cursor)
    bad = [f.stream_seq for f in (*first.findings, *lost.findings) if f.stream == "PERSON_BAD"]
    assert bad != list(range(1, len(bad) + 1)), "the gap shows in the numbers of a stream"
    repeated = bench.ask("feedback", first.next_cursor)
    assert repeated.findings == first.findings
    back = bench.ask("feedback", first.next_cursor)
    assert back.has_more
    assert bench.ask("feedback", back.next_cursor).findings == first.findings, "it points to the beginning"
    found = {f.event_id for f in _all(bench, first.next_cursor)} | {f.event_id for f in first.findings}
    assert len(found) == bench.sandbox.effects()["counts"]["events"]


def test_every_number_in_the_story_is_synthetic(bench: Any) -> None:
    bench.hold(4)
    numbers = {f.subject.id_number for f in _all(bench) if f.subject and f.subject.id_number}
    assert len(numbers) > 4
    for number in numbers:
        assert number.startswith("370000")
        assert resident_id_check_digit(number[:17]) == number[17]


def test_events_of_a_region_are_told_to_who_asks_for_it(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(feedback_region="370200")
    bench.hold(4)
    assert _all(bench) == []


def _command(bench: Any, wanted: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=bench.sandbox.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.invalid") as client:
            content = wanted if isinstance(wanted, bytes) else json.dumps(wanted).encode()
            return await client.post("/__sandbox/credit", content=content)

    return asyncio.run(send())


def test_cases_are_told_and_records_hidden_on_command_over_http(bench: Any) -> None:
    bench.hold(4)
    answer = _command(bench, {"tell": ["F07", "F09"]})
    assert answer.status_code == 200
    record_id = answer.json()["cases"]["F07"][0]
    assert {f.event_type for f in _all(bench)} == {"CREATED", "REVOKED", "REPAIRED"}
    _command(bench, {"hide": [record_id]})
    assert bench.ask("versions", record_id).reason == "UNKNOWN"
    _command(bench, {"show": [record_id], "field_key": "field-2"})
    assert len(bench.ask("versions", record_id)) == 2


@pytest.mark.parametrize(
    ("wanted", "status"),
    [({"tell": ["F99"]}, 400), (b"{", 400), ([], 400), ({"field_key": "field-9"}, 400), ({"tell": ["F01"]}, 409)],
)
def test_a_command_that_cannot_be_carried_out_says_so(bench: Any, wanted: Any, status: int) -> None:
    assert _command(bench, wanted).status_code == status
