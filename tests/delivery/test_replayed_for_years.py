"""One business fact, one identity: a message that is replayed a hundred times in five years has one effect.

What a protocol makes fresh each time (number and time of the message, nonce, signature) is named here for each
platform; everything else must be the same bytes, under the same key and version.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from sqlalchemy import select

from gateway.contract.messages import WireRequest
from gateway.delivery.rules.differences import Difference, Item
from gateway.delivery.store import reconciliations, replays
from gateway.delivery.store.tables import delivery, payload
from gateway.delivery.store.views import DeliveryFilter
from gateway.domain.records import Certificate, ChangeNature, Record, RecordKind, StatusChange, Withdrawal
from gateway.store.engine import Store
from gateway.testing import people
from tests.support.oneplatform import OnePlatform, one_platform

PLACE = ("project_code", "corp_code", "corp_name", "team_sys_no", "team_name")


def _market(request: WireRequest) -> bytes | None:
    """Without the head's number and time, and without the SOAP header: nonce and time of the password, or a token."""
    if request.operation.startswith("Save"):  # the form with one string has nothing that is made fresh
        return request.body
    if not request.operation.startswith(("Upsert", "ChangeCertificateStatus", "WithdrawRecord")):
        return None
    body = re.sub(rb"<(\w+:)?(SerialNo|SentAt)>[^<]*<", b"<", request.body)
    assert body != request.body
    return re.sub(rb"<([\w-]+:)?Header>.*</([\w-]+:)?Header>", b"", body, flags=re.DOTALL)


def _provincial(request: WireRequest) -> bytes | None:
    """Without the batch's number and time; the signature stands in the headers."""
    if request.operation not in ("createCertificateBatch", "putCertificate", "createStatusChange"):
        return None
    body = json.loads(request.body)
    for name in ("batchNo", "createdAt"):
        body.pop(name, None)
    return json.dumps(body, ensure_ascii=False).encode()


def _worker(request: WireRequest) -> bytes | None:
    """The data as they stand in the form; nonce, time and signature stand beside them."""
    fields = parse_qs(request.body.decode())
    (method,) = fields["method"]
    return (
        None if method.endswith(".Query") or method.startswith("Async") else "".join((method, *fields["data"])).encode()
    )


LASTING: dict[str, Callable[[WireRequest], bytes | None]] = {
    "national_market": _market,
    "provincial_credit": _provincial,
    "worker_platform": _worker,
}


def _identities(here: OnePlatform, kind: RecordKind) -> dict[int, Any]:
    """What must never change of a delivery: its key, and the content that was checked once."""
    with here.store.read() as c:
        wanted = select(delivery.c.id, delivery.c.business_key, payload.c.content).join(
            payload, payload.c.delivery_id == delivery.c.id
        )
        if kind is not NEW:
            wanted = wanted.where(delivery.c.kind == kind)
        return {row.id: (row.business_key, bytes(row.content)) for row in c.execute(wanted)}


def _replay(here: OnePlatform, numbers: Collection[int]) -> None:
    """A listing that shows nothing of what we sent, and a plan that sends all of it again."""
    with here.store.write() as c:
        kinds = c.execute(select(delivery.c.id, delivery.c.kind).where(delivery.c.id.in_(numbers))).all()
        items = [Item(difference=Difference.LOST, kind=RecordKind(kind), delivery_id=number) for number, kind in kinds]
        reconciliations.save(
            c,
            here.store.vault,
            platform=here.connector.info.platform,
            ours_at=here.now,
            theirs_at=here.now,
            counts={Difference.LOST: len(items)},
            items=items,
        )
        plan = replays.plan(c, DeliveryFilter(), reason="not listed", by="op", now=here.now, difference=Difference.LOST)
        assert plan is not None
        assert plan.items == len(items)
        assert replays.run(c, plan.id, by="op", now=here.now) == {"done": len(items)}


def _next(record: Record, kind: RecordKind) -> Record:
    """What is said of a certificate after it was taken: a revocation, or that it was sent in error."""
    assert isinstance(record.content, Certificate)
    content: StatusChange | Withdrawal
    if kind is RecordKind.STATUS_CHANGE:
        content = StatusChange(
            certificate_key=record.key,
            certificate=record.content,
            new_status="04",
            operate_type="05",
            reason="以不正当手段取得证书",
            effective_date=date(2019, 4, 2),
            decision_no="鲁建教决〔2019〕1号",
            decision_org="山东省建设从业人员教育中心",
            void_from_start=True,
            certificate_version=1,
        )
    else:
        content = Withdrawal(
            withdrawn_kind=RecordKind.CERTIFICATE,
            withdrawn_key=record.key,
            content=record.content,
            reason="误推送",
            withdrawn_version=1,
        )
    return replace(record, kind=kind, version=2, content=content, change=ChangeNature.CORRECTION)


NEW, CHANGE, WITHDRAWAL = RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE, RecordKind.WITHDRAWAL
CASES = [
    ("national_market", "T", NEW),
    ("national_market", "T", CHANGE),
    ("national_market", "T", WITHDRAWAL),
    ("national_market", "T-token", NEW),
    ("national_market", "X", NEW),
    ("provincial_credit", "", NEW),
    ("provincial_credit", "", CHANGE),
    ("provincial_credit", "", WITHDRAWAL),
    ("worker_platform", "sandbox", NEW),
    ("worker_platform", "national", NEW),
    ("worker_platform", "henan", NEW),
]


@pytest.mark.parametrize("times", [5, pytest.param(100, marks=pytest.mark.soak)])
@pytest.mark.parametrize(("name", "dialect", "kind"), CASES)
def test_a_message_replayed_over_five_years_has_one_identity_and_one_effect(
    sqlite_url: str, make_store: Callable[[str], Store], name: str, dialect: str, kind: RecordKind, times: int
) -> None:
    here = one_platform(name, make_store(sqlite_url), sandbox={"dialect": dialect} if dialect else {})
    person = people.person_record(here.rng, employed=True)
    certificate = people.certificate_record(here.rng, person)
    if len(here.connector.info.kinds) > 1 and name == "worker_platform":
        at = here.sandbox.access("").details
        place = people.placement(*(at[field] for field in PLACE))
        person, certificate = people.placed(person, place), people.placed(certificate, place)
    here.take([person, certificate])
    owed = here.until_quiet().total()
    if kind is not NEW:
        here.take([_next(certificate, kind)])
        assert here.until_quiet().total() == owed + 1
        owed = 1
    assert set(here.states()) == {"accepted"}
    total, effects = here.states().total(), here.sandbox.effects()["holdings"]
    identities = _identities(here, kind)
    assert len(identities) == owed
    for _ in range(times):
        here.now += timedelta(days=5 * 365.25) / times
        _replay(here, identities)
        assert here.until_quiet() == {"accepted": total}
    assert _identities(here, kind) == identities
    # the same bytes each time: one form for each record, sent once and then so many times
    seen = Counter(body for one in here.sent if (body := LASTING[name](one)) is not None)
    assert sorted(seen.values())[-owed:] == [times + 1] * owed
    assert sum(seen.values()) == (times + 1) * owed + (total - owed)
    after = here.sandbox.effects()["holdings"]
    assert after == effects
