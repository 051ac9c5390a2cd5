"""The outbox on the pages: each message as its recipient gets it, what became of it, what people may do."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from sqlalchemy import update

from referral.domain.codes import Channel, Role
from referral.domain.outgoing import MessageState
from referral.domain.records import Referral
from referral.services.keep_contact import NewContact, keep_contact
from referral.services.queue_message import queue_message
from referral.storage import directory, documents, outbox, tables
from referral.web.staff.message_view import segments
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk

LINK = "https://portal.example/r/AAAABBBBCCCCDDDD/secret-of-the-link"


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


def mail() -> bytes:
    made = EmailMessage(policy=SMTP)
    made["From"] = "Harbor Light <desk@harborlight.example>"
    made["To"] = "okafor@beaconhill.example"
    made["Subject"] = "A secure request"
    made["X-Internal"] = "not for people"
    made.set_content(f"Hello,\n{LINK}\n")
    return made.as_bytes()


def left(
    clinic: ClinicFixture,
    referral: Referral,
    content: bytes = b"",
    type: str = "message/rfc822",
    **values: Any,
) -> str:
    """The request's message as a worker may leave it."""
    with clinic.transaction() as session:
        message = outbox.find(session, referral_id=referral.id)[0]
        envelope = str(uuid.uuid4())
        documents.add(
            session,
            id=envelope,
            kind="envelope",
            content_type=type,
            content=content or mail(),
            patient_id=referral.patient_id,
            referral_id=referral.id,
            now=NOW,
        )
        changed = update(tables.message).where(tables.message.c.id == message.id)
        session.connection.execute(changed.values(**{"envelope_id": envelope, **values}))
    return f"/outbox/{message.id}"


def state(clinic: ClinicFixture, referral: Referral) -> outbox.Message:
    with clinic.transaction() as session:
        return outbox.find(session, referral_id=referral.id)[0]


def test_a_mail_is_shown_with_the_headers_that_a_reader_sees(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    page = left(clinic, referral, state=MessageState.ACCEPTED, finished_at=NOW)
    text = robin.get(page)
    assert "From Harbor Light <desk@harborlight.example>" in text
    assert "Subject A secure request" in text
    assert "not for people" not in text
    assert "Not sent" in text
    assert "Nobody has got it" in text


def test_a_text_message_is_shown_with_its_size(clinic: ClinicFixture, robin: Desk) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic, email="", fax="")
        new = NewContact(channel="sms", address="303-555-0145")
        kept = keep_contact(session, clinic.actor, referral.clinician_id, new, NOW)
        session.connection.execute(update(tables.message).values(channel=Channel.SMS, contact_id=kept.id))
    words = f"A secure request waits for you: {LINK}"
    page = left(clinic, referral, words.encode(), "text/plain; charset=utf-8", state=MessageState.READY)
    text = robin.get(page)
    assert f"{len(words)} characters, 1 segment" in text
    assert "envelope--sms" in robin.page
    assert "303-555-0145" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a" * 160, "160 characters, 1 segment"),
        ("a" * 161, "161 characters, 2 segments"),
        ("a" * 307, "307 characters, 3 segments"),
        ("€" * 80, "160 characters, 1 segment"),
        ("€" * 81, "162 characters, 2 segments"),
        ("Nguyễn" + "a" * 64, "70 characters, 1 segment"),
        ("Nguyễn" + "a" * 65, "71 characters, 2 segments"),
        ("\U0001f600" * 35, "70 characters, 1 segment"),
    ],
)
def test_segments_are_counted_as_networks_do(text: str, words: str) -> None:
    assert segments(text) == words


_FATES: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "waiting for hours": (
        {"state": MessageState.READY, "not_before": NOW + timedelta(hours=20)},
        "It waits for their business hours and leaves Wed, Nov 4",
        ("retry", "park", "cancel"),
    ),
    "tried again": (
        {
            "state": MessageState.READY,
            "tries": 2,
            "last_error": "the mail server answered 451 to the message",
            "not_before": NOW + timedelta(minutes=5),
        },
        "It could not be handed over yet. The mail server answered 451 to the message. It is tried again",
        ("retry", "park", "cancel"),
    ),
    "taken": (
        {"state": MessageState.ACCEPTED, "sent_for_real": True, "finished_at": NOW},
        "The provider took it",
        (),
    ),
    "arrived": (
        {"state": MessageState.DELIVERED, "sent_for_real": True, "finished_at": NOW},
        "the provider says that it arrived",
        (),
    ),
    "refused": (
        {"state": MessageState.FAILED, "last_error": "no such mailbox", "finished_at": NOW},
        "It could not be delivered. No such mailbox. Correct the contact",
        ("retry",),
    ),
    "in doubt": (
        {"state": MessageState.UNKNOWN, "last_error": "SMTP broke off", "finished_at": NOW},
        "Nobody knows whether it arrived. SMTP broke off. Ask the recipient",
        ("retry",),
    ),
    "given up": (
        {"state": MessageState.DEAD, "last_error": "no SMTP connection", "finished_at": NOW},
        "It is set aside. No SMTP connection. Put the cause right",
        ("retry", "cancel"),
    ),
    "not needed": ({"state": MessageState.CANCELLED, "finished_at": NOW}, "It was not needed any more", ()),
}


@pytest.mark.parametrize("case", _FATES)
def test_what_became_of_it_is_said_with_what_to_do(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral, case: str
) -> None:
    values, words, actions = _FATES[case]
    page = left(clinic, referral, **values)
    robin = open_desk(clinic)
    assert words in robin.get(page)
    assert [name for name in ("retry", "park", "cancel") if f'action="{page}/{name}"' in robin.page] == list(
        actions
    )


def test_what_is_set_aside_waits_and_is_tried_again(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    page = left(clinic, referral, state=MessageState.READY, envelope_id=None)
    robin.get(page)
    assert "It is set aside" in robin.post(f"{page}/park")
    assert state(clinic, referral).state is MessageState.DEAD
    assert "It is tried again" in robin.post(f"{page}/retry")
    assert state(clinic, referral).state is MessageState.QUEUED
    assert "It is cancelled" in robin.post(f"{page}/cancel")
    assert state(clinic, referral).state is MessageState.CANCELLED
    refused = robin.post(f"{page}/cancel")
    assert robin.status == 422
    assert "This message cannot be cancelled" in refused


def test_what_may_have_arrived_is_sent_again_only_on_somebodys_word(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    page = left(clinic, referral, state=MessageState.UNKNOWN, finished_at=NOW, envelope_id=None)
    robin.get(page)
    assert "This message may have arrived." in robin.post(f"{page}/retry")
    assert state(clinic, referral).state is MessageState.UNKNOWN
    assert "It is tried again" in robin.post(f"{page}/retry", did_not_arrive="yes")
    assert state(clinic, referral).state is MessageState.QUEUED


def test_what_went_to_an_address_that_was_changed_still_says_where(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    page = left(clinic, referral, state=MessageState.ACCEPTED, finished_at=NOW)
    with clinic.transaction() as session:
        old = state(clinic, referral).contact_id
        new = NewContact(channel="email", address="new@beaconhill.example", instead_of=old)
        keep_contact(session, clinic.actor, referral.clinician_id, new, NOW)
    assert "okafor@beaconhill.example" in robin.get(page)
    assert "By e-mail to okafor@beaconhill.example" in robin.get("/outbox")


def test_the_list_is_filtered_by_channel_and_says_so_when_nothing_matches(
    clinic: ClinicFixture, robin: Desk, referral: Referral
) -> None:
    with clinic.transaction() as session:
        known = directory.get_clinician(session, referral.clinician_id).contacts
        fax = next(contact for contact in known if contact.channel is Channel.FAX)
        queue_message(session, referral, outbox.find(session)[0].kind, fax, NOW)
    assert "By fax to" in robin.get("/outbox?channel=fax")
    assert "By e-mail to" not in robin.text
    assert "By e-mail to" in robin.get("/outbox?channel=pigeon")
    assert "No message matches." in robin.get("/outbox?channel=sms")
    assert "No message matches." in robin.get("/outbox?state=parked")


def test_who_may_only_look_gets_no_buttons(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    page = left(clinic, referral, state=MessageState.READY)
    admin = open_desk(clinic, Role.ADMIN)
    admin.get(page)
    assert admin.status == 403
    assert json.dumps(f"{page}/retry") not in admin.page
