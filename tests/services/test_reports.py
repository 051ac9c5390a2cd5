"""What providers tell about messages: it counts once, in whatever order and however often it comes."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from referral.channels.base import Fate, Outcome
from referral.domain.calls import CallReason
from referral.domain.codes import BusinessStatus, Channel, Role
from referral.domain.outgoing import MessageState
from referral.domain.records import Bar, Contact, Referral
from referral.letters.render import Renderer
from referral.services.attention import Reason
from referral.services.deliver_messages import deliver_due
from referral.services.find_today import find_today
from referral.services.take_report import Report, take_report
from referral.storage import contacts, directory, outbox, provider_polls, referrals, resources, tables
from tests.database import NOW, ClinicFixture
from tests.services.sending import Provider, asked, delivery, only_message

LATER = NOW + timedelta(minutes=7)


def report(message_id: uuid.UUID, fate: Fate, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "provider": "scripted",
        "event_id": f"event-{fate}",
        "message_id": message_id,
        "fate": fate,
        "reason": "the line was busy" if fate is Fate.FAILED else None,
        "at": NOW + timedelta(minutes=5),
        "reference": "ref",
    } | changes
    return Report(**values)


def told(clinic: ClinicFixture, *reports: Report, now: datetime = LATER) -> list[bool]:
    """Each in a transaction of its own, as they come."""
    changed = []
    for one in reports:
        with clinic.transaction() as session:
            changed.append(take_report(session, one, now))
    return changed


def sent(
    clinic: ClinicFixture, renderer: Renderer, referral: Referral, email: Provider | None = None
) -> uuid.UUID:
    """Hand over what is due; returns the id of the e-mail."""
    deliver_due(delivery(clinic, renderer, email=email or Provider()), clinic.id)
    return message_of(clinic, referral).id


def in_doubt(clinic: ClinicFixture, renderer: Renderer, referral: Referral) -> uuid.UUID:
    """An e-mail that nobody knows the fate of, and whose provider cannot be asked: it waits for a person."""
    provider = Provider(Outcome.UNKNOWN)
    for minutes in range(0, 6, 2):
        deliver_due(delivery(clinic, renderer, NOW + timedelta(minutes=minutes), email=provider), clinic.id)
    message = message_of(clinic, referral)
    assert (message.state, len(provider.sent)) == (MessageState.UNKNOWN, 1)
    return message.id


def message_of(clinic: ClinicFixture, referral: Referral, channel: Channel = Channel.EMAIL) -> outbox.Message:
    with clinic.transaction() as session:
        return next(m for m in outbox.find(session, referral_id=referral.id) if m.channel is channel)


def contact_of(clinic: ClinicFixture, referral: Referral, channel: Channel) -> Contact:
    with clinic.transaction() as session:
        clinician = directory.get_clinician(session, referral.clinician_id)
    return next(contact for contact in clinician.contacts if contact.channel is channel)


def events_of(clinic: ClinicFixture, referral: Referral) -> list[str]:
    with clinic.transaction() as session:
        return [event.event for event in referrals.events(session, referral.id)]


def audited(clinic: ClinicFixture, message_id: uuid.UUID) -> list[str]:
    table = tables.audit_event
    with clinic.transaction() as session:
        rows = session.connection.execute(
            select(table.c.subtype)
            .where(table.c.entity == f"Communication/{message_id}")
            .order_by(table.c.id)
        )
        return [row.subtype for row in rows]


def communication(clinic: ClinicFixture, message_id: uuid.UUID) -> dict[str, Any]:
    with clinic.transaction() as session:
        return resources.read(session, "Communication", str(message_id)).document


def test_a_delivery_is_told_to_message_timeline_communication_and_audit(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    assert told(clinic, report(id, Fate.DELIVERED)) == [True]
    message, document = message_of(clinic, referral), communication(clinic, id)
    assert (message.state, message.finished_at, message.last_error) == (MessageState.DELIVERED, NOW, None)
    assert (document["status"], document["sent"][:16], document["received"][:16]) == (
        "completed",
        f"{NOW:%Y-%m-%dT%H:%M}",
        f"{NOW + timedelta(minutes=5):%Y-%m-%dT%H:%M}",
    )
    assert events_of(clinic, referral)[-2:] == ["sent", "delivered"]
    assert audited(clinic, id) == ["disclose", "delivered"]
    assert contact_of(clinic, referral, Channel.EMAIL).last_success_at == LATER


def test_a_failure_after_acceptance_goes_another_way_at_once(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    assert told(clinic, report(id, Fate.FAILED)) == [True]
    message = message_of(clinic, referral)
    assert (message.state, message.last_error) == (MessageState.FAILED, "the line was busy")
    assert communication(clinic, id)["status"] == "not-done"
    assert events_of(clinic, referral)[-1] == "failed-after-all"
    assert audited(clinic, id) == ["disclose", "delivery-failed"]
    assert contact_of(clinic, referral, Channel.EMAIL).last_failure_at == LATER
    with clinic.transaction() as session:
        now = referrals.get(session, referral.id)
        task = resources.read(session, "Task", referral.task_id).document
    assert (now.delivered_at, now.business_status) == (None, BusinessStatus.DELIVERY_FAILED)
    assert task["businessStatus"]["coding"][0]["code"] == "delivery-failed"
    assert message_of(clinic, referral, Channel.FAX).state is MessageState.QUEUED
    deliver_due(delivery(clinic, renderer, LATER, fax=Provider()), clinic.id)
    with clinic.transaction() as session:
        after = referrals.get(session, referral.id)
    assert (after.delivered_at, after.business_status) == (LATER, BusinessStatus.SENT)


def test_staff_see_a_failure_for_which_there_is_no_other_way(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic, fax="", address=())
    id = sent(clinic, renderer, referral)
    told(clinic, report(id, Fate.FAILED))
    actor = clinic.actor
    with clinic.transaction() as session:
        board = find_today(session, actor, LATER.date(), LATER)
    (item,) = [item for item in board.attention if item.reason is Reason.NOT_DELIVERED]
    assert item.message is not None
    assert (item.message.id, item.since, actor.role) == (id, LATER, Role.FRONT_DESK)
    (call,) = board.calls
    assert (call.task.why, call.followed.referral.id) == (CallReason.ONLY_CONTACT, referral.id)


D, F = Fate.DELIVERED, Fate.FAILED


@pytest.mark.parametrize("order", [(D, F), (F, D), (D, D, F), (F, F, D), (F, D, F), (D, F, D, F)])
def test_whatever_the_order_a_delivery_stands_and_each_event_counts_once(
    clinic: ClinicFixture, renderer: Renderer, order: tuple[Fate, ...]
) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    told(clinic, *(report(id, fate) for fate in order))
    assert message_of(clinic, referral).state is MessageState.DELIVERED
    assert communication(clinic, id)["status"] == "completed"
    events = events_of(clinic, referral)
    assert (events.count("delivered"), events.count("failed-after-all")) == (1, int(order[0] is Fate.FAILED))
    with clinic.transaction() as session:
        assert referrals.get(session, referral.id).delivered_at is not None
        kept = session.connection.scalar(select(func.count()).where(tables.provider_event.c.message_id == id))
    assert kept == len(set(order))


def test_a_late_failure_under_another_event_leaves_a_delivery_alone(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    told(clinic, report(id, Fate.DELIVERED))
    assert told(clinic, report(id, Fate.FAILED, event_id="late")) == [False]
    assert message_of(clinic, referral).state is MessageState.DELIVERED
    assert contact_of(clinic, referral, Channel.EMAIL).last_failure_at is None


@pytest.mark.parametrize(
    ("fate", "state", "other"),
    [
        (Fate.DELIVERED, MessageState.DELIVERED, []),
        (Fate.FAILED, MessageState.FAILED, [MessageState.QUEUED]),
    ],
)
def test_a_report_that_overtakes_the_answer_to_the_call_decides(
    clinic: ClinicFixture, renderer: Renderer, fate: Fate, state: MessageState, other: list[MessageState]
) -> None:
    referral = asked(clinic)
    id = message_of(clinic, referral).id
    provider = Provider(then=lambda: told(clinic, report(id, fate), now=NOW))
    sent(clinic, renderer, referral, email=provider)
    message = message_of(clinic, referral)
    assert (message.state, len(provider.sent)) == (state, 1)
    assert audited(clinic, id).count("disclose") == int(fate is Fate.DELIVERED)
    if fate is Fate.DELIVERED:
        assert (message.provider_reference, message.sent_for_real) == ("ref", True)
        with clinic.transaction() as session:
            assert referrals.get(session, referral.id).delivered_at == NOW
    with clinic.transaction() as session:
        found = outbox.find(session, referral_id=referral.id)
    assert len([m for m in found if m.channel is Channel.FAX]) == len(other)


def test_a_delivery_proves_that_an_unknown_message_had_been_taken(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = in_doubt(clinic, renderer, referral)
    assert told(clinic, report(id, Fate.DELIVERED)) == [True]
    message = message_of(clinic, referral)
    assert (message.state, message.provider_reference) == (MessageState.DELIVERED, "ref")
    assert audited(clinic, id) == ["disclose", "delivered"]
    with clinic.transaction() as session:
        now = referrals.get(session, referral.id)
        events = session.connection.scalar(
            select(func.count()).where(
                tables.safety_event.c.kind == "sent", tables.safety_event.c.subject == str(id)
            )
        )
    # What has left is in the stream that survives a restore, as for every other message.
    assert (now.delivered_at, now.business_status, events) == (LATER, BusinessStatus.SENT, 1)


def test_a_failure_ends_an_unknown_message_and_goes_another_way(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = in_doubt(clinic, renderer, referral)
    assert told(clinic, report(id, Fate.FAILED)) == [True]
    assert message_of(clinic, referral).state is MessageState.FAILED
    assert message_of(clinic, referral, Channel.FAX).state is MessageState.QUEUED
    assert audited(clinic, id) == ["delivery-failed"]


def test_a_failure_of_what_was_sent_again_since_is_of_no_interest(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    assert told(clinic, report(id, Fate.FAILED, reference="an earlier one")) == [False]
    assert message_of(clinic, referral).state is MessageState.ACCEPTED


def test_a_failure_that_comes_again_does_not_fail_what_was_sent_again_since(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    """A bounce carries no reference: only its own name tells that it has been taken before."""
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    bounce = report(id, Fate.FAILED, reference=None)
    assert told(clinic, bounce) == [True]
    with clinic.transaction() as session:
        message = outbox.get(session, id, lock=True)
        assert message is not None
        outbox.settle(session, message, MessageState.ACCEPTED, generation=2)
    assert told(clinic, bounce, bounce) == [False, False]
    assert message_of(clinic, referral).state is MessageState.ACCEPTED


@pytest.mark.parametrize(("generation", "state"), [(1, MessageState.SENDING), (2, MessageState.FAILED)])
def test_a_failure_of_the_first_sending_does_not_end_the_second_one(
    clinic: ClinicFixture, renderer: Renderer, generation: int, state: MessageState
) -> None:
    """While it is sent again nobody knows a reference to tell the two apart by."""
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    with clinic.transaction() as session:
        message = outbox.get(session, id, lock=True)
        assert message is not None
        again = {"generation": 2, "provider_reference": None}
        outbox.settle(session, message, MessageState.SENDING, **again)
    about = report(id, Fate.FAILED, reference="of one of them", generation=generation)
    assert told(clinic, about) == [state is MessageState.FAILED]
    assert message_of(clinic, referral).state is state


def test_reports_about_what_never_left_or_belongs_to_another_clinic_change_nothing(
    clinic: ClinicFixture, other_clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = message_of(clinic, referral).id
    assert told(clinic, report(id, Fate.DELIVERED), report(uuid.uuid4(), Fate.FAILED)) == [False, False]
    assert message_of(clinic, referral).state is MessageState.QUEUED
    sent(clinic, renderer, referral)
    assert told(other_clinic, report(id, Fate.FAILED, event_id="other")) == [False]
    assert told(clinic, report(id, Fate.PENDING, event_id="no news")) == [False]
    assert message_of(clinic, referral).state is MessageState.ACCEPTED


def test_whoever_has_opened_the_letter_has_it_whatever_its_carrier_says(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    with clinic.transaction() as session:
        session.connection.execute(
            tables.referral.update()
            .where(tables.referral.c.id == referral.id)
            .values(status="received", version=referral.version + 5)
        )
    told(clinic, report(id, Fate.FAILED))
    with clinic.transaction() as session:
        # Whoever has opened the letter has it, whatever its carrier says.
        assert referrals.get(session, referral.id).delivered_at == NOW
        assert only_message_by(session, referral, Channel.EMAIL).state is MessageState.FAILED


def only_message_by(session: Any, referral: Referral, channel: Channel) -> outbox.Message:
    (message,) = [m for m in outbox.find(session, referral_id=referral.id) if m.channel is channel]
    return message


def test_a_providers_clock_that_is_ahead_is_not_believed(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    told(clinic, report(id, Fate.DELIVERED, at=LATER + timedelta(days=400)))
    assert communication(clinic, id)["received"][:10] == f"{LATER:%Y-%m-%d}"
    with clinic.transaction() as session:
        assert only_message(session, referral).state is MessageState.DELIVERED


def test_a_delivery_that_comes_after_a_failure_keeps_what_goes_another_way_from_leaving(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    told(clinic, report(id, Fate.FAILED))
    assert message_of(clinic, referral, Channel.FAX).state is MessageState.QUEUED
    told(clinic, report(id, Fate.DELIVERED))
    fax = message_of(clinic, referral, Channel.FAX)
    assert (fax.state, fax.finished_at) == (MessageState.CANCELLED, LATER)
    assert communication(clinic, fax.id)["status"] == "not-done"
    provider = Provider()
    deliver_due(delivery(clinic, renderer, LATER, fax=provider), clinic.id)
    assert provider.sent == []


@pytest.mark.parametrize(
    ("barred_at", "arrived_at", "is_barred"),
    [
        # Its own failure was no failure after all, whenever the provider says that it arrived.
        (None, NOW + timedelta(minutes=5), False),
        # Another one had come back before this one arrived, or came back after it.
        (NOW + timedelta(minutes=4), NOW + timedelta(minutes=5), False),
        (NOW + timedelta(minutes=6), NOW + timedelta(minutes=5), True),
    ],
)
def test_an_address_at_which_a_message_arrived_does_exist(
    clinic: ClinicFixture,
    renderer: Renderer,
    barred_at: datetime | None,
    arrived_at: datetime,
    is_barred: bool,
) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    contact = contact_of(clinic, referral, Channel.EMAIL)
    if barred_at is None:
        told(clinic, report(id, Fate.FAILED, bad_address=True))
    else:
        with clinic.transaction() as session:
            contacts.bar(session, contact.id, Bar.BAD_ADDRESS, barred_at)
    assert contact_of(clinic, referral, Channel.EMAIL).barred_for is Bar.BAD_ADDRESS
    told(clinic, report(id, Fate.DELIVERED, at=arrived_at))
    assert contact_of(clinic, referral, Channel.EMAIL).barred_for == (Bar.BAD_ADDRESS if is_barred else None)


def test_an_arrival_does_not_make_somebody_else_the_recipient(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    """What a person has found out on the telephone is not made better by a provider."""
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    contact = contact_of(clinic, referral, Channel.EMAIL)
    with clinic.transaction() as session:
        contacts.bar(session, contact.id, Bar.WRONG_RECIPIENT, NOW)
    told(clinic, report(id, Fate.DELIVERED))
    assert contact_of(clinic, referral, Channel.EMAIL).barred_for is Bar.WRONG_RECIPIENT


def test_a_delivery_that_comes_after_a_failure_calls_nothing_back_that_has_left(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    told(clinic, report(id, Fate.FAILED))
    deliver_due(delivery(clinic, renderer, LATER, fax=Provider()), clinic.id)
    told(clinic, report(id, Fate.DELIVERED))
    assert message_of(clinic, referral, Channel.FAX).state is MessageState.ACCEPTED


def test_whoever_may_speak_for_one_message_cannot_fill_the_table(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    """Sixty true reports that change nothing; the one that matters counts after them all the same."""
    referral = asked(clinic)
    id = sent(clinic, renderer, referral)
    old = [report(id, Fate.FAILED, event_id=f"old-{n}", reference="another") for n in range(60)]
    assert not any(told(clinic, *old))
    table = tables.provider_event
    with clinic.transaction() as session:
        query = select(func.count()).where(table.c.clinic_id == clinic.id, table.c.message_id == id)
        assert session.connection.scalar(query) == 40
    assert told(clinic, report(id, Fate.FAILED)) == [True]
    assert message_of(clinic, referral).state is MessageState.FAILED


def test_questions_to_providers_are_forgotten_when_nobody_will_ask_again(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    known, unknown = asked(clinic), asked(clinic)
    deliver_due(delivery(clinic, renderer, email=Provider()), clinic.id)
    with clinic.transaction() as session:
        for referral in (known, unknown):
            message = next(m for m in outbox.find(session, referral_id=referral.id))
            provider_polls.note_asked(session, message.id, LATER)
    told(clinic, report(message_of(clinic, known).id, Fate.DELIVERED))

    def forgotten(before: datetime) -> int:
        with clinic.transaction() as session:
            return provider_polls.forget(session, before)

    assert [forgotten(NOW - timedelta(seconds=1)) for _ in range(2)] == [1, 0]
    assert forgotten(NOW) == 1
