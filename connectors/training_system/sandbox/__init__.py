"""An owner with an invented form: takes files or rows in, returns results, exports lists.

The real system's form is not public. This one plays the examples in ``mappings/`` and nothing else: it shows that a
mapping works from the hand-over to the reconciliation, not how the real owner behaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, ClassVar

from gateway.codec.tabular import TabularError, read_csv, read_workbook, write_csv, write_workbook
from gateway.testing.owner import BROKEN, OwnerFolders, OwnerSandbox, OwnerTables, Taken
from gateway.testing.sandbox import Access

_PERSON, _CERTIFICATE = "person", "certificate"
_QUICK = {"POLL_SECONDS": "[0.5, 0.5, 1]", "POLL_THEN_SECONDS": "1", "SETTLING_SECONDS": "[1, 2]"}


def build(**options: Any) -> OwnerSandbox:
    """The owner of the dialect ``files`` (where none is named) or ``table``."""
    dialect = options.get("dialect") or "files"
    if dialect not in ("files", "table"):
        raise ValueError(f"unknown dialect {dialect!r}; known: files, table")
    return TableOwner(**options) if dialect == "table" else FileOwner(**options)


class _Owner(OwnerSandbox):
    platform: ClassVar[str] = "training_system"

    def _access(self, base_url: str, **settings: str) -> Access:
        given = {f"GATEWAY_TRAINING_SYSTEM__{name}": value for name, value in {**_QUICK, **settings}.items()}
        return Access(details={"url": base_url, "endpoint": settings["ENDPOINT"]}, environment=given)

    def _held(self, kind: str) -> list[dict[str, str]]:
        return [dict(value) for _, value in self.books.items(f"held {kind}")]

    def _keep(self, kind: str, key: str, row: Mapping[str, str]) -> None:
        known = self.books.get(f"held {kind}", key)
        number = known["number"] if known else f"N{self.books.bump('numbers'):06d}"
        self.books.put(f"held {kind}", key, {**row, "number": number})


class FileOwner(_Owner):
    """Workbooks for persons and CSV files for certificates, as ``example_files.toml`` describes them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.folders = OwnerFolders(self.folder)

    def access(self, base_url: str) -> Access:
        """The two folders and the example mapping."""
        return self._access(
            base_url,
            ENDPOINT=self.folders.outbox.absolute().as_uri(),
            INBOX=str(self.folders.inbox.absolute()),
            MAPPINGS=_packaged("example_files.toml"),
        )

    def found(self) -> Iterator[tuple[str, Taken, str]]:
        """Files by the beginning of their name; one that cannot be read has no rows."""
        for key, name, content in self.folders.found():
            kind = _PERSON if name.startswith("示例人员_") else _CERTIFICATE
            try:
                cells = read_workbook(content) if kind == _PERSON else read_csv(content, encoding="gb18030")
            except TabularError:
                cells = [[]]
            rows = [dict(zip(cells[0], row, strict=False)) for row in cells[1:]]
            yield key, Taken(name=name, kind=kind, rows=rows), hashlib.sha256(content).hexdigest()

    def put_away(self, key: str) -> None:
        """Remove it from where it was taken aside."""
        self.folders.put_away(key)

    def record_of(self, row: Mapping[str, str]) -> str:
        """The serial number."""
        return row["示例流水号"]

    def take(self, kind: str, row: Mapping[str, str]) -> tuple[str, str]:
        """A person by the document, a certificate by its number and only for a person that is there."""
        if kind == _CERTIFICATE and self.books.get("held person", row["示例证件号"]) is None:
            return "refused", "人员不在库"
        self.wrote(row["示例流水号"])
        self._keep(kind, row["示例证书号" if kind == _CERTIFICATE else "示例证件号"], row)
        return "accepted", ""

    def give(
        self, name: str, kind: str, results: Sequence[Sequence[str]], broken: str | None, *, suffix: str = ""
    ) -> None:
        """A returned file of the same form as the one handed over."""
        words = {"accepted": "已入库", "refused": "退回", "waiting": "处理中", "strange": "???"}
        rows = [["示例流水号", "示例结果", "示例说明"], *([one[0], words[one[1]], one[2]] for one in results)]
        content = write_workbook(rows) if kind == _PERSON else write_csv(rows, encoding="gb18030")
        stem, _, end = name.rpartition(".")
        if broken == "truncated":
            content = content[: len(content) // 2]
        elif broken is not None:
            content = BROKEN[broken]
        at = self.clock().timestamp()
        self.folders.give(f"{stem}_回执{suffix}.{end}", content, at, whole=broken is None)

    def export(self) -> None:
        """The two lists."""
        persons = [
            [one["number"], one["示例证件号"], one["示例姓名"], one["示例出生日期"]] for one in self._held(_PERSON)
        ]
        certificates = [
            [one["number"], one["示例证书号"], one["示例证件号"], one["示例工种"], one["示例发证日期"]]
            for one in self._held(_CERTIFICATE)
        ]
        at = self.clock().timestamp()
        for name, head, rows in (
            ("示例在册人员.csv", ["示例编号", "示例证件号", "示例姓名", "示例出生日期"], persons),
            ("示例在册证书.csv", ["示例编号", "示例证书号", "示例证件号", "示例工种", "示例发证日期"], certificates),
        ):
            self.folders.give(name, write_csv([head, *rows], encoding="gb18030"), at)


_ROWS = {
    _PERSON: ("row_no", "batch_id", "record_id", "action", "full_name", "id_kind", "id_no", "sex", "born_on"),
    _CERTIFICATE: (
        *("row_no", "batch_id", "record_id", "action", "cert_no", "full_name", "id_no", "trade", "issued_on", "status"),
    ),
}
_LISTS = {
    _PERSON: ("held_id", "id_no", "full_name", "born_on"),
    _CERTIFICATE: ("held_id", "cert_no", "id_no", "trade", "issued_on"),
}


class TableOwner(_Owner):
    """A front-end database with the tables that ``example_table.toml`` describes; SQLite where no other is named."""

    def __init__(self, *, database: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = database or f"sqlite:///{(self.folder / 'front_end.db').absolute()}"
        tables = OwnerTables(self.database)
        self.tables = tables
        self.handed = {
            kind: tables.table(f"sample_{kind}", (*ours, "state", "remark"), unique=("batch_id", "record_id"))
            for kind, ours in _ROWS.items()
        }
        self.lists = {kind: tables.table(f"sample_held_{kind}", columns) for kind, columns in _LISTS.items()}

    def access(self, base_url: str) -> Access:
        """The database and the example mapping."""
        return self._access(base_url, ENDPOINT=self.database, MAPPINGS=_packaged("example_table.toml"))

    def found(self) -> Iterator[tuple[str, Taken, str]]:
        """Messages with rows that have no state."""
        for kind, table in self.handed.items():
            for key, message, rows, digest in self.tables.messages(
                table,
                message="batch_id",
                key=("batch_id", "record_id"),
                ours=_ROWS[kind],
                order="row_no",
                waits="state",
            ):
                yield f"{kind}@{key}", Taken(name=message, kind=kind, rows=rows), digest

    def put_away(self, key: str) -> None:
        """Mark the rows as being worked on, unless they have their state already."""
        kind, _, message = key.split("@")
        table = self.handed[kind]
        self.tables.settle(table, {"batch_id": message, "state": None}, {"state": "W"})

    def record_of(self, row: Mapping[str, str]) -> str:
        """The serial number."""
        return row["record_id"]

    def take(self, kind: str, row: Mapping[str, str]) -> tuple[str, str]:
        """A person by the document, a certificate by its number and only for a person that is there."""
        if kind == _CERTIFICATE and self.books.get("held person", row["id_no"]) is None:
            return "refused", "人员不在库"
        self.wrote(row["record_id"])
        self._keep(kind, row["cert_no" if kind == _CERTIFICATE else "id_no"], row)
        return "accepted", ""

    def give(
        self, name: str, kind: str, results: Sequence[Sequence[str]], broken: str | None, *, suffix: str = ""
    ) -> None:
        """The state of each row; what would be a broken file leaves the rows waiting."""
        words = {"accepted": "Y", "refused": "N", "waiting": "W", "strange": "?"}
        for record, result, why in results:
            state = words["waiting" if broken is not None else result]
            self.tables.settle(
                self.handed[kind], {"batch_id": name, "record_id": record}, {"state": state, "remark": why}
            )

    def export(self) -> None:
        """The two tables of what is held."""
        for kind, table in self.lists.items():
            rows = [
                {name: one["number" if name == "held_id" else name] for name in _LISTS[kind]}
                for one in self._held(kind)
            ]
            self.tables.replace(table, rows)


def _packaged(name: str) -> str:
    return str(files("connectors.training_system").joinpath("mappings", name))
