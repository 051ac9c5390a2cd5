"""A fax arrives and is read: kept once, then placed with the request that its code names or in the inbox."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from referral.domain.audit import Actor
from referral.domain.fax import FaxSource, FaxState, MatchedBy, selector_in
from referral.letters.scan import MAX_BYTES, Scan, ScanRefused, kind_of, read_scan
from referral.services.attach_fax import attach_fax, record_fax, release
from referral.storage import credentials, documents, faxes, referrals
from referral.storage.db import Database, Session
from referral.storage.faxes import Fax

MAX_ATTEMPTS: Final = 3
# What the provider does not hand over at once it may hand over later.
_FETCH_AGAIN: Final = timedelta(minutes=2)
_MOST_FETCHES: Final = 30
# A stack of sixty pages may be sixty answers; whoever sends more codes than that has made them up.
_MOST_CODES: Final = 60

# Asks the provider for the bytes of a fax by its reference; OSError where that does not succeed now.
Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One fax as it comes in. Without `content` the provider is asked for it by `reference`.

    `meant_for` is the request that an uploaded letter was uploaded to.
    """

    source: FaxSource
    content: bytes | None
    reference: str | None = None
    from_number: str | None = None
    meant_for: str | None = None


def take_fax(session: Session, arrived: Arrived, now: datetime) -> str | None:
    """Keep it for a worker to read; None where it has come before, by its reference or by its bytes."""
    content = arrived.content
    id = faxes.add(
        session,
        source=arrived.source,
        provider_reference=arrived.reference,
        from_number=arrived.from_number,
        sha256=hashlib.sha256(content).digest() if content is not None else None,
        state=FaxState.RECEIVED if content is not None else FaxState.ANNOUNCED,
        now=now,
        meant_for=arrived.meant_for,
    )
    if id is None:
        return None
    fax = faxes.get(session, id)
    if content is not None:
        fax = _keep(session, fax, content, now)
    record_fax(session, _worker(session), "receive-fax", fax, None, source=arrived.source)
    return id


def _keep(session: Session, fax: Fax, content: bytes, now: datetime) -> Fax:
    """The bytes as they came, encrypted; what is no fax at all is not kept."""
    problem = "too-many-bytes" if len(content) > MAX_BYTES else None
    kind = kind_of(content)
    if problem is None and kind is None:
        problem = "not-a-fax"
    if problem is not None or kind is None:
        return faxes.change(session, fax, state=FaxState.UNREADABLE, problem=problem)
    document_id = str(uuid.uuid4())
    documents.add(session, id=document_id, kind="incoming-fax", content_type=kind, content=content, now=now)
    return faxes.change(session, fax, document_id=document_id, state=FaxState.RECEIVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reading needs. `fetch` is None where no provider can be asked."""

    database: Database
    now: Callable[[], datetime]
    fetch: Fetch | None = None


def read_due(reading: Reading, clinic_id: str) -> int:
    """Fetch and read what has come in, one after the other; returns how many were looked at.

    Neither happens inside a transaction. A worker that dies over one leaves it to the next, three times.
    """
    count = 0
    while True:
        with reading.database.transaction(clinic_id) as session:
            fax = faxes.claim(session, reading.now())
            content = _content(session, fax) if fax else None
        if fax is None:
            return count
        count += 1
        if fax.state is FaxState.ANNOUNCED:
            _fetch(reading, clinic_id, fax)
        else:
            outcome = read_carefully(content or b"", fax.attempts)
            with reading.database.transaction(clinic_id) as session:
                settle(session, fax, outcome, reading.now())


def _content(session: Session, fax: Fax) -> bytes | None:
    return documents.get(session, fax.document_id).content if fax.document_id else None


def read_carefully(content: bytes, attempts: int) -> Scan | ScanRefused:
    """The pages, or why there are none; what has ended its reader too often is not read again."""
    if attempts > MAX_ATTEMPTS:
        return ScanRefused("too-slow")
    try:
        return read_scan(content)
    except ScanRefused as refusal:
        return refusal


def _fetch(reading: Reading, clinic_id: str, fax: Fax) -> None:
    content = None
    if reading.fetch is not None and fax.provider_reference is not None:
        try:
            content = reading.fetch(fax.provider_reference)
        except OSError:
            content = None
    now = reading.now()
    with reading.database.transaction(clinic_id) as session:
        if content is not None:
            known = faxes.find_by_bytes(session, fax.source, hashlib.sha256(content).digest())
            digest = None if known else hashlib.sha256(content).digest()
            kept = _keep(session, faxes.change(session, fax, sha256=digest), content, now)
            faxes.change(session, kept, attempts=0, not_before=now)
        elif fax.attempts >= _MOST_FETCHES:
            faxes.change(session, fax, state=FaxState.UNREADABLE, problem="not-fetched")
        else:
            faxes.change(session, fax, not_before=now + _FETCH_AGAIN)


def settle(session: Session, fax: Fax, outcome: Scan | ScanRefused, now: datetime) -> Fax:
    """With its request where its codes name exactly one of this clinic; otherwise in the inbox."""
    if isinstance(outcome, ScanRefused):
        unreadable = faxes.change(session, fax, state=FaxState.UNREADABLE, problem=outcome.reason)
        return _let_go(session, unreadable, now)
    for number, picture in enumerate(outcome.pictures, start=1):
        documents.add(
            session,
            id=page_id(fax.id, number),
            kind="fax-page",
            content_type="image/png",
            content=picture,
            now=now,
        )
    named = _named(session, outcome) if fax.meant_for is None else (fax.meant_for,)
    values = {"pages": len(outcome.pictures), "suggested": list(named)}
    fax = faxes.change(session, fax, state=FaxState.UNMATCHED, **values)
    if len(named) == 1:
        by = MatchedBy.UPLOAD if fax.meant_for else MatchedBy.BARCODE
        return attach_fax(session, _worker(session), fax, named[0], by, now)
    return fax


def _let_go(session: Session, fax: Fax, now: datetime) -> Fax:
    """A letter that was uploaded and cannot be read holds nobody's reminders; it stays in the inbox."""
    if fax.meant_for is not None:
        referral = referrals.get(session, fax.meant_for, lock=True)
        release(session, referral, fax, now)
        referrals.note(session, referral.id, "letter-unreadable", "worker", now, fax=fax.id)
    return fax


def page_id(fax_id: str, number: int) -> str:
    """The document that is the picture of one page, counted from 1."""
    return f"{fax_id}-{number}"


def _named(session: Session, scan: Scan) -> tuple[str, ...]:
    """The requests of this clinic whose letters the codes are from. A selector of another is nobody's."""
    selectors = [selector_in(code) for codes in scan.codes for code in codes]
    different = [selector for selector in dict.fromkeys(selectors) if selector]
    found = [credentials.get(session, selector) for selector in different[:_MOST_CODES]]
    return tuple(dict.fromkeys(credential.referral_id for credential in found if credential is not None))


def _worker(session: Session) -> Actor:
    return Actor(session.clinic, "system", "worker")
