"""Tells subscribers what has happened: claim, number, send, record; no call to the outside in a transaction.

A subscription is claimed as a whole, so its events leave one after the other, in the order of their numbers.
What was not accepted is sent again with the same numbers; a receiver drops what it has. Several receivers are
called at the same time, so that a slow one holds up nobody else.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any, Final, Literal

import structlog

from referral.channels.outgoing import NotReached, Outgoing
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import Unavailable
from referral.domain.outgoing_urls import UnusableUrl
from referral.domain.subscription import (
    MAX_HANDSHAKES,
    MAX_TRIES,
    Content,
    NoticeType,
    SubscriptionStatus,
    retry_delay,
)
from referral.fhir.json import encode
from referral.fhir.subscription_notice import notification
from referral.services.smart_clients import permit_of
from referral.services.subscription_state import (
    happened,
    may_be_told,
    number_events,
    readable,
    settle,
    state_of,
)
from referral.services.take_subscription import headers_of
from referral.storage import audit, subscriptions
from referral.storage.db import Database, Session
from referral.storage.subscriptions import Event, Subscription

log = structlog.get_logger(__name__)
# A task ends well before Celery would end it, however slow the last receivers are.
_LONGEST_SECONDS: Final = 40.0
_AT_ONCE: Final = 8
# Of them for one client: whoever has many slow receivers keeps the others waiting only for its own.
_AT_ONCE_EACH: Final = 2
# How soon, while some receivers are slow, others are looked after that have got something to hear.
_LOOK_SECONDS: Final = 0.25
_REVOKED: Final = "Its client was revoked, or may not read any more what the topic is about."
_ENDED: Final = "Its end has come."


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """What notifying needs. `base_url` is the service's; `fraction` the jitter of retries, in [0, 1)."""

    database: Database
    outgoing: Outgoing
    base_url: str
    now: Callable[[], datetime]
    fraction: Callable[[], float] = random.random

    @property
    def fhir_url(self) -> str:
        return f"{self.base_url}/fhir"


def notify_due(notifier: Notifier, clinic_ids: Sequence[str]) -> int:
    """Tell whoever is due in these clinics; returns how many calls were made. Safe to run twice.

    Only one works at a time, however many processes there are: letters are sent by the others meanwhile.
    Ends after 40 seconds even if more is due.
    """
    made, until = 0, monotonic() + _LONGEST_SECONDS
    while True:
        with notifier.database.alone("notify-subscribers") as first:
            if not first:
                return made
            made += _notify(notifier, clinic_ids, until)
        # Whoever came meanwhile has gone away again: what they came for is looked after now.
        if monotonic() > until or not any(_is_due(notifier, clinic_id) for clinic_id in clinic_ids):
            return made
        # Not at full speed, for a row that somebody holds for a moment.
        sleep(_LOOK_SECONDS / 10)


def _is_due(notifier: Notifier, clinic_id: str) -> bool:
    with notifier.database.transaction(clinic_id) as session:
        return subscriptions.is_due(session, notifier.now())


def _notify(notifier: Notifier, clinic_ids: Sequence[str], until: float) -> int:
    made = 0
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notify") as pool:
        # What is under way, and for which client of which clinic.
        running: dict[Future[None], tuple[str, str]] = {}
        while True:
            for clinic_id in clinic_ids:
                while monotonic() < until and len(running) < _AT_ONCE:
                    with notifier.database.transaction(clinic_id) as session:
                        claimed = subscriptions.claim(
                            session, notifier.now(), _busy(clinic_id, running.values())
                        )
                    if claimed is None:
                        break
                    started = pool.submit(_notify_safely, notifier, clinic_id, claimed)
                    running[started] = (clinic_id, claimed.client_id)
                    made += 1
            if not running:
                return made
            done, _ = wait(running, _LOOK_SECONDS, FIRST_COMPLETED)
            for ended in done:
                del running[ended]


def _busy(clinic_id: str, running: Iterable[tuple[str, str]]) -> list[str]:
    """Clients of the clinic that are being told as much at once as one may be."""
    counted = Counter(client_id for clinic, client_id in running if clinic == clinic_id)
    return [client_id for client_id, many in counted.items() if many >= _AT_ONCE_EACH]


def _notify_safely(notifier: Notifier, clinic_id: str, claimed: Subscription) -> None:
    """One subscription's trouble is not another's."""
    try:
        notify_one(notifier, clinic_id, claimed)
    except Unavailable:
        log.warning("subscription.postponed", cause="database", subscription=claimed.id)
    except Exception:
        # The row stays as it is: when its lease has run out, it is treated like one whose worker died.
        log.exception("subscription.left", subscription=claimed.id)


@dataclass(frozen=True, slots=True)
class _Notice:
    """What is to be sent. `events` are those that it tells, in their order; `last` is told with them."""

    kind: NoticeType
    held: Subscription
    body: bytes
    headers: tuple[tuple[str, str], ...]
    events: tuple[Event, ...] = ()
    last: int = 0


def notify_one(notifier: Notifier, clinic_id: str, claimed: Subscription) -> None:
    """One call for a claimed subscription, and what becomes of it."""
    with notifier.database.transaction(clinic_id) as session:
        notice = _prepare(notifier, session, claimed)
    if notice is None:
        return
    trouble = _send(notifier, notice)
    with notifier.database.transaction(clinic_id) as session:
        _record(notifier, session, notice, trouble)


def _prepare(notifier: Notifier, session: Session, claimed: Subscription) -> _Notice | None:
    """None where there is nothing to be sent, which is noted."""
    now = notifier.now()
    held = subscriptions.hold(session, claimed)
    if held is None:
        return None
    permit = permit_of(session, held.client_id)
    over = held.ends_at is not None and held.ends_at <= now
    if over or not may_be_told(held, permit):
        values = settle(session, held, SubscriptionStatus.OFF, now, _ENDED if over else _REVOKED)
        subscriptions.release(session, held, now, **values)
        return None
    if held.tries >= MAX_TRIES:
        _fail(notifier, session, held, "It has stopped its worker several times.")
        return None
    counted = number_events(session, held, permit)
    held = replace(held, numbered=counted)
    numbered = subscriptions.events(session, held.id, held.delivered + 1, None, held.max_count)
    # Scopes may have been narrowed since they got their numbers.
    events = readable(session, held, permit, numbered)
    last = numbered[-1].number or 0 if numbered else counted
    kind = _kind(held, events, now)
    if kind is None:
        # What there was is too old, or not for this client: there is nothing to tell.
        subscriptions.release(session, held, now, delivered=last)
        return None
    if kind is not NoticeType.EVENT:
        events = []
    state = state_of(held, notifier.fhir_url, counted)
    bundle = notification(state, kind, happened(events, notifier.fhir_url), now)
    return _Notice(kind, held, encode(bundle), headers_of(session, held), tuple(events), last)


def _kind(held: Subscription, events: Sequence[Event], now: datetime) -> NoticeType | None:
    """None where nothing has happened and no heartbeat is due."""
    if held.status is SubscriptionStatus.REQUESTED:
        return NoticeType.HANDSHAKE
    if events:
        return NoticeType.EVENT
    if held.heartbeat_seconds is None or held.contact_at is None or held.delivered < held.numbered:
        return None
    due = held.contact_at + timedelta(seconds=held.heartbeat_seconds)
    return NoticeType.HEARTBEAT if due <= now else None


def _send(notifier: Notifier, notice: _Notice) -> str | None:
    """None where the receiver has accepted it, else why not, in a sentence without secrets."""
    headers = [("Content-Type", "application/fhir+json"), ("User-Agent", "referral"), *notice.headers]
    try:
        answer = notifier.outgoing.send(
            "POST",
            notice.held.endpoint,
            headers=headers,
            content=notice.body,
            timeout=notice.held.timeout_seconds,
        )
    except UnusableUrl as error:
        return f"Its address cannot be called. {error}"
    except NotReached as error:
        return str(error)
    return None if 200 <= answer.status < 300 else f"It answered with status {answer.status}."


def _record(notifier: Notifier, session: Session, notice: _Notice, trouble: str | None) -> None:
    now = notifier.now()
    # What was refused may have been read all the same.
    _note(session, notice.held, notice.events, "0" if trouble is None else "4")
    held = subscriptions.hold(session, notice.held)
    if held is None:
        # The client has changed it meanwhile, or the lease ran out: it is told again.
        return
    if trouble is not None:
        _fail(notifier, session, held, trouble)
        return
    values: dict[str, Any] = {"tries": 0, "error": None, "contact_at": now}
    if notice.kind is NoticeType.HANDSHAKE:
        values |= settle(session, held, SubscriptionStatus.ACTIVE, now)
    if notice.events:
        values["delivered"] = notice.last
    subscriptions.release(session, held, now, **values)


def _fail(notifier: Notifier, session: Session, held: Subscription, trouble: str) -> None:
    """Later again, with the same numbers; after some failures in a row the client has to do something."""
    now, tries = notifier.now(), held.tries + 1
    most = MAX_HANDSHAKES if held.status is SubscriptionStatus.REQUESTED else MAX_TRIES
    if tries >= most:
        values = settle(session, held, SubscriptionStatus.ERROR, now, trouble)
        subscriptions.release(session, held, now, tries=tries, **values)
        log.warning("subscription.error", subscription=held.id, tries=tries)
        return
    not_before = now + retry_delay(tries, notifier.fraction())
    subscriptions.release(session, held, not_before, tries=tries, error=trouble)


def _note(session: Session, held: Subscription, events: Iterable[Event], outcome: Literal["0", "4"]) -> None:
    """Each event is a disclosure of at least that something has changed: a row, by patient."""
    entries = [
        AuditEntry(
            action=Action.READ,
            subtype="notify",
            entity=event.focus if held.content is Content.ID_ONLY else f"Subscription/{held.id}",
            patient_id=event.patient_id,
            outcome=outcome,
            detail={"subscription": held.id, "client": held.client_id, "number": event.number},
        )
        for event in events
    ]
    audit.record(session, Actor(session.clinic, "system", "worker"), *entries)


def forget_events(session: Session, now: datetime, kept: timedelta) -> None:
    """What is older is forgotten; what has been in error for so long is ended by the service."""
    for row in subscriptions.living(session):
        if row.status is SubscriptionStatus.ERROR and row.changed_at <= now - kept:
            held = subscriptions.find(session, row.id, lock=True)
            if held is not None and held.status is SubscriptionStatus.ERROR:
                why = f"It has been in error for {kept.days} days."
                values = settle(session, held, SubscriptionStatus.OFF, now, why)
                subscriptions.release(session, held, now, **values)
    subscriptions.forget_events(session, now - kept)
