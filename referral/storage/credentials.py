"""Portal credentials, their sessions and the throttle. Only digests are stored."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, exists, insert, not_, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from referral.domain.codes import Channel
from referral.domain.credential import Minted, digest, matches, normal_code
from referral.domain.life import Purpose
from referral.storage import attempts, clinics
from referral.storage.db import Session
from referral.storage.tables import portal_credential, portal_session, portal_throttle, referral

_MISSES_PER_WINDOW: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One link. `channel` and `contact_verified` say how it travelled."""

    clinic_id: str
    selector: str
    referral_id: str
    message_id: uuid.UUID
    secret_digest: bytes
    channel: Channel
    contact_verified: bool
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_for: str | None
    attempts: int
    paused_until: datetime | None
    frozen_at: datetime | None
    purpose: Purpose

    def is_usable(self, now: datetime) -> bool:
        paused = self.paused_until is not None and self.paused_until > now
        return self.revoked_at is None and self.frozen_at is None and now < self.expires_at and not paused


FIELDS: Final = tuple(Credential.__slots__)
_SELECT: Final = select(*(portal_credential.c[name] for name in FIELDS))


def to_credential(row: Iterable[Any]) -> Credential:
    """From the columns FIELDS in their order."""
    values = dict(zip(FIELDS, row, strict=True))
    values["clinic_id"] = str(values["clinic_id"])
    values["channel"] = Channel(values["channel"])
    values["purpose"] = Purpose(values["purpose"])
    return Credential(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """As Credential, before it is kept."""

    minted: Minted
    referral_id: str
    message_id: uuid.UUID
    channel: Channel
    contact_verified: bool
    expires_at: datetime


_ADD_MANY: Final = text(
    "INSERT INTO portal_credential (clinic_id, selector, referral_id, message_id, secret_digest, code_digest,"
    " channel, contact_verified, expires_at, purpose, created_at)"
    " SELECT :clinic, c.*, :now FROM unnest(CAST(:selectors AS text[]), CAST(:referrals AS text[]),"
    " CAST(:messages AS uuid[]), CAST(:secrets AS bytea[]), CAST(:codes AS bytea[]),"
    " CAST(:channels AS text[]), CAST(:verified AS boolean[]), CAST(:ends AS timestamptz[]),"
    " CAST(:purposes AS text[])) AS c"
)


def add_many(session: Session, new: Iterable[NewCredential], now: datetime) -> None:
    """Keep the digests of minted credentials; the secrets and the codes themselves are nowhere."""
    made = list(new)
    if not made:
        return
    given = {
        "clinic": session.clinic,
        "now": now,
        "selectors": [one.minted.selector for one in made],
        "referrals": [one.referral_id for one in made],
        "messages": [one.message_id for one in made],
        "secrets": [one.minted.secret_digest for one in made],
        "codes": [one.minted.code_digest for one in made],
        "channels": [str(one.channel) for one in made],
        "verified": [one.contact_verified for one in made],
        "ends": [one.expires_at for one in made],
        "purposes": [str(one.minted.purpose) for one in made],
    }
    session.connection.execute(_ADD_MANY, given)


def find_by_link(session: Session, selector: str, secret: str) -> Credential | None:
    """The credential whose selector and secret these are, whatever its state; None for a wrong one.

    Enters the credential's clinic when it is found.
    """
    session.show_key(selector)
    row = session.connection.execute(_SELECT.where(portal_credential.c.selector == selector)).one_or_none()
    if row is None or not matches(secret, row.secret_digest):
        return None
    return _enter(session, row)


def find_by_code(session: Session, typed: str) -> Credential | None:
    """The credential whose short code was typed. The code is no secret on its own: a birth date follows."""
    code = digest(normal_code(typed))
    session.show_key(code.hex())
    row = session.connection.execute(_SELECT.where(portal_credential.c.code_digest == code)).one_or_none()
    return _enter(session, row) if row else None


def find_for_renewal(session: Session, selector: str) -> Credential | None:
    """The credential with this public selector; enough to send a fresh link to the contact on file."""
    session.show_key(selector)
    row = session.connection.execute(_SELECT.where(portal_credential.c.selector == selector)).one_or_none()
    return _enter(session, row) if row else None


def _enter(session: Session, row: Any) -> Credential:
    found = to_credential(row)
    session.enter_clinic(found.clinic_id)
    return found


def get(session: Session, selector: str, *, lock: bool = False) -> Credential | None:
    """Whatever its state: dead, frozen and expired ones too. None where there is none in this clinic."""
    query = _SELECT.where(
        portal_credential.c.clinic_id == session.clinic, portal_credential.c.selector == selector
    )
    row = session.connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    return to_credential(row) if row else None


def of_referral(session: Session, referral_id: str) -> list[Credential]:
    """Every link of a request, newest first."""
    query = _SELECT.where(
        portal_credential.c.clinic_id == session.clinic, portal_credential.c.referral_id == referral_id
    )
    rows = session.connection.execute(query.order_by(portal_credential.c.created_at.desc()))
    return [to_credential(row) for row in rows]


def find_code_of(session: Session, referral_id: str, typed: str) -> Credential | None:
    """The credential of this request whose short code was typed; never one of another request or clinic."""
    row = session.connection.execute(
        _SELECT.where(
            portal_credential.c.clinic_id == session.clinic,
            portal_credential.c.referral_id == referral_id,
            portal_credential.c.code_digest == digest(normal_code(typed)),
        )
    ).one_or_none()
    return to_credential(row) if row else None


def take_attempt(session: Session, selector: str, now: datetime) -> bool:
    """As attempts.take_attempt(), of one of these links."""
    return attempts.take_attempt(session, portal_credential, selector, now)


def forgive(session: Session, selector: str) -> None:
    """A right answer clears the counter."""
    attempts.forgive(session, portal_credential, selector)


def revoke_all(session: Session, referral_id: str, reason: str, now: datetime) -> int:
    """End every link of a request, and every session that came by one."""
    table = portal_credential
    changed = session.connection.execute(
        update(table)
        .where(
            table.c.clinic_id == session.clinic,
            table.c.referral_id == referral_id,
            table.c.revoked_at.is_(None),
        )
        .values(revoked_at=now, revoked_for=reason)
    )
    return changed.rowcount


def revoke_sent_by(session: Session, messages: Iterable[uuid.UUID], reason: str, now: datetime) -> int:
    """End the links that these messages carried."""
    table = portal_credential
    changed = session.connection.execute(
        update(table)
        .where(
            table.c.clinic_id == session.clinic,
            table.c.message_id.in_(list(messages)),
            table.c.revoked_at.is_(None),
        )
        .values(revoked_at=now, revoked_for=reason)
    )
    return changed.rowcount


def freeze_all(session: Session, referral_id: str, now: datetime) -> None:
    """Every link of a request rests: it reaches the wrong person, or somebody else is to answer."""
    table = portal_credential
    session.connection.execute(
        update(table)
        .where(
            table.c.clinic_id == session.clinic,
            table.c.referral_id == referral_id,
            table.c.revoked_at.is_(None),
            table.c.frozen_at.is_(None),
        )
        .values(frozen_at=now)
    )


def freeze(session: Session, selector: str, now: datetime) -> None:
    """Only a fresh link helps from now on."""
    session.connection.execute(
        update(portal_credential)
        .where(portal_credential.c.clinic_id == session.clinic, portal_credential.c.selector == selector)
        .values(frozen_at=now)
    )


def has_misses_left(session: Session, source: str, now: datetime) -> bool:
    """Count a look-up of an unknown code from `source` (digest of an address); False past 30 in an hour."""
    window = now.replace(minute=0, second=0, microsecond=0)
    statement = upsert(portal_throttle).values(source=source, window_start=window, misses=1)
    misses = session.connection.scalar(
        statement.on_conflict_do_update(
            index_elements=["source", "window_start"], set_={"misses": portal_throttle.c.misses + 1}
        ).returning(portal_throttle.c.misses)
    )
    return misses is not None and int(misses) <= _MISSES_PER_WINDOW


# ---- Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSession:
    """What a visitor has proven so far. `came_by` is link or code.

    `is_assistant`: they fill in for the clinician, and cannot sign.
    """

    clinic_id: str
    token_digest: bytes
    selector: str
    csrf_token: str
    came_by: str
    created_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    one_time_digest: bytes | None
    one_time_until: datetime | None
    one_time_channel: str | None
    second_factor_at: datetime | None
    identified_at: datetime | None
    strength: str | None
    sealed_draft: bytes | None
    is_assistant: bool


_SESSION_FIELDS: Final = tuple(PortalSession.__slots__)


def open_session(
    session: Session, token: str, *, selector: str, csrf_token: str, came_by: str, now: datetime
) -> None:
    """Remember a proven identity. Only the digest of `token` is kept; `came_by` is how it was proven."""
    session.connection.execute(
        insert(portal_session).inline(),
        {
            "clinic_id": session.clinic,
            "token_digest": digest(token),
            "selector": selector,
            "csrf_token": csrf_token,
            "came_by": came_by,
            "created_at": now,
            "seen_at": now,
        },
    )


def opened_since(session: Session, selector: str, moment: datetime) -> bool:
    """Whether a session came by this link after `moment`."""
    query = select(portal_session.c.token_digest).where(
        portal_session.c.clinic_id == session.clinic,
        portal_session.c.selector == selector,
        portal_session.c.created_at > moment,
    )
    return session.connection.scalar(query.limit(1)) is not None


_SELECT_SESSION: Final = select(*(portal_session.c[name] for name in _SESSION_FIELDS))
_FIND_SESSION: Final = _SELECT_SESSION.where(portal_session.c.token_digest == bindparam("token"))


def _to_session(row: Any) -> PortalSession:
    values = dict(zip(_SESSION_FIELDS, row, strict=True))
    values["clinic_id"] = str(values["clinic_id"])
    return PortalSession(**values)


def find_session(session: Session, token: str) -> PortalSession | None:
    """Enters the clinic of the session that is found; whether it is still alive is for the caller."""
    key = digest(token)
    session.show_key(key.hex())
    row = session.connection.execute(_FIND_SESSION, {"token": key}).one_or_none()
    if row is None:
        return None
    found = _to_session(row)
    session.enter_clinic(found.clinic_id)
    return found


def lock_session(session: Session, token_digest: bytes) -> PortalSession:
    """The session as it is now, held until the transaction ends: what is sent twice is worked off in turn."""
    query = _SELECT_SESSION.where(
        portal_session.c.clinic_id == session.clinic, portal_session.c.token_digest == token_digest
    )
    return _to_session(session.connection.execute(query.with_for_update(key_share=True)).one())


def last_draft(session: Session, referral_id: str) -> PortalSession | None:
    """The session that last saved a draft for this request, by any of its links; None where nobody did."""
    query = _SELECT_SESSION.join(
        portal_credential,
        and_(
            portal_credential.c.clinic_id == portal_session.c.clinic_id,
            portal_credential.c.selector == portal_session.c.selector,
        ),
    ).where(
        portal_session.c.clinic_id == session.clinic,
        portal_credential.c.referral_id == referral_id,
        portal_session.c.sealed_draft.is_not(None),
    )
    row = session.connection.execute(query.order_by(portal_session.c.seen_at.desc()).limit(1)).one_or_none()
    return _to_session(row) if row else None


def hold_sessions_about(session: Session, patient_id: str) -> None:
    """Whoever is at the portal about this patient waits until the transaction ends.

    Taken before anything else: at the portal, too, the visit is locked before the order and its request.
    """
    query = (
        select(portal_session.c.token_digest)
        .join(
            portal_credential,
            and_(
                portal_credential.c.clinic_id == portal_session.c.clinic_id,
                portal_credential.c.selector == portal_session.c.selector,
            ),
        )
        .join(
            referral,
            and_(
                referral.c.clinic_id == portal_credential.c.clinic_id,
                referral.c.id == portal_credential.c.referral_id,
            ),
        )
        .where(
            portal_session.c.clinic_id == session.clinic,
            referral.c.patient_id == patient_id,
            portal_session.c.ended_at.is_(None),
        )
        .order_by(portal_session.c.token_digest)
    )
    session.connection.execute(query.with_for_update(of=portal_session, key_share=True))


def end_sessions_of(session: Session, referral_ids: Iterable[str], now: datetime) -> int:
    """Whoever looks at one of these requests is shown nothing more; returns how many visits were running."""
    of_these = select(portal_credential.c.selector).where(
        portal_credential.c.clinic_id == session.clinic,
        portal_credential.c.referral_id.in_(list(referral_ids)),
    )
    ended = session.connection.execute(
        update(portal_session)
        .where(
            portal_session.c.clinic_id == session.clinic,
            portal_session.c.selector.in_(of_these),
            portal_session.c.ended_at.is_(None),
        )
        .values(ended_at=now)
    )
    return ended.rowcount


def change_session(session: Session, token_digest: bytes, **values: Any) -> None:
    """Write new values of named columns."""
    session.connection.execute(
        update(portal_session)
        .where(
            and_(portal_session.c.clinic_id == session.clinic, portal_session.c.token_digest == token_digest)
        )
        .values(**values)
    )


def remove_sessions(session: Session, before: datetime) -> int:
    """Visits of this clinic's links that ended before; one with a draft only once its request is closed.

    Returns how many.
    """
    table = portal_session
    is_wanted = exists().where(
        portal_credential.c.clinic_id == table.c.clinic_id,
        portal_credential.c.selector == table.c.selector,
        referral.c.clinic_id == portal_credential.c.clinic_id,
        referral.c.id == portal_credential.c.referral_id,
        referral.c.closed_at.is_(None),
    )
    gone = session.connection.execute(
        delete(table).where(
            table.c.clinic_id == session.clinic,
            table.c.seen_at < before,
            or_(table.c.sealed_draft.is_(None), not_(is_wanted)),
        )
    )
    return gone.rowcount


def seal_draft(session: Session, token_digest: bytes, draft: bytes) -> bytes:
    """Encrypted for this session alone: another one cannot open it."""
    wrapped = clinics.get(session, session.clinic).wrapped_key
    return session.vault.seal(wrapped, draft, f"draft/{token_digest.hex()}")


def open_draft(session: Session, found: PortalSession) -> bytes | None:
    """What seal_draft() sealed; None where nothing was saved."""
    if found.sealed_draft is None:
        return None
    wrapped = clinics.get(session, session.clinic).wrapped_key
    return session.vault.open(wrapped, found.sealed_draft, f"draft/{found.token_digest.hex()}")
