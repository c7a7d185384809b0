"""The documents this connector was written for, pinned by digest so that an edit by mistake does not pass unseen."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gateway.domain.errors import ContractError

PINNED = {
    "service.wsdl": "cd241320566f3e7c80d11fa1c65a0d1fa99c18f57a9ead13839078b2f2856eda",
    "service.xsd": "c7f8d3143b071d81f34112c65cb86fdbca30e8946f729c512a22acf923958e05",
    "types.xsd": "f7f8967532f27eba929bbfb468590c1e590b819f76e7dad7f53fd31b64c8f311",
}
"""SHA-256 of each file; a new version of the contract comes with new digests in the same change"""


def files(folder: Path = Path(__file__).parent) -> dict[str, bytes]:
    """The contract's documents, the WSDL first; ContractError names one whose digest is another."""
    found = {name: (folder / name).read_bytes() for name in PINNED}
    for name, content in found.items():
        if hashlib.sha256(content).hexdigest() != PINNED[name]:
            raise ContractError(f"{name} is not the document that was pinned")
    return found
