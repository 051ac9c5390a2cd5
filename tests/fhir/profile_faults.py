"""A resource that each US Core profile is content with, and ones that break it in one place each."""

from __future__ import annotations

import copy
from typing import Any

from referral.fhir.profiles import US_CORE
from referral.fhir.systems import CONDITION_CATEGORY, LOINC, NUCC, PROVENANCE_AGENT, SNOMED_CT, US_NPI

Json = dict[str, Any]

SOMEBODY = {"reference": "Patient/1"}


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def category(code: str) -> Json:
    return coded(CONDITION_CATEGORY, code)


def extension(name: str, *parts: Json) -> Json:
    return {"url": f"{US_CORE}{name}", "extension": list(parts)}


WORDS = {"url": "text", "valueString": "White"}
RACE = "urn:oid:2.16.840.1.113883.6.238"
CONDITION: Json = {
    "resourceType": "Condition",
    "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
    "category": [category("problem-list-item"), category("encounter-diagnosis")],
    "code": coded(SNOMED_CT, "35489007"),
    "subject": SOMEBODY,
}
# What each profile is content with.
GOOD: dict[str, Json] = {
    "us-core-patient": {
        "resourceType": "Patient",
        "extension": [
            extension(
                "us-core-race",
                {"url": "ombCategory", "valueCoding": {"system": RACE, "code": "2106-3"}},
                WORDS,
            ),
            extension("us-core-ethnicity", WORDS),
            {"url": f"{US_CORE}us-core-birthsex", "valueCode": "F"},
        ],
        "identifier": [{"system": "urn:example:mrn", "value": "1"}],
        "name": [{"family": "Nguyễn"}],
        "gender": "female",
        "telecom": [{"system": "phone", "value": "303-555-0101"}],
        "address": [{"state": "CO"}],
        "communication": [{"language": coded("urn:ietf:bcp:47", "vi")}],
    },
    "us-core-practitioner": {
        "resourceType": "Practitioner",
        "identifier": [{"system": US_NPI, "value": "9000000015"}],
        "name": [{"family": "Okafor"}],
    },
    "us-core-practitionerrole": {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": "Practitioner/1"},
        "specialty": [coded(NUCC, "2084P0800X")],
        "telecom": [{"system": "fax", "value": "303-555-0120"}],
    },
    "us-core-organization": {
        "resourceType": "Organization",
        "identifier": [
            {"system": US_NPI, "value": "9000000015"},
            {"system": "urn:oid:2.16.840.1.113883.4.7", "value": "12D4567890"},
            {"system": "urn:oid:2.16.840.1.113883.6.300", "value": "12345"},
        ],
        "active": True,
        "name": "Harbor Light",
    },
    "us-core-location": {"resourceType": "Location", "name": "Infusion room", "address": {"state": "CO"}},
    "us-core-careteam": {
        "resourceType": "CareTeam",
        "subject": SOMEBODY,
        "participant": [
            {"role": [coded(SNOMED_CT, "80584001")], "member": {"reference": "Practitioner/1"}},
        ],
    },
    "us-core-condition-problems-health-concerns": CONDITION,
    "us-core-condition-encounter-diagnosis": CONDITION,
    "us-core-encounter": {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [coded(SNOMED_CT, "11429006")],
        "subject": SOMEBODY,
    },
    "us-core-servicerequest": {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": coded(SNOMED_CT, "308477009"),
        "subject": SOMEBODY,
    },
    "us-core-questionnaireresponse": {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": SOMEBODY,
    },
    "us-core-documentreference": {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": coded(LOINC, "11488-4"),
        "category": [{"text": "Note"}],
        "subject": SOMEBODY,
        "content": [{"attachment": {"contentType": "text/plain", "url": "https://ehr.example/n"}}],
    },
    "us-core-procedure": {
        "resourceType": "Procedure",
        "status": "completed",
        "code": coded(SNOMED_CT, "14152002"),
        "subject": SOMEBODY,
        "performedString": "yesterday",
    },
    "us-core-provenance": {
        "resourceType": "Provenance",
        "target": [SOMEBODY],
        "recorded": "2026-03-01T10:00:00Z",
        "agent": [
            {
                "type": coded(PROVENANCE_AGENT, "author"),
                "who": {"reference": "Practitioner/1"},
                "onBehalfOf": {"reference": "Organization/1"},
            }
        ],
    },
}


def but(name: str, /, **changes: Any) -> Json:
    """The good one with some elements changed; None takes one out."""
    made = {**copy.deepcopy(GOOD[name]), **changes}
    return {key: value for key, value in made.items() if value is not None}


PROBLEM, DIAGNOSIS = "us-core-condition-problems-health-concerns", "us-core-condition-encounter-diagnosis"
ABSENT = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}
AGENT = {"type": coded(PROVENANCE_AGENT, "author")}
FAULTS: list[tuple[str, Json, str, str]] = [
    ("us-core-patient", {"identifier": None}, "Patient.identifier", "required"),
    ("us-core-patient", {"identifier": [{"value": "1"}]}, "Patient.identifier[0].system", "required"),
    ("us-core-patient", {"identifier": [{"system": "urn:x"}]}, "Patient.identifier[0].value", "required"),
    ("us-core-patient", {"name": None}, "Patient.name", "required"),
    ("us-core-patient", {"gender": None}, "Patient.gender", "required"),
    ("us-core-patient", {"name": [{"text": "Ana"}]}, "Patient.name[0]", "invariant"),
    ("us-core-patient", {"name": [{"family": "A", "extension": [ABSENT]}]}, "Patient.name[0]", "invariant"),
    ("us-core-patient", {"telecom": [{"system": "phone"}]}, "Patient.telecom[0].value", "required"),
    (
        "us-core-patient",
        {"extension": [extension("us-core-race", {"url": "ombCategory", "valueCoding": {"code": "UNK"}})]},
        "Patient.extension[0]",
        "invariant",
    ),
    (
        "us-core-patient",
        {
            "extension": [
                extension(
                    "us-core-ethnicity", WORDS, {"url": "ombCategory", "valueCoding": {"code": "2106-3"}}
                )
            ]
        },
        "Patient.extension[0].extension[1].value",
        "invariant",
    ),
    (
        "us-core-patient",
        {"extension": [extension("us-core-ethnicity", WORDS)] * 2},
        "Patient.extension[1]",
        "invariant",
    ),
    (
        "us-core-patient",
        {"extension": [{"url": f"{US_CORE}us-core-birthsex", "valueCode": "X"}]},
        "Patient.extension[0].value",
        "invariant",
    ),
    ("us-core-practitioner", {"identifier": None}, "Practitioner.identifier", "required"),
    ("us-core-practitioner", {"name": [{"text": "A"}]}, "Practitioner.name[0].family", "required"),
    (
        "us-core-practitioner",
        {"identifier": [{"system": US_NPI, "value": "900000001"}]},
        "Practitioner.identifier[0].value",
        "invariant",
    ),
    (
        "us-core-practitioner",
        {"identifier": [{"system": US_NPI, "value": "9000000016"}]},
        "Practitioner.identifier[0].value",
        "invariant",
    ),
    (
        "us-core-practitioner",
        {"address": [{"line": ["1", "2", "3", "4", "5"]}]},
        "Practitioner.address[0].line",
        "structure",
    ),
    ("us-core-practitionerrole", {"practitioner": None}, "PractitionerRole", "invariant"),
    ("us-core-practitionerrole", {"telecom": None}, "PractitionerRole", "invariant"),
    (
        "us-core-practitionerrole",
        {"telecom": [{"system": "fax"}]},
        "PractitionerRole.telecom[0].value",
        "required",
    ),
    ("us-core-organization", {"active": None}, "Organization.active", "required"),
    ("us-core-organization", {"name": None}, "Organization.name", "required"),
    (
        "us-core-organization",
        {"identifier": [{"system": US_NPI, "value": "1"}]},
        "Organization.identifier[0].value",
        "invariant",
    ),
    (
        "us-core-organization",
        {"identifier": [{"system": "urn:oid:2.16.840.1.113883.4.7", "value": "1"}]},
        "Organization.identifier[0].value",
        "invariant",
    ),
    (
        "us-core-organization",
        {"identifier": [{"system": "urn:oid:2.16.840.1.113883.6.300", "value": "1"}]},
        "Organization.identifier[0].value",
        "invariant",
    ),
    ("us-core-location", {"name": None, "description": "x"}, "Location.name", "required"),
    ("us-core-careteam", {"subject": None}, "CareTeam.subject", "required"),
    ("us-core-careteam", {"participant": None}, "CareTeam.participant", "required"),
    ("us-core-careteam", {"participant": [{"member": SOMEBODY}]}, "CareTeam.participant[0].role", "required"),
    (
        "us-core-careteam",
        {"participant": [{"role": [coded(SNOMED_CT, "1")]}]},
        "CareTeam.participant[0].member",
        "required",
    ),
    (
        "us-core-careteam",
        {"participant": [{"role": [coded(SNOMED_CT, "1")] * 2, "member": SOMEBODY}]},
        "CareTeam.participant[0].role",
        "structure",
    ),
    (PROBLEM, {"category": None}, "Condition.category", "required"),
    (PROBLEM, {"category": [category("encounter-diagnosis")]}, "Condition.category", "required"),
    (PROBLEM, {"code": None}, "Condition.code", "required"),
    (DIAGNOSIS, {"category": [category("problem-list-item")]}, "Condition.category", "required"),
    (DIAGNOSIS, {"category": [category("encounter-diagnosis")] * 2}, "Condition.category[1]", "structure"),
    ("us-core-encounter", {"type": None}, "Encounter.type", "required"),
    ("us-core-encounter", {"subject": None}, "Encounter.subject", "required"),
    ("us-core-encounter", {"identifier": [{"value": "1"}]}, "Encounter.identifier[0].system", "required"),
    ("us-core-servicerequest", {"code": None}, "ServiceRequest.code", "required"),
    ("us-core-questionnaireresponse", {"subject": None}, "QuestionnaireResponse.subject", "required"),
    ("us-core-documentreference", {"type": None}, "DocumentReference.type", "required"),
    (
        "us-core-documentreference",
        {"type": {"text": "Note"}},
        "DocumentReference.type.coding",
        "code-invalid",
    ),
    ("us-core-documentreference", {"category": None}, "DocumentReference.category", "required"),
    ("us-core-documentreference", {"subject": None}, "DocumentReference.subject", "required"),
    (
        "us-core-documentreference",
        {"content": [{"attachment": {"contentType": "text/plain"}}]},
        "DocumentReference.content[0].attachment",
        "invariant",
    ),
    (
        "us-core-documentreference",
        {"context": {"encounter": [{"reference": "Encounter/1"}] * 2}},
        "DocumentReference.context.encounter",
        "structure",
    ),
    ("us-core-procedure", {"code": None}, "Procedure.code", "required"),
    ("us-core-procedure", {"performedString": None}, "Procedure.performed", "invariant"),
    (
        "us-core-provenance",
        {"agent": [AGENT | {"who": {"reference": "Practitioner/1"}}]},
        "Provenance.agent[0].onBehalfOf",
        "invariant",
    ),
    (
        "us-core-provenance",
        {"agent": [AGENT | {"who": {"type": "Device", "identifier": {"value": "1"}}}]},
        "Provenance.agent[0].onBehalfOf",
        "invariant",
    ),
    (
        "us-core-provenance",
        {
            "contained": [{"resourceType": "Device", "id": "d"}],
            "agent": [AGENT | {"who": {"reference": "#d"}}],
        },
        "Provenance.agent[0].onBehalfOf",
        "invariant",
    ),
]
WARNINGS: list[tuple[str, Json, str]] = [
    ("us-core-patient", {"address": [{"state": "Colorado"}]}, "Patient.address[0].state"),
    (
        "us-core-patient",
        {"communication": [{"language": coded("urn:x", "vi")}]},
        "Patient.communication[0].language.coding",
    ),
    ("us-core-location", {"address": {"state": "Colorado", "country": "US"}}, "Location.address.state"),
    ("us-core-practitionerrole", {"code": [coded("urn:x", "1")]}, "PractitionerRole.code[0].coding"),
    (
        "us-core-practitionerrole",
        {"specialty": [coded("urn:x", "1")]},
        "PractitionerRole.specialty[0].coding",
    ),
    (
        "us-core-careteam",
        {"participant": [{"role": [coded("urn:x", "1")], "member": SOMEBODY}]},
        "CareTeam.participant[0].role[0].coding",
    ),
    (PROBLEM, {"code": coded("urn:x", "1")}, "Condition.code.coding"),
    ("us-core-encounter", {"type": [coded("urn:x", "1")]}, "Encounter.type[0].coding"),
    ("us-core-servicerequest", {"code": coded("urn:x", "1")}, "ServiceRequest.code.coding"),
    ("us-core-servicerequest", {"reasonCode": [coded("urn:x", "1")]}, "ServiceRequest.reasonCode[0].coding"),
    ("us-core-procedure", {"code": coded("urn:x", "1")}, "Procedure.code.coding"),
    (
        "us-core-provenance",
        {"agent": [{"type": coded("urn:x", "1"), "who": SOMEBODY}]},
        "Provenance.agent[0].type.coding",
    ),
]
FINE: list[tuple[str, Json]] = [
    ("us-core-patient", {"name": [{"_family": {"extension": [ABSENT]}}]}),
    ("us-core-patient", {"name": [{"extension": [ABSENT]}]}),
    ("us-core-patient", {"_gender": {"extension": [ABSENT]}, "gender": None}),
    ("us-core-patient", {"address": [{"state": "Bavaria", "country": "DE"}]}),
    ("us-core-practitioner", {"identifier": [{"system": "urn:x", "value": "1"}]}),
    ("us-core-practitionerrole", {"telecom": None, "endpoint": [{"reference": "Endpoint/1"}]}),
    ("us-core-servicerequest", {"code": {"text": "in words"}}),
    ("us-core-servicerequest", {"code": {"coding": [{"code": "x"}, {"system": LOINC, "code": "57133-1"}]}}),
    (
        "us-core-documentreference",
        {"type": coded("http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK")},
    ),
    ("us-core-procedure", {"status": "not-done", "performedString": None}),
    ("us-core-provenance", {"agent": [AGENT | {"who": {"reference": "PractitionerRole/1"}}]}),
]
