"""The New request form as it came, read into what the use case takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from starlette.datastructures import FormData

from referral.domain.policy import ICD_10_CM, Indication
from referral.services.find_indications import indication_of
from referral.services.keep_directory import NewPatient
from referral.services.send_new_request import Draft
from referral.storage import orders
from referral.web.dependencies import Visitor
from referral.web.staff.frame import texts
from referral.web.staff.new_clinician import new_clinician
from referral.web.staff.new_request_choices import indication_value, is_registered, npi_of
from referral.web.staff.patient_view import LANGUAGES

_MOST_INDICATIONS: Final = 6


@dataclass(frozen=True, slots=True)
class Typed:
    """The form as it came. `unknown` are indication values that stand for nothing we know."""

    values: Mapping[str, str]
    indications: tuple[Indication, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.values.get("form_key", "")[:64]


def read_form(visitor: Visitor, form: FormData) -> Typed:
    """Values by field; indications are looked up, so that nobody can word a code themselves."""
    values = texts(form)
    wanted = dict.fromkeys(v for v in form.getlist("indication") if isinstance(v, str) and v)
    known: dict[str, Indication] = {}
    patient_id = values.get("patient", "")
    ordered = _ordered(visitor, patient_id) if patient_id not in ("", "new") else {}
    for value in list(wanted)[:_MOST_INDICATIONS]:
        system, _, code = value.partition("|")
        found = ordered.get(value) or (indication_of(code) if system == ICD_10_CM else None)
        if found is not None:
            known[value] = found
    return Typed(values, tuple(known.values()), tuple(v for v in wanted if v not in known))


def _ordered(visitor: Visitor, patient_id: str) -> dict[str, Indication]:
    """Indications of the patient's orders, which a connected system may have coded in its own way."""
    found = orders.of_patients(visitor.session, [patient_id])
    return {indication_value(i): i for order in found for i in order.indications}


def draft_of(typed: Typed) -> Draft:
    """What the use case takes; numbers and dates that cannot be read are left out (`problems` names them)."""
    values = typed.values
    patient, clinician = values.get("patient", ""), values.get("clinician", "")
    return Draft(
        key=typed.key,
        patient_id="" if patient == "new" else patient,
        new_patient=_new_patient(values) if patient == "new" else None,
        indications=typed.indications,
        infusions=_number(values.get("infusions", "")),
        first_infusion=_day(values.get("first_infusion", "")),
        clinician_id="" if clinician == "new" or is_registered(clinician) else clinician,
        clinician_npi=npi_of(clinician),
        new_clinician=new_clinician(values) if clinician == "new" else None,
        ask_anyway=bool(values.get("ask_anyway")),
    )


def _new_patient(values: Mapping[str, str]) -> NewPatient:
    language = values.get("language", "en")
    return NewPatient(
        given=values.get("given", ""),
        family=values.get("family", ""),
        birth_date=values.get("birth_date", ""),
        telephone=values.get("patient_phone", ""),
        email=values.get("patient_email", ""),
        language=language if language in LANGUAGES else "en",
    )


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() and 1 <= int(text.strip()[:6]) <= 60 else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def problems(typed: Typed, today: date) -> dict[str, str]:
    """What is wrong with fields that the use case does not see as they were typed."""
    found: dict[str, str] = {}
    if typed.unknown:
        codes = ", ".join(value.partition("|")[2] or value for value in typed.unknown)
        found["indication_query"] = f"There is no ICD-10-CM code {codes[:40]}. Choose from the list."
    if _number(typed.values.get("infusions", "")) is None:
        found["infusions"] = "How many infusions are planned? A number from 1 to 60."
    text = typed.values.get("first_infusion", "").strip()
    first = _day(text)
    if text and first is None:
        found["first_infusion"] = "Write the date as year-month-day, or leave it empty."
    elif first is not None and first < today:
        found["first_infusion"] = "This day has passed."
    return found
