"""One row of a sheet to one filing, with everything that could not be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.domain.identifiers import (
    NUMBERED_TYPES,
    IdentityFlaw,
    ResidentNumber,
    hidden_marks,
    is_document_number,
    parse_resident_id,
    permit_type,
)
from gateway.intake.reading import project_cells, rules, words
from gateway.intake.reading import values as v
from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.reading.columns import COLUMNS, FIELDS
from gateway.intake.rules.filing import Filing, missing
from gateway.intake.rules.gate_table import GateFailure, Severity
from gateway.intake.rules.gates import required


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row as it stands in the file and as it was read.

    number:   1-based row of the sheet (record of a CSV)
    cells:    header as in the file -> original text
    filing:   None where so much is unreadable that no gate could say anything
    failures: what could not be read; the gates' own failures come from ``gates.judge``
    """

    number: int
    cells: Mapping[str, str] = field(repr=False)
    filing: Filing | None
    failures: tuple[GateFailure, ...] = ()


_READERS: Mapping[str, v.Reader] = {
    "name": v.read_name,
    "id_type": v.read_with(words.document_of),
    "gender": v.read_word(words.GENDERS),
    "birth_date": v.read_date,
    "ethnicity": v.read_with(words.ethnicity_of),
    "education": v.read_with(words.education_of),
    "mobile": v.read_mobile,
    "home_region": v.read_with(words.any_region_of),
    "employed": v.read_word(words.EMPLOYED),
    "employer_code": v.read_credit_code,
    "employer_region": v.read_with(words.any_region_of),
    "contract_term": v.read_word(words.TERMS),
    "contract_start": v.read_date,
    "contract_end": v.read_end_date,
    "certificate_number": v.read_certificate_number,
    "trade": v.read_with(words.trade_of),
    "level": v.read_with(words.level_of),
    "issuer_code": v.read_credit_code,
    "issuer_region": v.read_with(words.region_of),
    "assessment_origin": v.read_word(words.ORIGINS),
    "assessment_region": v.read_with(words.region_of),
    "application_date": v.read_date,
    "issue_date": v.read_date,
    "valid_to": v.read_end_date,
    "promise_signed_at": v.read_moment,
    "verifier": v.read_names,
    "verified_at": v.read_moment,
    "originals": v.read_with(words.originals_of),
    "seal_stamped": v.read_flag,
    "promise_signer": v.read_name,
    "responsible_person": v.read_name,
    "checked_true": v.read_flag,
    "checked_exact": v.read_flag,
    "checked_valid": v.read_flag,
    "withdrawn": v.read_flag,
    "status_step": v.read_word(words.STATUS_STEPS),
    "status_date": v.read_date,
    "team_corp_code": v.read_credit_code,
    "site_trade": v.read_with(project_cells.trade_of),
    "team_leader": v.read_flag,
    "site_since": v.read_date,
    "politics": v.read_with(project_cells.politics_of),
    "photo": project_cells.read_photo,
    "training_hours": project_cells.read_hours,
    "score": project_cells.read_score,
    "review_region": v.read_with(words.region_of),
    "reviewer": v.read_names,
    "reviewed_at": v.read_moment,
    "notice_begin": v.read_date,
    "notice_end": v.read_date,
    "objection": v.read_word(words.OBJECTIONS),
    "reported_at": v.read_moment,
    "channel": v.read_word(words.CHANNELS),
    "filing_corp_code": v.read_credit_code,
}
DATED = frozenset(n for n, read in _READERS.items() if read in (v.read_date, v.read_end_date, v.read_moment))
"""fields that hold a day or a moment"""
_PARTIES = frozenset(
    {"employer_name", "issuer_name", "confirm_organization", "review_department", "team_corp_name", "decision_org"}
    | {"card_issuer"}
)
_IDENTIFIERS = frozenset(
    {"id_number", "promise_version", "point_code", "summary_form_no", "batch_no", "project_code", "team_no"}
    | {"promise_digest", "summary_form_digest"}
)
_FLAWS = {IdentityFlaw.FORM: rules.ID_FORM, IdentityFlaw.DATE: rules.ID_DATE, IdentityFlaw.CHECK: rules.ID_CHECK}
_WORDS_WITH_NONE = frozenset({"employed", "objection", "seal_stamped"})
"""columns in which 无 says something; elsewhere it is an empty cell"""


_TOLD_BY_NUMBER = ("birth_date", "gender")
"""their absence is no second failure where the number that would tell them is unreadable"""


PERSONAL = frozenset({"name", "id_number", "birth_date", "mobile", "address", "certificate_number"})
"""columns that say who or what a row is about; where all are empty, the rest was filled in beforehand"""
_OWN = PERSONAL | {"photo"}
"""columns that differ from row to row: nothing of them is remembered"""


def _reader(name: str) -> v.Reader:
    """The whole reading of one cell of a column; what repeats over the rows of a batch is read once."""
    limit = FIELDS[name].limit
    read = _READERS.get(name) or _kind_of(name)(limit)
    may_say_none = name in _WORDS_WITH_NONE

    def whole(stored: Cell) -> v.Value | rules.Rule | None:
        cell = v.as_meant(stored)
        if isinstance(cell, Broken):
            return cell.rule
        return None if not may_say_none and v.is_blank(cell) else read(cell)

    return whole if name in _OWN else lru_cache(maxsize=1024, typed=True)(whole)


def _kind_of(name: str) -> Callable[[int], v.Reader]:
    """How a column without a reader of its own is read."""
    if name == "certificate_name":
        return v.read_certificate_name
    return v.read_party if name in _PARTIES else v.read_identifier if name in _IDENTIFIERS else v.read_text


_ALL_READERS: Mapping[str, v.Reader] = {column.field: _reader(column.field) for column in COLUMNS}


def failure(rule: rules.Rule, name: str, severity: Severity = Severity.REFUSE) -> GateFailure:
    """A broken rule of reading, for a field or (empty name) for the whole row."""
    return GateFailure(gate=rule.id, field=name, message=rule.en, message_zh=rule.zh, severity=severity)


def read_row(number: int, cells: Mapping[str, str], given: Mapping[str, Cell]) -> Row:
    """Read one row; ``given`` holds the cells of known columns by field."""
    if _silent(given, "id_number") and _silent(given, "certificate_number"):
        return Row(number=number, cells=cells, filing=None, failures=(failure(rules.EMPTY_ROW, ""),))
    said: dict[str, object] = {}
    flaws: dict[str, rules.Rule] = {}
    for name, cell in given.items():
        if cell == "":
            continue
        value = _ALL_READERS[name](cell)
        if isinstance(value, rules.Rule):
            flaws[name] = value
        elif value is not None:
            said[name] = value
    _split_trade(said)
    _settle_identity(said, flaws)
    unread = {*flaws, *(_TOLD_BY_NUMBER if "id_number" in flaws else ())}
    filing = Filing(**said, unread=frozenset(unread))  # type: ignore[arg-type]  # by field
    absent = tuple(missing(filing))
    filing = dataclasses.replace(filing, unread=filing.unread | frozenset(absent)) if absent else filing
    broken = tuple(failure(rule, name, _severity(name)) for name, rule in flaws.items())
    if hidden_marks("".join([cell for cell in given.values() if cell.__class__ is str])):
        marked = (name for name, cell in given.items() if isinstance(cell, str) and hidden_marks(cell))
        broken += tuple(failure(rules.INVISIBLE, name, Severity.WARN) for name in marked)
    return Row(number=number, cells=cells, filing=filing, failures=broken + tuple(required(name) for name in absent))


def _silent(given: Mapping[str, Cell], name: str) -> bool:
    return name not in given or v.is_blank(given[name])


def _severity(name: str) -> Severity:
    return Severity.WARN if FIELDS[name].harmless else Severity.REFUSE


def _split_trade(said: dict[str, object]) -> None:
    """A trade is read as code and name at once."""
    trade = said.get("trade")
    if isinstance(trade, tuple):
        said["trade"], said["trade_name"] = trade


def _settle_identity(said: dict[str, object], flaws: dict[str, rules.Rule]) -> None:
    """Read the number by its document type; a number with a check digit also says birth date and sex."""
    number, id_type = said.pop("id_number", None), said.get("id_type")
    if not isinstance(number, str):
        if id_type == words.PERMIT:
            said.pop("id_type")
            flaws["id_type"] = rules.CODE
        return
    if id_type == words.PERMIT:
        permit = permit_type(number)
        id_type = said["id_type"] = permit or "C01"
    if id_type is not None and id_type not in NUMBERED_TYPES:
        if is_document_number(number):
            said["id_number"] = number
        else:
            flaws["id_number"] = rules.ID_FORM
        return
    parsed = parse_resident_id(number)
    if isinstance(parsed, IdentityFlaw):
        flaws["id_number"] = _FLAWS[parsed]
    else:
        _take_number(said, flaws, parsed)


def _take_number(said: dict[str, object], flaws: Mapping[str, rules.Rule], parsed: ResidentNumber) -> None:
    said["id_number"], said["id_alias"] = parsed.number, parsed.alias
    for name, value in (("birth_date", parsed.birth_date), ("gender", parsed.gender)):
        if name not in flaws:
            said.setdefault(name, value)
