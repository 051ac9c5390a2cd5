"""Retries and racing clients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.fhir_api.client import Answer, FhirClient
from tests.fhir_api.people import Referred, patient


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


def test_answers_that_race_are_recorded_once(fhir: FhirClient) -> None:
    referred = Referred(fhir)

    def answer(_: int) -> int:
        return fhir.post("QuestionnaireResponse", referred.answer()).status

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(answer, range(6)))
    assert statuses.count(201) == 1, statuses
    assert set(statuses) == {201, 422}
    found = fhir.get(f"QuestionnaireResponse?based-on={referred.request}").resources
    assert len(found) == 1
