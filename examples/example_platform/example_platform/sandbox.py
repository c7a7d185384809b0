"""The platform as its specification describes it, with faults on command; written without looking at the adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from gateway.testing.sandbox import Access, Sandbox
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_TOKEN = "sandbox-token"  # noqa: S105 - of a sandbox on loopback
_PAGE = 50


def build(**options: Any) -> ExamplePlatformSandbox:
    """What the entry point names."""
    return ExamplePlatformSandbox(**options)


class ExamplePlatformSandbox(Sandbox):
    """Registers whatever it is sent, as often as it comes, so that sending twice shows."""

    platform: ClassVar[str] = "example_platform"
    own_faults: ClassVar[Mapping[str, str]] = {
        "busy": "every item is answered BUSY, nothing done",
        "duplicate": "carried out, then answered as if it had been there before",
        "refuse": "every item is refused for its content",
        "locked": "the account is locked, nothing done",
        "strange": "every item gets a code nobody was told of, nothing done",
        "partial": "the first item is refused, the others are carried out",
    }

    def access(self, base_url: str) -> Access:
        """Address and account, and waits that are short."""
        settings = {
            "ENDPOINT": base_url,
            "TOKEN": _TOKEN,
            "MIN_INTERVAL_SECONDS": "0",
            "CONNECTIONS": "4",
            "RETRY_SECONDS": "[0.2, 0.5, 1]",
            "SETTLING_SECONDS": "[0.3, 0.3]",
        }
        given = {f"GATEWAY_EXAMPLE_PLATFORM__{name}": value for name, value in settings.items()}
        return Access(details={"url": base_url, "token": _TOKEN}, environment=given)

    def handle(self, request: Request, body: bytes, fault: str | None) -> Response:
        """Dispatch on the path."""
        calls = {
            "add": self._push,
            "update": self._push,
            "find": self._find,
            "list": self._list,
            "health": self._health,
        }
        operation = request.url.path.strip("/")
        if operation not in calls:
            return JSONResponse({"code": "NO_SUCH_CALL"}, status_code=404)
        if request.headers.get("authorization") != f"Bearer {_TOKEN}":
            return JSONResponse({"code": "NO_ACCESS"}, status_code=401)
        self.operation = operation
        asked = json.loads(body)
        return JSONResponse({"message": asked["message"], **calls[operation](asked, fault)})

    def _push(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        codes = {}
        for number, item in enumerate(asked["items"]):
            codes[f"{item['key']}/{item['version']}"] = self._take(item, fault, number)
        return {"items": codes}

    def _take(self, item: Mapping[str, Any], fault: str | None, number: int) -> str:
        refusals = {"busy": "BUSY", "refuse": "REFUSED", "locked": "LOCKED", "strange": "E-77"}
        if fault in refusals:
            return refusals[fault]
        if fault == "partial" and number == 0:
            return "REFUSED"
        held = self.books.get("held", item["key"])
        if held is not None and held["version"] == item["version"]:
            self.books.bump("duplicates")
        self.books.put("held", item["key"], dict(item))
        self.books.wrote(item["kind"], item["key"], item["version"])
        return "THERE" if fault == "duplicate" else "OK"

    def _find(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        held = self.books.get("held", asked["key"])
        return {"held": held, "code": "NONE" if held is None else "FOUND"}

    def _list(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        rows = [value for key, value in self.books.items("held") if key > asked["after"]][:_PAGE]
        return {"rows": rows, "next": rows[-1]["key"] if len(rows) == _PAGE else None}

    def _health(self, asked: Mapping[str, Any], fault: str | None) -> dict[str, Any]:
        return {"status": "UP"}
