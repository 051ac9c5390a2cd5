"""Every FHIR path by which something can be said to have begun, and every status that says so: refused."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy import func, select

from referral.fhir.json import encode
from referral.fhir.systems import BASE
from referral.services import doors
from referral.storage import tables
from referral.storage.db import Database
from tests.database import make_clinic
from tests.fhir_api.client import Answer, FhirClient, Json, connect
from tests.fhir_api.people import INFUSION, Referred, condition, order

_numbers: Final = itertools.count(1)
SYSTEM: Final = "http://ehr.example/treatment"
HARMLESS: Final = {
    "Procedure": "preparation",
    "MedicationAdministration": "not-done",
    "Encounter": "planned",
}
# All statuses of R4 but the harmless ones (referral/fhir/treatment.py).
SAY_STARTED: Final = {
    "Procedure": ("in-progress", "on-hold", "stopped", "completed", "unknown"),
    "MedicationAdministration": ("in-progress", "on-hold", "completed", "stopped", "unknown"),
    "Encounter": ("in-progress", "onleave", "finished", "unknown"),
}


class Closed(Referred):
    """Consulted, asked, not answered: the gate is closed."""

    def __init__(self, fhir: FhirClient) -> None:
        super().__init__(fhir)
        self.consult()
        planned = self.document("Procedure", "preparation")
        self.planned = f"Procedure/{fhir.create(planned)['id']}"

    def document(self, type: str, status: str) -> Json:
        """One treatment under the order, with an identifier of its own."""
        identifier = [{"system": SYSTEM, "value": f"{next(_numbers)}"}]
        common: Json = {"resourceType": type, "identifier": identifier, "status": status}
        common["subject"] = {"reference": self.patient}
        if type == "MedicationAdministration":
            common |= {
                "medicationCodeableConcept": INFUSION,
                "effectiveDateTime": "2026-11-03T16:00:00Z",
                "partOf": [{"reference": self.planned}],
            }
            return common
        common["basedOn"] = [{"reference": self.order}]
        if type == "Encounter":
            ambulatory = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
            return common | {"class": ambulatory}
        return common | {"code": INFUSION}

    def stored(self, document: Json) -> Json:
        """The same, taken while it says nothing yet."""
        return self.fhir.create({**document, "status": HARMLESS[document["resourceType"]]})


@pytest.fixture(scope="module")
def closed(database: Database) -> Closed:
    return Closed(connect(make_clinic(database)))


def named(document: Json) -> str:
    return f"identifier={SYSTEM}|{document['identifier'][0]['value']}"


def bundle(fhir: FhirClient, kind: str, *entries: Json) -> int:
    """The status of the transaction, or of the last entry of the batch."""
    answer = fhir.post("", {"resourceType": "Bundle", "type": kind, "entry": list(entries)})
    if kind == "transaction":
        return answer.status
    return int(answer.body["entry"][-1]["response"]["status"][:3])


def entry(document: Json, method: str, url: str, **more: Any) -> Json:
    return {"resource": document, "request": {"method": method, "url": url, **more}}


def by_post(closed: Closed, document: Json) -> int:
    return closed.fhir.post(document["resourceType"], document).status


def by_put(closed: Closed, document: Json) -> int:
    before = closed.stored(document)
    return closed.fhir.put(
        f"{before['resourceType']}/{before['id']}", {**document, "id": before["id"]}
    ).status


def by_put_over_a_version(closed: Closed, document: Json) -> int:
    before = closed.stored(document)
    path, body = f"{before['resourceType']}/{before['id']}", {**document, "id": before["id"]}
    return closed.fhir.put(path, body, If_Match='W/"1"').status


def by_put_under_an_id_of_the_clients(closed: Closed, document: Json) -> int:
    return closed.fhir.put(f"{document['resourceType']}/mine", {**document, "id": "mine"}).status


def by_conditional_create(closed: Closed, document: Json) -> int:
    return closed.fhir.post(document["resourceType"], document, If_None_Exist=named(document)).status


def by_conditional_update(closed: Closed, document: Json) -> int:
    closed.stored(document)
    return closed.fhir.put(f"{document['resourceType']}?{named(document)}", document).status


def by_conditional_update_of_nothing(closed: Closed, document: Json) -> int:
    return closed.fhir.put(f"{document['resourceType']}?{named(document)}", document).status


def _patched(closed: Closed, document: Json, body: bytes, media_type: str) -> Answer:
    before = closed.stored(document)
    path = f"/fhir/{before['resourceType']}/{before['id']}"
    return closed.fhir.call("PATCH", path, body, Content_Type=media_type)


def by_json_patch(closed: Closed, document: Json) -> int:
    body = f'[{{"op": "replace", "path": "/status", "value": "{document["status"]}"}}]'
    return _patched(closed, document, body.encode(), "application/json-patch+json").status


def by_merge_patch(closed: Closed, document: Json) -> int:
    body = f'{{"status": "{document["status"]}"}}'
    return _patched(closed, document, body.encode(), "application/merge-patch+json").status


def by_path_patch(closed: Closed, document: Json) -> int:
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": f"{document['resourceType']}.status"},
        {"name": "value", "valueCode": document["status"]},
    ]
    before = closed.stored(document)
    body = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    return closed.fhir.call("PATCH", f"/fhir/{before['resourceType']}/{before['id']}", body).status


def by_conditional_patch(closed: Closed, document: Json) -> int:
    closed.stored(document)
    body = f'[{{"op": "replace", "path": "/status", "value": "{document["status"]}"}}]'.encode()
    path = f"/fhir/{document['resourceType']}?{named(document)}"
    return closed.fhir.call("PATCH", path, body, Content_Type="application/json-patch+json").status


def in_a(kind: str, how: Callable[[Closed, Json], Json]) -> Callable[[Closed, Json], int]:
    return lambda closed, document: bundle(closed.fhir, kind, how(closed, document))


def post_entry(_: Closed, document: Json) -> Json:
    return entry(document, "POST", document["resourceType"])


def conditional_post_entry(_: Closed, document: Json) -> Json:
    return entry(document, "POST", document["resourceType"], ifNoneExist=named(document))


def put_entry(closed: Closed, document: Json) -> Json:
    before = closed.stored(document)
    return entry({**document, "id": before["id"]}, "PUT", f"{before['resourceType']}/{before['id']}")


def conditional_put_entry(closed: Closed, document: Json) -> Json:
    closed.stored(document)
    return entry(document, "PUT", f"{document['resourceType']}?{named(document)}")


def path_patch_entry(closed: Closed, document: Json) -> Json:
    before = closed.stored(document)
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": f"{document['resourceType']}.status"},
        {"name": "value", "valueCode": document["status"]},
    ]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    return entry(parameters, "PATCH", f"{before['resourceType']}/{before['id']}")


def patch_entry(closed: Closed, document: Json) -> Json:
    before = closed.stored(document)
    operations = encode([{"op": "replace", "path": "/status", "value": document["status"]}])
    binary = {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": base64.b64encode(operations).decode(),
    }
    return entry(binary, "PATCH", f"{before['resourceType']}/{before['id']}")


def with_its_order_in_one_transaction(closed: Closed, document: Json) -> int:
    """The order is placed, and carried out, before anybody could have been asked."""
    why = condition(closed.patient)
    placed = order(closed.patient, "urn:uuid:00000000-0000-4000-8000-000000000001")
    leads = {"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"}
    entries = [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{n}", **post_entry(closed, made)}
        for n, made in enumerate((why, placed), 1)
    ]
    if document["resourceType"] == "MedicationAdministration":
        inner = {**closed.document("Procedure", "preparation"), "basedOn": [leads]}
        leads = {"reference": "urn:uuid:00000000-0000-4000-8000-000000000003"}
        entries.append({"fullUrl": leads["reference"], **post_entry(closed, inner)})
        last = {**document, "partOf": [leads]}
    else:
        last = {**document, "basedOn": [leads]}
    return bundle(closed.fhir, "transaction", *entries, post_entry(closed, last))


def after_what_is_harmless_in_one_transaction(closed: Closed, document: Json) -> int:
    """Planned and begun in one Bundle: the second entry writes over the first."""
    before = closed.stored(document)
    url = f"{before['resourceType']}/{before['id']}"
    harmless = entry({**before, "language": "en"}, "PUT", url)
    conditional = entry(document, "PUT", f"{document['resourceType']}?{named(document)}")
    return bundle(closed.fhir, "batch", harmless, conditional)


def under_what_is_part_of_it(closed: Closed, document: Json) -> int:
    """By one step more: part of a visit that is planned under the order."""
    visit = closed.fhir.create(closed.document("Encounter", "planned"))
    leads = {"reference": f"Encounter/{visit['id']}"}
    name = {"MedicationAdministration": "context", "Procedure": "encounter", "Encounter": "partOf"}
    kept = {key: value for key, value in document.items() if key not in ("basedOn", "partOf")}
    type = document["resourceType"]
    return closed.fhir.post(type, {**kept, name[type]: leads}).status


def by_our_identifier_of_the_order(closed: Closed, document: Json) -> int:
    value = closed.order.partition("/")[2]
    logical = {"identifier": {"system": f"{BASE}/identifier/infusion-order", "value": value}}
    kept = {key: value for key, value in document.items() if key not in ("basedOn", "partOf")}
    type = document["resourceType"]
    name = "partOf" if type == "MedicationAdministration" else "basedOn"
    return closed.fhir.post(type, {**kept, name: [logical]}).status


PATHS: Final[dict[str, Callable[[Closed, Json], int]]] = {
    function.__name__.replace("_", " "): function
    for function in (
        *(by_post, by_put, by_put_over_a_version, by_put_under_an_id_of_the_clients),
        *(by_conditional_create, by_conditional_update, by_conditional_update_of_nothing),
        *(by_json_patch, by_merge_patch, by_path_patch, by_conditional_patch),
        *(with_its_order_in_one_transaction, after_what_is_harmless_in_one_transaction),
        *(under_what_is_part_of_it, by_our_identifier_of_the_order),
    )
} | {
    f"{how.__name__.replace('_', ' ')} of a {kind}": in_a(kind, how)
    for kind in ("batch", "transaction")
    for how in (
        post_entry,
        conditional_post_entry,
        put_entry,
        conditional_put_entry,
        patch_entry,
        path_patch_entry,
    )
}
DOCUMENTS: Final = [(type, status) for type, statuses in SAY_STARTED.items() for status in statuses]


def said_to_have_begun(closed: Closed) -> list[str]:
    """Everything of this client that says so, and every start of the database."""
    with closed.fhir.clinic.transaction() as session:
        starts = session.connection.scalar(select(func.count()).select_from(tables.treatment_start))
    rows = [row for type in SAY_STARTED for row in closed.fhir.get(f"{type}?_count=1000").resources]
    ours = [row for row in rows if SYSTEM in str(row.get("identifier"))]
    assert len(ours) > 10
    begun = [row["id"] for row in ours if row["status"] in SAY_STARTED[row["resourceType"]]]
    return [*([f"{starts} starts"] if starts else []), *begun]


@pytest.mark.parametrize(("type", "status"), DOCUMENTS, ids=[f"{t}-{s}" for t, s in DOCUMENTS])
@pytest.mark.parametrize("path", PATHS)
def test_nothing_begins_by_this_path(closed: Closed, path: str, type: str, status: str) -> None:
    refused = PATHS[path](closed, closed.document(type, status))
    # Whoever builds other patches, or lets clients choose ids, comes through the gate as well.
    not_built = {"by put under an id of the clients": 405, "by merge patch": 415}
    assert refused == not_built.get(path, 422)
    with closed.fhir.clinic.transaction() as session:
        assert not session.connection.scalar(select(func.count()).select_from(tables.treatment_start))


def test_after_all_of_it_nothing_has_begun(closed: Closed) -> None:
    for path in PATHS.values():
        path(closed, closed.document("Procedure", "in-progress"))
    assert said_to_have_begun(closed) == []


def test_the_list_of_types_is_the_one_of_the_doors() -> None:
    """A booking is a door too, but it begins nothing; test_workflow.py has it."""
    assert set(SAY_STARTED) | {"Appointment"} == doors.DOORS
