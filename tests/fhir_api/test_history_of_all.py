"""The history of everything, what was current at a time, parts of versions, and how each was written."""

from __future__ import annotations

import re

from referral.services.interactions import INTERACTIONS
from tests.database import ClinicFixture, Clock
from tests.fhir_api.client import FhirClient
from tests.fhir_api.people import Referred, condition, patient, practitioner
from tests.fhir_api.test_access import limited
from tests.fhir_api.test_history import change, link, pages, versions


def ours(found: list[str]) -> list[str]:
    """Without what the server publishes itself, which ends every history of everything."""
    return [version for version in found if re.fullmatch(r"[0-9a-f-]{36}/[0-9]+", version)]


def test_the_history_of_everything_is_in_order_and_paged(timed: FhirClient, clock: Clock) -> None:
    who = timed.create(patient())
    clock.forward()
    person = timed.create(practitioner())
    clock.forward()
    change(timed, who, "other")
    clock.forward()
    why = timed.create(condition(f"Patient/{who['id']}"))
    a, b, c = who["id"], person["id"], why["id"]
    whole = [f"{c}/1", f"{a}/2", f"{b}/1", f"{a}/1"]
    found = timed.get("_history?_count=200")
    assert [version for version in ours(versions(found)) if version[:36] in {a, b, c}] == whole
    assert found.body["total"] == len(found.resources)
    paged = [version for page in pages(timed, "_history?_count=3") for version in page]
    assert paged == versions(timed.get("_history?_count=200"))
    since = ours(versions(timed.get(f"_history?_since={found.resources[0]['meta']['lastUpdated']}")))
    assert f"{c}/1" in since
    assert f"{a}/2" not in since
    assert link(timed.get("_history?_count=1"), "self") == "_history?_count=1"


def test_a_cursor_of_everything_is_none_of_a_type(timed: FhirClient) -> None:
    for _ in range(3):
        timed.create(patient())
    cursor = str(link(timed.get("_history?_count=1"), "next")).partition("_cursor=")[2]
    assert timed.get(f"Patient/_history?_count=1&_cursor={cursor}").status == 400


def test_everything_is_what_the_client_may_search(fhir: FhirClient, clinic: ClinicFixture) -> None:
    made = fhir.create(patient())
    fhir.create(practitioner())

    one = limited(clinic, fhir, "system/Patient.s")
    assert versions(one.get("_history")) == [f"{made['id']}/1"]
    assert limited(clinic, fhir, "system/Patient.r").get("_history").status == 403
    events = fhir.get(f"AuditEvent?patient=Patient/{made['id']}").resources
    assert [row for row in events if "history" in str(row["subtype"])]


def test_no_other_clinic_is_in_it(fhir: FhirClient, other_fhir: FhirClient) -> None:
    fhir.create(patient())
    assert ours(versions(other_fhir.get("_history"))) == []


def test_what_was_current_at_a_time(timed: FhirClient, clock: Clock) -> None:
    """Versions of 17:00, 17:01 and 17:02; each is current until the next one is written."""
    made = timed.create(patient())
    for gender in ("other", "male"):
        clock.forward()
        change(timed, made, gender)
    expected = {
        "2026-11-03T16:59:59Z": "",
        "2026-11-03T17:00:00Z": "1",
        "2026-11-03T17:00:30Z": "1",
        "2026-11-03T17:01:00.000Z": "2",
        "2026-11-03T17:01": "2",
        "2026-11-03T18:01:59+01:00": "2",
        "2026-11-03T17:02:00Z": "3",
        "2027": "3",
        "2026-11-03": "321",
        "2025": "",
    }
    for path in ("_history", "Patient/_history", f"Patient/{made['id']}/_history"):
        for at, found in expected.items():
            every = versions(timed.get(f"{path}?_at={at}"))
            versions_then = [version for version in every if version.startswith(made["id"])]
            assert "".join(version[-1] for version in versions_then) == found, (path, at)


def test_parts_of_versions(timed: FhirClient, clock: Clock) -> None:
    made = timed.create(patient(telecom=[{"system": "phone", "value": "303-555-0100"}]))
    clock.forward()
    change(timed, made, "other")
    for path in ("_history", "Patient/_history", f"Patient/{made['id']}/_history"):
        rows = timed.get(f"{path}?_elements=gender&_since=2026-11-03T17:00:00Z").resources
        for row in [row for row in rows if row["resourceType"] == "Patient"]:
            assert set(row) == {"resourceType", "id", "meta", "gender"}, path
            assert row["meta"]["tag"][0]["code"] == "SUBSETTED"
        counted = timed.get(f"{path}?_summary=count")
        assert "entry" not in counted.body, path
        assert counted.body["total"] == timed.get(f"{path}?_count=200").body["total"] >= 2
    assert timed.get("Patient/nobody/_history?_summary=count").status == 404
    for number in range(3):
        clock.forward()
        change(timed, made, ("male", "female")[number % 2])
    assert timed.get(f"Patient/{made['id']}/_history?_summary=count&_count=1").body["total"] == 5


def test_a_version_that_was_patched_says_so(timed: FhirClient, clock: Clock) -> None:
    made = timed.create(patient())
    path = f"Patient/{made['id']}"
    operations = b'[{"op": "replace", "path": "/gender", "value": "other"}]'
    patched = timed.call("PATCH", f"/fhir/{path}", operations, Content_Type="application/json-patch+json")
    assert patched.status == 200
    clock.forward()
    change(timed, made, "male")
    methods = [row["request"] for row in timed.get(f"{path}/_history").body["entry"]]
    assert methods == [
        {"method": "PUT", "url": path},
        {"method": "PATCH", "url": path},
        {"method": "POST", "url": "Patient"},
    ]
    statuses = [row["response"]["status"] for row in timed.get("Patient/_history").body["entry"]]
    assert statuses == ["200 OK", "200 OK", "201 Created"]


def test_a_task_that_a_patch_has_moved_says_so_and_its_request_does_not(fhir: FhirClient) -> None:
    referred = Referred(fhir)
    task = f"Task/{referred.task['id']}"
    step = b'[{"op": "replace", "path": "/status", "value": "in-progress"}]'
    assert fhir.call("PATCH", f"/fhir/{task}", step, Content_Type="application/json-patch+json").status == 200
    assert fhir.get(f"{task}/_history").body["entry"][0]["request"]["method"] == "PATCH"
    assert "PATCH" not in str(fhir.get("ServiceRequest/_history").body)


def test_a_resource_that_an_update_by_condition_has_made_was_posted(fhir: FhirClient) -> None:
    query = "Patient?identifier=http://ehr.example/mrn|MRN-1"
    assert fhir.put(query, patient()).status == 201
    entry = fhir.get("Patient/_history").body["entry"][0]
    assert entry["request"] == {"method": "POST", "url": "Patient"}
    assert entry["response"]["status"] == "201 Created"


def test_one_version_is_read_alone(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    change(fhir, made, "other")
    path = f"Patient/{made['id']}/_history"
    assert [fhir.get(f"{path}/{number}").body["gender"] for number in (1, 2)] == ["female", "other"]
    assert fhir.get(f"{path}/3").status == fhir.get(f"{path}/0").status == 404
    published = fhir.get("CodeSystem?_count=1").resources[0]["id"]
    assert fhir.get(f"CodeSystem/{published}/_history/1").status == 200
    assert fhir.get(f"CodeSystem/{published}/_history/2").status == 404


def test_the_statement_says_it(fhir: FhirClient) -> None:
    rest = fhir.get("metadata").body["rest"][0]
    assert {"code": "history-system"} in rest["interaction"]
    assert all("history-type" in does for type, does in INTERACTIONS.items() if type != "AuditEvent")
