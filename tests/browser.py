"""The browser of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """The engine of Chromium alone: the whole browser, without its window, takes two thirds more time.

    Close it before other tests run: Playwright leaves an event loop running in the thread meanwhile.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium-headless-shell", args=["--no-sandbox", "--disable-gpu"]
        )
        # A machine that is shared may take its time for what a person sees at once.
        expect.set_options(timeout=60_000)
        yield browser
        browser.close()
