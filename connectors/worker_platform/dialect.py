"""A dialect of ``open.api`` as data: what differs between the national platform and the cities that copied it.

``dialect_file`` reads and checks the files; the keys are explained in the README, section "Dialects".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from connectors.worker_platform.forms import Credential, Part, TrainingForm, WorkerForm
from gateway.domain.names import folded_name
from gateway.locale import tr

SUCCESS = "0"
_CODE = re.compile(r"-?[0-9]{1,9}")
_LONGEST_TEXT = 20_000
"""what a text says stands at its beginning; beyond this it is not read"""
_OPEN, _CLOSE = "[【〔「『{<《\"'“‘", "]】〕」』}>》\"'”’"
_ENGLISH = frozenset({"format", "method", "sign", "version"})
"""names of common fields that occur in ordinary sentences: unmarked, they count only among Chinese words"""


def whole_number(value: object) -> str | None:
    """A number or a numeric text as canonical text (``01`` as ``1``); None for anything else, booleans included."""
    if isinstance(value, bool):
        return None
    text = str(value) if isinstance(value, int) and abs(value) < 10**9 else value
    if isinstance(text, str) and _CODE.fullmatch(text.strip()):
        return str(int(text))
    return None


def _state(value: object) -> str:
    state = whole_number(value)
    if state is None:
        raise ValueError("a state is a whole number")
    return state


State = Annotated[str, BeforeValidator(_state)]


class Kind(StrEnum):
    """What a code or a text of the platform is about, whatever call it answers."""

    DATA = "data"
    CONFIGURATION = "configuration"
    RATE = "rate"
    PLATFORM = "platform"
    DUPLICATE = "duplicate"
    ORDER = "order"
    """something that must be there first is not"""
    UNKNOWN = "unknown"


KIND_WORDS = {
    Kind.DATA: ("数据不符合要求", "the data breaks a rule"),
    Kind.CONFIGURATION: ("账号、签名或权限错误", "account, signature or right is wrong"),
    Kind.RATE: ("访问超过限制", "too many requests"),
    Kind.PLATFORM: ("平台自身故障", "the platform itself fails"),
    Kind.DUPLICATE: ("已存在", "is there already"),
    Kind.ORDER: ("前置数据不存在", "something that must be there first is not"),
    Kind.UNKNOWN: ("未说明的错误", "an error without a word"),
}
"""what a code of each kind says, Chinese and English: the platform gives codes no titles of their own"""
KIND_ACTS: Mapping[Kind, str] = {
    Kind.DATA: tr(
        "where it names appid, timestamp, nonce or sign: look at APPID, APPSECRET and this machine's clock; otherwise "
        "the city corrects the record"
    ),
    Kind.CONFIGURATION: tr(
        "look at APPID and APPSECRET; ask the platform whether the account is valid and this machine's address let in"
    ),
    Kind.RATE: tr("nothing, it goes on by itself; where it stays, raise MIN_INTERVAL_SECONDS or ask the platform"),
    Kind.PLATFORM: tr("nothing, it goes on by itself; where it stays, tell the platform"),
}
"""what helps with a code of each kind"""

Positive = Annotated[float, Field(gt=0)]


class Names(Part):
    """Wire names of the common fields."""

    appid: str
    data: str
    format: str
    method: str
    nonce: str
    timestamp: str
    version: str
    sign: str
    corpsign: str


class Version(Part):
    """Interface version, by the dialect's own word for the method (``check_sign``) where one differs."""

    default: str
    methods: dict[str, str] = Field(default_factory=dict)


class Timestamp(Part):
    """``strftime`` format and time zone of the common field."""

    format: str
    zone: str


class Methods(Part):
    """Wire names of the calls this connector knows; empty where the dialect has none."""

    check_sign: str = ""
    result: str
    credential_query: str = ""
    credential_add: str = ""
    credential_update: str = ""
    worker_query: str = ""
    worker_add: str = ""
    worker_update: str = ""
    training_query: str = ""
    training_add: str = ""


class Result(Part):
    """Where serial, state and text stand in an answer, and which states mean what. Paths are dotted."""

    request_field: str
    serial_path: str
    echo_path: str
    """where a result names its serial; empty where it does not, and then a look-up confirms what is done"""
    state_path: str
    text_path: str
    platform_id_path: str = ""
    """where a result that is done gives the platform's own number of the record; empty where it gives none"""
    waiting: tuple[State, ...]
    failed: tuple[State, ...]
    done: tuple[State, ...] = Field(min_length=1)
    unmatched: Kind = Kind.DATA
    """kind of a failed result whose text no pattern knows"""


class Pattern(Part):
    """A text of the platform: parts that occur in this order, compared without blanks and full-width forms."""

    parts: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    kind: Kind

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """The parts as one expression over a normalised text."""
        return re.compile(".*".join(re.escape(normalise(part)) for part in self.parts), re.DOTALL)


class Paging(Part):
    """First page number and largest page of a query."""

    first_index: int = Field(ge=0)
    max_size: int = Field(ge=1)


class BatchMax(Part):
    """Most records in one call."""

    credential: int = Field(ge=1)


class Poll(Part):
    """When a result is fetched, in seconds: some first waits, a steady one for a while, a late one to the end."""

    first: tuple[Positive, ...] = Field(min_length=1)
    then: Positive
    then_for: Positive
    late: Positive
    give_up: Positive


class Rate(Part):
    """Traffic the platform is assumed to allow."""

    min_interval: float = Field(ge=0)
    connections: int = Field(ge=1)


class Capabilities(Part):
    """What the platform offers to this caller."""

    credential_write: bool
    """certificates themselves are taken; then nothing travels by project"""
    training_write: bool
    """workers and trainings of a project are taken"""
    credential_read: bool
    check_sign: bool


class Dialect(Part):
    """Everything the connector must know about one platform of the family."""

    title_zh: str
    spec_version: str
    path: str
    result_path: str = ""
    """path of the result query where it differs"""
    body: Literal["form", "json"] = "form"
    ascii_json: bool = True
    wrap: Literal["none", "list"] = "none"
    corpsign: Literal["off", "optional", "on"]
    """off: never sent; optional: sent when an enterprise key is set; on: an enterprise key must be set"""
    encrypted: frozenset[str]
    extra_fields: dict[str, str] = Field(default_factory=dict)
    """further common fields; they take part in the signature"""
    extra_data: dict[str, str] = Field(default_factory=dict)
    """further business parameters of every call"""
    names: Names
    version: Version
    timestamp: Timestamp
    methods: Methods
    result: Result
    error_codes: dict[str, Kind]
    patterns: tuple[Pattern, ...]
    paging: Paging
    batch_max: BatchMax
    poll: Poll
    rate: Rate
    capabilities: Capabilities
    credential: Credential
    worker: WorkerForm
    training: TrainingForm

    def version_of(self, method: str) -> str:
        """The interface version to send with a method."""
        own = {getattr(self.methods, word): version for word, version in self.version.methods.items()}
        return own.get(method, self.version.default)

    def kind_of(self, text: str) -> Kind | None:
        """What a text of the platform is about, or None where nothing in it is known.

        A text that names a common field (time stamp, nonce, signature, version …) is about the account or the gateway,
        whatever else it says: no record is to blame, and the next one would meet the same. Then the first pattern that
        occurs decides. ``data`` as a whole comes last, because a pattern may say that one record made it too long.
        """
        text = text[:_LONGEST_TEXT]
        lowered = unicodedata.normalize("NFKC", text).casefold()
        if self._envelope.search(lowered):
            return Kind.CONFIGURATION
        plain = normalise(text)
        found = next((p.kind for p in self.patterns if p.expression.search(plain)), None)
        return Kind.CONFIGURATION if found is None and self._whole_data.search(lowered) else found

    @cached_property
    def _envelope(self) -> re.Pattern[str]:
        own = {*self.names.model_dump().values(), *self.extra_fields, *self.extra_data, "appsecret", "signature"}
        return _naming(own - {self.names.data})

    @cached_property
    def _whole_data(self) -> re.Pattern[str]:
        name = re.escape(self.names.data.casefold())
        wrong = "不能为空|为空|格式|无效|错误|缺失|解析"
        return re.compile(rf"{_marked(name)}|(?<![a-z0-9_\[.]){name}(?:参数|字段|值)?(?:{wrong})")


def _naming(fields: Collection[str]) -> re.Pattern[str]:
    """Finds a field of the call itself: between marks (``[nonce]``, ``【sign】``), or as a word of its own.

    A step of a path (``[workerList][0][version]``, ``[data][0][name]``) belongs to a record and is none of them.
    """
    names = sorted({unicodedata.normalize("NFKC", name).casefold() for name in fields}, key=len, reverse=True)
    listed = "|".join(map(re.escape, names))
    clear = "|".join(re.escape(name) for name in names if name not in _ENGLISH) or "(?!)"
    common = "|".join(re.escape(name) for name in names if name in _ENGLISH - {"format"}) or "(?!)"
    return re.compile(
        "|".join(
            (
                _marked(listed),
                rf"(?<![a-z0-9_\[.])(?:{clear})(?!\.?[a-z0-9_\[])",
                rf"(?<![a-z0-9_\[.])(?<![a-z0-9_]\s)(?:{listed})(?!\s?[a-z0-9_\[.\]])",
                rf"\b(?:invalid|illegal|missing|unknown|unsupported|wrong|expired) (?:{common})(?!\s?[a-z0-9_\[])",
                rf"(?:^|[^a-z0-9_\].\s])\s*(?:{common}) (?:is|error|invalid|expired|missing|mismatch|not|required)\b",
            )
        )
    )


def _marked(names: str) -> str:
    """One of the names between marks, and no step of a path with an index."""
    opening, closing = re.escape(_OPEN), re.escape(_CLOSE)
    return rf"(?<![0-9]\])(?<![.a-z0-9_])[{opening}]\s*(?:{names})\s*[{closing}](?!\s*\[[0-9]|\.)"


def folded(value: object) -> str:
    """A value as text without blanks, full-width forms and case, all middle dots alike; equal for two spellings.

    Total: what is no text and no number is a mark of its own, equal to no text.
    """
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    return folded_name(str(value))


def normalise(text: str) -> str:
    """Text without blanks, full-width forms and capitals, for comparing."""
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()
