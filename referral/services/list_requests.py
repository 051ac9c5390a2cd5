"""The list of all requests; a look leaves audit rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Final

from referral.domain.audit import Actor
from referral.domain.calendar import BusinessCalendar
from referral.domain.listing import Page, View
from referral.domain.records import Patient
from referral.services.calendars import clinic_calendar
from referral.services.follow_requests import Followed, follow
from referral.services.note_shown import note_shown
from referral.storage import directory
from referral.storage.db import Session
from referral.storage.lists import requests

# The rungs of the usual ladder: who waits for as many business days.
AGES: Final = ("2", "4", "6", "8", "10")
# Due by then, from today on, in business days of the clinic.
DUE: Final = {"today": 0, "tomorrow": 1, "week": 5}


@dataclass(frozen=True, slots=True)
class ListedRequest:
    followed: Followed
    patient: Patient


def list_requests(session: Session, actor: Actor, view: View, now: datetime) -> Page[ListedRequest]:
    """Open ones unless another state is asked for. `age` and `due` count business days of the clinic."""
    calendar = clinic_calendar(session)
    moments = _moments(view, calendar, now)
    page = requests.listed(session, replace(view, filters={**view.filters, **moments}), now)
    people = directory.get_patients(session, {referral.patient_id for referral in page.rows})
    rows = [ListedRequest(f, people[f.referral.patient_id]) for f in follow(session, page.rows, now)]
    note_shown(session, actor, view.noted("requests"), (row.patient.id for row in rows), list="requests")
    return page.of(rows)


def _moments(view: View, calendar: BusinessCalendar, now: datetime) -> Mapping[str, str]:
    """Business days of the list as the moments that the rows can be compared with."""
    found = {}
    age, due = view.wants("age"), view.wants("due")
    if age in AGES:
        found["started_until"] = calendar.business_day_before(now, int(age)).isoformat()
    if due in DUE:
        last = calendar.local_date(calendar.business_day_after(now, DUE[due]))
        found["due_until"] = calendar.at(last, time.max).isoformat()
    return found
