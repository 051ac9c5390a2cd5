"""Hours and closed days of the clinic and of outside clinicians; what is planned follows them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.calendar import BusinessCalendar, Closure, Hours
from referral.domain.errors import InvalidInput, Issue
from referral.domain.office_hours import checked_closure, checked_hours, refuse_shut
from referral.services.calendars import calendar_of, clinic_calendar, hours_of
from referral.services.replan import calendar_changed
from referral.storage import audit, clinics, closures, directory
from referral.storage.db import Session, hold

# Of one office, from today on.
_MOST: Final = 200


def set_hours(
    session: Session,
    actor: Actor,
    clinician_id: str | None,
    typed: tuple[str, str, str],
    closed_weekdays: Iterable[str],
    now: datetime,
) -> int:
    """`typed` are opens, closes and sends; `clinician_id` None: the clinic's. Returns requests moved at once.

    Hours that are kept already change nothing. Raises InvalidInput for times outside of 8:00 to 17:00, and
    where nothing would be open.
    """
    hold(session, "calendar")
    hours = checked_hours(*typed, closed_weekdays)
    if clinician_id is None:
        if hours.closed_weekdays:
            raise InvalidInput(Issue("Only an outside office has closed weekdays.", ("opens",), "value"))
        if hours == hours_of(clinics.current(session)):
            return 0
        closures.set_clinic_hours(session, clinics.current(session).settings, hours)
    else:
        if hours == directory.get_clinician(session, clinician_id).hours:
            return 0
        closures.set_clinician_hours(session, clinician_id, hours)
    _record(session, actor, "set-hours", clinician_id, **_told(hours))
    return calendar_changed(session, clinician_id, "hours", now)


def clear_hours(session: Session, actor: Actor, clinician_id: str, now: datetime) -> int:
    """The clinician's office has the clinic's hours again."""
    hold(session, "calendar")
    if directory.get_clinician(session, clinician_id).hours is None:
        return 0
    closures.set_clinician_hours(session, clinician_id, None)
    _record(session, actor, "clear-hours", clinician_id)
    return calendar_changed(session, clinician_id, "hours", now)


def _told(hours: Hours) -> dict[str, Any]:
    return {
        "opens": f"{hours.opens:%H:%M}",
        "closes": f"{hours.closes:%H:%M}",
        "sends": f"{hours.sends:%H:%M}",
        "closed_weekdays": [str(day) for day in sorted(hours.closed_weekdays)],
    }


def close_days(
    session: Session,
    actor: Actor,
    clinician_id: str | None,
    typed: tuple[str, str, str],
    now: datetime,
) -> Closure:
    """`typed` are the first and the last day and words; without a last day it is one. The same a second
    time is the same closure.

    Raises InvalidInput for days that are over, for ranges of more than half a year, and where these days
    together with others would leave nothing open for half a year.
    """
    hold(session, "calendar")
    first, last, words = typed
    today = _today(session, clinician_id, now)
    made = checked_closure(str(uuid.uuid4()), first, last, words, today=today, clinician_id=clinician_id)
    known = closures.of(session, [clinician_id] if clinician_id else [])[clinician_id or ""]
    same = next((closure for closure in known if replace(closure, id=made.id) == made), None)
    return same or add_closure(session, actor, made, now)


def add_closure(session: Session, actor: Actor, made: Closure, now: datetime) -> Closure:
    """A closure that has been checked. The caller holds `calendar`.

    Raises InvalidInput where an office has more of them than anybody has holidays: sweeps read them all.
    """
    if closures.count_ahead(session, made.clinician_id, _today(session, made.clinician_id, now)) >= _MOST:
        text = f"There are {_MOST} closed days or ranges ahead already. Remove some, or join some of them."
        raise InvalidInput(Issue(text, ("first_on",), "business-rule"))
    closures.add(session, made, actor.id, now)
    refuse_shut(_calendar(session, made.clinician_id), made)
    days = {"first_on": made.first_on.isoformat(), "last_on": made.last_on.isoformat()}
    _record(session, actor, "close-days", made.clinician_id, closure=made.id, **days)
    calendar_changed(session, made.clinician_id, "closed-days", now)
    return made


def open_days(session: Session, actor: Actor, closure_id: str, now: datetime) -> Closure:
    """Take closed days back. Those that are over stay closed: nobody was reminded on them."""
    hold(session, "calendar")
    closure = closures.get(session, closure_id)
    yesterday = _today(session, closure.clinician_id, now) - timedelta(days=1)
    closures.end(session, closure, min(yesterday, closure.last_on))
    _record(session, actor, "open-days", closure.clinician_id, closure=closure.id)
    calendar_changed(session, closure.clinician_id, "opened-days", now)
    return closure


def _calendar(session: Session, clinician_id: str | None) -> BusinessCalendar:
    if clinician_id is None:
        return clinic_calendar(session)
    return calendar_of(session, directory.get_clinician(session, clinician_id))


def _today(session: Session, clinician_id: str | None, now: datetime) -> date:
    """Where the office is."""
    return _calendar(session, clinician_id).local_date(now)


def _record(session: Session, actor: Actor, what: str, clinician_id: str | None, **detail: Any) -> None:
    entity = f"PractitionerRole/{clinician_id}" if clinician_id else None
    entry = AuditEntry(action=Action.UPDATE, subtype=what, entity=entity, detail=detail)
    audit.record(session, actor, entry)
