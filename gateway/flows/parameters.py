"""What a person may set for a run, described for the form in Prefect's page: names, limits and steps, no record."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

from prefect import Flow
from prefect.runtime import flow_run
from pydantic import Field
from pydantic.fields import FieldInfo

from gateway import registry
from gateway.domain.errors import GatewayError
from gateway.domain.words import JOBS
from gateway.locale import Text, in_chinese, shown, tr
from gateway.settings import GatewaySettings, load

Step = Literal["push", "acks", "resolve", "feedback", "reconcile"]
STEPS: tuple[Step, ...] = ("push", "acks", "resolve", "feedback", "reconcile")
DELIVERY: tuple[Step, ...] = ("push", "acks", "resolve")
"""the steps that move deliveries; they are repeated until nothing is due"""


class Installed:
    """Offers the installed platforms as choices, read when a schema is made and not at import."""

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "string", "enum": registry.names()}


Platforms = Annotated[
    list[Annotated[str, Installed()]],
    Field(title="Platforms", description="Platforms to work on; all that are configured where none is chosen."),
]
Chunk = Annotated[int, Field(ge=1, le=5000, title="Chunk", description="Deliveries that one task takes, 1 to 5000.")]
Limit = Annotated[
    int,
    Field(ge=0, title="Limit", description="Send at most this many deliveries of each platform; 0: all that is due."),
]
Minutes = Annotated[
    float,
    Field(
        ge=0,
        title="Minutes",
        description="Begin no further chunk after so many minutes; the next run goes on. 0: until nothing is due.",
    ),
]
Steps = Annotated[
    list[Step],
    Field(title="Steps", description="What to do, in this order whatever is chosen; all of it where none is."),
]
Patience = Annotated[
    float,
    Field(
        ge=0,
        title="Patience",
        description="Seconds to go on with results and doubts that are not due yet; 0: only what is due now.",
    ),
]


def describe(made: Flow[..., Any], form: dict[str, Any]) -> None:
    """Put titles and descriptions into a flow's form: Prefect takes only bounds and choices from annotations."""
    hints = get_type_hints(made.fn, include_extras=True)
    for name, shown_as in form.items():
        for note in get_args(hints[name])[1:]:
            if isinstance(note, FieldInfo):
                shown_as.update(title=spoken(note.title or name), description=spoken(note.description or ""))


@cache
def is_chinese() -> bool:
    """Whether people are addressed in Chinese, by the settings of this process; they are read once."""
    try:
        return load(GatewaySettings).chinese
    except GatewayError:  # told by the run that opens the gateway
        return in_chinese(None, os.environ)


def spoken(text: str) -> str:
    """A text as the people of this gateway read it."""
    return shown(text, chinese=is_chinese())


def run_name() -> str:
    """``push worker_platform``: the flow and the platforms chosen; counts are added when they are known."""
    return spoken(named(str(flow_run.flow_name), flow_run.parameters.get("platforms") or ()))


def form_name() -> str:
    """``pause worker_platform``: the work, and the platform or report it is about."""
    work, given = str(flow_run.flow_name), flow_run.parameters
    about = platform_word(given["platform"]) if "platform" in given else given.get("report", "")
    return spoken(tr("{job} {about}", job=JOBS[work], about=about) if about else JOBS[work])


def named(work: str, platforms: Sequence[str]) -> Text:
    """The name of a run of a flow over these platforms."""
    over = [platform_word(name) for name in platforms] or tr("all platforms")
    return tr("{job} {platforms}", job=JOBS.get(work, work), platforms=over)


@cache
def platform_word(platform: str) -> str:
    """A platform as people call it: its Chinese title in short, or its id."""
    try:
        info = registry.build_connector(platform, load).info
    except GatewayError:
        return platform
    return (info.short_zh or info.title_zh) if is_chinese() else platform
