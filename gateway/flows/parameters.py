"""What a person may set for a run, described for the form in Prefect's page: names, limits and steps, no record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args, get_type_hints

from prefect import Flow
from prefect.runtime import flow_run
from pydantic import Field
from pydantic.fields import FieldInfo

from gateway import registry

Step = Literal["push", "acks", "resolve", "feedback", "reconcile"]
STEPS: tuple[Step, ...] = ("push", "acks", "resolve", "feedback", "reconcile")
DELIVERY: tuple[Step, ...] = ("push", "acks", "resolve")
"""the steps that move deliveries; they are repeated until nothing is due"""


class _Installed:
    """Offers the installed platforms as choices, read when a schema is made and not at import."""

    def __get_pydantic_json_schema__(self, _core: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "string", "enum": registry.names()}


Platforms = Annotated[
    list[Annotated[str, _Installed()]],
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
    for name, shown in form.items():
        for note in get_args(hints[name])[1:]:
            if isinstance(note, FieldInfo):
                shown.update(title=note.title, description=note.description)


def run_name() -> str:
    """``push worker_platform``: the flow and the platforms chosen; counts are added when they are known."""
    return named(str(flow_run.flow_name), flow_run.parameters.get("platforms") or ())


def named(work: str, platforms: Sequence[str]) -> str:
    """The name of a run of a flow over these platforms."""
    return f"{work} {', '.join(platforms) or 'all platforms'}"
