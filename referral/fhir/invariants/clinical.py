"""Invariants of the clinical and administrative resources that are served."""

from __future__ import annotations

from typing import Final

from referral.fhir.intervals import starts_after
from referral.fhir.invariants.reading import (
    Element,
    Rule,
    chosen,
    coded,
    each,
    has,
    needs,
    not_both,
    one_of,
    part,
    text,
    unless,
)
from referral.fhir.reference_targets import parse_reference

_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def _organization_use(name: str) -> Rule:
    """An organization has no home."""

    def check(element: Element) -> tuple[str | int, ...] | None:
        for index, value in each(element, name):
            if text(value, "use") == "home":
                return (name, index, "use")
        return None

    return check


def _member_may_act_for(element: Element) -> bool:
    member = part(element, "member")
    literal = parse_reference(member.get("reference"))
    kind = literal.type if literal else text(member, "type")
    return not has(element, "onBehalfOf") or kind in {"", "Practitioner"}


def _patient_needed(scope: str) -> Rule:
    """R4's expression compares with system='something', which nobody uses; this is its sentence."""
    return unless(lambda e: has(e, "patient") or not coded(e, "scope", scope), "patient")


def _abated(element: Element) -> bool:
    over = coded(element, "clinicalStatus", "resolved", "remission", "inactive", system=_CLINICAL)
    return over or not chosen(element, "abatement")


def _no_status_for_errors(element: Element) -> bool:
    wrong = coded(element, "verificationStatus", "entered-in-error", system=_VERIFICATION)
    return not (wrong and has(element, "clinicalStatus"))


def _scheduled(element: Element) -> bool:
    fixed = has(element, "start") and has(element, "end")
    return fixed or text(element, "status") in {"proposed", "cancelled", "waitlist"}


def _component_repeats_code(element: Element) -> bool:
    """obs-7: a component with the code of the Observation would say the value twice."""
    if not chosen(element, "value"):
        return True
    own = _codes(part(element, "code"))
    return not any(own & _codes(part(component, "code")) for _, component in each(element, "component"))


def _codes(concept: Element) -> set[tuple[str, str]]:
    return {(text(c, "system"), text(c, "code")) for _, c in each(concept, "coding") if has(c, "code")}


RULES: Final[dict[tuple[str, str], Rule]] = {
    ("Appointment", "app-2"): unless(lambda e: has(e, "start") == has(e, "end"), "start"),
    ("Appointment", "app-3"): unless(_scheduled, "start"),
    ("Appointment", "app-4"): unless(
        # R4's expression says 'no-show', its value set 'noshow'.
        lambda e: not has(e, "cancelationReason") or text(e, "status") in {"cancelled", "noshow"},
        "cancelationReason",
    ),
    ("Appointment.participant", "app-1"): one_of("type", "actor"),
    ("AuditEvent.entity", "sev-1"): not_both("name", "query"),
    ("CareTeam.participant", "ctm-1"): unless(_member_may_act_for, "onBehalfOf"),
    ("Condition", "con-4"): unless(_abated, "clinicalStatus"),
    ("Condition", "con-5"): unless(_no_status_for_errors, "clinicalStatus"),
    ("Condition.stage", "con-1"): one_of("summary", "assessment"),
    ("Condition.evidence", "con-2"): one_of("code", "detail"),
    ("Consent", "ppc-1"): one_of("policy", "policyRule"),
    ("Consent", "ppc-2"): _patient_needed("patient-privacy"),
    ("Consent", "ppc-3"): _patient_needed("research"),
    ("Consent", "ppc-4"): _patient_needed("adr"),
    ("Consent", "ppc-5"): _patient_needed("treatment"),
    ("MedicationAdministration.dosage", "mad-1"): unless(lambda e: has(e, "dose") or chosen(e, "rate")),
    ("Observation", "obs-6"): unless(
        lambda e: not (has(e, "dataAbsentReason") and chosen(e, "value")), "dataAbsentReason"
    ),
    ("Observation", "obs-7"): unless(_component_repeats_code, "component"),
    ("Observation.referenceRange", "obs-3"): one_of("low", "high", "text"),
    ("Organization", "org-1"): one_of("identifier", "name"),
    ("Organization", "org-2"): _organization_use("address"),
    ("Organization", "org-3"): _organization_use("telecom"),
    ("Patient.contact", "pat-1"): one_of("name", "telecom", "address", "organization"),
    ("ServiceRequest", "prr-1"): needs("orderDetail", "code"),
    ("Task", "inv-1"): unless(
        lambda e: not starts_after(e.get("authoredOn"), e.get("lastModified")), "lastModified"
    ),
}
