"""Messages: drawn, stored, sent once, retried, parked; with real letters and a real SMTP server."""

from __future__ import annotations

import email
from datetime import UTC, datetime, timedelta
from email.policy import SMTP

import pytest
from sqlalchemy import text, update

from referral.domain.codes import BusinessStatus, Channel, TaskStatus
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.letters.render import Renderer
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import deliver_due
from referral.services.send_reminders import send_reminders
from referral.storage import credentials, directory, documents, outbox, referrals, resources, tables
from tests.database import NOW, ClinicFixture, Clock
from tests.services import people
from tests.services.sending import EVENING, asked, delivery, only_message
from tests.smtp import Mailbox


def test_a_letter_is_drawn_stored_and_mailed_without_naming_the_patient(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    referral = asked(clinic)
    assert deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id) == 1
    assert deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id) == 0
    (mail,) = box.messages
    words = mail.get_content()
    assert mail["To"] == "okafor@beaconhill.example"
    assert referral.number in str(mail["Subject"])
    for secret in ("Nguy", "Maria", "1986", "depress", "etamine", "infusion"):
        assert secret not in words + str(mail["Subject"])
    with clinic.transaction() as session:
        message = only_message(session, referral)
        assert (message.state, message.sent_for_real) == (MessageState.ACCEPTED, True)
        letter = documents.get(session, str(message.letter_id))
        assert letter.content.startswith(b"%PDF")
        kept = documents.get(session, str(message.envelope_id)).content
        assert email.message_from_bytes(kept, policy=SMTP).as_bytes() == kept
        assert email.message_from_bytes(kept, policy=SMTP).get_content() == mail.get_content()
        assert resources.read(session, "Communication", str(message.id)).document["status"] == "completed"
        after = referrals.get(session, referral.id)
        assert after.delivered_at == NOW


def test_the_mailed_link_is_the_credential_and_only_its_digest_is_kept(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id)
    link = next(word for word in box.messages[0].get_content().split() if "/r/" in word)
    selector, secret = link.rsplit("/", 2)[1:]
    with clinic.database.transaction() as session:
        found = credentials.find_by_link(session, selector, secret)
        assert found is not None
        assert (found.referral_id, found.channel, found.contact_verified) == (
            referral.id,
            Channel.EMAIL,
            True,
        )
        assert credentials.find_by_link(session, selector, secret[:-1] + "x") is None
    with clinic.transaction() as session:
        dump = session.connection.scalar(text("SELECT string_agg(c::text, ' ') FROM portal_credential c"))
    assert secret not in str(dump)


def test_what_is_drawn_in_the_evening_goes_out_in_the_morning(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, EVENING, port), clinic.id)
    with clinic.transaction() as session:
        waiting = only_message(session, referral)
    assert (waiting.state, box.messages) == (MessageState.READY, [])
    assert waiting.letter_id is not None
    assert waiting.not_before == datetime(2026, 11, 4, 15, 0, tzinfo=UTC)  # 8:00 in Denver
    deliver_due(delivery(clinic, renderer, waiting.not_before, port), clinic.id)
    with clinic.transaction() as session:
        sent = only_message(session, referral)
    assert (sent.state, sent.letter_id, sent.envelope_id) == (
        MessageState.ACCEPTED,
        waiting.letter_id,
        waiting.envelope_id,
    )
    assert len(box.messages) == 1


def test_a_mail_server_that_is_down_delays_and_nothing_is_lost(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, smtp_port=1), clinic.id)
    with clinic.transaction() as session:
        waiting = only_message(session, referral)
    assert waiting.state is MessageState.READY
    assert "no SMTP connection" in str(waiting.last_error)
    assert NOW < waiting.not_before <= NOW + timedelta(minutes=1)
    deliver_due(delivery(clinic, renderer, waiting.not_before, port), clinic.id)
    with clinic.transaction() as session:
        assert only_message(session, referral).state is MessageState.ACCEPTED
    assert len(box.messages) == 1


def test_after_eight_tries_a_person_decides(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked(clinic)
    now = NOW
    for _ in range(8):
        deliver_due(delivery(clinic, renderer, now, smtp_port=1), clinic.id)
        with clinic.transaction() as session:
            message = only_message(session, referral)
        now = max(message.not_before, now)
    assert message.state is MessageState.DEAD
    with clinic.transaction() as session:
        assert referrals.get(session, referral.id).business_status is BusinessStatus.DELIVERY_FAILED


def test_a_refused_address_switches_to_another_channel_at_once(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    box.answer = "550 no such user"
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id)
    deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id)
    with clinic.transaction() as session:
        states = {m.channel: m.state for m in outbox.find(session, referral_id=referral.id)}
        mail = next(
            c
            for c in directory.get_clinician(session, referral.clinician_id).contacts
            if c.channel == "email"
        )
    assert states == {Channel.EMAIL: MessageState.FAILED, Channel.FAX: MessageState.ACCEPTED}
    assert mail.last_failure_at == NOW


def test_a_connection_that_breaks_after_the_message_is_never_repeated_blindly(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    box.drop = True
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id)
    deliver_due(delivery(clinic, renderer, NOW + timedelta(hours=3), smtp_port=port), clinic.id)
    with clinic.transaction() as session:
        assert only_message(session, referral).state is MessageState.UNKNOWN
    assert len(box.messages) == 1


def hold(clinic: ClinicFixture, referral: Referral, state: MessageState) -> None:
    """What a worker leaves behind that was killed in this state."""
    with clinic.transaction() as session:
        session.connection.execute(
            update(tables.message)
            .where(tables.message.c.referral_id == referral.id)
            .values(state=state, attempts=1, lease_until=NOW)
        )


def test_a_worker_killed_while_drawing_leaves_a_lease_and_the_letter_is_drawn_again(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    referral = asked(clinic)
    hold(clinic, referral, MessageState.RENDERING)
    assert deliver_due(delivery(clinic, renderer, NOW, port), clinic.id) == 0
    assert deliver_due(delivery(clinic, renderer, NOW + timedelta(seconds=61), port), clinic.id) == 1
    assert len(box.messages) == 1


def test_a_worker_killed_while_mailing_is_parked_and_while_showing_is_repeated(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, EVENING, port), clinic.id)
    hold(clinic, referral, MessageState.SENDING)
    deliver_due(delivery(clinic, renderer, NOW + timedelta(minutes=2), port), clinic.id)
    with clinic.transaction() as session:
        assert only_message(session, referral).state is MessageState.UNKNOWN
    assert box.messages == []
    shown = asked(clinic, given="Ada")
    deliver_due(delivery(clinic, renderer, EVENING), clinic.id)
    hold(clinic, shown, MessageState.SENDING)
    deliver_due(delivery(clinic, renderer, NOW + timedelta(minutes=2)), clinic.id)
    with clinic.transaction() as session:
        assert only_message(session, shown).state is MessageState.ACCEPTED


def test_a_message_that_kills_its_workers_is_set_aside(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked(clinic)

    class Killing:
        """Takes its worker down whenever a letter is to be drawn."""

        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    for number in range(3):
        with pytest.raises(KeyboardInterrupt):
            deliver_due(
                delivery(clinic, Killing(), NOW + timedelta(minutes=2 * number)),  # type: ignore[arg-type]
                clinic.id,
            )
    deliver_due(delivery(clinic, renderer, NOW + timedelta(minutes=6)), clinic.id)
    with clinic.transaction() as session:
        message = only_message(session, referral)
    assert (message.state, message.crashes) == (MessageState.DEAD, 3)


def test_nothing_leaves_after_the_request_was_cancelled(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, EVENING, port), clinic.id)
    with clinic.transaction() as session:
        cancel_referral(session, clinic.actor, referral.id, referral.version, "changed plans", NOW)
    deliver_due(delivery(clinic, renderer, NOW + timedelta(days=1), port), clinic.id)
    assert box.messages == []
    with clinic.transaction() as session:
        assert only_message(session, referral).state is MessageState.CANCELLED
        assert referrals.get(session, referral.id).status is TaskStatus.CANCELLED


def test_a_name_that_no_font_can_print_is_parked_without_being_quoted(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    with clinic.transaction() as session:
        strange = people.patient(session, clinic, family="\U0001f600\U0001f600")
        referral = people.ask(
            session, clinic, people.order(session, clinic, strange), people.clinician(session, clinic)
        )[0]
    deliver_due(delivery(clinic, renderer), clinic.id)
    with clinic.transaction() as session:
        message = only_message(session, referral)
    assert message.state is MessageState.DEAD
    assert message.last_error
    assert "\U0001f600" not in message.last_error


def test_an_answer_is_thanked_for_with_a_sealed_record(
    clinic: ClinicFixture, renderer: Renderer, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id)
    with clinic.transaction() as session:
        receipt = people.respond_with(session, clinic, referral)
    deliver_due(delivery(clinic, renderer, smtp_port=port), clinic.id)
    with clinic.transaction() as session:
        record = documents.get(session, str(receipt.document_id))
        reference = resources.read(session, "DocumentReference", str(receipt.document_id)).document
    assert record.kind == "receipt"
    assert b"/ByteRange" in record.content
    assert reference["content"][0]["attachment"]["size"] == len(record.content)
    assert "Thank you" in str(box.messages[-1]["Subject"])


def test_the_ladder_climbs_by_the_clock_and_ends(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked(clinic)
    work = delivery(clinic, renderer)
    clock = work.now
    assert isinstance(clock, Clock)
    deliver_due(work, clinic.id)
    seen: list[tuple[str, str]] = []
    while True:
        with clinic.transaction() as session:
            row = referrals.get(session, referral.id)
            seen = [(m.kind, m.channel) for m in reversed(outbox.find(session, referral_id=referral.id))]
        if row.next_step_at is None:
            break
        clock.now = row.next_step_at
        for _ in range(2):  # a second sweep changes nothing
            with clinic.transaction() as session:
                send_reminders(session, clock.now)
        deliver_due(work, clinic.id)
    assert seen == [
        (MessageKind.REQUEST, Channel.EMAIL),
        (MessageKind.REMINDER, Channel.EMAIL),
        (MessageKind.REMINDER, Channel.FAX),
        (MessageKind.CANCELLED, Channel.FAX),
    ]
    assert (row.status, row.business_status) == (TaskStatus.CANCELLED, BusinessStatus.EXPIRED)
    # Ten business days after Tuesday the 3rd; the 11th is Veterans Day.
    assert clock.now == datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    with clinic.transaction() as session:
        steps = [e.event for e in referrals.events(session, referral.id) if e.event.startswith("step-")]
    assert steps == ["step-remind", "step-remind-other-channel", "step-call", "step-suggest-another"]
