"""The clinic's chairs: added, taken out of use, and put back."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.booking import Chair
from referral.domain.errors import InvalidInput, Issue, NotFound, TransitionRefused
from referral.services import publish_booking
from referral.storage import audit, bookings, resources
from referral.storage.db import Session

_LONGEST: Final = 40


def add_chair(session: Session, actor: Actor, name: str, now: datetime) -> Chair:
    """A name of its own, so that nobody is sent to the wrong one; case makes no difference."""
    name = " ".join(name.split())
    if not name or len(name) > _LONGEST:
        raise InvalidInput(
            Issue("Give the chair a name of at most 40 characters.", ("chair_name",), "required")
        )
    bookings.hold_plan(session)
    if any(chair.name.casefold() == name.casefold() for chair in bookings.chairs(session)):
        raise InvalidInput(Issue("There is a chair of this name already.", ("chair_name",), "duplicate"))
    chair = Chair(id=resources.new_id(), name=name)
    bookings.add_chair(session, chair, now)
    publish_booking.chair(session, chair, now)
    _record(session, actor, chair, "chair-added", Action.CREATE)
    return chair


def set_chair(session: Session, actor: Actor, chair_id: str, now: datetime, *, active: bool) -> None:
    """Out of use, or back in it. Refused while bookings that lie ahead need the chair."""
    bookings.hold_plan(session)
    before = next((chair for chair in bookings.chairs(session) if chair.id == chair_id), None)
    if before is None:
        raise NotFound("There is no such chair.")
    if before.active is active:
        return
    if not active and bookings.is_chair_needed(session, chair_id, now):
        text = "Bookings lie ahead on this chair; move or cancel them first."
        raise TransitionRefused(text, "Location.status")
    changed = Chair(id=before.id, name=before.name, active=active)
    bookings.set_chair_active(session, chair_id, active)
    publish_booking.chair_changed(session, changed, now)
    _record(session, actor, changed, "chair-in-use" if active else "chair-out-of-use", Action.UPDATE)


def _record(session: Session, actor: Actor, chair: Chair, what: str, action: Action) -> None:
    entry = AuditEntry(action=action, subtype=what, entity=f"Location/{chair.id}")
    audit.record(session, actor, entry)
