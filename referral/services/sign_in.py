"""Signing in: the password, then what the account or the clinic asks for besides, then a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.credential import random_token
from referral.services.accounts import actor_of
from referral.services.second_factor import offer_second_factor
from referral.services.sign_in_rules import sign_in_rules
from referral.storage import accounts, audit, kept_forms
from referral.storage.accounts import NewSession, StaffSession, StaffUser
from referral.storage.db import Session

# For the second step: long enough to find the telephone.
STEP_LIFETIME: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Came:
    """From where somebody signs in; `device` in our words."""

    address: str | None
    device: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The token goes into the cookie and is nowhere else; `stage` as in StaffSession."""

    token: str
    stage: str


def begin_session(session: Session, user: StaffUser, came: Came, now: datetime) -> Begun:
    """The password was right. Somebody is in, or one step short of it."""
    if user.second_factor_at is not None:
        stage = "code"
    elif user.role in sign_in_rules(session).second_factor_roles:
        stage = "enrol"
        offer_second_factor(session, actor_of(user, came.address))
    else:
        return Begun(_open(session, user, came, now), "in")
    made = NewSession(token=random_token(), csrf_token=random_token(size=18), stage=stage, device=came.device)
    accounts.add_session(session, user, made, now)
    return Begun(made.token, stage)


def finish_session(session: Session, waiting: StaffSession, came: Came, now: datetime) -> str:
    """The second step is done: a session of its own begins, under a token that nobody has seen before."""
    accounts.end_session(session, waiting.token_digest, now)
    return _open(session, accounts.get_user(session, waiting.user_id), came, now)


def sign_out(session: Session, actor: Actor, own: StaffSession, now: datetime) -> None:
    """The session ends on the server, and what was kept of its forms is gone."""
    accounts.end_session(session, own.token_digest, now)
    kept_forms.remove(session, own.user_id)
    audit.record(session, actor, AuditEntry(action=Action.EXECUTE, subtype="sign-out"))


def _open(session: Session, user: StaffUser, came: Came, now: datetime) -> str:
    made = NewSession(
        token=random_token(),
        csrf_token=random_token(size=18),
        device=came.device,
        idle_seconds=sign_in_rules(session).idle_minutes * 60,
    )
    accounts.change_user(session, user.id, failed_sign_ins=0, locked_until=None, last_sign_in_at=now)
    accounts.add_session(session, user, made, now)
    audit.record(session, actor_of(user, came.address), AuditEntry(action=Action.EXECUTE, subtype="sign-in"))
    return made.token
