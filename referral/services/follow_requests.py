"""Where requests stand: how long they wait, what happens next by itself and when. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from referral.domain.calendar import BusinessCalendar
from referral.domain.codes import Channel
from referral.domain.outgoing import REACHED, UNFINISHED, WITH_LINK
from referral.domain.records import Clinician, Referral
from referral.domain.reminders import Ladder, Planned, Rung, next_step
from referral.services.calendars import calendars_of
from referral.services.climb import carrier_of, climb_of, contact_for, ladder_of
from referral.storage import directory, outbox, referrals
from referral.storage.db import Session
from referral.storage.outbox import Message
from referral.storage.referrals import ReferralEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One request as it stands.

    `waited` counts the recipient's business days. `planned` is the next rung, climbed at `planned_at`;
    `channel` what it goes by; all None when nothing happens by itself. `letter` is a letter that is still to
    go out, at `letter_at`. `question` is what the clinician has asked and the clinic has not answered.
    """

    referral: Referral
    clinician: Clinician
    messages: tuple[Message, ...]
    waited: int
    planned: Planned | None = None
    planned_at: datetime | None = None
    channel: Channel | None = None
    letter: Message | None = None
    letter_at: datetime | None = None
    question: ReferralEvent | None = None


def follow(session: Session, found: Iterable[Referral], now: datetime) -> list[Followed]:
    """The same requests in the same order."""
    requests = list(found)
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
        _follow_one(
            referral,
            people[referral.clinician_id],
            tuple(sent[referral.id]),
            ladder_of(session, referral),
            calendars[referral.clinician_id],
            questions.get(referral.id),
            now,
        )
        for referral in requests
    ]


def _follow_one(
    referral: Referral,
    clinician: Clinician,
    messages: tuple[Message, ...],
    ladder: Ladder,
    calendar: BusinessCalendar,
    question: ReferralEvent | None,
    now: datetime,
) -> Followed:
    until = referral.closed_at or now
    waited = calendar.business_days_between(referral.started_at, until)
    if not referral.is_open:
        return Followed(referral=referral, clinician=clinician, messages=messages, waited=waited)
    planned = next_step(climb_of(referral), ladder, calendar)
    letter = next((m for m in messages if m.kind in WITH_LINK and m.state in UNFINISHED), None)
    return Followed(
        referral=referral,
        clinician=clinician,
        messages=messages,
        waited=waited,
        planned=planned,
        planned_at=_when(planned.due_at, calendar, now) if planned else None,
        channel=_channel(planned.rung, clinician, messages) if planned else None,
        letter=letter,
        letter_at=_when(letter.not_before, calendar, now) if letter else None,
        question=question,
    )


def _when(due: datetime, calendar: BusinessCalendar, now: datetime) -> datetime:
    """What is overdue happens at the next opening: nothing goes out at night."""
    return calendar.next_opening(max(due, now))


def last_letter(messages: Iterable[Message]) -> Message | None:
    """The newest letter that was handed over, or is on its way; `messages` are newest first."""
    return next((m for m in messages if m.state in (*REACHED, *UNFINISHED) and m.kind in WITH_LINK), None)


def _channel(rung: Rung, clinician: Clinician, messages: tuple[Message, ...]) -> Channel | None:
    contact = contact_for(rung, clinician, carrier_of(last_letter(messages)))
    return contact.channel if contact else None
