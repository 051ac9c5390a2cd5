"""Second factors of staff: encrypted secrets, the last code that was taken, digests of recovery codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import any_, func, literal, or_, select, update

from referral.storage import clinics
from referral.storage.db import Session
from referral.storage.tables import staff_user


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """`since` is None while the secret was offered and no code of it was given yet."""

    secret: str
    since: datetime | None
    codes_left: int


def find(session: Session, user_id: str) -> SecondFactor | None:
    """What somebody has or was offered."""
    row = session.connection.execute(
        select(
            staff_user.c.second_factor_secret,
            staff_user.c.second_factor_at,
            func.cardinality(staff_user.c.recovery_codes),
        ).where(staff_user.c.clinic_id == session.clinic, staff_user.c.id == user_id)
    ).one_or_none()
    if row is None or row[0] is None:
        return None
    wrapped = clinics.current(session).wrapped_key
    return SecondFactor(session.vault.open(wrapped, row[0], _purpose(user_id)).decode(), row[1], row[2])


def offer(session: Session, user_id: str, secret: str) -> bool:
    """Keep a new secret; False where a second factor is on, which stays as it is."""
    sealed = session.vault.seal(clinics.current(session).wrapped_key, secret.encode(), _purpose(user_id))
    return _change(
        session,
        user_id,
        staff_user.c.second_factor_at.is_(None),
        second_factor_secret=sealed,
        second_factor_step=None,
    )


def take_step(session: Session, user_id: str, step: int) -> bool:
    """A code of this half minute was right; False for one that was taken already, or a later one.

    Decided by one statement, so that of two who show the same code at once only one comes in.
    """
    last = staff_user.c.second_factor_step
    return _change(session, user_id, or_(last.is_(None), last < step), second_factor_step=step)


def turn_on(session: Session, user_id: str, code_digests: Iterable[str], now: datetime) -> None:
    """From now on it is asked for; also new recovery codes for one that is on."""
    since = func.coalesce(staff_user.c.second_factor_at, now)
    _change(session, user_id, second_factor_at=since, recovery_codes=list(code_digests))


def use_recovery_code(session: Session, user_id: str, code_digest: str) -> bool:
    """Take one code away; False for one that is not there, such as one that was used."""
    codes = staff_user.c.recovery_codes
    return _change(
        session,
        user_id,
        literal(code_digest) == any_(codes),
        recovery_codes=func.array_remove(codes, code_digest),
    )


def turn_off(session: Session, user_id: str) -> None:
    """Secret and codes are gone."""
    _change(
        session,
        user_id,
        second_factor_secret=None,
        second_factor_at=None,
        second_factor_step=None,
        recovery_codes=[],
    )


def _change(session: Session, user_id: str, *conditions: Any, **values: Any) -> bool:
    own = (staff_user.c.clinic_id == session.clinic, staff_user.c.id == user_id)
    changed = session.connection.execute(update(staff_user).where(*own, *conditions).values(**values))
    return changed.rowcount == 1


def _purpose(user_id: str) -> str:
    return f"second-factor/{user_id}"
