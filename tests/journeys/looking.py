"""What is looked at on every page that a test passes: accessibility, width, and pictures for people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Set it to a directory, and every page is photographed on a telephone and on a desk.
_PICTURES = os.environ.get("REFERRAL_TEST_PICTURES", "")
_SIZES = {360: 740, 1440: 900}
_axe = Axe()
# What is folded is looked at too: steps of one group, of which only one unfolds at a time, all at once.
_UNFOLD = """() => {
  for (const fold of document.querySelectorAll('main details')) {
    fold.removeAttribute('name');
    fold.open = true;
  }
}"""
_WIDTH = "document.documentElement.scrollWidth <= window.innerWidth"


def look(page: Page, name: str) -> None:
    """No violation, nothing that has to be scrolled sideways, no address of another place."""
    assert list(_violations(page)) == [], page.url
    photograph(page, name)


def photograph(page: Page, name: str) -> None:
    before = page.viewport_size
    for width, height in _SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(_WIDTH), (name, width)
        _keep(page, f"{name}-{width}")
    if before:
        page.set_viewport_size(before)


def _violations(page: Page, *rules: str) -> Iterator[tuple[str, str]]:
    """Of these rules, or of all that axe knows."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    for found in _axe.run(page, options=options).response["violations"]:
        yield found["id"], found["nodes"][0]["html"][:160]


def _keep(page: Page, name: str) -> None:
    if _PICTURES:
        Path(_PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(_PICTURES) / f"{name}.png", full_page=True)


@dataclass(frozen=True, slots=True)
class Looker:
    """All that is to be seen of a page that is loaded: unfolded, light and dark, wide and narrow."""

    page: Page
    name: str

    def troubles(self) -> Iterator[tuple[str, ...]]:
        """What is wrong with it; the page is left as it was found, but unfolded."""
        self._see("light", 1440)
        _keep(self.page, f"{self.name}-1440")
        self.page.evaluate(_UNFOLD)
        yield from ((self.name, *found) for found in _violations(self.page))
        self._see("dark", 1440)
        yield from ((self.name, "dark", *found) for found in _violations(self.page, "color-contrast"))
        _keep(self.page, f"{self.name}-1440-dark")
        for scheme, width in (("dark", 360), ("light", 360)):
            self._see(scheme, width)  # type: ignore[arg-type]
        _keep(self.page, f"{self.name}-360")
        if not self.page.evaluate(_WIDTH):
            yield self.name, "wider than a telephone"

    def _see(self, scheme: Literal["light", "dark"], width: int) -> None:
        self.page.emulate_media(color_scheme=scheme)
        self.page.set_viewport_size({"width": width, "height": _SIZES[width]})
