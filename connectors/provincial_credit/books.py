"""Each day's books (对账文件) and snapshots: manifests with signature, files with digest, our result back.

Nothing of a file is used whose digest is not the one in a manifest that the platform has signed.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import date

from connectors.provincial_credit.keys import HmacVerifier
from connectors.provincial_credit.mapping import china_time
from connectors.provincial_credit.signing import MADE, SignedCalls
from connectors.provincial_credit.verdicts import Refused
from gateway.codec import signing
from gateway.codec.jsonbody import Row, canonical, day, moment, rows, text, whole
from gateway.codec.replies import not_understood
from gateway.contract.credit import BookFile, BookKind, BookResult, BookRow, Manifest
from gateway.contract.messages import JSON, Stamp, Verdict, WireRequest, WireResponse
from gateway.domain.states import Event

_MOST = 512 * 1024 * 1024
"""bytes of an unpacked file; more is not believed"""
COLUMNS: Mapping[BookKind, tuple[str, ...]] = {
    BookKind.CHANGES: (
        *("platformRecordId", "recordVersion", "streamSeq", "eventId", "eventType", "statusCode", "subjectType"),
        *("publishBeginDate", "publishEndDate", "payloadDigest"),
    ),
    BookKind.ACTIVE: (
        *("platformRecordId", "recordVersion", "statusCode", "subjectType", "publishEndDate", "payloadDigest"),
    ),
    BookKind.PUSHED: (
        *("certificateKey", "recordVersion", "requestSerialCode", "itemStatus", "platformCertificateId"),
        *("platformVersion", "payloadDigest"),
    ),
    BookKind.ACKNOWLEDGED: ("eventId", "platformRecordId", "recordVersion", "ackCode", "ackTime"),
}
_CODES = {
    BookKind.CHANGES: "statusCode",
    BookKind.ACTIVE: "statusCode",
    BookKind.PUSHED: "itemStatus",
    BookKind.ACKNOWLEDGED: "ackCode",
}


class Booking(SignedCalls):
    """Manifests and files of a day, snapshots, and the result of the comparison."""

    def encode_manifest(self, day: date | None, stamp: Stamp, /) -> WireRequest:
        if day is None:
            return self._request("getSnapshot", "/snapshots/latest", stamp)
        return self._request("getReconciliation", f"/reconciliations/{day.isoformat()}", stamp)

    def decode_manifest(self, response: WireResponse, day: date | None, stamp: Stamp, /) -> Manifest | Verdict:
        """``conflict`` with code ``manifest_signature`` where the manifest's own signature is wrong."""
        name = "SnapshotManifest" if day is None else "ReconciliationManifest"
        answer = self._open(response, stamp, name)
        if isinstance(answer, Refused):
            return answer.verdict
        if not self._is_theirs(answer):
            reason = "the manifest was not signed by the platform for this app key and profile"
            return Verdict(event=Event.CONFLICT, code="manifest_signature", reason=reason)
        if day is not None and text(answer, "date") != day.isoformat():
            return not_understood("other_day", "the manifest is of another day", replay_safe=True)
        files = rows(answer, "files") or ()
        if any(text(file, "digestAlg") != self._settings.digest_alg for file in files):
            return Verdict(event=Event.CONFLICT, code="digest_alg", reason="files under another digest than agreed")
        return _manifest(answer, files, self._settings.digest_alg)

    def encode_book(self, manifest: Manifest, file: BookFile, stamp: Stamp, /) -> WireRequest:
        path = f"/reconciliations/{manifest.day.isoformat()}/files/{file.name}"
        return self._request("getReconciliationFile", path, stamp)

    def decode_book(
        self, response: WireResponse, manifest: Manifest, file: BookFile, stamp: Stamp, /
    ) -> tuple[BookRow, ...] | Verdict:
        """``conflict`` COUNT_DIFF where the file is not the one the manifest tells of, or cannot be read."""
        packed = self._wire.open_file(response, stamp, verifier=self._verifier(stamp))
        if isinstance(packed, Refused):
            return packed.verdict
        if signing.digest(self._settings.digest_alg, packed).hex() != file.digest:
            return _unusable("the file is not the one the manifest tells of")
        try:
            return tuple(_read(_unpacked(packed), file.kind))
        except (ValueError, zlib.error, csv.Error):
            return _unusable("the file does not have the form that was agreed")

    def encode_result(self, result: BookResult, stamp: Stamp, /) -> WireRequest:
        items: list[JSON] = []
        for item in result.items:
            made: dict[str, JSON] = {"key": item.key, "class": item.outcome}
            optional = (
                ("localVersion", item.local_version),
                ("remoteVersion", item.remote_version),
                ("ticketNo", item.ticket),
            )
            items.append(made | {name: value for name, value in optional if value is not None})
        body: dict[str, JSON] = {
            "date": result.day.isoformat(),
            "startedAt": china_time(result.started_at),
            "finishedAt": china_time(result.finished_at),
            "totals": dict(result.totals),
            "items": items,
            "closed": result.closed,
        }
        path = f"/reconciliations/{result.day.isoformat()}/results"
        return self._request(
            "createReconciliationResult", path, stamp, body=("ReconciliationResult", body), changes=True
        )

    def decode_result(self, response: WireResponse, result: BookResult, stamp: Stamp, /) -> Verdict:
        answer = self._open(response, stamp, "ReconciliationReceipt", statuses=MADE)
        if isinstance(answer, Refused):
            return answer.verdict
        if text(answer, "date") != result.day.isoformat():
            return not_understood("other_day", "the receipt is for another day", replay_safe=True)
        return Verdict(event=Event.ACCEPTED, code="201", receipt=str(whole(answer, "resultNo")))

    def _is_theirs(self, manifest: Row) -> bool:
        settings = self._settings
        if text(manifest, "appKey") != settings.app_key or text(manifest, "signatureAlg") != settings.signature_alg:
            return False
        signed = canonical({name: value for name, value in manifest.items() if name != "signature"})
        by_app_secret = HmacVerifier(secrets=[settings.app_secret.get_secret_value()], digest=settings.digest_alg)
        verifier = by_app_secret if self._sm2 is None else self._sm2[1]
        return verifier.holds(signed, text(manifest, "signature") or "")


def _manifest(answer: Row, files: tuple[Row, ...], algorithm: str) -> Manifest:
    cutoff, of = moment(answer, "cutoffTime"), day(answer, "date")
    assert cutoff is not None
    assert of is not None
    return Manifest(
        day=of,
        cutoff=cutoff,
        files=tuple(
            BookFile(
                name=str(file["name"]),
                stream=str(file["stream"]),
                kind=BookKind(str(file["kind"])),
                rows=whole(file, "rows") or 0,
                digest=str(file["digest"]),
            )
            for file in files
        ),
        cursor=text(answer, "cursorAtCutoff") or text(answer, "cursor") or "",
        digest=f"{algorithm}:{signing.digest(algorithm, canonical(answer)).hex()}",
        previous=text(answer, "previousManifestDigest"),
    )


_LONGEST_KEY = 64
_VERSION = re.compile(r"[1-9][0-9]{0,9}")


def _unpacked(packed: bytes) -> str:
    """One whole gzip member with nothing behind it."""
    unzip = zlib.decompressobj(wbits=31)
    plain = unzip.decompress(packed, _MOST)
    if not unzip.eof or unzip.unused_data:
        raise ValueError("cut short, too long, or with something behind it")
    return plain.decode("utf-8")


def _read(content: str, kind: BookKind) -> Iterator[BookRow]:
    lines = csv.reader(io.StringIO(content, newline=""), strict=True)
    columns = COLUMNS[kind]
    if tuple(next(lines, ())) != columns:
        raise ValueError("another header")
    for line in lines:
        row = dict(zip(columns, line, strict=True))
        ends = row.get("publishEndDate")
        version = int(row["recordVersion"]) if _VERSION.fullmatch(row["recordVersion"]) else 0
        if not 0 < len(line[0]) <= _LONGEST_KEY or "\0" in line[0] or not 0 < version < 2**31:
            raise ValueError("a key or version that the contract does not allow")
        yield BookRow(
            kind=kind,
            key=line[0],
            version=version,
            code=row[_CODES[kind]],
            digest=row.get("payloadDigest", ""),
            publish_end=date.fromisoformat(ends) if ends else None,
        )


def _unusable(reason: str) -> Verdict:
    return Verdict(event=Event.CONFLICT, code="COUNT_DIFF", reason=reason)
