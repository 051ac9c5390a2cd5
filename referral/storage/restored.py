"""What `referral reconcile` does to rows that a backup has brought back, past the rules of daily life."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from referral.domain.outgoing import UNFINISHED, MessageKind, MessageState
from referral.domain.subscription import SubscriptionStatus
from referral.storage import resources, subscriptions
from referral.storage.db import Session
from referral.storage.tables import (
    api_client,
    cds_client,
    contact,
    message,
    patient_link,
    patient_visit,
    portal_credential,
    portal_session,
    staff_session,
    staff_user,
)

SUBSCRIPTION_RESTORED: Final = (
    "This server was restored from a backup: read again what you need, then set the status to requested."
)


def finish_message(session: Session, id: str, at: datetime) -> bool:
    """The message was handed over after the backup was taken; False where it is finished already."""
    changed = session.connection.execute(
        update(message)
        .where(
            message.c.clinic_id == session.clinic,
            message.c.id == uuid.UUID(id),
            message.c.state.in_(UNFINISHED),
        )
        .values(
            state=MessageState.ACCEPTED, finished_at=at, lease_until=None, in_doubt=False, sent_for_real=True
        )
    )
    return changed.rowcount == 1


def put_sent(session: Session, id: str, referral_id: str, detail: dict[str, Any], at: datetime) -> bool:
    """A message that the backup does not know: its place is taken, so that it is never queued again.

    False where the place is taken already.
    """
    statement = insert(message).values(
        clinic_id=session.clinic,
        id=uuid.UUID(id),
        referral_id=referral_id,
        kind=detail["kind"],
        ordinal=detail["ordinal"],
        channel=detail["channel"],
        contact_id=detail["contact_id"],
        patient_id=detail.get("patient_id"),
        state=MessageState.ACCEPTED,
        generation=detail["generation"],
        not_before=at,
        sent_for_real=True,
        created_at=at,
        finished_at=at,
    )
    made = session.connection.execute(statement.on_conflict_do_nothing().returning(message.c.id))
    return made.first() is not None


def has_contact(session: Session, id: str) -> bool:
    """Whether the contact that a message went to is in the backup."""
    query = contact.select().where(contact.c.clinic_id == session.clinic, contact.c.id == id)
    return session.connection.execute(query).first() is not None


def park_messages(session: Session, reason: str, now: datetime) -> list[tuple[str, str, MessageKind]]:
    """Nothing that waits goes out by itself: it may have left before. Returns (id, request, kind) of each.

    One-time codes are cancelled, since nobody waits for them any more.
    """
    of_clinic = (message.c.clinic_id == session.clinic, message.c.state.in_(UNFINISHED))
    is_code = message.c.kind == MessageKind.IDENTITY_CODE
    session.connection.execute(
        update(message).where(*of_clinic, is_code).values(state=MessageState.CANCELLED, finished_at=now)
    )
    rows = session.connection.execute(
        update(message)
        .where(*of_clinic)
        .values(
            state=MessageState.UNKNOWN, last_error=reason, finished_at=now, lease_until=None, in_doubt=False
        )
        .returning(message.c.id, message.c.referral_id, message.c.kind)
    )
    return [(str(row.id), row.referral_id, MessageKind(row.kind)) for row in rows]


def revoke_links(session: Session, selectors: Iterable[str], now: datetime) -> int:
    """Links that had ended before the restore."""
    table = portal_credential
    changed = session.connection.execute(
        update(table)
        .where(
            table.c.clinic_id == session.clinic,
            table.c.selector.in_(list(selectors)),
            table.c.revoked_at.is_(None),
        )
        .values(revoked_at=now, revoked_for="restored")
    )
    return changed.rowcount


def expire_links(session: Session, now: datetime) -> int:
    """Every other link runs out now: its holder can ask for a fresh one, sent to the contact on file."""
    ended = 0
    for table in (portal_credential, patient_link):
        changed = session.connection.execute(
            update(table)
            .where(
                table.c.clinic_id == session.clinic, table.c.revoked_at.is_(None), table.c.expires_at > now
            )
            .values(expires_at=now)
        )
        ended += changed.rowcount
    return ended


def end_sessions(session: Session, now: datetime) -> None:
    """Whoever was signed in when the backup was taken signs in again; sessions of the portal end."""
    for table in (patient_visit, portal_session, staff_session):
        session.connection.execute(
            update(table)
            .where(table.c.clinic_id == session.clinic, table.c.ended_at.is_(None))
            .values(ended_at=now)
        )


_ENDED: Final = {
    "account-ended": staff_user.c.active,
    "contact-ended": contact.c.active,
    "client-ended": api_client.c.revoked_at,
    # The backup holds the keys from before: whoever has them must not come in, so the client is made anew.
    "client-rekeyed": api_client.c.revoked_at,
    "cds-client-ended": cds_client.c.removed_at,
}
ENDED: Final = tuple(_ENDED)


def end_accounts(session: Session, kind: str, ids: Iterable[str], now: datetime) -> int:
    """`kind` is one of ENDED; returns how many were alive again."""
    column = _ENDED[kind]
    table, is_flag = column.table, column.name == "active"
    changed = session.connection.execute(
        update(table)
        .where(
            table.c.clinic_id == session.clinic,
            table.c.id.in_(list(ids)),
            column if is_flag else column.is_(None),
        )
        .values({column: False if is_flag else now})
    )
    return changed.rowcount


def end_subscriptions(session: Session, now: datetime) -> int:
    """What was told after the backup is not known, nor its numbers: their clients have to begin anew.

    Numbers leap, so that a receiver who drops what it has seen drops nothing new. Returns how many it were.
    """
    found = subscriptions.living(session)
    for row in found:
        subscriptions.change(
            session, row.id, now, status=SubscriptionStatus.ERROR, error=SUBSCRIPTION_RESTORED
        )
        changes = {"status": str(SubscriptionStatus.ERROR), "error": SUBSCRIPTION_RESTORED}
        resources.amend(session, "Subscription", row.id, changes, now)
    subscriptions.leap(session)
    return len(found)
