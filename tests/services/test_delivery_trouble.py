"""Messages when something goes wrong around them: slow providers, refusals, and bugs after the call."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from referral.channels.base import Outcome
from referral.domain.codes import Channel
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.letters.render import Renderer
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import deliver_due
from referral.services.queue_message import queue_message
from referral.services.send_reminders import send_reminders
from referral.storage import credentials, directory, documents, outbox, referrals, resources, tables
from tests.database import NOW, ClinicFixture, Clock
from tests.letters import pdf
from tests.services import people
from tests.services.sending import EVENING, Provider, asked, delivery, only_message
from tests.smtp import Mailbox

SOON = timedelta(hours=2)


def message_of(clinic: ClinicFixture, referral: Referral) -> outbox.Message:
    with clinic.transaction() as session:
        return only_message(session, referral)


def messages_of(clinic: ClinicFixture, referral: Referral) -> list[outbox.Message]:
    with clinic.transaction() as session:
        return outbox.find(session, referral_id=referral.id)


def states(clinic: ClinicFixture, referral: Referral) -> list[tuple[str, str, str]]:
    """(kind, channel, state), oldest first."""
    with clinic.transaction() as session:
        found = outbox.find(session, referral_id=referral.id)
    return [(m.kind, m.channel, m.state) for m in sorted(found, key=lambda m: (m.created_at, m.ordinal))]


def test_a_slow_provider_is_no_crash_of_the_messages_that_wait_behind_it(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    requests = [asked(clinic) for _ in range(3)]
    provider = Provider()
    deliver_due(delivery(clinic, renderer, EVENING), clinic.id)
    work = delivery(clinic, renderer, EVENING + timedelta(hours=13), email=provider)

    def minutes_pass_and_another_worker_comes() -> None:
        provider.then = list
        assert isinstance(work.now, Clock)
        work.now.now += timedelta(seconds=61)
        deliver_due(delivery(clinic, renderer, work.now(), email=provider), clinic.id)

    provider.then = minutes_pass_and_another_worker_comes
    deliver_due(work, clinic.id)
    others = [message_of(clinic, referral) for referral in requests]
    assert sorted(message.crashes for message in others) == [0, 0, 1]
    # The one that took longer than its lease may have arrived: a person looks, nobody sends it again.
    assert sorted(message.state for message in others) == ["accepted", "accepted", "unknown"]
    assert len(provider.sent) == 3


def test_what_a_provider_has_taken_is_never_sent_again_because_noting_it_failed(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    provider = Provider(reference="no text of a database: \x00")
    deliver_due(delivery(clinic, renderer, email=provider), clinic.id)
    assert message_of(clinic, referral).state is MessageState.SENDING
    deliver_due(delivery(clinic, renderer, NOW + SOON, email=provider), clinic.id)
    assert message_of(clinic, referral).state is MessageState.UNKNOWN
    assert len(provider.sent) == 1


def test_a_transport_that_raises_leaves_the_outcome_to_a_person(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    provider = Provider(then=lambda: 1 // 0)
    deliver_due(delivery(clinic, renderer, email=provider), clinic.id)
    deliver_due(delivery(clinic, renderer, NOW + SOON, email=provider), clinic.id)
    assert message_of(clinic, referral).state is MessageState.UNKNOWN
    assert len(provider.sent) == 1


def test_waiting_for_the_morning_uses_up_no_try(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, EVENING), clinic.id)
    now = message_of(clinic, referral).not_before
    for tried in range(8):
        assert message_of(clinic, referral).state is MessageState.READY, tried
        deliver_due(delivery(clinic, renderer, now, smtp_port=1), clinic.id)
        now = max(now, message_of(clinic, referral).not_before)
    assert message_of(clinic, referral).state is MessageState.DEAD


def test_contacts_that_all_refuse_are_each_tried_once(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked(clinic)
    refusing = Provider(Outcome.REFUSED)
    deliver_due(delivery(clinic, renderer, email=refusing, fax=refusing, post=refusing), clinic.id)
    assert [(channel, state) for _, channel, state in states(clinic, referral)] == [
        (Channel.EMAIL, MessageState.FAILED),
        (Channel.FAX, MessageState.FAILED),
        (Channel.POST, MessageState.FAILED),
    ]


def test_a_reminder_that_went_another_way_leaves_the_next_rung_its_place(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    mail = Provider()
    work = delivery(clinic, renderer, email=mail)
    assert isinstance(work.now, Clock)
    deliver_due(work, clinic.id)
    mail.outcome = Outcome.REFUSED
    for _ in range(2):
        with clinic.transaction() as session:
            due = referrals.get(session, referral.id).next_step_at
            assert due is not None
            send_reminders(session, due)
        work.now.now = due
        deliver_due(work, clinic.id)
    assert states(clinic, referral) == [
        (MessageKind.REQUEST, Channel.EMAIL, MessageState.ACCEPTED),
        (MessageKind.REMINDER, Channel.EMAIL, MessageState.FAILED),
        (MessageKind.REMINDER, Channel.FAX, MessageState.ACCEPTED),
        (MessageKind.REMINDER, Channel.POST, MessageState.ACCEPTED),
    ]


def test_an_address_that_mail_cannot_use_goes_another_way_at_once(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        # Nobody can type this any more; it was kept before that.
        kept = tables.contact.update().where(tables.contact.c.channel == Channel.EMAIL)
        session.connection.execute(kept.values(address="müller@beaconhill.example"))
    deliver_due(delivery(clinic, renderer, smtp_port=mailbox[1]), clinic.id)
    assert [state[1:] for state in states(clinic, referral)] == [
        (Channel.EMAIL, MessageState.FAILED),
        (Channel.FAX, MessageState.ACCEPTED),
    ]


def test_a_mail_server_that_refuses_the_clinic_says_nothing_about_the_clinician(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    box.sender_answer = "530 sign in first"
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id)
    message = message_of(clinic, referral)
    with clinic.transaction() as session:
        contacts = directory.get_clinician(session, referral.clinician_id).contacts
    assert (message.state, message.last_error) == (
        MessageState.READY,
        "the mail server answered 530 to the sender",
    )
    assert all(contact.last_failure_at is None for contact in contacts)


def test_a_contact_that_is_no_longer_on_file_gets_nothing_and_another_one_does(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    with clinic.transaction() as session:
        contact = only_message(session, referral).contact_id
        session.connection.execute(
            tables.contact.update().where(tables.contact.c.id == contact).values(active=False)
        )
    deliver_due(delivery(clinic, renderer), clinic.id)
    assert [state[1:] for state in states(clinic, referral)] == [
        (Channel.EMAIL, MessageState.FAILED),
        (Channel.FAX, MessageState.ACCEPTED),
    ]


def test_a_contact_that_is_withdrawn_while_its_letter_is_drawn_gets_nothing(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic, fax="")
    message, provider = message_of(clinic, referral), Provider()

    class Withdrawing:
        """Takes the contact off the file while the letter is being drawn."""

        def __getattr__(self, name: str) -> object:
            with clinic.transaction() as session:
                contact = tables.contact.c.id == message.contact_id
                session.connection.execute(tables.contact.update().where(contact).values(active=False))
            return getattr(renderer, name)

    deliver_due(delivery(clinic, Withdrawing(), email=provider), clinic.id)  # type: ignore[arg-type]
    ended = next(m for m in messages_of(clinic, referral) if m.id == message.id)
    assert (ended.state, ended.last_error) == (MessageState.FAILED, "this contact is no longer on file")
    with clinic.transaction() as session:
        links = credentials.of_referral(session, referral.id)
    assert (provider.sent, [link for link in links if link.channel is Channel.EMAIL]) == ([], [])


def test_the_record_of_an_answer_is_drawn_even_where_nobody_is_told(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    referral = asked(clinic)
    with clinic.transaction() as session:  # the answer comes by telephone, before any letter has left
        receipt = people.respond_with(session, clinic, referral)
    deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id)
    with clinic.transaction() as session:
        record = documents.get(session, str(receipt.document_id))
        assert resources.find(session, "DocumentReference", str(receipt.document_id)) is not None
    assert (record.kind, box.messages) == ("receipt", [])


def test_what_is_cancelled_says_so_in_fhir_as_well(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, EVENING), clinic.id)
    with clinic.transaction() as session:
        cancel_referral(session, clinic.actor, referral.id, referral.version, "changed plans", NOW)
        message = only_message(session, referral)
        document = resources.read(session, "Communication", str(message.id)).document
    assert (message.state, document["status"]) == (MessageState.CANCELLED, "not-done")


@pytest.mark.parametrize(("channel", "typed"), [(Channel.FAX, True), (Channel.EMAIL, False)])
def test_a_fresh_link_on_paper_can_be_typed_and_a_mailed_one_carries_no_code(
    clinic: ClinicFixture, renderer: Renderer, channel: Channel, typed: bool
) -> None:
    referral = asked(clinic)
    provider = Provider()
    with clinic.transaction() as session:
        clinician = directory.get_clinician(session, referral.clinician_id)
        contact = next(c for c in clinician.contacts if c.channel is channel)
        queue_message(session, referral, MessageKind.FRESH_LINK, contact, NOW)
    deliver_due(delivery(clinic, renderer, email=provider, fax=provider), clinic.id)
    read = pdf.text if typed else bytes.decode
    sent = [read(e.content) for e in provider.sent if e.content.startswith(b"%PDF") is typed]
    (words,) = (text for text in sent if "the new link that was asked for" in text)
    code = words.partition("type the code ")[2].partition(".")[0]
    assert (code != "") is typed
    assert "https://portal.example/r/" in words
    if typed:
        with clinic.database.transaction() as session:
            found = credentials.find_by_code(session, code)
        assert found is not None
        assert found.referral_id == referral.id


def test_a_code_that_has_run_out_is_not_sent_any_more(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer), clinic.id)
    with clinic.transaction() as session:
        contact = directory.get_clinician(session, referral.clinician_id).contacts[0]
        queue_message(session, referral, MessageKind.IDENTITY_CODE, contact, NOW)
    provider = Provider()
    late = NOW + timedelta(minutes=10)
    deliver_due(delivery(clinic, renderer, late, email=provider, fax=provider, post=provider), clinic.id)
    assert provider.sent == []
    assert {kind: state for kind, _, state in states(clinic, referral)} == {
        MessageKind.REQUEST: MessageState.ACCEPTED,
        MessageKind.IDENTITY_CODE: MessageState.CANCELLED,
    }


def test_a_letter_drawn_while_its_request_is_cancelled_leaves_no_link_behind(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)

    class Cancelling:
        """Cancels the request while the letter is being drawn."""

        def __getattr__(self, name: str) -> object:
            with clinic.transaction() as session:
                cancel_referral(session, clinic.actor, referral.id, 1, "changed plans", NOW)
            return getattr(renderer, name)

    deliver_due(delivery(clinic, Cancelling()), clinic.id)  # type: ignore[arg-type]
    with clinic.transaction() as session:
        links = session.connection.scalars(select(tables.portal_credential.c.selector)).all()
    assert (links, message_of(clinic, referral).state) == ([], MessageState.CANCELLED)
