"""Own decisions: drafts, their proof, publication, and what follows from them, on both stores."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.credit.decisions import Officer, draft, publish, read_decision
from gateway.credit.rules.statements import Status
from gateway.credit.store import views as archive_views
from gateway.credit.store.case_tables import credit_own
from gateway.credit.store.events import CENTRE
from gateway.credit.store.subjects import AUTHORITY, ENTERPRISE
from gateway.credit.store.tables import ticket
from gateway.credit.store.tickets import Filter
from gateway.credit.tickets import read_calendar, work_list
from gateway.credit.views import View, find_subject, show
from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, RecordKind
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.tables import audit
from gateway.testing import people
from gateway.testing.people import CHINA
from tests.support.creditfeed import Feed

NOW = datetime(2019, 4, 12, 10, 0, tzinfo=CHINA)
DECISION = """
subject = "{subject}"
category = "BAD"
credit_type = "SD-P"
credit_code = "SD-P-01"
content = "申报时提供虚假劳动合同"
region = "370000"
authority = "山东省建设从业人员教育中心"
legal_basis = "鲁建教函〔2019〕1号 六(三)"
decision = "记入诚信档案并公布"
decision_no = "鲁教决字〔2019〕1号"
decided = 2019-04-10

[proof]
noticed = 2019-04-01
heard = true
delivered = 2019-04-12
digest = "sha-256:{digest}"
"""


class Office:
    """Officers at work on one store."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.feed = Feed(store)
        self.folder = folder

    def said(self, subject: str, **changes: Any) -> dict[str, Any]:
        path = self.folder / "decision.toml"
        path.write_text(DECISION.format(subject=subject, digest="0" * 64), encoding="utf-8")
        return {**read_decision(path), **changes}

    def officer(self, by: str = "officer") -> Officer:
        return Officer(by=by, now=NOW, calendar=read_calendar())

    def draft(self, said: dict[str, Any]) -> Any:
        return draft(self.store, said, self.officer(), new_key=lambda: people.ulid(self.feed.rng))

    def publish(self, key: str, **changes: Any) -> Any:
        return publish(self.store, key, self.officer("head"), reason="signed", platform=None, **changes)

    def current(self, kind: str, key: str) -> list[Any]:
        with self.store.read() as connection:
            return archive_views.current(connection, key, NOW + timedelta(days=1), kind=kind)


@pytest.fixture
def office(store: Store, tmp_path: Path) -> Office:
    return Office(store, tmp_path)


def test_a_published_decision_is_in_the_archive_with_a_period_by_its_rule(office: Office) -> None:
    person, _ = office.feed.person()
    kept = office.draft(office.said(person.key))
    assert (kept.version, kept.lacking, kept.warn_on, kept.due_on) == (1, (), date(2019, 4, 17), date(2019, 4, 19))
    assert office.current("person", person.key) == []
    assert office.feed.tickets() == ["DEADLINE"]
    late = {day: _shown(office, day) for day in (date(2019, 4, 17), date(2019, 4, 18), date(2019, 4, 20))}
    assert list(late.values()) == [(False, False), (True, False), (True, True)]
    office.publish(kept.key)
    (held,) = office.current("person", person.key)
    assert (held.platform, held.usable, held.public) == (CENTRE, True, True)
    assert (held.statement.rule_id, held.statement.publish_to) == ("R-SD-LOCAL", datetime(2020, 4, 10, tzinfo=CHINA))
    assert office.feed.tickets() == []
    with office.store.read() as connection:
        trail = [(row.actor, row.action, row.reason) for row in connection.execute(select(audit).order_by(audit.c.id))]
    assert trail == [("officer", "decision_draft", None), ("head", "decision_publish", "signed")]


def _shown(office: Office, day: date) -> tuple[bool, bool]:
    """Whether the deadline is near, and whether it has passed."""
    now = datetime.combine(day, time(12), CHINA)
    _, [one] = work_list(office.store, read_calendar(), Filter(), 10, now)
    assert one.due_on == date(2019, 4, 19)
    return one.soon, one.late


def test_without_proof_it_cannot_leave_the_draft(office: Office) -> None:
    person, _ = office.feed.person()
    kept = office.draft(office.said(person.key, proof={"heard": True}, decision_no=None))
    assert kept.lacking == ("proof.noticed", "decision_no", "proof.digest", "proof.delivered")
    with pytest.raises(InputError, match=r"for want of: proof\.noticed"):
        office.publish(kept.key)
    assert office.current("person", person.key) == []
    again = office.draft(office.said(person.key, record=kept.key))
    assert (again.key, again.version, again.lacking) == (kept.key, 1, ())
    office.publish(kept.key)
    with pytest.raises(InputError, match="no draft"):
        office.publish(kept.key)


def test_a_later_version_ends_the_record_the_same_day(office: Office) -> None:
    person, _ = office.feed.person()
    kept = office.draft(office.said(person.key))
    office.publish(kept.key)
    second = office.draft(office.said(person.key, record=kept.key, event_type="REPAIRED"))
    assert second.version == 2
    office.publish(kept.key)
    (held,) = office.current("person", person.key)
    assert (held.statement.status, held.usable, held.public) == (Status.REPAIRED, False, False)


def test_the_period_is_as_the_decision_or_the_centre_fixes_it_and_never_below_the_sanction(office: Office) -> None:
    person, _ = office.feed.person()
    fixed = office.draft(office.said(person.key, published_to=date(2019, 12, 31), decision_no="甲"))
    office.publish(fixed.key)
    centre = office.draft(office.said(person.key, decision_no="乙", sanction_to=date(2021, 1, 31)))
    office.publish(centre.key, default_period="P6M")
    ends = {one.record_id: one.statement.publish_to for one in office.current("person", person.key)}
    assert ends == {
        fixed.key: datetime(2020, 1, 1, tzinfo=CHINA),
        centre.key: datetime(2021, 2, 1, tzinfo=CHINA),
    }


@pytest.mark.parametrize(("kind", "code"), [(ENTERPRISE, "91370000MA00000000"), (AUTHORITY, "370200")])
def test_enterprises_and_cities_are_subjects_too(office: Office, kind: str, code: str) -> None:
    said = office.said(code, kind=kind, subject_name="示例主体")
    office.publish(office.draft(said).key)
    with office.store.read() as connection:
        who = find_subject(connection, office.store.vault, code)
        assert who is not None
        assert who.kind == kind
        (row,) = show(connection, office.store.vault, who, View.PUBLIC, NOW + timedelta(days=1))
    assert (row["name"], row["number"], row["decision_no"]) == ("示例主体", code, "鲁教决字〔2019〕1号")


def test_people_we_do_not_hold_cannot_be_decided_about(office: Office) -> None:
    for subject in ("nobody", people.ulid(office.feed.rng)):
        with pytest.raises(InputError, match="nobody we hold"):
            office.draft(office.said(subject))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"colour": "red"}, "colour"),
        ({"event_type": "SOMETHING"}, "event_type"),
        ({"content": None, "decided": "someday"}, "content"),
        ({"record": "unknown"}, "record"),
        ({"proof": "yes"}, "another form"),
    ],
)
def test_what_is_no_decision_is_refused_with_the_field(office: Office, changes: dict[str, Any], match: str) -> None:
    person, _ = office.feed.person()
    with pytest.raises(InputError, match=match):
        office.draft(office.said(person.key, **changes))


def test_a_file_that_is_no_toml_is_refused_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    path.write_text("张伟 = = 1", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_decision(path)
    assert "张伟" not in str(caught.value)


def test_an_own_decision_voids_a_certificate_and_the_platforms_are_owed_the_change(office: Office) -> None:
    person, _ = office.feed.person()
    record, certificate = office.feed.certificate_record(person)
    said = office.said(person.key, event_type="CERT_INVALIDATED", certificate=certificate.number)
    office.publish(office.draft(said).key)
    with office.store.read() as connection:
        found = records.newest_records(connection, office.store.vault, RecordKind.CERTIFICATE, [record.key])
        after = next(found).content
        assert isinstance(after, Certificate)
        assert after.status == "04"
        assert records.newest(connection, RecordKind.STATUS_CHANGE, [record.key])
    assert office.feed.tickets() == ["CERTIFICATE"]


def test_nothing_of_a_decision_stands_in_clear(office: Office) -> None:
    person, worker = office.feed.person()
    kept = office.draft(office.said(person.key, content=f"{worker.name} 提供虚假合同"))
    office.publish(kept.key)
    with office.store.read() as connection:
        clear = repr([list(row) for row in connection.execute(select(credit_own))])
        clear += repr([list(row) for row in connection.execute(select(ticket))])
        clear += repr([list(row) for row in connection.execute(select(audit))])
        who = find_subject(connection, office.store.vault, person.key)
        assert who is not None
        (row,) = show(connection, office.store.vault, who, View.INTERNAL, NOW + timedelta(days=1))
    assert worker.name not in clear
    assert worker.name not in repr(row)
    assert "***" in row["content"]


def test_a_subject_is_found_by_key_certificate_or_code_and_never_by_name(office: Office) -> None:
    person, worker = office.feed.person()
    _, certificate = office.feed.certificate_record(person)
    with office.store.read() as connection:
        for text in (person.key, certificate.number, certificate.number.lower()):
            who = find_subject(connection, office.store.vault, text)
            assert who is not None
            assert who.key == person.key
        for text in (worker.name, worker.id_number, "", "370299"):
            assert find_subject(connection, office.store.vault, text) is None
