"""Headless Chromium for tests and pictures: one page that reaches nothing beyond this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MISSING = "no chromium on this machine (Debian's package chromium)"


def chromium() -> str | None:
    """Where Chromium is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def open_page(executable: str, *, width: int, height: int) -> Iterator[Any]:
    """A page of Playwright in +08:00; it waits up to a minute for what it is asked to find."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        quiet = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        browser = started.chromium.launch(executable_path=executable, args=quiet)
        page = browser.new_page(viewport={"width": width, "height": height}, timezone_id="Asia/Shanghai")
        page.set_default_timeout(60_000)
        yield page
        browser.close()
