"""The accounting of disclosures: what left the clinic about a patient, when, and who got it."""

from __future__ import annotations

from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind
from referral.services import note_delivery
from referral.storage import outbox
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json, connect
from tests.web.portal_case import Case, make_case

EXPORT = "http://dicom.nema.org/resources/ontology/DCM|110106"


def accounting(fhir: FhirClient, case: Case) -> list[Json]:
    """Oldest first."""
    answer: Answer = fhir.get(f"AuditEvent?patient=Patient/{case.patient.id}&type={EXPORT}&_count=50")
    assert answer.status == 200, answer.body
    return list(reversed(answer.resources))


def word(event: Json) -> str:
    code: str = event["subtype"][1]["code"]
    return code


def test_letters_looks_and_exports_are_found_with_their_recipient(clinic: ClinicFixture) -> None:
    case, fhir = make_case(clinic), connect(clinic)
    assert accounting(fhir, case) == []
    (letter,) = case.messages(MessageKind.REQUEST)
    with clinic.transaction() as session:
        message = outbox.get(session, str(letter.id))
        assert message is not None
        note_delivery.accepted(session, message, NOW, is_real=True)
    with case.browser() as browser:
        minted = case.link(Channel.FAX)
        case.attach_letter(minted, b"%PDF-1.7 of an invented person")
        browser.open(minted)
        # Nothing has been shown about anybody yet.
        assert [word(event) for event in accounting(fhir, case)] == ["disclose"]
        assert "Your recommendation for" in browser.give_birth_date().text
        assert browser.get("/request/letter").status_code == 200
    fhir.get(f"Patient/{case.patient.id}/$everything")
    # A read by a system is on record, and is no disclosure as a whole.
    fhir.get(f"Patient/{case.patient.id}")
    events = accounting(fhir, case)
    words = [word(event) for event in events]
    assert words[0] == "disclose"
    assert {"portal-request", "portal-letter"} <= set(words)
    assert words[-1] == "everything"
    clinician = {"reference": f"PractitionerRole/{case.clinician.id}"}
    for event in events:
        assert event["subtype"][0]["code"] == "disclose"
        assert event["recorded"]
        recipients = [agent["who"] for agent in event["agent"] if "110152" in str(agent.get("type"))]
        if word(event) == "everything":
            assert recipients[0]["identifier"]["system"].endswith("/client-actor")
        else:
            assert recipients == [clinician], word(event)
    # By clinician, and within a time.
    about = f"AuditEvent?patient=Patient/{case.patient.id}&type={EXPORT}"
    mine = fhir.get(f"{about}&agent={clinician['reference']}")
    assert len(mine.resources) == len(events) - 1
    assert fhir.get(f"{about}&date=lt2020").resources == []


def test_a_letter_to_the_wrong_person_is_a_disclosure(clinic: ClinicFixture) -> None:
    case, fhir = make_case(clinic), connect(clinic)
    task = fhir.get(f"Task?focus=ServiceRequest/{case.referral.id}").resources[0]
    answer = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "basedOn": [{"reference": f"ServiceRequest/{case.referral.id}"}],
        "subject": {"reference": f"Patient/{case.patient.id}"},
        "item": [
            {"linkId": "decision", "answer": [{"valueCoding": {"code": "not-my-patient"}}]},
            {"linkId": "attestation", "answer": [{"valueBoolean": True}]},
            {"linkId": "signer-name", "answer": [{"valueString": "Hollis Brandywine"}]},
            {"linkId": "signer-credentials", "answer": [{"valueString": "MD"}]},
        ],
    }
    assert fhir.post("QuestionnaireResponse", answer).status == 201
    assert [word(event) for event in accounting(fhir, case)] == ["misdirected"]
    assert fhir.get(f"Task/{task['id']}").body["status"] == "rejected"
