"""The calls of the simulated platform: which request is which operation, what right it needs, what it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from connectors.provincial_credit.sandbox.refusal import Refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One operation. ``schema``: of its JSON body; ``changing``: it is carried out once for each idempotency key."""

    operation: str
    method: str
    path: re.Pattern[str]
    scope: str | None
    schema: str | None = None
    changing: bool = False


CALLS = tuple(
    Call(operation=operation, method=method, path=re.compile(path), scope=scope, schema=schema, changing=changing)
    for operation, method, path, scope, schema, changing in (
        ("createRequestSecret", "POST", r"/auth/request-secrets", None, "RequestSecretRequest", False),
        ("getDictionaries", "GET", r"/dictionaries", None, None, False),
        ("getDictionary", "GET", r"/dictionaries/([^/]+)", None, None, False),
        ("createAttachment", "POST", r"/attachments", "objection.write", None, True),
        ("createCertificateBatch", "POST", r"/skill-certificate-batches", "cert.write", "WorkerCertificateBatch", True),
        ("getCertificateBatch", "GET", r"/skill-certificate-batches/([^/]+)", "cert.read", None, False),
        ("queryCertificates", "POST", r"/skill-certificates/queries", "cert.read", "WorkerCertificateQuery", False),
        ("putCertificate", "PUT", r"/skill-certificates/([^/]+)", "cert.write", "WorkerCertificateItem", True),
        ("getCertificate", "GET", r"/skill-certificates/([^/]+)", "cert.read", None, False),
        (
            *("createStatusChange", "POST", r"/skill-certificates/([^/]+)/status-changes", "cert.write"),
            *("CertificateStatusChange", True),
        ),
        ("getCreditChanges", "GET", r"/credit-records/changes", "credit.read", None, False),
        ("getCreditPages", "POST", r"/credit-records/pages", "credit.read", "PageQuery", False),
        ("queryCreditRecords", "POST", r"/credit-records/queries", "credit.read", "SubjectQuery", False),
        ("createAcks", "POST", r"/credit-records/acks", "credit.ack", "AckBatch", True),
        ("getPendingAcks", "GET", r"/credit-records/acks/pending", "credit.ack", None, False),
        ("createCreditRecord", "POST", r"/credit-records", "credit.write", "OwnCreditRecord", True),
        ("getCreditRecord", "GET", r"/credit-records/([^/]+)", "credit.read", None, False),
        ("getCreditVersions", "GET", r"/credit-records/([^/]+)/versions", "credit.read", None, False),
        (
            *("createCreditVersion", "POST", r"/credit-records/([^/]+)/versions", "credit.write"),
            *("OwnCreditRecordChange", True),
        ),
        ("createObjection", "POST", r"/objections", "objection.write", "NewObjection", True),
        ("getObjection", "GET", r"/objections/([^/]+)", "objection.write", None, False),
        ("createConflictTicket", "POST", r"/conflict-tickets", "credit.ack", "NewConflictTicket", True),
        ("getConflictTicket", "GET", r"/conflict-tickets/([^/]+)", "credit.ack", None, False),
        ("getReconciliation", "GET", r"/reconciliations/([^/]+)", "recon.read", None, False),
        ("getReconciliationFile", "GET", r"/reconciliations/([^/]+)/files/([^/]+)", "recon.read", None, False),
        (
            *("createReconciliationResult", "POST", r"/reconciliations/([^/]+)/results", "recon.write"),
            *("ReconciliationResult", True),
        ),
        ("getSnapshot", "GET", r"/snapshots/latest", "recon.read", None, False),
    )
)
OPEN = {"/time": "getTime", "/health": "getHealth", "/openapi.json": "openapi"}
"""Open calls: no key, no signature."""


def find(method: str, path: str) -> tuple[Call, tuple[str, ...]]:
    """The call and the parts of its path; Refusal 405 for a path that takes other methods, 404 for any other."""
    allowed = {one for one, known in (("GET", OPEN),) if path in known}
    for call in CALLS:
        found = call.path.fullmatch(path)
        if found is None:
            continue
        if call.method == method:
            return call, tuple(unquote(part) for part in found.groups())
        allowed.add(call.method)
    if allowed:
        raise Refusal("NOT_FOUND", f"allowed: {', '.join(sorted(allowed))}", status=405)
    raise Refusal("NOT_FOUND", "no such call")
