"""Characters that cannot be stored or sent, and file names in any bytes: put in order where a file is opened."""

from __future__ import annotations

import os
import re
from pathlib import Path

LOST = "\N{REPLACEMENT CHARACTER}"
"""stands where a character was lost; no name, party or number may hold it"""
_UNFIT = re.compile("[\ud800-\udfff\x00\ufffe\uffff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def storable(text: str) -> str:
    """Text that every encoding and store takes: halves of a rare character, NUL and noncharacters become U+FFFD."""
    if not _UNFIT.search(text):
        return text
    whole = _PAIR.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
    return _UNFIT.sub(LOST, whole)


def readable_name(path: Path) -> str:
    """Name of a file for messages and the store: its bytes as UTF-8, else as GB18030; what is neither is U+FFFD."""
    return readable_text(os.fsencode(path.name))


def readable_text(raw: bytes) -> str:
    """Bytes of a name as UTF-8, else as GB18030; what is neither, and every control character, is U+FFFD."""
    for encoding in ("utf-8", "gb18030"):
        try:
            name = raw.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        name = raw.decode("utf-8", "replace")
    return _CONTROL.sub(LOST, storable(name))
