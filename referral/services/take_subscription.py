"""Subscriptions that clients make, change, revive, end and delete (docs/adr/0015)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from referral.domain.audit import Action, AuditEntry
from referral.domain.errors import Forbidden, InvalidInput, Issue, NotFound
from referral.domain.subscription import MOST_PER_CLIENT, SubscriptionStatus
from referral.fhir.subscription import HIDDEN, Asked, read_subscription, shown, tombstone
from referral.services import interactions
from referral.services.access import Access
from referral.services.client_write import ClientWrite
from referral.storage import audit, clinics, resources, subscriptions
from referral.storage.db import Session
from referral.storage.subscriptions import Subscription

TYPE: Final = "Subscription"


def take_subscription(by: Access, write: ClientWrite) -> None:
    """Keep what a client asks for; a handshake follows where it is new, changed or asked for again.

    Raises InvalidInput with everything that is wrong, Forbidden where the client may not read what the topic
    is about, NotFound for somebody else's.
    """
    session = write.session
    row = _own(session, by, write.id) if write.current is not None else None
    current = str(row.status) if row else None
    asked, issues = read_subscription(write.document, by.reach, write.now, current=current)
    if asked is None:
        raise InvalidInput(*issues)
    for letter in ("r", "s") if asked.wants is not SubscriptionStatus.OFF else ():
        by.permit.require(asked.topic.resource, letter)
    asked = replace(asked, headers=_headers(session, asked, row))
    _refuse_too_many(session, by, asked, row)
    status = _status(session, asked, row)
    _keep(session, by, write, asked, status, row)
    document = shown(write.document, status, asked.headers, by.actor.id)
    # The worker may have written a newer version than the client has read: the row is locked, look again.
    newest = resources.read(session, TYPE, write.id) if row else None
    ClientWrite(session, by.actor, document, write.now, newest).store()


def _own(session: Session, by: Access, id: str) -> Subscription:
    row = subscriptions.find(session, id, lock=True)
    if row is None or row.client_id != by.actor.id or row.deleted_at is not None:
        raise NotFound(f"There is no {TYPE} with id {id[:64]}.")
    return row


def _headers(session: Session, asked: Asked, row: Subscription | None) -> tuple[tuple[str, str], ...]:
    """With the values of before where a client sends back what it was shown.

    To another host they do not go along: whoever holds a token only would get at them.
    """
    same = row is not None and _host(row.endpoint) == _host(asked.endpoint)
    kept = {name.lower(): value for name, value in headers_of(session, row)} if row and same else {}
    found, issues = [], []
    for place, (name, value) in enumerate(asked.headers):
        if value == HIDDEN and name.lower() not in kept:
            where = f"Subscription.channel.header[{place}]"
            text = "This header has no value kept from before for this host; send one."
            issues.append(Issue(text, (where,), "value"))
        found.append((name, kept.get(name.lower(), "") if value == HIDDEN else value))
    if issues:
        raise InvalidInput(*issues)
    return tuple(found)


def _host(endpoint: str) -> tuple[str, str]:
    parts = urlsplit(endpoint)
    return parts.scheme, parts.netloc.lower()


def headers_of(session: Session, row: Subscription) -> tuple[tuple[str, str], ...]:
    """The secret headers of a subscription, opened."""
    if row.headers is None:
        return ()
    wrapped = clinics.current(session).wrapped_key
    opened = orjson.loads(session.vault.open(wrapped, row.headers, f"subscription/{row.id}"))
    return tuple((str(name), str(value)) for name, value in opened)


def _sealed(session: Session, id: str, headers: Iterable[tuple[str, str]]) -> bytes | None:
    given = list(headers)
    if not given:
        return None
    return session.vault.seal(clinics.current(session).wrapped_key, orjson.dumps(given), f"subscription/{id}")


def _refuse_too_many(session: Session, by: Access, asked: Asked, row: Subscription | None) -> None:
    if asked.wants is SubscriptionStatus.OFF or (row and row.status is not SubscriptionStatus.OFF):
        return
    living = [one for one in subscriptions.of_client(session, by.actor.id) if one.status != "off"]
    if len(living) >= MOST_PER_CLIENT:
        text = f"This client has {MOST_PER_CLIENT} subscriptions; delete or end one, or ask for more in one."
        raise InvalidInput(Issue(text, (TYPE,), "too-costly"))


def _status(session: Session, asked: Asked, row: Subscription | None) -> SubscriptionStatus:
    """A receiver that has not agreed to what it will be told is asked first."""
    if asked.wants is SubscriptionStatus.OFF or row is None or asked.wants is SubscriptionStatus.REQUESTED:
        return asked.wants
    same = (
        row.endpoint == asked.endpoint
        and row.topic is asked.topic.topic
        and row.filters == asked.filters
        and row.content is asked.content
        and headers_of(session, row) == asked.headers
    )
    return row.status if same else SubscriptionStatus.REQUESTED


def _keep(
    session: Session,
    by: Access,
    write: ClientWrite,
    asked: Asked,
    status: SubscriptionStatus,
    row: Subscription | None,
) -> None:
    values: dict[str, Any] = {
        "topic": asked.topic.topic,
        "filters": list(asked.filters),
        "content": asked.content,
        "endpoint": asked.endpoint,
        "headers": _sealed(session, write.id, asked.headers),
        "heartbeat_seconds": asked.heartbeat_seconds,
        "timeout_seconds": asked.timeout_seconds,
        "max_count": asked.max_count,
        "ends_at": asked.ends_at,
        "status": status,
    }
    if row is None:
        subscriptions.add(session, write.id, by.actor.id, write.now, **values)
        return
    if status is SubscriptionStatus.REQUESTED:
        values |= {"tries": 0, "not_before": write.now}
    if status is not SubscriptionStatus.ERROR:
        values |= {"error": None}
    subscriptions.change(session, write.id, write.now, **values)


def delete_subscription(session: Session, by: Access, id: str, now: datetime) -> None:
    """Nothing more is sent, its secrets are gone, and it is found no more; its history stays for audits.

    Raises NotFound for what is deleted already, or somebody else's.
    """
    interactions.require(TYPE, "delete")
    by.permit.require(TYPE, "d")
    row = _own(session, by, id)
    stored = resources.read(session, TYPE, id)
    if not by.permit.allows(stored, "d"):
        raise Forbidden(f"This client's scopes do not reach this {TYPE}; nothing was changed.")
    gone = {"status": SubscriptionStatus.OFF, "headers": None, "endpoint": "", "error": None}
    subscriptions.change(session, row.id, now, deleted_at=now, **gone)
    deleted = resources.replace(session, tombstone(stored.document), stored.version, now)
    entry = AuditEntry(
        action=Action.DELETE, subtype="delete", entity=deleted.reference, detail={"version": deleted.version}
    )
    audit.record(session, by.actor, entry)
