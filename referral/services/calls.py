"""Calls to a provider: as many at the same time as it has places left, and then what it was like."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from referral.channels.base import Envelope, Outcome, Sent, Transport
from referral.domain.codes import Channel
from referral.domain.errors import Unavailable
from referral.domain.outgoing import LONGEST_CALL, PLACES_HELD
from referral.domain.providers import Answered
from referral.services.batches import Delivery
from referral.storage import providers
from referral.storage.outbox import Message
from referral.storage.providers import Ended

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Call:
    """One message that was claimed to be sent, or to be asked about (`asks`).

    `repeats_at` is set where it may be sent again with the same key, but not before then. `sent` is the
    answer. `was_made` stays False where the lease would not have covered the call any more.
    """

    message: Message
    envelope: Envelope
    asks: bool = False
    repeats_at: datetime | None = None
    sent: Sent | None = None
    was_made: bool = False


@dataclass(slots=True, kw_only=True)
class Batch:
    """Calls of one channel that go out at the same time; `places` is how many there may be.

    It puts itself into `done` when the last of them has ended.
    """

    channel: Channel
    transport: Transport
    places: int
    holder: str
    lease_until: datetime
    done: queue.SimpleQueue[Batch]
    is_urgent: bool
    calls: list[Call] = field(default_factory=list)
    ended: list[Call] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def open_batch(
    delivery: Delivery, channel: Channel, done: queue.SimpleQueue[Batch], *, is_urgent: bool
) -> Batch | datetime:
    """Take places at the provider, as many as it has left; where it has none, when to ask again.

    Batches of this provider that have ended give their places back in the same transaction.
    """
    transport, holder, now = delivery.channels.transport(channel), uuid.uuid4().hex, delivery.now()
    name, limits = transport.name, delivery.channels.limits_of(transport)
    ended = [one for one in delivery.unsettled if one.name == name]
    with delivery.database.transaction() as session:
        grant = providers.take(
            session, name, limits, holder, transport.at_once, now, PLACES_HELD, ended=ended
        )
    _forget(delivery, ended)
    if not grant.calls:
        return grant.again_at
    return Batch(
        channel=channel,
        transport=transport,
        places=grant.calls,
        holder=holder,
        lease_until=now + PLACES_HELD,
        done=done,
        is_urgent=is_urgent,
    )


def begin(delivery: Delivery, batch: Batch, calls: Sequence[Call]) -> None:
    """All at the same time, each in a thread."""
    batch.calls.extend(calls)
    pool = delivery.pools.of(batch.transport, urgent=batch.is_urgent)
    for call in batch.calls:
        pool.submit(_make, delivery, batch, call)


def _make(delivery: Delivery, batch: Batch, call: Call) -> None:
    """In a thread: nothing here touches the database, and nothing is raised."""
    try:
        if delivery.now() + LONGEST_CALL <= batch.lease_until:
            call.was_made = True
            call.sent = _answer(batch.transport, call)
    except Exception as error:
        log.exception("call.failed", message=str(call.message.id), provider=batch.transport.name)
        call.sent = Sent(Outcome.UNKNOWN, reason=f"internal error ({type(error).__name__})")
    finally:
        with batch.lock:
            batch.ended.append(call)
            is_last = len(batch.ended) == len(batch.calls)
        if is_last:
            batch.done.put(batch)


def _answer(transport: Transport, call: Call) -> Sent | None:
    return ask_or_send(transport, call.envelope, call.message.sending_since if call.asks else None)


def ask_or_send(transport: Transport, envelope: Envelope, tried_since: datetime | None) -> Sent | None:
    """Ask what became of it where it was tried already (None: it was not), else hand it over."""
    return transport.send(envelope) if tried_since is None else transport.look_up(envelope, tried_since)


def close_batch(delivery: Delivery, batch: Batch) -> None:
    """Its places are free: all workers are told, with the next batch or by settle(), and what it was like.

    Whoever dies before that leaves places which are free when they have been held for too long.
    """
    give_back(delivery, batch, [(call.sent, call.asks) for call in batch.ended if call.was_made])


def give_back(delivery: Delivery, batch: Batch, made: Sequence[tuple[Sent | None, bool]]) -> None:
    """The same where somebody has made the calls otherwise: each answer, and whether it was only asked."""
    against = [sent for sent, asks in made if sent is not None and _tells_against(sent, asks=asks)]
    waits = [sent.retry_after for sent, _ in made if sent is not None and sent.retry_after]
    answered = Answered(
        calls=[sent is None or not _tells_against(sent, asks=asks) for sent, asks in made],
        error=against[-1].reason if against else None,
        retry_after=max(waits, default=None),
    )
    delivery.unsettled.append(Ended(batch.transport.name, batch.holder, answered))


def _tells_against(sent: Sent, *, asks: bool) -> bool:
    """Something against the provider, rather than about one recipient; that it has nothing is an answer."""
    bad = (Outcome.UNKNOWN,) if asks else (Outcome.LATER, Outcome.UNKNOWN)
    return sent.outcome in bad and sent.about_provider


def settle(delivery: Delivery) -> None:
    """Tell what no new batch has told. Where the database does not answer, that is made up for later."""
    for name in {one.name for one in delivery.unsettled}:
        ended = [one for one in delivery.unsettled if one.name == name]
        try:
            with delivery.database.transaction() as session:
                providers.settle(session, name, ended, delivery.now())
        except Unavailable:
            log.warning("provider.not-settled", provider=name)
        else:
            _forget(delivery, ended)


def _forget(delivery: Delivery, ended: Sequence[Ended]) -> None:
    told = {one.holder for one in ended}
    delivery.unsettled[:] = [one for one in delivery.unsettled if one.holder not in told]
