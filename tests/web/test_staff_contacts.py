"""Contacts on the pages: how they are, why one is used, and what people do about them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from referral.domain.codes import Channel, Role
from referral.domain.outgoing import MessageState
from referral.domain.records import Bar, Contact, Experience, Lesson, Referral
from referral.storage import contacts, directory, outbox
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic, phone="303-555-0121")


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


def contact_of(clinic: ClinicFixture, referral: Referral, channel: Channel) -> Contact:
    with clinic.transaction() as session:
        known = directory.get_clinician(session, referral.clinician_id).contacts
    return next(found for found in known if found.channel is channel)


def teach(
    clinic: ClinicFixture, contact: Contact, *lessons: tuple[Lesson, int], bar: Bar | None = None
) -> None:
    """(what, days ago) each, the newest last; an answer took half a business day."""
    with clinic.transaction() as session:
        for number, (lesson, days) in enumerate(lessons):
            hours = 4.5 if lesson is Lesson.ANSWERED else None
            at = NOW - timedelta(days=days)
            contacts.learn(
                session, contact.id, Experience(message_id=str(number), lesson=lesson, at=at, hours=hours)
            )
        if bar:
            contacts.bar(session, contact.id, bar, NOW)


_TOLD = {
    "unused": ((), None, "Not used yet."),
    "answered": (
        ((Lesson.ANSWERED, 20), (Lesson.ANSWERED, 1)),
        None,
        "Answers come by it Answered twice within 1 business day, last on",
    ),
    "failed": (((Lesson.FAILED, 0),), None, "Failed last time The last fax came back on"),
    "failed after an answer": (
        ((Lesson.ANSWERED, 20), (Lesson.FAILED, 0)),
        None,
        "Answered once within 1 business day",
    ),
    "arrived": (((Lesson.DELIVERED, 3),), None, "Arrives The last fax arrived on"),
    "dead": (((Lesson.FAILED, 0),), Bar.BAD_ADDRESS, "Does not exist The last fax came back on"),
    "wrong": ((), Bar.WRONG_RECIPIENT, "It was found to belong to somebody else."),
}


@pytest.mark.parametrize("case", _TOLD)
def test_the_directory_says_how_each_contact_is(
    clinic: ClinicFixture, robin: Desk, referral: Referral, case: str
) -> None:
    lessons, bar, words = _TOLD[case]
    teach(clinic, contact_of(clinic, referral, Channel.FAX), *lessons, bar=bar)
    assert words in robin.get(f"/directory/{referral.clinician_id}")
    assert robin.status == 200
    robin.get("/directory")
    assert "Fax" in robin.text


def test_a_new_request_says_by_what_it_goes_and_why_and_by_what_not(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    teach(clinic, contact_of(clinic, referral, Channel.FAX), (Lesson.ANSWERED, 9), (Lesson.ANSWERED, 2))
    teach(clinic, contact_of(clinic, referral, Channel.EMAIL), (Lesson.FAILED, 0))
    with clinic.transaction() as session:
        ines = people.patient(session, clinic, given="Ines", family="Arutyunyan")
    chosen = {
        "patient": ines.id,
        "clinician": referral.clinician_id,
        "indication": f"{people.DEPRESSION.system}|F33.2",
    }
    robin.get("/requests/new")
    robin.post("/requests/new/preview", chosen)
    assert "By fax to 303-555-0120, verified" in robin.text
    assert "So far Answered twice within 1 business day" in robin.text
    assert "Not by e-mail to okafor@beaconhill.example. The last mail came back on" in robin.text


def test_a_wrong_number_found_by_a_call_is_barred_from_the_page(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    mail = contact_of(clinic, referral, Channel.EMAIL)
    page = f"/directory/{referral.clinician_id}/contacts/{mail.id}"
    assert "Their telephone on file: 303-555-0121" in robin.get(page)
    assert "Nothing goes there any more" in robin.post(f"{page}/wrong")
    assert "Somebody else’s" in robin.text
    with clinic.transaction() as session:
        states = {m.channel: m.state for m in outbox.find(session, referral_id=referral.id)}
    assert states == {Channel.EMAIL: MessageState.CANCELLED, Channel.FAX: MessageState.QUEUED}


def test_an_address_is_changed_and_one_more_is_added(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    fax = contact_of(clinic, referral, Channel.FAX)
    page = f"/directory/{referral.clinician_id}/contacts/{fax.id}"
    robin.get(page)
    refused = robin.post(f"{page}/change", contact_address="303-555-0188 x2", contact_source="patient")
    assert robin.status == 400
    assert "Ask for the direct fax number." in refused
    assert 'value="303-555-0188 x2"' in robin.page
    assert "The contact is kept" in robin.post(
        f"{page}/change", contact_address="303-555-0188", contact_source="patient"
    )
    assert "303-555-0188 From the patient." in robin.text
    assert "303-555-0120" not in robin.text
    robin.get(f"/directory/{referral.clinician_id}/contacts")
    typed = {"contact_address": "+44 20 7183 8750", "contact_source": "nppes", "contact_channel": "sms"}
    assert "looks like a landline" in robin.post(f"/directory/{referral.clinician_id}/contacts", typed)
    assert "From the NPI registry, as a hint." in robin.text
    robin.get(f"/directory/{referral.clinician_id}/contacts")
    again = robin.post(f"/directory/{referral.clinician_id}/contacts", typed)
    assert "has this address already" in again
    robin.get(page)
    assert robin.status == 404


def test_from_the_request_a_contact_is_changed_and_the_letter_goes_there(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    robin.get(f"/requests/{referral.id}")
    assert "Change or add a contact" in robin.text
    assert re.search(r'name="send_there"[^>]*checked', robin.page)
    fax = contact_of(clinic, referral, Channel.FAX)
    form = {
        "instead_of": fax.id,
        "contact_channel": "fax",
        "contact_address": "(303) 555-0144",
        "contact_source": "front-desk",
    }
    step = f"/requests/{referral.id}/contact"
    wrong = robin.post(step, form | {"contact_address": "911"}, send_there="yes")
    assert robin.status == 400
    assert "Short numbers cannot be reached" in wrong
    assert contact_of(clinic, referral, Channel.FAX).id == fax.id
    assert "the letter goes there" in robin.post(step, form, send_there="yes")
    new = contact_of(clinic, referral, Channel.FAX)
    assert new.address == "+13035550144"
    with clinic.transaction() as session:
        going = {m.contact_id: m.state for m in outbox.find(session, referral_id=referral.id)}
    assert going[new.id] is MessageState.QUEUED
    assert "not on file any more" in robin.post(step, form, send_there="yes")


def test_without_the_tick_nothing_is_sent(clinic: ClinicFixture, robin: Desk, referral: Referral) -> None:
    robin.get(f"/requests/{referral.id}")
    form = {"contact_channel": "sms", "contact_address": "303-555-0145", "contact_source": "patient"}
    assert "The contact is kept" in robin.post(f"/requests/{referral.id}/contact", form)
    with clinic.transaction() as session:
        (only,) = outbox.find(session, referral_id=referral.id)
    assert only.channel is Channel.EMAIL


def test_a_stale_page_changes_no_contact(clinic: ClinicFixture, robin: Desk, referral: Referral) -> None:
    robin.get(f"/requests/{referral.id}")
    old = robin.hidden()
    robin.post(f"/requests/{referral.id}/resend", resend_channel="fax")
    form = {"contact_channel": "sms", "contact_address": "303-555-0146", "contact_source": "patient"}
    robin.post(f"/requests/{referral.id}/contact", {**form, "send_there": "yes", **old})
    assert robin.status in (409, 412)
    with clinic.transaction() as session:
        known = directory.get_clinician(session, referral.clinician_id).contacts
    assert Channel.SMS not in {found.channel for found in known}


def test_who_may_only_look_is_offered_no_change(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    visitor = open_desk(clinic, Role.AUDITOR)
    fax = contact_of(clinic, referral, Channel.FAX)
    visitor.get(f"/directory/{referral.clinician_id}/contacts/{fax.id}")
    assert visitor.status == 403
