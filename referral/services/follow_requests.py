"""Where requests stand: how long they wait, what happens next by itself and when. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from referral.domain.calendar import BusinessCalendar
from referral.domain.codes import Channel
from referral.domain.outgoing import REACHED, UNFINISHED, WITH_LINK
from referral.domain.records import Clinician, Referral
from referral.domain.reminders import Ladder, Planned, next_step
from referral.services.calendars import calendars_of
from referral.services.climb import carrier_of, climb_of, contact_for, ladder_of
from referral.storage import directory, outbox, referrals
from referral.storage.db import Session
from referral.storage.outbox import Message
from referral.storage.referrals import ReferralEvent


@dataclass(frozen=True, kw_only=True)
class Followed:
    """One request as it stands at `now`; `question` is what was asked of the clinic and is not answered.

    What follows from the rows is worked out when it is asked for: a board looks at many more than it shows.
    """

    referral: Referral
    clinician: Clinician
    messages: tuple[Message, ...]
    ladder: Ladder
    calendar: BusinessCalendar
    now: datetime
    question: ReferralEvent | None = None

    @cached_property
    def waited(self) -> int:
        """The recipient's business days since the request began, until it ended."""
        return self.calendar.business_days_between(
            self.referral.started_at, self.referral.closed_at or self.now
        )

    @cached_property
    def planned(self) -> Planned | None:
        """The next rung; None when nothing happens by itself."""
        if not self.referral.is_open:
            return None
        return next_step(climb_of(self.referral), self.ladder, self.calendar)

    @cached_property
    def planned_at(self) -> datetime | None:
        """When it is climbed."""
        planned = self.planned
        return self._when(planned.due_at) if planned else None

    @cached_property
    def channel(self) -> Channel | None:
        """What it goes by; None where it sends nothing, or has nothing to send by."""
        planned = self.planned
        if planned is None:
            return None
        contact = contact_for(planned.rung, self.clinician, carrier_of(last_letter(self.messages)))
        return contact.channel if contact else None

    @cached_property
    def letter(self) -> Message | None:
        """A letter that is still to go out."""
        if not self.referral.is_open:
            return None
        return next((m for m in self.messages if m.kind in WITH_LINK and m.state in UNFINISHED), None)

    @cached_property
    def letter_at(self) -> datetime | None:
        """When it does."""
        letter = self.letter
        return self._when(letter.not_before) if letter else None

    def _when(self, due: datetime) -> datetime:
        """What is overdue happens at the next opening: nothing goes out at night."""
        return self.calendar.next_opening(max(due, self.now))


def follow(session: Session, found: Iterable[Referral], now: datetime) -> list[Followed]:
    """The same requests in the same order."""
    requests = list(found)
    if not requests:
        return []
    people = directory.get_clinicians(session, {r.clinician_id for r in requests})
    calendars = calendars_of(session, people.values())
    sent: dict[str, list[Message]] = {r.id: [] for r in requests}
    for message in outbox.of_referrals(session, sent):
        sent[message.referral_id].append(message)
    held = [r.id for r in requests if r.held_at is not None and r.is_open]
    questions = referrals.latest_questions(session, held) if held else {}
    since = {r.id: r.held_at for r in requests}
    questions = {id: asked for id, asked in questions.items() if asked.at >= (since[id] or now)}
    return [
        Followed(
            referral=referral,
            clinician=people[referral.clinician_id],
            messages=tuple(sent[referral.id]),
            ladder=ladder_of(session, referral),
            calendar=calendars[referral.clinician_id],
            now=now,
            question=questions.get(referral.id) if referral.is_open else None,
        )
        for referral in requests
    ]


def last_letter(messages: Iterable[Message]) -> Message | None:
    """The newest letter that was handed over, or is on its way; `messages` are newest first."""
    return next((m for m in messages if m.state in (*REACHED, *UNFINISHED) and m.kind in WITH_LINK), None)
