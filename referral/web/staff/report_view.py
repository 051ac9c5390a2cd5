"""The reports page: each figure as a picture, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from markupsafe import Markup

from referral.domain.codes import Channel
from referral.fhir.measure import MEASURES
from referral.services.measure_figures import Measured
from referral.services.report_figures import AGES, Figures
from referral.storage.measures import Proportion, Spread
from referral.storage.reports import Took
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.models import Link
from referral.web.staff.pictures import Bar, bars, line

Cell = str | int | None
# "Targets in use" of the product: two business days in the middle, 70 % by day five.
GOAL: Final = 2.0
_MOST_CLINICIANS: Final = 12


@dataclass(frozen=True, slots=True)
class Report:
    """`sentence` says the figure that matters; `picture` is None where there is nothing to draw."""

    name: str
    title: str
    sentence: str
    picture: Markup | None
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    csv_href: str = ""
    more: Link | None = None


@dataclass(frozen=True, slots=True)
class ReportsPage:
    first: str
    last: str
    error: str
    period: str
    presets: tuple[Link, ...]
    reports: tuple[Report, ...]


def all_reports(figures: Figures, clock: Clock) -> tuple[Report, ...]:
    """In the order of the page."""
    return (
        _funnel(figures),
        _ageing(figures),
        _weekly(figures, clock),
        _by_channel(figures),
        _by_clinician(figures),
        _ending(figures, clock),
        _overrides(figures),
        _follow_up(figures),
        *(_measure(one, clock) for one in figures.measures),
    )


# What a picture calls the two populations; the table has their own names.
_CALLED: Final = {
    "end-of-course-report": ("Recommenders", "Have the report"),
    "follow-up-date": ("Patients", "Have a date"),
    "follow-up-seen": ("Have a date", "Were seen"),
    "cms50": ("Asked about and seen", "Answered"),
}


def _measure(found: Measured, clock: Clock) -> Report:
    days = f"{clock.day(found.first).text} to {clock.day(found.last).text}"
    said = f"{MEASURES[found.name].text} From {days}."
    if isinstance(found.counted, Proportion):
        return _proportion(found, found.counted, said)
    return _spread(found, found.counted, said)


def _proportion(found: Measured, counted: Proportion, said: str) -> Report:
    described = MEASURES[found.name]
    share = _share(counted.numerator, counted.denominator)
    whole, part = _CALLED[found.name]
    drawn = [
        Bar(whole, counted.denominator, f"{counted.denominator:,}"),
        Bar(part, counted.numerator, f"{counted.numerator:,} · {share}", "open"),
    ]
    rows: list[tuple[Cell, ...]] = [
        ("Denominator", counted.denominator, described.told("denominator")),
        ("Numerator", counted.numerator, described.told("numerator")),
    ]
    exclusion = described.told("denominator-exclusion")
    if exclusion:
        rows.insert(1, ("Left out of it", counted.excluded, exclusion))
        said += f" {counted.excluded:,} left out." if counted.excluded else ""
    columns = ("Population", "Number", "Who counts")
    return _measured(found, said, drawn if counted.denominator else [], columns, tuple(rows))


def _spread(found: Measured, counted: Spread, said: str) -> Report:
    described = MEASURES[found.name]
    quarters = (
        ("A quarter within", counted.low),
        ("Half within", counted.median),
        ("Three quarters within", counted.high),
    )
    drawn = [
        Bar(label, days, f"{days:g} days", "open" if label == "Half within" else "")
        for label, days in quarters
        if days is not None
    ]
    rows: tuple[tuple[Cell, ...], ...] = (
        ("Courses", counted.population, described.told("initial-population")),
        ("Seen", counted.counted, described.told("measure-population")),
        *((label, f"{days:g}" if days is not None else None, "Days") for label, days in quarters),
    )
    if counted.population:
        said += f" Seen after {counted.counted:,} of {present.counted(counted.population, 'course')}."
    columns = ("Figure", "Number", "What it says")
    return _measured(found, said, drawn, columns, rows)


def _measured(
    found: Measured, said: str, drawn: list[Bar], columns: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...]
) -> Report:
    title, name = MEASURES[found.name].title, found.name
    return Report(
        name,
        title,
        said if drawn else f"{said} Nobody counts yet.",
        bars(name, title, _said((bar.label, bar.words) for bar in drawn), drawn) if drawn else None,
        columns,
        rows,
        more=Link("FHIR MeasureReport", f"/reports/measure?name={name}&from={found.first}&to={found.last}"),
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _said(rows: Iterator[tuple[str, str]]) -> str:
    return "; ".join(f"{label}: {words}" for label, words in rows)


def _funnel(figures: Figures) -> Report:
    found, whole = figures.funnel, figures.funnel.requested
    steps = (
        ("Requested", found.requested),
        ("Delivered", found.delivered),
        ("Opened", found.opened),
        ("Identified", found.identified),
        ("Answered", found.answered),
        ("Usable", found.usable),
    )
    drawn = [
        Bar(label, count, f"{count:,} · {_share(count, whole)}", "open" if label == "Usable" else "")
        for label, count in steps
    ]
    title = "How far requests came"
    told = _said((bar.label, bar.words) for bar in drawn)
    sentence = (
        f"{found.answered:,} of {present.counted(found.requested, 'request')} were answered, and"
        f" {found.usable:,} of the answers can be used. An answer by fax or telephone counts as opened and"
        " identified."
    )
    return Report(
        "funnel",
        title,
        sentence if found.requested else "Nobody was asked in this period.",
        bars("funnel", title, told, drawn) if found.requested else None,
        ("Step", "Requests", "Share"),
        tuple((label, count, _share(count, found.requested)) for label, count in steps),
        more=Link("All requests", "/requests?state=all"),
    )


def _ageing(figures: Figures) -> Report:
    labels = [f"{age} or {age + 1} business days" for age in AGES[:-1]] + ["10 business days or more"]
    groups = [("Not delivered yet", figures.undelivered), *zip(labels, figures.ages, strict=True)]
    states = ("closed", "", "", "", "waiting", "waiting", "closed")
    drawn = [
        Bar(label, count, f"{count:,}", state) for (label, count), state in zip(groups, states, strict=True)
    ]
    whole = sum(count for _, count in groups)
    title = "How old the open requests are"
    late = figures.ages[-1]
    sentence = f"{present.counted(whole, 'request')} open now, whenever they were made;"
    sentence += (
        f" {late:,} for ten business days or more since the first delivery." if whole else " well done."
    )
    return Report(
        "ageing",
        title,
        sentence if whole else "No request is open.",
        bars("ageing", title, _said((bar.label, bar.words) for bar in drawn), drawn) if whole else None,
        ("Since the first delivery", "Open requests"),
        tuple(groups),
        more=Link("Those for ten business days or more", "/requests?age=10"),
    )


def _days(took: Took) -> str:
    return f"{took.median:.1f}"


_TOOK_COLUMNS: Final = ("Answers", "Median business days", "Within 5 days", "Paused", "Paused days")


def _took_cells(took: Took) -> tuple[Cell, ...]:
    return (took.answers, _days(took), _share(took.fast, took.answers), took.paused, took.paused_days)


def _pauses(took: Took | None) -> str:
    if took is None or not took.paused:
        return ""
    return (
        f" The clock went on while {present.counted(took.paused, 'request')} stood still for"
        f" {present.counted(took.paused_days, 'business day')} in all."
    )


def _weekly(figures: Figures, clock: Clock) -> Report:
    every = figures.took.all
    title = "How long answers take"
    weeks = [(clock.day(week).text, took) for week, took in figures.took.week.items()]
    sentence = (
        f"Half of the answers came within {_days(every)} business days of the first delivery,"
        f" {_share(every.fast, every.answers)} within five; the goal is 2 and 70 %.{_pauses(every)}"
        if every
        else "Nobody has answered in this period."
    )
    points = [(words, took.median) for words, took in weeks]
    told = f"Median business days by the week of the request. {_said((w, _days(t)) for w, t in weeks)}"
    return Report(
        "weeks",
        title,
        sentence,
        line("weeks", f"{title}, by week", told, points, GOAL) if points else None,
        ("Week from", *_TOOK_COLUMNS),
        tuple((week.isoformat(), *_took_cells(took)) for week, took in figures.took.week.items()),
    )


def _took_report(name: str, title: str, groups: list[tuple[str, Took]], column: str) -> Report:
    drawn = [
        Bar(
            label,
            took.median,
            f"{_days(took)} days · {present.counted(took.answers, 'answer')}",
            "open" if took.median <= GOAL else "waiting",
        )
        for label, took in groups[:_MOST_CLINICIANS]
    ]
    shown = (
        f"The {_MOST_CLINICIANS} with the most answers; the table has all."
        if len(groups) > len(drawn)
        else ""
    )
    sentence = "Median business days of the recipient from the first delivery to the answer."
    return Report(
        name,
        title,
        f"{sentence} {shown}".strip() if groups else "Nobody has answered in this period.",
        bars(name, title, _said((bar.label, bar.words) for bar in drawn), drawn) if drawn else None,
        (column, *_TOOK_COLUMNS),
        tuple((label, *_took_cells(took)) for label, took in groups),
    )


def _by_channel(figures: Figures) -> Report:
    groups = [
        (present.CHANNEL[Channel(channel)].capitalize(), took)
        for channel, took in sorted(figures.took.channel.items())
    ]
    return _took_report("channels", "By channel", groups, "First delivered by")


def _by_clinician(figures: Figures) -> Report:
    found = sorted(
        figures.took.clinician.items(), key=lambda item: (-item[1].answers, figures.names[item[0]])
    )
    groups = [(figures.names[id], took) for id, took in found]
    return _took_report("clinicians", "By clinician", groups, "Clinician")


def _ending(figures: Figures, clock: Clock) -> Report:
    labels = (
        "Within a week",
        "In the second week",
        "In the third week",
        "In the fourth week",
        "Until day 30",
    )
    groups = [(label, figures.ending.get(week, 0)) for week, label in enumerate(labels)]
    drawn = [
        Bar(label, count, f"{count:,}", "closed" if place == 0 else "waiting")
        for place, (label, count) in enumerate(groups)
    ]
    whole = sum(count for _, count in groups)
    title = "Recommendations that end within 30 days"
    until = clock.day(clock.today + timedelta(days=30)).text
    return Report(
        "ending",
        title,
        f"{present.counted(whole, 'recommendation')} of orders in use until {until}.",
        bars("ending", title, _said((bar.label, bar.words) for bar in drawn), drawn) if whole else None,
        ("Ends", "Recommendations"),
        tuple(groups),
        more=Link("Which they are", "/recommendations"),
    )


def _overrides(figures: Figures) -> Report:
    names = {
        "asked": "Asked for",
        "approved": "Approved",
        "declined": "Declined",
        "used": "Used for a start",
        "justified": "Found justified",
        "unjustified": "Found not justified",
    }
    groups = [(label, figures.overrides[key]) for key, label in names.items()]
    drawn = [
        Bar(label, count, f"{count:,}", "closed" if label == "Found not justified" else "")
        for label, count in groups
    ]
    title = "Emergency access"
    asked = figures.overrides["asked"]
    return Report(
        "overrides",
        title,
        f"{present.counted(asked, 'request')} for treatment without the recommendation."
        if asked
        else "Nobody has asked for treatment without the recommendation.",
        bars("overrides", title, _said((bar.label, bar.words) for bar in drawn), drawn) if asked else None,
        ("Emergency access", "Requests"),
        tuple(groups),
    )


def _follow_up(figures: Figures) -> Report:
    answered, copies = figures.funnel.answered, figures.funnel.copies
    drawn = [
        Bar("Answers", answered, f"{answered:,}"),
        Bar("Sealed copy delivered", copies, f"{copies:,} · {_share(copies, answered)}", "open"),
    ]
    title = "What clinicians got back"
    return Report(
        "follow-up",
        title,
        "Of the clinicians who answered, so many have their sealed copy."
        if answered
        else "Nobody has answered in this period.",
        bars("follow-up", title, _said((bar.label, bar.words) for bar in drawn), drawn) if answered else None,
        ("Follow-up", "Requests", "Share"),
        (("Answers", answered, ""), ("Sealed copy delivered", copies, _share(copies, answered))),
    )
