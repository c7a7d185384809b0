"""Collects the fields of a draft, where they came from, and what could not be translated."""

from __future__ import annotations

from datetime import date

from gateway.codec.codes import CodeTable
from gateway.contract.messages import JSON, Draft, Problem
from gateway.domain.records import Record

CODES = "connectors.worker_platform.codes"


class DraftBuilder:
    """One draft in the making; ``put`` and its kind take the platform's field, our field and the value."""

    def __init__(self) -> None:
        self.fields: dict[str, JSON] = {}
        self.sources: dict[str, str] = {}
        self._problems: list[Problem] = []

    def text(self, name: str, source: str, value: str | None) -> None:
        """A text without blanks around it; an empty one is absent."""
        self.sources[name] = source
        if value and value.strip():
            self.fields[name] = value.strip()

    def day(self, name: str, source: str, value: date | None) -> None:
        """A day as ``yyyy-MM-dd``."""
        self.text(name, source, None if value is None else value.isoformat())

    def number(self, name: str, source: str, value: int | float | None) -> None:
        """A number."""
        self.sources[name] = source
        if value is not None:
            self.fields[name] = value

    def code(self, name: str, source: str, code: str, codes: CodeTable, column: str) -> None:
        """A code that must have a counterpart in a table."""
        self.put(name, source, codes.get(code, column), table_name=codes.name)

    def put(self, name: str, source: str, value: str | None, *, table_name: str) -> None:
        """A translated value; None means that the table has none, which is a problem."""
        if value is None:
            self.refuse(name, source, table_name)
        else:
            self.text(name, source, value)

    def refuse(self, name: str, source: str, table_name: str) -> None:
        """Leave the field blank, because a table has no counterpart."""
        self.reject(
            name,
            source,
            f"code:{table_name}",
            f"has no counterpart on the worker platform (table {table_name})",
            f"在建筑工人平台代码表（{table_name}）中没有对应代码",
        )

    def reject(self, name: str, source: str, rule: str, message: str, message_zh: str) -> None:
        """Leave the field blank and say why."""
        self.fields.pop(name, None)
        self.sources[name] = source
        self._problems.append(Problem(field=source, rule=rule, message=message, message_zh=message_zh))

    def build(self, record: Record) -> Draft:
        """The draft as far as it goes."""
        return Draft(
            kind=record.kind,
            record_key=record.key,
            version=record.version,
            fields=self.fields,
            sources=self.sources,
            problems=tuple(self._problems),
        )
