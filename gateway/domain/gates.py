"""Judging filings: every gate of a single row at once, and the gates that need the other rows and the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from gateway.domain.filing import Filing, missing
from gateway.domain.gate_checks import accept_phase
from gateway.domain.gate_rules import GateRules
from gateway.domain.gate_table import GATES, Gate, GateFailure, Severity

__all__ = [
    "GATES",
    "REQUIRED",
    "Gate",
    "GateFailure",
    "GateRules",
    "Outcome",
    "Severity",
    "accept_phase",
    "cross_check",
    "cross_keys",
    "judge",
    "outcome",
    "required",
]


class Outcome(StrEnum):
    """What becomes of a row."""

    ADMIT = "admit"
    HOLD = "hold"
    REFUSE = "refuse"


REQUIRED = "R-REQUIRED"
_PERSONS = GateFailure(
    gate="N06",
    field="certificate_number",
    message="the same certificate number stands for two persons",
    message_zh="同一证书编号对应两个人员",
)
_ENTERPRISES = GateFailure(
    gate="N16",
    field="filing_corp_code",
    message="two enterprises file the same person",
    message_zh="两家企业申报同一人员",
)
_NAMES = GateFailure(
    gate="R-PERSON",
    field="name",
    message="one identity number with two names: to be checked by a person",
    message_zh="同一证件号码对应两个姓名，转人工核查",
    severity=Severity.HOLD,
)
_REPEATED = GateFailure(
    gate="R-REPEAT", field="", message="the row repeats an earlier one of this file", message_zh="与本表前面的行重复"
)
_DIFFERENT = GateFailure(
    gate="R-REPEAT",
    field="certificate_number",
    message="the same certificate stands twice in this file with different data",
    message_zh="同一证书在本表出现两次且内容不同",
)


def required(field: str) -> GateFailure:
    """The failure of a field that every filing must have."""
    return GateFailure(gate=REQUIRED, field=field, message="must be filled in", message_zh="必须填写")


def judge(filing: Filing, rules: GateRules) -> tuple[GateFailure, ...]:
    """Return every rule the filing breaks; empty means that it may leave."""
    absent = [required(field) for field in missing(filing)]
    return (*absent, *(gate.failure for gate in GATES if gate.broken(filing, rules)))


def outcome(failures: Iterable[GateFailure]) -> Outcome:
    """What becomes of a row with these failures; a refusal outweighs a hold, a warning changes nothing."""
    severities = {failure.severity for failure in failures}
    if Severity.REFUSE in severities:
        return Outcome.REFUSE
    return Outcome.HOLD if Severity.HOLD in severities else Outcome.ADMIT


def cross_keys(filing: Filing) -> Mapping[str, str]:
    """What a filing claims for itself alone: ``certificate:…`` -> person, ``filer:…`` and ``name:…`` of the person.

    The store answers ``cross_check`` with a mapping of such keys to what it holds. The texts are personal: memory only.
    """
    claims: dict[str, str] = {}
    if filing.id_number is None:
        return claims
    person = f"{filing.id_type}/{filing.id_number}"
    if filing.certificate_number is not None:
        claims[f"certificate:{filing.certificate_number}"] = person
    if filing.filing_corp_code is not None:
        claims[f"filer:{person}"] = filing.filing_corp_code
    if filing.name is not None:
        claims[f"name:{person}"] = filing.name
    return claims


_CONFLICTS = {"certificate": _PERSONS, "filer": _ENTERPRISES, "name": _NAMES}


def cross_check(filings: Sequence[Filing | None], known: Mapping[str, str]) -> Mapping[int, tuple[GateFailure, ...]]:
    """Compare the filings of a batch with each other and with what is held: failures by index, where there are any.

    known: claims already held, keyed as ``cross_keys`` does; only ``get`` is used, so it may be a view of the store.
    Where two rows contradict each other both fail, because nobody here can say which one is right. An exact repetition
    fails alone; the first row goes.
    """
    claimed: dict[str, str] = {}
    disputed: set[str] = set()
    for filing in filings:
        for key, claim in cross_keys(filing).items() if filing else ():
            if claimed.setdefault(key, claim) != claim or known.get(key, claim) != claim:
                disputed.add(key)
    found: dict[int, list[GateFailure]] = {}
    for index, filing in enumerate(filings):
        conflicts = [key.partition(":")[0] for key in cross_keys(filing) if key in disputed] if filing else []
        if conflicts:
            found[index] = [_CONFLICTS[kind] for kind in conflicts]
    for index, failure in _repetitions(filings):
        found.setdefault(index, []).append(failure)
    return {index: tuple(dict.fromkeys(found[index])) for index in sorted(found)}


def _repetitions(filings: Sequence[Filing | None]) -> Iterable[tuple[int, GateFailure]]:
    """Rows about a certificate that an earlier row is about already: same person, number and trade."""
    first: dict[tuple[str | None, ...], int] = {}
    for index, filing in enumerate(filings):
        if filing is None or filing.id_number is None or filing.certificate_number is None:
            continue
        key = (filing.id_type, filing.id_number, filing.certificate_number, filing.trade)
        earlier = first.setdefault(key, index)
        if earlier == index:
            continue
        if filings[earlier] == filing:
            yield index, _REPEATED
        else:
            yield earlier, _DIFFERENT
            yield index, _DIFFERENT
