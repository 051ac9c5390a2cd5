"""Names of code systems and identifiers: those of others, and our own under the configured canonical base."""

from __future__ import annotations

from typing import Any, Final

from referral.domain import policy
from referral.fhir.local_codes import SYSTEMS, Code
from referral.fhir.publication import publication

BASE: Final = "https://referral.example/fhir"

ICD_10_CM: Final = policy.ICD_10_CM
SNOMED_CT: Final = policy.SNOMED_CT
LOINC: Final = "http://loinc.org"
NUCC: Final = "http://nucc.org/provider-taxonomy"
US_NPI: Final = "http://hl7.org/fhir/sid/us-npi"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
BCP_47: Final = "urn:ietf:bcp:47"
URI: Final = "urn:ietf:rfc:3986"
SIGNATURE_TYPE: Final = "urn:iso-astm:E1762-95:2013"
TASK_CODE: Final = "http://hl7.org/fhir/CodeSystem/task-code"
SDC_TEMPORARY: Final = "http://hl7.org/fhir/uv/sdc/CodeSystem/temp"
SDOHCC_TEMPORARY: Final = (
    "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes"
)
US_CORE_DOCUMENT_CATEGORY: Final = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
RESTFUL_INTERACTION: Final = "http://hl7.org/fhir/restful-interaction"

_THO: Final = "http://terminology.hl7.org/CodeSystem/"
ACT_CODE: Final = f"{_THO}v3-ActCode"
ACT_REASON: Final = f"{_THO}v3-ActReason"
CONSENT_SCOPE: Final = f"{_THO}consentscope"
PARTICIPATION_TYPE: Final = f"{_THO}v3-ParticipationType"
PARTICIPATION_MODE: Final = f"{_THO}v3-ParticipationMode"
DATA_OPERATION: Final = f"{_THO}v3-DataOperation"
IDENTIFIER_TYPE: Final = f"{_THO}v2-0203"
DEGREE: Final = f"{_THO}v2-0360"
CONDITION_CLINICAL: Final = f"{_THO}condition-clinical"
CONDITION_VERIFICATION: Final = f"{_THO}condition-ver-status"
CONDITION_CATEGORY: Final = f"{_THO}condition-category"
OBSERVATION_CATEGORY: Final = f"{_THO}observation-category"
COMMUNICATION_CATEGORY: Final = f"{_THO}communication-category"
COMMUNICATION_NOT_DONE: Final = f"{_THO}communication-not-done-reason"
PROVENANCE_AGENT: Final = f"{_THO}provenance-participant-type"
FLAG_CATEGORY: Final = f"{_THO}flag-category"
AUDIT_EVENT_TYPE: Final = f"{_THO}audit-event-type"
AUDIT_ENTITY_TYPE: Final = f"{_THO}audit-entity-type"
AUDIT_SOURCE_TYPE: Final = f"{_THO}security-source-type"
OBJECT_ROLE: Final = f"{_THO}object-role"
LIFECYCLE: Final = f"{_THO}iso-21089-lifecycle"

_EXTENSIONS: Final = "http://hl7.org/fhir/StructureDefinition/"
STATUS_REASON: Final = f"{_EXTENSIONS}request-statusReason"
DATA_ABSENT: Final = f"{_EXTENSIONS}data-absent-reason"
FLAG_DETAIL: Final = f"{_EXTENSIONS}flag-detail"
TRANSLATION: Final = f"{_EXTENSIONS}translation"
ITEM_CONTROL: Final = f"{_EXTENSIONS}questionnaire-itemControl"
ITEM_CONTROL_CODE: Final = "http://hl7.org/fhir/questionnaire-item-control"
US_CORE_DIRECT: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-direct"

# Older feeds write these systems as object identifiers.
SAME_SYSTEM: Final = {
    "urn:oid:2.16.840.1.113883.4.6": US_NPI,
    "urn:oid:2.16.840.1.113883.6.90": ICD_10_CM,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED_CT,
    "urn:oid:2.16.840.1.113883.6.101": NUCC,
    "http://nucc.org/provider-taxonomy/": NUCC,
}

# Our code systems: name → code → wording. The name is the last part of BASE/CodeSystem/…
LOCAL_CODES: Final[dict[str, dict[str, str]]] = {
    name: {code: row.display for code, row in system.codes.items()} for name, system in SYSTEMS.items()
}


class LocalSystems:
    """Our code systems, identifiers and extensions under one canonical base; made once at start-up."""

    __slots__ = ("_codings", "_identifiers", "_urls", "base")

    def __init__(self, base: str = BASE) -> None:
        self.base: Final = base.rstrip("/")
        self._urls = {name: f"{self.base}/CodeSystem/{name}" for name in LOCAL_CODES}
        self._identifiers: dict[str, str] = {}
        self._codings = {
            (name, code): (self._urls[name], text)
            for name, codes in LOCAL_CODES.items()
            for code, text in codes.items()
        }

    def system(self, name: str) -> str:
        """The URI of one of our code systems; an unknown name is a bug and raises KeyError."""
        return self._urls[name]

    def coding(self, name: str, code: str, display: str | None = None) -> dict[str, Any]:
        """A Coding of ours; `display` only for open systems, whose wording is not in the table."""
        known = self._codings.get((name, code))
        if known is not None:
            return {"system": known[0], "code": code, "display": known[1]}
        coding = {"system": self._urls[name], "code": code}
        if display:
            coding["display"] = display
        return coding

    def concept(self, name: str, code: str, text: str | None = None) -> dict[str, Any]:
        """A CodeableConcept of ours; its text is the wording of the code unless given."""
        coding = self.coding(name, code)
        wording = text or coding.get("display")
        return {"coding": [coding], "text": wording} if wording else {"coding": [coding]}

    def identifier(self, kind: str, value: str) -> dict[str, Any]:
        """An Identifier in a namespace of ours, BASE/identifier/KIND, such as `request-number`."""
        return {"system": self.identifier_system(kind), "value": value}

    def identifier_system(self, kind: str) -> str:
        return f"{self.base}/identifier/{kind}"

    def value_set(self, name: str) -> str:
        return f"{self.base}/ValueSet/{name}"

    def extension(self, name: str) -> str:
        return f"{self.base}/StructureDefinition/{name}"

    def staff(self, user_id: str) -> dict[str, Any]:
        """A Reference to a staff user, who is no FHIR resource of ours: by identifier only."""
        return {"type": "Practitioner", "identifier": self.identifier("staff-user", user_id)}


DEFAULT: Final = LocalSystems()


def code_system(name: str, local: LocalSystems = DEFAULT) -> dict[str, Any]:
    """The CodeSystem resource of one of our systems; one that has more codes than it lists is a fragment."""
    system = SYSTEMS[name]
    concepts = [_concept(code, row) for code, row in system.codes.items()]
    return {
        "resourceType": "CodeSystem",
        "id": name,
        "url": local.system(name),
        "name": "".join(part.capitalize() for part in name.split("-")),
        "title": name.replace("-", " ").capitalize(),
        "description": system.text,
        **publication(),
        "caseSensitive": True,
        "valueSet": local.value_set(name),
        "content": "complete" if system.complete else "fragment",
        **({"concept": concepts} if concepts else {}),
    }


def _concept(code: str, row: Code) -> dict[str, Any]:
    found: dict[str, Any] = {"code": str(code), "display": row.display, "definition": row.definition}
    if row.others:
        found["designation"] = [{"language": "en", "value": text} for text in row.others]
    return found
