"""What the type-ahead boxes ask for, as JSON: {"items": [{value, label, detail, warning}], "more": bool}."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import JSONResponse, Response

from referral.services.find_indications import find_indications
from referral.services.find_people import look_up_patients
from referral.storage import clinics
from referral.web.staff.frame import Ask, query_of
from referral.web.staff.models import Choice
from referral.web.staff.new_request_choices import indication_choice, patient_choice
from referral.web.staff.new_request_view import clinician_choices
from referral.web.turn import Router

router: Final = Router(prefix="/lookups", include_in_schema=False)
_LIMIT: Final = 10


def _answer(choices: list[Choice], *, more: bool) -> Response:
    items = [
        {
            "value": choice.value,
            "label": choice.label,
            "detail": choice.detail,
            "warning": choice.badge.text if choice.badge else "",
        }
        for choice in choices
    ]
    return JSONResponse({"items": items, "more": more})


@router.get("/patients")
def look_up_patient(request: Request, visitor: Ask) -> Response:
    """By name or date of birth."""
    found, more = look_up_patients(visitor.session, visitor.actor, query_of(request, "q"), _LIMIT)
    return _answer([patient_choice(patient) for patient in found], more=more)


@router.get("/indications")
def look_up_indication(request: Request, visitor: Ask) -> Response:
    """By code, word or abbreviation."""
    policy, _ = clinics.policy_in_force(visitor.session)
    found, more = find_indications(query_of(request, "q"), policy, _LIMIT)
    return _answer([indication_choice(item.indication, policy) for item in found], more=more)


@router.get("/clinicians")
def look_up_clinician(request: Request, visitor: Ask) -> Response:
    """The directory first, then the national register; without words, who was asked about the patient."""
    words, patient_id = query_of(request, "q"), query_of(request, "patient")
    policy, _ = clinics.policy_in_force(visitor.session)
    choices, more = clinician_choices(visitor, policy, words, patient_id, _LIMIT)
    return _answer(choices, more=more)
