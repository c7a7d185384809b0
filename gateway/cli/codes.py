"""``gateway codes``: every state, code, rule and kind of ticket with its word, its meaning and what to do.

Also how other commands say a platform and a code: by its title, and in the platform's words or ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.language import is_chinese, say_in_language
from gateway.cli.output import MISUSE, AsJson, columns, complain, emit, reported, say, table
from gateway.locale import Text, tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.contract.connector import ConnectorInfo


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the table: what kind of code it is, the code, and its texts; a platform's own have no act of ours."""

    kind: str
    code: str
    word: str
    meaning: str
    act: str = ""


def codes(
    code: Annotated[str | None, typer.Argument(help="A state, code, rule or kind of ticket; all where none.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look up what a state, a code or a rule means, and what to do. Exit code 2 where nobody knows it.

    The codes of a platform are those of the configured connectors.
    """
    with reported():
        found = [one for one in _entries() if code is None or one.code.casefold() == code.casefold()]
    if as_json:
        emit({"codes": [asdict(one) for one in found]})
    elif code is not None and found:
        for one in found:
            say(f"{one.code}  {one.word}（{one.kind}）" if is_chinese() else f"{one.code}  {one.word} ({one.kind})")
            say(f"  {one.meaning}")
            if one.act:
                say(tr("  to do: {act}", act=Text(one.act)))
    elif found:
        table("", columns("kind", "code", "word", "meaning", "act"), [asdict(one) for one in found])
    if not found:
        complain(tr("nobody knows the code {code}; `gateway codes` lists all", code=code))
        raise typer.Exit(MISUSE)


def _entries() -> Iterator[Entry]:
    from gateway.credit.rules.tickets import DUTIES
    from gateway.domain.words import TABLES

    for kind, words in TABLES.items():
        for code, word in words.items():
            yield _entry(kind, code, word.word, word.meaning, word.act)
    for code, said in sorted(rules_said().items()):
        yield _entry(tr("rule of the intake"), code, Text(code), said)
    for ticket, duty in DUTIES.items():
        act = tr("{owner}, within {days} working days: {acts}", owner=duty.owner, days=duty.days, acts=duty.acts)
        yield _entry(tr("ticket"), str(ticket), duty.title, duty.title, act)
    for info in _platforms():
        for code, (zh, en) in info.code_words.items():
            said, act = Text(zh if is_chinese() else en), Text(info.code_acts.get(code, ""))
            yield _entry(tr("answer of {platform}", platform=info.platform), code, said, said, act)


def rules_said() -> dict[str, Text]:
    """Each rule of the intake in words, by its id."""
    from gateway.intake.reading import rules as reading
    from gateway.intake.rules.gate_table import GATES

    words = {one.id: (one.zh, one.en) for one in vars(reading).values() if isinstance(one, reading.Rule)}
    words |= {one.id: (one.zh, one.en) for one in GATES}
    return {name: Text(zh if is_chinese() else en) for name, (zh, en) in words.items()}


def _entry(kind: Text, code: str, word: Text, meaning: Text, act: Text | None = None) -> Entry:
    said = [say_in_language(text) for text in (kind, word, meaning, act or Text(""))]
    return Entry(kind=said[0], code=code, word=said[1], meaning=said[2], act=said[3])


def _platforms() -> Iterator[ConnectorInfo]:
    """Those that can be built from the settings; the others have no say here."""
    from gateway import registry
    from gateway.domain.errors import GatewayError
    from gateway.settings import load

    for name in registry.names():
        try:
            yield registry.build_connector(name, load).info
        except GatewayError:
            continue


def title_of(gateway: Gateway, platform: str) -> str:
    """A platform as people call it: its Chinese title in short, or its id."""
    info = _info(gateway, platform)
    return (info.short_zh or info.title_zh) if is_chinese() and info is not None else platform


def platform_named(gateway: Gateway, platform: str) -> Text:
    """A platform with its title beside its id."""
    title = title_of(gateway, platform)
    return Text(platform) if title == platform else tr("{title} ({platform})", title=title, platform=platform)


def code_said(gateway: Gateway, platform: str, code: str, reason: str | None = None) -> Text:
    """A code with its word: the platform's own in the platform's words, ours in ours.

    reason: the words that came with it, preferred for a platform's own code
    """
    from gateway.domain.words import word_of

    ours = word_of(code)
    if ours is not None:
        return tr("{word} ({code})", word=ours, code=code)
    info = _info(gateway, platform)
    zh, en = (info.code_words.get(code) if info else None) or ("", "")
    words = reason or (zh if is_chinese() else en) or zh
    return tr("{code} “{words}”", code=code, words=words) if words else Text(code)


def act_said(gateway: Gateway, platform: str, code: str | None) -> Text | None:
    """What a person can do about a code of a platform's last answer or pause, with its settings by their full names."""
    from gateway.domain.words import act_of

    info = _info(gateway, platform)
    act = act_of(code or "") or (info.code_acts.get(code or "") if info else None)
    if not act:
        return None
    names = "|".join(sorted(gateway.setting_names(platform), key=len, reverse=True))
    said = say_in_language(act)
    if names:
        said = re.sub(rf"(?<![A-Za-z_])({names})(?![A-Za-z_])", rf"GATEWAY_{platform.upper()}__\1", said)
    return Text(re.sub(r"(?<![A-Z_])PLATFORM(?![A-Z_])", platform, said))


def counted(counts: Mapping[str, int]) -> Text:
    """Counts of outcomes, classes and other things by their words, without those that are zero."""
    from gateway.domain.words import counted as said

    return said(counts)


def _info(gateway: Gateway, platform: str) -> Any:
    told = gateway.descriptions().get(platform)
    return None if told is None else told.info
