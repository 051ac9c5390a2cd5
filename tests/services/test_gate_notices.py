"""Whatever opens or closes an order gives subscribers a notice, in the transaction that does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from referral.domain.codes import ClinicianKind, Strength
from referral.domain.life import Cause
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.subscription import Topic
from referral.services.change_policy import roll_out_policy
from referral.services.judge_recommendation import (
    confirm_by_phone,
    review_recommendation,
    revoke_recommendation,
)
from referral.services.lapse_orders import lapse_orders
from referral.services.treat import start_treatment
from referral.storage import orders, resources, subscriptions
from referral.storage.db import Session, flush
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.listening import heard, listen, listen_to_gates
from tests.services.test_life import answered, decide, report, two_opinions
from tests.services.test_override_reach import blocked, give
from tests.services.test_policy_change import STRICT, agree, treated

Heard = Callable[[], list[str]]


def publish_status(session: Session, order_id: str, status: str) -> None:
    """Row and resource together, as every service does it."""
    orders.set_status(session, order_id, status)
    resources.amend(session, "ServiceRequest", order_id, {"status": status}, NOW)


@pytest.fixture
def told(clinic: ClinicFixture) -> Heard:
    return listen_to_gates(clinic)


def test_an_answer_opens_and_a_changed_fact_closes(clinic: ClinicFixture, told: Heard) -> None:
    referral = answered(clinic)
    assert told() == [f"ServiceRequest/{referral.order_id}"]
    report(clinic, referral, Cause.HOSPITALISATION)
    assert told() == [f"ServiceRequest/{referral.order_id}"]
    report(clinic, referral, Cause.HOSPITALISATION)
    assert told() == [], "it was closed before"


def test_the_director_accepts(clinic: ClinicFixture, told: Heard) -> None:
    with clinic.transaction() as session:
        order = treated(session, clinic, people.DEPRESSION)
        (referral,) = people.ask(session, clinic, order, people.clinician(session, clinic))
        people.respond_with(session, clinic, referral, people.answers(mania="yes"))
    assert told() == [], "red flags wait for the director"
    with clinic.transaction() as session:
        director = people.director(clinic)
        review_recommendation(session, director, referral.id, accepted=True, reason="on lithium", now=NOW)
    assert told() == [f"ServiceRequest/{order.id}"]


def test_time_runs_out(clinic: ClinicFixture, told: Heard) -> None:
    referral = answered(clinic)
    told()
    with clinic.transaction() as session:
        assert lapse_orders(session, NOW + timedelta(days=200)) == 1
    assert told() == [f"ServiceRequest/{referral.order_id}"]


def test_staff_void_it(clinic: ClinicFixture, told: Heard) -> None:
    referral = answered(clinic)
    told()
    with clinic.transaction() as session:
        revoke_recommendation(session, clinic.actor, referral.id, reason="signed by another", now=NOW)
    assert told() == [f"ServiceRequest/{referral.order_id}"]


def test_a_conflict_is_decided_against_it(clinic: ClinicFixture, told: Heard) -> None:
    in_favour, _ = two_opinions(clinic)
    assert told() == [f"ServiceRequest/{in_favour.order_id}"], "the second opinion has opened it"
    decide(clinic, in_favour, keep=False)
    assert told() == [f"ServiceRequest/{in_favour.order_id}"]


def test_a_policy_closes_and_another_opens(clinic: ClinicFixture, told: Heard) -> None:
    with clinic.transaction() as session:
        kind = {"kind": ClinicianKind.PSYCHOLOGIST, "npi": "", "family": "Lee"}
        order = treated(session, clinic, people.DEPRESSION, **kind)
    told()
    agree(clinic, STRICT, based_on=1)
    assert told() == [f"ServiceRequest/{order.id}"]
    agree(clinic, replace(STRICT, eligible=frozenset(ClinicianKind)), based_on=2)
    assert told() == [f"ServiceRequest/{order.id}"]
    with clinic.transaction() as session:
        roll_out_policy(session, NOW)
    assert told() == []


def test_emergency_access_opens_and_its_start_closes(clinic: ClinicFixture, told: Heard) -> None:
    with clinic.transaction() as session:
        order = blocked(session, clinic)
    assert told() == []
    with clinic.transaction() as session:
        give(session, clinic, order)
    assert told() == [f"ServiceRequest/{order.id}"]
    with clinic.transaction() as session:
        start_treatment(session, clinic.actor, order.id, order.patient_id, NOW)
    assert told() == [f"ServiceRequest/{order.id}"]


def test_a_call_confirms_what_one_channel_alone_does_not(clinic: ClinicFixture, told: Heard) -> None:
    with clinic.transaction() as session:
        order = treated(session, clinic, people.DEPRESSION)
        (referral,) = people.ask(session, clinic, order, people.clinician(session, clinic))
        people.respond_with(session, clinic, referral, strength=Strength.SINGLE_CHANNEL)
    assert told() == []
    with clinic.transaction() as session:
        call = {"spoke_with": "Sam Lee", "called_number": "303-555-0121"}
        confirm_by_phone(session, people.colleague(clinic), referral.id, **call, now=NOW)
    assert told() == [f"ServiceRequest/{order.id}"]


def test_what_is_undone_is_not_told(clinic: ClinicFixture, told: Heard) -> None:
    referral = answered(clinic)
    told()

    def undone() -> None:
        with clinic.transaction() as session:
            revoke_recommendation(session, clinic.actor, referral.id, reason="signed by another", now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert told() == []


def test_filters_know_the_order_and_its_patient(clinic: ClinicFixture, other_clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        one, other = (treated(session, clinic, people.DEPRESSION) for _ in range(2))
    listen(clinic, Topic.GATE, f"order=ServiceRequest/{one.id}", id="order")
    listen(clinic, Topic.GATE, f"ServiceRequest?order={other.id},none", id="several")
    listen(clinic, Topic.GATE, f"patient=Patient/{other.patient_id}", id="patient")
    listen(clinic, Topic.SERVICE_REQUEST, f"patient={one.patient_id}&status=active", id="requests")
    listen(other_clinic, Topic.GATE, id="elsewhere")
    with clinic.transaction() as session:
        for order in (one, other):
            publish_status(session, order.id, "active")
    assert heard(clinic, "order") == [f"ServiceRequest/{one.id}"]
    assert heard(clinic, "several") == [f"ServiceRequest/{other.id}"]
    assert heard(clinic, "patient") == [f"ServiceRequest/{other.id}"]
    assert heard(clinic, "requests") == [f"ServiceRequest/{one.id}"]
    with other_clinic.transaction() as session:
        assert subscriptions.waiting(session, "elsewhere") == []


def test_a_gate_is_told_of_even_where_its_order_is_not_published_anew(
    clinic: ClinicFixture, told: Heard
) -> None:
    referral = answered(clinic)
    told()
    with clinic.transaction() as session:
        orders.set_status(session, referral.order_id, "on-hold")
        flush(session)  # as whoever searches does
    assert told() == [f"ServiceRequest/{referral.order_id}"]


def test_an_order_that_ends_closes_and_one_that_was_closed_does_not(
    clinic: ClinicFixture, told: Heard
) -> None:
    referral = answered(clinic)
    told()
    with clinic.transaction() as session:
        publish_status(session, referral.order_id, "revoked")
        waits = treated(session, clinic, Indication(ICD_10_CM, "F33.1", "depression"))
        publish_status(session, waits.id, "revoked")
    assert told() == [f"ServiceRequest/{referral.order_id}"]
