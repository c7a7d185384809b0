"""Why a certificate is not where it should be: the chain from the row to the platform's word, and its first break.

Answers name batches, rows, rules, deliveries and codes; never the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.codec.codes import table
from gateway.contract.connector import ConnectorInfo
from gateway.delivery.explain import Rules, reasons
from gateway.delivery.rules.differences import Difference
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.operations.store import why as operations_why
from gateway.operations.store.why import NewestDelivery, ReportedRow
from gateway.store import records
from gateway.store.engine import Connection, Store

_FINE = frozenset({Difference.MATCH, Difference.LAG, None})
_NEXT = {
    State.QUEUED: "gateway push",
    State.AWAITING_ACK: "gateway acks",
    State.IN_DOUBT: "gateway resolve",
}


@dataclass(frozen=True, kw_only=True)
class WhyStep:
    """One step of the way. ``ok`` is None where the step has not come yet; ``act`` says what to do about a break."""

    step: str
    ok: bool | None
    text: str
    act: str | None = None
    platform: str | None = None
    delivery: int | None = None


@dataclass(kw_only=True)
class Explanation:
    """The chains of one person or certificate. ``broken`` is the first link of each chain that is not well."""

    person_key: str | None
    certificates: dict[str, list[WhyStep]] = field(default_factory=dict)
    rows: list[WhyStep] = field(default_factory=list)

    @property
    def broken(self) -> list[WhyStep]:
        """The first link of each chain that does not hold; empty where everything has arrived."""
        if not self.certificates:
            return [link for link in self.rows if not link.ok][:1]
        chains = [[*self.rows, *links] for links in _by_platform(self.certificates)]
        firsts = [next((link for link in chain if not link.ok), None) for chain in chains]
        return list(dict.fromkeys(link for link in firsts if link is not None))


def _by_platform(certificates: Mapping[str, Sequence[WhyStep]]) -> list[list[WhyStep]]:
    """One chain for each certificate and platform, with the links that they share in front."""
    chains = []
    for links in certificates.values():
        shared = [link for link in links if link.platform is None]
        named = dict.fromkeys(link.platform for link in links if link.platform is not None)
        chains += [[*shared, *(link for link in links if link.platform == name)] for name in named] or [shared]
    return chains


def why(store: Store, text: str, infos: Sequence[ConnectorInfo], rules: Rules, now: datetime) -> Explanation:
    """Follow one certificate number or identity number. ``infos``: the configured platforms."""
    id_types = [row["canonical"] for row in table("id_document_type").rows if row["canonical"]]
    with store.read() as connection:
        found = operations_why.subject(connection, store.vault, text, id_types)
        answer = Explanation(person_key=found.person_key)
        answer.rows = _filed(found.rows, known=bool(found.certificates))
        standings = operations_why.standings(connection, found.certificates)
        waiting = reasons(connection, [one.id for one in standings], rules, now)
        waits = {number: reason.en for number, reason in waiting.items() if reason is not None}
        for key in found.certificates:
            own = [one for one in standings if one.record_key == key]
            answer.certificates[key] = _followed(connection, key, own, infos, waits)
    return answer


def _filed(rows: Sequence[ReportedRow], *, known: bool) -> list[WhyStep]:
    """What became of the newest row; earlier ones that went do not mend it."""
    if not rows:
        text = "is held, but no row of a batch names it" if known else "no row that was read names it"
        return [
            WhyStep(step="filed", ok=known, text=text, act=None if known else "ask the city whether it was reported")
        ]
    last = rows[-1]
    where = f"{last.batch}, row {last.row_no}, read {last.read_at:%Y-%m-%d}"
    if last.outcome in ("refuse", "hold"):
        said = ", ".join(dict.fromkeys(f"{one['gate']} ({one['field']})" for one in last.failures))
        word = "refused" if last.outcome == "refuse" else "held"
        act = "return it to the city: gateway intake --returns"
        return [WhyStep(step="filed", ok=False, text=f"{where}: {word} by {said}", act=act)]
    return [WhyStep(step="filed", ok=True, text=f"{where}: {last.outcome}")]


def _followed(
    connection: Connection,
    key: str,
    own: Sequence[NewestDelivery],
    infos: Sequence[ConnectorInfo],
    waits: Mapping[int, str],
) -> list[WhyStep]:
    taken_back = records.newest(connection, RecordKind.WITHDRAWAL, [key])
    filed = records.newest(connection, RecordKind.CERTIFICATE, [key])
    gone = key in taken_back and (key not in filed or taken_back[key].version > filed[key].version)
    version = (taken_back if gone else filed)[key].version
    links = [WhyStep(step="kept", ok=True, text=f"version {version}" + (": withdrawn" if gone else ""))]
    platforms = {info.platform: info for info in infos}
    for name in sorted({*platforms, *(one.platform for one in own)}):
        here = [one for one in own if one.platform == name]
        links += _on(name, here, platforms.get(name), gone=gone)
        for one in here:
            links += _stands(one, waits.get(one.id))
    return links


def _on(name: str, here: Sequence[NewestDelivery], info: ConnectorInfo | None, *, gone: bool) -> list[WhyStep]:
    """Whether it is owed at all."""
    if here:
        return []
    kind = RecordKind.WITHDRAWAL if gone else RecordKind.CERTIFICATE
    if info is not None and kind not in info.kinds:
        why_not = info.declined.get(kind, "the platform takes no such records")
        return [WhyStep(step="owed", ok=False, text=f"not owed: {why_not}", platform=name)]
    return [WhyStep(step="owed", ok=None, text="not owed yet", act="gateway push", platform=name)]


def _stands(one: NewestDelivery, waits: str | None) -> list[WhyStep]:
    def link(step: str, ok: bool | None, text: str, act: str | None = None) -> WhyStep:
        return WhyStep(step=step, ok=ok, text=text, act=act, platform=one.platform, delivery=one.id)

    tried = f"version {one.version}, {one.attempts} attempts"
    if one.state is State.ACCEPTED:
        accepted = link("accepted", True, tried)
        if one.difference in _FINE:
            return [accepted]
        text = f"the last reconciliation says {one.difference}"
        return [accepted, link("reconciled", False, text, f"gateway show {one.id}")]
    if one.state is State.REJECTED:
        text = f"rejected: {one.code} {one.reason or ''}".rstrip()
        act = f"a corrected row; or, where the fault is not the record's, gateway replay plan --code {one.code}"
        return [link("accepted", False, text, act)]
    if one.state is State.PARKED:
        text = f"waits for a person: {one.code} {one.reason or ''}".rstrip()
        return [link("accepted", False, text, f"gateway show {one.id}, then gateway release {one.id}")]
    if one.state is State.HELD:
        return [link("accepted", False, f"{waits} ({one.code})", f"gateway resume {one.platform}")]
    return [link("accepted", None, f"{one.state}, {tried}: {waits}", _NEXT.get(one.state))]
