"""Emergency access lets one treatment start and does nothing else: requests and bookings go on as before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from referral.domain.booking import BookingStatus
from referral.domain.codes import Strength, Verdict
from referral.domain.errors import GateClosed
from referral.domain.records import Order
from referral.services.book_chair import NewBooking, book_chair
from referral.services.judge_recommendation import review_recommendation
from referral.services.refresh_gate import refresh_gate
from referral.services.release_bookings import release_bookings
from referral.services.treat import record_consultation, start_treatment
from referral.storage import bookings, orders, referrals
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.bookings import local, slot
from tests.storage import emergency


def blocked(session: Session, clinic: ClinicFixture) -> Order:
    """Nothing is missing but the recommendation."""
    emergency.allow(session)
    order = people.order(session, clinic, people.patient(session, clinic))
    record_consultation(session, clinic.actor, order.id, NOW - timedelta(days=1), NOW)
    return order


def give(session: Session, clinic: ClinicFixture, order: Order) -> None:
    emergency.give(session, clinic, order)
    decision = refresh_gate(session, clinic.actor, order.id, NOW)
    assert (decision.verdict, decision.settled) == (Verdict.OVERRIDDEN, False)
    assert orders.get(session, order.id).status == "active"


def test_an_answer_that_waits_ends_no_other_request_meanwhile(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order = blocked(session, clinic)
        first = people.clinician(session, clinic)
        second = people.clinician(session, clinic, npi="", family="Lindgren", email="l@lindgren.example")
        answered, other = people.ask(session, clinic, order, first, second)
        give(session, clinic, order)
        people.respond_with(session, clinic, answered, strength=Strength.SINGLE_CHANNEL)
        review_recommendation(
            session, people.director(clinic), answered.id, accepted=True, reason="Seen and agreed.", now=NOW
        )
        assert refresh_gate(session, clinic.actor, order.id, NOW).verdict is Verdict.OVERRIDDEN
        assert referrals.get(session, other.id).is_open


def test_a_start_by_it_goes_back_on_hold_and_a_recommendation_afterwards_opens_for_good(
    clinic: ClinicFixture,
) -> None:
    with clinic.transaction() as session:
        order = blocked(session, clinic)
        (asked,) = people.ask(session, clinic, order, people.clinician(session, clinic))
        give(session, clinic, order)
    with clinic.transaction() as session:
        start_treatment(session, clinic.actor, order.id, order.patient_id, NOW)
        assert orders.get(session, order.id).status == "on-hold"
    with clinic.transaction() as session:
        people.respond_with(session, clinic, asked)
        decision = refresh_gate(session, clinic.actor, order.id, NOW)
        assert (decision.verdict, decision.settled) == (Verdict.SATISFIED, True)
        assert orders.get(session, order.id).status == "active"


def test_it_confirms_no_booking(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order = blocked(session, clinic)
        before = book_chair(session, clinic.actor, NewBooking(order_id=order.id, slot=slot()), NOW)
        assert before.status is BookingStatus.PENDING
        give(session, clinic, order)
        release_bookings(session, NOW)
        assert bookings.get(session, before.id).status is BookingStatus.PENDING
        sure = NewBooking(order_id=order.id, slot=replace(slot(local(11, 18, 9)), confirmed=True))
        with pytest.raises(GateClosed, match="Emergency access: one infusion may start"):
            book_chair(session, clinic.actor, sure, NOW)
