"""Passwords: checking them, and making users with one."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from argon2 import PasswordHasher, profiles
from argon2.exceptions import InvalidHashError, VerificationError

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Role
from referral.domain.errors import InvalidInput, Issue
from referral.fhir.contact_values import normal_mail
from referral.storage import accounts, audit
from referral.storage.accounts import StaffSession, StaffUser
from referral.storage.db import Session

MINIMUM_PASSWORD: Final = 15
LONGEST_PASSWORD: Final = 1000
# Of an account whose password nobody has set yet.
NO_PASSWORD: Final = "!"  # noqa: S105 - no hash of any
LOCK_AFTER: Final = 10
LOCK_FOR: Final = timedelta(minutes=15)
# Refused passwords from one address in an hour, whoever they were for; a whole clinic may share an address.
REFUSALS_PER_ADDRESS: Final = 60
WRONG: Final = (
    "E-mail and password do not match, or the account is paused for 15 minutes after too many tries."
)
TOO_MANY: Final = "Too many tries from here. Please wait an hour, or sign in from another place."


@cache
def _hasher() -> PasswordHasher:
    """argon2id with the parameters of RFC 9106 for low memory, which are the library's defaults."""
    return PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)


@cache
def _decoy() -> str:
    """Checked when there is no such user, so that the time taken does not tell."""
    return _hasher().hash(secrets.token_hex(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    email: str
    name: str
    role: Role
    password: str


def add_user(session: Session, actor: Actor, new: NewUser) -> str:
    """Returns the id. Refuses a short password, an unusable address and an address that has an account."""
    issues = []
    try:
        email = normal_email(new.email)
    except InvalidInput as error:
        issues, email = list(error.issues), ""
    issues += password_issues(new.password, "password")
    if not new.name.strip():
        issues.append(Issue("The name is missing.", ("name",)))
    if issues:
        raise InvalidInput(*issues)
    user = StaffUser(
        clinic_id=session.clinic,
        id=str(uuid.uuid4()),
        email=email,
        name=new.name.strip(),
        role=new.role,
        password_hash=hash_password(new.password),
        active=True,
        failed_sign_ins=0,
        locked_until=None,
    )
    accounts.add_user(session, user)
    entry = AuditEntry(
        action=Action.CREATE, subtype="add-user", entity=f"User/{user.id}", detail={"role": user.role}
    )
    audit.record(session, actor, entry)
    return user.id


def hash_password(password: str) -> str:
    """As it is kept."""
    return _hasher().hash(password)


def password_issues(password: str, field: str) -> list[Issue]:
    """What is wrong with a password that somebody wants to have from now on."""
    if len(password) < MINIMUM_PASSWORD:
        return [Issue(f"The password needs at least {MINIMUM_PASSWORD} characters.", (field,))]
    if len(password) > LONGEST_PASSWORD:
        return [Issue(f"The password has more than {LONGEST_PASSWORD} characters.", (field,))]
    return []


def normal_email(text: str) -> str:
    """Lower case, checked for its form only: nothing is asked of the network."""
    return normal_mail(text, "email")


def check_password(session: Session, email: str, password: str, now: datetime) -> StaffUser | None:
    """The user, or None for anything wrong; counts failures, ten of which lock the account for 15 minutes.

    The caller commits also when the answer is None, or the count would be lost.
    """
    user = accounts.find_user_by_email(session, email.strip().lower())
    locked = user is not None and user.locked_until is not None and user.locked_until > now
    # An account without a usable password takes as long as one that is not there.
    kept = user.password_hash if user and user.password_hash.startswith("$argon2") else _decoy()
    try:
        _hasher().verify(kept, password)
        right = user is not None and user.active and not locked
    except (VerificationError, InvalidHashError):
        right = False
    if user is None or not right:
        if user is not None and not locked:
            accounts.count_miss(session, user.id, LOCK_AFTER, now + LOCK_FOR)
            entry = AuditEntry(action=Action.EXECUTE, subtype="sign-in", outcome="4")
            audit.record(session, actor_of(user, None), entry)
        return None
    return user


def source_of(address: str | None) -> str:
    """Under which refusals are counted: the table needs no addresses."""
    return hashlib.sha256(f"sign-in/{address}".encode()).hexdigest()


def prove(session: Session, email: str, password: str, address: str | None, now: datetime) -> StaffUser | str:
    """The user, or the sentence that says why not (WRONG or TOO_MANY); counts by account and by address.

    The caller commits in both cases.
    """
    source = source_of(address)
    if accounts.failed_sign_ins(session, source, now) >= REFUSALS_PER_ADDRESS:
        return TOO_MANY
    user = check_password(session, email, password, now)
    if user is None:
        accounts.count_failed_sign_in(session, source, now)
        return WRONG
    return user


def confirm_password(session: Session, actor: Actor, own: StaffSession, password: str, now: datetime) -> str:
    """Whoever is signed in gives the password once more; empty when it was right, else what to say.

    The session keeps the time, by the database's clock: what needs it counts it for five minutes. A wrong
    password counts as one at the sign-in does, and the caller commits in both cases.
    """
    user = prove(session, own.email, password, actor.address, now)
    if isinstance(user, str):
        return user
    accounts.change_user(session, user.id, failed_sign_ins=0, locked_until=None)
    accounts.mark_reauthenticated(session, own.token_digest)
    audit.record(session, actor, AuditEntry(action=Action.EXECUTE, subtype="password-again"))
    return ""


def actor_of(user: StaffUser, address: str | None) -> Actor:
    """Somebody who is about to sign in."""
    return Actor(user.clinic_id, "staff", user.id, user.role, address)
