"""Retries and racing clients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from referral.services.respond_to_referral import note_identity
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import Answer, FhirClient
from tests.fhir_api.people import Referred, patient
from tests.processes import eventually

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def test_retries_that_race_make_one_resource(fhir: FhirClient) -> None:
    condition = "identifier=http://ehr.example/mrn|MRN-1"

    def send(_: int) -> Answer:
        return fhir.post("Patient", patient(), If_None_Exist=condition)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    assert sorted({answer.status for answer in answers}) == [200, 201]
    assert len({answer.id for answer in answers}) == 1
    assert fhir.get("Patient?_summary=count").body["total"] == 1


def test_of_writers_who_race_one_wins_each_version(fhir: FhirClient) -> None:
    made = fhir.create(patient())

    def write(number: int) -> int:
        changed = {**made, "language": f"x-{number}"}
        return fhir.put(f"Patient/{made['id']}", changed, If_Match='W/"1"').status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(write, range(16)))
    assert sorted(set(statuses)) == [200, 412]
    assert statuses.count(200) == 1
    assert fhir.get(f"Patient/{made['id']}").body["meta"]["versionId"] == "2"


def test_of_answers_that_race_one_counts_and_the_others_are_kept_beside_it(fhir: FhirClient) -> None:
    referred = Referred(fhir)

    def answer(_: int) -> int:
        return fhir.post("QuestionnaireResponse", referred.answer()).status

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(answer, range(6)))
    assert statuses == [201] * 6
    assert len(fhir.get(f"QuestionnaireResponse?based-on={referred.request}").resources) == 6
    assert len(fhir.get(f"Observation?based-on={referred.request}").resources) == 1


@pytest.mark.parametrize("how", ["PUT with If-Match", "PATCH"])
def test_who_waited_for_the_workflow_does_not_write_over_what_it_left(
    fhir: FhirClient, clinic: ClinicFixture, how: str
) -> None:
    """Both have read version 1 of a Task; the second waits for the first, and then its version is gone."""
    referred = Referred(fhir)
    task = referred.task
    path, version = f"Task/{task['id']}", task["meta"]["versionId"]
    note = {"text": "Called the office."}

    changed = {**task, "status": "received", "note": [note]}
    patch = [{"op": "add", "path": f"/{name}", "value": changed[name]} for name in ("status", "note")]

    def write() -> int:
        if how == "PATCH":
            kind = "application/json-patch+json"
            return fhir.call("PATCH", f"/fhir/{path}", patch, Content_Type=kind).status
        return fhir.put(path, changed, If_Match=f'W/"{version}"').status

    def waits() -> bool:
        with clinic.transaction() as session:
            return bool(session.connection.scalar(_WAITING))

    with ThreadPoolExecutor(1) as pool:
        with clinic.transaction() as session:
            note_identity(session, clinic.actor, referred.request.partition("/")[2], NOW)
            waiting = pool.submit(write)
            eventually(waits)
        assert waiting.result(30) == 412
    assert "note" not in fhir.get(path).body
    assert fhir.get(path).body["status"] == "received"
