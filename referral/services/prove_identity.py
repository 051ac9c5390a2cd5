"""Proves who is at the portal: what is asked next depends on how the link travelled (safety.md 3).

A link on paper: the patient's date of birth. A link by mail or text message: before that, a code that came
another way.
Every guess is paid for in a committed transaction before it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Channel, Strength
from referral.domain.credential import FREEZE_AFTER, matches
from referral.domain.life import Purpose
from referral.services.hold_ladder import go_on_after_guessing, hold_for_guessing
from referral.services.keep_draft import take_over_draft
from referral.services.respond_to_referral import note_identity
from referral.storage import audit, credentials, directory, referrals
from referral.storage.credentials import Credential, PortalSession
from referral.storage.db import Session

PAPER: Final = frozenset({Channel.FAX, Channel.POST})
# What `one_time_channel` says where the code went to the same address as the link.
SAME_ADDRESS: Final = "same"

Transaction = Callable[[], AbstractContextManager[Session]]


class Stage(StrEnum):
    """What a visitor has to show next."""

    SECOND_FACTOR = "second-factor"
    BIRTH_DATE = "birth-date"
    IDENTIFIED = "identified"


class Guess(StrEnum):
    """`NONE_LEFT`: nothing was looked at, because wrong tries have paused or frozen the link."""

    RIGHT = "right"
    WRONG = "wrong"
    NONE_LEFT = "none-left"


def stage_of(found: PortalSession, credential: Credential) -> Stage:
    """What is to be shown next, from what has been shown already and how the link travelled."""
    if found.identified_at is not None:
        return Stage.IDENTIFIED
    if credential.channel in PAPER or found.second_factor_at is not None:
        return Stage.BIRTH_DATE
    return Stage.SECOND_FACTOR


def guess(
    transaction: Transaction, actor: Actor, selector: str, check: Callable[[Session], bool], now: datetime
) -> Guess:
    """As pay_then_look() of one link.

    The tenth try freezes the link, stops the reminders and tells staff in the transaction that counts it: no
    crash can lose that.
    """
    return pay_then_look(transaction, lambda session: _pay(session, actor, selector, now), check)


def pay_then_look(
    transaction: Transaction, pay: Callable[[Session], bool], check: Callable[[Session], bool]
) -> Guess:
    """Pay, commit, then look. An exception from the first step means that nothing was looked at."""
    with transaction() as session:
        if not pay(session):
            return Guess.NONE_LEFT
    with transaction() as session:
        return Guess.RIGHT if check(session) else Guess.WRONG


def _pay(session: Session, actor: Actor, selector: str, now: datetime) -> bool:
    link = credentials.get(session, selector)
    if link is None:
        return False
    # The request before its links, as everybody locks them: the tenth try writes both.
    referrals.get(session, link.referral_id, lock=True)
    if not credentials.take_attempt(session, selector, now):
        return False
    paid = credentials.get(session, selector)
    if paid is not None and paid.attempts >= FREEZE_AFTER:
        hold_for_guessing(session, actor.id, paid.referral_id, now)
        _record(session, actor, paid, "portal-frozen", outcome_ok=False)
    return True


def check_letter_code(
    session: Session, actor: Actor, found: PortalSession, typed: str, now: datetime
) -> bool:
    """The code of a paper letter about the same request; two channels if that contact was verified."""
    credential = _usable(session, found.selector)
    letter = credentials.find_code_of(session, credential.referral_id, typed) if credential else None
    right = (
        letter is not None
        and letter.channel in PAPER
        and letter.revoked_at is None
        and letter.frozen_at is None
    )
    if right and letter is not None:
        strength = Strength.TWO_CHANNEL if letter.contact_verified else Strength.SINGLE_CHANNEL
        credentials.change_session(session, found.token_digest, second_factor_at=now, strength=strength)
    return _noted(session, actor, credential, "letter-code", right=right)


def check_one_time_code(
    session: Session, actor: Actor, found: PortalSession, typed: str, now: datetime
) -> bool:
    """The six digits that were sent within the last ten minutes; they work once."""
    fresh, credential = (
        credentials.lock_session(session, found.token_digest),
        _usable(session, found.selector),
    )
    digits = "".join(character for character in typed if character.isdigit())
    right = (
        credential is not None
        and fresh.one_time_digest is not None
        and fresh.one_time_until is not None
        and now < fresh.one_time_until
        and matches(digits, fresh.one_time_digest)
    )
    if right:
        other = fresh.one_time_channel != SAME_ADDRESS
        credentials.change_session(
            session,
            found.token_digest,
            second_factor_at=now,
            strength=Strength.TWO_CHANNEL if other else Strength.SINGLE_CHANNEL,
            one_time_digest=None,
            one_time_until=None,
        )
    return _noted(session, actor, credential, "one-time-code", right=right)


def check_birth_date(
    session: Session, actor: Actor, found: PortalSession, typed: date, now: datetime
) -> bool:
    """The patient's date of birth, from the clinician's own chart. Right: the visitor is identified.

    Only this clears the counter: a code known for certain must not buy more tries at the date.
    """
    fresh, link = (
        credentials.lock_session(session, found.token_digest),
        credentials.get(session, found.selector),
    )
    if link is None:
        return False
    # The request before its links: staff who cancel it at this moment lock in that order, too.
    referral = referrals.get(session, link.referral_id, lock=True)
    credential = _usable(session, found.selector)
    if credential is None or stage_of(fresh, credential) is Stage.SECOND_FACTOR:
        return False
    born = directory.get_patient(session, referral.patient_id).birth_date
    if born is None or born != typed:
        return _noted(session, actor, credential, "birth-date", right=False)
    credentials.forgive(session, found.selector)
    if credential.frozen_at is not None:
        # The tenth try was right.
        go_on_after_guessing(session, referral, now)
        referrals.note(session, referral.id, "resumed", actor.id, now)
    credentials.change_session(
        session, found.token_digest, identified_at=now, strength=_strength(fresh, credential)
    )
    if credential.purpose is Purpose.ANSWER:
        take_over_draft(session, fresh, credential.referral_id)
        note_identity(session, actor, credential.referral_id, now)
    else:
        referrals.note(session, referral.id, "standing-opened", actor.id, now)
    return _noted(session, actor, credential, "birth-date", right=True)


def can_be_identified(session: Session, actor: Actor, found: PortalSession, now: datetime) -> bool:
    """False where the patient's full date of birth is not on file: staff are told, once, to call."""
    credential = credentials.get(session, found.selector)
    if credential is None:
        return False
    referral = referrals.get(session, credential.referral_id)
    if directory.get_patient(session, referral.patient_id).birth_date is not None:
        return True
    if all(event.event != "portal-no-birth-date" for event in referrals.events(session, referral.id)):
        referrals.note(session, referral.id, "portal-no-birth-date", actor.id, now)
    return False


def _strength(found: PortalSession, credential: Credential) -> Strength:
    if credential.channel not in PAPER:
        return Strength(found.strength or Strength.SINGLE_CHANNEL)
    return Strength.PAPER_TO_VERIFIED_CONTACT if credential.contact_verified else Strength.SINGLE_CHANNEL


def _usable(session: Session, selector: str) -> Credential | None:
    """Locked; None once it was revoked or frozen meanwhile. A tenth try froze it itself and still counts."""
    found = credentials.get(session, selector, lock=True)
    if found is None or found.revoked_at is not None:
        return None
    frozen_by_other = found.frozen_at is not None and found.attempts < FREEZE_AFTER
    return None if frozen_by_other else found


def _noted(session: Session, actor: Actor, credential: Credential | None, what: str, *, right: bool) -> bool:
    if credential is not None:
        _record(session, actor, credential, f"portal-{what}", outcome_ok=right)
    return right


def _record(session: Session, actor: Actor, credential: Credential, what: str, *, outcome_ok: bool) -> None:
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype=what,
        entity=f"ServiceRequest/{credential.referral_id}",
        patient_id=referrals.get(session, credential.referral_id).patient_id,
        outcome="0" if outcome_ok else "4",
    )
    audit.record(session, actor, entry)
