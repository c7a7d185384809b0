"""A new connector as a distribution of its own: small, whole, and green at once in every check.

The files stand under ``files`` as they are for the name ``example_platform``; another name takes its place in all its
spellings. ``examples/example_platform`` of the source tree is what comes of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from gateway.domain.errors import ConfigurationError
from gateway.locale import tr

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TEMPLATE, _END = "example_platform", ".tmpl"
_RESERVED = frozenset({"gateway", "connectors", "tests", "model", "core", "source", "serve", "retention"})


def rendered(name: str) -> dict[str, str]:
    """Path in the distribution -> text, for a platform of this name; ConfigurationError where it cannot have it."""
    if not _NAME.fullmatch(name) or name in _RESERVED or len(name) > 24:
        raise ConfigurationError(
            tr(
                "{name!r} cannot be the name of a platform: at most 24 lower-case letters and digits, with single "
                "underscores between words, beginning with a letter, and no name of the gateway's own",
                name=name,
            )
        )
    spellings = {spelt(_TEMPLATE): spelt(name) for spelt in (str, str.upper, _camel, _dashed)}
    pattern = re.compile("|".join(map(re.escape, sorted(spellings, key=len, reverse=True))))

    def renamed(text: str) -> str:
        return pattern.sub(lambda found: spellings[found[0]], text)

    return {
        renamed(path.removesuffix(_END)): renamed(template.read_text(encoding="utf-8"))
        for path, template in _templates(files(__package__).joinpath("files"))
    }


def write(name: str, folder: Path) -> list[Path]:
    """Write the distribution into a new folder; ConfigurationError where there is one, or it cannot be made."""
    texts = rendered(name)
    try:
        folder.mkdir(parents=True)
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise ConfigurationError(
            tr("{folder} is there already: name another folder with --into", folder=folder)
        ) from None
    except OSError as error:
        raise ConfigurationError(
            tr("{folder} cannot be written: {strerror}", folder=folder, strerror=error.strerror)
        ) from None
    return [folder / path for path in texts]


def _templates(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.is_dir():
            yield from _templates(one, f"{above}{one.name}/")
        elif one.name.endswith(_END):
            yield f"{above}{one.name}", one


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _dashed(name: str) -> str:
    return name.replace("_", "-")
