"""Messages by the batch: few statements, fences, leases, caps, circuit breakers, urgent ones, doubts."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from referral.channels.base import Envelope, Outcome, Sent
from referral.channels.pools import Pools
from referral.domain.codes import Channel
from referral.domain.outgoing import MAX_TRIES, MessageKind, MessageState, provider_key
from referral.domain.providers import OPENS_AFTER, Circuit, Limits
from referral.domain.records import Contact, Referral
from referral.letters.render import Renderer
from referral.services.batches import Delivery
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import deliver_due
from referral.services.queue_message import queue_message
from referral.storage import audit, contacts, directory, outbox, providers, referrals, tables
from tests.database import NOW, ClinicFixture, Clock
from tests.services import people
from tests.services.sending import EVENING, Provider, delivery

LATER = timedelta(minutes=5)


class Asked(Provider):
    """A provider that can be asked: `known` is what it says of a message, `asked` what it was asked about."""

    def __init__(self, *arguments: Any, known: Sent | None = None, repeatable: bool = False) -> None:
        super().__init__(*arguments)
        self.known = known
        self.repeatable = repeatable
        self.asked: list[tuple[Envelope, datetime]] = []

    def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:
        self.asked.append((envelope, since))
        return self.known


def notices(clinic: ClinicFixture, count: int, kind: MessageKind = MessageKind.CANCELLED) -> list[Referral]:
    """Requests of `count` patients to one clinician, each with a text message by SMS that is due."""
    with clinic.transaction() as session:
        clinician = people.clinician(session, clinic)
        number = Contact(id=str(uuid.uuid4()), channel=Channel.SMS, address="+13035550177", source="patient")
        contacts.put(session, clinician.id, number, clinic.actor.id)
        made = []
        for place in range(count):
            patient = people.patient(session, clinic, given=f"Ada{place}")
            referral = people.ask(session, clinic, people.order(session, clinic, patient), clinician)[0]
            queue_message(session, referral, kind, number, NOW)
            made.append(referral)
        session.connection.execute(
            update(tables.message)
            .where(tables.message.c.clinic_id == clinic.id, tables.message.c.kind == MessageKind.REQUEST)
            .values(state=MessageState.CANCELLED, finished_at=NOW)
        )
    return made


def texts(clinic: ClinicFixture) -> list[outbox.Message]:
    with clinic.transaction() as session:
        return [m for m in outbox.find(session, limit=1000) if m.kind is not MessageKind.REQUEST]


def states(clinic: ClinicFixture) -> set[str]:
    return {message.state for message in texts(clinic)}


@contextmanager
def statements(clinic: ClinicFixture) -> Iterator[list[str]]:
    """What is executed meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(clinic.database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(clinic.database.engine, "before_cursor_execute", note)


def sms(clinic: ClinicFixture, renderer: Renderer, provider: Provider, now: datetime = NOW) -> Delivery:
    return delivery(clinic, renderer, now, sms=provider)


# ---- Batches


def test_a_batch_costs_as_many_statements_as_one_message(clinic: ClinicFixture, renderer: Renderer) -> None:
    provider = Provider()
    provider.at_once = 16
    counts = []
    for count in (1, 16):
        notices(clinic, count)
        with statements(clinic) as seen:
            assert deliver_due(sms(clinic, renderer, provider), clinic.id) == count
        counts.append(len(seen))
    assert len(provider.sent) == 17
    assert states(clinic) == {MessageState.ACCEPTED}
    # A full batch is followed by a look for the next one.
    assert counts[1] <= counts[0] + 12, counts


def test_every_message_of_a_batch_is_a_disclosure_and_stands_on_its_timeline(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    made = notices(clinic, 5)
    provider = Provider()
    provider.at_once = 5
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    for referral in made:
        with clinic.transaction() as session:
            (message,) = (m for m in texts(clinic) if m.referral_id == referral.id)
            sent = [e for e in referrals.events(session, referral.id) if e.event == "sent"]
            rows = audit.find(session, patient_id=referral.patient_id)
        assert [e.detail["message"] for e in sent] == [str(message.id)]
        assert [r.entity for r in rows if r.subtype == "disclose"] == [f"Communication/{message.id}"]


def test_calls_of_a_batch_go_out_at_the_same_time(clinic: ClinicFixture, renderer: Renderer) -> None:
    notices(clinic, 4)
    together = threading.Barrier(4)
    provider = Provider(then=lambda: together.wait(30))
    provider.at_once = 4
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    assert states(clinic) == {MessageState.ACCEPTED}


def test_a_request_that_somebody_holds_is_left_out_and_holds_up_no_other(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    made = notices(clinic, 3)
    provider = Provider()
    with clinic.transaction() as session:
        referrals.get(session, made[1].id, lock=True)
        deliver_due(sms(clinic, renderer, provider), clinic.id)
        waiting = [m.referral_id for m in texts(clinic) if m.state is MessageState.QUEUED]
    assert (waiting, len(provider.sent)) == ([made[1].id], 2)
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    assert states(clinic) == {MessageState.ACCEPTED}


def test_two_workers_and_somebody_who_locks_in_another_order_never_wait_in_a_circle(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    made = notices(clinic, 24)
    provider = Provider()
    provider.at_once = 8
    errors: list[BaseException] = []

    def backwards() -> None:
        for _ in range(6):
            with clinic.transaction() as session:
                for referral in reversed(made):
                    referrals.get(session, referral.id, lock=True)

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    def deliver() -> None:
        deliver_due(sms(clinic, renderer, provider), clinic.id)

    threads = [threading.Thread(target=run, args=(work,)) for work in (deliver, deliver, backwards)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    deliver()
    assert errors == []
    assert states(clinic) == {MessageState.ACCEPTED}
    assert len({envelope.key for envelope in provider.sent}) == len(provider.sent) == 24


def test_one_message_that_cannot_be_recorded_does_not_keep_the_others_back(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    notices(clinic, 4)

    class Odd(Provider):
        """Names one of its messages in a way that no database takes."""

        def send(self, envelope: Envelope) -> Sent:
            sent = super().send(envelope)
            return replace(sent, reference="\x00") if len(self.sent) == 2 else sent

    provider = Odd()
    provider.at_once = 1
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    found = sorted(message.state for message in texts(clinic))
    assert found == [MessageState.ACCEPTED] * 3 + [MessageState.SENDING]


# ---- Leases, fences, poison


def test_what_comes_back_after_its_lease_has_no_say_any_more(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    notices(clinic, 1)
    provider = Asked(known=Sent(Outcome.ACCEPTED, reference="as asked"))
    work = sms(clinic, renderer, provider)

    def another_worker_finds_it() -> None:
        provider.then = list
        assert isinstance(work.now, Clock)
        work.now.now += timedelta(seconds=61)
        deliver_due(sms(clinic, renderer, provider, work.now()), clinic.id)

    provider.then = another_worker_finds_it
    deliver_due(work, clinic.id)
    (message,) = texts(clinic)
    assert (message.state, message.provider_reference) == (MessageState.ACCEPTED, "as asked")
    assert len(provider.sent) == 1


def test_a_call_that_the_lease_would_not_cover_is_not_begun(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    notices(clinic, 2)
    provider = Provider()
    provider.at_once = 2
    work = sms(clinic, renderer, provider)
    assert isinstance(work.now, Clock)
    clock: Clock = work.now

    class Slow(Pools):
        """Threads that are free only when most of the lease has passed."""

        def of(self, *arguments: Any, **options: Any) -> Any:
            if clock.now == NOW:
                clock.now += timedelta(seconds=45)
            return super().of(*arguments, **options)

    deliver_due(replace(work, pools=Slow()), clinic.id)
    assert provider.sent == []
    assert {(m.state, m.tries, m.crashes) for m in texts(clinic)} == {(MessageState.READY, 0, 0)}
    deliver_due(sms(clinic, renderer, provider, clock.now), clinic.id)
    assert len(provider.sent) == 2


class Deadly:
    """Takes its worker down when the letter of this patient is drawn."""

    def __init__(self, renderer: Renderer, name: str) -> None:
        self._renderer, self._name = renderer, name

    def __getattr__(self, method: str) -> Any:
        def draw(letter: Any, *rest: Any) -> Any:
            if self._name in letter.patient_name:
                raise KeyboardInterrupt
            return getattr(self._renderer, method)(letter, *rest)

        return draw


def test_a_row_that_kills_its_workers_is_set_aside_and_its_neighbours_arrive(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    with clinic.transaction() as session:
        made: list[Referral] = []
        for given in ("Ada", "Deadly", "Grace"):
            order = people.order(session, clinic, people.patient(session, clinic, given=given))
            made += people.ask(session, clinic, order, people.clinician(session, clinic))
    now = NOW
    for _ in range(3):
        deadly: Any = Deadly(renderer, "Deadly")
        with pytest.raises(KeyboardInterrupt):
            deliver_due(delivery(clinic, deadly, now), clinic.id)
        now += timedelta(minutes=2)
    deliver_due(delivery(clinic, renderer, now), clinic.id)
    with clinic.transaction() as session:
        found = {m.referral_id: m for m in outbox.find(session)}
    assert found[made[1].id].state is MessageState.DEAD
    assert {found[made[0].id].state, found[made[2].id].state} == {MessageState.ACCEPTED}


# ---- Caps and circuit breaker


def test_all_workers_together_keep_to_what_a_provider_takes_at_once(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    notices(clinic, 12)
    open_calls, most, lock = 0, 0, threading.Lock()
    release = threading.Event()

    class Counting(Provider):
        at_once = 4

        def send(self, envelope: Envelope) -> Sent:
            nonlocal open_calls, most
            with lock:
                open_calls += 1
                most = max(most, open_calls)
                if open_calls == 3:
                    release.set()
            release.wait(30)
            with lock:
                open_calls -= 1
            return super().send(envelope)

    provider = Counting()
    works = [sms(clinic, renderer, provider) for _ in range(3)]
    capped = [
        replace(work, channels=replace(work.channels, limits={provider.name: Limits(at_once=3)}))
        for work in works
    ]
    threads = [threading.Thread(target=deliver_due, args=(work, clinic.id)) for work in capped]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    deliver_due(capped[0], clinic.id)
    assert states(clinic) == {MessageState.ACCEPTED}
    assert most == 3


def circuit(clinic: ClinicFixture, name: str, now: datetime) -> Circuit:
    with clinic.database.transaction() as session:
        (found,) = (p for p in providers.every(session) if p.name == name)
    return found.circuit(now)


def test_a_provider_that_is_down_is_left_alone_and_waiting_uses_up_no_try(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    notices(clinic, 12)
    provider = Provider(Outcome.LATER)
    provider.at_once = OPENS_AFTER
    work = sms(clinic, renderer, provider)
    deliver_due(work, clinic.id)
    assert len(provider.sent) == OPENS_AFTER
    assert circuit(clinic, provider.name, NOW) is Circuit.OPEN
    assert sorted(m.tries for m in texts(clinic)) == [0] * 7 + [1] * OPENS_AFTER
    deliver_due(sms(clinic, renderer, provider), clinic.id)  # another worker knows it too
    assert len(provider.sent) == OPENS_AFTER
    rested = NOW + timedelta(seconds=31)
    deliver_due(sms(clinic, renderer, provider, rested), clinic.id)
    assert len(provider.sent) == OPENS_AFTER + 1  # a probe, and it failed
    provider.outcome = Outcome.ACCEPTED
    deliver_due(sms(clinic, renderer, provider, rested + LATER), clinic.id)
    assert states(clinic) == {MessageState.ACCEPTED}
    assert circuit(clinic, provider.name, rested + LATER) is Circuit.CLOSED


def test_busy_recipients_say_nothing_about_their_provider(clinic: ClinicFixture, renderer: Renderer) -> None:
    notices(clinic, OPENS_AFTER + 1)

    class Busy(Provider):
        def send(self, envelope: Envelope) -> Sent:
            return replace(super().send(envelope), about_provider=False)

    provider = Busy(Outcome.LATER)
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    assert len(provider.sent) == OPENS_AFTER + 1
    assert circuit(clinic, provider.name, NOW) is Circuit.CLOSED


def test_a_provider_that_names_a_time_is_asked_again_then(clinic: ClinicFixture, renderer: Renderer) -> None:
    notices(clinic, 1)

    class Throttling(Provider):
        def send(self, envelope: Envelope) -> Sent:
            return replace(super().send(envelope), retry_after=timedelta(minutes=3))

    provider = Throttling(Outcome.LATER)
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    (message,) = texts(clinic)
    assert message.not_before == NOW + timedelta(minutes=3)
    assert circuit(clinic, provider.name, NOW + timedelta(minutes=2)) is Circuit.OPEN


# ---- Urgent ones


def test_a_link_that_somebody_waits_for_is_not_behind_a_bulk_that_hangs(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    made = notices(clinic, 8)
    link_is_out = threading.Event()

    class Hanging(Provider):
        """Hangs with notices until a link has been handed over."""

        at_once = 2

        def send(self, envelope: Envelope) -> Sent:
            if b"new link" in envelope.content:
                link_is_out.set()
            elif not link_is_out.is_set():
                self.then()
                assert link_is_out.wait(30)
            return super().send(envelope)

    def somebody_asks() -> None:
        provider.then = list
        with clinic.transaction() as session:
            clinician = directory.get_clinician(session, made[0].clinician_id)
            (contact,) = (c for c in clinician.contacts if c.channel is Channel.SMS)
            queue_message(session, made[0], MessageKind.FRESH_LINK, contact, NOW)

    provider = Hanging(then=somebody_asks)
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    assert link_is_out.is_set()


# ---- Doubts


def left_in_the_middle(clinic: ClinicFixture, renderer: Renderer, count: int = 1) -> None:
    """Messages whose worker died during the call, a minute before NOW."""
    notices(clinic, count)
    deliver_due(delivery(clinic, renderer, EVENING, sms=Provider()), clinic.id)
    with clinic.transaction() as session:
        session.connection.execute(
            update(tables.message)
            .where(tables.message.c.clinic_id == clinic.id, tables.message.c.state == MessageState.READY)
            .values(
                state=MessageState.SENDING,
                attempts=1,
                lease_until=EVENING,
                sending_since=EVENING - timedelta(minutes=1),
            )
        )


MORNING = EVENING + timedelta(hours=13)


@pytest.mark.parametrize(
    ("known", "state", "sent"),
    [
        (Sent(Outcome.ACCEPTED, reference="it has it"), MessageState.ACCEPTED, 0),
        (Sent(Outcome.REFUSED, reason="gave up"), MessageState.FAILED, 0),
        (Sent(Outcome.LATER), MessageState.READY, 0),
        (None, MessageState.UNKNOWN, 0),
        (Sent(Outcome.UNKNOWN, reason="not reached"), MessageState.SENDING, 0),
    ],
)
def test_a_provider_without_keys_is_asked_and_nothing_is_sent_blindly(
    clinic: ClinicFixture, renderer: Renderer, known: Sent | None, state: MessageState, sent: int
) -> None:
    left_in_the_middle(clinic, renderer)
    provider = Asked(known=known)
    deliver_due(sms(clinic, renderer, provider, MORNING), clinic.id)
    (message,) = texts(clinic)
    assert (message.state, len(provider.sent), len(provider.asked)) == (state, sent, 1)
    envelope, since = provider.asked[0]
    assert envelope.key == provider_key(message.id, message.generation)
    assert since == EVENING - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("known", "state", "reference"),
    [
        (Sent(Outcome.ACCEPTED, reference="of the other"), MessageState.READY, None),
        (
            Sent(Outcome.ACCEPTED, reference="of the other", others=("its own",)),
            MessageState.ACCEPTED,
            "its own",
        ),
    ],
)
def test_a_message_with_the_same_words_is_not_taken_for_it(
    clinic: ClinicFixture, renderer: Renderer, known: Sent, state: MessageState, reference: str | None
) -> None:
    """The provider knows messages by their words alone; one of that name is on record as another."""
    (referral,) = notices(clinic, 1)
    deliver_due(sms(clinic, renderer, Provider(reference="of the other")), clinic.id)
    (first,) = texts(clinic)
    with clinic.transaction() as session:
        number = contacts.get_many(session, [first.contact_id])[first.contact_id]
        queue_message(session, referral, MessageKind.CANCELLED, number, NOW, ordinal=2)
    provider = Asked(Outcome.UNKNOWN, known=known)
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    deliver_due(sms(clinic, renderer, provider, NOW + timedelta(seconds=31)), clinic.id)
    second = next(message for message in texts(clinic) if message.ordinal == 2)
    assert (second.state, second.provider_reference, len(provider.asked)) == (state, reference, 1)


def test_two_in_doubt_with_the_same_words_do_not_share_what_the_provider_has(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    (referral,) = notices(clinic, 1)
    (first,) = texts(clinic)
    with clinic.transaction() as session:
        number = contacts.get_many(session, [first.contact_id])[first.contact_id]
        queue_message(session, referral, MessageKind.CANCELLED, number, NOW, ordinal=2)
    provider = Asked(Outcome.UNKNOWN, known=Sent(Outcome.ACCEPTED, reference="one of them"))
    provider.at_once = 2
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    deliver_due(sms(clinic, renderer, provider, NOW + timedelta(seconds=31)), clinic.id)
    assert len(provider.asked) == 2
    found = sorted((message.state, message.provider_reference or "") for message in texts(clinic))
    assert found == [(MessageState.ACCEPTED, "one of them"), (MessageState.READY, "")]


def test_what_a_provider_never_had_is_sent_again_once(clinic: ClinicFixture, renderer: Renderer) -> None:
    left_in_the_middle(clinic, renderer)
    provider = Asked(known=Sent(Outcome.LATER))
    deliver_due(sms(clinic, renderer, provider, MORNING), clinic.id)
    deliver_due(sms(clinic, renderer, provider, MORNING + LATER), clinic.id)
    assert states(clinic) == {MessageState.ACCEPTED}
    assert len(provider.sent) == 1


def test_a_provider_that_knows_keys_is_given_the_same_one_again(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    left_in_the_middle(clinic, renderer)
    provider = Asked(repeatable=True)
    deliver_due(sms(clinic, renderer, provider, MORNING), clinic.id)
    (message,) = texts(clinic)
    assert (message.state, message.crashes) == (MessageState.ACCEPTED, 1)
    assert [e.key for e in provider.sent] == [provider_key(message.id, message.generation)]
    assert provider.asked == []


def test_outside_of_office_hours_it_is_asked_and_not_repeated(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    left_in_the_middle(clinic, renderer)
    provider = Asked(repeatable=True)
    night = EVENING + timedelta(hours=1)
    deliver_due(sms(clinic, renderer, provider, night), clinic.id)
    assert (provider.sent, len(provider.asked), states(clinic)) == ([], 1, {MessageState.SENDING})
    deliver_due(sms(clinic, renderer, provider, MORNING), clinic.id)
    assert (len(provider.sent), states(clinic)) == (1, {MessageState.ACCEPTED})


def test_a_key_is_not_trusted_after_a_day(clinic: ClinicFixture, renderer: Renderer) -> None:
    left_in_the_middle(clinic, renderer)
    provider = Asked(repeatable=True)
    deliver_due(sms(clinic, renderer, provider, MORNING + timedelta(days=1)), clinic.id)
    assert (provider.sent, len(provider.asked), states(clinic)) == ([], 1, {MessageState.UNKNOWN})


def test_what_was_cancelled_meanwhile_is_not_sent_again_even_with_a_key(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    made = notices(clinic, 1, MessageKind.FRESH_LINK)
    deliver_due(delivery(clinic, renderer, NOW, sms=Provider(Outcome.LATER)), clinic.id)
    with clinic.transaction() as session:
        session.connection.execute(
            update(tables.message)
            .where(tables.message.c.clinic_id == clinic.id, tables.message.c.state == MessageState.READY)
            .values(state=MessageState.SENDING, attempts=5, lease_until=NOW, sending_since=NOW)
        )
        cancel_referral(
            session,
            clinic.actor,
            made[0].id,
            referrals.get(session, made[0].id).version,
            "changed plans",
            NOW,
        )
    provider = Asked(repeatable=True)
    deliver_due(sms(clinic, renderer, provider, NOW + LATER), clinic.id)
    with clinic.transaction() as session:
        (message,) = (m for m in outbox.find(session) if m.kind is MessageKind.FRESH_LINK)
    assert (message.state, provider.sent, len(provider.asked)) == (MessageState.UNKNOWN, [], 1)


def test_an_answer_that_got_lost_is_looked_into_and_no_crash(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    notices(clinic, 1)
    provider = Asked(Outcome.UNKNOWN, known=Sent(Outcome.ACCEPTED, reference="it has it"))
    deliver_due(sms(clinic, renderer, provider), clinic.id)
    (message,) = texts(clinic)
    assert (message.state, message.in_doubt, message.tries) == (MessageState.SENDING, True, 1)
    assert provider.asked == []  # the provider may still be at work on it
    deliver_due(sms(clinic, renderer, provider, NOW + timedelta(seconds=31)), clinic.id)
    (message,) = texts(clinic)
    assert (message.state, message.crashes, message.in_doubt) == (MessageState.ACCEPTED, 0, False)
    assert len(provider.sent) == 1


def test_a_doubt_that_nobody_can_settle_ends_with_a_person(clinic: ClinicFixture, renderer: Renderer) -> None:
    left_in_the_middle(clinic, renderer)
    provider = Asked(known=Sent(Outcome.UNKNOWN, reason="not reached"))
    now = MORNING
    for _ in range(MAX_TRIES):
        deliver_due(sms(clinic, renderer, provider, now), clinic.id)
        with clinic.transaction() as session:
            session.connection.execute(tables.provider.delete())  # its circuit breaker is not the matter here
            due = session.connection.scalar(
                select(tables.message.c.lease_until).where(
                    tables.message.c.clinic_id == clinic.id, tables.message.c.state == MessageState.SENDING
                )
            )
        now = (due or now) + timedelta(seconds=1)
    assert states(clinic) == {MessageState.UNKNOWN}
    assert provider.sent == []
    assert len(provider.asked) == MAX_TRIES


def test_a_message_whose_worker_dies_three_times_in_the_call_is_parked_as_unknown(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    left_in_the_middle(clinic, renderer)
    with clinic.transaction() as session:
        session.connection.execute(
            update(tables.message).where(tables.message.c.clinic_id == clinic.id).values(crashes=2)
        )
    provider = Asked(repeatable=True)
    deliver_due(sms(clinic, renderer, provider, MORNING), clinic.id)
    assert (states(clinic), provider.sent) == ({MessageState.UNKNOWN}, [])


@pytest.mark.parametrize(("crashes", "sizes"), [(0, [8, 3]), (1, [1] * 11)])
def test_who_was_in_hand_when_workers_died_is_looked_into_among_ever_fewer(
    clinic: ClinicFixture, renderer: Renderer, crashes: int, sizes: list[int]
) -> None:
    """Whoever takes its workers down takes few others along, and in the end none."""
    left_in_the_middle(clinic, renderer, 11)
    held: list[frozenset[uuid.UUID]] = []

    class Watched(Asked):
        def look_up(self, envelope: Envelope, since: datetime) -> Sent | None:
            held.append(frozenset(m.id for m in texts(clinic) if m.crashes == crashes + 1 and is_sending(m)))
            super().look_up(envelope, since)
            return Sent(Outcome.ACCEPTED, reference=str(envelope.key))

    def is_sending(message: outbox.Message) -> bool:
        return message.state is MessageState.SENDING

    with clinic.transaction() as session:
        session.connection.execute(
            update(tables.message).where(tables.message.c.clinic_id == clinic.id).values(crashes=crashes)
        )
    provider = Watched()
    provider.at_once = 20
    deliver_due(sms(clinic, renderer, provider, MORNING), clinic.id)
    assert len(provider.asked) == 11
    batches = sorted(set(held), key=lambda one: -len(one))
    assert [len(one) for one in batches] == sizes
    assert states(clinic) == {MessageState.ACCEPTED}
