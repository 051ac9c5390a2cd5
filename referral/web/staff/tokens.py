"""What the style sheet says about colour, type and space, read from `static/tokens.css` itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from referral.web.assets import STATIC

_DARK: Final = "@media screen and (prefers-color-scheme: dark)"
_DECLARED: Final = re.compile(r"--([\w-]+):\s*([^;]+);")
# WCAG 2.2: 1.4.3 for words, 1.4.11 for the edges of fields and what has the focus.
WORDS: Final = 4.5
EDGES: Final = 3.0


@dataclass(frozen=True, slots=True)
class Pair:
    """One colour on another; `least` is the contrast that it needs."""

    meaning: str
    ink: str
    ground: str
    least: float = WORDS


_ON_SURFACES: Final = ("paper", "surface", "sunken")
_STATES: Final = {
    "open": "Open, done, arrived",
    "closed": "Closed, refused, failed, an error",
    "waiting": "Waits for a person or a day",
    "info": "Good to know, under way",
    "neutral": "Ended, or nothing to say",
}
# Every colour that carries meaning, on every ground that it stands on.
PAIRS: Final = (
    *(Pair(f"Words on the {name}", "ink", name) for name in _ON_SURFACES),
    *(Pair(f"Secondary words on the {name}", "ink-soft", name) for name in _ON_SURFACES),
    *(Pair(f"Links on the {name}", "accent", name) for name in _ON_SURFACES),
    Pair("What is chosen or pointed at", "ink", "accent-soft"),
    Pair("A link that is pointed at", "accent", "accent-soft"),
    Pair("Secondary words there", "ink-soft", "accent-soft"),
    Pair("The primary button", "on-accent", "accent-fill"),
    Pair("The primary button, pointed at", "on-accent", "accent-fill-hover"),
    Pair("The button that ends something", "on-accent", "danger-fill"),
    Pair("The same, pointed at", "on-accent", "danger-fill-hover"),
    Pair("A count in the menu", "surface", "accent"),
    Pair("A closed day", "surface", "ink-soft"),
    *(Pair(words, name, f"{name}-soft") for name, words in _STATES.items()),
    *(Pair(f"{words}, in a line", name, "surface") for name, words in _STATES.items()),
    *(Pair(f"Words in a notice: {name}", "ink", f"{name}-soft") for name in _STATES),
    Pair("The edge of a field", "line-strong", "surface", EDGES),
    Pair("What has the focus", "focus", "paper", EDGES),
    Pair("Words on a scanned sheet", "on-sheet", "sheet"),
)


@cache
def tokens() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Name to value, on light screens and on dark ones."""
    text = (STATIC / "tokens.css").read_text(encoding="utf-8")
    before, _, rest = text.partition(_DARK)
    light = dict(_DECLARED.findall(before))
    return light, light | dict(_DECLARED.findall(rest.partition("@media print")[0]))


def contrast(ink: str, ground: str) -> float:
    """Of two colours as #rrggbb: WCAG 2.2, relative luminance and contrast ratio."""
    lower, higher = sorted((_luminance(ink), _luminance(ground)))
    return (higher + 0.05) / (lower + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def pixels(length: str) -> float:
    """A length in rem at the browser's own size of letters."""
    return float(length.removesuffix("rem")) * 16
