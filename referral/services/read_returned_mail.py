"""Reads mail that came back: what a machine can read reaches the message, the rest is kept for a person.

A file is moved after what it says was committed, and the database remembers its digest: whoever dies in
between leaves a file that is read again and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import structlog

from referral.channels.base import Fate
from referral.channels.maildir import Maildir, read
from referral.channels.return_address import ReturnAddresses, Returned, looks_like_one
from referral.channels.returned_mail import MOST_BYTES, News, ReturnedMail, Unreadable, read_mail
from referral.domain.errors import ReferralError
from referral.domain.outgoing import provider_key
from referral.services.take_report import Report, take_report
from referral.storage import clinics, mode, on_call, outbox, referrals, returned_mail
from referral.storage.db import Database, Session
from referral.storage.on_call import SafetyCall
from referral.storage.outbox import Message

log = structlog.get_logger(__name__)
# A sweep looks again soon; letters must not wait for a flood of mail.
_MOST_AT_ONCE: Final = 200
KEEP_DONE: Final = timedelta(days=7)
KEEP_DIGESTS: Final = timedelta(days=90)
_FATES: Final = {News.FAILED: Fate.FAILED, News.DELIVERED: Fate.DELIVERED}
_NOTES: Final = {News.DELAYED: "mail-delayed", News.AUTOMATIC_REPLY: "automatic-reply"}
# Of each kind and message: neither a machine that answers for ever nor a stranger who has the letter fills a
# timeline.
_MOST_NOTES: Final = 10


class Ignored(StrEnum):
    """Why a mail concerned no message. FORGED: the address in it was not made by us."""

    FORGED = "forged"
    UNKNOWN = "unknown"
    ODD = "odd"


class _NotNow(Exception):
    """The clinic is closed after a restore: its mail stays where it is."""


@dataclass(frozen=True, slots=True)
class _About:
    """A mail that carries a genuine token."""

    mail: ReturnedMail
    returned: Returned


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reading needs; one per worker process."""

    database: Database
    maildir: Maildir
    returns: ReturnAddresses
    now: Callable[[], datetime]


def read_returned_mail(reading: Reading) -> int:
    """Work off what has come, oldest first; returns how many mails were taken. Safe to run twice.

    One process at a time; the others have nothing to do. Raises Unavailable, and OSError of the directory.
    """
    with reading.database.alone(f"returned mail {reading.maildir.folder}") as first:
        if not first:
            return 0
        reading.maildir.make()
        taken = sum(_take(reading, mail) for mail in reading.maildir.waiting()[:_MOST_AT_ONCE])
        if removed := reading.maildir.thin_out():
            log.warning("returned-mail.thinned-out", removed=removed)
        return taken


def forget_returned_mail(reading: Reading) -> None:
    """Remove what was worked off a week ago. What was set aside stays until a person has looked at it."""
    reading.maildir.make()
    reading.maildir.forget_done(reading.now(), KEEP_DONE)
    with reading.database.transaction() as session:
        returned_mail.forget(session, reading.now() - KEEP_DIGESTS)


def _take(reading: Reading, file: Path) -> bool:
    try:
        found = read(file, MOST_BYTES)
    except OSError as error:
        log.error("returned-mail.not-readable", file=file.name, cause=type(error).__name__)
        reading.maildir.set_aside(file)
        return True
    if found is None:
        return False
    content, digest, came_at = found
    try:
        outcome = _act(reading, content, digest, min(came_at, reading.now()))
    except _NotNow:
        return False
    except ReferralError as error:
        # The database does not answer, or somebody has changed the request at this moment: the next sweep.
        log.warning("returned-mail.postponed", cause=type(error).__name__)
        return False
    except Exception:
        # It must not come again and again, and not hold up what waits behind it.
        log.exception("returned-mail.failed", digest=digest)
        outcome = Ignored.ODD
    if outcome is Ignored.ODD:
        reading.maildir.set_aside(file)
    else:
        reading.maildir.done(file)
    log.info("returned-mail.taken", digest=digest, outcome=str(outcome))
    return True


def _act(reading: Reading, content: bytes, digest: str, came_at: datetime) -> News | Ignored:
    """All that a mail changes, in one transaction, which also remembers that it was taken."""
    now, about = reading.now(), _read(reading.returns, content)
    with reading.database.transaction() as session:
        message = _enter_clinic_of(session, about.returned) if isinstance(about, _About) else None
        if isinstance(about, Ignored):
            outcome: News | Ignored = about
        else:
            outcome = about.mail.news if message is not None else Ignored.UNKNOWN
        is_new = returned_mail.add(session, digest, outcome, now)
        if is_new and isinstance(about, _About) and message is not None:
            report = _report(about, digest, came_at)
            if report is not None:
                take_report(session, report, now)
            elif about.mail.news in _NOTES and isinstance(message, Message):
                _note(session, about.mail, message, now)
    return outcome


def _read(returns: ReturnAddresses, content: bytes) -> _About | Ignored:
    """The first place with something like a token decides: if that is not ours, nothing else is believed."""
    try:
        mail = read_mail(content)
    except Unreadable:
        return Ignored.ODD
    place = next((place for place in mail.places if looks_like_one(place)), None)
    if place is None:
        # A failure of something: a person may know of what.
        return Ignored.ODD if mail.news is News.FAILED else Ignored.UNKNOWN
    returned = returns.read(place)
    return _About(mail, returned) if returned is not None else Ignored.FORGED


def _enter_clinic_of(session: Session, returned: Returned) -> Message | SafetyCall | None:
    """The message, with its clinic entered; None where there is none. No other clinic's rows are seen.

    Also one to whoever is on call.
    """
    for clinic in clinics.every(session):
        if returned.is_of(clinic.id):
            if clinic.id in mode.restoring(session):
                raise _NotNow
            session.enter_clinic(clinic.id)
            id = returned.message_id
            message = outbox.get(session, id) or on_call.get(session, id)
            if message is not None:
                return message
    return None


def _report(about: _About, digest: str, came_at: datetime) -> Report | None:
    """None where nothing has been decided yet. The other side's clock is not asked."""
    fate, returned = _FATES.get(about.mail.news), about.returned
    if fate is None:
        return None
    key = provider_key(returned.message_id, returned.generation)
    return Report(
        provider="smtp",
        event_id=digest,
        message_id=returned.message_id,
        fate=fate,
        reason=about.mail.reason,
        at=came_at,
        reference=f"smtp:{key}" if returned.generation else None,
        bad_address=about.mail.bad_address,
        generation=returned.generation,
    )


def _note(session: Session, mail: ReturnedMail, message: Message, now: datetime) -> None:
    """For the timeline alone: a delay may end well, and what an automatic reply means is not guessed at."""
    event = _NOTES[mail.news]
    detail = {"message": str(message.id), "kind": message.kind, "channel": message.channel}
    if referrals.count_noted(session, message.referral_id, event, detail["message"]) >= _MOST_NOTES:
        return
    reason = {"reason": mail.reason} if mail.reason else {}
    referrals.note(session, message.referral_id, event, "worker", now, **detail, **reason)
