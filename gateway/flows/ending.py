"""How a run ends: what became of each platform, and the one state and sentence that tell it.

Pure. Texts name platforms, counts, codes and moments; a reason that a person typed stays in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.codec.redact import clean
from gateway.domain.china import CHINA
from gateway.domain.traffic import Stop


class Mark(StrEnum):
    """The name of the final state; the later one outweighs. Only ``FAILED`` is of the type FAILED."""

    SKIPPED = "Skipped"  # another run is at it
    COMPLETED = "Completed"
    WAITING = "Waiting"  # maintenance, breaker, or the platform's own wish: goes on by itself
    ATTENTION = "Attention"  # done, and some of it needs a person
    HELD = "Held"  # the platform is paused until a person resumes it
    FAILED = "Failed"  # the work could not be done


_WEIGHT = {mark: weight for weight, mark in enumerate(Mark)}
_CLEAN = frozenset({Mark.SKIPPED, Mark.COMPLETED})
EXIT_DONE, EXIT_FAILURES = 0, 1


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a run did on one platform.

    troubles: what needs a person, by name
    stop:     what stands in the way of further requests at the end
    skipped:  who was at it instead
    error:    why the work could not be done
    reports:  what the services reported, by step, for a caller in this process
    """

    platform: str
    counts: Mapping[str, int] = field(default_factory=dict)
    troubles: Mapping[str, int] = field(default_factory=dict)
    stop: Stop | None = None
    skipped: str = ""
    error: str = ""
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def mark(self) -> Mark:
        """How it ended on this platform."""
        if self.error:
            return Mark.FAILED
        if self.stop is not None and self.stop.paused:
            return Mark.HELD
        if self.troubles:
            return Mark.ATTENTION
        if self.stop is not None:
            return Mark.WAITING
        return Mark.SKIPPED if self.skipped and not any(self.counts.values()) else Mark.COMPLETED

    @property
    def text(self) -> str:
        """One clause for people."""
        said = [f"{count} {name.replace('_', ' ')}" for name, count in self.counts.items() if count]
        if self.troubles:
            said.append(
                "to be seen: " + ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in self.troubles.items())
            )
        if self.stop is not None:
            said.append(stop_text(self.stop))
        said += [text for text in (self.skipped, self.error) if text]
        return clean(f"{self.platform}: {', '.join(said) or 'nothing was due'}")


def merged(parts: Sequence[Part]) -> Part:
    """Several steps on one platform as one part."""
    return Part(
        platform=parts[0].platform,
        counts=_summed([part.counts for part in parts]),
        troubles=_summed([part.troubles for part in parts]),
        skipped="; ".join(dict.fromkeys(part.skipped for part in parts if part.skipped)),
        error="; ".join(part.error for part in parts if part.error),
        reports={step: report for part in parts for step, report in part.reports.items()},
    )


def _summed(counts: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    names = dict.fromkeys(name for one in counts for name in one)
    return {name: sum(one.get(name, 0) for one in counts) for name in names}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The end of a whole run."""

    mark: Mark
    message: str
    exit: int
    data: Mapping[str, Any] = field(default_factory=dict)


def stop_text(stop: Stop) -> str:
    """Why nothing leaves, by code: a pause's reason is a person's text and is told by ``gateway status``."""
    if stop.paused:
        return f"held ({stop.code}){_until(stop.until)}; see gateway status, then gateway resume"
    return f"waits ({stop.code}){_until(stop.until)}"


def _until(moment: datetime | None) -> str:
    return "" if moment is None else f" until {moment.astimezone(CHINA):%Y-%m-%d %H:%M} +08:00"


def ending(parts: Sequence[Part], data: Mapping[str, Any] | None = None) -> Ending:
    """One state for all platforms: the heaviest mark names it, every platform has its clause."""
    mark = max((part.mark for part in parts), key=_WEIGHT.__getitem__)
    code = EXIT_DONE if mark in _CLEAN else EXIT_FAILURES
    message = "; ".join(part.text for part in parts)
    return Ending(mark=mark, message=f"{message} (exit {code})", exit=code, data={"exit": code, **(data or {})})


def failed(reason: str) -> Ending:
    """A run that could not begin its work."""
    return Ending(
        mark=Mark.FAILED, message=f"{clean(reason)} (exit {EXIT_FAILURES})", exit=EXIT_FAILURES, data={"exit": 1}
    )
