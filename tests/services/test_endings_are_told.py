"""However a request ends, whoever was asked and had a letter is told, once; reminders and links stop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from referral.domain.codes import TaskStatus
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.services import note_delivery
from referral.services.client_write import ClientWrite
from referral.services.close_referral import cancel_referral
from referral.services.judge_recommendation import review_recommendation
from referral.services.send_reminders import send_reminders
from referral.services.take_request import take_request
from referral.services.take_task import take_task
from referral.storage import outbox, referrals, resources, tables
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people

Ending = Callable[[Session, ClinicFixture, Referral, Referral], None]
LATER = NOW + timedelta(hours=1)


def _write(session: Session, clinic: ClinicFixture, type: str, id: str, **changes: object) -> ClientWrite:
    current = resources.read(session, type, id)
    return ClientWrite(session, clinic.actor, {**current.document, **changes}, LATER, current)


def answers(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    people.respond_with(session, clinic, asked, now=LATER)


def declines(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    given = people.answers("not-recommended", reason="Not while she is manic", reason_code="unstable")
    people.respond_with(session, clinic, asked, given, now=LATER)


def is_cancelled_by_staff(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    cancel_referral(session, clinic.actor, asked.id, asked.version, "patient-withdrew", LATER)


def expires(session: Session, _clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    ready = referrals.change(session, asked, climbed=4, next_step_at=asked.due_at)
    assert ready.id in {one.id for one in referrals.find_due(session, asked.due_at, 50)}
    send_reminders(session, asked.due_at)


def is_given_back(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    people.respond_with(session, clinic, asked, people.answers("not-my-patient"), now=LATER)


def is_superseded(session: Session, clinic: ClinicFixture, _: Referral, colleague: Referral) -> None:
    people.respond_with(session, clinic, colleague, now=LATER)


def is_superseded_after_review(
    session: Session, clinic: ClinicFixture, _: Referral, colleague: Referral
) -> None:
    given = people.answers("recommended-with-conditions", conditions="Only with her lithium level known")
    people.respond_with(session, clinic, colleague, given, now=LATER)
    director = people.director(clinic)
    review_recommendation(
        session, director, colleague.id, accepted=True, reason="Seen and agreed.", now=LATER
    )


def is_cancelled_by_its_task(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    reason = {"text": "The patient has moved away"}
    take_task(_write(session, clinic, "Task", asked.task_id, status="cancelled", statusReason=reason))


def is_rejected_by_their_system(
    session: Session, clinic: ClinicFixture, asked: Referral, _: Referral
) -> None:
    reason = {"text": "We do not know this patient"}
    take_task(_write(session, clinic, "Task", asked.task_id, status="rejected", statusReason=reason))


def is_revoked_by_a_system(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    take_request(_write(session, clinic, "ServiceRequest", asked.id, status="revoked"))


def is_entered_in_error(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    take_request(_write(session, clinic, "ServiceRequest", asked.id, status="entered-in-error"))


def loses_its_order(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    take_request(_write(session, clinic, "ServiceRequest", asked.order_id, status="revoked"))


def has_its_order_completed(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    take_request(_write(session, clinic, "ServiceRequest", asked.order_id, status="completed"))


def has_a_wrong_order(session: Session, clinic: ClinicFixture, asked: Referral, _: Referral) -> None:
    take_request(_write(session, clinic, "ServiceRequest", asked.order_id, status="entered-in-error"))


THANKED = (answers, declines)
ENDINGS: tuple[Ending, ...] = (
    *THANKED,
    is_cancelled_by_staff,
    expires,
    is_given_back,
    is_superseded,
    is_superseded_after_review,
    is_cancelled_by_its_task,
    is_rejected_by_their_system,
    is_revoked_by_a_system,
    is_entered_in_error,
    loses_its_order,
    has_its_order_completed,
    has_a_wrong_order,
)


def _asked(session: Session, clinic: ClinicFixture) -> tuple[Referral, Referral]:
    """Two clinicians about the same order."""
    order = people.order(session, clinic, people.patient(session, clinic))
    first = people.clinician(session, clinic)
    second = people.clinician(session, clinic, given="Ines", family="Marsh", npi="9000000023")
    one, two = people.ask(session, clinic, order, first, second)
    return one, two


def _had_a_letter(session: Session, *asked: Referral) -> None:
    """By fax, which is not the contact that is tried first: they are told where the letter went."""
    fax = {
        row.clinician_id: row.id
        for row in session.connection.execute(
            select(tables.contact.c.clinician_id, tables.contact.c.id).where(
                tables.contact.c.channel == "fax"
            )
        )
    }
    for referral in asked:
        session.connection.execute(
            update(tables.message)
            .where(tables.message.c.referral_id == referral.id)
            .values(
                state=MessageState.ACCEPTED,
                finished_at=NOW,
                channel="fax",
                contact_id=fax[referral.clinician_id],
            )
        )


def _told(session: Session, referral: Referral) -> list[tuple[MessageKind, str]]:
    words = (MessageKind.CANCELLED, MessageKind.THANK_YOU)
    return [(m.kind, m.channel) for m in outbox.find(session, referral_id=referral.id) if m.kind in words]


@pytest.mark.parametrize("ends", ENDINGS, ids=lambda ends: ends.__name__)
def test_every_ending_is_told_to_whoever_had_a_letter(clinic: ClinicFixture, ends: Ending) -> None:
    with clinic.transaction() as session:
        first, second = _asked(session, clinic)
        _had_a_letter(session, first, second)
    with clinic.transaction() as session:
        ends(session, clinic, referrals.get(session, first.id), referrals.get(session, second.id))
    with clinic.transaction() as session:
        ended = referrals.get(session, first.id)
        assert not ended.is_open
        assert ended.next_step_at is None
        kind = MessageKind.THANK_YOU if ends in THANKED else MessageKind.CANCELLED
        assert _told(session, first) == [(kind, "fax")]
        # Nobody is chased any more, and nothing of it is left to be climbed.
        assert first.id not in {one.id for one in referrals.find_due(session, first.due_at, 50)}
        other = referrals.get(session, second.id)
        assert other.is_open == (not _told(session, second))


@pytest.mark.parametrize("ends", ENDINGS, ids=lambda ends: ends.__name__)
def test_nobody_is_told_of_what_never_left(clinic: ClinicFixture, ends: Ending) -> None:
    with clinic.transaction() as session:
        first, second = _asked(session, clinic)
    with clinic.transaction() as session:
        ends(session, clinic, referrals.get(session, first.id), referrals.get(session, second.id))
    with clinic.transaction() as session:
        told = [kind for kind, _ in _told(session, first)]
        # The record of an answer is drawn with the thanks; they are not sent (services/deliver_messages).
        assert told == ([MessageKind.THANK_YOU] if ends in THANKED else [])
        (request,) = (m for m in outbox.find(session, referral_id=first.id) if m.kind is MessageKind.REQUEST)
        assert request.state is MessageState.CANCELLED


def test_who_gets_the_letter_while_the_request_ends_is_told_too(clinic: ClinicFixture) -> None:
    """It was in the hands of the provider when the request was cancelled: nobody could be told then."""
    with clinic.transaction() as session:
        asked = people.asked_once(session, clinic)
        session.connection.execute(
            update(tables.message)
            .where(tables.message.c.referral_id == asked.id)
            .values(state=MessageState.SENDING, attempts=1)
        )
    with clinic.transaction() as session:
        cancel_referral(session, clinic.actor, asked.id, asked.version, "patient-withdrew", LATER)
        assert _told(session, asked) == []
    for _ in range(2):
        with clinic.transaction() as session:
            (letter,) = (
                m for m in outbox.find(session, referral_id=asked.id) if m.kind is MessageKind.REQUEST
            )
            session.connection.execute(
                update(tables.message)
                .where(tables.message.c.id == letter.id)
                .values(state=MessageState.ACCEPTED, finished_at=LATER)
            )
            note_delivery.reached(session, letter, LATER)
    with clinic.transaction() as session:
        assert [kind for kind, _ in _told(session, asked)] == [MessageKind.CANCELLED]
        assert referrals.get(session, asked.id).status is TaskStatus.CANCELLED
