"""Restore mode: noticing that the database is older than what is known, and opening again by two people.

While a clinic is in it the gate is closed, nothing is sent and the portal is off (docs/adr/0008).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Role
from referral.domain.errors import Forbidden, TransitionRefused
from referral.services.refresh_gate import refresh_gate
from referral.storage import accounts, audit, clinics, mode, orders, safety_events
from referral.storage.accounts import StaffUser
from referral.storage.db import Database, Session, attempt
from referral.storage.stream import Stream, is_copy, is_missing

log = structlog.get_logger(__name__)
OLDER: Final = "The exported stream knows of events that this database does not have: it is a backup."
ELSEWHERE: Final = "This is not the database that the service was installed in: it was loaded from a dump."
MISSING: Final = "The exported stream of this database is not here: the data was brought to another place."
COPIED: Final = "The directory of the exported stream is a copy: the data was moved or put back."
BY_HAND: Final = "Entered by hand."
MAY_APPROVE: Final = frozenset({Role.MEDICAL_DIRECTOR, Role.ADMIN})


def detect(database: Database, directory: Path, *, keeps_stream: bool) -> str | None:
    """Enter restore mode in every clinic if one is found to be restored; returns why, None where all is well.

    Run it before anything is served, and with each export. `directory` holds the exported streams; it is read
    only. `keeps_stream` is true for processes that write it, and false for those that may not see it at all.
    """
    with database.transaction() as session:
        clinic_ids = [clinic.id for clinic in clinics.every(session)]
    # The newest lines first: what is in the stream was in the database before.
    heads = {clinic_id: Stream(directory, clinic_id).head() for clinic_id in clinic_ids}
    why = COPIED if is_copy(directory) else None
    missing = keeps_stream and is_missing(directory)
    with database.transaction() as session:
        for clinic_id, head in heads.items():
            session.enter_clinic(clinic_id)
            if mode.is_restoring(session):
                continue
            if head is not None and not safety_events.continues(session, head):
                why = OLDER
            elif why is None and mode.is_elsewhere(session):
                why = ELSEWHERE
            elif why is None and missing and safety_events.were_exported(session):
                why = MISSING
        if why is not None:
            enter(session, why)
    return why


def enter(session: Session, why: str) -> int:
    """Close every clinic that is not closed yet; returns how many were."""
    entered = 0
    for clinic in clinics.every(session):
        session.enter_clinic(clinic.id)
        if mode.is_restoring(session):
            continue
        mode.add(session, "entered", "system", why)
        entry = AuditEntry(action=Action.EXECUTE, subtype="restore-entered")
        audit.record(session, Actor(clinic.id, "system", "restore"), entry)
        log.warning("restore-mode.entered", clinic=clinic.id, why=why)
        entered += 1
    return entered


def approve(session: Session, actor: Actor, user: StaffUser, now: datetime) -> bool:
    """One of the two who reopen the clinic has given the password again; True when it is open now.

    Two different people, a medical director among them, after `referral reconcile`; the database insists.
    Raises Forbidden for other roles, TransitionRefused where it is not the time, or twice by one person.
    """
    if user.role not in MAY_APPROVE:
        raise Forbidden("A medical director or an administrator can reopen the clinic.")
    state = mode.current(session)
    if not state.restoring:
        raise TransitionRefused("The clinic is open; there is nothing to reopen.", "operating-mode")
    if state.reconciled is None:
        raise TransitionRefused("`referral reconcile` comes first.", "operating-mode")
    if user.id in state.approved_by:
        raise TransitionRefused("You have approved already; a second person is needed.", "operating-mode")
    mode.add(session, "approved", user.id)
    _note(session, actor, "restore-approved")
    users = accounts.get_users(session)
    approved = [*state.approved_by, user.id]
    directors = [id for id in approved if users[id].role is Role.MEDICAL_DIRECTOR]
    if len(approved) < 2 or not directors:
        return False
    mode.add(session, "reopened", user.id)
    _note(session, actor, "restore-reopened")
    for order in orders.find(session, limit=100_000):
        _refresh_safely(session, actor, order.id, now)
    return True


def _refresh_safely(session: Session, actor: Actor, order_id: str, now: datetime) -> None:
    """One order's trouble does not keep the clinic closed: the database decides about each start anyway."""
    try:
        with attempt(session):
            refresh_gate(session, actor, order_id, now)
    except Exception:
        log.exception("restore-mode.order-not-refreshed", order=order_id)


def _note(session: Session, actor: Actor, what: str) -> None:
    audit.record(session, actor, AuditEntry(action=Action.EXECUTE, subtype=what))
