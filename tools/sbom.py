#!/usr/bin/env python3
"""Write the software bill of materials of an installation as CycloneDX 1.5 JSON, from its packages' own metadata.

    python3 tools/sbom.py > sbom.json

What is listed is what the gateway needs, and what that needs in turn, as installed here; nothing is looked up.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

ROOT = "integration-gateway"
_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRA = re.compile(r"extra\s*==")


def needed(root: str = ROOT) -> dict[str, tuple[Distribution, list[str]]]:
    """Normalised name -> installed package and the names of what it needs, from ``root`` on; extras are left out."""
    found: dict[str, tuple[Distribution, list[str]]] = {}
    waiting = [root]
    while waiting:
        name = plain(waiting.pop())
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # of another system or Python, by its marker
        wanted = [_NAME.match(text) for text in package.requires or () if not _EXTRA.search(text)]
        names = sorted({plain(match[1]) for match in wanted if match})
        found[name] = (package, names)
        waiting += names
    return found


def plain(name: str) -> str:
    """A package's name in the one form in which names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def document(packages: dict[str, tuple[Distribution, list[str]]]) -> dict[str, object]:
    """The bill of materials."""
    root = packages[ROOT][0]
    parts = [component(package) for name, (package, _) in sorted(packages.items()) if name != ROOT]
    links = [
        {"ref": reference(package), "dependsOn": [reference(packages[one][0]) for one in names if one in packages]}
        for _, (package, names) in sorted(packages.items())
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", **component(root)}},
        "components": [{"type": "library", **part} for part in parts],
        "dependencies": links,
    }


def component(package: Distribution) -> dict[str, object]:
    """One package: name, version, licence as it says it, and its address in a package registry."""
    told = package.metadata
    said = [told.get("License-Expression"), *(told.get_all("Classifier") or ()), told.get("License")]
    licences = [
        text.rpartition(" :: ")[2] for text in said if text and (text.startswith("License ::") or text in said[:1])
    ]
    found: dict[str, object] = {
        "bom-ref": reference(package),
        "name": plain(told["Name"]),
        "version": package.version,
        "purl": reference(package),
    }
    if licences:
        found["licenses"] = [{"license": {"name": name}} for name in dict.fromkeys(licences)]
    return found


def reference(package: Distribution) -> str:
    """The package URL."""
    return f"pkg:pypi/{plain(package.metadata['Name'])}@{package.version}"


def main() -> None:
    """Write it to standard output."""
    sys.stdout.write(json.dumps(document(needed()), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
