"""What is looked at on every page that a journey passes: accessibility, width, and pictures for people."""

from __future__ import annotations

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Set it to a directory, and every page is photographed on a telephone and on a desk.
_PICTURES = os.environ.get("REFERRAL_TEST_PICTURES", "")
_SIZES = {360: 740, 1440: 900}
_axe = Axe()


def look(page: Page, name: str) -> None:
    """No violation, nothing that has to be scrolled sideways, no address of another place."""
    violations = _axe.run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:160]) for v in violations] == [], page.url
    photograph(page, name)


def photograph(page: Page, name: str) -> None:
    before = page.viewport_size
    for width, height in _SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)
        if _PICTURES:
            Path(_PICTURES).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(_PICTURES) / f"{name}-{width}.png", full_page=True)
    if before:
        page.set_viewport_size(before)
