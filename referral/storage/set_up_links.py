"""Links by which somebody sets the password of their account; digests are kept, and one works at a time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from referral.domain.credential import digest
from referral.storage.accounts import USER_COLUMNS, StaffUser, to_user
from referral.storage.db import Session
from referral.storage.tables import staff_user


def keep(session: Session, user_id: str, token: str, expires_at: datetime) -> None:
    """An earlier link of this account ends."""
    session.connection.execute(
        update(staff_user)
        .where(staff_user.c.clinic_id == session.clinic, staff_user.c.id == user_id)
        .values(set_up_digest=digest(token), set_up_expires_at=expires_at)
    )


def find(session: Session, token: str, now: datetime) -> StaffUser | None:
    """Whose link it is, while it works; enters their clinic."""
    key = digest(token)
    session.show_key(key.hex())
    row = session.connection.execute(
        select(*USER_COLUMNS).where(
            staff_user.c.set_up_digest == key, staff_user.c.set_up_expires_at > now, staff_user.c.active
        )
    ).one_or_none()
    if row is None:
        return None
    user = to_user(row)
    session.enter_clinic(user.clinic_id)
    return user


def use(session: Session, user_id: str, token: str, password_hash: str) -> bool:
    """Set the password and end the link; False where somebody else was faster."""
    changed = session.connection.execute(
        update(staff_user)
        .where(
            staff_user.c.clinic_id == session.clinic,
            staff_user.c.id == user_id,
            staff_user.c.set_up_digest == digest(token),
        )
        .values(
            password_hash=password_hash,
            set_up_digest=None,
            set_up_expires_at=None,
            failed_sign_ins=0,
            locked_until=None,
        )
    )
    return changed.rowcount == 1


def end(session: Session, user_id: str) -> None:
    """The link works no more, as when the account is disabled or its password was changed."""
    session.connection.execute(
        update(staff_user)
        .where(staff_user.c.clinic_id == session.clinic, staff_user.c.id == user_id)
        .values(set_up_digest=None, set_up_expires_at=None)
    )
