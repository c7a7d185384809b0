"""Identifiers of persons, enterprises, certificates and regions: normal form, check digits, masks.

A number is never refused because of its area code: county-level cities under the province (379013 to 379029), areas
that were not yet in force in the year of birth and residence permits are all in real use.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache, lru_cache
from operator import mul

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC_FORM = re.compile(rf"[{_USCC_ALPHABET}]{{2}}[0-9]{{6}}[{_USCC_ALPHABET}]{{10}}")

RESIDENT_CARD = "111"
_PERMITS = {"810000": "C01", "820000": "C01", "830000": "C02"}
"""residence permits for people of Hong Kong, Macao (C01) and Taiwan (C02): built like a resident number"""
NUMBERED_TYPES = frozenset({RESIDENT_CARD, *_PERMITS.values()})
"""document types whose 18 characters hold birth date, sex and a check digit"""

_INVISIBLE: dict[int, None] = dict.fromkeys(
    [
        *map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u061c\u115f\u1160\u3164\uffa0\u200e\u200f"),
        *range(0x202A, 0x202F),  # directions of writing, as copying from a chat or a PDF leaves them
        *range(0x2061, 0x2070),
        *range(0xFE00, 0xFE10),  # variants of a glyph
        *range(0xE0000, 0xE01F0),
    ]
)
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20} | _INVISIBLE
_LETTERS_AND_DIGITS = {
    code: half for code, half in _HALF_WIDTH.items() if half is None or half == 0x20 or chr(half).isalnum()
}
_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_DOTS = str.maketrans(dict.fromkeys("•．‧・･∙⋅●﹒˙ㆍ。｡◦∘⸱ᐧ·᛫", "·"))
_MOVED = dict(
    zip(
        map(ord, "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864"),
        "\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
        strict=True,
    )
)
"""characters that GB 18030-2000 kept at private code points and its edition of 2022 at their own"""
_SIMPLIFIED_RADICALS = str.maketrans(
    "⺁⺟⺠⻁⻄⻅⻆⻉⻋⻓⻔⻘⻙⻚⻛⻜⻝⻢⻣⻤⻥⻦⻧⻨⻩⻪⻬⻮⻰⻳",
    "厂母民虎西见角贝车长门青韦页风飞食马骨鬼鱼鸟卤麦黄黾齐齿龙龟",
)
"""forms of a character that stand for a part of others; copying from a PDF gives them instead of the character"""
_COMPATIBLE = re.compile("[\u2e80-\u2fdf\uf900-\ufaff\ufb50-\ufdff\ufe70-\ufeff\U0002f800-\U0002fa1f]")
_JOINTS = frozenset("·་'’.- \u202f")
"""what may stand between the letters of a name"""
_OTHER_DOCUMENT = re.compile(r"[0-9A-Z()/\-]{5,30}")
_CERTIFICATE_FORM = re.compile(rf"[0-9A-Z{_HAN}()\-/.]{{6,50}}")
_CERTIFICATE_BRACKETS = str.maketrans("〔〕［］[]【】", "()()()()")
_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_TELEPHONE = re.compile(r"(\+?86)?1[3-9][0-9]{9}|\(?0[0-9]{2,3}\)?-?[2-9][0-9]{6,7}|[48]00-?[0-9]{3}-?[0-9]{4}")
_DAY = re.compile(r"(1[89]|20)[0-9]{2}([-/.年]?)(0?[1-9]|1[0-2])[-/.月]?(0?[1-9]|[12][0-9]|3[01])[日号]?")
_REMARK = re.compile(r"遗失|丢失|补[办发证领]|[换改]发|作废|换证|同上|待[补定查]|暂[无缺]|不详|未知|[见无]原|编号|号码")
_WORDS_BEHIND = re.compile(rf"[0-9][^0-9]*[{_HAN}][^0-9]*$")
_BETWEEN_NUMBERS = re.compile(r"[/\-.~和及与至或]+")
_SHAPES = str.maketrans({**dict.fromkeys("0123456789", "9"), **dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "A")})


@cache
def _blanks_in_han() -> re.Pattern[str]:
    # Each takes milliseconds to compile, and every command loads this module.
    return re.compile(rf"(?<=[{_HAN}·（）])\s+(?=[{_HAN}·（）])")


@cache
def _dot_in_han() -> re.Pattern[str]:
    return re.compile(rf"(?<=[{_HAN}])\s*[.·]\s*(?=[{_HAN}])")


class IdentityFlaw(StrEnum):
    """Why a text is no number of its kind."""

    FORM = "form"
    """wrong length or characters"""
    DATE = "date"
    """the digits that should be a date of birth are none"""
    CHECK = "check"
    """the check character does not fit the rest: a typing error or digits changed by a spreadsheet"""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ResidentNumber:
    """A well-formed 18-character number of a resident card or residence permit, and what it says."""

    number: str
    alias: str | None
    """the 15-digit number as filed, where it was widened"""
    birth_date: date
    gender: str
    """GB/T 2261.1"""
    id_type: str
    """111, or C01 and C02 for a residence permit"""

    def __repr__(self) -> str:
        return f"ResidentNumber({mask(self.number)})"


def half_width(text: str) -> str:
    """Full-width letters, digits and punctuation in their ASCII form; invisible characters are dropped."""
    return text if text.isascii() else text.translate(_HALF_WIDTH)


def normal_identifier(text: str) -> str:
    """An identifier as it is stored and compared: half-width, upper case, no blanks, without the marks of text cells.

    The marks are a leading apostrophe and ``="…"``, by which exports keep a spreadsheet from rounding a number.
    """
    bare = "".join(half_width(text).split()).upper()
    if bare.startswith('="') and bare.endswith('"'):
        bare = bare[2:-1]
    return bare.lstrip("'‘’`")


def normal_text(text: str) -> str:
    """Free text tidied: letters and digits half-width, no blanks between Han characters, others single."""
    if text.isascii():
        return " ".join(text.split())
    tidied = _blanks_in_han().sub("", " ".join(text.translate(_LETTERS_AND_DIGITS).split()))
    return _COMPATIBLE.sub(_unified, tidied) if _COMPATIBLE.search(tidied) else tidied


def _unified(found: re.Match[str]) -> str:
    """The ordinary character for a radical, compatibility ideograph or presentation form."""
    return unicodedata.normalize("NFKC", found[0]).translate(_SIMPLIFIED_RADICALS)


def hidden_marks(text: str) -> bool:
    """Whether marks that nobody sees and that say something (directions, variants) stand in a text."""
    return not text.isascii() and _HIDDEN_MARKS.search(text) is not None


_HIDDEN_MARKS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2061-\u206f\ufe00-\ufe0f\U000e0000-\U000e01ef]")


def normal_name(text: str) -> str:
    """A person's name tidied; the many dots inside minority names become U+00B7, private code points their own ones."""
    return _dot_in_han().sub("·", normal_text(text.translate(_DOTS).translate(_MOVED)))


def is_name(text: str) -> bool:
    """Whether a tidied text can be one person's name: 1 to 50 letters of any script and what joins them.

    Digits, brackets, masks, marks of a list or web page, and characters lost in an encoding stand in no name.
    """
    if not 1 <= len(text) <= 50 or not all(c in _JOINTS or _is_letter(c) for c in text):
        return False
    if text[0] in _JOINTS or (text[-1] in _JOINTS and (text[-1] != "." or ord(text[-2]) > 0x24F)):
        return False
    return _JOINED_HAN.search(text) is None


_JOINED_HAN = re.compile(rf"[{_HAN}]['’.-]|['’.-][{_HAN}]|··")


_HAN_CHARACTER = re.compile(f"[{_HAN}]")
"""newer planes are not known to every version of the character database"""


@lru_cache(maxsize=4096)
def _is_letter(character: str) -> bool:
    if _HAN_CHARACTER.fullmatch(character):
        return True
    return unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc")


def normal_certificate_number(text: str) -> str:
    """A certificate number as it is stored and compared; brackets of every kind become round and half-width."""
    return normal_identifier(text).translate(_CERTIFICATE_BRACKETS)


def is_certificate_number(text: str) -> bool:
    """Whether a normal text can be a certificate number: 6 to 50 characters, a digit among them, not all the same."""
    digits = [c for c in text if c.isdigit()]
    return _CERTIFICATE_FORM.fullmatch(text) is not None and len(digits) >= 4 and len(set(digits)) > 1


class NumberFlaw(StrEnum):
    """Why a normal text is no certificate number, or hardly one."""

    FORM = "form"
    """wrong length or characters"""
    OTHER = "other"
    """it looks like a telephone number, a day, or a person's identity number, or words stand behind it"""
    MORE = "more"
    """several numbers, or a remark beside the number"""


@lru_cache(maxsize=8)  # three rules ask about one row's number in turn
def certificate_number_flaw(text: str) -> NumberFlaw | None:
    """What speaks against a normal certificate number by itself; None where nothing does."""
    if not is_certificate_number(text):
        return NumberFlaw.FORM
    # fifteen digits have no check digit: too many other numbers would pass for an old identity number
    is_identity = len(text) == 18 and isinstance(parse_resident_id(text), ResidentNumber)
    if is_identity or _TELEPHONE.fullmatch(text) or _DAY.fullmatch(text):
        return NumberFlaw.OTHER
    if _is_several(text) or _REMARK.search(text):
        return NumberFlaw.MORE
    # only 号 may end a number
    return NumberFlaw.OTHER if _WORDS_BEHIND.search(text.rstrip("号")) else None


def _is_several(text: str) -> bool:
    """Whether it is two or more numbers of one shape, one after the other or with a mark between."""
    parts = [part for part in _BETWEEN_NUMBERS.split(text) if part]
    half = len(text) // 2
    if len(parts) == 1 and len(text) == 2 * half and not text[0].isdigit():
        parts = [text[:half], text[half:]]
    if len(parts) < 2 or len({part.translate(_SHAPES) for part in parts}) > 1:
        return False
    return len(parts[0]) >= (8 if parts[0].isdigit() else 6) and is_certificate_number(parts[0])


def is_mobile(text: str) -> bool:
    """Whether a text is a mobile number of eleven digits."""
    return _MOBILE.fullmatch(text) is not None


def is_document_number(text: str) -> bool:
    """Whether a normal text can be the number of a passport or another document without a check digit."""
    return _OTHER_DOCUMENT.fullmatch(text) is not None and any(c.isdigit() for c in text)


def is_credit_code(text: str) -> bool:
    """Whether a normal text is a unified social credit code with the right check character."""
    return _USCC_FORM.fullmatch(text) is not None and credit_code_check_character(text[:17]) == text[17]


def permit_type(number: str) -> str | None:
    """Document type of a residence permit by the first six digits; None for every other number."""
    return _PERMITS.get(number[:6])


@lru_cache(maxsize=8)  # reading and gates ask about one row's number in turn; no more persons are remembered
def parse_resident_id(text: str) -> ResidentNumber | IdentityFlaw:
    """Read a resident card or residence permit number; 15 digits of the first generation are widened with 19.

    Source: GB 11643-1999; a 15-digit number keeps its order and gains the century and the check digit.
    """
    given = normal_identifier(text)
    if not given.isascii():
        return IdentityFlaw.FORM
    if len(given) == 15 and given.isdigit():
        first17 = f"{given[:6]}19{given[6:]}"
        number, alias = first17 + resident_id_check_digit(first17), given
    elif len(given) == 18 and given[:17].isdigit() and given[17] in _ID_CHECKS:
        number, alias = given, None
    else:
        return IdentityFlaw.FORM
    born = resident_id_birth_date(number)
    if born is None or born.year < 1850:
        return IdentityFlaw.DATE
    if resident_id_check_digit(number[:17]) != number[17]:
        return IdentityFlaw.CHECK
    return ResidentNumber(
        number=number,
        alias=alias,
        birth_date=born,
        gender="1" if int(number[16]) % 2 else "2",
        id_type=permit_type(number) or RESIDENT_CARD,
    )


def resident_id_check_digit(first17: str) -> str:
    """Check character of a resident identity number (GB 11643-1999, ISO 7064 MOD 11-2) over its first 17 digits."""
    return _ID_CHECKS[sum(map(mul, _ID_WEIGHTS, map(int, first17))) % 11]


def credit_code_check_character(first17: str) -> str:
    """Check character of a unified social credit code (GB 32100-2015, MOD 31) over its first 17 characters."""
    total = sum(w * _USCC_ALPHABET.index(c) for w, c in zip(_USCC_WEIGHTS, first17, strict=True))
    return _USCC_ALPHABET[-total % 31]


def resident_id_birth_date(number: str) -> date | None:
    """Date of birth written in an 18-character resident number, or None where the digits are no date."""
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def mask(text: str, *, head: int = 3, tail: int = 2) -> str:
    """Hide the middle of an identifier as operator lists show it: first 3 and last 2, the rest asterisks."""
    hidden = len(text) - head - tail
    return text[:head] + "*" * hidden + text[-tail:] if hidden > 0 else "*" * len(text)
