"""Writers compiled from zeep's own parsed types: plain values to the same document as ``create_message``, but faster.

zeep stays the authority. A type with anything but sequences, choices, optional and repeated elements and the simple
types below is not compiled, and values that do not fit plainly are not written: both go to zeep, which writes or
refuses them as ever. The first message of each operation is built both ways; where they differ, zeep writes that
operation from then on. Headers are none of this: they are added to the finished envelope.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lxml import etree

from gateway.contract.messages import JSON

log = logging.getLogger(__name__)

Oracle = Callable[[str, Mapping[str, JSON]], etree._Element]
"""zeep's way from an operation's name and values to an envelope; raises what the caller expects"""
Text = Callable[[Any], str]
_Write = Callable[[Mapping[str, Any], "list[str] | None"], str]
_LONGEST = 10_000_000
"""characters; libxml2 takes no longer text in one element, and whoever gets a text has it parsed by its schema"""
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search
"""no character of XML 1.0 (section 2.2), whatever the escaping"""
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
BODY = "<soap-env:Body>"
"""where the header of a written message belongs: before its first occurrence"""


class NotCompiledError(Exception):
    """The type has a part that is left to zeep; the text names the part."""


class NotPlainError(Exception):
    """The values do not fit plainly; whether they fit at all is for zeep to say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """An unsigned message as text, and its leaves in document order.

    leaves: ``path=value`` and a line feed each; the path has the names below the body's element, joined by slashes,
            with ``[n]`` from 1 after every element that may repeat
    """

    text: str = field(repr=False)
    leaves: Sequence[str] = field(repr=False)


class Writers:
    """The writers of one SOAP binding of zeep, each compiled when it is first asked for.

    prefixes: prefix -> namespace, as set on zeep's client. An operation with elements of further namespaces is left to
              zeep, which declares those anew on every element
    oracle:   zeep's own way, for whatever is not written here and for the comparison
    """

    def __init__(self, binding: Any, prefixes: Mapping[str, str], oracle: Oracle) -> None:
        self._binding, self._prefixes, self._oracle = binding, prefixes, oracle
        self._writers: dict[str, _Write | None] = {}
        self._compared: set[str] = set()

    def envelope(self, operation: str, values: Mapping[str, JSON]) -> etree._Element:
        """An unsigned envelope, equal to the oracle's; raises what the oracle raises."""
        text = self._text(operation, values, None)
        return self._oracle(operation, values) if text is None else etree.fromstring(text.encode())

    def written(self, operation: str, values: Mapping[str, JSON]) -> Written | None:
        """The same message as text with its leaves; None where it is left to zeep."""
        leaves: list[str] = []
        text = self._text(operation, values, leaves)
        return None if text is None else Written(text=text, leaves=leaves)

    def _text(self, operation: str, values: Mapping[str, JSON], leaves: list[str] | None) -> str | None:
        """The message, or None where it is left to zeep: the one place that decides it.

        The first message of an operation is compared with zeep's; where they differ, so are all that follow.
        """
        write = self._writer(operation)
        if write is None:
            return None
        try:
            text = write(values, leaves)
        except NotPlainError:
            return None
        if len(text) > _LONGEST:
            return None
        if operation not in self._compared:
            ours, reference = etree.fromstring(text.encode()), self._oracle(operation, values)
            if etree.tostring(reference, method="c14n") != etree.tostring(ours, method="c14n"):
                log.warning("compiled_writer_differs", extra={"operation": operation})
                self._writers[operation] = None
                return None
            self._compared.add(operation)
        return text

    def is_compiled(self, operation: str) -> bool:
        """Whether the operation is written here; what is not, zeep writes."""
        return self._writer(operation) is not None

    def _writer(self, operation: str) -> _Write | None:
        if operation not in self._writers:
            try:
                self._writers[operation] = _compile(self._binding, operation, self._prefixes)
            except (NotCompiledError, ValueError) as reason:
                log.info("left_to_zeep", extra={"operation": operation, "reason": str(reason)})
                self._writers[operation] = None
        return self._writers[operation]


def _compile(binding: Any, operation: str, prefixes: Mapping[str, str]) -> _Write:
    """A writer of whole envelopes; ValueError where zeep knows no such operation."""
    from zeep.wsdl.messages.soap import DocumentMessage

    found = binding.get(operation)
    message = found.input
    if type(message) is not DocumentMessage or message.body is None:
        raise NotCompiledError("not document/literal")
    if message.body.qname.namespace == message.nsmap["soap-env"]:
        # zeep's body is the whole soap:Body then
        raise NotCompiledError("several parts in one body")
    if found.abstract.wsa_action:
        raise NotCompiledError("WS-Addressing")
    named = {"soap-env": message.nsmap["soap-env"], **prefixes}
    compiler = _Compiler(named)
    tag, content = compiler.tag(message.body.qname), compiler.content(message.body.type)
    declared = "".join(f' xmlns:{prefix}="{escaped(space)}"' for prefix, space in named.items())
    before = f"<soap-env:Envelope{declared}>{BODY}<{tag}>"
    after = f"</{tag}></soap-env:Body></soap-env:Envelope>"

    def write(values: Mapping[str, Any], leaves: list[str] | None) -> str:
        out = [before]
        content.write(values, out, leaves, "")
        out.append(after)
        return "".join(out)

    return write


@dataclass(eq=False, slots=True, kw_only=True)
class _Leaf:
    """One element: how its tags and its text or content are written, and how often it may stand (None: any number)."""

    name: str
    start: str
    end: str
    text: Text | None = None
    content: _Content | None = None
    least: int
    most: int | None

    def names(self) -> Iterator[str]:
        yield self.name

    def write(self, value: Any, out: list[str], leaves: list[str] | None, path: str) -> None:
        """Write what is given for the element, which is not None."""
        if self.most == 1:
            self._element(value, out, leaves, f"{path}{self.name}")
            return
        if type(value) is not list or len(value) < self.least or (self.most and len(value) > self.most):
            raise NotPlainError
        for number, item in enumerate(value, start=1):
            self._element(item, out, leaves, f"{path}{self.name}[{number}]")

    def _element(self, value: Any, out: list[str], leaves: list[str] | None, path: str) -> None:
        if self.content is None:
            assert self.text is not None
            text = self.text(value)
            out.append(f"{self.start}{text}{self.end}")
            if leaves is not None:
                # without escapes, which only a value that is text already can have
                leaves.append(f"{path}={value if type(value) is str else text}\n")
            return
        out.append(self.start)
        self.content.write(value, out, leaves, f"{path}/")
        out.append(self.end)


class _Choice:
    """One of several runs of elements, distinguished by their names."""

    def __init__(self, runs: list[tuple[_Leaf | _Choice, ...]], *, required: bool) -> None:
        self._runs, self._required = [_steps(run) for run in runs], required
        self._parts = runs
        self._run_of = {name: number for number, run in enumerate(runs) for part in run for name in part.names()}

    def names(self) -> Iterator[str]:
        for run in self._parts:
            for part in run:
                yield from part.names()

    def write(self, values: Mapping[str, Any], out: list[str], leaves: list[str] | None, path: str) -> None:
        """Write the run of which the values hold something."""
        given = {name: number for name, number in self._run_of.items() if values.get(name) is not None}
        if not given and not self._required:
            return
        # zeep drops a choice whose only values are empty or false, so these are left to it
        if len(set(given.values())) != 1 or not any(values[name] for name in given):
            raise NotPlainError
        _write_steps(self._runs[next(iter(given.values()))], values, out, leaves, path)


_Step = tuple[str, str, Text | None, str, int, _Leaf | _Choice]
"""Name, start, text and end of an element that stands at most once, whether it must, and the part itself. Where the
text is None the part writes itself; a choice has no name."""


def _steps(parts: Sequence[_Leaf | _Choice]) -> tuple[_Step, ...]:
    return tuple(
        (part.name, part.start, _plainly(part), part.end, part.least, part)
        if isinstance(part, _Leaf)
        else ("", "", None, "", 0, part)
        for part in parts
    )


def _write_steps(
    steps: tuple[_Step, ...], values: Mapping[str, Any], out: list[str], leaves: list[str] | None, path: str
) -> None:
    """Write parts in order: the one place that checks whether what must be there is there."""
    get, append = values.get, out.append
    note = None if leaves is None else leaves.append
    for name, start, text, end, least, part in steps:
        if not name:
            part.write(values, out, leaves, path)
            continue
        value = get(name)
        if value is None:
            if least:
                raise NotPlainError
        elif text is None:
            part.write(value, out, leaves, path)
        else:
            # most texts need no escape and no care: seen here, without a call
            if type(value) is str and (
                value.isalnum() or (value.isprintable() and not ("&" in value or "<" in value or ">" in value))
            ):
                written = value
            else:
                written = text(value)
            append(f"{start}{written}{end}")
            if note is not None:
                note(f"{path}{name}={value if type(value) is str else written}\n")


@dataclass(eq=False, slots=True)
class _Content:
    """The elements of a complex type in order. Filled after it is made, because types may hold themselves."""

    known: frozenset[str] = field(default=frozenset())
    steps: tuple[_Step, ...] = ()

    def fill(self, parts: tuple[_Leaf | _Choice, ...]) -> None:
        names = [name for part in parts for name in part.names()]
        self.known = frozenset(names)
        if len(self.known) < len(names):
            raise NotCompiledError("two elements of one name")
        self.steps = _steps(parts)

    def write(self, values: Any, out: list[str], leaves: list[str] | None, path: str) -> None:
        """Write the elements of one object; its names must be known ones."""
        if not isinstance(values, dict) or not self.known.issuperset(values):
            raise NotPlainError
        _write_steps(self.steps, values, out, leaves, path)


def _plainly(leaf: _Leaf) -> Text | None:
    """How the text of an element that stands at most once is written, where a text stands for itself."""
    return leaf.text if leaf.most == 1 and leaf.text is not boolean else None


class _Compiler:
    """Turns zeep's types into contents; each type once."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._prefixes = {space: prefix for prefix, space in prefixes.items()}
        self._done: dict[int, _Content] = {}

    def tag(self, qname: Any) -> str:
        """The element's name as it stands in the document; local elements may be in no namespace."""
        space: str | None = qname.namespace
        if space is None:
            return str(qname.localname)
        if space not in self._prefixes:
            raise NotCompiledError(f"no prefix for {space}")
        return f"{self._prefixes[space]}:{qname.localname}"

    def content(self, type_: Any) -> _Content:
        """A complex type's content."""
        from zeep import xsd

        if id(type_) in self._done:
            return self._done[id(type_)]
        # an array of SOAP encoding has attributes too
        if not isinstance(type_, xsd.ComplexType) or type_.attributes:
            raise NotCompiledError("attributes or a simple type as content")
        content = self._done[id(type_)] = _Content()
        if any(isinstance(nested, xsd.Element) for _, nested in type_.elements_nested):
            raise NotCompiledError("text as the content of a complex type")
        content.fill(tuple(part for _, nested in type_.elements_nested for part in self._parts(nested)))
        return content

    def _parts(self, node: Any) -> Iterator[_Leaf | _Choice]:
        from zeep.xsd.elements import All, Choice, Element, Sequence

        if type(node) is Element:
            yield self._leaf(node)
        elif type(node) in (All, Choice, Sequence) and not node.accepts_multiple:
            if type(node) is Choice:
                runs = [tuple(self._parts(alternative)) for alternative in node]
                if not all(runs):
                    raise NotCompiledError("an empty alternative")
                yield _Choice(runs, required=node.min_occurs > 0)
            else:
                for child in node:
                    yield from self._parts(child)
        else:
            raise NotCompiledError(f"a part of kind {type(node).__name__}")

    def _leaf(self, element: Any) -> _Leaf:
        from zeep import xsd

        if element.nillable or element.attr_name != element.name or element.max_occurs == 0:
            raise NotCompiledError("a nillable, renamed or forbidden element")
        tag = self.tag(element.qname)
        is_complex = isinstance(element.type, xsd.ComplexType)
        return _Leaf(
            name=element.name,
            start=f"<{tag}>",
            end=f"</{tag}>",
            text=None if is_complex else text_of(element.type),
            content=self.content(element.type) if is_complex else None,
            least=element.min_occurs,
            most=None if element.max_occurs == "unbounded" else element.max_occurs,
        )


def text_of(type_: Any) -> Text:
    """How a simple type's values are written. Derived types follow their base, as in zeep."""
    from zeep.xsd.types import builtins

    for base, text in (
        (builtins.String, _string),
        (builtins.AnyURI, _string),
        (builtins.Boolean, boolean),
        (builtins.Integer, _integer),
        (builtins.Decimal, _decimal),
        (builtins.DateTime, _moment),
        (builtins.Date, _day),
        (builtins.Base64Binary, _binary),
    ):
        if isinstance(type_, base):
            return text
    raise NotCompiledError(f"the simple type {type(type_).__name__}")


def _string(value: Any) -> str:
    if type(value) is not str:
        raise NotPlainError
    return value if value.isalnum() or _SPECIAL(value) is None else escaped(value)


def escaped(text: str) -> str:
    """Text as it may stand between tags or in an attribute; NotPlainError where no escaping helps."""
    if _FORBIDDEN(text):
        raise NotPlainError
    return text.translate(_ESCAPES)


def boolean(value: Any) -> str:
    """A truth value; the one type whose texts do not stand for themselves."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise NotPlainError


def _integer(value: Any) -> str:
    return str(value) if type(value) is int else _string(value)


def _decimal(value: Any) -> str:
    if type(value) is Decimal:
        return f"{value:f}"
    return str(value) if type(value) in (int, float) else _string(value)


def _moment(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if type(value) is datetime else _string(value)


def _day(value: Any) -> str:
    # before the year 1000 the platform's C library decides how zeep's date looks
    return value.isoformat() if type(value) is date and value.year >= 1000 else _string(value)


def _binary(value: Any) -> str:
    return base64.b64encode(value).decode() if type(value) is bytes else _string(value)
