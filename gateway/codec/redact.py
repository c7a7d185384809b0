"""The one cleaner of foreign and typed text, before it is kept in clear, logged or shown.

``redact`` takes people out: identity numbers, permits, passports, bank cards and mobile numbers in every usual
spelling, photos, and the names it is given. ``clean`` also takes out what a terminal would obey.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from functools import lru_cache

from gateway.domain.identifiers import mask
from gateway.domain.records import Certificate, Content, StatusChange, Withdrawal, Worker

_MASK = "***"
_ESCAPE = r"(?<=\\u[0-9A-Fa-f]{4})"
"""a number may follow a character that JSON writes as letters and digits"""
_PERCENT = r"(?<=%[0-9A-Fa-f]{2})"
"""or one that a URL does"""
_START = rf"(?:(?<![0-9A-Za-z])|(?<=\\[bfnrt])|{_ESCAPE}|{_PERCENT})"
_NO_DIGIT = rf"(?:(?<!\d)|{_ESCAPE}|{_PERCENT})"
_END = r"(?![0-9A-Za-z])"
_GAP = r"(?:[\ufffd\s\-_.,·/\u2010-\u2015\u3000\u3001\uff0c\uff0d]|</?[A-Za-z]{1,8}/?>){0,2}"
_DAY = rf"(?:1[89]|20)\d\d{_GAP}(?:0[1-9]|1[0-2]){_GAP}(?:0[1-9]|[12]\d|3[01])"
_WORD = r"(?<![0-9A-Za-z])"
_FORMS = (
    # a JPEG or PNG in Base64, known by how each begins
    re.compile(r"(?:data:image/\w{2,8};base64,)?(?:/9j/|iVBORw0KGgo)[A-Za-z0-9+/]{16,}={0,2}"),
    # an identity number with its day of birth, in groups or within a word; the form of residence permits as well
    re.compile(rf"[1-9]\d{{5}}{_GAP}{_DAY}{_GAP}\d{{3}}[\dXx]"),
    re.compile(_START + r"(?:[1-9]\d{16}[\dXx]|[1-9]\d{14})" + _END),
    re.compile(_START + r"\d{16,19}" + _END),
    # bank cards in groups of four
    re.compile(r"(?<![\d.-])\d{4}(?:[ -]\d{4}){3}(?:[ -]\d{1,3})?(?![\d.-])"),
    re.compile(rf"(?:\+|%2[Bb]|{_NO_DIGIT})(?:(?:00)?86{_GAP})?1[3-9]\d\)?{_GAP}\d{{4}}{_GAP}\d{{4}}(?!\d)"),
    # digits one by one, and in hexadecimal
    re.compile(_WORD + r"(?:\d[ \t\-_.·\u3000]){10,18}[\dXx]" + _END),
    re.compile(r"(?:3\d){14,18}(?:58|78)?(?![0-9a-f]{3})"),
    # permits of residents of Hong Kong, Macao and Taiwan, and of foreigners; passports
    re.compile(_WORD + r"[HMhm]\d{8}(?:\d{2})?" + _END),
    re.compile(_WORD + r"[A-Z]{3}\d{12}" + _END),
    re.compile(_WORD + r"(?:[EGDSPegdsp]\d{8}|[Ee][A-HJ-NP-Za-hj-np-z]\d{7})" + _END),
    re.compile(r"(?<=台胞证)[:：号码\s]{0,4}\d{8}(?:\d{2})?(?!\d)"),
)
_WIDE = {0xFF01 + at: 0x21 + at for at in range(94)}
"""full-width forms of ASCII, each one character for one"""
_WIDE |= {
    code: 0x30 + digit
    for code in (*range(0xB2, 0xBA), *range(0x2070, 0x208A), *range(0x2460, 0x2500), *range(0x2776, 0x2794))
    if (digit := unicodedata.digit(chr(code), None)) is not None
}
"""raised, lowered and circled digits"""
_ESCAPED_DIGIT = re.compile(r"&#(?:0*(?P<d>4[89]|5[0-7])|[xX]0*(?P<h>3[0-9]));|%(?P<p>3[0-9])|\\u00(?P<u>3[0-9])")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/_=-])")
_LEAST_BASE64 = 16
_LEAST_LETTERS = re.compile(r"[g-zG-Z+/_-]")
"""a digest in hexadecimal has none of these"""
_UNSEEN = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?"
    "|[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
"""sequences that a terminal obeys, and characters that hide or reverse: numbers are looked for without them"""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def redact(text: str, *known: str) -> str:
    """Replace numbers of people, photos, and every non-empty ``known`` value (a name) in ``text``.

    A known value is found as it stands, in the ASCII escapes of JSON and XML, and in Base64 that stands alone.
    """
    escaped = "\\u" in text or "&#" in text
    for value in known:
        if value:
            text = text.replace(value, _MASK)
            text = re.sub(_escaped(value), _MASK, text, flags=re.IGNORECASE) if escaped else text
    if "&#" in text or "%3" in text or "\\u003" in text:
        text = _ESCAPED_DIGIT.sub(_digit, text)
    plain = text if text.isascii() else text.translate(_WIDE)
    if not any(character.isdigit() for character in plain) and len(text) < _LEAST_BASE64:
        return text
    for form in _FORMS:
        # found in the folded text, replaced in both, so that what is no number keeps its own form
        places = [match.span() for match in form.finditer(plain)]
        for start, end in reversed(places):
            text = f"{text[:start]}{_MASK}{text[end:]}"
            plain = f"{plain[:start]}{_MASK}{plain[end:]}"
    return _BASE64.sub(lambda match: _MASK if _tells(match[0], known) else match[0], text)


def clean(text: str, *known: str) -> str:
    """``redact``, and nothing that moves a cursor, rings, reverses or hides; tabs and line feeds stay."""
    lines = text.replace("\r\n", "\n")
    return redact(_CONTROL.sub("\ufffd", _UNSEEN.sub("", lines)), *known)


def _tells(word: str, known: tuple[str, ...]) -> bool:
    """Whether a word is Base64 of a text that names somebody."""
    if not _LEAST_LETTERS.search(word):
        return False
    body = word.rstrip("=").replace("-", "+").replace("_", "/")
    if len(body) % 4 == 1:
        return False
    try:
        inner = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return redact(inner, *known) != inner


def _digit(found: re.Match[str]) -> str:
    code = found["d"]
    return chr(int(code)) if code else chr(int(found["h"] or found["p"] or found["u"], 16))


@lru_cache(1024)
def _escaped(value: str) -> str:
    return "".join(f"(?:{re.escape(json.dumps(c)[1:-1])}|&#{ord(c)};|&#x0*{ord(c):x};)" for c in value)


def masked_subject(content: Content) -> str:
    """Which certificate or person a record is about, as lists show it: enough to know it again, not to name it."""
    while isinstance(content, (StatusChange, Withdrawal)):
        content = content.certificate if isinstance(content, StatusChange) else content.content
    if isinstance(content, Certificate):
        return mask(content.number)
    assert isinstance(content, Worker)
    return f"{content.name[:1]}* {mask(content.id_number)}"
