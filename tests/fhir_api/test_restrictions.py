"""Scopes restricted by a search: what lies outside does not exist for reads, and is refused for writes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fastapi.routing import iter_route_contexts

from tests.database import ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import patient, transaction
from tests.fhir_api.test_access import limited

OTHER = {"gender": "male", "name": [{"family": "Outsider"}]}
WOMEN = "system/Patient.crus?gender=female"


@pytest.fixture
def inside(fhir: FhirClient) -> Json:
    return fhir.create(patient())


@pytest.fixture
def outside(fhir: FhirClient) -> Json:
    return fhir.create(patient(**OTHER))


@pytest.fixture
def women(clinic: ClinicFixture, fhir: FhirClient) -> FhirClient:
    return limited(clinic, fhir, WOMEN)


def bundle(kind: str, method: str, url: str, resource: Json | None = None, **more: str) -> Json:
    entry: Json = {"request": {"method": method, "url": url, **more}}
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [entry | ({"resource": resource} if resource else {})],
    }


def test_a_read_does_not_find_what_is_outside(women: FhirClient, inside: Json, outside: Json) -> None:
    for way in ("Patient/{}", "Patient/{}/_history/1", "Patient/{}/_history"):
        assert women.get(way.format(inside["id"])).status == 200
        missing = women.get(way.format("nobody"))
        refused = women.get(way.format(outside["id"]))
        assert refused.status == missing.status == 404
        assert refused.text == missing.text.replace("nobody", outside["id"])


FINDS: dict[str, Callable[[FhirClient], Answer]] = {
    "search": lambda client: client.get("Patient"),
    "by id": lambda client: client.get("Patient?_count=200"),
    "by form": lambda client: client.call(
        "POST", "/fhir/Patient/_search", b"_count=50", Content_Type="application/x-www-form-urlencoded"
    ),
    "history of the type": lambda client: client.get("Patient/_history"),
    "in a batch": lambda client: client.post("", bundle("batch", "GET", "Patient")),
}


def test_a_search_leaves_out_what_is_outside(women: FhirClient, inside: Json, outside: Json) -> None:
    for door, find in FINDS.items():
        found = find(women)
        assert found.status == 200, door
        assert inside["id"] in str(found.body), door
        assert outside["id"] not in str(found.body), door
        assert "Outsider" not in str(found.body), door


def test_a_search_counts_only_what_is_inside(women: FhirClient, inside: Json, outside: Json) -> None:
    assert women.get("Patient?_summary=count").body["total"] == 1
    assert women.get(f"Patient?_id={outside['id']}").resources == []
    assert women.get(f"Patient?_id={inside['id']},{outside['id']}").references == [f"Patient/{inside['id']}"]
    assert women.get("Patient?gender=male").resources == []


WRITES: dict[str, Callable[[FhirClient, Json], Answer]] = {
    "update": lambda client, it: client.put(f"Patient/{it['id']}", it | {"gender": "female"}),
    "update with If-Match": lambda client, it: client.put(f"Patient/{it['id']}", it, If_Match='W/"7"'),
    "patch": lambda client, it: client.call(
        *("PATCH", f"/fhir/Patient/{it['id']}", [{"op": "replace", "path": "/gender", "value": "female"}]),
        Content_Type="application/json-patch+json",
    ),
    "a patch that asks": lambda client, it: client.call(
        *("PATCH", f"/fhir/Patient/{it['id']}", [{"op": "test", "path": "/gender", "value": "male"}]),
        Content_Type="application/json-patch+json",
    ),
    "in a transaction": lambda client, it: client.post(
        "", bundle("transaction", "PUT", f"Patient/{it['id']}", it)
    ),
    "create": lambda client, _: client.post("Patient", patient(**OTHER)),
}


def test_a_write_outside_is_refused_and_changes_nothing(
    women: FhirClient, fhir: FhirClient, outside: Json
) -> None:
    for door, write in WRITES.items():
        before = fhir.get("Patient/_history").references
        refused = write(women, outside)
        assert refused.status == 403, door
        assert refused.issues[0]["code"] == "forbidden"
        assert fhir.get("Patient/_history").references == before


def test_nothing_is_moved_out_of_the_restriction(women: FhirClient, fhir: FhirClient, inside: Json) -> None:
    path = f"Patient/{inside['id']}"
    changed = women.put(path, inside | {"birthDate": "1986-04-13"})
    assert changed.status == 200
    assert women.put(path, changed.body | {"gender": "male"}).status == 403
    patch = [{"op": "replace", "path": "/gender", "value": "male"}]
    moved = women.call("PATCH", f"/fhir/{path}", patch, Content_Type="application/json-patch+json")
    assert moved.status == 403
    assert fhir.get(path).body["meta"]["versionId"] == "2"


def test_versions_from_before_are_not_shown_either(
    women: FhirClient, fhir: FhirClient, outside: Json
) -> None:
    path = f"Patient/{outside['id']}"
    fhir.put(path, outside | {"gender": "female"})
    assert women.get(path).status == 200
    assert women.get(f"{path}/_history/1").status == 404
    assert women.get(f"{path}/_history/2").status == 200
    assert [row["meta"]["versionId"] for row in women.get(f"{path}/_history").resources] == ["2"]
    assert "male'" not in str(women.get("Patient/_history").body).replace("female'", "")


def test_who_changes_and_may_not_read_is_not_shown_what_is_there(
    clinic: ClinicFixture, fhir: FhirClient, inside: Json
) -> None:
    writer = limited(clinic, fhir, "system/Patient.u")
    path = f"Patient/{inside['id']}"
    patch = [{"op": "replace", "path": "/gender", "value": "male"}]
    changed = writer.call("PATCH", f"/fhir/{path}", patch, Content_Type="application/json-patch+json")
    assert (changed.status, changed.content) == (200, b"")
    again = writer.post("", bundle("transaction", "PUT", path, inside))
    assert again.status == 200
    assert "Nguy" not in str(again.body)


def test_a_condition_sees_no_further_than_a_search(women: FhirClient, outside: Json) -> None:
    family = "name=Outsider"
    made = women.post("Patient", patient(), If_None_Exist=family)
    assert made.status == 201
    assert women.call("PUT", f"/fhir/Patient?{family}", patient()).status == 201
    patch = [{"op": "replace", "path": "/gender", "value": "female"}]
    path = f"/fhir/Patient?{family}"
    assert women.call("PATCH", path, patch, Content_Type="application/json-patch+json").status == 404


def test_a_condition_needs_to_search(clinic: ClinicFixture, fhir: FhirClient, outside: Json) -> None:
    """Otherwise a client that may only write would be told what is there."""
    writer = limited(clinic, fhir, "system/Patient.cu", "system/Condition.c")
    assert writer.post("Patient", patient()).status == 201
    assert writer.post("Patient", patient(), If_None_Exist="name=Outsider").status == 403
    assert writer.call("PUT", "/fhir/Patient?name=Outsider", patient()).status == 403
    conditional = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient?name=Outsider"},
        "code": {"text": "sad"},
    }
    assert writer.post("", transaction(one=conditional)).status == 403


def test_a_reference_by_condition_finds_only_what_is_inside(
    clinic: ClinicFixture, fhir: FhirClient, inside: Json, outside: Json
) -> None:
    writer = limited(clinic, fhir, WOMEN, "system/Condition.c")

    def about(name: str) -> int:
        subject = {"reference": f"Patient?name={name}"}
        sent = {"resourceType": "Condition", "subject": subject, "code": {"text": "sad"}}
        return writer.post("", transaction(one=sent)).status

    assert about("Nguyễn") == 200
    assert about("Outsider") == about("Nobody")


def test_what_is_brought_along_is_inside_too(
    clinic: ClinicFixture, fhir: FhirClient, outside: Json, inside: Json
) -> None:
    for one in (inside, outside):
        fhir.create(
            {
                "resourceType": "Condition",
                "subject": {"reference": f"Patient/{one['id']}"},
                "code": {"text": "sad"},
            }
        )
    reader = limited(clinic, fhir, WOMEN, "system/Condition.rs")
    found = reader.get("Condition?_include=Condition:subject")
    assert f"Patient/{inside['id']}" in found.references
    assert f"Patient/{outside['id']}" not in found.references
    # What points here is searched for, and read.
    for letters, expected in (("rs", [f"Patient/{inside['id']}"]), ("r", []), ("s", [])):
        scope = f"system/Condition.{letters}?subject=Patient/{inside['id']}"
        reverse = limited(clinic, fhir, "system/Patient.rs", scope)
        brought = reverse.get("Patient?_revinclude=Condition:subject")
        conditions = [row for row in brought.resources if row["resourceType"] == "Condition"]
        assert [row["subject"]["reference"] for row in conditions] == expected, letters


def test_scopes_are_joined_by_or(
    clinic: ClinicFixture, fhir: FhirClient, inside: Json, outside: Json
) -> None:
    both = limited(
        clinic, fhir, "system/Patient.r?gender=female", "system/Patient.rs?gender=male&family=Outsider"
    )
    assert both.get(f"Patient/{inside['id']}").status == 200
    assert both.get(f"Patient/{outside['id']}").status == 200
    assert both.get("Patient").references == [f"Patient/{outside['id']}"]


def test_a_sealed_document_goes_with_its_reference(clinic: ClinicFixture, fhir: FhirClient) -> None:
    """Binary.securityContext: whoever may not see the DocumentReference may not see the bytes."""
    holder = fhir.create(patient())
    document = fhir.create(
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "subject": {"reference": f"Patient/{holder['id']}"},
            "content": [{"attachment": {"contentType": "text/plain"}}],
        }
    )
    binary = fhir.create(
        {
            "resourceType": "Binary",
            "contentType": "text/plain",
            "securityContext": {"reference": f"DocumentReference/{document['id']}"},
            "data": "c2VjcmV0",
        }
    )
    path = f"Binary/{binary['id']}"
    for scopes, status in (
        (["system/Binary.rs"], 404),
        (["system/Binary.rs", "system/DocumentReference.rs?status=superseded"], 404),
        (["system/Binary.rs", "system/DocumentReference.r?status=current"], 200),
    ):
        reader = limited(clinic, fhir, *scopes)
        assert reader.get(path).status == status
        assert (binary["id"] in str(reader.get("Binary").body)) is (status == 200)


def test_the_gate_is_that_of_an_order_inside(clinic: ClinicFixture, fhir: FhirClient) -> None:
    from tests.fhir_api.people import Referred

    mine, other = Referred(fhir), Referred(fhir)
    reader = limited(clinic, fhir, f"system/ServiceRequest.r?subject={mine.patient}")
    assert reader.get(f"{mine.order}/$gate").status == 200
    assert reader.get(f"{other.order}/$gate").status == 404
    cds = {
        "hook": "patient-view",
        "hookInstance": "1",
        "context": {"patientId": "1", "userId": "Practitioner/1"},
    }
    assert reader.call("POST", "/cds-services/ketamine-recommendation-gate", cds).status == 403


def test_no_get_route_shows_what_is_outside(women: FhirClient, inside: Json, outside: Json) -> None:
    """Walks the routes, so that a new one is looked at too."""
    assert inside["gender"] == "female"
    values = {"type": "Patient", "version": "1", "rest:path": "x/y/z", "id": outside["id"]}
    walked = 0
    for route in iter_route_contexts(women.app.routes):
        template = route.path or ""
        if not template.startswith("/fhir/") or "GET" not in (route.methods or ()):
            continue
        path = re.sub(
            r"\{([^}]+)\}",
            lambda part: values.get(part[1], values.get(part[1].partition(":")[0], "x")),
            template,
        )
        shown = women.call("GET", path)
        assert shown.status < 500, path
        assert "Outsider" not in shown.content.decode(), path
        if "{id" in template:
            assert shown.status in (403, 404, 405), path
        walked += 1
    assert walked > 5
