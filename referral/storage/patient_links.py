"""Links to the patient's own page, and the visits that came by them. Only digests are stored.

Apart from the clinicians' links, so that no patient's link can ever open a request or answer one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update

from referral.domain.credential import Minted, digest, matches
from referral.storage import attempts
from referral.storage.db import Session, among
from referral.storage.tables import message
from referral.storage.tables import patient_link as links
from referral.storage.tables import patient_visit as visits


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLink:
    clinic_id: str
    selector: str
    patient_id: str
    message_id: uuid.UUID
    secret_digest: bytes
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_for: str | None
    attempts: int
    paused_until: datetime | None
    frozen_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.revoked_at is not None or self.frozen_at is not None

    def is_paused(self, now: datetime) -> bool:
        return self.paused_until is not None and self.paused_until > now

    def is_usable(self, now: datetime) -> bool:
        return not self.is_over and now < self.expires_at and not self.is_paused(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientVisit:
    """`identified_at` is set once the date of birth was right."""

    clinic_id: str
    token_digest: bytes
    selector: str
    csrf_token: str
    created_at: datetime
    seen_at: datetime
    identified_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPatientLink:
    minted: Minted
    patient_id: str
    message_id: uuid.UUID
    expires_at: datetime


_LINK: Final = tuple(PatientLink.__slots__)
_VISIT: Final = tuple(PatientVisit.__slots__)
_SELECT_LINK: Final = select(*(links.c[name] for name in _LINK))
_SELECT_VISIT: Final = select(*(visits.c[name] for name in _VISIT))


def _to_link(row: Any) -> PatientLink:
    return PatientLink(**{**dict(zip(_LINK, row, strict=True)), "clinic_id": str(row.clinic_id)})


def _to_visit(row: Any) -> PatientVisit:
    return PatientVisit(**{**dict(zip(_VISIT, row, strict=True)), "clinic_id": str(row.clinic_id)})


def add_many(session: Session, new: Iterable[NewPatientLink], now: datetime) -> None:
    """Keep the digests of minted secrets; the secrets themselves are nowhere."""
    rows = [
        {
            "clinic_id": session.clinic,
            "selector": one.minted.selector,
            "patient_id": one.patient_id,
            "message_id": one.message_id,
            "secret_digest": one.minted.secret_digest,
            "created_at": now,
            "expires_at": one.expires_at,
        }
        for one in new
    ]
    if rows:
        session.connection.execute(insert(links).inline(), rows)


def find_by_link(session: Session, selector: str, secret: str) -> PatientLink | None:
    """Whatever its state; None for a wrong secret. Enters the clinic of the link when it is found."""
    found = find_for_renewal(session, selector, enter=False)
    if found is None or not matches(secret, found.secret_digest):
        return None
    session.enter_clinic(found.clinic_id)
    return found


def find_for_renewal(session: Session, selector: str, *, enter: bool = True) -> PatientLink | None:
    """By its public half alone: enough to send a fresh link to the contact on file."""
    session.show_key(selector)
    row = session.connection.execute(_SELECT_LINK.where(links.c.selector == selector)).one_or_none()
    if row is None:
        return None
    found = _to_link(row)
    if enter:
        session.enter_clinic(found.clinic_id)
    return found


def get(session: Session, selector: str, *, lock: bool = False) -> PatientLink | None:
    """Of the clinic that was entered, whatever its state."""
    query = _SELECT_LINK.where(links.c.clinic_id == session.clinic, links.c.selector == selector)
    row = session.connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
    return _to_link(row) if row else None


def of_patient(session: Session, patient_id: str) -> list[PatientLink]:
    """Newest first."""
    query = _SELECT_LINK.where(links.c.clinic_id == session.clinic, links.c.patient_id == patient_id)
    return [_to_link(row) for row in session.connection.execute(query.order_by(links.c.created_at.desc()))]


def take_attempt(session: Session, selector: str, now: datetime) -> bool:
    """As attempts.take_attempt(), of one of these links."""
    return attempts.take_attempt(session, links, selector, now)


def forgive(session: Session, selector: str) -> None:
    """A right answer clears the counter."""
    attempts.forgive(session, links, selector)


def revoke_sent_to(session: Session, contact_ids: Iterable[str], reason: str) -> int:
    """End the links that went to these contacts: whoever is reached there is not the patient any more."""
    sent = select(message.c.id).where(
        message.c.clinic_id == session.clinic, among(message.c.contact_id, contact_ids)
    )
    changed = session.connection.execute(
        update(links)
        .where(
            links.c.clinic_id == session.clinic, links.c.message_id.in_(sent), links.c.revoked_at.is_(None)
        )
        .values(revoked_at=func.now(), revoked_for=reason)
    )
    return changed.rowcount


# ---- Visits


def open_visit(session: Session, token: str, *, selector: str, csrf_token: str, now: datetime) -> None:
    """Only the digest of `token` is kept."""
    session.connection.execute(
        insert(visits).inline(),
        {
            "clinic_id": session.clinic,
            "token_digest": digest(token),
            "selector": selector,
            "csrf_token": csrf_token,
            "created_at": now,
            "seen_at": now,
        },
    )


def find_visit(session: Session, token: str) -> PatientVisit | None:
    """Enters the clinic of the visit that is found; whether it is still alive is for the caller."""
    key = digest(token)
    session.show_key(key.hex())
    row = session.connection.execute(_SELECT_VISIT.where(visits.c.token_digest == key)).one_or_none()
    if row is None:
        return None
    found = _to_visit(row)
    session.enter_clinic(found.clinic_id)
    return found


def change_visit(session: Session, token_digest: bytes, **values: Any) -> None:
    """Write new values of named columns."""
    session.connection.execute(
        update(visits)
        .where(visits.c.clinic_id == session.clinic, visits.c.token_digest == token_digest)
        .values(**values)
    )


def remove_visits(session: Session, before: datetime) -> int:
    """Visits that were last used before; returns how many."""
    gone = session.connection.execute(
        delete(visits).where(visits.c.clinic_id == session.clinic, visits.c.seen_at < before)
    )
    return gone.rowcount
