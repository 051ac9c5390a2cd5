"""The API in XML: the same resources, the same refusals."""

from __future__ import annotations

from typing import Any

from referral.fhir.json import decode, encode
from referral.fhir.xml import decode_xml, encode_xml
from referral.services.interactions import INTERACTIONS
from tests.fhir import examples
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.test_examples import NOT_TAKEN, WRITABLE, plain, sort

XML = "application/fhir+xml"
PATIENT: Json = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:example:mrn", "value": "x-1"}],
    "name": [{"given": ["Ana", None], "_given": [None, {"id": "g"}], "family": '<&"> Ömer\n'}],
    "extension": [{"url": "http://x.example", "valueDecimal": 1}],
}


def read(answer: Answer) -> Json:
    assert answer.headers["content-type"] == XML, answer.content
    return decode_xml(answer.content, limit=10**7)


def send(fhir: FhirClient, method: str, path: str, document: Any, **headers: str) -> Answer:
    content = encode_xml(document) if isinstance(document, dict) else document
    return fhir.call(method, f"/fhir/{path}", content, Content_Type=XML, Accept=XML, **headers)


def test_the_examples_are_stored_from_xml_as_from_json(fhir: FhirClient) -> None:
    for name in WRITABLE:
        _store(fhir, name)


def _store(fhir: FhirClient, name: str) -> None:
    sent = examples.example(name)
    type = sent["resourceType"]
    made = send(fhir, "POST", type, sent)
    if type in NOT_TAKEN:
        assert made.status == 422
        assert read(made)["issue"][0]["code"] in ("business-rule", "value", "not-supported")
        return
    assert made.status == 201, (name, made.content)
    path = f"{type}/{read(made)['id']}"
    for stored in (decode(fhir.get(path).content), read(fhir.get(path, Accept=XML))):
        assert encode(sort(plain(stored))) == encode(sort(plain(sent)))
    again = send(fhir, "PUT", path, read(fhir.get(path, Accept=XML)))
    assert again.status in ({200} if "update" in INTERACTIONS[type] else {405})


def test_every_name_of_xml_is_taken(fhir: FhirClient) -> None:
    for media_type in (XML, "application/xml", "text/xml; charset=utf-8"):
        made = fhir.post("Patient", encode_xml(PATIENT), Content_Type=media_type)
        assert made.status == 201, media_type
        assert encode(sort(plain(decode(made.content)))) == encode(sort(plain(PATIENT)))


ASKED = [
    ("", XML, XML),
    ("?_format=xml", "application/json", XML),
    ("?_format=application/fhir+xml", "", XML),
    ("?_format=application/fhir%2Bxml", "", XML),
    ("?_format=text/xml", "", "application/xml"),
    ("", "application/xml", "application/xml"),
    ("", f"{XML};q=0.5, application/fhir+json;q=0.9", "application/fhir+json"),
    ("", f"{XML};fhirVersion=4.0, application/fhir+json;q=0.9", XML),
    ("?_format=json", XML, "application/fhir+json"),
    ("", "*/*", "application/fhir+json"),
    ("", "text/html, */*;q=0.8", "application/fhir+json"),
]


def test_what_is_asked_for_is_answered(fhir: FhirClient) -> None:
    for query, accept, answered in ASKED:
        answer = fhir.get(f"Patient{query}", Accept=accept)
        assert (answer.status, answer.headers["content-type"]) == (200, answered), (query, accept)


def test_history_search_and_bundles_answer_in_xml(fhir: FhirClient) -> None:
    made = read(send(fhir, "POST", "Patient", PATIENT))
    for path, kind in (
        (f"Patient?_id={made['id']}", "searchset"),
        (f"Patient/{made['id']}/_history", "history"),
        ("Patient/_history", "history"),
    ):
        bundle = read(fhir.get(path, Accept=XML))
        assert (bundle["type"], bundle["entry"][0]["resource"]) == (kind, made)
    request = {"method": "POST", "url": "Patient"}
    for kind in ("batch", "transaction"):
        bundle = {
            "resourceType": "Bundle",
            "type": kind,
            "entry": [{"resource": PATIENT, "request": request}],
        }
        done = read(send(fhir, "POST", "", bundle))
        assert done["type"] == f"{kind}-response"
        assert plain(done["entry"][0]["resource"]) == plain(made)


def test_a_patch_in_xml_is_a_fhirpath_patch(fhir: FhirClient) -> None:
    made = read(send(fhir, "POST", "Patient", PATIENT))
    parts = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "active"},
        {"name": "value", "valueBoolean": True},
    ]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    done = send(fhir, "PATCH", f"Patient/{made['id']}", patch, If_Match='W/"1"')
    assert (done.status, read(done)["active"]) == (200, True)
    refused = fhir.call(
        "PATCH",
        f"/fhir/Patient/{made['id']}",
        b"<diff/>",
        Content_Type="application/xml-patch+xml",
        Accept=XML,
    )
    assert (refused.status, read(refused)["issue"][0]["code"]) == (415, "not-supported")


def test_every_type_is_served_in_xml(fhir: FhirClient) -> None:
    for type in INTERACTIONS:
        # Searching leaves an AuditEvent behind, so the two would not find the same ones.
        path = f"{type}?_count=50&_lastUpdated=lt{'2020' if type == 'AuditEvent' else '2100'}"
        bundle = read(fhir.get(path, Accept=XML))
        assert encode(sort(bundle)) == encode(sort(decode(fhir.get(path).content))), type


def test_the_statement_is_there_in_xml(fhir: FhirClient) -> None:
    statement = read(fhir.get("metadata", Accept=XML))
    assert XML in statement["format"]
    assert XML in statement["patchFormat"]
    assert encode(sort(statement)) == encode(sort(decode(fhir.get("metadata").content)))


REFUSED: list[tuple[str, str, bytes | None, int]] = [
    ("GET", "Patient/none", None, 404),
    ("GET", "Patient?birthdate=x", None, 400),
    ("GET", "Foo", None, 404),
    ("GET", "a/b/c/d", None, 404),
    ("POST", "Patient", b"<Patient", 400),
    ("POST", "Patient", b"{}", 400),
    ("POST", "Patient", b'<Patient xmlns="http://hl7.org/fhir"><foo value="1"/></Patient>', 400),
    ("POST", "Patient", b'<!DOCTYPE a [<!ENTITY b "c">]><Patient xmlns="http://hl7.org/fhir"/>', 400),
    ("POST", "Patient", b'<Patient xmlns="http://hl7.org/fhir"/>' + b" " * 1024 * 1024, 413),
    ("POST", "Patient", b'<Patient xmlns="http://hl7.org/fhir">' + b"<a>" * 300, 413),
    ("DELETE", "Patient/x%01y", None, 405),
]


def test_refusals_are_told_in_xml(fhir: FhirClient) -> None:
    for method, path, body, status in REFUSED:
        answer = fhir.call(method, f"/fhir/{path}", body, Content_Type=XML, Accept=XML)
        assert answer.status == status, (path, answer.content)
        outcome = read(answer)
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["details"]["text"].endswith(".")


def test_nobody_is_refused_in_xml_too(fhir: FhirClient) -> None:
    answer = fhir.get("Patient", Authorization="", Accept=XML)
    assert (answer.status, read(answer)["issue"][0]["code"]) == (401, "login")


def test_the_content_of_a_binary_stays_what_a_client_of_xml_gets(fhir: FhirClient) -> None:
    made = fhir.create({"resourceType": "Binary", "contentType": "text/xml", "data": "PGEvPg=="})
    assert fhir.get(f"Binary/{made['id']}", Accept="text/xml").content == b"<a/>"
    assert read(fhir.get(f"Binary/{made['id']}", Accept=XML))["data"] == "PGEvPg=="
    assert read(fhir.get(f"Binary/{made['id']}?_format=xml"))["data"] == "PGEvPg=="
    # Everything but a read is about the resource, whatever it holds.
    for path in ("Binary", f"Binary/{made['id']}/_history", f"Binary/{made['id']}/_history/1"):
        assert fhir.get(path, Accept="application/xml").headers["content-type"] == "application/xml"
        assert fhir.get(path, Accept="application/pdf").status == 406
    again = fhir.post("Binary", made, Accept="application/xml")
    assert (again.status, again.headers["content-type"]) == (201, "application/xml")


def test_operations_take_and_answer_xml(fhir: FhirClient) -> None:
    made = read(send(fhir, "POST", "Patient", PATIENT))
    everything = read(fhir.get(f"Patient/{made['id']}/$everything", Accept=XML))
    assert made in [entry["resource"] for entry in everything["entry"]]
    of = {"name": "subject", "valueReference": {"reference": f"Patient/{made['id']}"}}
    asked = {"resourceType": "Parameters", "parameter": [of]}
    questionnaire = fhir.get("Questionnaire?_count=1").resources[0]["id"]
    in_json = fhir.post(f"Questionnaire/{questionnaire}/$populate", asked)
    in_xml = send(fhir, "POST", f"Questionnaire/{questionnaire}/$populate", asked)
    assert in_xml.status == in_json.status == 200, in_json.body
    assert read(in_xml)["resourceType"] == in_json.body["resourceType"]
    form = "_id=" + made["id"]
    found = fhir.call(
        "POST",
        "/fhir/Patient/_search",
        form.encode(),
        Content_Type="application/x-www-form-urlencoded",
        Accept=XML,
    )
    assert read(found)["entry"][0]["resource"] == made
