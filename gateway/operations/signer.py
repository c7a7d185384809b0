"""Sign the links of the evidence chain with Ed25519, and read the public keys by which they are verified.

The private key may lie in a file or with a command: one that runs as another user, or asks a machine made for keys.
The command is given the 64 hexadecimal characters of a digest on its input and answers with the signature in Base64.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.domain.errors import ConfigurationError
from gateway.locale import tr
from gateway.private_files import open_private

Sign = Callable[[str], str]
Verify = Callable[[str, str], bool]
"""digest and signature in, whether one of the keys made it out"""

_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)
_SECONDS = 30
_SIGNATURE_BYTES = 64


def file_signer(path: Path) -> Sign:
    """A signer with the private key in a PEM file."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            tr("GATEWAY_EVIDENCE_KEY: {name} is no readable private key (PEM)", name=path.name)
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(tr("GATEWAY_EVIDENCE_KEY: {name} is not an Ed25519 key", name=path.name))
    return lambda digest: base64.b64encode(key.sign(digest.encode())).decode()


def command_signer(command: str) -> Sign:
    """A signer that asks a command, started without a shell."""
    words = shlex.split(command)

    def sign(digest: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own setting
                words, input=digest.encode(), capture_output=True, timeout=_SECONDS, check=True
            )
            signature = base64.b64decode(done.stdout.strip(), validate=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigurationError(
                tr("GATEWAY_EVIDENCE_SIGNER: it did not sign ({name})", name=type(error).__name__)
            ) from None
        except ValueError:
            signature = b""
        if len(signature) != _SIGNATURE_BYTES:
            raise ConfigurationError(
                tr("GATEWAY_EVIDENCE_SIGNER: it did not answer with an Ed25519 signature in Base64")
            )
        return base64.b64encode(signature).decode()

    return sign


def verifier(pem: bytes) -> Verify:
    """A verifier with every public key in a PEM text: keys that were used before stand beside the present one."""
    keys: list[Ed25519PublicKey] = []
    for block in _BLOCK.findall(pem):
        key = serialization.load_pem_public_key(block)
        if isinstance(key, Ed25519PublicKey):
            keys.append(key)
    if not keys:
        raise ConfigurationError(tr("no Ed25519 public key (PEM) to verify signatures with"))
    return lambda digest, signature: _signed_by_any(keys, digest, signature)


def _signed_by_any(keys: Sequence[Ed25519PublicKey], digest: str, signature: str) -> bool:
    try:
        plain = base64.b64decode(signature, validate=True)
    except ValueError:
        return False
    for key in keys:
        try:
            key.verify(plain, digest.encode())
        except InvalidSignature:
            continue
        return True
    return False


def make_key(path: Path, public: Path) -> None:
    """Make a key in ``path`` where there is none, and write its public one to ``public`` where that is missing.

    The file appears whole or not at all; of several that make it at once all use the same.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with open_private(fresh) as file:
            file.write(Ed25519PrivateKey.generate().private_bytes(_PEM, _PKCS8, serialization.NoEncryption()))
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    if not public.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        with open_private(public) as file:
            file.write(key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


_PEM, _PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
