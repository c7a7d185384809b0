"""Digests and keyed digests by algorithm name, so that a platform's choice is a setting and not code.

Names are the ones platforms put into their headers and fields, in any letter case: ``sha-256``, ``sm3`` (GB/T 32905).
"""

from __future__ import annotations

import base64
import hmac as _stdlib

from cryptography.hazmat.primitives import hashes, hmac

from gateway.domain.errors import ConfigurationError
from gateway.locale import tr


def digest(algorithm: str, data: bytes) -> bytes:
    """The digest of ``data``; ConfigurationError for an algorithm this gateway does not know."""
    context = hashes.Hash(_algorithm(algorithm))
    context.update(data)
    return context.finalize()


def keyed_digest(algorithm: str, key: bytes, data: bytes) -> bytes:
    """HMAC of ``data`` (RFC 2104; with SM3 as in GB/T 15852.2)."""
    context = hmac.HMAC(key, _algorithm(algorithm))
    context.update(data)
    return context.finalize()


def base64_text(data: bytes) -> str:
    """Base64 with padding, as text for a header or field."""
    return base64.b64encode(data).decode("ascii")


def content_digest(algorithm: str, body: bytes) -> str:
    """Value of the header Content-Digest (RFC 9530, section 2): a dictionary with one byte sequence."""
    return f"{algorithm.lower()}=:{base64_text(digest(algorithm, body))}:"


def same(expected: str, given: str) -> bool:
    """Compare two signatures or digests without telling by the time taken where they differ."""
    return _stdlib.compare_digest(expected.encode(), given.encode())


def _algorithm(name: str) -> hashes.HashAlgorithm:
    match name.lower():
        case "sha-256" | "sha256":
            return hashes.SHA256()
        case "sm3":
            return hashes.SM3()
        case _:
            raise ConfigurationError(tr("digest algorithm {name!r} is not known; use sha-256 or sm3", name=name))
