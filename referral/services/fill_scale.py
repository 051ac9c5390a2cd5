"""The patient fills in a scale on their own page: what waits for them, one scale, the crisis line at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import NotFound
from referral.domain.scales import FORMS, Form, Scale, Source
from referral.services.keep_scale import Filling, keep_scale
from referral.storage import audit, safety_tasks, scales
from referral.storage.db import Session
from referral.storage.patient_links import PatientLink
from referral.storage.scales import ScaleRequest


def scales_to_fill(session: Session, link: PatientLink) -> list[Scale]:
    """What this patient has been asked to fill in, in the order in which it was asked for."""
    return [asked.scale for asked in scales.waiting(session, link.patient_id)]


def needs_help(session: Session, link: PatientLink) -> bool:
    """A sign of self-harm of this patient waits for a person: until then their page shows the crisis line."""
    return safety_tasks.waits_for(session, link.patient_id)


def open_scale(session: Session, actor: Actor, link: PatientLink, name: str) -> Form:
    """The form that was asked for; NotFound for one that was not, or is filled in already."""
    asked = _asked(session, link, name)
    entry = AuditEntry(
        action=Action.READ,
        subtype="scale-page",
        entity=f"Patient/{link.patient_id}",
        patient_id=link.patient_id,
        detail={"scale": asked.scale},
    )
    audit.record(session, actor, entry)
    return FORMS[asked.scale]


def fill_in(
    session: Session, actor: Actor, link: PatientLink, name: str, answers: Mapping[str, int], now: datetime
) -> None:
    """Keep the answers; a second click keeps nothing more, since nothing is asked any more (NotFound)."""
    asked = _asked(session, link, name)
    new = Filling(
        id=asked.id,
        patient_id=link.patient_id,
        order_id=asked.order_id,
        scale=asked.scale,
        answers=answers,
        source=Source.PATIENT,
    )
    keep_scale(session, actor, new, now)


def _asked(session: Session, link: PatientLink, name: str) -> ScaleRequest:
    found = next((asked for asked in scales.waiting(session, link.patient_id) if asked.scale == name), None)
    if found is None:
        raise NotFound("There is nothing to fill in here.")
    return found
