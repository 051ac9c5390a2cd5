"""Staff users, their sessions, and counters of refused sign-ins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, case, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from referral.domain.codes import Role
from referral.domain.credential import digest
from referral.domain.errors import DuplicateRequest, NotFound
from referral.storage.db import Session
from referral.storage.tables import portal_throttle, staff_session, staff_user

# What open pages are told when a session ends: each looks whether it was its own.
SESSIONS: Final = "Session"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffUser:
    clinic_id: str
    id: str
    email: str
    name: str
    role: Role
    password_hash: str
    active: bool
    failed_sign_ins: int
    locked_until: datetime | None
    last_sign_in_at: datetime | None = None
    # Until when the link to set a password with works; None where there is none.
    set_up_expires_at: datetime | None = None
    # Since when a second factor is asked for, None where it is not.
    second_factor_at: datetime | None = None


_FIELDS: Final = tuple(StaffUser.__slots__)
USER_COLUMNS: Final = tuple(staff_user.c[name] for name in _FIELDS)


def to_user(row: Any) -> StaffUser:
    """From a row of USER_COLUMNS."""
    values = dict(zip(_FIELDS, row, strict=True))
    values["clinic_id"] = str(values["clinic_id"])
    values["role"] = Role(values["role"])
    return StaffUser(**values)


def add_user(session: Session, user: StaffUser) -> None:
    """Raises DuplicateRequest for an e-mail address that is taken, in whichever clinic."""
    try:
        with session.connection.begin_nested():
            session.connection.execute(insert(staff_user), {name: getattr(user, name) for name in _FIELDS})
    except IntegrityError as error:
        raise DuplicateRequest("This e-mail address has an account already.", user.id) from error


def find_user_by_email(session: Session, email: str) -> StaffUser | None:
    """Enters the user's clinic when there is one."""
    session.show_key(email)
    row = session.connection.execute(select(*USER_COLUMNS).where(staff_user.c.email == email)).one_or_none()
    if row is None:
        return None
    user = to_user(row)
    session.enter_clinic(user.clinic_id)
    return user


_USERS: Final = (
    select(*USER_COLUMNS).where(staff_user.c.clinic_id == bindparam("clinic")).order_by(staff_user.c.name)
)


def get_users(session: Session) -> dict[str, StaffUser]:
    """By id, in the order of their names; inactive ones too."""
    rows = session.connection.execute(_USERS, {"clinic": session.clinic})
    return {row.id: to_user(row) for row in rows}


def get_user(session: Session, user_id: str) -> StaffUser:
    """One of this clinic, active or not; raises NotFound."""
    row = session.connection.execute(
        select(*USER_COLUMNS).where(staff_user.c.clinic_id == session.clinic, staff_user.c.id == user_id)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such account.")
    return to_user(row)


def change_user(session: Session, user_id: str, **values: Any) -> None:
    """Write new values of named columns; nothing happens for an id of another clinic."""
    session.connection.execute(
        update(staff_user)
        .where(staff_user.c.clinic_id == session.clinic, staff_user.c.id == user_id)
        .values(**values)
    )


def count_miss(session: Session, user_id: str, lock_after: int, locked_until: datetime) -> None:
    """Count a wrong password; the `lock_after`-th locks the account and starts the count again.

    Counted in the database, so that guesses at the same moment are all counted.
    """
    counted = staff_user.c.failed_sign_ins + 1
    session.connection.execute(
        update(staff_user)
        .where(staff_user.c.clinic_id == session.clinic, staff_user.c.id == user_id)
        .values(
            failed_sign_ins=case((counted >= lock_after, 0), else_=counted),
            locked_until=case((counted >= lock_after, locked_until), else_=staff_user.c.locked_until),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffSession:
    """Who is signed in; `token_digest` identifies the session, the token itself is only in the cookie.

    `stage` is 'in', or what is missing after the right password: 'code', or 'enrol' for who has to set a
    second factor up first. `idle_seconds` without use lock it; `locked_at` is when somebody has locked it.
    """

    clinic_id: str
    token_digest: bytes
    user_id: str
    csrf_token: str
    created_at: datetime
    seen_at: datetime
    name: str
    email: str
    role: Role
    stage: str = "in"
    device: str = ""
    idle_seconds: int = 900
    locked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """As StaffSession; `token` goes into the cookie, and only its digest is kept."""

    token: str
    csrf_token: str
    stage: str = "in"
    device: str = ""
    idle_seconds: int = 900


def open_session(session: Session, token: str, user: StaffUser, csrf_token: str, now: datetime) -> None:
    """Somebody is in, by the usual rules and from no device in particular."""
    add_session(session, user, NewSession(token=token, csrf_token=csrf_token), now)


def add_session(session: Session, user: StaffUser, new: NewSession, now: datetime) -> None:
    """Remember a sign-in, or as much of one as there is yet."""
    session.connection.execute(
        insert(staff_session).inline(),
        {
            "clinic_id": user.clinic_id,
            "token_digest": digest(new.token),
            "user_id": user.id,
            "csrf_token": new.csrf_token,
            "created_at": now,
            "seen_at": now,
            "stage": new.stage,
            "device": new.device,
            "idle_seconds": new.idle_seconds,
        },
    )


_OF_SESSION: Final = (
    *("clinic_id", "token_digest", "user_id", "csrf_token", "created_at", "seen_at"),
    *("stage", "device", "idle_seconds", "locked_at"),
)
_SESSION: Final = select(*(staff_session.c[name] for name in _OF_SESSION)).where(
    staff_session.c.token_digest == bindparam("digest"), staff_session.c.ended_at.is_(None)
)
_SIGNED_IN: Final = select(staff_user.c.name, staff_user.c.email, staff_user.c.role).where(
    staff_user.c.clinic_id == bindparam("clinic"), staff_user.c.id == bindparam("user"), staff_user.c.active
)


def find_session(session: Session, token: str, *, waiting: bool = False) -> StaffSession | None:
    """The running session of an active user; enters its clinic.

    One whose second step is missing is found where `waiting` is asked for, and only there.
    """
    key = digest(token)
    session.show_key(key.hex())
    row = session.connection.execute(_SESSION, {"digest": key}).one_or_none()
    if row is None or (row.stage != "in") is not waiting:
        return None
    session.enter_clinic(str(row.clinic_id))
    user = session.connection.execute(
        _SIGNED_IN, {"clinic": row.clinic_id, "user": row.user_id}
    ).one_or_none()
    return None if user is None else _to_session(row, user)


def _to_session(row: Any, user: Any) -> StaffSession:
    values = dict(zip(_OF_SESSION, row, strict=True)) | {"clinic_id": str(row.clinic_id)}
    return StaffSession(**values, name=user.name, email=user.email, role=Role(user.role))


def count_failed_sign_in(session: Session, source: str, now: datetime) -> None:
    """Count one refused sign-in from `source` (a digest of the address) in the current hour."""
    statement = upsert(portal_throttle).values(source=source, window_start=_hour(now), misses=1)
    session.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "window_start"], set_={"misses": portal_throttle.c.misses + 1}
        )
    )


def failed_sign_ins(session: Session, source: str, now: datetime) -> int:
    """How many were counted for `source` in the current hour, whoever they were for."""
    counted = session.connection.scalar(
        select(portal_throttle.c.misses).where(
            portal_throttle.c.source == source, portal_throttle.c.window_start == _hour(now)
        )
    )
    return int(counted or 0)


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)


def touch_session(session: Session, token_digest: bytes, now: datetime) -> None:
    """Move the idle time-out of a session that was just used."""
    change_session(session, token_digest, seen_at=now)


def mark_reauthenticated(session: Session, token_digest: bytes) -> None:
    """The password was given again just now, by the database's clock, which judges how long ago it was."""
    change_session(session, token_digest, reauthenticated_at=func.clock_timestamp())


def end_session(session: Session, token_digest: bytes, now: datetime) -> None:
    """Sign out: find_session() does not find it any more. A second call only moves the time."""
    session.late.changed.add(SESSIONS)
    change_session(session, token_digest, ended_at=now)


def change_session(session: Session, token_digest: bytes, **values: Any) -> None:
    """Write new values of named columns."""
    session.connection.execute(
        update(staff_session)
        .where(staff_session.c.clinic_id == session.clinic, staff_session.c.token_digest == token_digest)
        .values(**values)
    )


def remove_sessions(session: Session, before: datetime) -> int:
    """Sign-ins of this clinic that were last used before, and counters of refused ones; returns how many."""
    gone = session.connection.execute(
        delete(staff_session).where(
            staff_session.c.clinic_id == session.clinic, staff_session.c.seen_at < before
        )
    )
    counters = session.connection.execute(
        delete(portal_throttle).where(portal_throttle.c.window_start < before)
    )
    return gone.rowcount + counters.rowcount
