"""Infusion orders, recommendation requests and indications."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from referral.domain.codes import ClinicianKind, Requirement, TaskStatus
from referral.domain.policy import ICD_10_CM, SNOMED_CT, Indication, Policy
from referral.fhir import condition, request_reading, service_request
from referral.fhir.elements import instant, reference_id
from referral.fhir.systems import DEFAULT, RXNORM, LocalSystems
from tests.fhir.mapping_samples import (
    CLINICIAN,
    DEPRESSION,
    NOW,
    ORDER,
    PAIN,
    assert_valid,
    referral,
)


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (NOW, "2026-11-25T21:00:00.123Z"),
        (NOW.astimezone(timezone(-timedelta(hours=5))), "2026-11-25T21:00:00.123Z"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000Z"),
    ],
)
def test_instants_are_utc_with_milliseconds(at: datetime, written: str) -> None:
    assert instant(at) == written


@pytest.mark.parametrize(
    ("reference", "id_"),
    [
        ({"reference": "Patient/p1"}, "p1"),
        ({"reference": "Patient/p1/_history/3"}, "p1"),
        ({"reference": "Group/p1"}, None),
        ({"reference": "https://elsewhere.example/fhir/Patient/p1"}, None),
        ({"reference": "urn:uuid:7d0f4a52-5e0b-5c8f-9a47-0b6a2f1c9d31"}, None),
        ({"reference": "#inside"}, None),
        ({"reference": "Patient/"}, None),
        ({"identifier": {"value": "p1"}}, None),
        ("Patient/p1", None),
        (None, None),
    ],
)
def test_only_a_relative_reference_to_a_wanted_type_gives_an_id(reference: Any, id_: str | None) -> None:
    assert reference_id(reference, "Patient") == id_


# ---- Conditions


@pytest.mark.parametrize("indication", [DEPRESSION, Indication(SNOMED_CT, "370143000", "Major depression")])
def test_a_condition_is_written_and_read(indication: Indication) -> None:
    written = condition.to_fhir("c1", patient_id="p1", indication=indication, recorded_at=NOW)
    assert_valid(written)
    assert condition.indications_from(written) == (indication,)


@pytest.mark.parametrize(
    ("concept", "found"),
    [
        (
            {
                "coding": [{"system": SNOMED_CT, "code": "1"}, {"system": ICD_10_CM, "code": "f33.2 "}],
                "text": "low",
            },
            [(ICD_10_CM, "F33.2", "low")],
        ),
        (
            {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.90", "code": "F332", "display": "MDD"}]},
            [(ICD_10_CM, "F33.2", "MDD")],
        ),
        (
            {"coding": [{"system": ICD_10_CM, "code": "F33.2"}, {"system": ICD_10_CM, "code": "G89.4"}]},
            [(ICD_10_CM, "F33.2", "F33.2"), (ICD_10_CM, "G89.4", "G89.4")],
        ),
        ({"coding": [{"system": SNOMED_CT, "code": "82423001"}]}, [(SNOMED_CT, "82423001", "82423001")]),
        ({"coding": [{"system": "urn:icpc", "code": "P76"}]}, [("urn:icpc", "P76", "P76")]),
        ({"text": "depression"}, [("", "depression", "depression")]),
        ({}, [("", "unknown", "Reason without a code")]),
    ],
)
def test_indications_prefer_icd_10_cm_then_snomed(
    concept: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    read = condition.indications_from(concept)
    assert [(i.system, i.code, i.display) for i in read] == found


def test_a_reason_without_a_known_code_is_never_classified() -> None:
    policy = Policy()
    for concept in ({}, {"text": "chronic pain"}, {"coding": [{"system": "urn:icpc", "code": "G89.4"}]}):
        assert policy.unclassified(condition.indications_from(concept))


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
def test_a_condition_that_is_not_real_gives_no_indication(status: str) -> None:
    written = condition.to_fhir("c1", patient_id="p1", indication=DEPRESSION, recorded_at=NOW)
    written["verificationStatus"] = {"coding": [{"system": "urn:any", "code": status}]}
    assert condition.indications_from(written) == ()


# ---- The infusion order


@pytest.mark.parametrize("conditions", [(), ("c1", "c2")])
@pytest.mark.parametrize("sessions", [None, 6])
@pytest.mark.parametrize("first", [None, date(2026, 12, 15)])
def test_an_infusion_order_is_valid_and_read_back(
    conditions: tuple[str, ...], sessions: int | None, first: date | None
) -> None:
    order = replace(ORDER, planned_sessions=sessions, first_infusion_on=first)
    written = service_request.infusion_order(
        order,
        condition_ids=conditions,
        requester=DEFAULT.staff("u1"),
        waits_for=tuple(Requirement),
        supporting=("ServiceRequest/request1",),
    )
    assert_valid(written)
    assert service_request.is_infusion_order(written)
    assert not service_request.is_recommendation_request(written)
    assert request_reading.subject_id(written) == "p1"
    assert request_reading.planned_sessions(written) == sessions
    assert request_reading.first_infusion_on(written) == first
    assert request_reading.condition_ids(written) == conditions
    assert request_reading.coded_reasons(written) == (() if conditions else (DEPRESSION, PAIN))


def test_an_order_on_hold_says_what_it_waits_for_and_an_active_one_says_nothing() -> None:
    held = service_request.infusion_order(ORDER, waits_for=(Requirement.INITIAL_CONSULTATION,))
    text = held["extension"][0]["valueCodeableConcept"]["text"]
    assert text == "Waits for: initial consultation"
    assert "extension" not in service_request.infusion_order(replace(ORDER, status="active"))


@pytest.mark.parametrize(
    ("code", "detail", "expected"),
    [
        ({"text": "Ketamine infusion x6"}, {}, True),
        ({"coding": [{"system": RXNORM, "code": "6130"}]}, {}, True),
        (
            {"coding": [{"system": SNOMED_CT, "code": "14152002"}]},
            {"coding": [{"system": SNOMED_CT, "code": "373464007"}]},
            True,
        ),
        (
            {"coding": [{"system": SNOMED_CT, "code": "14152002", "display": "Intravenous infusion"}]},
            {},
            False,
        ),
        ({"text": "Esketamine nasal spray"}, {}, False),
        ({"text": "Iron infusion"}, {}, False),
    ],
)
def test_any_order_for_ketamine_is_recognised(code: Any, detail: Any, expected: bool) -> None:
    resource = {"resourceType": "ServiceRequest", "code": code, "orderDetail": [detail]}
    assert service_request.is_infusion_order(resource) is expected


@pytest.mark.parametrize(
    ("resource", "sessions"),
    [
        ({"occurrenceTiming": {"repeat": {"count": 4}}}, 4),
        ({"extension": [{"url": DEFAULT.extension("planned-sessions"), "valuePositiveInt": 5}]}, 5),
        ({"quantityQuantity": {"value": Decimal("6.0")}}, 6),
        ({"quantityQuantity": {"value": Decimal("2.5")}}, None),
        ({"occurrenceTiming": {"repeat": {"count": 0}}}, None),
        ({"occurrenceTiming": {"code": {"text": "weekly"}}}, None),
        ({}, None),
    ],
)
def test_planned_sessions_are_found_where_clients_put_them(resource: Any, sessions: int | None) -> None:
    assert request_reading.planned_sessions(resource) == sessions


@pytest.mark.parametrize(
    ("resource", "day"),
    [
        ({"occurrenceDateTime": "2026-12-15T23:30:00-05:00"}, date(2026, 12, 15)),
        ({"occurrenceTiming": {"event": ["2026-12-20", "2026-12-15"]}}, date(2026, 12, 15)),
        ({"occurrencePeriod": {"start": "2026-12-15", "end": "2027-01-15"}}, date(2026, 12, 15)),
        ({"occurrenceDateTime": "2026-12"}, None),
        ({}, None),
    ],
)
def test_the_first_infusion_is_the_day_as_the_client_wrote_it(resource: Any, day: date | None) -> None:
    assert request_reading.first_infusion_on(resource) == day


# ---- The recommendation request


@pytest.mark.parametrize("kind", list(ClinicianKind))
def test_a_recommendation_request_is_valid_for_every_kind_of_clinician(kind: ClinicianKind) -> None:
    written = service_request.recommendation_request(
        referral(),
        replace(CLINICIAN, kind=kind, taxonomy=None),
        requester="PractitionerRole/requester",
        condition_ids=("c1",),
        supporting=("Consent/k1",),
        replaces="earlier",
    )
    assert_valid(written)
    assert service_request.is_recommendation_request(written)
    assert not service_request.is_infusion_order(written)
    assert request_reading.subject_id(written) == "p1"
    assert written["performer"][0]["reference"] == "PractitionerRole/role1"
    assert written["supportingInfo"][0]["reference"] == "ServiceRequest/order1"


def test_a_request_is_counted_as_a_referral_by_its_addressee() -> None:
    written = service_request.recommendation_request(referral(), CLINICIAN, indications=(DEPRESSION,))
    codes = [c["code"] for c in written["code"]["coding"]]
    assert codes == ["ketamine-recommendation", "308477009"]
    assert written["performerType"]["coding"][0]["code"] == "2084P0800X"
    assert written["reasonCode"][0]["text"] == DEPRESSION.label


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (TaskStatus.DRAFT, "draft"),
        (TaskStatus.REQUESTED, "active"),
        (TaskStatus.IN_PROGRESS, "active"),
        (TaskStatus.REJECTED, "active"),
        (TaskStatus.COMPLETED, "completed"),
        (TaskStatus.CANCELLED, "revoked"),
        (TaskStatus.FAILED, "revoked"),
        (TaskStatus.ENTERED_IN_ERROR, "entered-in-error"),
    ],
)
def test_the_status_of_the_request_follows_the_task(status: TaskStatus, expected: str) -> None:
    assert service_request.request_changes(referral(status=status))["status"] == expected


def test_a_request_is_recognised_by_our_category_or_code_and_by_no_other() -> None:
    category = {"coding": [{"system": DEFAULT.system("request-category"), "code": "recommendation-request"}]}
    code = {"coding": [{"system": DEFAULT.system("request-code"), "code": "ketamine-recommendation"}]}
    plain = {"coding": [{"system": SNOMED_CT, "code": "308477009"}], "text": "Ketamine recommendation"}
    wanted: list[dict[str, Any]] = [
        {"resourceType": "ServiceRequest", "category": [category]},
        {"resourceType": "ServiceRequest", "code": code},
    ]
    assert all(service_request.is_recommendation_request(resource) for resource in wanted)
    assert not service_request.is_recommendation_request({"resourceType": "ServiceRequest", "code": plain})
    assert not service_request.is_recommendation_request({"resourceType": "Task", "code": code})
    other = LocalSystems("https://other.example/fhir")
    assert not any(service_request.is_recommendation_request(resource, other) for resource in wanted)


def test_a_reason_that_cannot_be_read_is_counted() -> None:
    resource = {
        "reasonReference": [
            {"reference": "Condition/c1"},
            {"reference": "Observation/o1"},
            {"display": "depression"},
        ]
    }
    assert request_reading.condition_ids(resource) == ("c1",)
    assert request_reading.unread_reasons(resource) == 2
