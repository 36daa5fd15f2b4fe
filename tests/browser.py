"""A real headless Chromium, for tests of pages: what it logs as an error is an error of the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def opened(*, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[tuple[Page, list[str]]]:
    """A page of Debian's chromium, and what goes wrong on it: console errors, uncaught exceptions, failed requests."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    # Without its sandbox: CI runs as root, where Chromium refuses to start with it.
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(f"{request.url}: {request.failure}"))
        yield page, errors
        browser.close()
