"""Appointment: a booking of an infusion chair, and the Location that a chair is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from referral.domain.booking import REASONS, Booking, BookingStatus, Chair
from referral.domain.policy import SNOMED_CT
from referral.fhir.elements import (
    Ref,
    Resource,
    coding,
    codings,
    every,
    instant,
    reference,
    reference_id,
    text_of,
)
from referral.fhir.intervals import interval
from referral.fhir.overlay import overlay
from referral.fhir.systems import DEFAULT, LocalSystems

_INFUSION: Final = coding(SNOMED_CT, "14152002", "Intravenous infusion")
_WITH_REASON: Final = frozenset({BookingStatus.CANCELLED, BookingStatus.NO_SHOW})
_LONGEST_REASON: Final = 200


def location(chair: Chair, managing_organization: Ref, local: LocalSystems = DEFAULT) -> Resource:
    """The chair as a place; HL7's physical types know beds and rooms but no chairs, hence a text."""
    return {
        "resourceType": "Location",
        "id": chair.id,
        "identifier": [local.identifier("chair", chair.id)],
        "status": location_status(chair),
        "name": chair.name,
        "mode": "instance",
        "physicalType": {"text": "Infusion chair"},
        "managingOrganization": reference(managing_organization),
    }


def location_status(chair: Chair) -> str:
    """Location.status of a chair."""
    return "active" if chair.active else "inactive"


def appointment(
    booking: Booking,
    document: Mapping[str, Any],
    chair_ids: Collection[str],
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The Appointment of a booking, laid over `document`: what a client sent, what is stored, or nothing.

    `chair_ids` are those of all chairs of the clinic: another Location that takes part is the client's.
    """
    stored = document.get("participant")
    managed: Resource = {
        "identifier": [local.identifier("booking", booking.id)],
        "status": booking.status.value,
        "start": instant(booking.starts_at),
        "end": instant(booking.ends_at),
        "basedOn": [{"reference": f"ServiceRequest/{booking.order_id}"}],
        "participant": _participants(booking, stored if isinstance(stored, list) else [], chair_ids),
        "extension": [_release(booking, local)],
    }
    for name, moment in (("start", booking.starts_at), ("end", booking.ends_at)):
        found = interval(document.get(name))
        if found and found[0] == moment:
            managed.pop(name)  # the client's own spelling of the same instant
    reason = _reason(booking, local)
    kept = {name: value for name, value in document.items() if name != "cancelationReason"}
    if reason is not None:
        managed["cancelationReason"] = reason
    return overlay({**_beginning(booking, local), **kept}, managed)


def _beginning(booking: Booking, local: LocalSystems) -> Resource:
    """What a client may say in its own words."""
    infusion = local.coding("request-code", "ketamine-infusion")
    return {
        "resourceType": "Appointment",
        "id": booking.id,
        "serviceType": [{"coding": [infusion, _INFUSION], "text": "Ketamine infusion"}],
        "created": instant(booking.created_at),
    }


def _participants(booking: Booking, stored: list[Any], chair_ids: Collection[str]) -> list[Any]:
    """Patient and chair are ours; whom else the client has invited stays."""
    others = [item for item in stored if not _is_ours(item, chair_ids)]
    status = "tentative" if booking.status is BookingStatus.PENDING else "accepted"
    ours: list[Any] = [{"actor": {"reference": f"Patient/{booking.patient_id}"}, "status": status}]
    if booking.chair_id is not None:
        ours.append({"actor": {"reference": f"Location/{booking.chair_id}"}, "status": status})
    return [*ours, *others]


def _is_ours(participant: object, chair_ids: Collection[str]) -> bool:
    actor = participant.get("actor") if isinstance(participant, Mapping) else None
    return reference_id(actor, "Patient") is not None or reference_id(actor, "Location") in chair_ids


def _reason(booking: Booking, local: LocalSystems) -> Resource | None:
    if booking.status not in _WITH_REASON or not booking.reason:
        return None
    if booking.reason in REASONS:
        return local.concept("booking-reason", booking.reason)
    return {"text": booking.reason}


def _release(booking: Booking, local: LocalSystems) -> Resource:
    """Until when a tentative booking is held; with nothing but its url it takes the extension away."""
    url = local.extension("booking-release-at")
    if booking.release_at is None:
        return {"url": url}
    return {"url": url, "valueInstant": instant(booking.release_at)}


# ---- What a client asks for


def times_in(document: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """Start and end in UTC; None where one of them is missing."""
    start, end = interval(document.get("start")), interval(document.get("end"))
    return (start[0], end[0]) if start and end else None


def locations_in(document: Mapping[str, Any]) -> list[str]:
    """Ids of the Locations that take part."""
    ids = (reference_id(item.get("actor"), "Location") for item in every(document, "participant"))
    return [id for id in ids if id]


def reason_in(document: Mapping[str, Any], local: LocalSystems = DEFAULT) -> str:
    """Our own code where there is one, else the client's words; empty where nothing is said."""
    concept = document.get("cancelationReason")
    ours = local.system("booking-reason")
    for system, code, _ in codings(concept):
        if system == ours and code in REASONS:
            return code
    return text_of(concept)[:_LONGEST_REASON]
