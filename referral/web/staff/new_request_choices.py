"""Patients, indications and clinicians as things to choose, and what the selects of the form offer."""

from __future__ import annotations

from datetime import date
from typing import Final

from referral.domain.codes import ClinicianKind
from referral.domain.contacts import best
from referral.domain.npi import KIND_LABEL, deciding_taxonomy
from referral.domain.nppes import Registered, spoken
from referral.domain.nucc import taxonomy_name
from referral.domain.policy import Indication, IndicationClass, Policy
from referral.domain.records import Clinician, Patient
from referral.domain.time_zones import STATES
from referral.web.staff import present
from referral.web.staff.clock import born
from referral.web.staff.models import Badge, Choice, ClinicianOptions

# What stands in the form for somebody of the register; ids of the directory hold no colon.
_REGISTERED: Final = "npi:"
_TIME_ZONES: Final = {
    "America/New_York": "Eastern",
    "America/Chicago": "Central",
    "America/Denver": "Mountain",
    "America/Phoenix": "Mountain, Arizona",
    "America/Los_Angeles": "Pacific",
    "America/Anchorage": "Alaska",
    "Pacific/Honolulu": "Hawaii",
    "America/Puerto_Rico": "Atlantic, Puerto Rico",
    "Pacific/Guam": "Chamorro",
    "Pacific/Pago_Pago": "Samoa",
}


def patient_choice(patient: Patient, *, checked: bool = False) -> Choice:
    """Name and date of birth, which together tell people apart."""
    return Choice(patient.id, present.named(patient), f"born {born(patient.birth_date)}", checked=checked)


def indication_value(indication: Indication) -> str:
    """What stands in the form for a code."""
    return f"{indication.system}|{indication.code}"


def indication_choice(indication: Indication, policy: Policy, *, checked: bool = False) -> Choice:
    """With what clinic policy makes of it."""
    found = policy.classify(indication)
    needs = {
        IndicationClass.MENTAL_HEALTH: "recommendation needed",
        IndicationClass.PAIN: "no recommendation needed",
        None: "not in clinic policy",
    }[found]
    badge = None if found else Badge("waiting", "Not classified", "warning")
    return Choice(
        indication_value(indication), indication.display, f"{indication.code} · {needs}", badge, checked
    )


def clinician_choice(
    clinician: Clinician, policy: Policy, deactivated_on: date | None = None, *, checked: bool = False
) -> Choice:
    """With a warning where asking this clinician would lead nowhere."""
    parts = [KIND_LABEL[clinician.kind], clinician.practice, *clinician.address[-1:]]
    warning = "Not accepted by clinic policy" if clinician.kind not in policy.eligible else ""
    warning = deactivated(deactivated_on) if deactivated_on else warning
    if not warning and best(clinician.contacts) is None:
        warning = "No working contact" if clinician.contacts else "No e-mail, fax or address"
    badge = Badge("waiting", warning, "warning") if warning else None
    detail = " · ".join(part for part in parts if part)
    return Choice(clinician.id, present.titled(clinician), detail, badge, checked)


def deactivated(since: date) -> str:
    """What is said of a clinician whose NPI has been taken away."""
    return f"NPI deactivated on {since:%B} {since.day}, {since.year}"


def is_registered(value: str) -> bool:
    """The value of a choice of registered_choice()."""
    return value.startswith(_REGISTERED)


def npi_of(value: str) -> str:
    """The NPI of such a choice, empty for any other."""
    return value.removeprefix(_REGISTERED)[:10] if is_registered(value) else ""


def registered_choice(record: Registered, policy: Policy, *, checked: bool = False) -> Choice:
    """Somebody of the national register, with what they do and where."""
    taxonomy = deciding_taxonomy(record.taxonomies)
    place = ", ".join(part for part in (spoken(record.city), record.state) if part)
    parts = [taxonomy_name(taxonomy) if taxonomy else "", place, "national register"]
    warning = "Not accepted by clinic policy" if record.kind not in policy.eligible else ""
    if record.deactivated_on:
        warning = deactivated(record.deactivated_on)
    badge = Badge("waiting", warning, "warning") if warning else None
    label = f"{record.name}, {record.credentials}".rstrip(", ")
    return Choice(
        f"{_REGISTERED}{record.npi}", label, " · ".join(part for part in parts if part), badge, checked
    )


def clinician_options(policy: Policy) -> ClinicianOptions:
    """Kinds that the policy accepts come first."""
    kinds = sorted(ClinicianKind, key=lambda kind: kind not in policy.eligible)
    return ClinicianOptions(
        kinds=tuple(Choice(kind, _kind_label(kind, policy)) for kind in kinds),
        states=tuple(Choice(state, state) for state in STATES),
        time_zones=tuple(Choice(zone, label) for zone, label in _TIME_ZONES.items()),
    )


def _kind_label(kind: ClinicianKind, policy: Policy) -> str:
    label = KIND_LABEL[kind]
    not_accepted = "" if kind in policy.eligible else ", not accepted"
    return f"{label[:1].upper()}{label[1:]}{not_accepted}"
