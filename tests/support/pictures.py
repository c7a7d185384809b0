"""Make the pictures of ``docs/pictures`` from a running demo: ``python -m tests.support.pictures`` (``make pictures``).

Terminal pictures are the commands' own output as SVG; the report and Prefect's page are taken by headless Chromium.
Everybody in them is synthetic. It takes some minutes: one demo, then ``gateway serve`` over what the demo left.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import openpyxl

from gateway.cli.layout import cell_length
from gateway.testing.batch import write_sample
from tests.flows.sites import Site
from tests.support import browser

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
LARGEST = 150_000
"""bytes of one picture"""
LANGUAGES = {"en": "", "zh": ".zh"}
"""language -> what stands before the ending of a picture's name"""
_COLUMNS, _LETTER, _LINE, _MARGIN, _BAR = 80, 8.4, 19, 16, 30
_WIDTH = 1200
_FONTS = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono','Noto Sans Mono CJK SC','Noto Sans CJK SC',monospace"


def terminal(command: str, output: str) -> str:
    """A terminal with a command and what it said, as SVG; each run of letters keeps the columns it has there."""
    lines = [f"$ {command}", *output.rstrip("\n").splitlines()]
    width = round(max(_COLUMNS, *map(cell_length, lines)) * _LETTER) + 2 * _MARGIN
    height = _BAR + len(lines) * _LINE + _MARGIN
    texts = [
        part for place, line in enumerate(lines) for part in _runs(line, _BAR + (place + 1) * _LINE, bold=place == 0)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}">',
            f"<title>{escape(command)}</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#1c2128"/>',
            *(
                f'<circle cx="{_MARGIN + 4 + 18 * place}" cy="17" r="5" fill="{colour}"/>'
                for place, colour in enumerate(("#e5534b", "#c69026", "#57ab5a"))
            ),
            f'<g font-family="{_FONTS}" font-size="14" fill="#d5dbe3" xml:space="preserve">',
            *texts,
            "</g>",
            "</svg>\n",
        ]
    )


def _runs(line: str, y: int, *, bold: bool) -> Iterator[str]:
    """The words of a line, each at its column and as wide as there; Chinese letters apart from the others."""
    column = 0
    for (wide, blank), letters in groupby(line, key=lambda one: (cell_length(one) == 2, one == " ")):
        text = "".join(letters)
        cells = cell_length(text)
        if not blank and cells:
            place, length = _MARGIN + column * _LETTER, cells * _LETTER
            look = (' fill="#8ddb8c"' if bold else "") + (' font-size="16"' if wide else "")
            fit = f' textLength="{length:.1f}" lengthAdjust="{"spacing" if wide else "spacingAndGlyphs"}"'
            yield f'<text x="{place:.1f}" y="{y}"{fit}{look}>{escape(text, quote=False)}</text>'
        column += cells


class Studio(Site):
    """A demo's home, its simulated platforms on their old books, and commands whose output is drawn."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, GATEWAY_LANGUAGE="zh", GATEWAY_SERVE__DROP=str(folder / "drop"))
        self.books = self.home / "sandboxes"
        (folder / "drop").mkdir()

    def demo(self) -> None:
        """Run the demo as anybody does, to its end."""
        subprocess.run(
            [sys.executable, "-m", "gateway", "demo", "--home", str(self.home)],
            cwd=self.folder,
            env=self.environment,
            check=True,
        )

    def says(self, language: str, *arguments: str) -> str:
        """What a command writes on a terminal of 80 columns, in a language."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=self.folder,
            env={**self.environment, "GATEWAY_LANGUAGE": language, "COLUMNS": str(_COLUMNS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        text = done.stdout.decode().replace(str(self.home), "~/demo")
        return re.sub(r".*\r", "", text)

    def draw(self, name: str, *arguments: str, languages: tuple[str, ...] = tuple(LANGUAGES)) -> None:
        """Write the picture of a command in each of the languages."""
        for language in languages:
            text = self.says(language, *arguments)
            picture = terminal(" ".join(("gateway", *arguments)), text)
            (FOLDER / f"{name}{LANGUAGES[language]}.svg").write_text(picture, encoding="utf-8")


def refused_certificate(returns: Path) -> str:
    """The number of a certificate that a gate has refused, as it stands in the returns."""
    sheet = openpyxl.load_workbook(returns, read_only=True).worksheets[0]
    for row in sheet.iter_rows(values_only=True):
        cells = [str(cell) for cell in row if cell]
        found = [cell for cell in cells if re.fullmatch(r"鲁[A-Z]\d{11}", cell)]
        if found and any("N04" in cell for cell in cells):
            return found[0]
    raise SystemExit(f"no row of {returns} is refused by N04")


def disturb(books: Path) -> None:
    """Let the national market have lost one certificate and changed the level of another, behind everybody's back."""
    with sqlite3.connect(books / "national_market.sandbox.db") as book:
        query = "SELECT key, value FROM book WHERE section = 'certificates' AND value LIKE '%<t:Level>4<%' ORDER BY key"
        (lost, _), (altered, value) = book.execute(query + " LIMIT 2").fetchall()
        book.execute("DELETE FROM book WHERE section = 'certificates' AND key = ?", (lost,))
        changed = value.replace("<t:Level>4<", "<t:Level>3<")
        book.execute("UPDATE book SET value = ? WHERE section = 'certificates' AND key = ?", (changed, altered))
    book.close()


def terminals(studio: Studio) -> None:
    """What an operator types on a day with something in it: more rows, a paused platform, differences."""
    disturb(studio.books)
    studio.sandbox(only=None)
    refused = refused_certificate(studio.home / "returns.xlsx")
    studio.draw("why", "why", refused)
    studio.says("zh", "pause", "worker_platform", "--reason", "系统升级")
    for seed, language in enumerate(LANGUAGES):
        batch = write_sample(studio.folder / f"city-{seed}.xlsx", rows=40, seed=seed)
        studio.says("zh", "intake", str(batch))
        studio.draw("push", "push", languages=(language,))
    studio.says("zh", "reconcile", "national_market")
    studio.draw("differences", "differences", "national_market")
    studio.draw("status", "status")


def photograph(page: Any, name: str, height: int = 800) -> None:
    """A picture of what the browser shows."""
    page.set_viewport_size({"width": _WIDTH, "height": height})
    page.wait_for_load_state("networkidle")
    page.screenshot(path=str(FOLDER / f"{name}.png"), animations="disabled")


def reports(studio: Studio, page: Any) -> None:
    """The first page of the report, in each language."""
    for language, ending in LANGUAGES.items():
        file = studio.folder / f"report{ending}.html"
        studio.says(language, "report", "--out", str(file))
        page.goto(file.as_uri())
        photograph(page, f"report{ending}", 880)


def prefect(studio: Studio, page: Any) -> None:
    """Prefect's page in Chinese: deployments, the form of a replay, the list of runs with one that needs a person."""
    studio.serve()
    origin = studio.api_url.removesuffix("/api")
    for name in ("推送 · 工人管理", "取回结果 · 市场监管", "报告"):
        studio.finish(studio.trigger(name))
    page.goto(origin)
    secret = page.locator("input[type=password]")
    secret.fill((studio.home / "prefect.secret").read_text().strip())
    secret.press("Enter")
    secret.wait_for(state="detached")
    page.goto(f"{origin}/deployments")
    page.get_by_text("同步 · 全部平台").first.wait_for()
    photograph(page, "prefect-deployments")
    page.goto(f"{origin}/deployments/deployment/{studio.deployment('重发')['id']}/run")
    page.get_by_role("button", name="Submit").wait_for()
    photograph(page, "prefect-form", 900)
    page.goto(f"{origin}/runs")
    page.get_by_text("推送 工人管理：暂停中").first.wait_for()
    photograph(page, "prefect-runs", 1180)


def main() -> None:
    """Make every picture anew; one of them too large is an error."""
    executable = browser.chromium()
    if executable is None:
        raise SystemExit(browser.MISSING)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gateway-pictures-", ignore_cleanup_errors=True) as folder:
        studio = Studio(Path(folder))
        try:
            studio.demo()
            terminals(studio)
            with browser.open_page(executable, width=_WIDTH, height=800) as page:
                reports(studio, page)
                prefect(studio, page)
        finally:
            studio.close()
    if large := [path.name for path in FOLDER.iterdir() if path.stat().st_size > LARGEST]:
        raise SystemExit(f"larger than {LARGEST // 1000} kB: {', '.join(sorted(large))}")


if __name__ == "__main__":
    main()
