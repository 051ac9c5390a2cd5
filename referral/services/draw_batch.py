"""The first stage of a delivery: queued messages become finished bytes, stored before anything is sent.

A batch is claimed and committed before it is worked on, so that a row which takes its worker down is counted.
Crashes, and what they leave: before the claim is committed nothing; after it rows in `rendering`, which are
drawn again when their lease has run out; while the bytes are stored the same, since all of it is one
transaction; after it rows in `ready`. A letter is never drawn into two different stored texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from referral.channels.base import UnusableAddress
from referral.domain.errors import ReferralError, StaleVersion, Unavailable
from referral.domain.outgoing import DRAWN_TOGETHER, LEASE, MAX_CRASHES, Lane, MessageState, together
from referral.services import note_delivery
from referral.services.batches import Delivery, Setback, try_later, write_together
from referral.services.prepare_message import Drawing, Material, draw, gather, store
from referral.services.still_wanted import Wanted, cancel, end_lost, sort
from referral.storage import dispatch
from referral.storage.db import Session
from referral.storage.dispatch import Change, Held
from referral.storage.outbox import Message

log = structlog.get_logger(__name__)
_POISON = "It has stopped its worker several times."


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What came of one claimed message: a drawing, or why there is none; neither where it is not wanted."""

    message: Message
    drawing: Drawing | None = None
    error: Exception | None = None


def draw_lane(delivery: Delivery, clinic_id: str, lane: Lane) -> list[Message]:
    """Draw a batch of what is due in this lane; returns what was claimed."""
    return _draw(delivery, clinic_id, lambda s, now: dispatch.to_draw(s, lane, now, DRAWN_TOGETHER[lane]))


def draw_left(delivery: Delivery, clinic_id: str) -> list[Message]:
    """Draw again what a dead worker has left: fewer at once the more often that has happened to them."""

    def alike(session: Session, now: datetime) -> list[Held]:
        held = dispatch.left_drawing(session, now, max(DRAWN_TOGETHER.values()))
        if not held:
            return []
        crashes, same = dispatch.fewest_crashes(held)
        return same[: min(together(one.message.lane, crashes + 1) for one in same)]

    return _draw(delivery, clinic_id, alike)


def _draw(
    delivery: Delivery, clinic_id: str, find: Callable[[Session, datetime], list[Held]]
) -> list[Message]:
    claimed = _claim(delivery, clinic_id, find)
    if not claimed:
        return []
    poison = [_Drawn(held.message) for held in claimed if held.message.crashes >= MAX_CRASHES]
    healthy = [held for held in claimed if held.message.crashes < MAX_CRASHES]
    write_together(delivery, clinic_id, poison, _end_poison(delivery), _trouble)
    write_together(delivery, clinic_id, _drawn(delivery, clinic_id, healthy), _store(delivery), _trouble)
    return [held.message for held in claimed]


def _claim(delivery: Delivery, clinic_id: str, find: Callable[[Session, datetime], list[Held]]) -> list[Held]:
    now = delivery.now()
    with delivery.database.transaction(clinic_id) as session:
        changes = []
        claimed = []
        for held in find(session, now):
            before = held.message
            crashed = before.state is MessageState.RENDERING
            after = before._replace(
                state=MessageState.RENDERING,
                attempts=before.attempts + 1,
                crashes=before.crashes + crashed,
            )
            changes.append(Change(before, after, lease_until=now + LEASE))
            claimed.append(Held(after, held.referral))
        dispatch.write(session, changes)
    return claimed


def _drawn(delivery: Delivery, clinic_id: str, batch: Sequence[Held]) -> list[_Drawn]:
    """Outside of any transaction but for the reading; what is wrong with one message stays with it."""
    with delivery.database.transaction(clinic_id) as session:
        found = sort(session, batch, delivery.now())
        made = [_gathered(session, wanted, delivery) for wanted in found.wanted]
    unwanted = [_Drawn(held.message) for held in (*found.senseless, *(lost.held for lost in found.lost))]
    return [*unwanted, *(_drawn_one(one, delivery) for one in made)]


@dataclass(frozen=True, slots=True)
class _Gathered:
    message: Message
    material: Material | None
    seal_key: bytes
    error: Exception | None = None


def _gathered(session: Session, wanted: Wanted, delivery: Delivery) -> _Gathered:
    try:
        material = gather(session, wanted.message, wanted.to, delivery.base_url, delivery.now())
        key = b""
        if material.is_sealed:
            key = session.vault.open(
                material.told.clinic.wrapped_key, material.told.clinic.seal_key, "seal-key"
            )
        return _Gathered(wanted.message, material, key)
    except Exception as error:  # noqa: BLE001 - kept with its message, told when the batch is stored
        return _Gathered(wanted.message, None, b"", error)


def _drawn_one(one: _Gathered, delivery: Delivery) -> _Drawn:
    if one.material is None:
        return _Drawn(one.message, error=one.error)
    now = delivery.now()
    try:
        finished = draw(one.message, one.material, delivery.renderer, delivery.channels, one.seal_key, now)
    except Exception as error:  # noqa: BLE001 - kept with its message, told when the batch is stored
        return _Drawn(one.message, error=error)
    return _Drawn(one.message, Drawing(one.message, one.material, finished))


def _end_poison(delivery: Delivery) -> Callable[[Session, Sequence[tuple[_Drawn, Held]]], None]:
    def end(session: Session, pairs: Sequence[tuple[_Drawn, Held]]) -> None:
        for _, held in pairs:
            note_delivery.ended(session, held.message, MessageState.DEAD, _POISON, delivery.now())

    return end


def _store(delivery: Delivery) -> Callable[[Session, Sequence[tuple[_Drawn, Held]]], None]:
    def write(session: Session, pairs: Sequence[tuple[_Drawn, Held]]) -> None:
        # Drawing takes its time, and nothing is stamped long before it is committed (docs/adr/0017).
        now = delivery.now()
        drawn = {one.message.id: one for one, _ in pairs}
        # Looked at again under the locks: a link must not be stored after all links were revoked.
        found = sort(session, [held for _, held in pairs], now)
        cancel(session, [held.message for held in found.senseless], now)
        end_lost(session, found.lost, now)
        still = [drawn[wanted.message.id] for wanted in found.wanted]
        _keep(session, [one.drawing for one in still if one.drawing is not None], now)
        _end_failures(session, [one for one in still if one.drawing is None], delivery, now)

    return write


def _keep(session: Session, drawings: Sequence[Drawing], now: datetime) -> None:
    finished = store(session, drawings, now)
    changes = [Change(drawing.message, after) for drawing, after in zip(drawings, finished, strict=True)]
    dispatch.write(session, changes)
    for message in finished:
        note_delivery.prepared(session, message, message.letter_id, now)


def _end_failures(session: Session, failed: Sequence[_Drawn], delivery: Delivery, now: datetime) -> None:
    again = []
    for one in failed:
        error = one.error
        if isinstance(error, UnusableAddress):
            note_delivery.ended(session, one.message, MessageState.FAILED, str(error), now)
        elif isinstance(error, ReferralError) and not isinstance(error, Unavailable | StaleVersion):
            note_delivery.ended(session, one.message, MessageState.DEAD, str(error), now)
        elif isinstance(error, ReferralError):
            again.append(Setback(one.message, str(error)))
        else:
            if error is not None:
                log.error("message.failed", message=str(one.message.id), exc_info=error)
            again.append(Setback(one.message, f"internal error ({type(error).__name__})"))
    try_later(session, again, delivery, now)


def _trouble(one: _Drawn, error: Exception) -> None:
    """The row stays as it is: when its lease has run out, it is treated like one whose worker died."""
    log.error("message.left", message=str(one.message.id), kind=one.message.kind, exc_info=error)
