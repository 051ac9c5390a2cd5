"""Bulk Data Access: kick-off, status, files, and what a client never gets this way."""

from __future__ import annotations

import subprocess
import sys
import zlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import pytest
from sqlalchemy import text

from referral.domain.exports import KEPT, LEASE, MAX_CRASHES, MAX_KEPT, MAX_RUNNING, WAITS_AT_MOST
from referral.fhir.json import decode
from referral.services.run_export import Exporting, remove_old_exports, run_exports
from referral.storage import audit, exports, mode
from referral.storage.audit import AuditRow
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import Answer, FhirClient, Json, connect
from tests.fhir_api.people import Referred, condition, patient
from tests.fhir_api.test_access import limited
from tests.processes import ROOT, eventually
from tests.web.client import application

ASYNC = {"Prefer": "respond-async"}


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Bulk:
    """A client that exports, with a worker that runs when it is told to."""

    fhir: FhirClient
    clock: Clock = field(default_factory=Clock)
    part_bytes: int = 2000
    file_resources: int = 50_000

    def __post_init__(self) -> None:
        self.fhir = replace(self.fhir, app=application(self.fhir.clinic, self.clock))

    def start(self, path: str = "$export", **headers: str) -> str:
        answer = self.fhir.get(path, **{**ASYNC, **headers})
        assert answer.status == 202, answer.body
        return place(answer)

    def work(self, **changes: object) -> int:
        exporting = Exporting(
            database=self.fhir.clinic.database,
            now=self.clock,
            settle=timedelta(),
            part_bytes=self.part_bytes,
            file_resources=self.file_resources,
        )
        return run_exports(replace(exporting, **changes), self.fhir.clinic.id)  # type: ignore[arg-type]

    def look(self, status: str) -> Answer:
        return self.fhir.get(status)

    def manifest(self, path: str = "$export", **headers: str) -> Json:
        status = self.start(path, **headers)
        assert self.work() == 1
        answer = self.look(status)
        assert answer.status == 200, answer.body
        return answer.body

    def read(self, manifest: Json) -> dict[str, Json]:
        """Everything in the files, by reference."""
        found: dict[str, Json] = {}
        for output in manifest["output"]:
            lines = self.lines(output)
            assert len(lines) == output["count"]
            for document in lines:
                assert document["resourceType"] == output["type"]
                reference = f"{document['resourceType']}/{document['id']}"
                assert reference not in found
                found[reference] = document
        return found

    def lines(self, output: Json) -> list[Json]:
        answer = self.fhir.get(below_fhir(output["url"]), Accept_Encoding="identity")
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/fhir+ndjson"
        return [decode(line) for line in answer.content.splitlines()]


def below_fhir(url: str) -> str:
    assert url.startswith("http://testserver/fhir/")
    return url.removeprefix("http://testserver/fhir/")


def place(answer: Answer) -> str:
    return below_fhir(answer.headers["content-location"])


@pytest.fixture
def bulk(fhir: FhirClient) -> Bulk:
    return Bulk(fhir)


def rows(clinic: ClinicFixture, table: str) -> int:
    with clinic.transaction() as session:
        return int(session.connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def exports_in_audit(clinic: ClinicFixture, subtype: str = "export") -> list[AuditRow]:
    with clinic.transaction() as session:
        return [row for row in audit.find(session, limit=1000) if row.subtype == subtype]


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
    bulk.clock.advance(timedelta(seconds=1))
    second = bulk.fhir.create(patient())["id"]
    since = manifest["transactionTime"].replace("Z", "+00:00")
    for written in (since, since.replace("+", "%2B")):
        later = bulk.manifest(f"$export?_type=Patient&_since={written}")
        assert set(bulk.read(later)) == {f"Patient/{second}"}


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
    bulk.clock.advance(timedelta(seconds=2))
    assert bulk.look(status).status == 202
    bulk.work()
    assert {bulk.look(status).status for _ in range(30)} == {200}


# ---- Who gets what


def test_nobody_else_sees_an_export(bulk: Bulk, other_fhir: FhirClient) -> None:
    bulk.fhir.create(patient())
    status = bulk.start("$export?_type=Patient")
    bulk.work()
    file = below_fhir(bulk.look(status).body["output"][0]["url"])
    colleague = connect(bulk.fhir.clinic)
    nobody = replace(bulk.fhir, token="wrong")
    for path in (status, file):
        assert bulk.fhir.get(path).status == 200
        for stranger in (colleague, other_fhir):
            assert stranger.get(path).status == 404
            assert stranger.call("DELETE", f"/fhir/{status}").status == 404
        assert nobody.get(path).status == 401
    for odd in ("0", "99", "x", "1e1", "²"):
        assert bulk.fhir.get(file.replace("/1.", f"/{odd}.")).status == 404
    assert bulk.fhir.get("export-status/not-an-id").status == 404


def test_only_types_that_the_scopes_allow_go_out(bulk: Bulk, clinic: ClinicFixture) -> None:
    Referred(bulk.fhir)
    narrow = Bulk(limited(clinic, bulk.fhir, "system/Patient.r", "system/Condition.cs"))
    assert {output["type"] for output in narrow.manifest()["output"]} == {"Patient"}
    refused = narrow.fhir.get("$export?_type=Patient,Condition", **ASYNC)
    assert (refused.status, refused.issues[0]["code"]) == (403, "forbidden")
    nothing = limited(clinic, bulk.fhir, "system/Condition.cs")
    assert nothing.get("$export", **ASYNC).status == 403


def test_a_restricted_client_gets_what_its_restriction_lets_it(bulk: Bulk, clinic: ClinicFixture) -> None:
    woman = bulk.fhir.create(patient())["id"]
    man = bulk.fhir.create(patient(gender="male"))["id"]
    for id in (woman, man):
        bulk.fhir.create(condition(f"Patient/{id}"))
    women = Bulk(limited(clinic, bulk.fhir, "system/Patient.rs?gender=female"))
    found = women.read(women.manifest())
    assert set(found) == {f"Patient/{woman}"}
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "patient", "valueReference": {"reference": f"Patient/{man}"}}],
    }
    assert women.fhir.post("Patient/$export", asked, **ASYNC).status == 404


def test_a_revoked_client_gets_nothing(bulk: Bulk) -> None:
    bulk.fhir.create(patient())
    bulk.start()
    clinic = bulk.fhir.clinic
    with clinic.transaction() as session:
        session.connection.execute(text("UPDATE api_client SET revoked_at = now()"))
    assert bulk.work() == 1
    assert rows(clinic, "bulk_export_part") == 0
    assert exports_in_audit(clinic) == []


def test_each_patient_whose_data_went_out_has_a_disclosure(bulk: Bulk) -> None:
    referred, other = Referred(bulk.fhir), bulk.fhir.create(patient())["id"]
    untouched = bulk.fhir.create(patient())["id"]
    bulk.clock.advance(timedelta(seconds=1))
    bulk.fhir.put(f"Patient/{other}", {**patient(), "id": other})
    bulk.fhir.create(
        {
            "resourceType": "Provenance",
            "target": [{"reference": referred.condition}, {"reference": referred.patient}],
            "recorded": "2026-11-03T17:00:00Z",
            "agent": [{"who": {"reference": referred.practitioner}}],
        }
    )
    manifest = bulk.manifest(f"$export?_since={NOW.isoformat().replace('+', '%2B')}")
    told = {row.patient_id: row for row in exports_in_audit(bulk.fhir.clinic) if row.patient_id}
    assert set(told) == {referred.patient.removeprefix("Patient/"), other}
    assert untouched not in told
    assert {row.actor_kind for row in told.values()} == {"client"}
    # Each resource is counted for its patient, a Provenance too, which only refers to what it is about.
    counts = {output["type"]: output["count"] for output in manifest["output"]}
    del counts["Questionnaire"]  # published, later than this test's clock
    assert set(counts) == {"Patient", "Provenance"}
    assert sum(row.detail["count"] for row in told.values()) == sum(counts.values())
    found = bulk.fhir.get(f"AuditEvent?patient=Patient/{other}").resources
    assert any(row["subtype"][-1]["code"] == "export" for row in found)
    assert len(exports_in_audit(bulk.fhir.clinic, "export-fetched")) == 0
    bulk.read(manifest)
    fetched = exports_in_audit(bulk.fhir.clinic, "export-fetched")
    assert len(fetched) == len(manifest["output"])


# ---- Its end


def test_a_deleted_export_is_gone_with_its_files(bulk: Bulk) -> None:
    bulk.fhir.create(patient())
    status = bulk.start()
    bulk.work()
    file = below_fhir(bulk.look(status).body["output"][0]["url"])
    assert bulk.fhir.call("DELETE", f"/fhir/{status}").status == 202
    for path in (status, file):
        assert bulk.fhir.get(path).status == 404
    assert bulk.fhir.call("DELETE", f"/fhir/{status}").status == 404
    for table in ("bulk_export", "bulk_export_part", "bulk_export_patient"):
        assert rows(bulk.fhir.clinic, table) == 0
    assert len(exports_in_audit(bulk.fhir.clinic, "export-removed")) == 1


def test_one_that_is_deleted_while_it_runs_stops(bulk: Bulk) -> None:
    for _ in range(6):
        bulk.fhir.create(patient())
    status = bulk.start("$export?_type=Patient")
    looks: list[int] = []

    def clock() -> datetime:
        """Deletes the export when the worker looks at the clock for its second part."""
        looks.append(rows(bulk.fhir.clinic, "bulk_export_part"))
        if looks[-1] == 1:
            assert bulk.fhir.call("DELETE", f"/fhir/{status}").status == 202
        return NOW

    assert bulk.work(now=clock, part_bytes=1) == 1
    assert max(looks) == 1
    assert rows(bulk.fhir.clinic, "bulk_export_part") == 0
    assert exports_in_audit(bulk.fhir.clinic) == []
    assert bulk.look(status).status == 404


def test_files_are_over_after_a_day_and_removed_by_the_worker(bulk: Bulk) -> None:
    bulk.fhir.create(patient())
    status = bulk.start()
    bulk.work()
    file = below_fhir(bulk.look(status).body["output"][0]["url"])
    bulk.clock.advance(KEPT)
    assert bulk.fhir.get(status).status == bulk.fhir.get(file).status == 404
    clinic = bulk.fhir.clinic
    assert rows(clinic, "bulk_export_part") > 0
    with clinic.transaction() as session:
        assert not remove_old_exports(session, bulk.clock())
    for table in ("bulk_export", "bulk_export_part", "bulk_export_patient"):
        assert rows(clinic, table) == 0


def test_one_that_nobody_runs_is_over_some_day(bulk: Bulk) -> None:
    bulk.start()
    with bulk.fhir.clinic.transaction() as session:
        assert remove_old_exports(session, NOW)
        assert not remove_old_exports(session, NOW + WAITS_AT_MOST)
    assert rows(bulk.fhir.clinic, "bulk_export") == 0


def test_what_is_written_is_encrypted(bulk: Bulk) -> None:
    bulk.fhir.create(patient())
    bulk.manifest("$export?_type=Patient")
    with bulk.fhir.clinic.transaction() as session:
        (sealed,) = session.connection.scalars(text("SELECT sealed_content FROM bulk_export_part"))
    assert b"MRN-1" not in sealed
    with pytest.raises(zlib.error):
        zlib.decompress(sealed)


class Undo(Exception):
    """A clinic that stays closed would close the portal for the other tests."""


def test_no_export_runs_after_a_restore(bulk: Bulk) -> None:
    clinic = bulk.fhir.clinic
    bulk.start()
    with suppress(Undo), clinic.transaction() as session:
        mode.add(session, "entered", "system", "The stream knows more than the database.")
        assert not remove_old_exports(session, NOW)
        assert exports.claim(session, NOW, NOW) is None
        raise Undo
    assert bulk.work() == 1


# ---- Whose worker dies


def test_one_whose_worker_is_killed_begins_anew_and_nothing_is_there_twice(bulk: Bulk) -> None:
    for number in range(5):
        bulk.fhir.create(patient(identifier=[{"system": "http://ehr.example/mrn", "value": f"M-{number}"}]))
    status = bulk.start("$export?_type=Patient")
    clinic = bulk.fhir.clinic
    kill_a_worker(clinic)
    assert rows(clinic, "bulk_export_part") == 2
    # Its lease still runs: it could be alive.
    assert bulk.work() == 0
    assert bulk.look(status).headers["x-progress"] == "2 resources written"
    bulk.clock.advance(LEASE + timedelta(seconds=1))
    bulk.fhir.create(patient())
    # The server lets go of what the dead process held as soon as it notices.
    assert eventually(bulk.work) == 1
    manifest = bulk.look(status).body
    assert len(bulk.read(manifest)) == 6
    assert [output["count"] for output in manifest["output"]] == [6]
    told = exports_in_audit(clinic)
    assert sorted(row.detail["count"] for row in told if row.patient_id) == [1] * 6


def test_one_that_kills_its_workers_is_given_up(bulk: Bulk) -> None:
    bulk.fhir.create(patient())
    status = bulk.start("$export?_type=Patient")
    for _ in range(MAX_CRASHES):
        with bulk.fhir.clinic.transaction() as session:
            assert exports.claim(session, bulk.clock(), NOW) is not None
        bulk.clock.advance(LEASE + timedelta(seconds=1))
    assert bulk.work() == 1
    answer = bulk.look(status)
    assert (answer.status, answer.issues[0]["severity"]) == (500, "error")
    assert "never came to its end" in answer.text
    assert bulk.work() == 0
    assert bulk.fhir.call("DELETE", f"/fhir/{status}").status == 202


# Waits for ever when it has written two parts of one resource each.
_WORKER = """
import base64, sys, time
from datetime import timedelta
from referral.services.run_export import Exporting, run_exports
from referral.storage.db import Database
from referral.storage.vault import Vault
from tests.database import MASTER_KEY, NOW

looks = 0

def now():
    global looks
    looks += 1
    if looks == 4:
        print("written", flush=True)
        time.sleep(600)
    return NOW

database = Database(sys.argv[1], Vault(base64.b64decode(MASTER_KEY)), pool_size=4)
run_exports(Exporting(database=database, now=now, settle=timedelta(), part_bytes=1), sys.argv[2])
"""


def kill_a_worker(clinic: ClinicFixture) -> None:
    """A process that works on the export and is killed in the middle."""
    command = [sys.executable, "-c", _WORKER, clinic.database.url, clinic.id]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
