"""An answer besides its form: the decision as an Observation, and documents with their bytes."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.codes import Decision
from referral.domain.form import BY_LINK_ID
from referral.fhir.elements import Ref, Resource, concept, instant, reference
from referral.fhir.systems import (
    DEFAULT,
    LOINC,
    OBSERVATION_CATEGORY,
    URI,
    US_CORE_DOCUMENT_CATEGORY,
    LocalSystems,
)

LETTER: Final = concept(LOINC, "57133-1", "Referral note")
ANSWER_LETTER: Final = concept(LOINC, "62385-0", "Recommendation [interpretation] Document")

_SURVEY: Final = concept(OBSERVATION_CATEGORY, "survey", "Survey")
_CLINICAL_NOTE: Final = concept(US_CORE_DOCUMENT_CATEGORY, "clinical-note", "Clinical Note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """A decision about one request. `red_flags` are link ids; `$gate` names an opinion by `id`."""

    id: str
    referral_id: str
    patient_id: str
    clinician_id: str
    response_id: str
    decision: Decision
    answered_at: datetime
    conditions: str | None = None
    red_flags: tuple[str, ...] = ()
    status: str = "final"


def decision_observation(opinion: Opinion, *, local: LocalSystems = DEFAULT) -> Resource:
    """The decision, readable without the form; red flags are components, conditions a note."""
    resource: Resource = {
        "resourceType": "Observation",
        "id": opinion.id,
        "identifier": [local.identifier("recommendation", opinion.id)],
        "basedOn": [{"reference": f"ServiceRequest/{opinion.referral_id}"}],
        "status": opinion.status,
        "category": [_SURVEY],
        "code": local.concept("observation-code", "recommendation-decision"),
        "subject": {"reference": f"Patient/{opinion.patient_id}"},
        "effectiveDateTime": instant(opinion.answered_at),
        "issued": instant(opinion.answered_at),
        "performer": [{"reference": f"PractitionerRole/{opinion.clinician_id}"}],
        "valueCodeableConcept": local.concept("decision", opinion.decision.value),
        "derivedFrom": [{"reference": f"QuestionnaireResponse/{opinion.response_id}"}],
    }
    if opinion.conditions:
        resource["note"] = [{"text": opinion.conditions}]
    if opinion.red_flags:
        resource["component"] = [
            {
                "code": local.concept("observation-code", "red-flag"),
                "valueCodeableConcept": {
                    "coding": [local.coding("red-flag", flag, BY_LINK_ID[flag].text)],
                    "text": BY_LINK_ID[flag].text,
                },
            }
            for flag in opinion.red_flags
        ]
    return resource


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDocument:
    """A stored file. `sha1` is what R4's Attachment.hash means; `sha256` identifies it to everybody else.

    `type` is LETTER or ANSWER_LETTER; the bytes are served as `Binary/{id}`.
    """

    id: str
    type: Resource
    patient_id: str
    content_type: str
    size: int
    sha1: bytes
    sha256: bytes
    created_at: datetime
    title: str
    referral_id: str | None = None


def document_reference(
    document: KeptDocument,
    *,
    author: Ref,
    custodian: Ref | None = None,
    authenticator: Ref | None = None,
    replaces: str | None = None,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The DocumentReference of a letter or a sealed answer."""
    resource: Resource = {
        "resourceType": "DocumentReference",
        "id": document.id,
        "masterIdentifier": {"system": URI, "value": _named_information(document.sha256)},
        "identifier": [local.identifier("document", document.id)],
        "status": "current",
        "docStatus": "final",
        "type": document.type,
        "category": [_CLINICAL_NOTE],
        "subject": {"reference": f"Patient/{document.patient_id}"},
        "date": instant(document.created_at),
        "author": [reference(author)],
        "content": [
            {
                "attachment": {
                    "contentType": document.content_type,
                    "url": f"Binary/{document.id}",
                    "size": document.size,
                    "hash": base64.b64encode(document.sha1).decode(),
                    "title": document.title,
                    "creation": instant(document.created_at),
                }
            }
        ],
    }
    if custodian is not None:
        resource["custodian"] = reference(custodian)
    if authenticator is not None:
        resource["authenticator"] = reference(authenticator)
    if replaces is not None:
        target = {"reference": f"DocumentReference/{replaces}"}
        resource["relatesTo"] = [{"code": "replaces", "target": target}]
    if document.referral_id is not None:
        resource["context"] = {"related": [{"reference": f"ServiceRequest/{document.referral_id}"}]}
    return resource


def _named_information(sha256: bytes) -> str:
    """RFC 6920: a URI that names bytes by their digest."""
    return f"ni:///sha-256;{base64.urlsafe_b64encode(sha256).rstrip(b'=').decode()}"


def binary(
    id: str,
    content_type: str,
    content: bytes,
    *,
    security_context: Ref | None = None,
) -> Resource:
    """The bytes in base64; who may read them is who may read `security_context`."""
    resource: Resource = {"resourceType": "Binary", "id": id, "contentType": content_type}
    if security_context is not None:
        resource["securityContext"] = reference(security_context)
    resource["data"] = base64.b64encode(content).decode()
    return resource
