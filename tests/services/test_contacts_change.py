"""Contacts that people add, change, confirm, or find to be somebody else's."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from referral.domain import contacts as rules
from referral.domain.calls import CallReason, CallState
from referral.domain.codes import BusinessStatus, Channel, Strength
from referral.domain.conversation import About
from referral.domain.errors import Forbidden, InvalidInput
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Bar, Contact, Experience, Lesson, Referral
from referral.letters.render import Renderer
from referral.services.ask_clinic import How, ask_clinic
from referral.services.confirm_contact import number_is_right, number_is_wrong
from referral.services.deliver_messages import deliver_due
from referral.services.judge_recommendation import confirm_by_phone
from referral.services.keep_contact import NewContact, keep_contact
from referral.services.send_reminders import send_reminders
from referral.storage import audit, contacts, credentials, directory, outbox, referrals, tables
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people, sending


def contact_of(session: Session, referral: Referral, channel: Channel) -> Contact:
    known = directory.get_clinician(session, referral.clinician_id).contacts
    return next(found for found in known if found.channel is channel)


def change(
    session: Session, clinic: ClinicFixture, referral: Referral, channel: Channel, address: str
) -> Contact:
    old = contact_of(session, referral, channel)
    new = NewContact(channel=channel, address=address, instead_of=old.id)
    return keep_contact(session, clinic.actor, referral.clinician_id, new, NOW)


def subtypes(session: Session) -> set[str]:
    return {row.subtype for row in audit.find(session)}


def test_another_address_starts_without_the_history_of_the_old_one(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        old = contact_of(session, referral, Channel.FAX)
        assert old.is_verified
        news = Experience(message_id="m", lesson=Lesson.ANSWERED, at=NOW, hours=1.0)
        contacts.learn(session, old.id, news)
        new = change(session, clinic, referral, Channel.FAX, "(303) 555-0199")
        known = directory.get_clinician(session, referral.clinician_id).contacts
        assert contacts.get_many(session, [old.id])[old.id].experience
        assert "change-contact" in subtypes(session)
    assert (new.address, new.is_verified, new.experience) == ("+13035550199", False, ())
    assert old.id not in {found.id for found in known}


def test_an_address_that_comes_back_starts_afresh_too(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        first = contact_of(session, referral, Channel.FAX)
        contacts.learn(session, first.id, Experience(message_id="m", lesson=Lesson.FAILED, at=NOW))
        change(session, clinic, referral, Channel.FAX, "303-555-0199")
        again = change(session, clinic, referral, Channel.FAX, "303-555-0120")
    assert (again.id, again.address) == (first.id, "+13035550120")
    assert (again.experience, again.is_verified, again.last_failure_at) == ((), False, None)


def test_what_waits_for_the_old_address_goes_to_the_new_one(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        new = change(session, clinic, referral, Channel.EMAIL, "desk@beaconhill.example")
        states = {m.contact_id: m.state for m in outbox.find(session, referral_id=referral.id)}
    assert states.pop(new.id) is MessageState.QUEUED
    assert set(states.values()) == {MessageState.CANCELLED}


@pytest.mark.parametrize(
    ("channel", "address", "field"),
    [
        ("fax", "303-555-0199 x5", "contact_address"),
        ("sms", "911", "contact_address"),
        ("email", "a@x.example\r\nBcc: b@x.example", "contact_address"),
        ("post", "somewhere", "contact_address"),
        ("post", "22 Myrtle Street\u202e, Denver", "contact_address"),
        ("fax", "", "contact_address"),
        ("pigeon", "303-555-0199", "contact_channel"),
        ("fax", "303-555-0120", "contact_address"),
    ],
)
def test_an_address_that_cannot_be_used_changes_nothing(
    clinic: ClinicFixture, channel: str, address: str, field: str
) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        before = directory.get_clinician(session, referral.clinician_id).contacts
        with pytest.raises(InvalidInput) as caught:
            keep_contact(
                session,
                clinic.actor,
                referral.clinician_id,
                NewContact(channel=channel, address=address),
                NOW,
            )
        assert [issue.expression for issue in caught.value.issues] == [(field,)]
        assert directory.get_clinician(session, referral.clinician_id).contacts == before


def test_a_hint_of_the_registry_is_never_verified(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        made = people.clinician(session, clinic)
        new = NewContact(channel="fax", address="303-555-0177", source="nppes")
        kept = keep_contact(session, clinic.actor, made.id, new, NOW)
    assert (kept.source, kept.is_verified) == ("nppes", False)
    assert rules.needs_call(kept)


def test_who_typed_a_contact_may_not_vouch_for_it_nor_for_an_answer(clinic: ClinicFixture) -> None:
    typist = people.colleague(clinic)
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        new = NewContact(channel="fax", address="303-555-0177")
        kept = keep_contact(session, typist, referral.clinician_id, new, NOW)
        with pytest.raises(Forbidden, match="entered this contact yourself"):
            number_is_right(session, typist, referral.clinician_id, kept.id, "Ana at the desk", NOW)
        people.respond_with(session, clinic, referral, strength=Strength.SINGLE_CHANNEL)
        with pytest.raises(Forbidden, match="entered this contact yourself"):
            confirm_by_phone(
                session, typist, referral.id, spoke_with="Ana", called_number="303-555-0177", now=NOW
            )
        third = people.director(clinic)
        number_is_right(session, third, referral.clinician_id, kept.id, "Ana at the desk", NOW)
        confirmed = next(
            c for c in directory.get_clinician(session, referral.clinician_id).contacts if c.id == kept.id
        )
    assert (confirmed.verified_at, confirmed.verified_how) == (NOW, "Ana at the desk")


def test_a_call_without_a_name_confirms_nothing(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        made = people.clinician(session, clinic, verified=False)
        with pytest.raises(InvalidInput, match="speak with"):
            number_is_right(session, people.colleague(clinic), made.id, made.contacts[0].id, " ", NOW)


def test_a_wrong_number_gets_nothing_more_its_link_ends_and_the_request_goes_another_way(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    fax = sending.Provider()
    referral = sending.asked(clinic, email="", verified=False)
    deliver_due(sending.delivery(clinic, renderer, fax=fax), clinic.id)
    later = NOW + timedelta(hours=1)
    with clinic.transaction() as session:
        wrong = contact_of(session, referral, Channel.FAX)
        number_is_wrong(session, clinic.actor, referral.clinician_id, wrong.id, later)
    with clinic.transaction() as session:
        barred = contact_of(session, referral, Channel.FAX)
        ended = session.connection.scalars(select(tables.portal_credential.c.revoked_for)).all()
        going = [m for m in outbox.find(session, referral_id=referral.id) if m.contact_id != wrong.id]
        known = directory.get_clinician(session, referral.clinician_id).contacts
        assert {"wrong-recipient", "misdirected"} <= subtypes(session)
        events = [event.event for event in referrals.events(session, referral.id)]
    assert (barred.barred_for, barred.is_verified) == (Bar.WRONG_RECIPIENT, False)
    assert ended == ["wrong-recipient"]
    assert [message.channel for message in going] == [Channel.POST]
    assert barred not in rules.in_order(known)
    assert "wrong-recipient" in events


def test_what_was_on_its_way_to_a_wrong_number_is_taken_back_before_it_leaves(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    fax = sending.Provider()
    referral = sending.asked(clinic, email="", verified=False)
    with clinic.transaction() as session:
        wrong = contact_of(session, referral, Channel.FAX)
        number_is_wrong(session, clinic.actor, referral.clinician_id, wrong.id, NOW)
    deliver_due(sending.delivery(clinic, renderer, fax=fax), clinic.id)
    with clinic.transaction() as session:
        assert "misdirected" not in subtypes(session)
    assert fax.sent == []


def test_a_wrong_number_without_another_way_is_shown_to_people(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = sending.asked(clinic, email="", address=(), verified=False)
    deliver_due(sending.delivery(clinic, renderer, fax=sending.Provider()), clinic.id)
    with clinic.transaction() as session:
        wrong = contact_of(session, referral, Channel.FAX)
        number_is_wrong(session, clinic.actor, referral.clinician_id, wrong.id, NOW)
        assert referrals.get(session, referral.id).business_status is BusinessStatus.DELIVERY_FAILED


def test_a_wrong_address_that_one_request_met_bars_the_contact_for_every_request(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    first = sending.asked(clinic)
    with clinic.transaction() as session:
        ines = people.patient(session, clinic, given="Ines", family="Arutyunyan")
        asked = directory.get_clinician(session, first.clinician_id)
        (other,) = people.ask(session, clinic, people.order(session, clinic, ines), asked)
    deliver_due(sending.delivery(clinic, renderer, email=sending.Provider()), clinic.id)
    with clinic.transaction() as session:
        wrong, how = contact_of(session, first, Channel.EMAIL), people.portal_actor(clinic)
        said = How(had_seen=False, contact_id=wrong.id)
        ask_clinic(session, how, first.id, About.WRONG_ADDRESS, "", NOW + timedelta(hours=1), how=said)
    with clinic.transaction() as session:
        assert contact_of(session, first, Channel.EMAIL).barred_for is Bar.WRONG_RECIPIENT
        # The other patient's request goes another way, and its link at the stranger's is worth nothing.
        ended = {link.revoked_for for link in credentials.of_referral(session, other.id)}
        going = [m.channel for m in outbox.find(session, referral_id=other.id) if m.contact_id != wrong.id]
        assert (ended, going) == ({"wrong-recipient"}, [Channel.FAX])
        assert "wrong-recipient" in {event.event for event in referrals.events(session, other.id)}
        # The one that met it waits for a person.
        assert referrals.get(session, first.id).held_for == "wrong-address"
        assert [m.contact_id for m in outbox.find(session, referral_id=first.id)] == [wrong.id]
        asked = directory.get_clinician(session, first.clinician_id)
        omar = people.patient(session, clinic, given="Omar", family="Haddad")
        (third,) = people.ask(session, clinic, people.order(session, clinic, omar), asked)
        assert sending.only_message(session, third).channel is Channel.FAX


def test_a_wrong_number_is_not_made_up_for_twice(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = sending.asked(clinic)
    deliver_due(sending.delivery(clinic, renderer, email=sending.Provider()), clinic.id)
    with clinic.transaction() as session:
        fax = contact_of(session, referral, Channel.FAX)
        number_is_wrong(session, clinic.actor, referral.clinician_id, fax.id, NOW)
        assert sending.only_message(session, referral).channel is Channel.EMAIL


def calls_about(session: Session, contact: Contact) -> list[tuple[CallReason, CallState]]:
    table = tables.call_task
    rows = session.connection.execute(
        select(table.c.why, table.c.state).where(table.c.contact_id == contact.id)
    )
    return [(CallReason(row.why), CallState(row.state)) for row in rows]


def test_the_first_fax_to_a_number_that_nobody_confirmed_makes_one_call(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic, email="", verified=False)
        fax = contact_of(session, referral, Channel.FAX)
        assert calls_about(session, fax) == [(CallReason.CONFIRM_NUMBER, CallState.OPEN)]
        ines = people.patient(session, clinic, given="Ines", family="Arutyunyan")
        asked = directory.get_clinician(session, referral.clinician_id)
        people.ask(session, clinic, people.order(session, clinic, ines), asked)
        assert len(calls_about(session, fax)) == 1
        number_is_right(session, people.colleague(clinic), referral.clinician_id, fax.id, "Ana", NOW)
        assert calls_about(session, fax) == [(CallReason.CONFIRM_NUMBER, CallState.CANCELLED)]


@pytest.mark.parametrize("changes", [{"email": ""}, {"verified": False}])
def test_a_confirmed_fax_and_a_mailbox_make_no_call(
    clinic: ClinicFixture, changes: dict[str, object]
) -> None:
    with clinic.transaction() as session:
        people.asked_once(session, clinic, **changes)
        found = session.connection.scalars(select(tables.call_task.c.id)).all()
    assert found == []


def test_a_number_that_is_wrong_or_replaced_is_not_called_about_any_more(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic, email="", verified=False)
        fax = contact_of(session, referral, Channel.FAX)
        new = change(session, clinic, referral, Channel.FAX, "303-555-0199")
        assert [state for _, state in calls_about(session, fax)] == [CallState.CANCELLED]
        assert [state for _, state in calls_about(session, new)] == [CallState.OPEN]
        number_is_wrong(session, clinic.actor, referral.clinician_id, new.id, NOW)
        assert [state for _, state in calls_about(session, new)] == [CallState.CANCELLED]


@pytest.mark.parametrize(
    ("verified", "thanked"), [(False, MessageState.CANCELLED), (True, MessageState.ACCEPTED)]
)
def test_the_record_of_an_answer_is_not_faxed_to_a_number_that_nobody_confirmed(
    clinic: ClinicFixture, renderer: Renderer, verified: bool, thanked: MessageState
) -> None:
    fax = sending.Provider()
    referral = sending.asked(clinic, email="", address=(), verified=verified)
    deliver_due(sending.delivery(clinic, renderer, fax=fax), clinic.id)
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral)
    deliver_due(sending.delivery(clinic, renderer, fax=fax), clinic.id)
    with clinic.transaction() as session:
        states = {m.kind: m.state for m in outbox.find(session, referral_id=referral.id)}
    assert states[MessageKind.THANK_YOU] is thanked
    assert len(fax.sent) == 1 + verified


def test_whatever_was_queued_to_a_stranger_goes_another_way(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    fax = sending.Provider()
    referral = sending.asked(clinic, email="", verified=False)
    with clinic.transaction() as session:
        contacts.bar(session, contact_of(session, referral, Channel.FAX).id, Bar.WRONG_RECIPIENT, NOW)
    deliver_due(sending.delivery(clinic, renderer, fax=fax), clinic.id)
    with clinic.transaction() as session:
        states = {m.channel: m.state for m in outbox.find(session, referral_id=referral.id)}
    assert fax.sent == []
    assert states[Channel.FAX] is MessageState.FAILED
    assert Channel.POST in states


def test_a_reminder_that_goes_another_way_does_not_take_the_place_of_the_next_one(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = sending.asked(clinic, email="", verified=False)
    real = sending.Provider()
    deliver_due(sending.delivery(clinic, renderer, fax=real), clinic.id)

    def climb() -> datetime:
        with clinic.transaction() as session:
            at = referrals.get(session, referral.id).next_step_at
            assert at is not None
            send_reminders(session, at)
        return at

    at = climb()
    with clinic.transaction() as session:
        wrong = contact_of(session, referral, Channel.FAX)
        number_is_wrong(session, clinic.actor, referral.clinician_id, wrong.id, at)
    deliver_due(sending.delivery(clinic, renderer, at, post=real), clinic.id)
    climb()
    with clinic.transaction() as session:
        found = [m for m in outbox.find(session, referral_id=referral.id) if m.kind is MessageKind.REMINDER]
    assert [(m.channel, m.state) for m in sorted(found, key=lambda m: (m.created_at, m.ordinal))] == [
        (Channel.FAX, MessageState.CANCELLED),
        (Channel.POST, MessageState.ACCEPTED),
        (Channel.POST, MessageState.QUEUED),
    ]


def test_a_letter_that_waits_for_an_address_which_dies_goes_another_way(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    mail, real = sending.Provider(), sending.Provider()
    referral = sending.asked(clinic)
    with clinic.transaction() as session:
        contacts.bar(session, contact_of(session, referral, Channel.EMAIL).id, Bar.BAD_ADDRESS, NOW)
    for _ in range(2):
        deliver_due(sending.delivery(clinic, renderer, email=mail, fax=real), clinic.id)
    with clinic.transaction() as session:
        states = {m.channel: m.state for m in outbox.find(session, referral_id=referral.id)}
    assert (mail.sent, len(real.sent)) == ([], 1)
    assert states == {Channel.EMAIL: MessageState.FAILED, Channel.FAX: MessageState.ACCEPTED}
