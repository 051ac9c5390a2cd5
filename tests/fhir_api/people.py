"""Invented people and requests as a client sends them."""

from __future__ import annotations

from typing import Any

from referral.fhir.systems import BASE
from tests.fhir_api.client import FhirClient, Json

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
NUCC = "http://nucc.org/provider-taxonomy"
PSYCHIATRY = "2084P0800X"
RECOMMENDATION = {
    "coding": [{"system": f"{BASE}/CodeSystem/request-code", "code": "ketamine-recommendation"}]
}
INFUSION = {"coding": [{"system": "http://snomed.info/sct", "code": "373464007", "display": "Ketamine"}]}
CONSULTATION = {"coding": [{"system": "http://snomed.info/sct", "code": "11429006"}]}


def patient(**more: Any) -> Json:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "http://ehr.example/mrn", "value": "MRN-1"}],
        "name": [{"family": "Nguyễn", "given": ["Maria José"]}],
        "birthDate": "1986-04-12",
        "gender": "female",
        **more,
    }


def practitioner(npi: str = "9000000015", **more: Any) -> Json:
    return {
        "resourceType": "Practitioner",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": npi}],
        "name": [{"family": "Okafor", "given": ["Chidi"], "suffix": ["MD"]}],
        "telecom": [{"system": "email", "value": "okafor@beaconhill.example"}],
        "qualification": [{"code": {"coding": [{"system": NUCC, "code": PSYCHIATRY}]}}],
        **more,
    }


def role(practitioner_reference: str, **more: Any) -> Json:
    return {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": practitioner_reference},
        "specialty": [{"coding": [{"system": NUCC, "code": PSYCHIATRY}]}],
        "telecom": [{"system": "email", "value": "office@beaconhill.example"}],
        **more,
    }


def condition(patient_reference: str, code: str = "F33.2", **more: Any) -> Json:
    return {
        "resourceType": "Condition",
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
            ]
        },
        "code": {"coding": [{"system": ICD, "code": code, "display": "recurrent depression"}]},
        "subject": {"reference": patient_reference},
        **more,
    }


def order(patient_reference: str, *conditions: str, **more: Any) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": INFUSION,
        "subject": {"reference": patient_reference},
        "reasonReference": [{"reference": reference} for reference in conditions],
        **more,
    }


def request(patient_reference: str, *performers: str, **more: Any) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": RECOMMENDATION,
        "subject": {"reference": patient_reference},
        "performer": [{"reference": reference} for reference in performers],
        **more,
    }


def transaction(**entries: Json) -> Json:
    """Entries by the name of their urn:uuid; `{name}` in a reference stands for it."""
    urns = {name: f"urn:uuid:00000000-0000-4000-8000-{place:012d}" for place, name in enumerate(entries)}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": urns[name],
                "resource": _with_urns(document, urns),
                "request": {"method": "POST", "url": document["resourceType"]},
            }
            for name, document in entries.items()
        ],
    }


def _with_urns(value: Any, urns: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _with_urns(item, urns) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_urns(item, urns) for item in value]
    return urns.get(value, value) if isinstance(value, str) else value


def consultation(patient_reference: str, order_reference: str) -> Json:
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [CONSULTATION],
        "subject": {"reference": patient_reference},
        "basedOn": [{"reference": order_reference}],
        "period": {"start": "2026-11-02T16:00:00Z", "end": "2026-11-02T17:00:00Z"},
    }


def answer_to(
    request_reference: str, patient_reference: str, decision: str = "recommended", **more: Any
) -> Json:
    """A QuestionnaireResponse with a complete form of a psychiatrist without red flags."""
    choices = {
        "decision": decision,
        "diagnosis-confirmed": "yes",
        "continues-care": "yes",
        "next-visit": "4-weeks",
        "medication-adjuster": "we",
        **dict.fromkeys(("psychosis", "mania", "substance-use", "suicide-risk", "hypertension"), "no"),
        **dict.fromkeys(("pregnancy", "dementia", "interaction"), "no"),
    }
    items: list[Json] = [
        {"linkId": name, "answer": [{"valueCoding": {"code": code}}]} for name, code in choices.items()
    ]
    items += [
        {"linkId": "last-seen", "answer": [{"valueDate": "2026-10-20"}]},
        {"linkId": "attestation", "answer": [{"valueBoolean": True}]},
        {"linkId": "signer-name", "answer": [{"valueString": "Chidi Okafor"}]},
        {"linkId": "signer-credentials", "answer": [{"valueString": "MD"}]},
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "basedOn": [{"reference": request_reference}],
        "subject": {"reference": patient_reference},
        "item": items,
        **more,
    }


class Referred:
    """A patient with depression, an infusion order and a request to a psychiatrist, sent by the client."""

    def __init__(self, fhir: FhirClient) -> None:
        self.fhir = fhir
        self.patient = f"Patient/{fhir.create(patient())['id']}"
        self.condition = f"Condition/{fhir.create(condition(self.patient))['id']}"
        self.practitioner = f"Practitioner/{fhir.create(practitioner())['id']}"
        self.role = f"PractitionerRole/{fhir.create(role(self.practitioner))['id']}"
        self.order = f"ServiceRequest/{fhir.create(order(self.patient, self.condition))['id']}"
        made = fhir.create(request(self.patient, self.role, basedOn=[{"reference": self.order}]))
        self.request = f"ServiceRequest/{made['id']}"

    @property
    def task(self) -> Json:
        found = self.fhir.get(f"Task?focus={self.request}").resources
        assert len(found) == 1, found
        return found[0]

    def consult(self) -> Json:
        return self.fhir.create(consultation(self.patient, self.order))

    def answer(self, decision: str = "recommended", **more: Any) -> Json:
        """A QuestionnaireResponse to this request."""
        return answer_to(self.request, self.patient, decision, **more)

    def gate(self) -> Json:
        answer = self.fhir.get(f"{self.order}/$gate")
        assert answer.status == 200, answer.body
        return answer.body
