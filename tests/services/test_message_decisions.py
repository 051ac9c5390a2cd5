"""What people decide about messages that do not move by themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from referral.channels.base import Outcome
from referral.domain.audit import Actor
from referral.domain.codes import Channel
from referral.domain.errors import NotFound, ReferralError, TransitionRefused
from referral.domain.outgoing import MAX_TRIES, MessageKind, MessageState, provider_key
from referral.domain.records import Bar, Referral
from referral.letters.render import Renderer
from referral.services.cancel_message import cancel_message
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import deliver_due
from referral.services.park_message import park_message
from referral.services.queue_message import queue_message
from referral.services.retry_message import retry_message
from referral.storage import credentials, directory, outbox, referrals, resources, tables
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture, Clock, forget_provider
from tests.services.sending import EVENING, Provider, asked, delivery

LATER = NOW + timedelta(hours=1)


class Desk:
    """One request, whose letter goes by `mail`."""

    def __init__(self, clinic: ClinicFixture, renderer: Renderer) -> None:
        self.clinic, self.mail = clinic, Provider()
        self.referral: Referral = asked(clinic, fax="")
        self.work = delivery(clinic, renderer, email=self.mail)

    @property
    def clock(self) -> Clock:
        assert isinstance(self.work.now, Clock)
        return self.work.now

    def deliver(self, at: datetime = NOW) -> None:
        self.clock.now = at
        deliver_due(self.work, self.clinic.id)

    @property
    def message(self) -> outbox.Message:
        with self.clinic.transaction() as session:
            found = outbox.find(session, referral_id=self.referral.id)
        return next(message for message in found if message.ordinal == 1)

    def ends_as(self, outcome: Outcome) -> outbox.Message:
        """The letter meets this fate."""
        self.mail.outcome = outcome
        now = NOW
        while self.message.finished_at is None:
            self.deliver(now)
            now = max(now + timedelta(seconds=1), self.message.not_before)
        self.mail.outcome = Outcome.ACCEPTED
        with self.clinic.transaction() as session:  # it has answered nobody for hours
            forget_provider(session, self.mail.name)
        return self.message

    def retry(self, **more: bool) -> None:
        with self.clinic.transaction() as session:
            retry_message(session, self.clinic.actor, str(self.message.id), LATER, **more)

    def does(self, what: Callable[[Session, Actor, str, datetime], None]) -> None:
        with self.clinic.transaction() as session:
            what(session, self.clinic.actor, str(self.message.id), LATER)

    def status(self) -> str:
        with self.clinic.transaction() as session:
            return str(resources.read(session, "Communication", str(self.message.id)).document["status"])

    def audited(self) -> list[tuple[str, str]]:
        """(what, the state before), by the person."""
        with self.clinic.transaction() as session:
            event = tables.audit_event
            rows = session.connection.execute(
                select(event.c.subtype, event.c.detail).where(
                    event.c.clinic_id == self.clinic.id,
                    event.c.entity == f"Communication/{self.message.id}",
                    event.c.actor_id == self.clinic.actor.id,
                )
            )
            return [(row.subtype, row.detail["was"]) for row in rows]


@pytest.fixture
def desk(clinic: ClinicFixture, renderer: Renderer) -> Desk:
    return Desk(clinic, renderer)


def test_a_dead_message_is_sent_once_more_with_a_new_key_and_the_same_bytes(desk: Desk) -> None:
    dead = desk.ends_as(Outcome.LATER)
    assert (dead.state, dead.tries) == (MessageState.DEAD, MAX_TRIES - 1)
    assert desk.status() == "not-done"
    first = desk.mail.sent[-1]
    desk.retry()
    assert (desk.message.state, desk.message.tries, desk.message.last_error) == (MessageState.READY, 0, None)
    assert desk.status() == "preparation"
    desk.deliver(LATER + timedelta(minutes=1))
    again = desk.mail.sent[-1]
    assert (first.key, again.key) == (provider_key(dead.id, 1), provider_key(dead.id, 2))
    assert again.content == first.content
    assert desk.message.state is MessageState.ACCEPTED
    assert desk.status() == "completed"
    assert desk.audited() == [("message-retried", "dead")]


def test_what_may_have_arrived_is_sent_again_only_on_somebodys_word(desk: Desk) -> None:
    assert desk.ends_as(Outcome.UNKNOWN).state is MessageState.UNKNOWN
    with pytest.raises(TransitionRefused, match="may have arrived"):
        desk.retry()
    desk.deliver(LATER)
    assert (len(desk.mail.sent), desk.audited()) == (1, [])
    desk.retry(did_not_arrive=True)
    desk.deliver(LATER + timedelta(minutes=1))
    assert [envelope.key for envelope in desk.mail.sent] == [
        provider_key(desk.message.id, 1),
        provider_key(desk.message.id, 2),
    ]


def test_what_waits_is_tried_at_once_and_stays_the_same_generation(desk: Desk) -> None:
    desk.mail.outcome = Outcome.LATER
    desk.deliver()
    waiting = desk.message
    assert waiting.not_before > NOW
    with desk.clinic.transaction() as session:
        retry_message(session, desk.clinic.actor, str(waiting.id), NOW)
    assert (desk.message.not_before, desk.message.generation, desk.message.tries) == (NOW, 1, 0)


def test_a_refused_one_can_be_tried_again_while_its_contact_stands(desk: Desk) -> None:
    assert desk.ends_as(Outcome.REFUSED).state is MessageState.FAILED
    desk.retry()
    desk.deliver(LATER)
    assert desk.message.state is MessageState.ACCEPTED


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED])
def test_what_has_left_is_not_tried_again(desk: Desk, outcome: Outcome) -> None:
    desk.ends_as(outcome)
    for what in (retry_message, park_message, cancel_message):
        with pytest.raises(TransitionRefused, match="has been handed over"):
            desk.does(what)
    assert (len(desk.mail.sent), desk.audited()) == (1, [])


def test_a_closed_request_is_not_written_about_any_more(desk: Desk) -> None:
    desk.ends_as(Outcome.LATER)
    with desk.clinic.transaction() as session:
        current = referrals.get(session, desk.referral.id)
        cancel_referral(session, desk.clinic.actor, current.id, current.version, "changed plans", LATER)
    with pytest.raises(TransitionRefused, match="makes no sense any more"):
        desk.retry()


def test_a_contact_that_does_not_work_gets_nothing_again(desk: Desk) -> None:
    message = desk.ends_as(Outcome.REFUSED)
    with desk.clinic.transaction() as session:
        row = tables.contact.c.id == message.contact_id
        session.connection.execute(tables.contact.update().where(row).values(barred_for=Bar.BAD_ADDRESS))
    with pytest.raises(TransitionRefused, match="marked as one that does not work"):
        desk.retry()


def test_a_letter_whose_link_has_ended_is_not_sent_again(desk: Desk) -> None:
    desk.ends_as(Outcome.LATER)
    with desk.clinic.transaction() as session:
        credentials.revoke_all(session, desk.referral.id, "test", LATER)
    with pytest.raises(TransitionRefused, match="link in it has ended"):
        desk.retry()


def test_a_code_is_not_sent_again(desk: Desk) -> None:
    with desk.clinic.transaction() as session:
        contact = directory.get_clinician(session, desk.referral.clinician_id).contacts[0]
        queue_message(session, desk.referral, MessageKind.IDENTITY_CODE, contact, NOW)
        code = next(
            m
            for m in outbox.find(session, referral_id=desk.referral.id)
            if m.kind is MessageKind.IDENTITY_CODE
        )
        with pytest.raises(TransitionRefused, match="asks for a new one"):
            retry_message(session, desk.clinic.actor, str(code.id), NOW)


def test_what_is_parked_stays_until_somebody_retries_it(desk: Desk) -> None:
    desk.deliver(EVENING)
    desk.does(park_message)
    assert (desk.message.state, desk.message.last_error) == (MessageState.DEAD, "set aside by a person")
    with pytest.raises(TransitionRefused, match="set aside already"):
        desk.does(park_message)
    desk.deliver(LATER)
    assert desk.mail.sent == []
    desk.retry()
    desk.deliver(LATER + timedelta(minutes=1))
    assert len(desk.mail.sent) == 1
    assert desk.audited() == [("message-parked", "ready"), ("message-retried", "dead")]


@pytest.mark.parametrize("first", [None, Outcome.LATER])
def test_what_is_cancelled_never_leaves_and_the_request_goes_on(desk: Desk, first: Outcome | None) -> None:
    if first is None:
        desk.deliver(EVENING)
    else:
        desk.ends_as(first)
    sent = len(desk.mail.sent)
    desk.does(cancel_message)
    assert (desk.message.state, desk.status()) == (MessageState.CANCELLED, "not-done")
    with pytest.raises(TransitionRefused, match="was cancelled"):
        desk.retry()
    desk.deliver(LATER + timedelta(hours=2))
    assert len(desk.mail.sent) == sent
    with desk.clinic.transaction() as session:
        assert referrals.get(session, desk.referral.id).is_open


def test_what_may_have_arrived_cannot_be_called_cancelled(desk: Desk) -> None:
    desk.ends_as(Outcome.UNKNOWN)
    with pytest.raises(TransitionRefused, match="may have arrived"):
        desk.does(cancel_message)


def test_nobody_decides_about_messages_of_another_clinic(desk: Desk, other_clinic: ClinicFixture) -> None:
    desk.ends_as(Outcome.LATER)
    for what in (retry_message, park_message, cancel_message):
        for id in (str(desk.message.id), "not an id", "0" * 36):
            with other_clinic.transaction() as session, pytest.raises(NotFound):
                what(session, other_clinic.actor, id, LATER)


def test_what_a_worker_holds_is_left_to_it(desk: Desk) -> None:
    """During the call nobody can stop it any more."""
    refusals: list[str] = []

    def somebody_decides() -> None:
        for what in (retry_message, park_message, cancel_message):
            try:
                desk.does(what)
            except ReferralError as error:
                refusals.append(str(error))

    desk.mail.then = somebody_decides
    desk.deliver()
    assert len(refusals) == 3
    assert all("at this moment" in refusal for refusal in refusals)
    assert desk.message.state is MessageState.ACCEPTED
    assert desk.message.channel is Channel.EMAIL
