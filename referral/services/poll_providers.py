"""Asks providers what became of messages that they have taken and told nothing of since.

It makes a lost webhook only a delay, and is all there is for providers that do not call. Nothing is asked
inside a transaction; who has been asked is written first, so that two workers rarely ask the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from referral.channels.base import Channels, Fate, Progress
from referral.domain.codes import Channel
from referral.domain.polling import asked_again
from referral.services.take_report import Report, take_report
from referral.storage import provider_polls
from referral.storage.db import Database
from referral.storage.provider_polls import Waiting

log = structlog.get_logger(__name__)
# Mail and paper cannot be asked about.
_ASKED: Final = frozenset({Channel.FAX, Channel.SMS})
_BATCH: Final = 20
# A task ends well before Celery would end it; what is left is the next one's.
_LONGEST: Final = timedelta(seconds=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """What asking needs; one per worker process."""

    database: Database
    channels: Channels
    now: Callable[[], datetime]


def poll_providers(polling: Polling, clinic_id: str) -> int:
    """Ask about what is due in one clinic; returns how many questions there were. Safe to run twice."""
    started, asked = polling.now(), 0
    while polling.now() - started < _LONGEST:
        waiting = _take(polling, clinic_id)
        for one in waiting:
            _ask_safely(polling, clinic_id, one)
        asked += len(waiting)
        if len(waiting) < _BATCH:
            break
    return asked


def _take(polling: Polling, clinic_id: str) -> list[Waiting]:
    channels = polling.channels.real & _ASKED
    if not channels:
        return []
    now = polling.now()
    with polling.database.transaction(clinic_id) as session:
        calls = provider_polls.due_calls(session, channels, now, _BATCH)
        for one in calls:
            provider_polls.note_call_asked(session, one.message_id, now + asked_again(one.asked + 1))
        waiting = provider_polls.due(session, channels, now, _BATCH)
        for one in waiting:
            provider_polls.note_asked(session, one.message_id, now + asked_again(one.asked + 1))
    return [*calls, *waiting]


def _ask_safely(polling: Polling, clinic_id: str, one: Waiting) -> None:
    """One message's trouble is not another's: it is asked about again."""
    try:
        transport = polling.channels.transport(one.channel)
        progress = transport.progress(one.reference)
        if progress.fate is not Fate.PENDING:
            _tell(polling, clinic_id, transport.name, one, progress)
    except Exception:
        log.exception("poll.failed", message=str(one.message_id), channel=one.channel)


def _tell(polling: Polling, clinic_id: str, provider: str, one: Waiting, progress: Progress) -> None:
    now = polling.now()
    report = Report(
        provider=provider,
        event_id=f"poll:{one.reference}:{progress.fate}",
        message_id=one.message_id,
        fate=progress.fate,
        reason=progress.reason,
        at=now,
        reference=one.reference,
        bad_address=progress.bad_address,
        generation=one.generation,
    )
    with polling.database.transaction(clinic_id) as session:
        take_report(session, report, now)
