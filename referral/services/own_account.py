"""What everybody may do with their own account: another password, and an end to sessions elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, NotFound
from referral.services.accounts import hash_password, password_issues
from referral.services.sign_in_rules import SESSION_LIFETIME
from referral.storage import accounts, audit, set_up_links, staff_sessions
from referral.storage.accounts import StaffSession
from referral.storage.db import Session
from referral.storage.staff_sessions import OpenSession


def change_password(session: Session, actor: Actor, own: StaffSession, new: str, now: datetime) -> None:
    """The old one was given just before. Other sessions of the account end, and a set-up link."""
    issues = password_issues(new, "new_password")
    if issues:
        raise InvalidInput(*issues)
    accounts.change_user(session, own.user_id, password_hash=hash_password(new))
    set_up_links.end(session, own.user_id)
    staff_sessions.end_of_user(session, own.user_id, now, but=own.token_digest)
    _note(session, actor, "change-password")


def set_first_password(session: Session, token: str, new: str, address: str | None, now: datetime) -> None:
    """By the link that the administrator has handed over, which works once; every session ends."""
    user = set_up_links.find(session, token, now)
    if user is None:
        raise NotFound("This link does not work any more.")
    issues = password_issues(new, "new_password")
    if issues:
        raise InvalidInput(*issues)
    if not set_up_links.use(session, user.id, token, hash_password(new)):
        raise NotFound("This link does not work any more.")
    staff_sessions.end_of_user(session, user.id, now)
    _note(session, Actor(user.clinic_id, "staff", user.id, user.role, address), "set-password")


def own_sessions(session: Session, user_id: str, now: datetime) -> Sequence[OpenSession]:
    """Those that can still be used, the last used first."""
    return staff_sessions.of_user(session, user_id, now - SESSION_LIFETIME)


def end_own_session(session: Session, actor: Actor, token_digest: bytes, now: datetime) -> None:
    """One of the actor's own; raises NotFound for any other."""
    if not staff_sessions.end_of_user(session, actor.id, now, only=token_digest):
        raise NotFound("This session has ended already.")
    _note(session, actor, "end-session")


def end_other_sessions(session: Session, actor: Actor, own: StaffSession, now: datetime) -> None:
    """All of the actor's own but the one at hand."""
    ended = staff_sessions.end_of_user(session, actor.id, now, but=own.token_digest)
    _note(session, actor, "end-sessions", count=ended)


def same_twice(new: str, again: str) -> None:
    """Whoever mistypes a new password is locked out, so it is typed twice."""
    if new != again:
        raise InvalidInput(Issue("The two passwords are not the same.", ("again",)))


def _note(session: Session, actor: Actor, subtype: str, **detail: int) -> None:
    entry = AuditEntry(action=Action.UPDATE, subtype=subtype, entity=f"User/{actor.id}", detail=dict(detail))
    audit.record(session, actor, entry)
