"""What a row names: its person and certificate, the report it belongs to, and how they are found again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.domain.identifiers import normal_certificate_number, normal_identifier
from gateway.domain.names import plain_name, variant_name
from gateway.domain.records import Certificate, RecordKind, Worker
from gateway.intake.reading.columns import field_of
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.gates import REPORT_NO
from gateway.store import records
from gateway.store.engine import Connection
from gateway.store.records import IndexEntry
from gateway.store.vault import Vault


def withdrawn_keys(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of the certificates whose newest version takes them back."""
    filed = records.newest(connection, RecordKind.CERTIFICATE, keys)
    taken_back = records.newest(connection, RecordKind.WITHDRAWAL, keys)
    return {key for key, last in taken_back.items() if key not in filed or last.version > filed[key].version}


def identity(id_type: str, id_number: str) -> str:
    """What a person is known by."""
    return f"{id_type}:{id_number}"


def certificate_identity(number: str, trade: str) -> str:
    """A certificate is its number and trade (N06); who holds it is part of the content, guarded by the gate."""
    return f"{number}|{trade}"


def named_certificate(filing: Filing) -> str:
    """The certificate that a row names; for rows that say number and trade."""
    return certificate_identity(filing.certificate_number or "", filing.trade or "")


def subject(filing: Filing | None, vault: Vault) -> tuple[str | None, str | None]:
    """Digests of the certificate and the person that a row names, where it says them; as the search index has them."""
    named = named_by(filing, {})
    certificate, person = (vault.index(*named[name]) if name in named else None for name in ("certificate", "person"))
    return certificate, person


def named_by(filing: Filing | None, cells: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Column of ``filing_subject`` -> what it is a digest of, and of which value; without those that are not said."""
    named: dict[str, tuple[str, str]] = {}
    if filing is not None:
        if filing.certificate_number and filing.trade:
            named["certificate"] = "certificate", named_certificate(filing)
        if filing.id_number:
            named["person"] = "id_number", identity(filing.id_type or "", filing.id_number)
    said = {field_of(header): text for header, text in reversed(list(cells.items()))}
    if number := normal_certificate_number(said.get("certificate_number", "")):
        named["certificate_number"] = "certificate_number", number
    if id_number := normal_identifier(said.get("id_number", "")):
        named["id_written"] = "id_written", id_number
    return named


def written(cells: Mapping[str, str], vault: Vault) -> tuple[str | None, str | None]:
    """Digests of certificate number and identity number as the cells of a row have them, readable or not.

    cells: header as in the file -> original text
    """
    named = named_by(None, cells)
    number, id_number = (
        vault.index(*named[name]) if name in named else None for name in ("certificate_number", "id_written")
    )
    return number, id_number


def report_no(filing: Filing | None, rules: GateRules) -> str | None:
    """The number of the report a row belongs to, else its city, else None. Neither says anything about a person."""
    if filing is None:
        return None
    if REPORT_NO.fullmatch(filing.batch_no or ""):
        return filing.batch_no
    region = filing.review_region or filing.assessment_region
    return rules.city(region) if region else None


def index_entries(worker: Worker, certificate: Certificate, person_key: str, certificate_key: str) -> list[IndexEntry]:
    def person(what: str, value: str) -> IndexEntry:
        return IndexEntry(kind=RecordKind.PERSON, key=person_key, what=what, value=value)

    def paper(what: str, value: str) -> IndexEntry:
        return IndexEntry(kind=RecordKind.CERTIFICATE, key=certificate_key, what=what, value=value)

    return [
        person("id_number", identity(worker.id_type, worker.id_number)),
        person("name", plain_name(worker.name)),
        person("name", variant_name(worker.name)),
        paper("certificate", certificate_identity(certificate.number, certificate.trade)),
        paper("certificate_number", certificate.number),
    ]
