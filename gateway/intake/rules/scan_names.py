"""What the name of a scan says: which certificate number it holds, and whether it shows the certificate or contract.

A number is found between separators and known words, whatever stands before and behind it, as in
``鲁建(2012)0123号-合同(2).pdf``. Brackets, slashes and dashes all count as one separator, because a file's name cannot
have every one of them; a blank within a number counts only where the name says no number without it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gateway.domain.identifiers import normal_certificate_number

CERTIFICATE, CONTRACT = "CERT", "CONTRACT"
_OF_CONTRACTS = re.compile("合同|CONTRACT|劳动协议")
_OF_CERTIFICATES = re.compile("证书|岗位证|CERT")
_WORDS = re.compile(
    "(岗位证书|证书|劳动合同|合同|扫描件|扫描|原件|复印件|照片|正面|反面|封面|内页|CERTIFICATE|CERT|CONTRACT|SCAN|PAGE)"
)
_SEPARATORS = re.compile(r"[^0-9A-Z\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+")
_ENDING = re.compile(r"\.[A-Za-z]{2,5}$")
_LEAST, _LEAST_DIGITS, _MOST_TOKENS = 6, 4, 10
_HAN = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+")


def number_key(text: str) -> str:
    """A certificate number, or a part of a name, as the two are compared."""
    return "-".join(_tokens(text))


def keys_of(parts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The numbers that may stand in a file's name, longest first, then those in the names of its folders outwards."""
    levels = [_ENDING.sub("", parts[-1]), *reversed(parts[:-1])]
    for level in levels:
        pieces = [tokens for piece in level.split() if (tokens := _tokens(piece)[:_MOST_TOKENS])][:_MOST_TOKENS]
        whole = {key for tokens in pieces for key in _ranges(tokens, "-")}
        across = set(_ranges(["-".join(tokens) for tokens in pieces], "")) - whole
        for found in (whole, across):
            if found:
                yield tuple(sorted(found, key=lambda key: (-len(key), key)))


def _ranges(tokens: Sequence[str], joint: str) -> Iterator[str]:
    """Neighbouring tokens, joined, that can be a number."""
    for start in range(len(tokens)):
        for end in range(start + 1, len(tokens) + 1):
            key = joint.join(tokens[start:end])
            if _may_be_number(key):
                yield key


def kind_of(parts: Sequence[str]) -> str:
    """What a scan shows, by its name, else by its folders; without a word the certificate."""
    for level in reversed(parts):
        text = level.upper()
        if _OF_CONTRACTS.search(text):
            return CONTRACT
        if _OF_CERTIFICATES.search(text):
            return CERTIFICATE
    return CERTIFICATE


def shown_name(parts: Sequence[str], *, known: bool) -> str:
    """A scan's name for a report. One that matches no row may be a person's: only words of the form stay readable.

    known: whether a number of the batch stands in it
    """
    name = "/".join(parts)
    if known:
        return name
    return "".join(
        text if text.upper() in _KNOWN else _HAN.sub(lambda found: "*" * len(found[0]), text)
        for text in _WORDS_ANY.split(name)
    )


_KNOWN = frozenset(_WORDS.pattern.strip("()").split("|"))
_WORDS_ANY = re.compile(_WORDS.pattern, re.IGNORECASE)


def _tokens(text: str) -> list[str]:
    spaced = _WORDS.sub(r" \1 ", normal_certificate_number(text))
    return [token for token in _SEPARATORS.split(spaced) if token]


def _may_be_number(key: str) -> bool:
    return len(key) >= _LEAST and sum(character.isdigit() for character in key) >= _LEAST_DIGITS
