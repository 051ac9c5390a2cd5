"""The ladder in words: its steps, its form, and what a new one would do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from referral.domain.ladder_draft import (
    CHANNEL_WORDS,
    CHOICES,
    MOST_RUNGS,
    PATIENT_CHANNELS,
    RungDraft,
    checked_ladder,
    choice_of,
    patient_words,
    request_words,
    sends_anything,
    words_of,
)
from referral.domain.reminders import REMINDING, Coming, Ladder, Step
from referral.services.change_ladder import LadderPreview
from referral.web.form import Form
from referral.web.staff.clock import Clock
from referral.web.staff.ladder_models import DatedStep, LadderForm, LadderPreviewPage, Rung
from referral.web.staff.models import Choice

_BLANK_LINES: Final = 2
ICONS: Final = {
    Step.REMIND: "mail",
    Step.REMIND_OTHER_CHANNEL: "mail",
    Step.CALL: "phone",
    Step.SUGGEST_ANOTHER: "user",
    Step.ESCALATE: "warning",
    Step.EXPIRE: "closed",
}
# The zones that the example can be in; offices of other ones follow their own clock just so.
ZONES: Final = {
    "America/New_York": "New York",
    "America/Chicago": "Chicago",
    "America/Denver": "Denver",
    "America/Phoenix": "Phoenix",
    "America/Los_Angeles": "Los Angeles",
    "America/Anchorage": "Anchorage",
    "Pacific/Honolulu": "Honolulu",
}


def rungs(ladder: Ladder) -> tuple[Rung, ...]:
    """The request first."""
    return (
        Rung("Day 0", f"Request {request_words(ladder)}"),
        *(Rung(f"Day {rung.business_day}", large(words_of(rung))) for rung in ladder.rungs),
    )


def large(text: str) -> str:
    """With a large letter at the beginning."""
    return text[:1].upper() + text[1:]


# ---- Form


def values_of(ladder: Ladder) -> dict[str, str]:
    """The form filled in with a ladder."""
    tell = (key for key, channels in PATIENT_CHANNELS.items() if channels == ladder.patient_channels)
    values = {"request_channel": ladder.request_channel or "", "tell": next(tell, "")}
    for place, rung in enumerate(ladder.rungs, 1):
        values |= {f"day_{place}": str(rung.business_day), f"what_{place}": choice_of(rung)}
    return values


def typed_ladder(typed: Mapping[str, str]) -> Ladder:
    """What was sent, checked; lines may be left empty."""
    lines = [RungDraft(typed.get(f"day_{n}", ""), typed.get(f"what_{n}", "")) for n in _all_lines()]
    told = PATIENT_CHANNELS.get(typed.get("tell", ""), Ladder().patient_channels)
    return checked_ladder(typed.get("request_channel", ""), lines, told)


def carried(typed: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What a preview takes along so that the next step has it again."""
    names = ["request_channel", "tell", *(f"{what}_{n}" for n in _all_lines() for what in ("day", "what"))]
    return tuple((name, typed[name]) for name in names if typed.get(name))


def _all_lines() -> range:
    return range(1, MOST_RUNGS + _BLANK_LINES + 1)


def ladder_form(form: Form, days: int, stale: str = "", changed: tuple[str, ...] = ()) -> LadderForm:
    """As many lines as are filled in, and some more; `days` is how long the ladder in force takes."""
    used = [n for n in _all_lines() if form.value(f"day_{n}") or form.value(f"what_{n}")]
    last = min(max(used, default=0) + _BLANK_LINES, MOST_RUNGS + _BLANK_LINES)
    return LadderForm(
        form=form,
        lines=tuple(range(1, last + 1)),
        choices=tuple(Choice(key, large(words_of(rung))) for key, rung in CHOICES.items()),
        channels=tuple(Choice(c, f"{large(words)} where there is one") for c, words in CHANNEL_WORDS.items()),
        tells=tuple(
            Choice(key, large(patient_words(Ladder(patient_channels=channels))))
            for key, channels in PATIENT_CHANNELS.items()
        ),
        days=days,
        stale=stale,
        changed=changed,
    )


# ---- Preview


def preview_page(
    seen: LadderPreview,
    ladder: Ladder,
    changed: tuple[str, ...],
    version: int,
    form: Form,
    hidden: tuple[tuple[str, str], ...],
    now: datetime,
) -> LadderPreviewPage:
    """Everything that somebody has to see before agreeing."""
    clock = Clock(ZoneInfo(seen.time_zone), now)
    first = DatedStep(clock.moment(seen.leaves_at), f"Request {request_words(ladder)}", "mail")
    return LadderPreviewPage(
        form=form,
        hidden=hidden,
        version=version,
        changed=changed,
        office=ZONES.get(seen.time_zone, seen.time_zone.split("/")[-1].replace("_", " ")),
        zones=tuple(Choice(zone, city, checked=zone == seen.time_zone) for zone, city in ZONES.items()),
        steps=(first, *(_dated(step, clock) for step in seen.steps)),
        left_out=tuple(_left_out(seen, clock)),
        letters=_letters(ladder),
        running=_running(seen.open_requests),
    )


def _dated(step: Coming, clock: Clock) -> DatedStep:
    rung = step.planned.rung
    return DatedStep(clock.moment(step.at), large(words_of(rung)), ICONS[rung.step])


def _left_out(seen: LadderPreview, clock: Clock) -> Iterable[str]:
    for day, name in seen.holidays:
        yield f"{clock.day(day).text}: {name}, a federal holiday."
    for first, last, words in seen.closed:
        until = "" if first == last else f" to {clock.day(last).text}"
        yield f"{clock.day(first).text}{until}: closed by the clinic{f' ({words})' if words else ''}."


def _letters(ladder: Ladder) -> str:
    most = sends_anything(ladder)
    reminders = sum(rung.step in REMINDING for rung in ladder.rungs)
    more = f"the request and {reminders} reminder{'' if reminders == 1 else 's'}"
    return f"At most {most} letter{'' if most == 1 else 's'}: {more}." if reminders else "The request only."


def _running(open_requests: int) -> str:
    if open_requests == 0:
        return "No request is open now."
    if open_requests > 1000:
        return (
            "More than 1,000 requests are open. They keep the ladder and the due date they were asked with."
        )
    if open_requests == 1:
        return "One request is open. It keeps the ladder and the due date it was asked with."
    return f"{open_requests} requests are open. They keep the ladder and the due date they were asked with."
