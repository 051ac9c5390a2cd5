"""Bulk Data Access: who gets what, how an export ends, and what becomes of one whose worker dies."""

from __future__ import annotations

import subprocess
import sys
import zlib
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from referral.domain.exports import KEPT, LEASE, MAX_CRASHES, WAITS_AT_MOST
from referral.services.run_export import remove_old_exports
from referral.storage import exports, mode
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import FhirClient, connect
from tests.fhir_api.exporting import ASYNC, Bulk, below_fhir, exports_in_audit, rows
from tests.fhir_api.people import Referred, condition, patient
from tests.fhir_api.test_access import limited
from tests.processes import ROOT, eventually

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
    bulk.clock.now += timedelta(seconds=1)
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
    bulk.clock.now += KEPT
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
    bulk.clock.now += LEASE + timedelta(seconds=1)
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
        bulk.clock.now += LEASE + timedelta(seconds=1)
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
