"""What the two stages of a delivery share: what they need, and how a batch is written without waiting."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from referral.channels.base import Channels
from referral.channels.pools import Pools
from referral.domain.errors import StaleVersion, Unavailable
from referral.domain.outgoing import MAX_TRIES, MessageState, retry_delay
from referral.services import note_delivery
from referral.services.prepare_message import Renderer
from referral.storage import dispatch
from referral.storage.db import Database, Session
from referral.storage.dispatch import Change, Held
from referral.storage.outbox import Message
from referral.storage.providers import Ended

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What delivering needs; one per worker process. `fraction` gives the jitter of retries, in [0, 1).

    `call_help` is told that there is more to do than one worker process should do alone.
    """

    database: Database
    channels: Channels
    renderer: Renderer
    base_url: str
    now: Callable[[], datetime]
    fraction: Callable[[], float] = random.random
    pools: Pools = field(default_factory=Pools)
    # What the table of providers is still to be told: places that are free, and what their provider was like.
    unsettled: list[Ended] = field(default_factory=list)
    call_help: Callable[[], None] = lambda: None
    # How long a database that is restarted is waited for, in seconds. With the longest call and the rounds of
    # a task it has to stay below the time that Celery gives a task.
    restart_seconds: float = 10.0


class Item(Protocol):
    """Something about one message, as it was claimed."""

    @property
    def message(self) -> Message: ...


I = TypeVar("I", bound=Item)  # noqa: E741 - an item
Work = Callable[[Session, Sequence[tuple[I, Held]]], None]


def write_together(
    delivery: Delivery,
    clinic_id: str,
    items: Sequence[I],
    work: Work[I],
    trouble: Callable[[I, Exception], None],
) -> None:
    """Do `work` on all whose requests are free, in one transaction; then on each other one alone.

    Alone it waits for whoever holds the request, which cannot be part of a circle. Where the whole batch
    fails, each is tried alone as well, so that one message's trouble is its own: `trouble` hears of it.
    """
    left, patient = list(items), True
    if len(items) > 1:
        try:
            done = _all_that_are_free(delivery, clinic_id, items, work)
        except Unavailable:
            # What was called has an outcome that nobody else knows: worth to wait for a restart.
            delivery.database.wait_until_it_answers(delivery.restart_seconds)
            patient = False
        except Exception as error:  # noqa: BLE001 - whatever it is, it shows again below with its message
            log.warning("batch.taken-apart", clinic=clinic_id, size=len(items), cause=type(error).__name__)
        else:
            left = [item for item in items if item.message.id not in done]
    for item in left:
        _alone(delivery, clinic_id, item, work, trouble, patient=patient)


def _all_that_are_free(
    delivery: Delivery, clinic_id: str, items: Sequence[I], work: Work[I]
) -> set[uuid.UUID]:
    with delivery.database.transaction(clinic_id) as session:
        free = {held.message.id: held for held in dispatch.again(session, (i.message.id for i in items))}
        work(session, _ours([(item, free[item.message.id]) for item in items if item.message.id in free]))
    return set(free)


def _alone(
    delivery: Delivery,
    clinic_id: str,
    item: I,
    work: Work[I],
    trouble: Callable[[I, Exception], None],
    *,
    patient: bool,
) -> None:
    for is_last in (False, True):
        try:
            with delivery.database.transaction(clinic_id) as session:
                held = dispatch.one(session, item.message)
                work(session, _ours([(item, held)] if held is not None else []))
        except (Unavailable, StaleVersion) as error:
            # A client has changed the Task at this moment, or a connection broke: once more on a fresh one.
            if is_last:
                trouble(item, error)
            elif patient and isinstance(error, Unavailable):
                delivery.database.wait_until_it_answers(delivery.restart_seconds)
            patient = False
        except Exception as error:  # noqa: BLE001 - one message's trouble is not another's
            trouble(item, error)
            return
        else:
            return


def _ours(pairs: Sequence[tuple[I, Held]]) -> list[tuple[I, Held]]:
    """Those whose claim is still the newest, and which nobody has ended meanwhile."""
    return [
        (item, held)
        for item, held in pairs
        if held.message.attempts == item.message.attempts and held.message.state is item.message.state
    ]


@dataclass(frozen=True, slots=True)
class Setback:
    """It certainly did not leave, and `reason` says why; `not_before` is a time that the provider named."""

    message: Message
    reason: str
    not_before: datetime | None = None


def try_later(session: Session, setbacks: Sequence[Setback], delivery: Delivery, now: datetime) -> None:
    """Later again, eight times in all; then a person decides. The caller holds requests and claims."""
    changes = []
    for setback in setbacks:
        message, tries = setback.message, setback.message.tries + 1
        if tries >= MAX_TRIES:
            note_delivery.ended(session, message, MessageState.DEAD, setback.reason, now)
            continue
        due = now + retry_delay(tries, delivery.fraction())
        after = message._replace(
            state=MessageState.READY if message.envelope_id else MessageState.QUEUED,
            tries=tries,
            last_error=setback.reason,
            not_before=max(due, setback.not_before or due),
            in_doubt=False,
            sending_since=None,
        )
        changes.append(Change(message, after))
    dispatch.write(session, changes, postpone=True)
