"""Invented people and requests for the tests of the mapping, and the check that every result has to pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from referral.domain.codes import BusinessStatus, Channel, ClinicianKind, Requirement, TaskStatus, Verdict
from referral.domain.gate import GateDecision, Override, RequirementState
from referral.domain.language import Language
from referral.domain.npi import is_valid_npi
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Clinician, Contact, Order, Patient, Referral
from referral.fhir.definitions import MESSAGE_TYPES, SERVED_TYPES
from referral.fhir.json import decode, encode
from referral.fhir.validation import issues_in

NOW = datetime(2026, 11, 25, 21, 0, 0, 123_456, tzinfo=UTC)
LATER = datetime(2026, 12, 9, 22, 0, tzinfo=UTC)
NPI = next(n for n in (f"9{i:09d}" for i in itertools.count(1)) if is_valid_npi(n))
DEPRESSION = Indication(ICD_10_CM, "F33.2", "Major depressive disorder, recurrent, severe")
PAIN = Indication(ICD_10_CM, "G89.4", "Chronic pain syndrome")

PATIENT = Patient(
    id="p1",
    family="Quill",
    given="Wren Ada",
    birth_date=date(1980, 2, 3),
    telephone="+12025550123",
    email="wren@quill.example",
    language="es",
)
CLINICIAN = Clinician(
    id="role1",
    name="Ana Maria Lee",
    kind=ClinicianKind.PSYCHIATRIST,
    time_zone="America/New_York",
    practitioner_id="pract1",
    organization_id="org1",
    credentials="MD",
    npi=NPI,
    taxonomy="2084P0800X",
    practice="Harbour Psychiatry",
    address=("1 Test Street", "Suite 2", "Baltimore, MD 21201"),
    contacts=(
        Contact(id="c1", channel=Channel.FAX, address="+14105550101", source="ehr"),
        Contact(id="c2", channel=Channel.EMAIL, address="ana@harbour.example", source="ehr"),
    ),
    language=Language.SPANISH,
)
ORDER = Order(
    id="order1",
    patient_id="p1",
    status="on-hold",
    indications=(DEPRESSION, PAIN),
    planned_sessions=6,
    first_infusion_on=date(2026, 12, 15),
    created_at=NOW,
)


def referral(**changes: Any) -> Referral:
    """An open request that was just sent, with `changes`."""
    values: dict[str, Any] = {
        "id": "request1",
        "number": "2026-000123",
        "requisition": "requisition1",
        "task_id": "task1",
        "patient_id": "p1",
        "order_id": "order1",
        "clinician_id": "role1",
        "status": TaskStatus.REQUESTED,
        "business_status": BusinessStatus.SENT,
        "status_reason": None,
        "version": 1,
        "created_by": "user1",
        "created_at": NOW,
        "started_at": NOW,
        "due_at": LATER,
        "delivered_at": None,
        "identified_at": None,
        "closed_at": None,
        "climbed": 0,
        "shifted_days": 0,
        "extended_days": 0,
        "held_at": None,
        "next_step_at": None,
    }
    return Referral(**{**values, **changes})


CLOSED = GateDecision(
    open=False,
    verdict=Verdict.REQUESTED,
    as_of=NOW,
    reasons=(
        "Depression (F33.2) needs a recommendation from a psychiatrist; the request is not answered yet.",
    ),
    requirements=(
        RequirementState(Requirement.INITIAL_CONSULTATION, True, "e1"),
        RequirementState(Requirement.RECOMMENDATION, False),
    ),
)
OPEN = GateDecision(
    open=True,
    verdict=Verdict.SATISFIED,
    as_of=NOW,
    reasons=(),
    requirements=(
        RequirementState(Requirement.INITIAL_CONSULTATION, True, "e1"),
        RequirementState(Requirement.RECOMMENDATION, True, "opinion1", LATER),
    ),
)
OVERRIDDEN = replace(
    OPEN,
    verdict=Verdict.OVERRIDDEN,
    requirements=(OPEN.requirements[0], RequirementState(Requirement.RECOMMENDATION, False)),
    override=Override(id="override1", expires_at=LATER),
    remark="Emergency access: one infusion may start without the recommendation. Depression needs one.",
)


def assert_valid(resource: dict[str, Any]) -> None:
    """The resource survives JSON, our own validation and the models of fhir.resources."""
    again = decode(encode(resource))
    assert list(again)[:1] == ["resourceType"]
    if again["resourceType"] in SERVED_TYPES | MESSAGE_TYPES:
        assert issues_in(again) == []
    get_fhir_model_class(again["resourceType"]).model_validate(again)


def all_values(node: Any) -> Iterator[Any]:
    """Every object, list and plain value inside a resource."""
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from all_values(child)
