"""Pictures of figures as SVG, drawn here: bars and a line, for people who would rather look than read.

Widths are percent and texts keep their size, so a picture fits a telephone and a sheet of paper. Colours are
classes of the style sheet, which knows dark screens and paper. Each says in words what it shows; the figures
themselves stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

from markupsafe import Markup

_BAR: Final = 46
_HEIGHT: Final = 180


@dataclass(frozen=True, slots=True)
class Bar:
    """`value` is what is drawn, `words` what is said; `state` is a colour: '', open, waiting or closed."""

    label: str
    value: float
    words: str
    state: str = ""


def bars(name: str, title: str, told: str, shown: Iterable[Bar], top: float | None = None) -> Markup:
    """Bars from left to right, one below the other. `top` is the value of a full one, the largest if None."""
    every = list(shown)
    most = top if top is not None else max((bar.value for bar in every), default=0.0)
    parts = [_bar(bar, place * _BAR, most) for place, bar in enumerate(every)]
    return _svg(name, title, told, max(len(every), 1) * _BAR, "".join(parts))


def _bar(bar: Bar, y: int, most: float) -> str:
    width = 100 * bar.value / most if most > 0 else 0
    state = f" picture__bar--{bar.state}" if bar.state else ""
    return (
        f'<text class="picture__label" x="0" y="{y + 16}">{escape(bar.label)}</text>'
        f'<text class="picture__value" x="100%" y="{y + 16}" text-anchor="end">{escape(bar.words)}</text>'
        f'<rect class="picture__track" x="0" y="{y + 23}" width="100%" height="12" rx="3"/>'
        f'<rect class="picture__bar{state}" x="0" y="{y + 23}" width="{min(width, 100):.2f}%" height="12"'
        ' rx="3"/>'
    )


def line(name: str, title: str, told: str, points: Sequence[tuple[str, float]], goal: float) -> Markup:
    """A line through points at equal distances, over a base of zero, with a dashed line at the goal."""
    most = max([value for _, value in points] + [goal]) * 1.1 or 1.0
    step = 100 / max(len(points) - 1, 1)
    places = [
        (number * step if len(points) > 1 else 50.0, _y(value, most))
        for number, (_, value) in enumerate(points)
    ]
    drawn = "".join(
        f'<line class="picture__line" x1="{x1:.2f}%" y1="{y1:.1f}" x2="{x2:.2f}%" y2="{y2:.1f}"/>'
        for (x1, y1), (x2, y2) in pairwise(places)
    )
    dots = "".join(f'<circle class="picture__dot" cx="{x:.2f}%" cy="{y:.1f}" r="4"/>' for x, y in places)
    at = _y(goal, most)
    aim = (
        f'<line class="picture__goal" x1="0" y1="{at:.1f}" x2="100%" y2="{at:.1f}"/>'
        f'<text class="picture__value" x="100%" y="{at - 6:.1f}" text-anchor="end">goal {goal:g}</text>'
    )
    last = escape(points[-1][0]) if len(points) > 1 else ""
    ends = (
        f'<line class="picture__base" x1="0" y1="{_HEIGHT}" x2="100%" y2="{_HEIGHT}"/>'
        f'<text class="picture__label" x="0" y="{_HEIGHT + 20}">{escape(points[0][0])}</text>'
        f'<text class="picture__value" x="100%" y="{_HEIGHT + 20}" text-anchor="end">{last}</text>'
    )
    return _svg(name, title, told, _HEIGHT + 28, aim + drawn + dots + ends)


def _y(value: float, most: float) -> float:
    return _HEIGHT - value / most * (_HEIGHT - 16)


def _svg(name: str, title: str, told: str, height: int, inner: str) -> Markup:
    """Everything that people have written is escaped before it comes here."""
    return Markup(  # noqa: S704 - made here, of numbers and of text that is escaped
        f'<svg class="picture" width="100%" height="{height}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(told)}</desc>{inner}</svg>'
    )
