"""The ladder when the world around it is late, changed, or broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from referral.domain.outgoing import MessageKind, MessageState
from referral.letters.render import Renderer
from referral.services.ask_clinic import ask_clinic
from referral.services.deliver_messages import deliver_due
from referral.services.send_reminders import send_reminders
from referral.storage import directory, outbox, referrals, tables
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import EVENING, Provider, asked, delivery, reached


def test_one_request_that_cannot_be_worked_on_holds_up_nobody(clinic: ClinicFixture) -> None:
    broken, healthy = (reached(clinic, asked(clinic)) for _ in range(2))
    with clinic.transaction() as session:
        session.connection.execute(
            update(tables.clinician)
            .where(tables.clinician.c.id == broken.clinician_id)
            .values(time_zone="Nowhere/Land")
        )
    due = healthy.next_step_at
    assert due is not None
    with clinic.transaction() as session:
        assert send_reminders(session, due) == 2
    with clinic.transaction() as session:
        assert referrals.get(session, healthy.id).climbed == 1
        later = referrals.get(session, broken.id)
        assert (later.climbed, later.next_step_at) == (0, due + timedelta(minutes=15))
        assert send_reminders(session, due) == 0


def test_a_row_that_comes_up_before_its_rung_is_put_back_to_it(clinic: ClinicFixture) -> None:
    """As after a closed day was added, or the clinician's time zone was corrected."""
    referral = asked(clinic)
    with clinic.transaction() as session:
        referrals.change(session, referral, next_step_at=NOW)
    with clinic.transaction() as session:
        assert send_reminders(session, NOW) == 1
        assert referrals.get(session, referral.id).next_step_at == referral.next_step_at
        assert send_reminders(session, NOW) == 0


def test_the_ladder_counts_from_the_first_delivery_however_late_it_was(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer, smtp_port=1), clinic.id)  # the mail server is down all Tuesday
    wednesday = datetime(2026, 11, 4, 17, 0, tzinfo=UTC)
    deliver_due(delivery(clinic, renderer, wednesday), clinic.id)
    with clinic.transaction() as session:
        moved = referrals.get(session, referral.id)
    assert moved.delivered_at == moved.started_at == wednesday
    assert moved.next_step_at == datetime(2026, 11, 6, 16, 0, tzinfo=UTC)  # Friday 9:00
    assert moved.due_at > referral.due_at


def test_a_code_by_fax_does_not_turn_the_reminder_into_a_fax(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer), clinic.id)
    with clinic.transaction() as session:
        contacts = directory.get_clinician(session, referral.clinician_id).contacts
        fax = next(contact for contact in contacts if contact.channel == "fax")
        outbox.put(
            session,
            referral,
            MessageKind.IDENTITY_CODE,
            ordinal=1,
            contact=fax,
            now=NOW + timedelta(minutes=1),
        )
        session.connection.execute(
            update(tables.message)
            .where(tables.message.c.kind == MessageKind.IDENTITY_CODE)
            .values(state=MessageState.ACCEPTED)
        )
    with clinic.transaction() as session:
        assert referral.next_step_at is not None
        send_reminders(session, referral.next_step_at)
        (reminder,) = (
            m for m in outbox.find(session, referral_id=referral.id) if m.kind is MessageKind.REMINDER
        )
    assert reminder.channel == "email"


def test_a_reminder_that_has_not_left_stays_when_the_clinician_asks_something(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    mail = Provider()
    deliver_due(delivery(clinic, renderer, email=mail), clinic.id)
    with clinic.transaction() as session:
        assert referral.next_step_at is not None
        send_reminders(session, referral.next_step_at)
    deliver_due(delivery(clinic, renderer, EVENING + timedelta(days=2), email=mail), clinic.id)
    with clinic.transaction() as session:
        ask_clinic(session, people.portal_actor(clinic), referral.id, "question", "Which dose?", NOW)
    deliver_due(delivery(clinic, renderer, NOW + timedelta(days=3), email=mail), clinic.id)
    assert len(mail.sent) == 1


def test_a_reminder_never_leaves_with_the_request_that_it_reminds_of(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    """As after an outage, or while a provider was down: the first letter goes first, and day 0 is then."""
    referral = asked(clinic)
    late = datetime(
        2026, 11, 5, 17, 0, tzinfo=UTC
    )  # Thursday 10:00, an hour after the first reminder was due
    with clinic.transaction() as session:
        assert send_reminders(session, late) == 1
        put_off = referrals.get(session, referral.id)
        assert (put_off.climbed, put_off.next_step_at) == (0, late + timedelta(minutes=15))
    deliver_due(delivery(clinic, renderer, late), clinic.id)
    with clinic.transaction() as session:
        moved = referrals.get(session, referral.id)
        kinds = [message.kind for message in outbox.find(session, referral_id=referral.id)]
    assert kinds == [MessageKind.REQUEST]
    assert (moved.started_at, moved.next_step_at) == (late, datetime(2026, 11, 9, 16, 0, tzinfo=UTC))
