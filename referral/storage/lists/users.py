"""The people of a clinic."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, literal, or_, select

from referral.domain.codes import Role
from referral.domain.listing import Page, View
from referral.storage import tables
from referral.storage.accounts import USER_COLUMNS, StaffUser, to_user
from referral.storage.db import Session
from referral.storage.lists.conditions import one_of, words_of
from referral.storage.lists.keyset import CLINIC, Asked, Listing, Sort, read

_USER: Final = tables.staff_user
# Who never signed in comes last: a key that can be NULL is no place to go on from.
_SEEN: Final = func.coalesce(_USER.c.last_sign_in_at, literal(datetime.fromisoformat("2000-01-01T00:00:00Z")))


_ROWS: Final = select(*USER_COLUMNS).where(_USER.c.clinic_id == CLINIC)


def _called(asked: Asked) -> Any:
    words = words_of(asked.value)
    said = (func.lower(_USER.c.name), _USER.c.email)
    return (
        and_(*(or_(*(text.contains(word, autoescape=True) for text in said)) for word in words))
        if words
        else None
    )


_USERS: Final[Listing[StaffUser]] = Listing(
    query=_ROWS,
    to_row=lambda row: to_user(row[: len(USER_COLUMNS)]),
    sorts={
        "name": Sort((_USER.c.name, _USER.c.id)),
        "seen": Sort((_SEEN, _USER.c.id), descending=True),
        "newest": Sort((_USER.c.created_at, _USER.c.id), descending=True),
    },
    filters={
        "q": _called,
        "role": one_of({role.value: _USER.c.role == role.value for role in Role}),
        "state": one_of(
            {
                "": _USER.c.active,
                "disabled": ~_USER.c.active,
                "waiting": and_(_USER.c.active, _USER.c.set_up_digest.is_not(None)),
                "all": None,
            }
        ),
        "factor": one_of(
            {"on": _USER.c.second_factor_at.is_not(None), "off": _USER.c.second_factor_at.is_(None)}
        ),
    },
    always=frozenset({"state"}),
)


def listed(session: Session, view: View, now: datetime) -> Page[StaffUser]:
    """Those that are not disabled, unless others are asked for."""
    return read(session, _USERS, view, now)
