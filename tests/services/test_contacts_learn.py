"""Messages, answers and calls teach which contact to start with."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from referral.channels.base import Outcome
from referral.domain import contacts as rules
from referral.domain.codes import Channel, Strength
from referral.domain.outgoing import MessageState
from referral.domain.records import Bar, Contact, Experience, Lesson, Referral
from referral.letters.render import Renderer
from referral.services.deliver_messages import deliver_due
from referral.services.learn_contact import learn_from_message
from referral.services.respond_to_referral import Response, respond
from referral.storage import contacts, directory, outbox, tables
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people, sending
from tests.smtp import Mailbox


def contact_of(session: Session, referral: Referral, channel: Channel) -> Contact:
    known = directory.get_clinician(session, referral.clinician_id).contacts
    return next(found for found in known if found.channel is channel)


def answer_by_link(clinic: ClinicFixture, referral: Referral, hours: int, decision: str) -> None:
    with clinic.transaction() as session:
        selector = session.connection.scalar(select(tables.portal_credential.c.selector))
        response = Response(
            referral_id=referral.id,
            answers=people.answers(decision),
            strength=Strength.TWO_CHANNEL,
            selector=selector,
        )
        respond(session, people.portal_actor(clinic), response, NOW + timedelta(hours=hours))


def test_an_answer_teaches_the_contact_whose_link_was_used(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = sending.asked(clinic)
    real = sending.Provider()
    deliver_due(sending.delivery(clinic, renderer, email=real), clinic.id)
    with clinic.transaction() as session:
        taught = contact_of(session, referral, Channel.EMAIL)
        assert [one.lesson for one in taught.experience] == [Lesson.SENT]
    answer_by_link(clinic, referral, 2, "recommended")
    with clinic.transaction() as session:
        taught = contact_of(session, referral, Channel.EMAIL)
        untouched = contact_of(session, referral, Channel.FAX)
    (learnt,) = taught.experience
    assert (learnt.lesson, learnt.hours, learnt.at) == (Lesson.ANSWERED, 2.0, NOW + timedelta(hours=2))
    assert untouched.experience == ()


def test_a_letter_that_never_left_teaches_nothing(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = sending.asked(clinic)
    deliver_due(sending.delivery(clinic, renderer), clinic.id)
    with clinic.transaction() as session:
        assert sending.only_message(session, referral).state is MessageState.ACCEPTED
        assert contact_of(session, referral, Channel.EMAIL).experience == ()
        assert contact_of(session, referral, Channel.EMAIL).last_success_at is None


def test_an_answer_that_staff_record_teaches_only_the_contact_they_name(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        people.respond_with(session, clinic, referral)
        known = directory.get_clinician(session, referral.clinician_id).contacts
    assert all(found.experience == () for found in known)


def test_not_my_patient_is_no_praise_for_the_address(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = sending.asked(clinic)
    deliver_due(sending.delivery(clinic, renderer, email=sending.Provider()), clinic.id)
    answer_by_link(clinic, referral, 2, "not-my-patient")
    with clinic.transaction() as session:
        (learnt,) = contact_of(session, referral, Channel.EMAIL).experience
    assert learnt.lesson is Lesson.SENT


def test_the_next_request_starts_with_what_was_answered(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = sending.asked(clinic)
    with clinic.transaction() as session:
        fax = contact_of(session, referral, Channel.FAX)
        news = Experience(message_id="m", lesson=Lesson.ANSWERED, at=NOW, hours=4.0)
        contacts.learn(session, fax.id, news)
        asked = directory.get_clinician(session, referral.clinician_id)
        patient = people.patient(session, clinic, given="Ines", family="Arutyunyan")
        (second,) = people.ask(session, clinic, people.order(session, clinic, patient), asked)
        assert sending.only_message(session, referral).channel is Channel.EMAIL
        assert sending.only_message(session, second).channel is Channel.FAX


def test_a_fax_that_came_back_teaches_the_fax_and_the_other_contact_is_tried(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = sending.asked(clinic, email="")
    deliver_due(sending.delivery(clinic, renderer, fax=sending.Provider(Outcome.REFUSED)), clinic.id)
    with clinic.transaction() as session:
        fax = contact_of(session, referral, Channel.FAX)
        known = directory.get_clinician(session, referral.clinician_id).contacts
        channels = {m.channel for m in outbox.find(session, referral_id=referral.id)}
    assert [one.lesson for one in fax.experience] == [Lesson.FAILED]
    assert fax.barred_for is None
    assert fax.is_verified
    assert rules.in_order(known)[-1].id == fax.id
    assert channels == {Channel.FAX, Channel.POST}


def test_a_mailbox_that_does_not_exist_is_last_until_somebody_confirms_it(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    box.recipient_answer = "550 no such user"
    referral = sending.asked(clinic)
    deliver_due(sending.delivery(clinic, renderer, smtp_port=port), clinic.id)
    with clinic.transaction() as session:
        mail = contact_of(session, referral, Channel.EMAIL)
        assert mail.barred_for is Bar.BAD_ADDRESS
        assert not mail.is_verified
        directory.verify_contacts(session, referral.clinician_id, "user-2", NOW, mail.id)
        assert contact_of(session, referral, Channel.EMAIL).barred_for is None


def test_a_full_mailbox_is_not_a_dead_one(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    box.recipient_answer = "552 mailbox full"
    referral = sending.asked(clinic)
    deliver_due(sending.delivery(clinic, renderer, smtp_port=port), clinic.id)
    with clinic.transaction() as session:
        mail = contact_of(session, referral, Channel.EMAIL)
    assert [one.lesson for one in mail.experience] == [Lesson.FAILED]
    assert mail.barred_for is None


def test_newer_news_of_a_message_replace_older_and_an_answer_is_never_replaced(clinic: ClinicFixture) -> None:
    referral = sending.asked(clinic)
    with clinic.transaction() as session:
        message = sending.only_message(session, referral)
        for lesson in (Lesson.SENT, Lesson.DELIVERED):
            learn_from_message(session, message, lesson, NOW)
        (kept,) = contact_of(session, referral, Channel.EMAIL).experience
        assert kept.lesson is Lesson.DELIVERED
        news = Experience(message_id=str(message.id), lesson=Lesson.ANSWERED, at=NOW)
        contacts.learn(session, message.contact_id, news)
        learn_from_message(session, message, Lesson.FAILED, NOW)
        (kept,) = contact_of(session, referral, Channel.EMAIL).experience
    assert kept.lesson is Lesson.ANSWERED


def test_a_contact_remembers_the_newest_dozen(clinic: ClinicFixture) -> None:
    referral = sending.asked(clinic)
    with clinic.transaction() as session:
        fax = contact_of(session, referral, Channel.FAX)
        for number in range(15):
            at = NOW + timedelta(days=number)
            contacts.learn(session, fax.id, Experience(message_id=str(number), lesson=Lesson.SENT, at=at))
        kept = contact_of(session, referral, Channel.FAX).experience
    assert [one.message_id for one in kept] == [str(number) for number in range(14, 2, -1)]
