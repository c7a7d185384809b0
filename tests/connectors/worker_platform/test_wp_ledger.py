"""The national dialect with a real ledger: who goes by project, in which order, and what both sides say afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from gateway.delivery.push import push
from gateway.delivery.store import version_order
from gateway.delivery.store.tables import exchange, reconciliation_item
from gateway.domain.records import Record, RecordKind, Worker

Make = Callable[..., Any]


def test_only_filings_that_name_a_project_are_owed_and_the_rest_is_counted(world: Make) -> None:
    here = world("national")
    here.enqueue(*here.filings(3), *here.filings(2, placed=False))
    here.until_quiet()
    assert here.states() == {"person accepted": 3, "certificate accepted": 3}
    counts = here.books("effects")["counts"]
    assert (counts["persons"], counts["certificates"]) == (3, 3)
    with here.store.read() as c:
        left = {kind: version_order.not_owed(c, here.connector.info, kind) for kind in here.connector.info.declined}
    assert (left[RecordKind.PERSON], left[RecordKind.CERTIFICATE]) == (2, 2)
    here.check()


def test_the_worker_is_accepted_before_the_training_leaves(world: Make) -> None:
    here = world("national")
    here.enqueue(*here.filings(4))
    here.until_quiet()
    with here.store.read() as c:
        calls = list(
            c.execute(select(exchange.c.operation).where(exchange.c.purpose == "push").order_by("id")).scalars()
        )
    assert sorted(calls) == ["ProjectTraining.Add"] * 4 + ["ProjectWorker.Add"] * 4
    assert not any(request["status"] != 200 for request in here.books("requests"))
    here.check()


def test_a_worker_who_cannot_go_holds_back_the_training_and_a_better_filing_frees_it(world: Make) -> None:
    here = world("national")
    person, certificate = here.filings(1)
    here.enqueue(edited(person, photo=None), certificate)
    here.until_quiet()
    assert here.states() == {"person rejected": 1, "certificate queued": 1}
    here.enqueue(replace(person, version=2))
    here.until_quiet()
    assert here.states() == {"person rejected": 1, "person accepted": 1, "certificate accepted": 1}


def test_a_new_team_is_an_update_of_the_same_worker(world: Make) -> None:
    here = world("national")
    person, certificate = here.filings(1)
    here.enqueue(person, certificate)
    here.until_quiet()
    here.enqueue(edited(replace(person, version=2), trade="010"))
    here.until_quiet()
    with here.store.read() as c:
        calls = list(
            c.execute(select(exchange.c.operation).where(exchange.c.purpose == "push").order_by("id")).scalars()
        )
    assert calls == ["ProjectWorker.Add", "ProjectTraining.Add", "ProjectWorker.Update"]
    assert here.reconciled().classes == {"match": 2}
    here.check()


def test_a_training_that_changed_is_compared_and_left_to_a_person(world: Make) -> None:
    here = world("national")
    person, certificate = here.filings(1)
    here.enqueue(person, certificate)
    here.until_quiet()
    content: Any = certificate.content
    same = replace(content, verification=replace(content.verification, verifier="审验员丙"))
    here.enqueue(replace(certificate, version=2, content=same))
    here.until_quiet()
    assert here.states()["certificate accepted"] == 2
    other = replace(content, level={"2": "3"}.get(content.level, "2"))
    here.enqueue(replace(certificate, version=3, content=other))
    here.until_quiet()
    assert here.states()["certificate parked"] == 1
    assert here.books("effects")["counts"]["certificates"] == 1


def test_somebody_in_another_team_is_a_conflict_for_a_person(world: Make) -> None:
    here = world("national")
    person, _ = here.filings(1)
    registry = here.sandbox.registry
    registry.write("Team.Add", {**registry_team(here), "teamName": "木工二班"}, here.clock())
    elsewhere = edited(person, team_no=str(int(here.place.team_no) + 1), team_name="木工二班")
    here.enqueue(elsewhere)
    here.until_quiet()
    newcomer = replace(person, key="01" + "0" * 24, person_key="01" + "0" * 24)
    here.enqueue(newcomer)
    here.until_quiet()
    assert here.states() == {"person accepted": 1, "person parked": 1}


def registry_team(here: Any) -> dict[str, str]:
    return {
        "projectCode": here.place.project_code,
        "corpCode": here.place.corp_code,
        "corpName": here.place.corp_name,
    }


def edited(person: Record, **change: object) -> Record:
    content = person.content
    assert isinstance(content, Worker)
    assert content.placement is not None
    return replace(person, content=replace(content, placement=replace(content.placement, **change)))  # type: ignore[arg-type]


# --- reconciliation ---


def test_every_difference_by_project_has_one_class_and_they_add_up(world: Make) -> None:
    here = world("national", VERIFY_UNSENT="false")
    filed = here.filings(6)
    here.enqueue(*filed)
    here.until_quiet()
    books = here.sandbox.books
    lost, altered = (key for key, _ in list(books.items("worker"))[:2])
    books.remove("worker", lost)
    versions = books.get("worker", altered)
    versions[-1]["fields"]["workType"] = "040"
    books.put("worker", altered, versions)
    here.sandbox.registry.grow()
    here.enqueue(*here.filings(1))
    report = here.reconciled()
    assert report.classes == {"match": 10, "lost": 1, "altered": 1, "unknown_here": 2, "lag": 2}
    assert (report.total, report.ours, report.theirs) == (16, 14, 13)
    with here.store.read() as c:
        fields = c.execute(select(reconciliation_item.c.fields).where(reconciliation_item.c["class"] == "altered"))
        assert list(fields.scalars()) == [["workType"]]


@pytest.mark.parametrize("grows", [0, 1, 3])
def test_a_listing_of_many_pages_is_whole_even_where_it_changes_meanwhile(world: Make, grows: int) -> None:
    here = world("national", VERIFY_UNSENT="false")
    filed = here.filings(120)
    here.enqueue(*filed[:2])
    here.until_quiet()
    fill(here, filed)
    here.sandbox.faults.set(next_=["slow", *["grow"] * grows])
    here.sandbox.slow_seconds = 0
    report = here.reconciled()
    assert report.classes == {"match": 2, "unknown_here": 2 * 119 + 2 * grows}
    asked = [one["operation"] for one in here.books("requests") if one["operation"].endswith(".Query")]
    assert asked.count("ProjectWorker.Query") >= 3 + (grows > 0)


def fill(here: Any, filed: list[Record]) -> None:
    """Put people straight into the platform's books: others filed them."""
    connector = here.connector
    from gateway.domain.records import Submission

    for record in filed[2:]:
        submission = Submission(platform="worker_platform", record=record)
        fields: Any = dict(connector.check(submission, connector.map(submission)).fields)
        if record.kind is RecordKind.PERSON:
            data, method = {**fields, "workerList": [fields]}, "ProjectWorker.Add"
        else:
            data, method = {**fields, "workers": [fields]}, "ProjectTraining.Add"
        here.sandbox.registry.write(method, data, here.clock())


def test_a_project_the_account_may_not_read_is_not_compared(world: Make) -> None:
    here = world("national", VERIFY_UNSENT="false")
    here.enqueue(*here.filings(2))
    here.until_quiet()
    here.sandbox.faults.set(next_=["busy"] * 3)
    assert here.reconciled().classes == {"not_asked": 2, "match": 2}


def test_certificates_that_cannot_be_sent_are_verified_by_asking(world: Make) -> None:
    here = world("national")
    filed = here.filings(3, placed=False)
    here.enqueue(*filed)
    here.until_quiet()
    assert here.states() == {}
    assert here.reconciled().classes == {"not_owed": 3}
    known = world_credentials(here, filed)
    here.sandbox.registry.write("WorkerCredential.Add", {"credentialList": known[:2]}, here.clock())
    other = {**known[1], "grantOrg": "别处"}
    here.sandbox.registry.write("WorkerCredential.Update", {"credentialList": [other]}, here.clock())
    assert here.reconciled().classes == {"match": 1, "altered": 1, "not_owed": 1}
    assert here.states() == {}


def world_credentials(here: Any, filed: list[Record]) -> list[dict[str, Any]]:
    from gateway.domain.records import Submission

    asked = [here.connector.verifiable(Submission(platform="worker_platform", record=one)) for one in filed]
    return [dict(payload.fields) for payload in asked if payload is not None]


def test_a_person_with_more_certificates_than_a_page_is_read_to_the_end(world: Make) -> None:
    here = world("sandbox", BATCH_MAX="5")
    person, certificate = here.filings(1, placed=False)
    content: Any = certificate.content
    many = [
        replace(certificate, key=f"01{n:024d}", content=replace(content, number=f"3701120{n:06d}")) for n in range(55)
    ]
    here.enqueue(person, *many)
    here.until_quiet()
    assert here.states() == {"certificate accepted": 55}
    assert here.reconciled().classes == {"match": 55}
    last = sorted(here.sandbox.books.items(f"credential/{content.holder.id_number}"))[-1][0]
    here.sandbox.books.remove(f"credential/{content.holder.id_number}", last)
    assert here.reconciled().classes == {"match": 54, "lost": 1}
    here.check(judge_again=False)


def test_a_doubt_about_a_certificate_on_a_late_page_is_settled_by_turning_pages(world: Make) -> None:
    here = world("sandbox", BATCH_MAX="5")
    person, certificate = here.filings(1, placed=False)
    content: Any = certificate.content
    known = [
        replace(certificate, key=f"01{n:024d}", content=replace(content, number=f"3701120{n:06d}")) for n in range(52)
    ]
    here.enqueue(person, *known)
    here.until_quiet()
    here.sandbox.faults.set(next_=["empty"])
    here.enqueue(replace(certificate, content=replace(content, number="3701129999999")))
    here.run(push)
    here.until_quiet()
    assert here.states() == {"certificate accepted": 53}
    assert here.books("effects")["counts"]["duplicates"] == 0
    here.check()


def test_the_reconciliation_shows_nobody(world: Make) -> None:
    here = world("national")
    here.enqueue(*here.filings(2), *here.filings(2, placed=False))
    here.until_quiet()
    here.reconciled()
    with here.store.read() as c:
        items = [dict(row) for row in c.execute(select(reconciliation_item)).mappings()]
    assert "370000" not in json.dumps(items, default=str)
