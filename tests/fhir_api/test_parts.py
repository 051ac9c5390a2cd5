"""Parts of resources by `_summary` and `_elements`, and reads of what a client has already."""

from __future__ import annotations

import pytest

from referral.fhir.validation import issues_in
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import Referred, patient

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
TEXT = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Maria</div>'}
WHOLE: Json = {
    "resourceType": "Observation",
    "meta": {"tag": [{"system": "http://ehr.example/tags", "code": "mine"}]},
    "text": TEXT,
    "modifierExtension": [{"url": "http://ehr.example/not", "valueBoolean": True}],
    "status": "final",
    "_status": {"extension": [{"url": "http://ehr.example/x", "valueString": "y"}]},
    "code": {"text": "Weight"},
    "effectiveDateTime": "2026-11-01",
    "valueQuantity": {"value": 70, "unit": "kg"},
    "note": [{"text": "After lunch."}],
    "device": {"display": "Scales"},
}


@pytest.mark.parametrize(
    ("asked", "left_out"),
    [
        ("_summary=true", {"text", "note", "device"}),
        ("_summary=text", {"effectiveDateTime", "valueQuantity", "note", "device"}),
        ("_summary=data", {"text"}),
        ("_elements=value", {"text", "effectiveDateTime", "note", "device"}),
        ("_elements=Observation.note,device", {"text", "effectiveDateTime", "valueQuantity"}),
        ("_elements=note.text", {"text", "effectiveDateTime", "valueQuantity", "device"}),
        ("_elements=shoeSize", {"text", "effectiveDateTime", "valueQuantity", "note", "device"}),
        ("_elements=text&_summary=true", {"effectiveDateTime", "valueQuantity", "note", "device"}),
    ],
)
def test_a_part_of_a_resource_says_that_it_is_one(fhir: FhirClient, asked: str, left_out: set[str]) -> None:
    made = fhir.create(WHOLE)
    path = f"Observation/{made['id']}"
    wanted = {name: value for name, value in made.items() if name not in left_out}
    wanted["meta"] = {**made["meta"], "tag": [*WHOLE["meta"]["tag"], SUBSETTED]}
    read = fhir.get(f"{path}?{asked}")
    assert (read.status, read.body) == (200, wanted)
    assert read.headers["etag"] == 'W/"1"'
    assert fhir.get(f"{path}/_history/1?{asked}").body == wanted
    found = fhir.get(f"Observation?{asked}")
    assert found.resources == [wanted]
    assert asked.split("&", maxsplit=1)[0] in found.body["link"][0]["url"]
    assert issues_in(wanted) == []


def test_decimals_keep_their_digits_in_a_part(fhir: FhirClient) -> None:
    sent = b"""{"resourceType": "Observation", "status": "final", "code": {"text": "Weight"},
        "valueQuantity": {"value": 70.10, "unit": "kg"}}"""
    made = fhir.post("Observation", sent)
    assert b"70.10" in fhir.get(f"Observation/{made.id}?_elements=value").content


def test_everything_is_everything(fhir: FhirClient) -> None:
    made = fhir.create(WHOLE)
    assert fhir.get(f"Observation/{made['id']}?_summary=false").body == made
    assert fhir.get("Observation?_summary=false").resources == [made]
    assert fhir.get("Observation?_summary=count").body.keys() == {"resourceType", "type", "total", "link"}


@pytest.mark.parametrize(
    "asked", ["_summary=count", "_summary=short", "_summary=", "_elements=a-b", "_elements="]
)
def test_a_part_that_is_none_is_refused(fhir: FhirClient, asked: str) -> None:
    made = fhir.create(WHOLE)
    for path in (f"Observation/{made['id']}", f"Observation/{made['id']}/_history/1"):
        answer = fhir.get(f"{path}?{asked}")
        assert answer.status == 400, asked
        assert answer.expressions == [f"http.{asked.split('=', maxsplit=1)[0]}"]


def test_elements_are_those_of_the_type_that_is_searched(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    asked = f"ServiceRequest?_id={referred.order.partition('/')[2]}&_include=ServiceRequest:patient"
    order, who = fhir.get(f"{asked}&_elements=code").resources
    assert "reasonReference" not in order
    assert {"code", "subject", "status", "intent"} <= order.keys()
    assert who == fhir.get(referred.patient).body
    order, who = fhir.get(f"{asked}&_summary=text").resources
    assert SUBSETTED in order["meta"]["tag"]
    assert SUBSETTED in who["meta"]["tag"]
    assert "birthDate" not in who


@pytest.mark.parametrize(
    "type", ["Patient", "Task", "AuditEvent", "Questionnaire", "CodeSystem", "Provenance"]
)
def test_every_kind_of_resource_has_a_summary(fhir: FhirClient, type: str) -> None:
    Referred(fhir)
    fhir.get("Patient")
    found = fhir.get(f"{type}?_summary=true").resources
    assert found
    assert all(SUBSETTED in row["meta"]["tag"] and "text" not in row for row in found)


def test_a_part_does_not_overwrite_the_whole(fhir: FhirClient) -> None:
    made = fhir.create(WHOLE)
    path = f"Observation/{made['id']}"
    refused = fhir.put(path, fhir.get(f"{path}?_elements=value").body)
    assert (refused.status, refused.expressions) == (422, ["Observation.meta.tag"])
    assert fhir.get(path).body == made


# ---- What the client has already


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_None_Match": 'W/"1"'}, 304),
        ({"If_None_Match": '"1"'}, 304),
        ({"If_None_Match": 'W/"7", W/"1"'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": 'W/"2"'}, 200),
        ({"If_None_Match": "what?"}, 200),
        ({"If_Modified_Since": "Tue, 03 Nov 2026 17:00:00 GMT"}, 304),
        ({"If_Modified_Since": "Tue, 03 Nov 2026 16:59:59 GMT"}, 200),
        ({"If_Modified_Since": "Tue, 03 Nov 2026 17:00:00 -0000"}, 304),
        ({"If_Modified_Since": "yesterday"}, 200),
        ({"If_Modified_Since": "Tue, 99999999999999999999 Nov 2026 17:00:00 GMT"}, 200),
        ({"If_None_Match": 'W/"2"', "If_Modified_Since": "Tue, 03 Nov 2026 17:00:00 GMT"}, 200),
    ],
)
def test_a_version_that_the_client_has_is_not_sent_again(
    fhir: FhirClient, headers: dict[str, str], status: int
) -> None:
    made = fhir.create(patient())
    answer = fhir.get(f"Patient/{made['id']}", **headers)
    assert answer.status == status
    assert answer.headers["etag"] == 'W/"1"'
    assert (answer.content == b"") == (status == 304)
    assert fhir.get("Patient/nobody", **headers).status == 404
