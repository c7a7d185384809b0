"""Refusals of the simulated platform, as problem details (RFC 9457) with a code of its error table."""

from __future__ import annotations

from typing import Any

from gateway.codec.codes import table


class Refusal(Exception):
    """A request the platform refuses; ``code`` is of the platform's error table."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        status: int | None = None,
        errors: list[dict[str, Any]] | None = None,
        wait: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        row = table("credit_error_code", "connectors.provincial_credit.codes")
        self.status = status or int(row.get(code, "http") or 500)
        self.wait = wait
        self.problem: dict[str, Any] = {
            "type": f"https://errors.sdcredit.example/{row.get(code, 'type_slug') or 'unknown'}",
            "title": row.get(code, "title_en") or code,
            "titleZh": row.get(code, "title_zh") or code,
            "status": self.status,
            "detail": detail,
            "code": code,
            "retryable": (row.get(code, "retryable") or "no").startswith("yes"),
        }
        if errors:
            self.problem["errors"] = errors
        if wait is not None:
            self.problem["retryAfterSeconds"] = wait
        if reason is not None:
            self.problem["reason"] = reason

    def in_envelope(self, style: str, request_id: str) -> dict[str, Any]:
        """The same in the form of older platforms, with their number."""
        row = table("credit_error_code", "connectors.provincial_credit.codes")
        if style == "national":
            number = int(row.get(self.code, "legacy_national") or -1)
            return {
                "code": number,
                "message": self.problem["titleZh"],
                "requestId": request_id,
                "data": self.problem,
            }
        number_zj = row.get(self.code, "legacy_zhejiang") or "99"
        return {
            "code": number_zj,
            "msg": self.problem["titleZh"],
            "description": self.problem["detail"],
            "data": self.problem,
        }
