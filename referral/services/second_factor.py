"""The second factor of staff: codes of an authenticator app (TOTP, RFC 6238), and recovery codes on paper.

A code is good for its own half minute and those beside it, and once. Wrong ones count as wrong passwords do.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final

import pyotp

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.credential import normal_code
from referral.domain.errors import Forbidden, InvalidInput, Issue, TransitionRefused
from referral.services.accounts import (
    LOCK_AFTER,
    LOCK_FOR,
    REFUSALS_PER_ADDRESS,
    TOO_MANY,
    actor_of,
    source_of,
)
from referral.services.sign_in_rules import sign_in_rules
from referral.storage import accounts, audit, second_factors
from referral.storage.db import Session, hold
from referral.storage.second_factors import SecondFactor

ISSUER: Final = "Referral"
RECOVERY_CODES: Final = 8
# 80 bits: no slow hash is needed, even for who has the database.
_CODE_LENGTH: Final = 16
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
WRONG_CODE: Final = (
    "This code is not right, was used already, or the account is paused for 15 minutes after too many tries."
)


def offer_second_factor(session: Session, actor: Actor) -> None:
    """A new secret for the actor's app; it counts once a code of it was given. Refuses where one is on."""
    if not second_factors.offer(session, actor.id, pyotp.random_base32()):
        raise TransitionRefused("A second factor is on already. Turn it off first.")
    _note(session, actor, actor.id, "second-factor-offered")


def enrolment_uri(factor: SecondFactor, email: str, clinic: str) -> str:
    """What the app reads out of the QR code."""
    return pyotp.TOTP(factor.secret).provisioning_uri(name=email, issuer_name=f"{ISSUER} {clinic}")


def confirm_second_factor(session: Session, actor: Actor, typed: str, now: datetime) -> tuple[str, ...]:
    """The app works: from now on it is asked for. Returns the recovery codes, which are shown this once."""
    factor = second_factors.find(session, actor.id)
    if factor is None or factor.since is not None:
        raise TransitionRefused("There is no second factor to confirm. Start again.")
    if not _take(session, actor.id, factor, typed, now):
        raise InvalidInput(Issue("This code is not right. Type the one that the app shows now.", ("code",)))
    codes = _new_codes(session, actor.id, now)
    _note(session, actor, actor.id, "second-factor-on")
    return codes


def renew_recovery_codes(session: Session, actor: Actor, now: datetime) -> tuple[str, ...]:
    """Eight new ones; the old ones are worth nothing."""
    factor = second_factors.find(session, actor.id)
    if factor is None or factor.since is None:
        raise TransitionRefused("There is no second factor that they would stand in for.")
    codes = _new_codes(session, actor.id, now)
    _note(session, actor, actor.id, "recovery-codes")
    return codes


def turn_off_second_factor(session: Session, actor: Actor) -> None:
    """One's own. Refuses whoever has a role that needs one."""
    if actor.role in sign_in_rules(session).second_factor_roles:
        raise Forbidden("Your role needs a second factor. An administrator can reset it.")
    second_factors.turn_off(session, actor.id)
    _note(session, actor, actor.id, "second-factor-off")


def prove_code(session: Session, user_id: str, typed: str, address: str | None, now: datetime) -> str:
    """Empty when a code of the app or a recovery code was right, else what to say; the caller commits both.

    One guess after the other: of many at the same moment each is counted before the next is looked at.
    """
    hold(session, f"second-factor/{user_id}")
    user, source = accounts.get_user(session, user_id), source_of(address)
    if accounts.failed_sign_ins(session, source, now) >= REFUSALS_PER_ADDRESS:
        return TOO_MANY
    paused = user.locked_until is not None and user.locked_until > now
    factor = second_factors.find(session, user_id)
    if not paused and user.active and factor is not None and factor.since is not None:
        if _take(session, user_id, factor, typed, now):
            return ""
        if second_factors.use_recovery_code(session, user_id, _digest(user_id, typed)):
            _note(session, actor_of(user, address), user_id, "recovery-code-used", left=factor.codes_left - 1)
            return ""
    if not paused:
        accounts.count_miss(session, user_id, LOCK_AFTER, now + LOCK_FOR)
        entry = AuditEntry(action=Action.EXECUTE, subtype="second-factor", outcome="4")
        audit.record(session, actor_of(user, address), entry)
    accounts.count_failed_sign_in(session, source, now)
    return WRONG_CODE


def _take(session: Session, user_id: str, factor: SecondFactor, typed: str, now: datetime) -> bool:
    """Whether it is a code of the app that was not taken yet."""
    given = "".join(typed.split())
    app = pyotp.TOTP(factor.secret)
    present = int(now.timestamp()) // app.interval
    right = [
        step
        for step in (present - 1, present, present + 1)
        if hmac.compare_digest(app.generate_otp(step).encode(), given.encode())
    ]
    return bool(right) and second_factors.take_step(session, user_id, right[-1])


def _new_codes(session: Session, user_id: str, now: datetime) -> tuple[str, ...]:
    made = ["".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)) for _ in range(RECOVERY_CODES)]
    second_factors.turn_on(session, user_id, [_digest(user_id, code) for code in made], now)
    return tuple("-".join(code[at : at + 4] for at in range(0, _CODE_LENGTH, 4)) for code in made)


def _digest(user_id: str, code: str) -> str:
    """The same code of somebody else has another one."""
    return hashlib.sha256(f"{user_id}/{normal_code(code)}".encode()).hexdigest()


def _note(session: Session, actor: Actor, user_id: str, subtype: str, **detail: int) -> None:
    entry = AuditEntry(action=Action.UPDATE, subtype=subtype, entity=f"User/{user_id}", detail=dict(detail))
    audit.record(session, actor, entry)
