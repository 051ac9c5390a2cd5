"""Subscriptions as clients make them: what is taken, what is refused, who sees what."""

from __future__ import annotations

from typing import Any

import pytest

from referral.fhir.subscription import PAYLOAD_CONTENT
from referral.fhir.validation import validate
from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import Referred, patient
from tests.fhir_api.subscribing import (
    GATE,
    TASK,
    Subscriber,
    heartbeat,
    kinds,
    numbers,
    parameters,
    subscriber,
    subscription,
)
from tests.receiver import receiving

PUBLIC = "https://hooks.example.org/fhir"


@pytest.fixture
def other(clinic: ClinicFixture) -> Subscriber:
    return subscriber(clinic)


def test_a_subscription_is_agreed_to_and_then_told_of_changes(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    with receiving() as receiver:
        made = ehr.fhir.create(subscription(receiver.url))
        assert made["status"] == "requested"
        ehr.work()
        (handshake,) = receiver.calls
        assert parameters(handshake) == {
            "subscription": f"https://referral.example/fhir/Subscription/{made['id']}",
            "topic": TASK,
            "status": "requested",
            "type": "handshake",
            "events-since-subscription-start": "0",
            "events": [],
        }
        assert ehr.read(made["id"])["status"] == "active"
        referred = Referred(ehr.fhir)
        ehr.work()
    (told,) = receiver.calls[1:]
    assert (told.method, told.headers["content-type"]) == ("POST", "application/fhir+json")
    validate(told.bundle)
    found = parameters(told)
    assert (found["type"], found["status"], found["events-since-subscription-start"]) == (
        "event-notification",
        "active",
        str(len(found["events"])),
    )
    assert [event["event-number"] for event in found["events"]] == ["1", "2"]
    task = f"https://referral.example/fhir/Task/{referred.task['id']}"
    assert found["events"][0] == {"event-number": "1", "timestamp": "2026-11-03T17:00:00.000Z", "focus": task}
    assert [entry["request"] for entry in told.bundle["entry"]][:2] == [
        {"method": "GET", "url": f"https://referral.example/fhir/Subscription/{made['id']}/$status"},
        {"method": "GET", "url": task},
    ]
    assert b"Nguy" not in told.body
    assert referred.patient.encode() not in told.body


def test_an_empty_notification_names_neither_topic_nor_resource(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    with receiving() as receiver:
        document = subscription(receiver.url)
        document["channel"]["_payload"]["extension"][0]["valueCode"] = "empty"
        ehr.fhir.create(document)
        ehr.work()
        Referred(ehr.fhir)
        ehr.work()
    told = receiver.calls[-1]
    assert "topic" not in parameters(told)
    assert [set(event) for event in parameters(told)["events"]] == [{"event-number", "timestamp"}] * 2
    assert len(told.bundle["entry"]) == 1
    assert b"Task/" not in told.body


FILTERS = [
    ("Task?owner={role}", True),
    ("owner=PractitionerRole/none", False),
    ("patient={patient}&status=requested", True),
    ("patient={patient}&status:not=requested", False),
    ("status=draft,requested", True),
    ("code=http://hl7.org/fhir/CodeSystem/task-code|fulfill", True),
    ("focus={request}", True),
    ("patient=Patient/none", False),
]


def test_filters_choose_what_is_told(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    referred = Referred(ehr.fhir)
    known = {"role": referred.role, "patient": referred.patient, "request": referred.request}
    with receiving() as receiver:
        for place, (text, _) in enumerate(FILTERS):
            filters = (text.format(**known), "status:not=failed")
            ehr.fhir.create(subscription(f"{receiver.url}/{place}", TASK, *filters))
        ehr.work()
        receiver.calls.clear()
        task = referred.task
        assert ehr.fhir.put(f"Task/{task['id']}", {**task, "description": "hello"}).status == 200
        ehr.work()
    told = {call.path for call in receiver.calls}
    assert told == {f"/hook/{place}" for place, (_, wanted) in enumerate(FILTERS) if wanted}


def refused(fhir: FhirClient, document: Json, status: int = 422) -> tuple[str, list[str]]:
    answer = fhir.post("Subscription", document)
    assert answer.status == status, answer.body
    return answer.text, answer.expressions


def channel(words: str, place: str, **changes: Any) -> tuple[Json, str, str]:
    document = subscription(PUBLIC)
    document["channel"] |= changes
    return document, words, f"Subscription.channel.{place}"


def element(words: str, place: str, value: str) -> tuple[Json, str, str]:
    return {**subscription(PUBLIC), place: value}, words, f"Subscription.{place}"


BAD: dict[str, tuple[Json, str, str]] = {
    "active by itself": element("sets requested", "status", "active"),
    "error by itself": element("sets requested", "status", "error"),
    "a search as criteria": element("topic", "criteria", "Task?status=ready"),
    "another's topic": element("topic", "criteria", "http://example.org/topic"),
    "an end that is over": element("passed", "end", "2026-11-03T16:59:59Z"),
    "mail": channel("rest-hook", "type", type="email"),
    "full resources": channel(
        "never carry it",
        "payload.extension.valueCode",
        _payload={"extension": [{"url": PAYLOAD_CONTENT, "valueCode": "full-resource"}]},
    ),
    "plain text": channel("fhir+json", "payload", payload="text/plain"),
    "http": channel("https", "endpoint", endpoint="http://hooks.example.org/"),
    "a private address": channel("public", "endpoint", endpoint="https://10.0.0.1/"),
    "a password": channel("user name", "endpoint", endpoint="https://a:b@hooks.example.org/"),
    "a header of two lines": channel("Name: value", "header[0]", header=["X: a\r\nHost: b"]),
    "a Host header": channel("server itself", "header[0]", header=["host: b"]),
    "eleven headers": channel("more than 10", "header", header=[f"X-{n}: 1" for n in range(11)]),
    "a hidden header that nobody knows": channel("send one", "header[0]", header=["X-Secret: ***"]),
    "a heartbeat a second": channel("60", "extension", extension=[heartbeat(1)]),
}


BAD_FILTERS = {
    "priority=stat": "owner, patient",
    "owner.name=x": "owner, patient",
    "owner:PractitionerRole=1": "owner, patient",
    "_has:Provenance:target:agent=x": "owner, patient",
    "ServiceRequest?patient=1": "about Task",
    "status": "no value",
    "Task?": "no filter",
    "owner=https://elsewhere.example/fhir/PractitionerRole/1": "Type/id",
    "status=%FF": "UTF-8",
}


def test_what_cannot_be_done_is_refused_with_the_element(fhir: FhirClient) -> None:
    for case, (document, words, where) in BAD.items():
        text, expressions = refused(fhir, document)
        assert words in text, case
        assert where in expressions, case


def test_filters_that_cannot_be_used_are_refused(fhir: FhirClient) -> None:
    for text, words in BAD_FILTERS.items():
        found, expressions = refused(fhir, subscription(PUBLIC, TASK, "status=ready", text))
        assert words in found, text
        assert expressions == ["Subscription.criteria.extension[1].valueString"]


def test_a_hook_needs_an_address(fhir: FhirClient) -> None:
    document = subscription(PUBLIC)
    del document["channel"]["endpoint"]
    assert "https address" in refused(fhir, document)[0]


def test_everything_that_is_wrong_is_told_at_once(fhir: FhirClient) -> None:
    document = {**subscription("http://a.b/", payload="text/plain"), "status": "active", "criteria": "x"}
    assert len(refused(fhir, document)[1]) == 4


def test_secrets_in_headers_are_sent_and_never_shown(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    with receiving() as receiver:
        headers = ["Authorization: Bearer top-secret", "X-Tenant:  7 "]
        made = ehr.fhir.create(subscription(receiver.url, header=headers))
        assert made["channel"]["header"] == ["Authorization: ***", "X-Tenant: ***"]
        ehr.work()
        # What was read is sent back: the values of before are kept, and a new one replaces its own.
        back = {**ehr.read(made["id"]), "reason": "Renamed"}
        back["channel"]["header"][1] = "X-Tenant: 8"
        assert ehr.fhir.put(f"Subscription/{made['id']}", back).body["status"] == "requested"
        ehr.work()
        with receiving() as thief:
            back["channel"]["endpoint"] = thief.url
            stolen = ehr.fhir.put(f"Subscription/{made['id']}", back)
            assert (stolen.status, "for this host" in stolen.text) == (422, True)
    assert [(c.headers["authorization"], c.headers["x-tenant"]) for c in receiver.calls] == [
        ("Bearer top-secret", "7"),
        ("Bearer top-secret", "8"),
    ]
    for answer in (
        f"Subscription/{made['id']}/_history",
        "Subscription",
        f"Subscription/{made['id']}/_history/1",
    ):
        assert b"top-secret" not in ehr.fhir.get(answer).content
    with clinic.transaction() as session:
        for table in ("resource", "resource_history", "search_entry", "subscription", "audit_event"):
            rows = session.connection.exec_driver_sql(f"SELECT t::text FROM {table} t").scalars()
            assert not any("top-secret" in row or "746f702d736563726574" in row for row in rows)


def test_a_client_sees_its_own_subscriptions_only(clinic: ClinicFixture, other: Subscriber) -> None:
    mine = subscriber(clinic).fhir
    id = mine.create(subscription(PUBLIC))["id"]
    theirs = other.fhir.create(subscription("https://theirs.example.org/"))["id"]
    assert mine.get("Subscription").references == [f"Subscription/{id}"]
    assert mine.get(f"Subscription?url={PUBLIC}&_total=accurate").body["total"] == 1
    assert mine.get("Subscription?url=https://theirs.example.org/&_total=accurate").body["total"] == 0
    assert mine.get("Subscription?status=requested&_summary=count").body["total"] == 1
    document = other.read(theirs)
    for method, path, body in (
        ("GET", f"Subscription/{theirs}", None),
        ("GET", f"Subscription/{theirs}/_history", None),
        ("GET", f"Subscription/{theirs}/_history/1", None),
        ("GET", f"Subscription/{theirs}/$status", None),
        ("GET", f"Subscription/{theirs}/$events", None),
        ("PUT", f"Subscription/{theirs}", document),
        ("DELETE", f"Subscription/{theirs}", None),
    ):
        assert mine.call(method, f"/fhir/{path}", body).status == 404, (method, path)
    patch = [{"op": "test", "path": "/status", "value": "requested"}]
    answer = mine.call(
        "PATCH", f"/fhir/Subscription/{theirs}", patch, Content_Type="application/json-patch+json"
    )
    assert answer.status == 404
    assert mine.get("Subscription/_history").references == [f"Subscription/{id}"]
    assert mine.get(f"Subscription/$status?id={theirs}").resources == []
    assert len(mine.get(f"Subscription/$status?id={theirs},{id}").resources) == 1
    about = {
        "resourceType": "Provenance",
        "target": [{"reference": f"Subscription/{theirs}"}],
        "recorded": "2026-11-03T17:00:00Z",
        "agent": [{"who": {"display": "somebody"}}],
    }
    assert mine.create(about)
    assert mine.get("Provenance?_include=Provenance:target").references[1:] == []
    # A condition finds nothing of others: each client makes its own.
    same = subscription("https://theirs.example.org/")
    assert mine.post("Subscription", same, if_none_exist="url=https://theirs.example.org/").status == 201
    assert mine.post("Subscription", same, if_none_exist="url=https://theirs.example.org/").status == 200
    assert other.read(theirs) == document


def test_nobody_takes_a_subscription_by_its_tag(clinic: ClinicFixture, other: Subscriber) -> None:
    mine = subscriber(clinic).fhir
    made = mine.create(subscription(PUBLIC))
    forged = {
        **subscription(PUBLIC),
        "meta": {"tag": [*made["meta"]["tag"], {"system": "urn:x", "code": "mine"}]},
    }
    id = other.fhir.create(forged)["id"]
    assert mine.get(f"Subscription/{id}").status == 404
    assert other.read(id)["meta"]["tag"][0]["code"] == "mine"
    without = {name: value for name, value in other.read(id).items() if name != "meta"}
    assert other.fhir.put(f"Subscription/{id}", without).status == 200
    assert other.read(id)["id"] == id


def test_a_subscription_is_changed_ended_and_revived_by_its_client(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    with receiving() as receiver:
        id = ehr.subscribe(receiver, extension=[heartbeat(60)])
        assert (
            ehr.fhir.put(f"Subscription/{id}", {**ehr.read(id), "reason": "Other words"}).body["status"]
            == "active"
        )
        assert ehr.work() == 0
        patch = [{"op": "replace", "path": "/status", "value": "off"}]
        how = {"Content_Type": "application/json-patch+json"}
        assert ehr.fhir.call("PATCH", f"/fhir/Subscription/{id}", patch, **how).body["status"] == "off"
        Referred(ehr.fhir)
        assert ehr.work() == 0
        assert ehr.fhir.put(f"Subscription/{id}", {**ehr.read(id), "status": "active"}).status == 422
        assert ehr.fhir.put(f"Subscription/{id}", {**ehr.read(id), "status": "requested"}).status == 200
        ehr.work()
        Referred(ehr.fhir)
        ehr.work()
        # Another address, or another filter, has to be agreed to first.
        elsewhere = ehr.read(id)
        elsewhere["channel"]["endpoint"] += "/elsewhere"
        assert ehr.fhir.put(f"Subscription/{id}", elsewhere).body["status"] == "requested"
        ehr.work()
    assert kinds(receiver) == ["handshake", "event-notification", "handshake"]
    assert numbers(receiver) == [1, 2]


def test_a_deleted_subscription_is_gone(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
        before = ehr.read(id)
        assert ehr.fhir.call("DELETE", f"/fhir/Subscription/{id}").status == 204
        for answer in (
            ehr.fhir.get(f"Subscription/{id}"),
            ehr.fhir.get(f"Subscription/{id}/$status"),
            ehr.fhir.put(f"Subscription/{id}", before),
            ehr.fhir.call("DELETE", f"/fhir/Subscription/{id}"),
        ):
            assert answer.status == 404
        assert ehr.fhir.get("Subscription").references == []
        assert ehr.fhir.get("Subscription/$status").resources == []
        Referred(ehr.fhir)
        assert ehr.work() == 0
    with clinic.transaction() as session:
        (row,) = session.connection.exec_driver_sql(
            "SELECT headers, endpoint, status FROM subscription"
        ).all()
    assert tuple(row) == (None, "", "off")


def test_bundles_make_and_delete_them(fhir: FhirClient) -> None:
    def bundle(kind: str, *entries: Json) -> Json:
        return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}

    made = fhir.post(
        "",
        bundle(
            "transaction",
            {"resource": subscription(PUBLIC), "request": {"method": "POST", "url": "Subscription"}},
            {"resource": patient(), "request": {"method": "POST", "url": "Patient"}},
        ),
    )
    assert made.status == 200, made.body
    id = made.resources[0]["id"]
    delete = {"request": {"method": "DELETE", "url": f"Subscription/{id}"}}
    read = {"request": {"method": "GET", "url": f"Subscription/{id}"}}
    answer = fhir.post("", bundle("batch", delete, read))
    assert [entry["response"]["status"] for entry in answer.body["entry"]] == [
        "204 No Content",
        "404 Not Found",
    ]
    assert fhir.post("", bundle("transaction", delete)).status == 404
    of_a_patient = {"request": {"method": "DELETE", "url": "Patient/1"}}
    assert fhir.post("", bundle("transaction", of_a_patient)).status == 405


def test_who_may_not_read_the_topic_may_not_subscribe_to_it(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    with clinic.transaction() as session:
        session.connection.exec_driver_sql(
            "UPDATE api_client SET scopes = '{system/Subscription.cruds,system/Task.r}' WHERE clinic_id = %s",
            (clinic.id,),
        )
    answer = ehr.fhir.post("Subscription", subscription(PUBLIC, TASK))
    assert answer.status == 403
    assert ehr.fhir.post("Subscription", subscription(PUBLIC, GATE)).status == 403
    assert ehr.fhir.get("Subscription").resources == []


def test_there_is_a_bound_to_how_many(clinic: ClinicFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    ehr = subscriber(clinic)
    monkeypatch.setattr("referral.services.take_subscription.MOST_PER_CLIENT", 2)
    first = ehr.fhir.create(subscription(PUBLIC))
    ehr.fhir.create(subscription(PUBLIC))
    text, _ = refused(ehr.fhir, subscription(PUBLIC))
    assert "2 subscriptions" in text
    assert ehr.fhir.put(f"Subscription/{first['id']}", {**first, "status": "off"}).status == 200
    assert ehr.fhir.create(subscription(PUBLIC))


def test_the_status_is_told_by_get_and_post_of_one_and_of_many(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    id, second = (ehr.fhir.create(subscription(PUBLIC))["id"] for _ in range(2))
    Referred(ehr.fhir)
    one = ehr.fhir.get(f"Subscription/{id}/$status")
    validate(one.body)
    found = parameters(one.body)
    assert (found["type"], found["status"], found["events-since-subscription-start"]) == (
        "query-status",
        "requested",
        "2",
    )
    assert ehr.fhir.post(f"Subscription/{id}/$status", None).status == 200
    asked = {"resourceType": "Parameters", "parameter": [{"name": "id", "valueId": second}]}
    some = ehr.fhir.post("Subscription/$status", asked)
    assert [parameters(some.body)["subscription"]] == [f"http://testserver/fhir/Subscription/{second}"]
    assert len(ehr.fhir.get("Subscription/$status").resources) == 2
    assert ehr.fhir.get("Subscription/$status?status=active").resources == []
    for query in ("status=asleep", "nonsense=1"):
        assert ehr.fhir.get(f"Subscription/$status?{query}").status == 400
    assert ehr.fhir.post("Subscription/$status", {"resourceType": "Patient"}).status == 400


def test_events_can_be_asked_for_by_number(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    id = ehr.fhir.create(subscription(PUBLIC))["id"]
    for _ in range(2):
        Referred(ehr.fhir)

    def asked(query: str = "") -> list[int]:
        bundle = ehr.fhir.get(f"Subscription/{id}/$events{query}").body
        validate(bundle)
        assert parameters(bundle)["type"] == "query-event"
        return [int(event["event-number"]) for event in parameters(bundle)["events"]]

    assert asked() == [1, 2, 3, 4]
    assert asked("?eventsSinceNumber=2&eventsUntilNumber=3") == [2, 3]
    assert asked("?eventsSinceNumber=5") == []
    empty = ehr.fhir.get(f"Subscription/{id}/$events?content=empty").body
    assert all("focus" not in event for event in parameters(empty)["events"])
    for query in ("eventsSinceNumber=-1", "eventsSinceNumber=1e3", "content=all", "x=1"):
        assert ehr.fhir.get(f"Subscription/{id}/$events?{query}").status == 400
    with clinic.transaction() as session:
        found = session.connection.exec_driver_sql(
            "SELECT count(*) FROM audit_event WHERE subtype = 'notify' AND patient_id IS NOT NULL"
        ).scalar()
    assert found


def test_a_token_that_was_revoked_ends_its_subscriptions(clinic: ClinicFixture) -> None:
    ehr = subscriber(clinic)
    watching = subscriber(clinic)
    with receiving() as receiver:
        id = ehr.subscribe(receiver)
        with clinic.transaction() as session:
            session.connection.exec_driver_sql(
                "UPDATE api_client SET revoked_at = now() FROM subscription s"
                " WHERE s.client_id = api_client.id AND s.id = %s",
                (id,),
            )
        Referred(watching.fhir)
        watching.work()
    assert receiver.calls == []
    with clinic.transaction() as session:
        row = session.connection.exec_driver_sql("SELECT status, error FROM subscription").one()
    assert (row[0], "revoked" in row[1]) == ("off", True)
