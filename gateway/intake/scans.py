"""The scans that come with a batch: matched to its rows by certificate number, checked, and handed over to be kept.

Names of files may be persons' names: they stand in the report that lies beside the batch, never in the store, and where
no row is theirs only in part.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.codec.redact import clean
from gateway.codec.scan_files import ScanFlaw, media_type_of, scan_flaw
from gateway.domain.records import Attachment
from gateway.intake.reading import rules as texts
from gateway.intake.reading.problems import FileRefused
from gateway.intake.reading.scan_source import FoundFile, UnreadableScan, digest_of_file, open_source
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_rules import GateRules, china_date
from gateway.intake.rules.gate_table import GateFailure, Severity
from gateway.intake.rules.scan_names import CERTIFICATE, CONTRACT, keys_of, kind_of, number_key, shown_name

_ENDING = re.compile(r"\.[A-Za-z]{2,5}$")
_FORMS = {"application/pdf": "PDF", "image/jpeg": "IMAGE", "image/png": "IMAGE", "application/ofd": "OFD"}
_MOST = {CERTIFICATE: 3, CONTRACT: 10}
_MOST_TOGETHER = 2_900_000
"""bytes of one certificate's scans: more does not fit into a message of 4 MiB as Base64"""
_TITLES = {CERTIFICATE: ("scan of the certificate", "证书扫描件"), CONTRACT: ("scan of the contract", "合同扫描件")}


@dataclass(frozen=True, kw_only=True)
class ScanLimits:
    """The largest file of each kind, in bytes: the first is what platforms take, the second ours."""

    certificate: int = 1024 * 1024
    contract: int = 10 * 1024 * 1024

    def most(self, kind: str) -> int:
        """Of one kind."""
        return self.certificate if kind == CERTIFICATE else self.contract


@dataclass(frozen=True, kw_only=True)
class GoodScan:
    """A scan that may be kept; ``read`` gives its bytes, or refuses the batch where they are others by now."""

    kind: str
    media_type: str
    size: int
    digest: str
    read: Callable[[], bytes] = field(repr=False)

    @property
    def attachment(self) -> Attachment:
        """As a record names it."""
        return Attachment(
            kind=f"{self.kind}_{_FORMS[self.media_type]}",
            media_type=self.media_type,
            size=self.size,
            sha256=self.digest,
        )


@dataclass(frozen=True, kw_only=True)
class ScanTrouble:
    """A file that was not kept, and why, in both languages; ``row``: whether a row of the batch is refused for it."""

    file: str
    failure: str
    failure_zh: str
    row: bool


@dataclass(frozen=True, kw_only=True)
class _Checked:
    file: FoundFile
    kind: str
    size: int
    digest: str
    media_type: str
    flaw: texts.Rule | None


class NoScans:
    """A batch without scans. Also what every kind of scans can do."""

    digest = ""
    speaks = False
    """whether anything may be said about a row"""
    brings = False
    """whether a row may have scans"""

    def note(self, filing: Filing | None) -> None:
        """Learn that a row is about a certificate; called for every row before anything is asked."""

    def settle(self) -> None:
        """All rows are known."""

    def failures(self, filing: Filing) -> tuple[GateFailure, ...]:
        """What speaks against a row because of its scans."""
        return ()

    def good(self, filing: Filing) -> tuple[GoodScan, ...]:
        """The scans of a row, certificate first."""
        return ()

    def troubles(self) -> list[ScanTrouble]:
        """Files that were not kept."""
        return []


class BatchScans(NoScans):
    """The files of a folder or archive beside a batch.

    source: None where there are none, but the rules may ask for them
    """

    speaks = True
    brings = True

    def __init__(self, source: Path | None, rules: GateRules, limits: ScanLimits) -> None:
        self._rules, self._limits, self._source = rules, limits, source
        self._files = [] if source is None else [self._checked(file) for file in open_source(source)]
        self._places: dict[str, list[int]] = {}
        for place, one in enumerate(self._files):
            for key in {key for level in keys_of(one.file.parts) for key in level}:
                self._places.setdefault(key, []).append(place)
        self._numbers: dict[str, set[str]] = {}
        self._of: dict[str, list[int]] = {}
        listed = "\n".join(f"{'/'.join(one.file.parts)} {one.digest}" for one in self._files)
        self.digest = "" if source is None else hashlib.sha256(listed.encode()).hexdigest()

    def _checked(self, file: FoundFile) -> _Checked:
        kind = kind_of(file.parts)
        most = self._limits.most(kind)
        media_type, flaw = "", None
        try:
            digest, content = digest_of_file(file, most)
        except UnreadableScan:
            return _Checked(
                file=file, kind=kind, size=file.size, digest=str(file.size), media_type="", flaw=texts.SCAN_DAMAGED
            )
        if not content:
            flaw = texts.SCAN_SIZE
        else:
            media_type = media_type_of(content) or ""
            flaw = texts.SCAN_KIND if not media_type else _FLAWS[scan_flaw(content, media_type)]
        size = file.size if content is None else len(content)
        return _Checked(file=file, kind=kind, size=size, digest=digest, media_type=media_type, flaw=flaw)

    def note(self, filing: Filing | None) -> None:
        number = filing.certificate_number if filing is not None and not _only_names(filing) else None
        if number is not None and (key := number_key(number)) in self._places:
            self._numbers.setdefault(key, set()).add(number)

    def settle(self) -> None:
        self._of.clear()
        for place, one in enumerate(self._files):
            number = self._number_in(one.file.parts)
            if number is not None:
                self._of.setdefault(number, []).append(place)

    def _number_in(self, parts: Sequence[str]) -> str | None:
        """The one number of the batch that a name says; the longest counts, and two of one form are none."""
        for level in keys_of(parts):
            known = [key for key in level if key in self._numbers]
            if known:
                best = [key for key in known if len(key) == len(known[0])]
                numbers = set().union(*(self._numbers[key] for key in best))
                return numbers.pop() if len(numbers) == 1 else None
        return None

    def failures(self, filing: Filing) -> tuple[GateFailure, ...]:
        if _only_names(filing):
            return ()
        found = self._found(filing)
        failures = [_failure(texts.SCAN_MANY, kind) for kind in _MOST if self._too_many(found, kind)]
        for kind, most in _MOST.items():
            mine = [one for one in found if one.kind == kind]
            failures += [_failure(one.flaw, kind, n, one) for n, one in enumerate(mine[:most], start=1) if one.flaw]
        kinds = {one.kind for one in found}
        lacks = CERTIFICATE not in kinds or (CONTRACT not in kinds and filing.employed is True)
        if lacks and self._is_required(filing):
            failures.append(_plain(texts.SCAN_REQUIRED, Severity.REFUSE))
        elif CERTIFICATE not in kinds and self._source is not None:
            failures.append(_plain(texts.SCAN_MISSING, Severity.WARN))
        return tuple(failures)

    def _too_many(self, found: Sequence[_Checked], kind: str) -> bool:
        mine = [one for one in found if one.kind == kind]
        together = sum(one.size for one in mine if one.flaw is None)
        return len(mine) > _MOST[kind] or (kind == CERTIFICATE and together > _MOST_TOGETHER)

    def _is_required(self, filing: Filing) -> bool:
        since, moment = self._rules.scans_since, filing.reported_at or self._rules.now
        return since is not None and (moment is None or china_date(moment) >= since)

    def _found(self, filing: Filing) -> list[_Checked]:
        """The files of a row, each content once."""
        places = self._of.get(filing.certificate_number or "", ())
        return list({(one.kind, one.digest): one for one in (self._files[place] for place in places)}.values())

    def good(self, filing: Filing) -> tuple[GoodScan, ...]:
        if _only_names(filing):
            return ()
        found = sorted(
            (one for one in self._found(filing) if one.flaw is None), key=lambda one: one.kind != CERTIFICATE
        )
        return tuple(
            GoodScan(
                kind=one.kind,
                media_type=one.media_type,
                size=one.size,
                digest=one.digest,
                read=_Reading(one.file, one.digest),
            )
            for one in found
        )

    def troubles(self) -> list[ScanTrouble]:
        matched = {place for places in self._of.values() for place in places}
        troubles = []
        for place, one in enumerate(self._files):
            flaw = one.flaw if place in matched else _STRAY
            if flaw is not None:
                name = clean(shown_name(one.file.parts, known=place in matched))
                troubles.append(ScanTrouble(file=name, failure=flaw.en, failure_zh=flaw.zh, row=place in matched))
        return troubles


@dataclass(frozen=True)
class HeldScans(NoScans):
    """The scans that were kept with a row when it was held for a person."""

    brings = True
    scans: tuple[GoodScan, ...]

    def good(self, filing: Filing) -> tuple[GoodScan, ...]:
        return self.scans


@dataclass(frozen=True)
class _Reading:
    """Reads a file again and proves that it is still the one that was checked."""

    file: FoundFile
    digest: str

    def __call__(self) -> bytes:
        try:
            content = self.file.opened(self.file.size + 1)
        except UnreadableScan:
            content = b""
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise FileRefused(clean(self.file.parts[-1]), "scans_changed")
        return content


def kind_of_attachment(one: Attachment) -> str:
    """Whether it shows the certificate or the contract."""
    return one.kind.partition("_")[0]


_STRAY = texts.Rule(
    "R-SCAN",
    "belongs to no row: name it after the certificate number of its row",
    "没有对应的行，请以该行的证书编号命名",
)
_FLAWS: Mapping[ScanFlaw | None, texts.Rule | None] = {
    None: None,
    ScanFlaw.DAMAGED: texts.SCAN_DAMAGED,
    ScanFlaw.LOCKED: texts.SCAN_LOCKED,
}


def _only_names(filing: Filing) -> bool:
    """Whether a row names a certificate without describing it: nothing comes with it."""
    return bool(filing.withdrawn) or filing.status_step is not None


def _failure(rule: texts.Rule, kind: str, number: int = 0, one: _Checked | None = None) -> GateFailure:
    """A failure of one file, which is named by kind, place and ending: a row's reasons are kept in clear."""
    en, zh = _TITLES[kind]
    ending = _ENDING.search(one.file.parts[-1]) if one is not None else None
    told = ending[0].lower() if ending else "?"
    which = (f" {number} ({told})", f"第{number}个（{told}）") if one is not None else ("", "")
    return GateFailure(
        gate=rule.id,
        field="certificate_number",
        message=f"{en}{which[0]}: {rule.en}",
        message_zh=f"{zh}{which[1]}：{rule.zh}",
    )


def _plain(rule: texts.Rule, severity: Severity) -> GateFailure:
    return GateFailure(gate=rule.id, field="certificate_number", message=rule.en, message_zh=rule.zh, severity=severity)
