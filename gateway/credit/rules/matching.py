"""Who a finding is about: judged from sets of local keys, so that nothing personal has to be opened.

The store finds the keys by keyed digests; this module only compares them. A name alone is never looked for: it would
bring up hundreds of people and could not be applied without a person's decision anyway.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.identifiers import resident_id_check_digit

RESIDENT_ID = "111"
"""canonical code of ``id_document_type``"""


class Match(StrEnum):
    """How a finding relates to the local store."""

    EXACT = "EXACT"
    NAME_VARIANT = "NAME_VARIANT"
    ID_ONLY = "ID_ONLY"
    """the number is known, under another name"""
    CERT_NAME = "CERT_NAME"
    """certificate and name agree, the number does not: a lent certificate or a typing error"""
    CONFIRMED = "CONFIRMED"
    """a person looked and found it to be this one"""
    NONE = "NONE"

    @property
    def applies(self) -> bool:
        """Whether the finding may be applied without a person's decision."""
        return self in (Match.EXACT, Match.NAME_VARIANT, Match.CONFIRMED)


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectMatch:
    """The result: ``key`` is the local subject meant or suspected, None where there is none or more than one."""

    match: Match
    key: str | None = None


def judge(
    *,
    by_number: Collection[str],
    by_certificate: Collection[str],
    named: Collection[str],
    variant: Collection[str],
) -> SubjectMatch:
    """Compare the keys found by document number, by certificate number, by the same name and by a variant of it.

    Two local people under one number are a conflict of ours (F21), so such a finding is not applied either.
    """
    if len(by_number) > 1:
        return SubjectMatch(match=Match.ID_ONLY)
    for key in by_number:
        if key in named:
            return SubjectMatch(match=Match.EXACT, key=key)
        return SubjectMatch(match=Match.NAME_VARIANT if key in variant else Match.ID_ONLY, key=key)
    holders = [key for key in by_certificate if key in named or key in variant]
    if holders:
        return SubjectMatch(match=Match.CERT_NAME, key=holders[0] if len(holders) == 1 else None)
    return SubjectMatch(match=Match.NONE)


def plain_number(number: str, id_type: str = RESIDENT_ID) -> str:
    """A document or certificate number as it is indexed: upper case, no blanks, 15-digit resident numbers widened."""
    number = "".join(number.split()).upper()
    if id_type == RESIDENT_ID and len(number) == 15 and number.isascii() and number.isdigit():
        first17 = f"{number[:6]}19{number[6:]}"
        return first17 + resident_id_check_digit(first17)
    return number
