"""What a simulation has found out, in sentences: one line for every thing that somebody would notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from referral.domain.codes import Channel
from referral.domain.ladder_draft import CHANNEL_WORDS, words_of
from referral.domain.outgoing import SWITCHED, MessageKind
from referral.domain.reminders import Rung
from referral.domain.simulation import Entry
from referral.services.simulate import Simulated

_KIND: Final = {
    MessageKind.REQUEST: "The request",
    MessageKind.REMINDER: "A reminder",
    MessageKind.FRESH_LINK: "A fresh link",
    MessageKind.THANK_YOU: "Thanks, with the sealed copy,",
    MessageKind.CANCELLED: "The notice that no answer is needed any more",
}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PEOPLE: Final = {
    "answered": ("The clinician answers", "An answer ends the reminders and closes the links."),
    "cancelled": ("The clinic cancels the request", "The links close, and the clinician is told."),
    "asked-question": ("The clinician asks something", "Nothing goes out until the clinic has answered."),
    "call-queued": (
        "The front desk calls the practice",
        "Nothing on file is left that a letter could go by.",
    ),
    "resumed": ("The clinic has answered; reminders go on", "Moved by the business days they stood still."),
    "paused": ("The reminders are paused", "Every step moves by the business days of the pause."),
}


@dataclass(frozen=True, slots=True)
class Line:
    """`event` is the word of the timeline; `channel` is None where nothing travels."""

    at: datetime
    event: str
    title: str
    why: str
    channel: Channel | None = None


def lines(found: Simulated, say: Callable[[datetime], str] | None = None) -> tuple[Line, ...]:
    """In the order of time. A rung that sends a letter at once is one line with it.

    `say` puts a moment into words, as local() does where it is left out.
    """
    return tuple(_Lines(found, say or (lambda moment: local(moment, found))).all())


def local(moment: datetime, found: Simulated) -> str:
    """'Fri, Nov 20 2026, 16:30', by the recipient's clock."""
    at = moment.astimezone(found.time_zone)
    return f"{day_words(at.date())}, {at:%H:%M}"


def day_words(day: date) -> str:
    """'Fri, Nov 20 2026', whatever the locale."""
    return f"{_DAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day} {day.year}"


@dataclass(slots=True)
class _Lines:
    found: Simulated
    say: Callable[[datetime], str]
    climbed: Entry | None = None

    def all(self) -> Iterator[Line]:
        entries = self.found.entries
        for place, entry in enumerate(entries):
            if entry.event.startswith("step-remind"):
                self.climbed = entry
                after = entries[place + 1] if place + 1 < len(entries) else None
                if after is not None and after.event == "sent" and after.at == entry.at:
                    continue
            yield self._line(entry)

    def _line(self, entry: Entry) -> Line:
        if entry.event in _PEOPLE:
            title, why = _PEOPLE[entry.event]
            if entry.event == "paused" and entry.until is not None:
                title = f"{title} until {day_words(entry.until.astimezone(self.found.time_zone).date())}"
            return Line(entry.at, entry.event, title, why)
        if entry.event == "step-taken":
            why = "One letter a day: the one that goes another way takes the place of this step."
            return Line(entry.at, entry.event, f"Step {entry.ordinal} is taken along", why)
        if entry.event.startswith("step-"):
            rung = self._rung(entry)
            words = words_of(rung)
            return Line(entry.at, entry.event, f"{words[0].upper()}{words[1:]}", self._step(entry))
        if entry.event == "expired":
            why = "The last step of the ladder has come without an answer."
            return Line(entry.at, entry.event, "The request expires", why)
        return self._letter(entry)

    def _letter(self, entry: Entry) -> Line:
        if entry.kind is None or entry.channel is None:
            raise ValueError(f"{entry.event} is about no letter")
        what, by = _KIND[entry.kind], CHANNEL_WORDS[entry.channel]
        if entry.event == "sent":
            return Line(entry.at, "sent", f"{what} goes out by {by}", self._why_sent(entry), entry.channel)
        if entry.event == "try-again":
            until = self.say(entry.until) if entry.until else "later"
            why = f"Its provider takes nothing just now. Tried again on {until}."
            return Line(entry.at, entry.event, f"{what} cannot leave by {by}", why, entry.channel)
        other = "It goes another way at once where there is one; the front desk sees it."
        return Line(entry.at, entry.event, f"{what} by {by} did not arrive", other, entry.channel)

    def _why_sent(self, entry: Entry) -> str:
        wanted = entry.wanted_at or entry.at
        since = self.say(wanted)
        waited = f"It waits since {since} for business hours, or for a way out." if entry.at > wanted else ""
        if entry.ordinal is not None and entry.ordinal > SWITCHED:
            return f"Instead of the one that did not arrive. {waited}".strip()
        if entry.kind is MessageKind.REMINDER and self.climbed is not None:
            return f"{self._step(self.climbed)} {waited}".strip()
        if entry.kind is MessageKind.REQUEST:
            return waited or "The first letter, by the first way that fits."
        return waited or "To the contact that the last letter reached."

    def _rung(self, entry: Entry) -> Rung:
        return self.found.scenario.ladder.rungs[(entry.ordinal or 1) - 1]

    def _step(self, entry: Entry) -> str:
        rungs = self.found.scenario.ladder.rungs
        said = f"Step {entry.ordinal} of {len(rungs)}, business day {self._rung(entry).business_day}."
        if entry.wanted_at is not None and entry.at != entry.wanted_at:
            said += f" It was due on {self.say(entry.wanted_at)}."
        if entry.skipped:
            steps = " and ".join(str(ordinal) for ordinal in entry.skipped)
            said += f" Step {steps} had come due meanwhile and is left out: one letter, not a backlog."
        return said
