"""The people of the clinic: let in, given another role, disabled; their passwords and second factors reset.

A clinic keeps an administrator: the last one is neither disabled nor given another role.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Role
from referral.domain.credential import random_token
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.services.accounts import NO_PASSWORD, normal_email
from referral.storage import accounts, audit, kept_forms, second_factors, set_up_links, staff_sessions
from referral.storage.accounts import StaffUser
from referral.storage.db import Session, hold

LINK_LIFETIME: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class NewPerson:
    email: str
    name: str
    role: Role | None


@dataclass(frozen=True, slots=True)
class SetUp:
    """The token of the link by which the person sets a password; it is nowhere else."""

    user_id: str
    token: str
    expires_at: datetime


def invite_user(session: Session, actor: Actor, new: NewPerson, now: datetime) -> SetUp:
    """An account without a password, and the link that sets one. Refuses an address that has an account."""
    issues, email = [], ""
    if not new.name.strip():
        issues.append(Issue("The name is missing.", ("name",)))
    try:
        email = normal_email(new.email)
    except InvalidInput as error:
        issues += error.issues
    if new.role is None:
        issues.append(Issue("Please choose a role.", ("role",)))
    if issues or new.role is None:
        raise InvalidInput(*issues)
    user = StaffUser(
        clinic_id=session.clinic,
        id=str(uuid.uuid4()),
        email=email,
        name=new.name.strip(),
        role=new.role,
        password_hash=NO_PASSWORD,
        active=True,
        failed_sign_ins=0,
        locked_until=None,
    )
    accounts.add_user(session, user)
    _note(session, actor, user.id, "add-user", Action.CREATE, role=user.role)
    return new_set_up_link(session, actor, user.id, now)


def new_set_up_link(session: Session, actor: Actor, user_id: str, now: datetime) -> SetUp:
    """By it the person sets a password. Until then the old one, and every session, is worth nothing."""
    user = _active(session, user_id)
    made = SetUp(user.id, random_token(), now + LINK_LIFETIME)
    accounts.change_user(session, user.id, password_hash=NO_PASSWORD, failed_sign_ins=0, locked_until=None)
    set_up_links.keep(session, user.id, made.token, made.expires_at)
    staff_sessions.end_of_user(session, user.id, now)
    _note(session, actor, user.id, "set-up-link")
    return made


def change_role(session: Session, actor: Actor, user_id: str, role: Role) -> None:
    """Holds with the next click of whoever is signed in."""
    user = _active(session, user_id)
    _not_oneself(actor, user)
    if role is not Role.ADMIN:
        _keep_an_administrator(session, user)
    accounts.change_user(session, user.id, role=role)
    _note(session, actor, user.id, "change-role", role=role, before=user.role)


def disable_user(session: Session, actor: Actor, user_id: str, now: datetime) -> None:
    """Out at once, and out of what they had open. Their name stays with what they have done."""
    user = accounts.get_user(session, user_id)
    _not_oneself(actor, user)
    _keep_an_administrator(session, user)
    accounts.change_user(session, user.id, active=False)
    set_up_links.end(session, user.id)
    staff_sessions.end_of_user(session, user.id, now)
    kept_forms.remove(session, user.id)
    _note(session, actor, user.id, "disable-user")


def enable_user(session: Session, actor: Actor, user_id: str) -> None:
    """The password from before works again."""
    user = accounts.get_user(session, user_id)
    accounts.change_user(session, user.id, active=True, failed_sign_ins=0, locked_until=None)
    _note(session, actor, user.id, "enable-user")


def reset_second_factor(session: Session, actor: Actor, user_id: str, now: datetime) -> None:
    """For who has lost telephone and recovery codes; sessions end. A role that needs one sets up another."""
    user = accounts.get_user(session, user_id)
    second_factors.turn_off(session, user.id)
    staff_sessions.end_of_user(session, user.id, now)
    _note(session, actor, user.id, "second-factor-reset")


def end_sessions(session: Session, actor: Actor, user_id: str, now: datetime) -> None:
    """Signed out everywhere, as when a telephone was lost."""
    user = accounts.get_user(session, user_id)
    ended = staff_sessions.end_of_user(session, user.id, now)
    _note(session, actor, user.id, "end-sessions", count=ended)


def _active(session: Session, user_id: str) -> StaffUser:
    user = accounts.get_user(session, user_id)
    if not user.active:
        raise TransitionRefused("This account is disabled. Enable it first.")
    return user


def _not_oneself(actor: Actor, user: StaffUser) -> None:
    if actor.kind == "staff" and actor.id == user.id:
        raise TransitionRefused("Another administrator has to do this: you cannot do it to yourself.")


def _keep_an_administrator(session: Session, user: StaffUser) -> None:
    """One after the other, so that two who remove each other at the same moment do not both succeed."""
    hold(session, "administrators")
    others = [
        one
        for one in accounts.get_users(session).values()
        if one.role is Role.ADMIN and one.active and one.id != user.id
    ]
    if user.role is Role.ADMIN and user.active and not others:
        raise TransitionRefused("This is the last administrator. Make somebody else one first.")


def _note(
    session: Session,
    actor: Actor,
    user_id: str,
    subtype: str,
    action: Action = Action.UPDATE,
    **detail: str | int,
) -> None:
    entry = AuditEntry(action=action, subtype=subtype, entity=f"User/{user_id}", detail=dict(detail))
    audit.record(session, actor, entry)
