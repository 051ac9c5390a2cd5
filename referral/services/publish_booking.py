"""The FHIR side of chairs and bookings: a Location for each chair, an Appointment for each booking."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from referral.domain.booking import Booking, Chair
from referral.fhir import appointment as mapping
from referral.services.publish import clinic_ref
from referral.storage import bookings, resources
from referral.storage.db import Session


def chair(session: Session, new: Chair, now: datetime) -> None:
    """A chair that has just been added."""
    resources.create(session, [mapping.location(new, clinic_ref(session))], now)


def chair_changed(session: Session, changed: Chair, now: datetime) -> None:
    """Taken out of use, or back into it."""
    resources.amend(session, "Location", changed.id, {"status": mapping.location_status(changed)}, now)


def booking(session: Session, new: Booking, document: dict[str, Any], now: datetime) -> None:
    """A new booking, laid over a client's own Appointment, which may be stored already as a mere proposal."""
    made = laid_over(session, new, document)
    current = resources.find(session, "Appointment", new.id)
    if current is None:
        resources.create(session, [made], now)
    else:
        resources.replace(session, made, current.version, now)


def booking_changed(session: Session, changed: Booking, now: datetime) -> None:
    """The Appointment says what the row says."""
    current = resources.read(session, "Appointment", changed.id)
    before = current.document
    document = laid_over(session, changed, before)
    resources.replace(session, document, current.version, now, before=before)


def laid_over(session: Session, row: Booking, document: dict[str, Any]) -> dict[str, Any]:
    """`document` with our elements as the row has them."""
    chair_ids = {chair.id for chair in bookings.chairs(session)}
    return mapping.appointment(row, document, chair_ids)
