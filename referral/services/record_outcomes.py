"""What providers have answered, recorded for a whole batch at once, under the fence of its claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from referral.channels.base import Outcome, Sent, Transport
from referral.domain.outgoing import DOUBT, MAX_TRIES, MessageState, retry_delay
from referral.services import note_delivery
from referral.services.batches import Delivery, Setback, Work, try_later, write_together
from referral.services.calls import Batch, Call
from referral.services.still_wanted import cancel, end_lost, sort
from referral.storage import dispatch, outbox
from referral.storage.db import Session
from referral.storage.dispatch import Change, Held
from referral.storage.outbox import Message

log = structlog.get_logger(__name__)
_CANNOT_SAY = "nobody can say whether it was sent"
_ANOTHER = "the provider knows another message with the same words, and not this one"


def record(delivery: Delivery, clinic_id: str, batch: Batch) -> None:
    """Each outcome once. What cannot be recorded stays in `sending` and is looked into later."""
    write_together(delivery, clinic_id, batch.ended, _outcomes(delivery, batch.transport), _trouble)


def _outcomes(delivery: Delivery, transport: Transport) -> Work[Call]:
    def write(session: Session, pairs: Sequence[tuple[Call, Held]]) -> None:
        _Recording(delivery, session, transport, delivery.now()).write(pairs)

    return write


def _trouble(call: Call, error: Exception) -> None:
    log.error("message.left", message=str(call.message.id), kind=call.message.kind, exc_info=error)


@dataclass(frozen=True, slots=True)
class _Recording:
    delivery: Delivery
    session: Session
    transport: Transport
    now: datetime
    changes: list[Change] = field(default_factory=list)

    def write(self, pairs: Sequence[tuple[Call, Held]]) -> None:
        accepted: list[tuple[Sent, Held]] = []
        found: list[tuple[Sent, Held]] = []
        setbacks: list[Setback] = []
        by_hand: list[Held] = []
        for call, held in pairs:
            sent = call.sent
            if not call.was_made:
                self._give_back(call, held.message)
            elif sent is None:
                self._unanswered(call, held.message)
            elif sent.outcome is Outcome.ACCEPTED and call.asks:
                found.append((sent, held))
            elif sent.outcome is Outcome.ACCEPTED:
                accepted.append((sent, held))
            elif sent.outcome is Outcome.BY_HAND:
                by_hand.append(held)
            elif sent.outcome is Outcome.LATER:
                setbacks.append(self._setback(held.message, sent))
            elif sent.outcome is Outcome.REFUSED:
                self._end(held.message, MessageState.FAILED, sent.reason or "", bad_address=sent.bad_address)
            else:
                self._doubt(held.message, sent.reason or _CANNOT_SAY, asked=call.asks)
        dispatch.write(self.session, self.changes)
        own, strange = self._told_apart(found)
        setbacks += strange
        self._accepted([*accepted, *own])
        self._lay_aside(by_hand)
        try_later(self.session, setbacks, self.delivery, self.now)

    def _told_apart(
        self, found: Sequence[tuple[Sent, Held]]
    ) -> tuple[list[tuple[Sent, Held]], list[Setback]]:
        """What a provider was asked about and knows; under a name that another message has it means that one.

        The same words about the same request are two messages. Its lock keeps others from taking the name.
        """
        own: list[tuple[Sent, Held]] = []
        strange: list[Setback] = []
        whose = outbox.references(self.session, {held.referral.id for _, held in found}) if found else {}
        for sent, held in found:
            id = held.message.id
            names = [name for name in (sent.reference, *sent.others) if name]
            name = next((name for name in names if whose.setdefault(name, id) == id), None)
            if names and name is None:
                strange.append(Setback(held.message, _ANOTHER))
            else:
                own.append((replace(sent, reference=name), held))
        return own, strange

    def _accepted(self, taken: Sequence[tuple[Sent, Held]]) -> None:
        if not taken:
            return
        changes, done = [], []
        for sent, held in taken:
            after = held.message._replace(
                state=MessageState.ACCEPTED,
                provider_reference=sent.reference,
                sent_for_real=self.transport.is_real,
                finished_at=self.now,
                last_error=None,
            )
            changes.append(Change(held.message, after))
            done.append(Held(after, held.referral))
        dispatch.write(self.session, changes)
        note_delivery.accepted_many(self.session, done, self.now, is_real=self.transport.is_real)

    def _lay_aside(self, batch: Sequence[Held]) -> None:
        """For a person, who hands it over and says so (services/print_letters); it can still be stopped."""
        if not batch:
            return
        found = sort(self.session, batch, self.now)
        cancel(self.session, [held.message for held in found.senseless], self.now)
        end_lost(self.session, found.lost, self.now)
        laid = [
            Change(w.message, w.message._replace(state=MessageState.BY_HAND, last_error=None))
            for w in found.wanted
        ]
        dispatch.write(self.session, laid)

    def _setback(self, message: Message, sent: Sent) -> Setback:
        at = self.now + sent.retry_after if sent.retry_after is not None else None
        return Setback(message, sent.reason or "the provider did not answer", at)

    def _end(self, message: Message, state: MessageState, reason: str, *, bad_address: bool = False) -> None:
        note_delivery.ended(self.session, message, state, reason, self.now, bad_address=bad_address)

    def _doubt(self, message: Message, reason: str, *, asked: bool, until: datetime | None = None) -> None:
        """Looked into later; after eight tries a person decides."""
        tries = message.tries + 1
        if tries >= MAX_TRIES:
            self._end(message, MessageState.UNKNOWN, reason)
            return
        delay = retry_delay(tries, self.delivery.fraction()) if asked else DOUBT
        after = message._replace(in_doubt=True, tries=tries, last_error=reason)
        self.changes.append(Change(message, after, lease_until=until or self.now + delay))

    def _unanswered(self, call: Call, message: Message) -> None:
        """The provider was asked and cannot say: the same key again when that is allowed, else a person."""
        if call.repeats_at is None:
            self._end(message, MessageState.UNKNOWN, message.last_error or _CANNOT_SAY)
        else:
            self._doubt(message, _CANNOT_SAY, asked=True, until=call.repeats_at)

    def _give_back(self, call: Call, message: Message) -> None:
        """The lease would not have covered the call. What was in doubt before still is."""
        if call.asks or call.repeats_at is not None:
            change = Change(message, message._replace(in_doubt=True), lease_until=self.now)
        else:
            change = Change(message, message._replace(state=MessageState.READY, sending_since=None))
        self.changes.append(change)
