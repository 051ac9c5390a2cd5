"""What a client that is let in may try: to look without a trace, to get more, to be in the way."""

from __future__ import annotations

import random
import threading

import pytest

from referral.storage import audit
from referral.storage.audit import AuditRow
from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.exporting import Bulk, below_fhir
from tests.fhir_api.people import Referred, patient, transaction
from tests.fhir_api.smart_system import System
from tests.fhir_api.subscribing import GATE, subscriber, subscription
from tests.fhir_api.test_access import limited
from tests.processes import eventually
from tests.receiver import receiving

MANY = "x" * 300_000


def searches(clinic: ClinicFixture) -> list[AuditRow]:
    """What was looked for, newest first."""
    with clinic.transaction() as session:
        return [row for row in audit.find(session, limit=200) if row.subtype == "search"]


# ---- To look without a trace


@pytest.fixture
def known(fhir: FhirClient) -> Json:
    return fhir.create(patient(birthDate="1951-07-13"))


CONDITION = "birthdate=1951-07-13"


def test_what_a_conditional_create_shows_is_audited(
    fhir: FhirClient, clinic: ClinicFixture, known: Json
) -> None:
    shown = fhir.post("Patient", patient(), If_None_Exist=CONDITION)
    assert (shown.status, shown.id) == (200, known["id"])
    (row,) = searches(clinic)
    assert (row.patient_id, row.detail["count"], row.detail["parameters"]) == (known["id"], 1, ["birthdate"])
    in_bundle = transaction(one=patient())
    in_bundle["entry"][0]["request"]["ifNoneExist"] = CONDITION
    assert fhir.post("", in_bundle).status == 200
    assert [row.patient_id for row in searches(clinic)] == [known["id"]] * 2
    assert fhir.post("Patient", patient(), If_None_Exist="birthdate=1900-01-01").status == 201
    assert (searches(clinic)[0].patient_id, searches(clinic)[0].detail["count"]) == (None, 0)


def test_who_asks_by_conditions_that_come_to_nothing_leaves_a_trace_too(
    fhir: FhirClient, clinic: ClinicFixture, known: Json
) -> None:
    """The answer tells whether there is somebody, though everything is taken back."""
    nonsense = [{"op": "test", "path": "/gender", "value": "no such"}]
    path = f"/fhir/Patient?{CONDITION}"
    refused = fhir.call("PATCH", path, nonsense, Content_Type="application/json-patch+json")
    assert refused.status == 409
    assert [row.patient_id for row in searches(clinic)] == [known["id"]]
    about = {
        "resourceType": "Communication",
        "status": "completed",
        "about": [{"reference": f"Patient?{CONDITION}"}],
    }
    wrong = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "focus": {"reference": "Task?_id=1"},
    }
    assert fhir.post("", transaction(one=about, two=wrong)).status == 412
    assert known["id"] in [row.patient_id for row in searches(clinic)[:2]]
    assert len(searches(clinic)) == 3


def test_a_patch_that_tests_what_is_there_and_fails_leaves_a_trace(
    fhir: FhirClient, clinic: ClinicFixture, known: Json
) -> None:
    patch = [
        {"op": "test", "path": "/birthDate", "value": "1951-07-13"},
        {"op": "remove", "path": "/no-such"},
    ]
    path = f"/fhir/Patient/{known['id']}"
    refused = fhir.call("PATCH", path, patch, Content_Type="application/json-patch+json")
    assert (refused.status, refused.expressions) == (409, ["http.body[1]"])
    with clinic.transaction() as session:
        (row,) = audit.find(session, limit=1)
    assert (row.action, row.entity, row.patient_id, row.outcome) == (
        "U",
        f"Patient/{known['id']}",
        known["id"],
        "4",
    )


# ---- To get more than its own


def test_a_binary_is_exported_with_what_it_stands_under(clinic: ClinicFixture, fhir: FhirClient) -> None:
    holder = fhir.create(patient())
    document = fhir.create(
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "subject": {"reference": f"Patient/{holder['id']}"},
            "content": [{"attachment": {"contentType": "text/plain"}}],
        }
    )
    context = {"reference": f"DocumentReference/{document['id']}"}
    fhir.create(
        {
            "resourceType": "Binary",
            "contentType": "text/plain",
            "securityContext": context,
            "data": "c2VjcmV0",
        }
    )
    narrow = Bulk(limited(clinic, fhir, "system/Binary.r"))
    assert narrow.manifest()["output"] == []
    superseded = Bulk(
        limited(clinic, fhir, "system/Binary.r", "system/DocumentReference.r?status=superseded")
    )
    assert superseded.manifest()["output"] == []
    both = Bulk(limited(clinic, fhir, "system/Binary.r", "system/DocumentReference.r"))
    assert {output["type"] for output in both.manifest()["output"]} == {"Binary", "DocumentReference"}


def test_a_narrower_token_does_not_fetch_the_binaries_of_a_wider_one(
    clinic: ClinicFixture, fhir: FhirClient
) -> None:
    fhir.create({"resourceType": "Binary", "contentType": "text/plain", "data": "c2VjcmV0"})
    scopes = ("system/Binary.r", "system/DocumentReference.r")
    system = System(clinic, scopes=scopes)
    wide = Bulk(system.fhir(system.token(" ".join(scopes))))
    (output,) = wide.manifest("$export?_type=Binary")["output"]
    file = below_fhir(output["url"])
    narrow = FhirClient(wide.fhir.app, system.token("system/Binary.r"), clinic)
    assert (narrow.get(file).status, wide.fhir.get(file).status) == (403, 200)


def test_a_provenance_along_with_a_write_is_within_the_scopes(
    clinic: ClinicFixture, fhir: FhirClient
) -> None:
    agents = "system/Provenance.c?agent=Organization/ours"
    writer = limited(clinic, fhir, "system/Patient.c", agents)
    header = (
        '{"resourceType": "Provenance", "recorded": "2026-11-03T16:00:00.000Z",'
        ' "agent": [{"who": {"reference": "Organization/%s"}}]}'
    )
    assert writer.post("Patient", patient(), X_Provenance=header % "theirs").status == 403
    assert writer.post("Patient", patient(), X_Provenance=header % "ours").status == 201


def test_a_change_that_changes_nothing_shows_nothing_to_who_may_not_read(
    clinic: ClinicFixture, fhir: FhirClient
) -> None:
    task = Referred(fhir).task
    part = next(
        row
        for row in fhir.get("Task?_count=50").resources
        if row["meta"]["versionId"] == "1" and "partOf" in row
    )
    writer = limited(clinic, fhir, "system/Task.u")
    request = {"method": "PUT", "url": f"Task/{part['id']}"}
    entry = {"request": request, "resource": part}
    answer = writer.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert answer.status == 200, task
    assert "resource" not in answer.body["entry"][0]


def test_another_topic_does_not_uncover_events_of_the_one_before(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    with clinic.transaction() as session:
        session.connection.exec_driver_sql(
            "UPDATE api_client SET scopes = %s WHERE clinic_id = %s",
            (
                ["system/Subscription.cruds", "system/Task.rs?status=failed", "system/ServiceRequest.rs"],
                clinic.id,
            ),
        )
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
        Referred(subscriber(clinic).fhir)
        changed = subscription(receiver.url, GATE)
        assert ehr.fhir.put(f"Subscription/{id}", {**changed, "id": id}).status == 200
        events = ehr.fhir.get(f"Subscription/{id}/$events").body
    assert "Task/" not in str(events["entry"])


# ---- To be in the way


def test_two_tokens_at_once_do_not_wait_for_each_other(clinic: ClinicFixture) -> None:
    system = System(clinic)
    answers: list[int] = []
    together = threading.Barrier(4)

    def ask() -> None:
        assertion = system.sign()
        together.wait()
        answers.append(system.ask(client_assertion=assertion).status)

    for _ in range(5):
        with clinic.transaction() as session:
            session.connection.exec_driver_sql("UPDATE api_client SET used_at = NULL")
        racers = [threading.Thread(target=ask) for _ in range(4)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
    assert answers == [200] * 20


def test_a_client_with_many_slow_receivers_holds_up_only_itself(clinic: ClinicFixture) -> None:
    ehr, other = subscriber(clinic), subscriber(clinic)
    task = Referred(other.fhir).task
    with receiving() as slow, receiving() as quick:
        for _ in range(9):
            ehr.subscribe(slow)
        other.subscribe(quick)
        slow.pause = threading.Event()
        path = f"Task/{task['id']}"
        assert other.fhir.put(path, {**other.fhir.get(path).body, "description": "hello"}).status == 200
        worker = threading.Thread(target=ehr.work)
        worker.start()
        try:
            eventually(lambda: quick.calls)
            assert len(slow.calls) <= 2
        finally:
            slow.pause.set()
            worker.join(30)
        assert len(slow.calls) == 9


def test_a_bundle_reads_so_much_and_no_more(fhir: FhirClient) -> None:
    fhir.create(patient(extension=[{"url": "http://example.org/long", "valueString": MANY}]))
    one = {"request": {"method": "GET", "url": "Patient"}}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [one] * 100}
    answer = fhir.post("", batch)
    assert answer.status == 200
    statuses = [entry["response"]["status"][:3] for entry in answer.body["entry"]]
    assert (statuses[0], statuses[-1]) == ("200", "413")
    assert len(answer.content) < 20_000_000
    assert fhir.post("", {**batch, "type": "transaction"}).status == 413


def test_a_bundle_has_so_many_references_by_condition(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    about = [{"reference": f"Patient?_id={made['id']}&birthdate=le{2000 + place}"} for place in range(201)]
    sent = {"resourceType": "Communication", "status": "completed", "about": about}
    refused = fhir.post("", transaction(one=sent))
    assert (refused.status, refused.issues[0]["code"]) == (413, "too-costly")


def test_nothing_lies_behind_the_end_of_a_list(fhir: FhirClient) -> None:
    made = fhir.create(patient())
    for name in ("copy", "move"):
        patch = [{"op": name, "from": "/name/-", "path": "/extension"}]
        path = f"/fhir/Patient/{made['id']}"
        assert fhir.call("PATCH", path, patch, Content_Type="application/json-patch+json").status == 409


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_id_that_is_none_is_no_patient_to_be_noted(
    fhir: FhirClient, clinic: ClinicFixture, method: str
) -> None:
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    if method == "GET":
        answer = fhir.get(f"DocumentReference/$docref?patient={long}")
    else:
        asked = {"resourceType": "Parameters", "parameter": [{"name": "patient", "valueString": long}]}
        answer = fhir.post("DocumentReference/$docref", asked)
    assert answer.status == 400, answer.status


def test_a_receiver_that_reads_and_refuses_is_noted(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    referred = Referred(ehr.fhir)
    with receiving() as receiver:
        ehr.subscribe(receiver)
        receiver.status = 500
        path = f"Task/{referred.task['id']}"
        assert ehr.fhir.put(path, {**ehr.fhir.get(path).body, "description": "hello"}).status == 200
        assert ehr.work() == 1
    with clinic.transaction() as session:
        noted = [row for row in audit.find(session, limit=50) if row.subtype == "notify"]
    assert [(row.entity, row.outcome) for row in noted] == [(path, "4")]
    assert noted[0].patient_id
