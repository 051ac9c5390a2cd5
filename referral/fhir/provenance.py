"""Provenance: who made or changed what, for whom, and how it was signed."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from referral.fhir.elements import (
    Ref,
    Resource,
    coding,
    concept,
    every,
    instant,
    reference,
    reference_id,
    references,
)
from referral.fhir.systems import PROVENANCE_AGENT, SIGNATURE_TYPE

# R5's Provenance.patient in R4: HL7's extension for elements of a later version.
_PATIENT: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Provenance.patient"
_FORMAT: Final = "application/fhir+json;canonicalization=http://hl7.org/fhir/canonicalization/json#document"
_SIGNATURES: Final = {
    kind: coding(SIGNATURE_TYPE, f"1.2.840.10065.1.12.1.{number}", display)
    for kind, number, display in (
        ("author", 1, "Author's Signature"),
        ("transcriptionist", 4, "Transcriptionist Signature"),
        ("verification", 5, "Verification Signature"),
        ("review", 13, "Review Signature"),
        ("source", 14, "Source Signature"),
        ("modification", 16, "Modification Signature"),
        ("administrative", 17, "Administrative (Error/Edit) Signature"),
    )
}


@dataclass(frozen=True, slots=True)
class Agent:
    """`type` is a code of provenance-participant-type: author, enterer, assembler, verifier, transmitter, …

    US Core wants `on_behalf_of` where `who` is a Practitioner or a Device.
    """

    type: str
    who: Ref
    on_behalf_of: Ref | None = None


def provenance(
    id: str,
    targets: Sequence[Ref],
    agents: Sequence[Agent],
    *,
    recorded_at: datetime,
    activity: Resource | None = None,
    signatures: Sequence[Resource] = (),
    revision_of: Ref | None = None,
    patient_id: str | None = None,
) -> Resource:
    """Who made or changed what. `revision_of` is the version that the targets take the place of.

    `patient_id` is whose record the targets belong to.
    """
    resource: Resource = {
        "resourceType": "Provenance",
        "id": id,
        **(of_patient(patient_id) if patient_id else {}),
        "target": references(targets),
        "recorded": instant(recorded_at),
    }
    if activity is not None:
        resource["activity"] = activity
    resource["agent"] = [_agent(agent) for agent in agents]
    if revision_of is not None:
        resource["entity"] = [{"role": "revision", "what": reference(revision_of)}]
    if signatures:
        resource["signature"] = list(signatures)
    return resource


def of_patient(patient_id: str) -> Resource:
    """The extension that says whose record the targets belong to."""
    return {"extension": [{"url": _PATIENT, "valueReference": {"reference": f"Patient/{patient_id}"}}]}


def patient_in(resource: Mapping[str, Any]) -> str | None:
    """Whose record the targets belong to, as the extension says; else the Patient among them."""
    named = [row.get("valueReference") for row in every(resource, "extension") if row.get("url") == _PATIENT]
    found = [reference_id(target, "Patient") for target in (*named, *every(resource, "target"))]
    return next((id for id in found if id), None)


def _agent(agent: Agent) -> Resource:
    role = agent.type
    result: Resource = {
        "type": concept(PROVENANCE_AGENT, role, role.capitalize()),
        "who": reference(agent.who),
    }
    if agent.on_behalf_of is not None:
        result["onBehalfOf"] = reference(agent.on_behalf_of)
    return result


def signature(
    kind: str,
    who: Ref,
    *,
    at: datetime,
    on_behalf_of: Ref | None = None,
    data: bytes | None = None,
    format: str = "application/jose",
) -> Resource:
    """A Signature: `author`, `transcriptionist`, `verification`, `review`, `source`, … (ASTM E1762).

    Without `data` it records an electronic signature (a typed name under the attestation); `data` is a
    detached JWS over the canonical JSON (CDex), and `verification` with it is the clinic's seal.
    """
    result: Resource = {"type": [_SIGNATURES[kind]], "when": instant(at), "who": reference(who)}
    if on_behalf_of is not None:
        result["onBehalfOf"] = reference(on_behalf_of)
    if data is not None:
        result["targetFormat"] = _FORMAT
        result["sigFormat"] = format
        result["data"] = base64.b64encode(data).decode()
    return result
