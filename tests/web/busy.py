"""A clinic in the middle of a day on which much went wrong: something stands on every page of the staff."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from referral.domain.answers import Answers
from referral.domain.calls import CallReason
from referral.domain.outgoing import MessageState
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Bar, Experience, Lesson, Referral
from referral.services.book_chair import NewBooking, book_chair
from referral.services.queue_call import queue_call
from referral.services.request_recommendation import NewOrder, place_order
from referral.storage import contacts, directory, outbox, referrals, tables
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import incoming, people
from tests.services.bookings import slot
from tests.web.test_access_matrix import Place, furnish

# Names as people have them: long, with an apostrophe, from right to left.
_NAMES = (
    ("Wilhelmina Alexandra Constance", "Featherstonehaugh-Cholmondeley"),
    ("Siobhán", "O’Brien"),
    ("ليلى", "الحسن"),
    ("明", "李"),
    ("Ann", "Review"),
    ("Ann", "Refusal"),
)


def furnish_a_busy_day(clinic: ClinicFixture, mark: str = "busy") -> Place:
    """As furnish(), and more of it, in states in which somebody has to act."""
    place = furnish(clinic, mark)
    with clinic.transaction() as session:
        asked = [_asked(session, clinic, *name) for name in _NAMES]
        long, failed, frozen, call, review, refusal = asked
        _respond(session, clinic, review, people.answers("recommended", psychosis="unknown"))
        given = people.answers("not-recommended", reason_code="unstable", reason="Not now.\n" + "Why. " * 40)
        _respond(session, clinic, refusal, given)
        message = outbox.find(session, referral_id=failed.id)[0]
        outbox.move(session, message, MessageState.FAILED, last_error="550 no such user", finished_at=NOW)
        referrals.note(session, frozen.id, "portal-frozen", "selector-1", NOW)
        late = referrals.change(session, call, climbed=3, started_at=NOW - timedelta(days=8))
        queue_call(session, late, CallReason.LADDER, NOW)
        unknown = people.patient(session, clinic, given="Ann", family="Unknown")
        people.order(session, clinic, unknown, Indication(ICD_10_CM, "R52", "Pain, unspecified"))
        _experienced(session, long)
        book_chair(session, clinic.actor, NewBooking(order_id=long.order_id, slot=slot()), NOW)
        for seed in (1, 2):
            incoming.arrived(session, "+13035550199", seed)
        session.connection.execute(update(tables.referral).values(delivered_at=NOW - timedelta(days=2)))
    return place


def _asked(session: Session, clinic: ClinicFixture, given: str, family: str) -> Referral:
    of = people.patient(session, clinic, given=given, family=family, email="home@home.example")
    new = NewOrder(
        patient_id=of.id,
        indications=(people.DEPRESSION,),
        first_infusion_on=(NOW + timedelta(days=9)).date(),
        planned_sessions=6,
    )
    asked = people.clinician(session, clinic, npi="", given="Dr", family=f"Who Knows {family}"[:60])
    return people.ask(session, clinic, place_order(session, clinic.actor, new, NOW), asked)[0]


def _respond(session: Session, clinic: ClinicFixture, referral: Referral, given: Answers) -> None:
    people.respond_with(session, clinic, referral, given)


def _experienced(session: Session, referral: Referral) -> None:
    """Contacts that have a history."""
    known = directory.get_clinician(session, referral.clinician_id).contacts
    for days in (20, 2):
        at = NOW - timedelta(days=days)
        news = Experience(message_id=str(days), lesson=Lesson.ANSWERED, at=at, hours=4.5)
        contacts.learn(session, known[0].id, news)
    contacts.learn(session, known[-1].id, Experience(message_id="f", lesson=Lesson.FAILED, at=NOW))
    contacts.bar(session, known[-1].id, Bar.BAD_ADDRESS, NOW)
