"""The audit trail for people who look into it; looking is on the trail, too. No narrative is in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Final

from referral.domain.audit import Actor
from referral.domain.listing import Page, View, day_asked
from referral.services.calendars import clinic_calendar
from referral.services.note_shown import note_shown
from referral.storage import accounts, api_clients, directory, referrals
from referral.storage.audit import AuditRow
from referral.storage.db import Session
from referral.storage.lists import audit as trail

_NUMBER: Final = re.compile(r"R-20\d\d-\d{5,}")
# Of one name; the date of birth tells them apart.
_NAMESAKES: Final = 500
# No patient has this id.
_NOBODY: Final = "nobody"
# The audit's word for a look at it.
LOOKED: Final = "list-audit"


@dataclass(frozen=True, slots=True)
class Trail:
    """`names` are those of the clinic's people and systems by id; whoever else has acted has none here."""

    page: Page[AuditRow]
    names: Mapping[str, str]


def list_audit(session: Session, actor: Actor, view: View, now: datetime) -> Trail:
    """Newest first. `from` and `to` are days of the clinic, both included.

    `q` may be what stands on any page, such as the number of a request. Looks at the audit itself are left
    out unless `looks` or `what` asks for them: each leaves a row for every patient that it showed.
    """
    filters = {**view.filters, **_moments(session, view), **_sought(session, view.wants("q"))}
    # What somebody types is written down only where it is an id of ours.
    patient = _known(session, filters.get("patient", ""))
    if filters.get("patient"):
        filters["patient"] = patient or _NOBODY
    if not filters.get("looks") and filters.get("what") != LOOKED:
        filters["without"] = LOOKED
    page = trail.listed(session, replace(view, filters=filters), now)
    shown = Counter(row.patient_id for row in page.rows if row.patient_id)
    if patient:
        # Whoever looks for a patient and finds nothing has asked about them all the same.
        shown.setdefault(patient, 0)
    note_shown(session, actor, view.noted("audit"), shown, list="audit")
    return Trail(page, names(session))


def _known(session: Session, patient_id: str) -> str | None:
    return next(iter(directory.get_patients(session, [patient_id])), None) if patient_id else None


def names(session: Session) -> dict[str, str]:
    """The clinic's people and systems by id."""
    people = {id: user.name for id, user in accounts.get_users(session).items()}
    return people | {client.id: client.name for client in api_clients.clients(session)}


def _moments(session: Session, view: View) -> dict[str, str]:
    calendar = clinic_calendar(session)
    found = {}
    for name, moment, days in (("from", "since_moment", 0), ("to", "until_moment", 1)):
        if (day := day_asked(view.wants(name))) is not None:
            found[moment] = calendar.at(day + timedelta(days=days), time(0)).isoformat()
    return found


def _sought(session: Session, words: str) -> dict[str, str]:
    """What somebody means: a record, a request's number, a patient's id, or a name with a date of birth.

    A name alone finds nobody: the audit is no way to look through the clinic's patients.
    """
    kind, slash, id = words.partition("/")
    if not words:
        return {}
    if slash:
        return {"patient": id} if kind == "Patient" else {"entity": words}
    found = referrals.find_by_number(session, words, 2) if _NUMBER.fullmatch(words) else []
    if found:
        return {"entity": f"ServiceRequest/{found[0].id}"}
    name, _, day = words.rpartition(" ")
    born = day_asked(day, first_year=1850)
    if name and born is not None:
        people = [p for p in directory.find_patients(session, name, limit=_NAMESAKES) if p.birth_date == born]
        return {"patient": people[0].id if len(people) == 1 else _NOBODY}
    return {"patient": words}
