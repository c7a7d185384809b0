"""How a run ends: what became of each platform, and the one state and sentence that tell it.

Pure. Texts name platforms, counts, codes and moments; a reason that a person typed stays in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.codec.redact import clean
from gateway.domain.traffic import Stop
from gateway.domain.words import RUNS, counted
from gateway.locale import Text, tr


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
    def state_word(self) -> Text:
        """How it ended, in words."""
        return RUNS[self.state.value].word

    @property
    def text(self) -> Text:
        """One clause for people."""
        said: list[str] = [counted(self.counts)] if any(self.counts.values()) else []
        if self.troubles:
            said.append(tr("to be seen: {troubles}", troubles=counted(self.troubles)))
        if self.stop is not None:
            said.append(stop_text(self.stop))
        said += [cleaned(text) for text in (self.skipped, self.error) if text]
        return tr("{platform}: {parts}", platform=self.platform, parts=said or tr("nothing was due"))


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


def cleaned(text: str) -> str:
    """A text without what looks like a person's number; one of ours keeps its translation."""
    return text if clean(text) == text else clean(text)


def stop_text(stop: Stop) -> Text:
    """Why nothing leaves, by code: a pause's reason is a person's text and is told by ``gateway status``."""
    if stop.paused:
        until = tr("held ({code}) until {until}", code=stop.code, until=stop.until)
        held = tr("held ({code})", code=stop.code) if stop.until is None else until
        return tr("{held}; see gateway status, then gateway resume", held=held)
    if stop.until is None:
        return tr("waits ({code})", code=stop.code)
    return tr("waits ({code}) until {until}", code=stop.code, until=stop.until)


def run_result(results: Sequence[PlatformResult], data: Mapping[str, Any] | None = None) -> RunResult:
    """One state for all platforms: the heaviest state names it, every platform has its clause."""
    state = max((result.state for result in results), key=_WEIGHT.__getitem__)
    code = EXIT_DONE if state in _CLEAN else EXIT_FAILURES
    parts = list(results)
    message = parts[0].text
    for result in parts[1:]:
        message = tr("{first}; {second}", first=message, second=result.text)
    return RunResult(
        state=state,
        message=tr("{message} (exit {code})", message=message, code=code),
        exit=code,
        data={"exit": code, **(data or {})},
    )


def failed_run(reason: str) -> RunResult:
    """A run that could not begin its work."""
    return RunResult(
        state=RunState.FAILED,
        message=tr("{message} (exit {code})", message=cleaned(reason), code=EXIT_FAILURES),
        exit=EXIT_FAILURES,
        data={"exit": 1},
    )
