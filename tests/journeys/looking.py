"""What is looked at on every page that a journey passes: accessibility, width, and pictures for people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Set it to a directory, and every page is photographed on a telephone and on a desk.
_PICTURES = os.environ.get("REFERRAL_TEST_PICTURES", "")
_SIZES = {360: 740, 1440: 900}
_SCRIPT: Final = Axe().axe_script
# Elements in whose text a colour stands on a ground, at a size, in a way that was not measured yet in this
# process. To measure all text of every page anew would take three quarters of the time of all looking.
_NEW: Final = """
const ground = memo => function of(element) {
    if (element === null) return "";
    if (!memo.has(element)) {
        const { backgroundColor, backgroundImage, opacity } = getComputedStyle(element);
        const clear = backgroundColor === "rgba(0, 0, 0, 0)" && backgroundImage === "none" && opacity === "1";
        const full = backgroundColor.startsWith("rgb(") && backgroundImage === "none" && opacity === "1";
        const own = `${backgroundColor} ${backgroundImage} ${opacity}/`;
        memo.set(element, clear ? of(element.parentElement) : full ? own : of(element.parentElement) + own);
    }
    return memo.get(element);
};
function unmeasured(known) {
    const seen = new Set(known), found = [], under = ground(new Map());
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const elements = [...document.querySelectorAll("input, select, textarea")];
    while (words.nextNode()) {
        if (words.currentNode.data.trim()) elements.push(words.currentNode.parentElement);
    }
    for (const element of elements) {
        const { color, fontSize, fontWeight } = getComputedStyle(element);
        const key = [color, fontSize, fontWeight, element.disabled, under(element)].join(" ");
        if (seen.has(key) || !element.checkVisibility({ visibilityProperty: true })) continue;
        seen.add(key);
        found.push(element);
    }
    return [found, [...seen].slice(known.length)];
}
"""
# Of what is found nothing comes back but the rule and where: what is well is most of it, and slow to carry.
_RUN: Final = (
    "async ([known, since]) => {"
    + _NEW
    + """
    const [elements, fresh] = unmeasured(known), found = [];
    const run = async (where, options) => {
        const { violations } = await axe.run(where, { resultTypes: ["violations"], ...options });
        for (const rule of violations) found.push([rule.id, rule.nodes[0].html.slice(0, 160)]);
    };
    if (elements.length) await run({ include: elements }, { runOnly: ["color-contrast"] });
    const shown = [...document.querySelectorAll("body *")].filter(element => element.checkVisibility());
    window.lookedAt ??= new WeakSet();
    if (since === "" || since === "width" && shown.some(element => !lookedAt.has(element))) {
        await run(document, { rules: { "color-contrast": { enabled: false } } });
    }
    for (const element of shown) lookedAt.add(element);
    return [found, fresh];
}"""
)
_measured: Final[list[str]] = []


def violations(page: Page, since: Literal["", "width", "scheme"] = "") -> list[tuple[str, str]]:
    """Rules of accessibility that the page breaks, each with the first element that does.

    `since` is what alone has been changed since it was last asked: another scheme has other colours and
    nothing else, and another width is looked at in full where it shows what was not shown before.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SCRIPT)
    found, fresh = page.evaluate(_RUN, [_measured, since])
    _measured.extend(fresh)
    return [(rule, html) for rule, html in found]


def look(page: Page, name: str) -> None:
    """No violation, nothing that has to be scrolled sideways, no address of another place."""
    assert violations(page) == [], page.url
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
