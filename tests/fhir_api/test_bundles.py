"""Transactions are done as a whole or not at all; batches entry by entry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import Referred, condition, order, patient, practitioner, request, transaction


def counts(fhir: FhirClient) -> dict[str, int]:
    types = ("Patient", "Condition", "ServiceRequest", "Practitioner", "Task")
    return {type: fhir.get(f"{type}?_summary=count").body["total"] for type in types}


def test_a_transaction_that_fails_in_its_last_entry_leaves_nothing(fhir: FhirClient) -> None:
    before = counts(fhir)
    bundle = transaction(
        who=patient(), why=condition("who"), placed=order("who", "why"), asked=request("who", "CareTeam/1")
    )
    answer = fhir.post("", bundle)
    assert answer.status == 422
    assert answer.expressions == ["Bundle.entry[3].resource.performer[0]"]
    assert counts(fhir) == before


def test_every_invalid_entry_is_named_at_once(fhir: FhirClient) -> None:
    bundle = transaction(a=patient(gender="w"), b=patient(), c=patient(shoeSize=43))
    answer = fhir.post("", bundle)
    assert answer.status == 400
    places = {place.split(".resource")[0] for place in answer.expressions}
    assert places == {"Bundle.entry[0]", "Bundle.entry[2]"}


def test_conditional_references_and_creates_find_what_is_there(fhir: FhirClient) -> None:
    known = fhir.create(patient())
    by_number = "Patient?identifier=http://ehr.example/mrn|MRN-1"
    bundle = transaction(why=condition(by_number), again=patient())
    bundle["entry"][1]["request"]["ifNoneExist"] = "identifier=http://ehr.example/mrn|MRN-1"
    answer = fhir.post("", bundle)
    assert answer.status == 200, answer.body
    assert [row["response"]["status"] for row in answer.body["entry"]] == ["201 Created", "200 OK"]
    assert answer.resources[0]["subject"]["reference"] == f"Patient/{known['id']}"
    assert answer.resources[1]["id"] == known["id"]
    nobody = transaction(why=condition("Patient?identifier=http://ehr.example/mrn|MRN-2"))
    assert fhir.post("", nobody).status == 412


def test_a_transaction_sent_again_with_conditions_changes_nothing(fhir: FhirClient) -> None:
    bundle = transaction(who=patient(), person=practitioner())
    bundle["entry"][0]["request"]["ifNoneExist"] = "identifier=http://ehr.example/mrn|MRN-1"
    bundle["entry"][1]["request"]["ifNoneExist"] = "identifier=http://hl7.org/fhir/sid/us-npi|9000000015"
    first, again = fhir.post("", bundle), fhir.post("", bundle)
    assert first.references == again.references
    assert counts(fhir)["Patient"] == 1


def test_entries_with_the_same_condition_make_one_resource(fhir: FhirClient) -> None:
    bundle = transaction(why=condition("two"), one=patient(), two=patient())
    for entry in bundle["entry"][1:]:
        entry["request"]["ifNoneExist"] = "identifier=http://ehr.example/mrn|MRN-1"
    answer = fhir.post("", bundle)
    assert answer.status == 200, answer.body
    assert [row["response"]["status"][:3] for row in answer.body["entry"]] == ["201", "201", "200"]
    assert answer.resources[1]["id"] == answer.resources[2]["id"]
    assert answer.resources[0]["subject"]["reference"] == f"Patient/{answer.resources[1]['id']}"


def test_a_temporary_reference_to_nothing_is_refused(fhir: FhirClient) -> None:
    bundle = transaction(why=condition("urn:uuid:00000000-0000-4000-8000-00000000ffff"))
    answer = fhir.post("", bundle)
    assert answer.status == 400
    assert "urn:uuid" in answer.text


def test_a_transaction_updates_with_the_version_that_it_names(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    entry: Json = {
        "resource": {**made, "gender": "other"},
        "request": {"method": "PUT", "url": f"Patient/{made['id']}", "ifMatch": 'W/"1"'},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert fhir.post("", bundle).status == 200
    stale = fhir.post("", bundle)
    assert stale.status == 412
    assert fhir.get(f"Patient/{made['id']}").body["meta"]["versionId"] == "2"


def test_a_batch_does_each_entry_for_itself(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    rows = [
        ("GET", f"Patient/{made['id']}", None),
        ("GET", "Patient?gender=female&_count=1", None),
        ("POST", "Patient", patient(gender="w")),
        ("POST", "Patient", patient(gender="male")),
        ("DELETE", f"Patient/{made['id']}", None),
        ("GET", "Patient/nobody", None),
        ("GET", "Patient?gender=female&shoesize:exact=1", None),
    ]
    entries = [
        {"request": {"method": method, "url": url}} | ({"resource": body} if body else {})
        for method, url, body in rows
    ]
    answer = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    assert answer.status == 200
    statuses = [row["response"]["status"][:3] for row in answer.body["entry"]]
    assert statuses == ["200", "200", "400", "201", "405", "404", "200"]
    assert answer.body["entry"][1]["resource"]["type"] == "searchset"
    assert answer.body["entry"][2]["response"]["outcome"]["issue"]
    assert fhir.get("Patient?_summary=count").body["total"] == 2


def test_a_refused_start_in_a_batch_keeps_its_audit_row(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    start: Json = {
        "resource": {
            "resourceType": "Procedure",
            "status": "in-progress",
            "subject": {"reference": referred.patient},
            "basedOn": [{"reference": referred.order}],
        },
        "request": {"method": "POST", "url": "Procedure"},
    }
    answer = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": [start]})
    assert answer.body["entry"][0]["response"]["status"].startswith("422")
    events = fhir.get("AuditEvent?_count=200").resources
    assert any("refused" in str(event["subtype"]) for event in events)


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": patient()}]},
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "GET", "url": "Spaceship/1"}}],
        },
    ],
)
def test_a_bundle_that_is_no_batch_is_refused(fhir: FhirClient, body: Json) -> None:
    answer: Answer = fhir.post("", body)
    assert answer.status in (400, 422)
    assert answer.issues


def test_a_bundle_with_too_many_entries_is_refused(fhir: FhirClient) -> None:
    entry = {"request": {"method": "GET", "url": "Patient/1"}}
    answer = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry] * 10_000})
    assert answer.status == 413


def test_a_trailing_slash_is_taken(fhir: FhirClient) -> None:
    answer = fhir.call("POST", "/fhir/", transaction(who=patient()))
    assert answer.status == 200
    assert fhir.call("POST", "/fhir/", {"resourceType": "Bundle", "type": "batch"}).status == 200


def put(url: str, resource: Json, **more: str) -> Json:
    return {"resource": resource, "request": {"method": "PUT", "url": url, **more}}


BY_NUMBER = "Patient?identifier=http://ehr.example/mrn|MRN-1"


@pytest.mark.parametrize("known", [True, False], ids=["that is there", "that is made"])
def test_two_entries_do_not_change_one_resource(fhir: FhirClient, known: bool) -> None:
    """R4: identities that overlap, those found by a condition too, make the transaction fail."""
    made = [fhir.create(patient())] if known else []
    others = [put(BY_NUMBER, patient(gender="other"))]
    others += [put(f"Patient/{row['id']}", {**row, "gender": "male"}) for row in made]
    if not known:
        creates = {"method": "POST", "url": "Patient", "ifNoneExist": BY_NUMBER.partition("?")[2]}
        others += [{"resource": patient(), "request": creates}]
    for other in others:
        for entries in ([put(BY_NUMBER, patient(gender="unknown")), other], [other, others[0]]):
            answer = fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
            assert (answer.status, answer.issues[0]["code"]) == (400, "duplicate"), answer.body
            assert answer.expressions[0].endswith(".request.url")
    assert fhir.get("Patient?_summary=count").body["total"] == len(made)
    assert [row["meta"]["versionId"] for row in fhir.get("Patient").resources] == ["1"] * len(made)


def test_a_reference_by_condition_finds_what_the_transaction_makes(fhir: FhirClient) -> None:
    """R4 resolves such references when everything else is done."""
    bundle = transaction(why=condition(BY_NUMBER), who=patient(), other=patient(identifier=[]))
    del bundle["entry"][2]["resource"]["identifier"]
    answer = fhir.post("", bundle)
    assert answer.status == 200, answer.body
    assert answer.resources[0]["subject"]["reference"] == f"Patient/{answer.resources[1]['id']}"
    again = fhir.post("", bundle)
    assert (again.status, again.issues[0]["code"]) == (412, "multiple-matches")


def test_an_update_by_condition_in_a_bundle_makes_nothing_under_an_id_or_over_a_version(
    fhir: FhirClient,
) -> None:
    rows = [put(BY_NUMBER, patient(id="mine")), put(BY_NUMBER, patient(), ifMatch='W/"1"')]
    answer = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": rows})
    assert [row["response"]["status"][:3] for row in answer.body["entry"]] == ["405", "412"]
    assert fhir.get("Patient?_summary=count").body["total"] == 0


def test_an_entry_of_a_batch_that_cannot_be_read_is_refused_alone(fhir: FhirClient) -> None:
    good = {"resource": patient(), "request": {"method": "POST", "url": "Patient"}}
    rows: list[Any] = [
        {"request": {"method": "GET", "url": "Spaceship/1"}},
        good,
        {"resource": patient()},
        "no entry at all",
        {"resource": patient(), "request": {"method": "POST", "url": "Patient?name=x"}},
        good,
    ]
    answer = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": rows})
    assert answer.status == 200, answer.body
    statuses = [row["response"]["status"][:3] for row in answer.body["entry"]]
    assert statuses == ["422", "201", "400", "400", "400", "201"]
    told = answer.body["entry"][2]["response"]["outcome"]["issue"][0]
    assert told["expression"] == ["Bundle.entry[2].request"]
    assert fhir.get("Patient?_summary=count").body["total"] == 2
