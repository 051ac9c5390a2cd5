"""The number that a patient gets text messages at, as the front desk has asked for it."""

from __future__ import annotations

from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel
from referral.domain.errors import InvalidInput, Issue
from referral.fhir.contact_values import normal_address
from referral.fhir.patient_contacts import with_mobile
from referral.services import publish
from referral.storage import audit, directory, resources
from referral.storage.db import Session


def keep_mobile(session: Session, actor: Actor, patient_id: str, typed: str, now: datetime) -> str:
    """Write it into the patient's record as their mobile and return it (E.164), "" where none was typed.

    Another mobile of the record is no longer used. The record stays the source: a connected system that sends
    it without the number takes it away. Raises InvalidInput with the field `mobile`, and NotFound.
    """
    patient = directory.get_patient(session, patient_id)
    number = normal_address(Channel.SMS, typed, "mobile") if typed.strip() else ""
    record = resources.read(session, "Patient", patient.id).document
    telecom = with_mobile(record, number or None)
    if telecom == record.get("telecom", []):
        raise InvalidInput(Issue("This is on record already; nothing was changed.", ("mobile",), "duplicate"))
    publish.patient_telecom(session, patient.id, telecom, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="patient-mobile",
        entity=f"Patient/{patient.id}",
        patient_id=patient.id,
        detail={"kept": bool(number)},
    )
    audit.record(session, actor, entry)
    return number
