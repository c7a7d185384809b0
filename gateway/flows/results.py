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


class RunState(StrEnum):
    """The name of the final state; the later one outweighs."""

    SKIPPED = "Skipped"  # another run is at it
    COMPLETED = "Completed"
    WAITING = "Waiting"  # maintenance, breaker, or the platform's own wish: goes on by itself
    ATTENTION = "Attention"  # done, and some of it needs a person
    HELD = "Held"  # the platform is paused until a person resumes it
    FAILED = "Failed"  # the work could not be done


_WEIGHT = {state: weight for weight, state in enumerate(RunState)}
NEEDS_A_PERSON = frozenset({RunState.ATTENTION, RunState.HELD, RunState.FAILED})
"""states of Prefect's type FAILED: seen in the list of runs, for its colour is the type's and its word the name"""
_CLEAN = frozenset({RunState.SKIPPED, RunState.COMPLETED})
EXIT_DONE, EXIT_FAILURES = 0, 1


@dataclass(frozen=True, kw_only=True)
class PlatformResult:
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
    def state(self) -> RunState:
        """How it ended on this platform."""
        if self.error:
            return RunState.FAILED
        if self.stop is not None and self.stop.paused:
            return RunState.HELD
        if self.troubles:
            return RunState.ATTENTION
        if self.stop is not None:
            return RunState.WAITING
        return RunState.SKIPPED if self.skipped and not any(self.counts.values()) else RunState.COMPLETED

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


def merge_results(results: Sequence[PlatformResult]) -> PlatformResult:
    """Several steps on one platform as one result."""
    return PlatformResult(
        platform=results[0].platform,
        counts=_summed([result.counts for result in results]),
        troubles=_summed([result.troubles for result in results]),
        skipped="; ".join(dict.fromkeys(result.skipped for result in results if result.skipped)),
        error="; ".join(result.error for result in results if result.error),
        reports={step: report for result in results for step, report in result.reports.items()},
    )


def _summed(counts: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    names = dict.fromkeys(name for one in counts for name in one)
    return {name: sum(one.get(name, 0) for one in counts) for name in names}


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The end of a whole run."""

    state: RunState
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


def run_result(results: Sequence[PlatformResult], data: Mapping[str, Any] | None = None) -> RunResult:
    """One state for all platforms: the heaviest state names it, every platform has its clause."""
    state = max((result.state for result in results), key=_WEIGHT.__getitem__)
    code = EXIT_DONE if state in _CLEAN else EXIT_FAILURES
    message = "; ".join(result.text for result in results)
    return RunResult(state=state, message=f"{message} (exit {code})", exit=code, data={"exit": code, **(data or {})})


def failed_run(reason: str) -> RunResult:
    """A run that could not begin its work."""
    return RunResult(
        state=RunState.FAILED, message=f"{clean(reason)} (exit {EXIT_FAILURES})", exit=EXIT_FAILURES, data={"exit": 1}
    )
