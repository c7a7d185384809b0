"""What one app key may ask for in a time, told in the headers RateLimit and RateLimit-Policy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from connectors.provincial_credit.sandbox.refusal import Refusal
from gateway.testing.books import Books


@dataclass
class Limits:
    """The contract's own values are ``Limits.specified()``; the default sets no limit.

    burst: how many requests may come at once after a quiet time; the rate where it is not set
    """

    requests_per_second: int | None = None
    burst: int | None = None
    feed_per_second: int | None = None
    logins_per_minute: int | None = None
    batches_per_hour: int | None = None
    items_per_day: int | None = None

    @classmethod
    def specified(cls) -> Limits:
        """20 requests a second with bursts of 40, and the others."""
        return cls(
            requests_per_second=20,
            burst=40,
            feed_per_second=2,
            logins_per_minute=10,
            batches_per_hour=60,
            items_per_day=100_000,
        )


@dataclass
class Meter:
    """Counts against the limits; ``told`` are the headers of the answer that is being made."""

    books: Books
    limits: Limits
    told: dict[str, str]

    def count(self, operation: str, items: int, now: datetime) -> None:
        """Count one request; Refusal RATE_LIMITED beyond a limit."""
        self.told = {}
        limits = self.limits
        if limits.requests_per_second is not None:
            self._bucket(limits.requests_per_second, limits.burst or limits.requests_per_second, now)
        windows = (
            ("feed", operation in ("getCreditChanges", "getCreditPages"), 1, limits.feed_per_second, 1),
            ("logins", operation == "createRequestSecret", 60, limits.logins_per_minute, 1),
            ("batches", operation == "createCertificateBatch", 3600, limits.batches_per_hour, 1),
            ("items", operation == "createCertificateBatch", 86400, limits.items_per_day, items),
        )
        for name, concerned, seconds, allowed, by in windows:
            if concerned and allowed is not None:
                self._window(name, seconds, allowed, by, now)

    def _bucket(self, rate: int, burst: int, now: datetime) -> None:
        moment = now.timestamp()
        at, left = self.books.get("limits", "requests") or (moment, float(burst))
        left = min(float(burst), left + max(0.0, moment - at) * rate) - 1
        fits = left >= 0
        self.books.put("limits", "requests", (moment, left if fits else left + 1))
        self._tell("requests", burst, math.ceil(burst / rate), max(0, int(left)), math.ceil(1 / rate))
        if not fits:
            raise Refusal("RATE_LIMITED", "too many requests", wait=max(1, math.ceil(-left / rate)))

    def _window(self, name: str, seconds: int, allowed: int, by: int, now: datetime) -> None:
        window = int(now.timestamp()) // seconds
        at, used = self.books.get("limits", name) or (window, 0)
        used = used + by if at == window else by
        wait = max(1, (window + 1) * seconds - int(now.timestamp()))
        self._tell(name, allowed, seconds, max(0, allowed - used), wait)
        if used > allowed:
            raise Refusal("RATE_LIMITED", "too many requests", wait=wait)
        self.books.put("limits", name, (window, used))

    def _tell(self, name: str, quota: int, seconds: int, left: int, until: int) -> None:
        """Every policy in force, and of the counts the one that is nearest to its end."""
        policy = f'"{name}";q={quota};w={seconds}'
        self.told["ratelimit-policy"] = ", ".join(filter(None, (self.told.get("ratelimit-policy"), policy)))
        known = self.told.get("ratelimit")
        if known is None or left < int(known.partition("r=")[2].partition(";")[0]):
            self.told["ratelimit"] = f'"{name}";r={left};t={until}'
