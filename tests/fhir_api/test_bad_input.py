"""Bad input at the real door: the right status, a reason that helps, and nothing half-written."""

from __future__ import annotations

from typing import Any

import pytest

from referral.fhir.json import encode
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import condition, patient, practitioner, transaction

MIB = 1024 * 1024


def nested(depth: int) -> bytes:
    return b'{"resourceType":"Patient","x":' + b"[" * depth + b"]" * depth + b"}"


def with_extra(**more: Any) -> bytes:
    return encode(patient(**more))


def sized(size: int) -> bytes:
    """A valid Patient of exactly so many bytes."""
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>%s</p></div>'}
    shortest = len(encode(patient(text={**text, "div": text["div"] % ""})))
    made = encode(patient(text={**text, "div": text["div"] % ("x" * (size - shortest))}))
    assert len(made) == size
    return made


def stored(fhir: FhirClient) -> int:
    """How many versions of anything the clinic has."""
    with fhir.clinic.transaction() as session:
        text = "SELECT count(*) FROM resource WHERE clinic_id = %s"
        return int(session.connection.exec_driver_sql(text, (fhir.clinic.id,)).scalar_one())


# name → body, status, code of the issue, and what its text or its expression has to name.
BODIES: dict[str, tuple[bytes, int, str, str]] = {
    "over 1 MiB": (sized(MIB + 1), 413, "too-long", "1 MiB"),
    "nested deeper than 32": (nested(40), 413, "too-long", "32"),
    "nested beyond every stack": (nested(100_000), 413, "too-long", "32"),
    "an unknown property": (with_extra(shoeSize=43), 400, "structure", "shoeSize"),
    "an unknown property deep inside": (
        with_extra(contact=[{"name": {"nick": "Bo"}}]),
        400,
        "structure",
        "Patient.contact[0].name.nick",
    ),
    "a duplicate key": (
        b'{"resourceType":"Patient","gender":"male","gender":"female"}',
        400,
        "structure",
        "gender",
    ),
    "a duplicate key deep inside": (
        b'{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}',
        400,
        "structure",
        "family",
    ),
    "invalid UTF-8": (b'{"resourceType":"Patient","gender":"\xff"}', 400, "structure", "UTF-8"),
    "half of a surrogate pair": (b'{"resourceType":"Patient","id":"\\ud800"}', 400, "structure", "surrogate"),
    "U+0000": (b'{"resourceType":"Patient","language":"a\\u0000"}', 400, "structure", "U+0000"),
    "an object for a list": (with_extra(name={"family": "a"}), 400, "structure", "Patient.name"),
    "a text for an object": (with_extra(maritalStatus="single"), 400, "structure", "Patient.maritalStatus"),
    "a number for a text": (with_extra(language=7), 400, "value", "Patient.language"),
    "a text for a boolean": (with_extra(active="true"), 400, "value", "Patient.active"),
    "null": (with_extra(active=None), 400, "value", "Patient.active"),
    "an empty list": (with_extra(photo=[]), 400, "structure", "Patient.photo"),
    "an unknown code": (with_extra(gender="w"), 400, "code-invalid", "Patient.gender"),
    "a date that is none": (with_extra(birthDate="2026-02-30"), 400, "value", "Patient.birthDate"),
    "a huge exponent": (
        b'{"resourceType":"Patient","multipleBirthInteger":1e999999999}',
        400,
        "structure",
        "1e9",
    ),
    "a number of 5000 digits": (
        b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 5000 + b"}",
        400,
        "structure",
        "range",
    ),
    "an integer that does not fit": (
        with_extra(multipleBirthInteger=2**40),
        400,
        "value",
        "multipleBirth",
    ),
    "NaN": (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', 400, "structure", "NaN"),
    "no JSON": (b'{"resourceType":', 400, "structure", "JSON"),
    "no object": (b'["Patient"]', 400, "structure", "object"),
    "nothing": (b"", 400, "structure", "JSON"),
    "another type": (encode(practitioner()), 400, "value", "resourceType"),
    "no type": (b"{}", 400, "value", "resourceType"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused_with_a_reason_and_nothing_is_written(fhir: FhirClient, name: str) -> None:
    body, status, code, named = BODIES[name]
    made = fhir.create(patient())
    answers = [fhir.post("Patient", body), fhir.call("PUT", f"/fhir/Patient/{made['id']}", body)]
    for answer in answers:
        assert answer.status == status, answer.body
        assert {"severity", "code", "details"} <= answer.issues[0].keys()
        assert code in {issue["code"] for issue in answer.issues}, answer.body
        assert named in answer.text or any(named in place for place in answer.expressions), answer.body
    assert fhir.get("Patient?_count=0").body["total"] == 1
    assert fhir.get(f"Patient/{made['id']}/_history").body["total"] == 1


def test_a_body_of_exactly_one_mebibyte_is_looked_at(fhir: FhirClient) -> None:
    """It fails, if at all, for another reason than its size."""
    assert fhir.post("Patient", sized(MIB)).status != 413


def test_a_body_without_a_length_is_counted_while_it_is_read(fhir: FhirClient) -> None:
    """Chunked: no header says how much will come."""
    answer = fhir.call("POST", "/fhir/Patient", sized(MIB + 1), Content_Length="0")
    assert answer.status == 413
    assert fhir.get("Patient?_count=0").body["total"] == 0


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_bundle_of_10000_entries_is_refused_as_a_whole(fhir: FhirClient, kind: str) -> None:
    entry = {"request": {"method": "POST", "url": "Basic"}}
    entries = [{"resource": {"resourceType": "Patient"}, **entry} for _ in range(10_000)]
    body = encode({"resourceType": "Bundle", "type": kind, "entry": entries})
    assert len(body) < MIB
    answer = fhir.post("", body)
    assert (answer.status, answer.issues[0]["code"]) == (413, "too-costly")
    assert "10000" in answer.text
    assert stored(fhir) == 0


CODE_SYSTEM = {"resourceType": "CodeSystem", "status": "active", "content": "complete"}
# What stands in the middle of a transaction, and the status of the whole.
BROKEN: dict[str, tuple[Json, int]] = {
    "an unknown property": (practitioner(shoeSize=43), 400),
    "an unknown code": (practitioner(gender="w"), 400),
    "an entry that is not there": (condition("urn:uuid:00000000-0000-4000-8000-00000000ffff"), 400),
    "a condition that finds nothing": (condition("Patient?identifier=nobody"), 412),
    "an unknown type": ({"resourceType": "Spaceship"}, 422),
    "a type that is not written": (CODE_SYSTEM, 405),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_transaction_with_one_bad_entry_writes_nothing(fhir: FhirClient, name: str) -> None:
    broken, status = BROKEN[name]
    answer = fhir.post("", transaction(good=patient(), bad=broken, also=patient()))
    assert answer.status == status, answer.body
    assert any(place.startswith("Bundle.entry[1]") for place in answer.expressions), answer.body
    assert stored(fhir) == 0


def test_a_batch_with_bad_entries_does_the_others(fhir: FhirClient) -> None:
    bundle = transaction(good=patient(), bad=patient(shoeSize=43), worse=practitioner(gender="w"))
    answer = fhir.post("", {**bundle, "type": "batch"})
    assert answer.status == 200
    statuses = [entry["response"]["status"][:3] for entry in answer.body["entry"]]
    assert statuses == ["201", "400", "400"]
    assert answer.body["entry"][1]["response"]["outcome"]["issue"][0]["expression"]
    assert fhir.get("Patient?_count=0").body["total"] == 1
    assert fhir.get("Practitioner?_count=0").body["total"] == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("_count=1000000", 200),
        ("_count=-1", 400),
        ("_count=1e3", 400),
        ("_count=99999999999999999999", 400),
        ("_include=Patient:general-practitioner&_include:iterate=Patient:link", 200),
        ("_include:iterate=Patient:link&_include:iterate=Patient:link", 200),
        ("_lastUpdated=ge0000-00-00", 400),
        ("birthdate=999999-01-01", 400),
        ("birthdate=lt0001-01-01", 200),
        ("_sort=nothing", 400),
        ("_cursor=AAAA", 400),
        ("name=" + "x" * 5000, 200),
        ("name=" + ",".join("abcdefghij" * 200), 400),
        ("&".join(["name=x"] * 200), 400),
        ("name=%00", 400),
        ("name=%ff", 400),
        ("_elements=..", 400),
        ("_summary=perhaps", 400),
        ("name:sideways=x", 400),
        ("=", 200),
        ("&&&=&", 200),
    ],
)
def test_a_strange_query_is_answered_plainly(fhir: FhirClient, query: str, status: int) -> None:
    for _ in range(2):
        fhir.create(patient())
    answer = fhir.get(f"Patient?{query}")
    assert answer.status == status, answer.body
    if status == 200:
        assert answer.body["type"] == "searchset"
        assert len(answer.body.get("entry", [])) <= 200
    else:
        assert answer.issues[0]["details"]["text"]


def test_a_circle_of_references_ends(fhir: FhirClient) -> None:
    first = fhir.create(patient())
    second = fhir.create(
        patient(link=[{"other": {"reference": f"Patient/{first['id']}"}, "type": "seealso"}])
    )
    link = [{"other": {"reference": f"Patient/{second['id']}"}, "type": "seealso"}]
    assert fhir.put(f"Patient/{first['id']}", {**first, "link": link}).status == 200
    found = fhir.get(
        f"Patient?_id={first['id']}&_include:iterate=Patient:link&_revinclude:iterate=Patient:link"
    )
    assert found.status == 200
    assert sorted(found.references) == sorted(f"Patient/{row['id']}" for row in (first, second))
