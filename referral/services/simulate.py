"""A request under a pretend clock, by the ladder and the calendars of a clinic; nothing is sent or written.

A made-up request is about nobody. A real one starts where it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from referral.domain import simulation
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calendar import Closure, Hours
from referral.domain.calls import CallReason
from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue
from referral.domain.outgoing import REACHED, UNFINISHED, WITH_LINK, MessageState
from referral.domain.records import Clinician, Contact, Referral
from referral.domain.reminders import Ladder
from referral.domain.scenario_text import Read, Typed, read, read_closed, read_start
from referral.domain.simulation import Entry, Letter, Scenario, Standing, simulate
from referral.services.calendars import business_calendar, calendar_of, federal_holidays, hours_of
from referral.services.climb import climb_of, ladder_of
from referral.storage import audit, calls, clinics, closures, directory, outbox, referrals
from referral.storage.db import Session
from referral.storage.outbox import Message

WRITTEN: Final = (Channel.EMAIL, Channel.FAX, Channel.SMS, Channel.POST)
_CLOSED: Final = "a closed day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a clinic has set: the default of the house where there is no clinic."""

    ladder: Ladder = field(default_factory=Ladder)
    hours: Hours = field(default_factory=Hours)
    closed: tuple[Closure, ...] = ()
    time_zone: str = "America/Denver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A made-up request as typed. `start` is local to `time_zone`; `ways` are channels, in any order."""

    start: str
    time_zone: str
    ways: Sequence[str] = ("email", "fax")
    closed: Sequence[str] = ()
    typed: Typed = field(default_factory=Typed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """`closed` are the weekdays around it on which nothing goes out, with the reason."""

    scenario: Scenario
    entries: tuple[Entry, ...]
    closed: dict[date, str]

    @property
    def time_zone(self) -> ZoneInfo:
        return self.scenario.calendar.time_zone


def rules_of(session: Session) -> Rules:
    """Those in force in the clinic of this transaction."""
    clinic = clinics.current(session)
    days = (date.fromisoformat(day) for day in clinic.settings.get("closed_days", []))
    single = tuple(Closure(id=f"{day}", first_on=day, last_on=day, words=_CLOSED) for day in days)
    return Rules(
        ladder=clinics.policy_in_force(session)[1],
        hours=hours_of(clinic),
        closed=(*closures.of(session, ())[""], *single),
        time_zone=clinic.time_zone,
    )


def simulate_asked(rules: Rules, asked: Asked) -> Simulated:
    """Pure. Raises InvalidInput with every field that could not be read."""
    if asked.time_zone not in available_timezones():
        text = f"“{asked.time_zone[:60]}” is no time zone. Write one such as America/New_York."
        raise InvalidInput(Issue(text, ("time_zone",), "value"))
    closed = (*rules.closed, *read_closed(asked.closed, _CLOSED))
    calendar = business_calendar(asked.time_zone, rules.hours, closed)
    try:
        starts_at = read_start(asked.start, calendar)
        happened = read(asked.typed, calendar, starts_at)
        ways = _ways(asked.ways, starts_at)
        return _run(simulation.asked(rules.ladder, calendar, ways, starts_at), happened, closed)
    except ValueError as error:
        text = "These closed days leave no business day within a year; take some out."
        raise InvalidInput(Issue(text, ("closed",), "value")) from error


def simulate_request(
    session: Session, actor: Actor, referral_id: str, typed: Typed, now: datetime
) -> tuple[Referral, Simulated]:
    """A real request from where it stands, with its own ladder and its clinician's calendar.

    What has been typed is added; `dayN` counts from today. Raises NotFound, and InvalidInput as above.
    """
    referral = referrals.get(session, referral_id)
    clinician = directory.get_clinician(session, referral.clinician_id)
    calendar = calendar_of(session, clinician)
    scenario = Scenario(
        ladder=ladder_of(session, referral),
        calendar=calendar,
        starts_at=now,
        standing=_standing(session, referral, clinician),
    )
    entry = AuditEntry(
        action=Action.READ,
        subtype="foresee",
        entity=f"ServiceRequest/{referral.id}",
        patient_id=referral.patient_id,
    )
    audit.record(session, actor, entry)
    of_clinic = closures.of(session, [clinician.id])
    closed = (*rules_of(session).closed, *of_clinic[clinician.id])
    if not referral.is_open:
        return referral, Simulated(scenario=scenario, entries=(), closed={})
    return referral, _run(scenario, read(typed, calendar, now), closed)


def _run(scenario: Scenario, happened: Read, closed: Iterable[Closure]) -> Simulated:
    scenario = replace(
        scenario,
        happenings=happened.happenings,
        troubles=happened.troubles,
        refusing=happened.refusing,
    )
    entries = simulate(scenario)
    last = entries[-1].at if entries else scenario.starts_at
    shut = _closed_days(scenario, tuple(closed), last + timedelta(days=7))
    return Simulated(scenario=scenario, entries=entries, closed=shut)


def _closed_days(scenario: Scenario, closed: tuple[Closure, ...], end: datetime) -> dict[date, str]:
    """By the calendar that the simulation has used; the names are looked up beside it."""
    calendar = scenario.calendar
    day, last = calendar.local_date(scenario.starts_at), calendar.local_date(end)
    day -= timedelta(days=7)
    names = dict(federal_holidays(day, last))
    found: dict[date, str] = {}
    while day <= last:
        if day.weekday() < 5 and not calendar.is_business_day(day):
            words = next((closure.words for closure in closed if closure.covers(day)), _CLOSED)
            found[day] = names.get(day, words)
        day += timedelta(days=1)
    return found


def _ways(names: Sequence[str], verified_at: datetime) -> tuple[Contact, ...]:
    if not names:
        raise InvalidInput(Issue("Choose at least one way to reach the recipient.", ("ways",), "required"))
    unknown = [name for name in names if name not in WRITTEN]
    if unknown:
        text = f"“{unknown[0][:60]}” is no way to send a letter. Write {', '.join(WRITTEN)}."
        raise InvalidInput(Issue(text, ("ways",), "value"))
    return tuple(
        Contact(id=name, channel=Channel(name), address="", source="simulation", verified_at=verified_at)
        for name in dict.fromkeys(names)
    )


def _standing(session: Session, referral: Referral, clinician: Clinician) -> Standing:
    messages = outbox.find(session, referral_id=referral.id)
    ways = {contact.id: contact for contact in clinician.contacts}
    sent = [m for m in messages if m.kind in WITH_LINK and m.state in REACHED]
    refused = [m for m in messages if m.state is MessageState.FAILED]
    return Standing(
        climb=climb_of(referral),
        contacts=clinician.contacts,
        waiting=tuple(_letter(m, ways) for m in messages if m.state in UNFINISHED and m.contact_id in ways),
        # The storage gives the newest first.
        handed=tuple(_letter(m, ways) for m in reversed(sent)),
        refused=frozenset(m.contact_id for m in refused),
        stopped=outbox.stopped_reminders(session, referral.id),
        delivered=referral.delivered_at is not None,
        held_at=referral.held_at,
        paused_until=referral.paused_until,
        calls=any(one.why is CallReason.ONLY_CONTACT for one in calls.of_referral(session, referral.id)),
    )


def _letter(message: Message, ways: dict[str, Contact]) -> Letter:
    """A contact that is no longer on file gets nothing, but its letter was the last one all the same."""
    gone = Contact(id=message.contact_id, channel=message.channel, address="", source="")
    return Letter(
        kind=message.kind,
        ordinal=message.ordinal,
        contact=ways.get(message.contact_id, gone),
        decided_at=message.created_at,
        not_before=message.not_before,
        tries=message.tries,
        sent_at=message.finished_at if message.state in REACHED else None,
    )
