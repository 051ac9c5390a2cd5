"""Bulk Data Access: kick-off, status, and what is in the files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import pytest

from referral.domain.exports import KEPT, MAX_KEPT, MAX_RUNNING
from referral.fhir.json import encode
from referral.storage import resources
from tests.database import NOW
from tests.fhir_api.client import FhirClient, Json, connect
from tests.fhir_api.exporting import ASYNC, Bulk, below_fhir, place, rows
from tests.fhir_api.people import Referred, patient

# ---- What is in it


def test_an_export_holds_what_reads_give(bulk: Bulk) -> None:
    referred = Referred(bulk.fhir)
    status = bulk.start()
    waiting = bulk.look(status)
    assert (waiting.status, waiting.headers["retry-after"], waiting.content) == (202, "2", b"")
    assert waiting.headers["x-progress"] == "waiting for a worker"
    assert bulk.work() == 1
    done = bulk.look(status)
    assert done.headers["content-type"] == "application/json"
    assert parsedate_to_datetime(done.headers["expires"]) == NOW + KEPT
    manifest = done.body
    assert manifest["requiresAccessToken"] is True
    assert manifest["request"] == "http://testserver/fhir/$export"
    assert manifest["transactionTime"] == "2026-11-03T17:00:00.000Z"
    assert (manifest["error"], manifest["deleted"]) == ([], [])
    found = bulk.read(manifest)
    assert {referred.patient, referred.condition, referred.order, referred.request} <= set(found)
    # Published here and stored nowhere; what a QuestionnaireResponse refers to.
    assert any(reference.startswith("Questionnaire/") for reference in found)
    for reference, document in found.items():
        assert bulk.fhir.get(reference).body == document, reference
    # Nothing that a search finds is missing.
    for type in {reference.partition("/")[0] for reference in found} | {"Task", "Provenance", "Encounter"}:
        searched = bulk.fhir.get(f"{type}?_count=200&_elements=id").references
        assert {reference for reference in found if reference.startswith(f"{type}/")} == set(searched)


def test_decimals_and_what_we_do_not_manage_come_out_as_they_were_sent(bulk: Bulk) -> None:
    extension = {"url": "http://ehr.example/weight", "valueDecimal": 1.50}
    made = bulk.fhir.post(
        "Patient",
        b'{"resourceType":"Patient","extension":[{"url":"http://e.example/w","valueDecimal":1.50}]}',
    )
    assert made.status == 201, extension
    (output,) = bulk.manifest("$export?_type=Patient")["output"]
    assert b'"valueDecimal": 1.50' in bulk.fhir.get(below_fhir(output["url"])).content


def test_files_are_split_and_packed(bulk: Bulk) -> None:
    bulk.file_resources, bulk.part_bytes = 4, 600
    for number in range(10):
        bulk.fhir.create(patient(identifier=[{"system": "http://ehr.example/mrn", "value": f"M-{number}"}]))
    manifest = bulk.manifest("$export?_type=Patient")
    assert [output["count"] for output in manifest["output"]] == [4, 4, 2]
    assert len(bulk.read(manifest)) == 10
    path = below_fhir(manifest["output"][0]["url"])
    plain = bulk.fhir.get(path, Accept_Encoding="gzip;q=0, br")
    packed = bulk.fhir.get(path, Accept_Encoding="gzip")
    assert int(plain.headers["content-length"]) == len(plain.content)
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content  # httpx has unpacked it
    assert rows(bulk.fhir.clinic, "bulk_export_part") > 3  # files of several parts


def test_since_is_a_moment_that_is_outside_and_the_next_export_continues(bulk: Bulk) -> None:
    first = bulk.fhir.create(patient())["id"]
    manifest = bulk.manifest("$export?_type=Patient")
    assert set(bulk.read(manifest)) == {f"Patient/{first}"}
    bulk.clock.now += timedelta(seconds=1)
    second = bulk.fhir.create(patient())["id"]
    since = manifest["transactionTime"].replace("Z", "+00:00")
    for written in (since, since.replace("+", "%2B")):
        later = bulk.manifest(f"$export?_type=Patient&_since={written}")
        assert set(bulk.read(later)) == {f"Patient/{second}"}


def test_what_is_being_written_when_an_export_is_asked_for_is_in_it(bulk: Bulk) -> None:
    """Stamped before `transactionTime`, committed after the worker has begun: it would never come again."""
    with ThreadPoolExecutor(1) as worker:
        with bulk.fhir.clinic.transaction() as session:
            resources.create(session, [{**patient(), "id": "late"}], bulk.clock())
            bulk.clock.forward(5)
            status = bulk.start("$export?_type=Patient")
            at_work = worker.submit(bulk.work)
            with pytest.raises(TimeoutError):
                at_work.result(timeout=0.5)
        assert at_work.result(timeout=30) == 1
    assert set(bulk.read(bulk.look(status).body)) == {"Patient/late"}


def test_what_came_slowly_is_stamped_when_it_is_written(bulk: Bulk) -> None:
    async def slowly(document: Json) -> AsyncIterator[bytes]:
        bulk.clock.forward(300)
        yield encode(document)

    alone = bulk.fhir.post("Patient", slowly(patient()))
    assert alone.body["meta"]["lastUpdated"] == "2026-11-03T17:05:00.000Z"
    for kind, moment in (("batch", "17:10"), ("transaction", "17:15")):
        entry = {"resource": patient(), "request": {"method": "POST", "url": "Patient"}}
        answer = bulk.fhir.post("", slowly({"resourceType": "Bundle", "type": kind, "entry": [entry]}))
        assert answer.resources[0]["meta"]["lastUpdated"] == f"2026-11-03T{moment}:00.000Z"


def test_elements_are_those_asked_for_and_say_so(bulk: Bulk) -> None:
    Referred(bulk.fhir)
    found = bulk.read(bulk.manifest("$export?_type=Patient,Condition&_elements=Patient.birthDate,code"))
    by_type = {document["resourceType"]: document for document in found.values()}
    assert set(by_type["Patient"]) == {"resourceType", "id", "meta", "birthDate"}
    assert set(by_type["Condition"]) == {"resourceType", "id", "meta", "clinicalStatus", "code", "subject"}
    assert by_type["Patient"]["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_the_patient_level_leaves_out_what_belongs_to_nobody(bulk: Bulk) -> None:
    referred = Referred(bulk.fhir)
    found = bulk.read(bulk.manifest("Patient/$export"))
    assert {referred.patient, referred.condition, referred.order, referred.request} <= set(found)
    types = {reference.partition("/")[0] for reference in found}
    assert types & {"Task", "Communication", "Provenance"}
    assert not types & {"Practitioner", "PractitionerRole", "Organization", "Questionnaire"}
    refused = bulk.fhir.get("Patient/$export?_type=Practitioner", **ASYNC)
    assert (refused.status, refused.expressions) == (400, ["http._type"])


def test_by_post_some_patients_can_be_named(bulk: Bulk) -> None:
    one, other = Referred(bulk.fhir), bulk.fhir.create(patient())["id"]
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "_outputFormat", "valueString": "application/fhir+ndjson"},
            {"name": "_type", "valueString": "Patient,Condition"},
            {"name": "_type", "valueString": "ServiceRequest"},
            {"name": "patient", "valueReference": {"reference": one.patient}},
        ],
    }
    status = place(bulk.fhir.post("Patient/$export", asked, **ASYNC))
    bulk.work()
    found = bulk.read(bulk.look(status).body)
    assert set(found) == {one.patient, one.condition, one.order, one.request}
    assert f"Patient/{other}" not in found
    asked["parameter"] = [{"name": "patient", "valueReference": {"reference": "Patient/nobody"}}]
    assert bulk.fhir.post("Patient/$export", asked, **ASYNC).status == 404
    system = bulk.fhir.post("$export", asked, **ASYNC)
    assert (system.status, system.expressions) == (400, ["http.patient"])


# ---- Kick-off


REFUSED: Final[tuple[tuple[str, dict[str, str], int, str], ...]] = (
    ("$export", {}, 400, "respond-async"),
    ("$export", {"Prefer": "respond-sync"}, 400, "respond-async"),
    ("$export?_type=Nothing", ASYNC, 400, "names Nothing"),
    ("$export?_type=AuditEvent", ASYNC, 400, "names AuditEvent"),
    ("$export?_type=Subscription", ASYNC, 400, "names Subscription"),
    ("$export?_type=,", ASYNC, 400, "no type"),
    ("$export?_since=yesterday", ASYNC, 400, "has to be an instant"),
    ("$export?_since=2026", ASYNC, 400, "has to be an instant"),
    ("$export?_outputFormat=text/csv", ASYNC, 400, "application/fhir+ndjson only"),
    ("$export?_typeFilter=Patient%3Fgender=male", ASYNC, 400, "is not supported here"),
    ("$export?patient=Patient/1", ASYNC, 400, "Patient/$export only"),
    ("$export?_elements=a.b.c", ASYNC, 400, "is a list of elements"),
    ("$export?_type=%00", ASYNC, 400, "U+0000"),
    ("$export", {**ASYNC, "Accept": "text/html"}, 406, "fhir+json"),
)


def test_a_kick_off_that_cannot_be_done_says_why(fhir: FhirClient) -> None:
    for path, headers, status, words in REFUSED:
        answer = fhir.get(path, **headers)
        assert answer.status == status, path
        assert words in answer.text
    assert rows(fhir.clinic, "bulk_export") == 0


def test_every_name_of_the_format_is_taken(bulk: Bulk) -> None:
    bulk.fhir.create(patient())
    for name in ("application/fhir+ndjson", "application/fhir%2Bndjson", "application/ndjson", "ndjson"):
        assert bulk.manifest(f"Patient/$export?_outputFormat={name}&_type=Patient")["output"]


def test_a_lenient_client_has_ignored_what_is_not_known(bulk: Bulk) -> None:
    made = bulk.fhir.create(patient())["id"]
    path = "$export?_type=Patient,Nothing&_typeFilter=Patient%3Fgender%3Dmale"
    manifest = bulk.manifest(path, Prefer="respond-async, handling=lenient")
    assert manifest["request"] == f"http://testserver/fhir/{path}"
    assert set(bulk.read(manifest)) == {f"Patient/{made}"}


def test_a_body_that_is_no_parameters_is_refused(fhir: FhirClient) -> None:
    for body in (b"[]", b'{"resourceType":"Patient"}', b'{"resourceType":"Parameters","x":1}', b"{"):
        assert fhir.post("$export", body, **ASYNC).status in (400, 422), body


def test_an_empty_body_asks_for_everything(fhir: FhirClient) -> None:
    assert fhir.post("$export", b"", **ASYNC).status == 202


def test_a_bundle_starts_no_export(fhir: FhirClient) -> None:
    for url in ("$export", "Patient/$export", "export-status/x", "export-files/x/1.ndjson"):
        for kind in ("batch", "transaction"):
            entry = {"request": {"method": "GET", "url": url}}
            answer = fhir.post("", {"resourceType": "Bundle", "type": kind, "entry": [entry]}, **ASYNC)
            told = [one["response"]["status"] for one in answer.body.get("entry", [])]
            assert (told or [str(answer.status)])[0].startswith("4"), (url, kind)
    assert rows(fhir.clinic, "bulk_export") == 0


def test_a_client_has_so_many_at_a_time_and_so_many_kept(bulk: Bulk, other_fhir: FhirClient) -> None:
    for _ in range(MAX_RUNNING):
        bulk.start("$export?_type=Patient")
    refused = bulk.fhir.get("$export", **ASYNC)
    assert (refused.status, refused.issues[0]["code"]) == (429, "throttled")
    assert int(refused.headers["retry-after"]) > 0
    assert connect(bulk.fhir.clinic).get("$export", **ASYNC).status == 202
    bulk.work()
    for _ in range(MAX_KEPT - MAX_RUNNING):
        last = bulk.start("$export?_type=Patient")
        bulk.work()
    full = bulk.fhir.get("$export", **ASYNC)
    assert full.status == 429
    assert "delete one" in full.text
    assert bulk.fhir.call("DELETE", f"/fhir/{last}").status == 202
    assert bulk.fhir.get("$export", **ASYNC).status == 202
    assert other_fhir.get("$export", **ASYNC).status == 202


def test_asking_again_and_again_is_slowed_down(bulk: Bulk) -> None:
    status = bulk.start()
    answers = [bulk.look(status).status for _ in range(30)]
    assert answers == sorted(answers)
    assert set(answers) == {202, 429}
    assert bulk.look(status).headers["retry-after"] == "2"
    bulk.clock.now += timedelta(seconds=2)
    assert bulk.look(status).status == 202
    bulk.work()
    assert {bulk.look(status).status for _ in range(30)} == {200}
