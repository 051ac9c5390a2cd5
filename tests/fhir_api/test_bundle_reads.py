"""What entries of a Bundle may ask: whatever a GET can, and the operations that change nothing."""

from __future__ import annotations

import pytest

from referral.fhir.structure import check_resource
from referral.fhir.systems import BASE
from tests.database import ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import Referred, condition, patient
from tests.fhir_api.test_access import limited

FORM = f"{BASE}/Questionnaire/ketamine-recommendation"


def bundle(kind: str, *urls: str | Json) -> Json:
    """GETs by their URLs, and entries as they are."""
    entries = [{"request": {"method": "GET", "url": url}} if isinstance(url, str) else url for url in urls]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def rows(answer: Answer) -> list[Json]:
    assert answer.status == 200, answer.body
    assert check_resource(answer.body) == []
    found: list[Json] = answer.body["entry"]
    return found


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_everything_that_a_get_can_is_asked_in_a_bundle(fhir: FhirClient, kind: str) -> None:
    referred = Referred(fhir)
    who = referred.patient
    assert fhir.put(who, {**fhir.get(who).body, "gender": "other"}).status == 200
    asked = [
        "Patient?gender=other",
        f"{who}/_history?_count=1",
        "Patient/_history",
        "_history?_count=2&_elements=status",
        f"{who}/_history/1",
        f"{who}?_elements=gender",
        f"{who}?_summary=text",
        f"{referred.order}/$gate",
        f"{who}/$everything?_type=Condition",
        f"DocumentReference/$docref?patient={who[8:]}",
        f"Questionnaire/ketamine-recommendation-psychiatrist/$populate?subject={who}",
        f"Questionnaire/$populate?subject={who}&canonical={FORM}",
        "AuditEvent?_count=1",
        f"/{who}",
        f"http://testserver/fhir/{who}",
    ]
    found = rows(fhir.post("", bundle(kind, *asked), Prefer="return=minimal"))
    alone = [fhir.get(url.removeprefix("http://testserver/fhir/").lstrip("/")) for url in asked]
    assert [row["response"]["status"] for row in found] == ["200 OK"] * len(asked)
    for url, row, answer in zip(asked, found, alone, strict=True):
        if "$" in url or url.startswith("AuditEvent"):
            # They tell the time, or of the audit rows of each other.
            assert row["resource"]["resourceType"] == answer.body["resourceType"], url
        else:
            assert row["resource"] == answer.body, url
    assert found[4]["response"]["etag"] == 'W/"1"'
    assert found[4]["resource"]["gender"] == "female"
    assert set(found[5]["resource"]) == {"resourceType", "id", "meta", "gender"}
    assert found[8]["resource"]["entry"][0]["resource"]["id"] == referred.condition.partition("/")[2]


def test_reads_of_a_transaction_see_what_it_writes(fhir: FhirClient) -> None:
    urn = "urn:uuid:00000000-0000-4000-8000-000000000001"
    populate = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subject", "valueReference": {"reference": urn}},
            {"name": "canonical", "valueCanonical": FORM},
        ],
    }  # fmt: skip
    answer = fhir.post(
        "",
        bundle(
            "transaction",
            "Patient?_total=accurate",
            {"resource": populate, "request": {"method": "POST", "url": "Questionnaire/$populate"}},
            {"resource": condition(urn), "request": {"method": "POST", "url": "Condition"}},
            {"fullUrl": urn, "resource": patient(), "request": {"method": "POST", "url": "Patient"}},
        ),
    )
    found = rows(answer)
    made = found[3]["resource"]["id"]
    assert found[0]["resource"]["total"] == 1
    assert found[0]["resource"]["entry"][0]["resource"]["id"] == made
    response = found[1]["resource"]["parameter"][0]["resource"]
    assert response["subject"] == {"reference": f"Patient/{made}"}


def test_a_version_that_is_known_is_not_sent_again(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    url = f"Patient/{made['id']}"
    known = {"request": {"method": "GET", "url": url, "ifNoneMatch": 'W/"1"'}}
    other = {"request": {"method": "GET", "url": url, "ifNoneMatch": 'W/"2"'}}
    since = {"request": {"method": "GET", "url": url, "ifModifiedSince": "2026-11-03T17:00:00Z"}}
    found = rows(fhir.post("", bundle("batch", known, other, since)))
    assert [row["response"]["status"][:3] for row in found] == ["304", "200", "304"]
    assert "resource" not in found[0]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("Patient/nobody", 404),
        ("Patient/nobody/_history", 404),
        ("Patient/nobody/_history/1", 404),
        ("Patient/nobody/$everything", 404),
        ("ServiceRequest/nobody/$gate", 404),
        ("Patient?name:above=x", 400),
        ("_history?_since=x", 400),
        ("DocumentReference/$docref", 400),
        ("Patient/$everything", 405),
        ("Patient/1/$docref", 405),
        ("Patient/1/2/3/4", 404),
        ("Subscription/$events", 405),
    ],
)
def test_what_cannot_be_asked_is_refused_as_it_is_alone(fhir: FhirClient, url: str, status: int) -> None:
    (row,) = rows(fhir.post("", bundle("batch", url)))
    assert row["response"]["status"].startswith(str(status)), row
    assert row["response"]["outcome"]["issue"]
    refused = fhir.post("", bundle("transaction", url))
    assert refused.status == status


def test_scopes_hold_in_bundles(fhir: FhirClient, clinic: ClinicFixture) -> None:
    referred = Referred(fhir)
    reader = limited(clinic, fhir, "system/Condition.s", "system/Patient.r")
    urls = {
        "Condition": 200,
        "Condition/_history": 200,
        "_history": 200,
        referred.patient: 200,
        f"{referred.patient}/$everything": 200,
        "Patient": 403,
        "Patient/_history": 403,
        referred.condition: 403,
        f"{referred.condition}/_history": 403,
        f"{referred.order}/$gate": 403,
        "DocumentReference/$docref?patient=1": 403,
        "AuditEvent": 403,
    }
    found = rows(reader.post("", bundle("batch", *urls)))
    assert {url: int(row["response"]["status"][:3]) for url, row in zip(urls, found, strict=True)} == urls
    everything = found[2]["resource"]["entry"]
    assert {row["resource"]["resourceType"] for row in everything} == {"Condition"}


def test_every_patient_who_was_read_in_a_bundle_is_named_in_the_audit(fhir: FhirClient) -> None:
    made = [fhir.create(patient())["id"] for _ in range(3)]
    rows(
        fhir.post(
            "",
            bundle(
                "transaction", f"Patient/{made[0]}", f"Patient/{made[1]}/_history", f"Patient?_id={made[2]}"
            ),
        )
    )
    for id in made:
        found = fhir.get(f"AuditEvent?patient=Patient/{id}&action=R,E").resources
        assert len(found) == 1, id
