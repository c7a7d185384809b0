"""The interface document (OpenAPI 3.1) as validators: what leaves is checked against it, and so is what comes in.

A violation names the place and the rule in both languages and never the value, because validators' own texts repeat it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from gateway.codec.jsonbody import rfc3339
from gateway.contract.messages import JSON

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import ValidationError


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One broken rule of the document. ``path`` is dotted (``person.workerName``, ``items.3.person``)."""

    path: str
    rule: str
    message: str
    message_zh: str


def violations(schema: str, value: JSON) -> tuple[Violation, ...]:
    """What of ``value`` breaks ``schema`` (a name under components/schemas): the first broken rule of each place."""
    found: dict[str, Violation] = {}
    for error in _validator(schema).iter_errors(value):
        for violation in _explain(error):
            found.setdefault(violation.path, violation)
    return tuple(found.values())


def pointer_path(pointer: str) -> str:
    """An RFC 6901 pointer as a dotted path; the document's names need no escapes."""
    return pointer.strip("/").replace("/", ".")


@cache
def document() -> dict[str, JSON]:
    """The interface document as read from ``openapi.json``."""
    text = files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")
    loaded: dict[str, JSON] = json.loads(text)
    return loaded


@cache
def _validator(schema: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # slow to load, and most commands send nothing

    root = {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    return Draft202012Validator(root, format_checker=_formats())


@cache
def _formats() -> FormatChecker:
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=("date",))

    @checker.checks("date-time")
    def is_moment(value: object) -> bool:
        return not isinstance(value, str) or rfc3339(value) is not None

    return checker


def _explain(error: ValidationError) -> Iterator[Violation]:
    path = ".".join(str(step) for step in error.absolute_path)
    if error.validator == "required" and isinstance(error.instance, dict):
        required = error.validator_value if isinstance(error.validator_value, list) else []
        for name in required:
            if name not in error.instance:
                yield Violation(
                    path=f"{path}.{name}".strip("."), rule="required", message="is required", message_zh="必填"
                )
        return
    message, message_zh = _words(str(error.validator), error.validator_value)
    yield Violation(path=path, rule=str(error.validator), message=message, message_zh=message_zh)


def _words(rule: str, limit: object) -> tuple[str, str]:
    match rule:
        case "minLength" | "maxLength":
            most = rule == "maxLength"
            return (
                f"must have at {'most' if most else 'least'} {limit} characters",
                f"长度不得{'超过' if most else '少于'}{limit}个字符",
            )
        case "pattern":
            return "does not have the form asked for", "格式不符"
        case "enum" | "const":
            return "is not one of the allowed values", "不在允许取值范围内"
        case "format":
            return f"is not a valid {limit}", "不是有效的日期或时间"
        case "type":
            return f"is not of the type {limit}", "类型不符"
        case "contains":
            return "lacks an entry that is asked for", "缺少必需的项目"
        case _:
            return f"breaks the rule {rule}", f"不符合规则 {rule}"
