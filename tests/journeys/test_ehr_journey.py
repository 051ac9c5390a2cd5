"""The main job from a hospital's record system, with the resources that HL7 publishes as examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from referral.domain.policy import ICD_10_CM
from referral.fhir.json import decode, encode
from referral.fhir.systems import BASE
from tests.fhir.examples import example
from tests.journeys import portal
from tests.journeys.conftest import NewContext, SignIn
from tests.journeys.desk import Newcomer
from tests.journeys.looking import look
from tests.journeys.service import Service
from tests.processes import eventually

Json = dict[str, Any]
# Where the record system keeps its own copies; what it sends refers to them as it does at home.
HOME = "https://record.hospital.example/fhir"
PETER = Newcomer("Peter James", "Chalmers", date(1974, 12, 25))


@dataclass(frozen=True, slots=True)
class RecordSystem:
    """An EHR with a bearer token."""

    http: httpx.Client

    def get(self, path: str) -> Json:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        found: Json = decode(answer.content, limit=10**8)
        return found

    def search(self, query: str) -> list[Json]:
        return [entry["resource"] for entry in self.get(query).get("entry", [])]

    def post(self, document: Json) -> tuple[int, Json]:
        type = document["resourceType"]
        answer = self.http.post("" if type == "Bundle" else type, content=encode(document))
        return answer.status_code, decode(answer.content, limit=10**8)

    def gate(self, order: str) -> tuple[bool, str]:
        """(open, reasons)"""
        parameters = self.get(f"{order}/$gate")["parameter"]
        (is_open,) = (p["valueBoolean"] for p in parameters if p["name"] == "open")
        return is_open, " ".join(p["valueString"] for p in parameters if p["name"] == "reason")

    def start(self, patient: str, order: str) -> tuple[int, Json]:
        return self.post(
            {
                "resourceType": "Procedure",
                "status": "in-progress",
                "code": INFUSION,
                "subject": {"reference": patient},
                "basedOn": [{"reference": order}],
            }
        )


@pytest.fixture
def ehr(service: Service) -> Iterator[RecordSystem]:
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/fhir+json"}
    with httpx.Client(verify=False, base_url=f"{service.address}/fhir/", headers=headers, timeout=60) as http:
        yield RecordSystem(http)


INFUSION = {"coding": [{"system": "http://snomed.info/sct", "code": "373464007", "display": "Ketamine"}]}
RECOMMENDATION = {
    "coding": [{"system": f"{BASE}/CodeSystem/request-code", "code": "ketamine-recommendation"}]
}


def asked_clinician() -> Json:
    """HL7's example role: of a general practice, which is no licence, and over since 2012."""
    role = example("PractitionerRole")
    family_medicine = {"system": "http://nucc.org/provider-taxonomy", "code": "207Q00000X"}
    role["specialty"].append({"coding": [family_medicine]})
    del role["period"]
    return {**role, "organization": {"reference": "Organization/hl7"}}


def other_clinician() -> Json:
    """The same for another of the examples' people, at an address of her own."""
    return {
        **asked_clinician(),
        "id": "other",
        "practitioner": {"reference": "Practitioner/a4"},
        "telecom": [{"system": "email", "value": "dopplemeyer@practice.example"}],
    }


def indication() -> Json:
    """HL7's example Condition is a burnt ear, which nobody treats with ketamine: only its code is another."""
    depression = {"system": ICD_10_CM, "code": "F33.2", "display": "recurrent depression, severe"}
    return {**example("Condition"), "code": {"coding": [depression]}}


def request(code: Json, **more: Any) -> Json:
    subject = {"reference": "Patient/example"}
    plain = {"resourceType": "ServiceRequest", "status": "active", "intent": "order"}
    return {**plain, "code": code, "subject": subject, **more}


def referral_transaction() -> Json:
    """People, indication, infusion order and request in one message, by the addresses of their home."""
    performers = [{"reference": "PractitionerRole/example"}, {"reference": "PractitionerRole/other"}]
    order = request(INFUSION, id="order", reasonReference=[{"reference": "Condition/example"}])
    asked = request(
        RECOMMENDATION, id="asked", basedOn=[{"reference": "ServiceRequest/order"}], performer=performers
    )
    resources = [
        *(example("Patient/example"), example("Practitioner/example"), example("Practitioner/xds.4")),
        *(example("Organization/hl7"), asked_clinician(), other_clinician(), indication(), order, asked),
    ]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"{HOME}/{resource['resourceType']}/{resource['id']}",
                "resource": resource,
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for resource in resources
        ],
    }


def consultation(service: Service, patient: str, order: str) -> Json:
    start = (service.clock.now - timedelta(days=1)).isoformat()
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [{"coding": [{"system": "http://snomed.info/sct", "code": "11429006"}]}],
        "subject": {"reference": patient},
        "basedOn": [{"reference": order}],
        "period": {"start": start, "end": start},
    }


def verify_fax(nurse: Page, clinician: str) -> None:
    """Somebody calls the practice and notes that its fax number is right: now it can prove who answers."""
    nurse.goto(f"/directory/{clinician}")
    nurse.locator("#contacts + ul .row").filter(has_text="fax").get_by_role("link").click()
    nurse.get_by_label("Spoke with").fill("Ana at the front desk")
    nurse.get_by_role("button", name="They confirm it").click()
    expect(nurse.get_by_text("The contact is verified")).to_be_visible()
    look(nurse, "ehr-1-clinician-verified")


def assert_refused(answer: tuple[int, Json], words: str) -> None:
    status, outcome = answer
    assert status == 422, outcome
    assert outcome["issue"][0]["code"] == "business-rule", outcome
    assert words in str(outcome), outcome


def test_a_record_system_asks_and_treatment_opens_and_closes(
    service: Service, ehr: RecordSystem, context: NewContext, sign_in: SignIn
) -> None:
    # Given a transaction of HL7's example people with an infusion order and a request to two clinicians
    status, made = ehr.post(referral_transaction())
    assert status == 200, made
    ids = [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in made["entry"]]
    patient, order, asked = ids[0], ids[7], ids[8]
    # Then the gate is closed and says why, and a start is refused for the same reasons
    is_open, why = ehr.gate(order)
    assert not is_open
    assert "The initial consultation has not been recorded." in why
    assert "the request is not answered yet" in why
    assert_refused(ehr.start(patient, order), "The initial consultation has not been recorded.")
    # and both clinicians get their mail, each about a request of their own
    number, other_number = [number_of(ehr.get(row)) for row in (asked, sibling_of(ehr, order, asked))]
    link = service.post.link(number)
    other_link = service.post.link(other_number)

    # When the practice has been called, and its clinician answers the mailed link
    role = ehr.get(asked)["performer"][0]["reference"].partition("/")[2]
    nurse = sign_in("nurse")
    verify_fax(nurse, role)
    clinician = context(viewport={"width": 360, "height": 740}).new_page()
    portal.prove_identity(clinician, link, PETER, nurse, number)
    portal.recommend(clinician, service.clock.today - timedelta(days=30))
    look(clinician, "ehr-2-read-and-sign")
    portal.sign(clinician, "Adam Careful", "MD")
    assert portal.receipt(clinician).startswith(b"%PDF")
    # Then the resources of the answer are there
    assert_answer_is_published(ehr, patient, asked)
    # and the other clinician is told that nothing is needed any more
    task = only(ehr.search(f"Task?focus={sibling_of(ehr, order, asked)}"))
    assert task["status"] == "cancelled"
    eventually(lambda: service.post.letters(other_number, "No answer needed any more"), 60)
    clinician.goto(other_link)
    portal.press(clinician, "Continue")
    expect(clinician.get_by_role("heading", name="This link cannot be used now")).to_be_visible()

    # When the consultation is on file too
    assert_refused(ehr.start(patient, order), "The initial consultation has not been recorded.")
    assert ehr.post(consultation(service, patient, order))[0] == 201
    # Then the gate is open, and treatment starts for this patient and for nobody else
    assert ehr.gate(order) == (True, "")
    assert ehr.get(order)["status"] == "active"
    stranger = ehr.post(example("Patient/xds.2"))[1]
    assert_refused(ehr.start(f"Patient/{stranger['id']}", order), "patient")
    status, started = ehr.start(patient, order)
    assert status == 201, started
    assert ehr.search(f"Procedure?based-on={order}")[0]["id"] == started["id"]

    # When the medical director voids the recommendation
    director = sign_in("director")
    director.goto(f"/requests/{asked.partition('/')[2]}#void")
    director.get_by_label("Reason", exact=True).locator("visible=true").fill("Sent by somebody else.")
    director.get_by_role("button", name="Void the recommendation").click()
    expect(director.get_by_text("The recommendation is void")).to_be_visible()
    look(director, "ehr-3-request-voided")
    # Then it is closed again, and the order waits
    is_open, why = ehr.gate(order)
    assert not is_open
    assert "no longer counts" in why
    assert_refused(ehr.start(patient, order), "recommendation")
    assert ehr.get(order)["status"] == "on-hold"
    # and whoever asks finds all of it in the record of who did what
    events = ehr.search(f"AuditEvent?patient={patient}&_count=200")
    done = {coding["code"] for event in events for coding in event["subtype"]}
    assert {"ask", "disclose", "answer", "gate-start", "answer-voided", "refused"} <= done


def test_the_record_system_fetches_everything_in_bulk(service: Service, ehr: RecordSystem) -> None:
    # Given a patient in the clinic
    patient = ehr.post(example("Patient/xds.2"))[1]["id"]
    # When the record system asks for an export
    started = ehr.http.get("$export?_type=Patient,Task", headers={"Prefer": "respond-async"})
    assert started.status_code == 202, started.text
    status = started.headers["content-location"]
    assert ehr.http.get(status).status_code in (200, 202)
    # Then the worker writes it, without anybody asking for it
    with service.database() as database:
        ended = "SELECT 1 FROM bulk_export WHERE id = %s AND state = 'completed'"
        eventually(lambda: database.execute(ended, [status.rpartition("/")[2]]).fetchone(), 60)
    manifest = ehr.get(status)
    found = {
        f"{document['resourceType']}/{document['id']}": document
        for output in manifest["output"]
        for document in map(decode, ehr.http.get(output["url"]).content.splitlines())
    }
    # and it holds what the system could have read one by one
    for type in ("Patient", "Task"):
        assert {f"{type}/{row['id']}" for row in ehr.search(f"{type}?_count=200")} == {
            reference for reference in found if reference.startswith(f"{type}/")
        }
    assert found[f"Patient/{patient}"] == ehr.get(f"Patient/{patient}")
    # and when the system has it, it is deleted
    assert ehr.http.delete(status).status_code == 202
    assert ehr.http.get(status).status_code == 404


def only(found: list[Json]) -> Json:
    assert len(found) == 1, found
    return found[0]


def number_of(asked: Json) -> str:
    return str(asked["identifier"][0]["value"])


def sibling_of(ehr: RecordSystem, order: str, asked: str) -> str:
    """The request to the other clinician, which the server made out of the one with two performers."""
    found = [f"ServiceRequest/{row['id']}" for row in ehr.search(f"ServiceRequest?based-on={order}")]
    assert len(found) == 2, found
    return next(one for one in found if one != asked)


def assert_answer_is_published(ehr: RecordSystem, patient: str, asked: str) -> None:
    """fhir.md 5: what is there once a clinician has recommended."""
    assert ehr.get(asked)["status"] == "completed"
    task = only(ehr.search(f"Task?focus={asked}&code=fulfill"))
    assert task["status"] == "completed"
    assert task["businessStatus"]["coding"][0]["code"] == "recommended"
    answer = only(ehr.search(f"QuestionnaireResponse?based-on={asked}"))
    assert answer["status"] == "completed"
    decision = only(ehr.search(f"Observation?based-on={asked}"))
    assert decision["valueCodeableConcept"]["coding"][0]["code"] == "recommended"
    record = only(ehr.search(f"DocumentReference?patient={patient}&related={asked}"))
    assert record["content"][0]["attachment"]["contentType"] == "application/pdf"
    signed = ehr.search(f"Provenance?target=QuestionnaireResponse/{answer['id']}")
    assert any("signature" in row for row in signed)
    sent = ehr.search(f"Communication?based-on={asked}")
    assert {row["status"] for row in sent} == {"completed"}
