"""Field encryption of the simulated platform: AES-256-CBC, PKCS7, key = the secret, IV = its first 16 bytes, Base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

SECRET = "SandboxSecret-0123456789-ABCDEFG"  # noqa: S105 - opens nothing but this simulation
_SEALED = frozenset(
    {
        *("idCardNumber", "payRollBankCardNumber", "payBankCardNumber", "bankNumber", "pmIDCardNumber"),
        *("responsiblePersonIDNumber", "teamLeaderIDNumber", "legalManIDCardNumber"),
    }
)


def each(value: Any, change: Callable[[str], str | None]) -> Any:
    """The same data with every encrypted field changed, at any depth."""
    if isinstance(value, Mapping):
        return {k: change(str(v)) if k in _SEALED and v else each(v, change) for k, v in value.items()}
    return [each(item, change) for item in value] if isinstance(value, list) else value


def _aes() -> Cipher[modes.CBC]:
    return Cipher(algorithms.AES256(SECRET.encode()), modes.CBC(SECRET.encode()[:16]))


def seal(text: str) -> str:
    padder = PKCS7(128).padder()
    encryptor = _aes().encryptor()
    sealed = encryptor.update(padder.update(text.encode()) + padder.finalize()) + encryptor.finalize()
    return base64.standard_b64encode(sealed).decode()


def unseal(text: str) -> str | None:
    try:
        decryptor = _aes().decryptor()
        padded = decryptor.update(base64.b64decode(text, validate=True)) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
