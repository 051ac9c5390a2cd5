"""SMART's fhirclient, from PyPI, tours the API: its models refuse whatever R4 does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.encounter import Encounter
from fhirclient.models.operationdefinition import OperationDefinition
from fhirclient.models.operationoutcome import OperationOutcome
from fhirclient.models.parameters import Parameters
from fhirclient.models.patient import Patient
from fhirclient.models.questionnaire import Questionnaire
from fhirclient.models.questionnaireresponse import QuestionnaireResponse
from fhirclient.models.servicerequest import ServiceRequest
from fhirclient.models.task import Task
from fhirclient.server import FHIRServer, FHIRUnauthorizedException

from tests.clients.conftest import SCOPES, Server, initiation
from tests.fhir_api.people import answer_to, consultation, patient


@pytest.fixture
def smart(server: Server) -> Iterator[FHIRServer]:
    """Signed in: it finds the token's address in the statement and sends the assertion that it is given."""
    settings = {"app_id": server.client_id, "api_base": server.base, "scope": SCOPES}
    client = FHIRClient({**settings, "jwt_token": server.assertion()})
    client.wants_patient = False  # or it asks for a patient's scope as well
    assert not client.prepare()
    client.authorize()
    assert client.ready
    yield client.server
    client.server.session.close()


def test_its_models_read_the_statement_and_the_definitions_and_find_nothing_unknown(
    smart: FHIRServer,
) -> None:
    statement = smart.capabilityStatement
    assert (statement.fhirVersion, statement.rest[0].mode) == ("4.0.1", "server")
    types = {row.type for row in statement.rest[0].resource}
    assert {"Patient", "ServiceRequest", "Task", "Questionnaire"} <= types
    assert list(Questionnaire.where({}).perform_resources_iter(smart))
    assert list(OperationDefinition.where({}).perform_resources_iter(smart))
    smart.auth.reset()
    with pytest.raises(FHIRUnauthorizedException) as refused:
        Patient.read("1", smart)
    assert OperationOutcome(refused.value.response.json()).issue[0].code == "login"


def test_patients_are_created_searched_page_by_page_and_changed(smart: FHIRServer) -> None:
    ids = set()
    for number in range(5):
        person = Patient(patient())
        person.identifier[0].value = f"MRN-{number}"
        ids.add(person.create(smart)["id"])
    pages = list(Patient.where({"family": "Nguyễn", "_count": "2"}).perform_iter(smart))
    assert [len(page.entry) for page in pages] == [2, 2, 1]
    assert {entry.resource.id for page in pages for entry in page.entry} == ids
    (found,) = Patient.where({"identifier": "http://ehr.example/mrn|MRN-3"}).perform_resources_iter(smart)
    found.gender = "other"
    changed = Patient(found.update())
    assert (changed.id, changed.gender, changed.meta.versionId) == (found.id, "other", "2")
    versions = Bundle.read_from(f"Patient/{found.id}/_history", smart)
    assert [entry.resource.gender for entry in versions.entry] == ["other", "female"]
    assert Patient.read_from(f"Patient/{found.id}/_history/1", smart).gender == "female"
    with pytest.raises(requests.HTTPError, match="405"):
        found.delete()


def test_the_workflow_from_one_transaction_to_an_open_gate(server: Server, smart: FHIRServer) -> None:
    bundle = Bundle(initiation())
    # It sends no headers of a caller's choosing: conditions travel in the entries of a transaction.
    bundle.entry[0].request.ifNoneExist = "identifier=http://ehr.example/mrn|MRN-1"
    known = Patient(patient()).create(smart)
    made = Bundle(bundle.create(smart))
    assert [entry.response.status.split()[0] for entry in made.entry] == ["200", *["201"] * 5]
    who, _, _, seat, placed, asked = (entry.resource for entry in made.entry)
    assert (who.id, placed.status) == (known["id"], "on-hold")

    (task,) = Task.where({"focus": asked.relativePath()}).perform_resources_iter(smart)
    assert (task.status, task.owner.reference) == ("requested", seat.relativePath())
    stale = task.meta.versionId
    assert patch(smart, task, stale, "accepted").status == "accepted"
    with pytest.raises(requests.HTTPError, match="412"):
        patch(smart, task, stale, "accepted")
    task.status = "accepted"
    with pytest.raises(requests.HTTPError) as refused:
        put(smart, task, stale)
    answer: Any = refused.value.response
    assert answer.status_code == 412
    assert "version" in OperationOutcome(answer.json()).issue[0].details.text

    Encounter(consultation(who.relativePath(), placed.relativePath())).create(smart)
    form = QuestionnaireResponse(answer_to(asked.relativePath(), who.relativePath()))
    assert QuestionnaireResponse(form.create(smart)).status == "completed"
    assert gate(smart, placed)["open"] is False
    server.confirm(asked.id)
    assert gate(smart, placed)["open"] is True
    assert ServiceRequest.read(placed.id, smart).status == "active"
    assert Task.read(task.id, smart).status == "completed"


def patch(smart: FHIRServer, task: Any, version: str, status: str) -> Any:
    """It has no patch, so this goes through its session."""
    answer = smart.session.patch(
        f"{smart.base_uri}{task.relativePath()}",
        json=[{"op": "replace", "path": "/status", "value": status}],
        headers=smart.auth.signed_headers(
            {"Content-Type": "application/json-patch+json", "If-Match": f'W/"{version}"'}
        ),
    )
    smart.raise_for_status(answer)
    return Task(answer.json())


def put(smart: FHIRServer, task: Any, version: str) -> Any:
    """A light client's update, over the version that it has read."""
    entry = {
        "resource": task.as_json(),
        "request": {"method": "PUT", "url": task.relativePath(), "ifMatch": f'W/"{version}"'},
    }
    return Bundle(Bundle({"type": "transaction", "entry": [entry]}).create(smart))


def gate(smart: FHIRServer, placed: Any) -> dict[str, bool]:
    read = Parameters.read_from(f"{placed.relativePath()}/$gate", smart)
    return {row.name: row.valueBoolean for row in read.parameter}
