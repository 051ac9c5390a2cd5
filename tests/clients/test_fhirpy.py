"""fhirpy, from PyPI, tours the API: a client that works with plain resources and searches."""

from __future__ import annotations

from typing import Any

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, MultipleResourcesFound, OperationOutcome

from tests.clients.conftest import Server, initiation
from tests.fhir_api.client import Json
from tests.fhir_api.people import answer_to, consultation, patient

MRN = "http://ehr.example/mrn"


def connected(server: Server, **headers: str) -> Any:
    """fhirpy takes headers for a client, not for a call."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return SyncFHIRClient(server.base, authorization=f"Bearer {server.token}", extra_headers=sent)


def made(client: Any, document: Json) -> Any:
    content = {name: value for name, value in document.items() if name != "resourceType"}
    return client.resource(document["resourceType"], **content)


def test_the_statement_says_what_it_does_next(server: Server) -> None:
    nobody = SyncFHIRClient(server.base)
    statement = nobody.execute("metadata", method="get")
    assert statement.fhirVersion == "4.0.1"
    rows = {row.type: row for row in statement.rest[0].resource}
    codes = {code.code for code in rows["Patient"].interaction}
    assert {"create", "read", "vread", "update", "patch", "history-instance", "search-type"} <= codes
    assert rows["Patient"].conditionalCreate is True
    with pytest.raises(AuthorizationError):
        nobody.resources("Patient").fetch()


def test_resources_are_saved_searched_page_by_page_and_found_again(server: Server) -> None:
    client = connected(server)
    saved = [
        made(client, patient(identifier=[{"system": MRN, "value": f"MRN-{n}"}], active=True)).save()
        for n in range(5)
    ]
    first = saved[0]
    assert (first.id, first.meta.versionId) == (first.id, "1")
    found = client.resources("Patient").search(active=True).sort("-_lastUpdated", "_id").limit(2)
    assert [row.id for row in found] == sorted(row.id for row in saved)
    assert client.resources("Patient").search(family__exact="Nguyễn").count() == 5
    assert client.resources("Patient").search(identifier=f"{MRN}|MRN-3").get().id == saved[3].id

    first.gender = "other"
    assert first.save().meta.versionId == "2"
    assert first.refresh().meta.versionId == "2"  # 304: fhirpy keeps what it has
    assert client.reference("Patient", first.id).to_resource().gender == "other"
    versions = client.execute(f"Patient/{first.id}/_history", method="get")
    assert [entry.resource.gender for entry in versions.entry] == ["other", "female"]
    assert client.execute(f"Patient/{first.id}/_history/1", method="get").gender == "female"
    assert first.is_valid()
    assert not made(client, patient(gender="f")).is_valid()
    everything = first.execute("$everything", method="get")
    assert [entry.resource.id for entry in everything.entry] == [first.id]
    with pytest.raises(OperationOutcome, match="cannot be deleted"):
        first.delete()


def test_a_conditional_create_and_update_find_the_one_that_is_there(server: Server) -> None:
    client = connected(server, If_None_Exist=f"identifier={MRN}|MRN-1")
    one = made(client, patient()).save()
    again = made(client, patient(gender="other")).save()
    assert (again.id, again.gender, again.meta.versionId) == (one.id, "female", "1")
    # fhirpy's own conditional create puts the condition into the query; ignored, it would make a double.
    plain = connected(server)
    known = plain.resources("Patient").search(identifier=f"{MRN}|MRN-1")
    with pytest.raises(OperationOutcome, match="If-None-Exist"):
        known.get_or_create(made(plain, patient()))
    changed, created = known.update(made(plain, patient(gender="other")))
    assert (changed.id, changed.gender, created) == (one.id, "other", False)


def test_the_workflow_from_one_transaction_to_an_open_gate(server: Server) -> None:
    client = connected(server)
    answered = client.execute("", data=initiation())
    who, _, _, seat, placed, asked = [made(client, entry.resource) for entry in answered.entry]
    assert placed.status == "on-hold"
    assert gate(placed)["open"] is False

    found = client.resources("Task").search(focus=asked.to_reference().reference).include("Task", "owner")
    task, owner = (entry.resource for entry in found.fetch_raw().entry)
    assert (task.status, owner.id) == ("requested", seat.id)
    accept = [{"op": "replace", "path": "/status", "value": "accepted"}]
    etag = f'W/"{task.meta.versionId}"'
    patching = connected(server, If_Match=etag, Content_Type="application/json-patch+json")
    changed = patching.execute(f"Task/{task.id}", method="patch", data=accept)
    assert changed.status == "accepted"
    with pytest.raises(MultipleResourcesFound, match="version"):  # what fhirpy calls every 412
        patching.execute(f"Task/{task.id}", method="patch", data=accept)

    subject = f"Patient/{who.id}"
    made(client, consultation(subject, f"ServiceRequest/{placed.id}")).save()
    form = made(client, answer_to(f"ServiceRequest/{asked.id}", subject)).save()
    assert form.status == "completed"
    assert gate(placed)["open"] is False
    server.confirm(asked.id)
    assert gate(placed)["open"] is True
    assert placed.refresh().status == "active"
    assert client.reference("Task", task.id).to_resource().status == "completed"


def gate(infusion: Any) -> Json:
    read = infusion.execute("$gate", method="get")
    return {row["name"]: row.get("valueBoolean", row) for row in read["parameter"]}
