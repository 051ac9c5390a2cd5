"""What the design page shows: one sample of everything, of nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from markupsafe import Markup

from referral.web.form import Form
from referral.web.icons import ICONS
from referral.web.portal_questions import Option, Question
from referral.web.staff.clock import Clock
from referral.web.staff.list_models import Empty, ListPage, Row, Select, Tab
from referral.web.staff.models import Badge, Choice, Fact, Gate, Link, When
from referral.web.staff.pictures import Bar, bars, line
from referral.web.staff.request_models import Event
from referral.web.staff.tokens import PAIRS, Pair, contrast, pixels, tokens

STATES: Final = ("open", "closed", "waiting", "info", "neutral")
_TYPE: Final = {
    "text-xxl": "Heading of a page",
    "text-xl": "A figure, a step",
    "text-l": "Heading of a section",
    "text-m": "Words",
    "text-s": "Secondary facts",
    "text-xs": "Badges",
}


@dataclass(frozen=True, slots=True)
class Size:
    """`pixels` at the browser's own size of letters."""

    name: str
    pixels: float
    use: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A pair of colours as one kind of screen shows it."""

    ink: str
    ground: str
    ratio: str
    is_enough: bool


@dataclass(frozen=True, slots=True)
class Colours:
    pair: Pair
    light: Seen
    dark: Seen


@dataclass(frozen=True, slots=True)
class DesignPage:
    """`form` is as it was opened, `broken` as it comes back with what is wrong."""

    list: ListPage
    nothing: ListPage
    type: tuple[Size, ...]
    space: tuple[Size, ...]
    colours: tuple[Colours, ...]
    gates: tuple[Gate, ...]
    form: Form
    broken: Form
    options: tuple[Choice, ...]
    questions: tuple[Question, ...]
    facts: tuple[Fact, ...]
    events: tuple[Event, ...]
    when: When
    bars: Markup
    line: Markup
    icons: tuple[str, ...]


def design_page(clock: Clock) -> DesignPage:
    """Times are of today, so that they look as they do elsewhere."""
    now = clock.moment(clock.now)
    return DesignPage(
        list=_list(clock, rows=tuple(_rows(clock))),
        icons=tuple(ICONS),
        nothing=_list(clock, rows=()),
        type=tuple(Size(name, pixels(tokens()[0][name]), use) for name, use in _TYPE.items()),
        space=tuple(
            Size(name, pixels(value)) for name, value in tokens()[0].items() if name.startswith("space-")
        ),
        colours=tuple(_colours(pair) for pair in PAIRS),
        gates=(
            Gate(True, "Open", ("Treatment may start.",), now),
            Gate(False, "Closed", ("The initial consultation has not been recorded.",), now),
        ),
        form=Form({"sample_number": "6", "sample_tick": "yes", "sample_date": clock.today.isoformat()}),
        broken=Form(
            {"broken_text": "12345"},
            {
                "broken_text": "An NPI has ten digits.",
                "broken_kind": "Please choose one.",
                "broken_words": "Please say why.",
                "broken_tick": "Please tick this to go on.",
                "broken-flag": "Please answer this one too.",
            },
        ),
        options=(
            Choice("email", "E-mail", "Read within the hour", Badge("open", "Verified")),
            Choice("fax", "Fax", "Failed yesterday", Badge("closed", "Last one failed"), checked=True),
            Choice("post", "Letter on paper"),
        ),
        questions=tuple(_questions()),
        facts=(Fact("Patient", "Ada Example", "#words"), Fact("Due", clock.day(clock.today).text)),
        events=tuple(_events(clock)),
        when=now,
        **_pictures(),
    )


def _colours(pair: Pair) -> Colours:
    light, dark = (_seen(pair, values) for values in tokens())
    return Colours(pair, light, dark)


def _seen(pair: Pair, values: Mapping[str, str]) -> Seen:
    ratio = contrast(values[pair.ink], values[pair.ground])
    return Seen(values[pair.ink], values[pair.ground], f"{ratio:.1f}", ratio >= pair.least)


def _rows(clock: Clock) -> Iterator[Row]:
    yield Row(
        title="Ada Example",
        href="#lists",
        lead=clock.day(clock.today),
        lead_before="Due",
        detail="R-2026-00042 · recurrent depression (F33.2)",
        badges=(Badge("closed", "Closed", "lock"),),
        sentence="The initial consultation has not been recorded.",
        action=Link("See request", "#lists"),
    )
    yield Row(
        title="A row that waits for somebody, with a name that takes more than one line of a telephone",
        href="#lists",
        lead_text="No date",
        icon="fax",
        detail="Everything that is too long goes on in the next line.",
        badges=(Badge("waiting", "Waiting 4 days"), Badge("info", "Sent")),
        sentence="What it waits for.",
        link=Link("Where it belongs", "#lists"),
        action=Link("See to it", "#lists"),
        about="the second row",
    )


def _list(clock: Clock, rows: tuple[Row, ...]) -> ListPage:
    options = (Choice("", "All", checked=True), Choice("open", "Open"))
    return ListPage(
        title="Design",
        intro="Every component with its states, drawn by what draws the pages themselves.",
        actions=(Link("A place to go", "#lists"),),
        primary=Link("What is made here", "#lists"),
        search="Name or number",
        query="",
        main=(Select(name="sample_state", label="State", options=options),),
        more=(Select(name="sample_order", label="Order", options=options),),
        days=(Fact("From", clock.today.isoformat()),),
        day_names=("sample_from",),
        kept=(),
        pinned=("Only of one patient",) if rows else (),
        unfolded=True,
        rows=rows,
        count="2 of 12 requests",
        path="/design",
        tabs=(Tab("To read", "#lists", current=True), Tab("Done", "#lists", current=False)),
        filtered=False,
        csv_href="#lists",
        before_href="#lists",
        after_href="#lists",
        empty=Empty(
            title="Nothing waits for you.",
            text="What appears here, and when.",
            link=Link("What to do next", "#lists"),
        ),
    )


def _events(clock: Clock) -> Iterator[Event]:
    for place, state in enumerate(STATES):
        yield Event(
            state=state,
            icon=state,
            title=f"What happened: {state}",
            when=clock.moment(clock.now - timedelta(hours=place)),
            detail="by Robin Desk" if place else "",
            quote="“In their own words.”" if state == "info" else "",
            links=(Link("What belongs to it", "#timeline"),) if state == "open" else (),
            plan="Next: a reminder on Thursday." if state == "waiting" else "",
        )


def _questions() -> Iterator[Question]:
    answers = (Option("yes", "Yes"), Option("no", "No"))
    given = (answers[0], Option("no", "No", checked=True))
    unknown = Option("unknown", "Don’t know")
    yield Question("sample-flag", "A red flag?", "", "flag", True, 0, (*given, unknown), "no")
    yield Question("broken-flag", "One that was forgotten?", "", "flag", True, 0, (*answers, unknown), "")
    yield Question("sample-pick", "Two answers", "With a hint", "choice", True, 0, given, "no")


def _pictures() -> dict[str, Markup]:
    shown = [
        Bar(name.capitalize() or "As usual", 8 - 2 * place, f"{8 - 2 * place}", name)
        for place, name in enumerate(("", *STATES[:3]))
    ]
    told = "; ".join(f"{bar.label}: {bar.words}" for bar in shown)
    weeks = [("First week", 4.0), ("Second week", 2.5), ("Third week", 1.5)]
    said = "; ".join(f"{label}: {value}" for label, value in weeks)
    return {
        "bars": bars("sample-bars", "Bars by state", told, shown),
        "line": line("sample-line", "A line by week with its goal", said, weeks, 2.0),
    }
