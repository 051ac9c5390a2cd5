"""CDS Hooks: discovery, and cards on the four hooks, with and without what the client sends along."""

from __future__ import annotations

import uuid
from typing import Any

import jsonschema
import pytest

from referral.domain.policy import ICD_10_CM
from tests.database import ClinicFixture
from tests.fhir_api.cds_ehr import SERVICE, Ehr, bundle, hook
from tests.fhir_api.client import Answer, FhirClient, Json
from tests.fhir_api.people import CONSULTATION, INFUSION, Referred, condition, patient
from tests.fhir_api.test_workflow import settle

HOOKS = ["patient-view", "order-sign", "appointment-book", "encounter-start"]
BASE = "http://127.0.0.1:8000"
ELSEWHERE = "https://fhir.ehr.example/r4"
OWN_RECORDS = "the chart was not sent along"

# CDS Hooks 2.0, "CDS Service Response", "Card Attributes", "Suggestion", "Action", "OverrideReason", "Link".
_CODING = {
    "type": "object",
    "required": ["code", "system"],
    "properties": {name: {"type": "string", "minLength": 1} for name in ("code", "system", "display")},
}
_UUID = {"type": "string", "format": "uuid", "minLength": 36}
_ACTION = {
    "type": "object",
    "required": ["type", "description", "resource"],
    "properties": {
        "type": {"enum": ["create", "update"]},
        "description": {"type": "string", "minLength": 1},
        "resource": {"type": "object", "required": ["resourceType", "id", "status"]},
    },
    "additionalProperties": False,
}
_SUGGESTION = {
    "type": "object",
    "required": ["label", "uuid"],
    "properties": {
        "label": {"type": "string", "minLength": 1, "maxLength": 80},
        "uuid": _UUID,
        "isRecommended": {"type": "boolean"},
        "actions": {"type": "array", "items": _ACTION},
    },
    "additionalProperties": False,
}
CARD = {
    "type": "object",
    "required": ["summary", "indicator", "source"],
    "properties": {
        "uuid": _UUID,
        "summary": {"type": "string", "minLength": 1, "maxLength": 139},
        "detail": {"type": "string", "minLength": 1},
        "indicator": {"enum": ["info", "warning", "critical"]},
        "source": {
            "type": "object",
            "required": ["label"],
            "properties": {"label": {"type": "string"}, "topic": _CODING},
            "additionalProperties": False,
        },
        "suggestions": {"type": "array", "minItems": 1, "items": _SUGGESTION},
        "selectionBehavior": {"enum": ["at-most-one", "any"]},
        "overrideReasons": {
            "type": "array",
            "minItems": 1,
            "items": {**_CODING, "required": ["code", "system", "display"]},
        },
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["label", "url", "type"],
                "properties": {
                    "label": {"type": "string"},
                    "url": {"type": "string", "pattern": f"^{BASE}/"},
                    "type": {"const": "absolute"},
                },
                "additionalProperties": False,
            },
        },
    },
    "dependentRequired": {"suggestions": ["selectionBehavior"]},
    "additionalProperties": False,
}


def cards(answer: Answer) -> list[Json]:
    """The cards of an answer, each as the specification wants it."""
    assert answer.status == 200, answer.body
    assert answer.body.keys() == {"cards"}
    for card in answer.body["cards"]:
        jsonschema.validate(card, CARD, format_checker=jsonschema.FormatChecker())
        uuid.UUID(card["uuid"])
    found: list[Json] = answer.body["cards"]
    return found


def only(answer: Answer) -> Json:
    (card,) = cards(answer)
    return card


@pytest.fixture
def ehr(clinic: ClinicFixture) -> Ehr:
    made = Ehr(clinic)
    made.trust()
    return made


def opened(fhir: FhirClient) -> Referred:
    referred = Referred(fhir)
    referred.consult()
    fhir.create(referred.answer())
    settle(referred)
    assert referred.gate()["parameter"][0]["valueBoolean"] is True
    return referred


def draft(id: str = "draft-1", **more: Any) -> Json:
    """An infusion as a clinician is ordering it in an EHR."""
    return {
        "resourceType": "ServiceRequest",
        "id": id,
        "status": "draft",
        "intent": "order",
        "code": INFUSION,
        "subject": {"reference": "Patient/ehr-7"},
        "note": [{"text": "kept as it was sent"}],
        **more,
    }


DEPRESSION = {"coding": [{"system": ICD_10_CM, "code": "F33.2"}]}
PAIN = {"coding": [{"system": ICD_10_CM, "code": "G90.50"}]}
# As an EHR has the same person under an id of its own.
CHART = {**patient(), "id": "ehr-7"}


def sign(*drafts: Json, prefetch: Json | None = None, **more: Any) -> Json:
    """Orders being signed in an EHR that has the chart of `patient()` under its own id."""
    along = {"patient": CHART} if prefetch is None else prefetch
    context = {"draftOrders": bundle(*drafts), **more.pop("context", {})}
    return hook("order-sign", "ehr-7", prefetch=along, context=context, fhirServer=ELSEWHERE, **more)


# ---- Discovery


def test_discovery_needs_no_token_and_says_what_each_hook_wants(fhir: FhirClient) -> None:
    services = fhir.call("GET", "/cds-services", Authorization="").body["services"]
    assert [service["hook"] for service in services] == HOOKS
    assert {service["id"] for service in services} == {"ketamine-recommendation-gate"}
    for service in services:
        assert service["title"]
        assert service["description"]
        assert "own records" in service["usageRequirements"]
        wanted = {"patient", "conditions", "orders"}
        assert service["prefetch"].keys() - wanted == (
            {"encounter"} if service["hook"] == HOOKS[3] else set()
        )


# ---- A closed and an open gate


@pytest.mark.parametrize(
    ("name", "indicator"),
    [("patient-view", "info"), ("appointment-book", "warning"), ("encounter-start", "critical")],
)
def test_a_closed_gate_gives_a_card(fhir: FhirClient, ehr: Ehr, name: str, indicator: str) -> None:
    referred = Referred(fhir)
    card = only(ehr.call(fhir, hook(name, referred.patient)))
    assert card["indicator"] == indicator
    assert card["summary"].startswith("Infusion blocked: ")
    assert "consultation" in card["detail"]
    assert "the request is not answered yet" in card["detail"]
    assert OWN_RECORDS not in card["detail"]
    order, request = (name.removeprefix("ServiceRequest/") for name in (referred.order, referred.request))
    assert [link["url"] for link in card["links"]] == [f"{BASE}/requests/{request}", f"{BASE}/orders/{order}"]
    # The order is on hold already: there is nothing to suggest.
    assert "suggestions" not in card


def test_where_nobody_is_asked_the_link_leads_to_asking(fhir: FhirClient, ehr: Ehr) -> None:
    made = fhir.create(patient())
    reason = fhir.create(condition(f"Patient/{made['id']}"))
    order = fhir.create(
        {**draft(), "subject": {"reference": f"Patient/{made['id']}"}}
        | {"reasonReference": [{"reference": f"Condition/{reason['id']}"}], "status": "active"}
    )
    card = only(ehr.call(fhir, hook("patient-view", made["id"])))
    assert card["links"][0]["url"] == f"{BASE}/requests/new?patient={made['id']}&order={order['id']}"


@pytest.mark.parametrize("name", HOOKS)
def test_an_open_gate_gives_no_card(fhir: FhirClient, ehr: Ehr, name: str) -> None:
    referred = opened(fhir)
    ours = fhir.get(referred.order).body
    context = {"draftOrders": bundle(ours)} if name == "order-sign" else {}
    assert cards(ehr.call(fhir, hook(name, referred.patient, context=context))) == []


def test_the_card_goes_when_the_answer_comes_and_comes_back_as_the_same_card(
    fhir: FhirClient, ehr: Ehr
) -> None:
    referred = Referred(fhir)
    view = hook("patient-view", referred.patient)
    first, again = only(ehr.call(fhir, view)), only(ehr.call(fhir, view))
    assert first == again
    assert only(ehr.call(fhir, hook("encounter-start", referred.patient)))["uuid"] != first["uuid"]
    referred.consult()
    assert only(ehr.call(fhir, view))["uuid"] != first["uuid"]
    fhir.create(referred.answer())
    settle(referred)
    assert cards(ehr.call(fhir, view)) == []


def test_there_is_nothing_to_say_about_who_has_no_order_or_is_unknown(fhir: FhirClient, ehr: Ehr) -> None:
    made = fhir.create(patient())
    for name in HOOKS:
        assert cards(ehr.call(fhir, hook(name, made["id"]))) == []
        assert cards(ehr.call(fhir, hook(name, "nobody"))) == []


def test_patients_of_another_clinic_are_unknown(fhir: FhirClient, other_fhir: FhirClient, ehr: Ehr) -> None:
    theirs = Referred(other_fhir)
    assert cards(ehr.call(fhir, hook("patient-view", theirs.patient))) == []
    along = {"patient": {**other_fhir.get(theirs.patient).body}}
    assert cards(ehr.call(fhir, hook("patient-view", theirs.patient, prefetch=along))) == []
    ours = other_fhir.get(theirs.order).body
    card = only(ehr.call(fhir, hook("order-sign", theirs.patient, context={"draftOrders": bundle(ours)})))
    assert "does not know this order" in card["detail"]
    assert [link["url"] for link in card["links"]] == [f"{BASE}/requests/new"]


def test_each_look_leaves_its_audit_row_with_the_patient(fhir: FhirClient, ehr: Ehr) -> None:
    referred = Referred(fhir)

    def looks() -> int:
        events = fhir.get(f"AuditEvent?patient={referred.patient}&_count=100").resources
        return sum(coding["code"] == "gate" for event in events for coding in event["subtype"])

    for number, name in enumerate(HOOKS, 1):
        ehr.call(fhir, hook(name, referred.patient))
        assert looks() == number


# ---- Whom it is about


def test_a_patient_is_found_by_identifiers_that_are_sent_along(fhir: FhirClient, ehr: Ehr) -> None:
    Referred(fhir)
    view = hook("patient-view", "ehr-7", prefetch={"patient": CHART}, fhirServer=ELSEWHERE)
    card = only(ehr.call(fhir, view))
    assert OWN_RECORDS not in card["detail"]
    for identifier in (
        {"system": "http://ehr.example/mrn", "value": "MRN-2"},
        {"system": "http://elsewhere.example/mrn", "value": "MRN-1"},
        {"value": "MRN-1"},
    ):
        other = {"patient": {**CHART, "identifier": [identifier]}}
        assert cards(ehr.call(fhir, hook("patient-view", "ehr-7", prefetch=other))) == []


def test_a_person_who_is_here_twice_is_warned_about_for_both(fhir: FhirClient, ehr: Ehr) -> None:
    first, second = Referred(fhir), Referred(fhir)
    found = cards(ehr.call(fhir, hook("patient-view", "ehr-7", prefetch={"patient": CHART})))
    urls = {link["url"] for card in found for link in card["links"]}
    for referred in (first, second):
        assert f"{BASE}/orders/{referred.order.removeprefix('ServiceRequest/')}" in urls
        events = fhir.get(f"AuditEvent?patient={referred.patient}&_count=100").resources
        assert any(coding["code"] == "gate" for event in events for coding in event["subtype"])


def test_an_id_that_is_somebody_else_here_is_not_believed(fhir: FhirClient, ehr: Ehr) -> None:
    """Two servers may use one id; a chart that was sent along tells them apart."""
    referred = Referred(fhir)
    id = referred.patient.removeprefix("Patient/")
    chart = {"resourceType": "Patient", "id": id, "birthDate": "1999-01-01"}
    assert cards(ehr.call(fhir, hook("patient-view", id, prefetch={"patient": chart}))) == []
    same = {**chart, "birthDate": "1986-04-12"}
    assert only(ehr.call(fhir, hook("patient-view", id, prefetch={"patient": same})))


def test_without_prefetch_the_own_records_answer_and_the_card_says_so(fhir: FhirClient, ehr: Ehr) -> None:
    """Nothing is fetched: the address of the client's server leads nowhere."""
    referred = Referred(fhir)
    secret = {
        "access_token": "never-used",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "",
        "subject": "x",
    }
    for along in (None, {}, {"patient": None, "orders": {"resourceType": "OperationOutcome"}}):
        asked = hook(
            "patient-view", referred.patient, prefetch=along, fhirServer=ELSEWHERE, fhirAuthorization=secret
        )
        card = only(ehr.call(fhir, asked))
        assert OWN_RECORDS in card["detail"]
        assert "suggestions" not in card
    ours = hook("patient-view", referred.patient, fhirServer="http://testserver/fhir")
    assert OWN_RECORDS not in only(ehr.call(fhir, ours))["detail"]


# ---- order-sign


def test_signing_an_infusion_whose_order_is_closed_suggests_to_hold_the_draft(
    fhir: FhirClient, ehr: Ehr
) -> None:
    referred = Referred(fhir)
    ordered = draft(reasonCode=[DEPRESSION])
    card = only(ehr.call(fhir, sign(ordered)))
    assert card["indicator"] == "critical"
    assert referred.order.removeprefix("ServiceRequest/") in card["links"][1]["url"]
    assert card["selectionBehavior"] == "at-most-one"
    (suggestion,) = card["suggestions"]
    (action,) = suggestion["actions"]
    assert (action["type"], suggestion["isRecommended"]) == ("update", True)
    assert action["resource"] == {**ordered, "status": "on-hold"}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "on-hold"},
        {"status": "entered-in-error"},
    ],
)
def test_a_draft_that_will_not_be_carried_out_needs_no_suggestion(
    fhir: FhirClient, ehr: Ehr, changes: Json
) -> None:
    Referred(fhir)
    assert "suggestions" not in only(ehr.call(fhir, sign(draft(**changes))))


def test_signing_anything_else_is_left_in_peace(fhir: FhirClient, ehr: Ehr) -> None:
    Referred(fhir)
    blood_count = draft(code={"text": "Full blood count"})
    question = {"resourceType": "CommunicationRequest", "id": "q", "status": "draft"}
    assert cards(ehr.call(fhir, sign(blood_count, question))) == []


def test_only_the_selected_drafts_count_where_the_client_says_which(fhir: FhirClient, ehr: Ehr) -> None:
    Referred(fhir)
    two = (draft("one"), draft("two"))
    (chosen,) = cards(ehr.call(fhir, sign(*two, context={"selections": ["ServiceRequest/two"]})))
    assert chosen["suggestions"][0]["actions"][0]["resource"]["id"] == "two"
    assert cards(ehr.call(fhir, sign(*two, context={"selections": []}))) == []


@pytest.mark.parametrize(
    "link",
    [
        lambda order: {"basedOn": [{"reference": f"ServiceRequest/{order['id']}"}]},
        lambda order: {"identifier": order["identifier"]},
        lambda order: {"id": order["id"]},
    ],
    ids=["basedOn", "identifier", "id"],
)
def test_a_draft_says_which_order_it_is(fhir: FhirClient, ehr: Ehr, link: Any) -> None:
    """Of two orders for the same, the open one: nothing to say; the closed one: a card."""
    first, second = opened(fhir), Referred(fhir)
    for referred, count in ((first, 0), (second, 1)):
        order = fhir.get(referred.order).body
        assert len(cards(ehr.call(fhir, sign(draft(reasonCode=[DEPRESSION]) | link(order))))) == count


def test_a_draft_for_something_else_than_the_open_order_is_new(fhir: FhirClient, ehr: Ehr) -> None:
    """A recommendation for depression does not cover an order for PTSD."""
    opened(fhir)
    other = draft(reasonCode=[{"coding": [{"system": ICD_10_CM, "code": "F43.10"}]}])
    card = only(ehr.call(fhir, sign(other)))
    assert "does not know this order" in card["detail"]
    assert "needs a recommendation" in card["detail"]
    assert cards(ehr.call(fhir, sign(draft(reasonCode=[DEPRESSION])))) == []


@pytest.mark.parametrize(
    ("changes", "conditions", "words"),
    [
        ({"reasonCode": [DEPRESSION]}, [], "needs a recommendation from a psychiatrist"),
        ({"reasonCode": [PAIN]}, [], "consultation has not been recorded"),
        ({}, [], "no indication given"),
        ({"reasonReference": [{"reference": "Condition/c1"}]}, [], "no indication given"),
        (
            {"reasonReference": [{"reference": "Condition/c1"}]},
            [condition("Patient/ehr-7", "F33.2", id="c1")],
            "needs a recommendation from a psychiatrist",
        ),
    ],
)
def test_an_infusion_that_nobody_knows_here_is_not_kept_quiet_about(
    fhir: FhirClient, ehr: Ehr, changes: Json, conditions: list[Json], words: str
) -> None:
    """The patient has no record here at all: silence would look like consent."""
    along = {"patient": CHART, "conditions": bundle(*conditions)}
    card = only(ehr.call(fhir, sign(draft(**changes), prefetch=along)))
    assert words in card["detail"].replace("\\", "")
    assert "does not know this order" in card["detail"]
    assert card["suggestions"][0]["actions"][0]["resource"]["id"] == "draft-1"


def test_ketamine_ordered_as_a_medication_is_an_infusion_too(fhir: FhirClient, ehr: Ehr) -> None:
    ordered = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6130"}]
        },
        "subject": {"reference": "Patient/ehr-7"},
    }
    card = only(ehr.call(fhir, sign(ordered)))
    assert card["suggestions"][0]["actions"][0]["resource"] == {**ordered, "status": "on-hold"}


# ---- Bookings and visits


CONSULT = {"resourceType": "Appointment", "id": "a1", "status": "proposed", "serviceType": [CONSULTATION]}
INFUSE = {"resourceType": "Appointment", "id": "a2", "status": "proposed", "serviceType": [INFUSION]}


@pytest.mark.parametrize(
    ("appointments", "count"),
    [
        ([CONSULT], 0),
        ([{**INFUSE, "status": "cancelled"}], 0),
        ([INFUSE], 1),
        ([CONSULT, INFUSE], 1),
        ([{"resourceType": "Appointment", "id": "a3", "status": "proposed"}], 1),
    ],
)
def test_booking_a_consultation_is_left_in_peace(
    fhir: FhirClient, ehr: Ehr, appointments: list[Json], count: int
) -> None:
    referred = Referred(fhir)
    booked = hook("appointment-book", referred.patient, context={"appointments": bundle(*appointments)})
    assert len(cards(ehr.call(fhir, booked))) == count


@pytest.mark.parametrize(("type", "count"), [(CONSULTATION, 0), (INFUSION, 1)])
def test_beginning_a_consultation_is_left_in_peace(
    fhir: FhirClient, ehr: Ehr, type: Json, count: int
) -> None:
    referred = Referred(fhir)
    visit = {"resourceType": "Encounter", "id": "visit-1", "status": "in-progress", "type": [type]}
    begun = hook("encounter-start", referred.patient, prefetch={"encounter": visit})
    assert len(cards(ehr.call(fhir, begun))) == count


def test_the_clients_own_order_is_what_is_suggested_to_hold(fhir: FhirClient, ehr: Ehr) -> None:
    referred = Referred(fhir)
    ours = fhir.get(referred.order).body
    theirs = draft("ehr-order", status="active", identifier=ours["identifier"])
    unrelated = draft("other", status="active", code={"text": "Full blood count"})
    along = {"patient": CHART, "orders": bundle(unrelated, theirs)}
    begun = hook("encounter-start", "ehr-7", prefetch=along, fhirServer=ELSEWHERE)
    (suggestion,) = only(ehr.call(fhir, begun))["suggestions"]
    assert suggestion["actions"][0]["resource"] == {**theirs, "status": "on-hold"}


# ---- What cannot be read


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "hook has to be one of"),
        (
            {"hook": "order-select", "hookInstance": "1", "context": {"patientId": "1"}},
            "hook has to be one of",
        ),
        ({"hook": "patient-view"}, "hookInstance is missing"),
        ({"hook": "patient-view", "hookInstance": "1"}, "context is missing"),
        ({"hook": "patient-view", "hookInstance": "1", "context": []}, "context is missing"),
        ({"hook": "patient-view", "hookInstance": "1", "context": {"patientId": "1"}}, "userId is missing"),
        (hook("patient-view", "1", context={"patientId": 7}), "patientId is missing"),
        (hook("patient-view", "1", context={"patientId": "a b"}), "patientId is missing"),
        (hook("patient-view", "1", context={"patientId": "a\x00b"}), "U+0000"),
        (hook("patient-view", "1", context={"encounterId": 3}), "encounterId is missing"),
        (hook("patient-view", "1", fhirServer=5), "fhirServer"),
        (hook("patient-view", "1") | {"prefetch": []}, "prefetch has to be an object"),
        (hook("patient-view", "1") | {"prefetch": {"patient": "x"}}, "prefetch has to be an object"),
        (hook("patient-view", "1", prefetch={"patient": CHART}), "prefetch.patient is not the Patient"),
        (hook("encounter-start", "1", context={"encounterId": None}), "encounterId is missing"),
        (
            hook("encounter-start", "1", prefetch={"encounter": {"resourceType": "Encounter", "id": "2"}}),
            "prefetch.encounter is not the Encounter",
        ),
        (hook("order-sign", "1", context={"draftOrders": None}), "draftOrders is missing: a Bundle"),
        (hook("order-sign", "1", context={"draftOrders": [draft()]}), "draftOrders is missing: a Bundle"),
        (hook("order-sign", "1", context={"draftOrders": bundle(draft())}), "order of another patient"),
        (hook("appointment-book", "1", context={"appointments": {}}), "appointments is missing: a Bundle"),
    ],
)
def test_a_call_that_cannot_be_read_is_refused_in_a_sentence(
    fhir: FhirClient, body: Json, words: str
) -> None:
    answer = fhir.call("POST", SERVICE, body)
    assert answer.status == 400
    assert words in answer.text
    assert fhir.call("POST", "/cds-services/other", body).status == 404


@pytest.mark.parametrize(
    "odd",
    [
        {"entry": None},
        {"entry": [None, 5, "x", {"resource": None}, {"resource": {"resourceType": "ServiceRequest"}}]},
        {"entry": [{"resource": {"resourceType": "Appointment", "status": []}}]},
        {"entry": [{"resource": {"resourceType": "ServiceRequest", "code": {"coding": [1]}, "subject": 7}}]},
        {"entry": [{"resource": {**draft(), "identifier": [3], "reasonReference": [3], "basedOn": 4}}]},
        {"entry": [{"resource": {**draft(), "subject": {"reference": 9}, "status": {"a": 1}, "id": []}}]},
    ],
)
@pytest.mark.parametrize("name", HOOKS)
def test_odd_resources_break_nothing(fhir: FhirClient, ehr: Ehr, name: str, odd: Json) -> None:
    referred = Referred(fhir)
    whole = {"resourceType": "Bundle", **odd}
    body = hook(
        name,
        referred.patient,
        context={"draftOrders": whole, "appointments": whole, "selections": {"a": 1}},
        prefetch={"conditions": whole, "orders": whole, "other": {}},
    )
    assert ehr.call(fhir, body).status in (200, 400)
