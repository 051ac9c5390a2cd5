"""A small picture of one scale over a course: totals against infusions, as inline SVG with its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from referral.domain.language import Language
from referral.domain.scales import Scale
from referral.letters.report import RANGES, Score, Series
from referral.translation import say, say_many

# In points, so that a type size means on paper what it says; 9 pt is the least that a fax carries.
_WIDTH, _HEIGHT, _TYPE = 150.0, 96.0, 9.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 20.0, 138.0, 8.0, 80.0
# More numbers than these along the bottom would touch.
_MOST_TICKS: Final = 7
_BLACK, _GREY, _PALE = "#000000", "#56616a", "#c5cfd1"


@dataclass(frozen=True, slots=True)
class _Panel:
    """Where a total after some infusions lies, in points from the upper left corner."""

    scale: Scale
    sessions: int

    def x(self, after_sessions: int) -> float:
        share = after_sessions / max(self.sessions, 1)
        return round(_LEFT + 6 + share * (_RIGHT - _LEFT - 12), 1)

    def y(self, total: int) -> float:
        return round(_BOTTOM - total / RANGES[self.scale].most * (_BOTTOM - _TOP), 1)


def score_words(series: Series, language: Language) -> str:
    """What the picture shows, for those who hear it and for the table's reader in a hurry."""
    first, last = series.scores[0], series.scores[-1]
    if len(series.scores) == 1:
        return say(language, "%(scale)s: %(total)s, measured once.", scale=series.name, total=first.total)
    values = {"scale": series.name, "first": first.total, "last": last.total}
    return say_many(
        language,
        "%(scale)s: from %(first)s at first to %(last)s after %(num)s infusion.",
        "%(scale)s: from %(first)s at first to %(last)s after %(num)s infusions.",
        last.after_sessions,
        **values,
    )


def plot(series: Series, sessions: int, accent: str, language: Language) -> Markup:
    """`sessions` is the length of the axis, the same for all scales of a report. Black `accent`: no grey."""
    panel = _Panel(series.scale, max(sessions, series.scores[-1].after_sessions))
    parts = Markup("").join([*_frame(panel, accent), *_line(panel, series.scores, accent)])
    return Markup(
        '<svg viewBox="0 0 {} {}" font-family="Source Sans Pro" font-size="{}"><title>{}</title>{}</svg>'
    ).format(_WIDTH, _HEIGHT, _TYPE, score_words(series, language), parts)


def _frame(panel: _Panel, accent: str) -> Iterator[Markup]:
    ranged = RANGES[panel.scale]
    grey, pale = (_BLACK, _BLACK) if accent == _BLACK else (_GREY, _PALE)
    for total, colour, dashes in ((0, grey, ""), (ranged.cutoff, grey, "3 2"), (ranged.most, pale, "")):
        y = panel.y(total)
        yield _stroke(_LEFT, y, _RIGHT, y, colour, dashes)
        yield _text(_LEFT - 4, y + 3, "end", grey, str(total))
    every = 1 + panel.sessions // (_MOST_TICKS + 1)
    for number in range(0, panel.sessions + 1, every):
        x = panel.x(number)
        yield _stroke(x, _BOTTOM, x, _BOTTOM + 3, grey, "")
        yield _text(x, _BOTTOM + 13, "middle", grey, str(number))


def _line(panel: _Panel, scores: tuple[Score, ...], accent: str) -> Iterator[Markup]:
    places = [(panel.x(score.after_sessions), panel.y(score.total)) for score in scores]
    path = " ".join(f"{x},{y}" for x, y in places)
    yield Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="1.6"/>').format(path, accent)
    for x, y in places:
        yield Markup('<circle cx="{}" cy="{}" r="2.2" fill="{}"/>').format(x, y, accent)
    for score, (x, y) in {scores[0]: places[0], scores[-1]: places[-1]}.items():
        yield _text(x, _beside(panel, y), "middle", accent, str(score.total), bold=True)


def _beside(panel: _Panel, y: float) -> float:
    """Above a dot, or below it where the number would stand on a line of the frame."""
    lines = [panel.y(total) for total in (RANGES[panel.scale].cutoff, RANGES[panel.scale].most)]
    crossed = any(y - _TYPE - 5 < line < y - 3 for line in lines) or y < _TOP + _TYPE
    return y + _TYPE + 3 if crossed and y + _TYPE + 4 < _BOTTOM else y - 5


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str) -> Markup:
    return Markup(
        '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="{}" stroke-width=".5" stroke-dasharray="{}"/>'
    ).format(x1, y1, x2, y2, colour, dashes or "none")


def _text(x: float, y: float, anchor: str, colour: str, words: str, *, bold: bool = False) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}" fill="{}" font-weight="{}">{}</text>').format(
        x, y, anchor, colour, 600 if bold else 400, words
    )
