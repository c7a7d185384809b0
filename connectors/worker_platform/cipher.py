"""Field encryption of ``open.api``: AES-256-CBC, PKCS7, key = the secret, IV = its first 16 bytes, standard Base64.

The IV is fixed by the platform, so equal numbers give equal texts. Source: README, section "Encryption".
"""

from __future__ import annotations

import base64
from functools import cache

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

KEY_BYTES = 32
_BLOCK_BITS = 128
_IV_BYTES = 16


def encrypt(text: str, secret: str) -> str:
    """Encrypt one value with a secret of 32 bytes."""
    padder = PKCS7(_BLOCK_BITS).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = _cipher(secret).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode("ascii")


def decrypt(text: str, secret: str) -> str | None:
    """The clear value, or None where the text was not made with this secret."""
    try:
        decryptor = _cipher(secret).decryptor()
        padded = decryptor.update(base64.b64decode(text, validate=True)) + decryptor.finalize()
        unpadder = PKCS7(_BLOCK_BITS).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:
        return None


@cache
def _cipher(secret: str) -> Cipher[modes.CBC]:
    key = secret.encode()
    return Cipher(algorithms.AES(key), modes.CBC(key[:_IV_BYTES]))
