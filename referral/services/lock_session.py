"""Sessions that lock when they are not used, and what was typed in them meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.credential import random_token
from referral.services.accounts import prove
from referral.services.sign_in_rules import SESSION_LIFETIME
from referral.storage import accounts, audit, kept_forms, staff_sessions
from referral.storage.accounts import StaffSession
from referral.storage.db import Session
from referral.storage.kept_forms import KeptForm

# Longer than a lunch break, and over before the day is.
KEPT_FOR: Final = timedelta(hours=2)
_MOST_KEPT: Final = 5
# Of everything that was typed; a form of ours is smaller.
_LONGEST: Final = 200_000
# Never kept: what proves who somebody is, and what belongs to one showing of the page.
_NEVER: Final = frozenset({"password", "new_password", "again", "code", "csrf_token", "kept_form"})


def is_locked(own: StaffSession, now: datetime) -> bool:
    """Not used for so long, or locked by its owner."""
    return own.locked_at is not None or now - own.seen_at > timedelta(seconds=own.idle_seconds)


def has_ended(own: StaffSession, now: datetime) -> bool:
    """However busy it is."""
    return now - own.created_at > SESSION_LIFETIME


def lock_session(session: Session, actor: Actor, own: StaffSession, now: datetime) -> None:
    """By its owner, or by the page when its time was up."""
    staff_sessions.lock(session, own.token_digest, now)
    audit.record(session, actor, AuditEntry(action=Action.EXECUTE, subtype="lock-session"))


def unlock_session(
    session: Session, actor: Actor, own: StaffSession, password: str, now: datetime
) -> tuple[str, str]:
    """(the session's new token, '') for the right password, else ('', what to say); the caller commits both.

    A wrong password counts as one at the sign-in does. The form token stays, so that
    pages that are open go on working.
    """
    user = prove(session, own.email, password, actor.address, now)
    if isinstance(user, str):
        return "", user
    token = random_token()
    if not staff_sessions.unlock(session, own.token_digest, token, now):
        return "", "This session has ended. Please sign in again."
    accounts.change_user(session, user.id, failed_sign_ins=0, locked_until=None)
    audit.record(session, actor, AuditEntry(action=Action.EXECUTE, subtype="unlock-session"))
    return token, ""


def keep_form(session: Session, actor: Actor, form: KeptForm, now: datetime) -> str | None:
    """Keep what was sent from a locked session; the id to find it by, None where there is too much of it."""
    fields = tuple((name, value) for name, value in form.fields if name not in _NEVER)
    if sum(len(name) + len(value) for name, value in fields) > _LONGEST:
        return None
    id = random_token(size=18)
    kept_forms.add(session, id, actor.id, KeptForm(form.path, fields), now)
    kept_forms.keep_newest(session, actor.id, _MOST_KEPT)
    audit.record(session, actor, AuditEntry(action=Action.CREATE, subtype="keep-form"))
    return id


def find_kept(session: Session, user_id: str, id: str, now: datetime) -> KeptForm | None:
    """One's own, while it is kept."""
    return kept_forms.find(session, id, user_id, now - KEPT_FOR)


def forget_kept(session: Session, now: datetime) -> int:
    """What nobody has come back for, of the entered clinic."""
    return kept_forms.forget(session, now - KEPT_FOR)
