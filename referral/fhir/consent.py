"""Consent: what a patient has agreed to or refused, as far as this service acts on it.

    category treatment-disclosure, or IDSCL for treatment   telling the clinicians who are asked
    category patient-messages                               writing to the patient
    status active, provision permit or none                 granted
    status active, provision deny; rejected                 refused
    status inactive                                         taken back, unless another one has replaced it
    status entered-in-error                                 never said

A refusal that names one recipient holds for all of them, and one whose period ends holds on: what is doubtful
stops. Provisions within the first are not read: they only narrow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from referral.domain.consent import ConsentDecision, ConsentScope
from referral.fhir.elements import Ref, Resource, codings, concept, every, instant
from referral.fhir.systems import ACT_CODE, ACT_REASON, CONSENT_SCOPE, DEFAULT, LocalSystems

_DISCLOSURE: Final = (ACT_CODE, "IDSCL")
# Purposes under which a clinician is asked; none given means all.
_TREATMENT: Final = frozenset({"TREAT", "COC", "CAREMGT", "HOPERAT", "PATRQT"})
# What the words rest on: disclosure for treatment, and the right to ask for a restriction.
_POLICY: Final = "https://www.ecfr.gov/current/title-45/section-164.522"
_TITLE: Final = {
    ConsentScope.RECOMMENDER: "Telling the clinicians who are asked for a recommendation",
    ConsentScope.PATIENT_MESSAGES: "Messages to the patient",
}


def scopes_of(document: Mapping[str, Any], *, local: LocalSystems = DEFAULT) -> frozenset[ConsentScope]:
    """What a Consent is about, of what this service acts on; empty for every other Consent."""
    given = {
        (system, code) for category in every(document, "category") for system, code, _ in codings(category)
    }
    found = {scope for scope in ConsentScope if (local.system("consent-category"), scope.value) in given}
    if _DISCLOSURE in given and _is_for_treatment(document):
        found.add(ConsentScope.RECOMMENDER)
    return frozenset(found)


def _is_for_treatment(document: Mapping[str, Any]) -> bool:
    provision = document.get("provision")
    purposes = every(provision, "purpose") if isinstance(provision, Mapping) else []
    return not purposes or any(purpose.get("code") in _TREATMENT for purpose in purposes)


def decision_of(document: Mapping[str, Any]) -> ConsentDecision | None:
    """None while it is a draft or a proposal."""
    status, provision = document.get("status"), document.get("provision")
    if status == "entered-in-error":
        return ConsentDecision.UNDONE
    if status in ("inactive", "rejected"):
        return ConsentDecision.WITHDRAWN
    if status != "active":
        return None
    denies = isinstance(provision, Mapping) and provision.get("type") == "deny"
    return ConsentDecision.WITHDRAWN if denies else ConsentDecision.GRANTED


def to_fhir(
    id: str,
    patient_id: str,
    scope: ConsentScope,
    decision: ConsentDecision,
    *,
    at: datetime,
    clinic: Ref,
    source: str,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """What the patient has said to the clinic; `source` says how, in words that name nobody."""
    denies = decision is ConsentDecision.WITHDRAWN
    category = [local.concept("consent-category", scope)]
    provision: Resource = {"type": "deny" if denies else "permit"}
    if scope is ConsentScope.RECOMMENDER:
        category.insert(0, concept(*_DISCLOSURE, "information disclosure"))
        provision["purpose"] = [{"system": ACT_REASON, "code": "TREAT", "display": "treatment"}]
    return {
        "resourceType": "Consent",
        "id": id,
        "status": "active",
        "scope": concept(CONSENT_SCOPE, "patient-privacy", "Privacy Consent"),
        "category": category,
        "patient": {"reference": f"Patient/{patient_id}"},
        "dateTime": instant(at),
        "organization": [clinic],
        "sourceAttachment": {"title": f"{_TITLE[scope]}: {source}"},
        "policy": [{"uri": _POLICY}],
        "provision": provision,
    }
