"""A certificate in the platform's words, one line per field. What has no counterpart is a Problem, never a guess."""

from __future__ import annotations

import unicodedata
from datetime import date

from connectors.worker_platform.dialect import Credential
from gateway.codec.codes import CodeTable, table
from gateway.contract.messages import JSON, Draft, Problem
from gateway.domain.records import Certificate, Record

_CODES = "connectors.worker_platform.codes"
_TITLE_KIND = "4"
"""certificates of professional titles, whose levels are another table than that of skills"""


def draft_certificate(record: Record, certificate: Certificate, form: Credential) -> Draft:
    """Write the certificate with the fields of the platform's certificate object. Total."""
    sheet = _Sheet()
    c, holder = certificate, certificate.holder
    sheet.text("name", "holder.name", holder.name)
    sheet.code("idCardType", "holder.id_type", holder.id_type, table("id_document_type"), "worker_platform_code")
    sheet.text("idCardNumber", "holder.id_number", holder.id_number.upper())
    sheet.code("certificationCategoriesType", "cert_class", c.cert_class, table("cert_class"), "worker_platform_kind")
    sheet.text("certificationTypeName", "trade_name", c.trade_name)
    sheet.code("credentialLevelType", "level", c.level, table("cert_level"), "worker_platform_code")
    sheet.text("certificationName", "name", c.name)
    sheet.text("certificationCode", "number", c.number.upper())
    sheet.text("confirmOrganization", "confirm_organization", c.confirm_organization)
    sheet.put("jobType", "trade", _trade(c.trade, form), table_name="wp_trades")
    sheet.day("firstBeginDate", "first_issue_date", c.first_issue_date)
    sheet.day("validBeginDate", "valid_from", c.valid_from)
    sheet.day("validEndDate", "valid_to", c.valid_to)
    sheet.text("grantOrg", "issuer_name", c.issuer_name)
    sheet.text("workCorpName", "holder.employer.name", holder.employer.name if holder.employer else None)
    sheet.code("certificationStatus", "status", c.status, table("cert_status"), "worker_platform")
    if sheet.fields.get("certificationCategoriesType") == _TITLE_KIND:
        sheet.refuse("credentialLevelType", "level", "wp_small_codes")
    return sheet.draft(record)


def _trade(code: str, form: Credential) -> str | None:
    return code if code in table("wp_trades", _CODES) or code in form.extra_trades else None


class _Sheet:
    """Collects fields, where they came from, and what could not be translated."""

    def __init__(self) -> None:
        self.fields: dict[str, JSON] = {}
        self.sources: dict[str, str] = {}
        self._problems: list[Problem] = []

    def text(self, name: str, source: str, value: str | None) -> None:
        self.sources[name] = source
        if value and value.strip():
            self.fields[name] = unicodedata.normalize("NFC", value.strip())

    def day(self, name: str, source: str, value: date | None) -> None:
        self.text(name, source, None if value is None else value.isoformat())

    def code(self, name: str, source: str, code: str, codes: CodeTable, column: str) -> None:
        self.put(name, source, codes.get(code, column), table_name=codes.name)

    def put(self, name: str, source: str, value: str | None, *, table_name: str) -> None:
        if value is None:
            self.refuse(name, source, table_name)
        else:
            self.text(name, source, value)

    def refuse(self, name: str, source: str, table_name: str) -> None:
        self.fields.pop(name, None)
        self.sources[name] = source
        self._problems.append(
            Problem(
                field=source,
                rule=f"code:{table_name}",
                message=f"has no counterpart on the worker platform (table {table_name})",
                message_zh=f"在建筑工人平台代码表（{table_name}）中没有对应代码",
            )
        )

    def draft(self, record: Record) -> Draft:
        return Draft(
            kind=record.kind,
            record_key=record.key,
            version=record.version,
            fields=self.fields,
            sources=self.sources,
            problems=tuple(self._problems),
        )
