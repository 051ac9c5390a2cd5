"""Encounter: the initial consultation that everybody needs."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from referral.domain.policy import SNOMED_CT
from referral.domain.records import Order
from referral.fhir.elements import Ref, Resource, coding, instant, reference
from referral.fhir.systems import ACT_CODE, DEFAULT, LocalSystems

_AMBULATORY: Final = coding(ACT_CODE, "AMB", "ambulatory")
_CONSULTATION: Final = coding(SNOMED_CT, "11429006", "Consultation")


def consultation(
    id: str,
    order: Order,
    *,
    held_at: datetime,
    participant: Ref | None = None,
    service_provider: Ref | None = None,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The finished consultation; not `basedOn` the order, for such an Encounter counts as a start."""
    at = instant(held_at)
    resource: Resource = {
        "resourceType": "Encounter",
        "id": id,
        "identifier": [local.identifier("encounter", id)],
        "status": "finished",
        "class": _AMBULATORY,
        "type": [
            {
                "coding": [
                    local.coding("encounter-type", "initial-consultation"),
                    local.coding("gate-requirement", "initial-consultation"),
                    _CONSULTATION,
                ],
                "text": "Initial consultation before ketamine infusions",
            }
        ],
        "subject": {"reference": f"Patient/{order.patient_id}"},
        "period": {"start": at, "end": at},
    }
    if participant is not None:
        resource["participant"] = [{"individual": reference(participant)}]
    if service_provider is not None:
        resource["serviceProvider"] = reference(service_provider)
    return resource
