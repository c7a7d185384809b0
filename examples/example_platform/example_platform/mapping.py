"""A record in the platform's words: one line for each field, and what the platform asks of it.

Source: none yet; name the document, its version and the section beside each rule.
"""

from __future__ import annotations

from gateway.contract.messages import JSON, Problem
from gateway.domain.records import Certificate, Content, Worker

SOURCES = {
    "name": "name",
    "number": "number",
    "id_type": "id_type",
    "birth_date": "birth_date",
    "id_number": "holder.id_number",
    "trade": "trade",
    "issued": "issue_date",
}
"""field of the platform -> our field, to name it in a problem and in the preview"""
_LONGEST = {"name": 100}
_OTHERWISE = 80


def fields_of(content: Content) -> dict[str, JSON]:
    """What is known, under the platform's names; blank rather than guessed."""
    if isinstance(content, Worker):
        return {
            "number": content.id_number,
            "id_type": content.id_type,
            "name": content.name,
            "birth_date": content.birth_date.isoformat(),
        }
    if isinstance(content, Certificate):
        return {
            "number": content.number,
            "name": content.holder.name,
            "id_number": content.holder.id_number,
            "trade": content.trade_name,
            "issued": content.issue_date.isoformat(),
        }
    return {}


def problems_of(fields: dict[str, JSON]) -> tuple[Problem, ...]:
    """Everything that is wrong at once; a message names field and rule, never the value."""
    found: list[Problem] = []
    for name, value in fields.items():
        text, most = str(value), _LONGEST.get(name, _OTHERWISE)
        if not text:
            found.append(_problem(name, "required", "must not be blank", "不得为空"))
        elif len(text) > most:
            found.append(_problem(name, "length", f"at most {most} characters", f"最多 {most} 个字符"))
        elif not text.isprintable():
            found.append(_problem(name, "characters", "holds control characters", "含有控制字符"))
    return tuple(found)


def _problem(name: str, rule: str, en: str, zh: str) -> Problem:
    return Problem(field=SOURCES.get(name, name), rule=rule, message=en, message_zh=zh)
