"""Procedure: an infusion that was started through the gate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from referral.domain.policy import SNOMED_CT
from referral.fhir.elements import Ref, Resource, coding, instant, reference
from referral.fhir.systems import DEFAULT, LocalSystems

_INFUSION: Final = coding(SNOMED_CT, "14152002", "Intravenous infusion")


def infusion(
    id: str,
    *,
    order_id: str,
    patient_id: str,
    started_at: datetime,
    ended_at: datetime | None = None,
    performer: Ref | None = None,
    condition_ids: Sequence[str] = (),
    local: LocalSystems = DEFAULT,
) -> Resource:
    """In progress since `started_at`; completed once there is an end."""
    period = {"start": instant(started_at)}
    if ended_at is not None:
        period["end"] = instant(ended_at)
    resource: Resource = {
        "resourceType": "Procedure",
        "id": id,
        "identifier": [local.identifier("treatment", id)],
        "basedOn": [{"reference": f"ServiceRequest/{order_id}"}],
        "status": "in-progress" if ended_at is None else "completed",
        "code": {
            "coding": [local.coding("request-code", "ketamine-infusion"), _INFUSION],
            "text": "Ketamine infusion",
        },
        "subject": {"reference": f"Patient/{patient_id}"},
        "performedPeriod": period,
    }
    if performer is not None:
        resource["performer"] = [{"actor": reference(performer)}]
    if condition_ids:
        resource["reasonReference"] = [{"reference": f"Condition/{id_}"} for id_ in condition_ids]
    return resource
