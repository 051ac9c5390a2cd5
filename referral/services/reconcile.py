"""`referral reconcile`: brings a restored database up to what the exported stream knows, clinic by clinic.

Everything happens in one transaction per clinic and may be run again; what cannot be known is treated as if
it had happened: what waits to be sent is parked, every link ends, everybody signs in again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import TransitionRefused
from referral.domain.outgoing import MessageKind
from referral.services import publish
from referral.services.reapply import doubt_all, reapply
from referral.storage import audit, mode, outbox, referrals, restored, safety_events
from referral.storage.db import Session
from referral.storage.safety_events import SafetyEvent

_PARKED: Final = "It waited when the backup was taken and may have left since; ask before it is sent again."
_AT_ONCE: Final = 1000


class Newer(StrEnum):
    """What is known about the time after the backup, where the stream itself says nothing."""

    ASK = "ask"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Report:
    """`done` counts by kind; `lost` are sentences about what people have to do. `lines` were newer."""

    lines: int
    done: dict[str, int]
    lost: tuple[str, ...]


class StreamSaysNothing(TransitionRefused):
    """The stream ends where the backup does, so somebody has to say what happened after it."""


def reconcile(session: Session, stream: Iterable[SafetyEvent], newer: Newer, now: datetime) -> Report:
    """Work on the entered clinic; `stream` is all of its exported stream, oldest first.

    Raises TransitionRefused where the clinic is not in restore mode, and StreamSaysNothing where the stream
    knows nothing newer and `newer` is ASK.
    """
    state = mode.current(session)
    if not state.restoring:
        raise TransitionRefused("This clinic is not in restore mode.", "operating-mode")
    common, lost = _lost(session, stream)
    if not lost and state.reconciled is not None:
        return Report(0, {}, ())
    if not lost and newer is Newer.ASK:
        raise StreamSaysNothing("The stream knows nothing newer than this database.", "operating-mode")
    actor = Actor(session.clinic, "system", "restore")
    findings = reapply(session, actor, lost, now)
    done, sentences = Counter(findings.done), list(findings.lost)
    if newer is Newer.UNKNOWN:
        done.update(doubt_all(session, actor, now).done)
        sentences.append(
            "Each recommendation has to be accepted again by the medical director before it counts."
        )
    parked = _park(session, actor, now)
    done["parked"] = len(parked)
    sentences.extend(parked)
    done["expired-links"] = restored.expire_links(session, now)
    restored.end_sessions(session, now)
    if lost:
        safety_events.mark_restored(session, common, lost[-1])
    counts = {kind: count for kind, count in sorted(done.items()) if count}
    mode.add(session, "reconciled", "system", newer, lines=len(lost), done=counts, lost=sentences)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="restore-reconciled",
        detail={"lines": len(lost), "to-do": len(sentences), **counts},
    )
    audit.record(session, actor, entry)
    return Report(len(lost), counts, tuple(sentences))


def _lost(session: Session, stream: Iterable[SafetyEvent]) -> tuple[int, list[SafetyEvent]]:
    """The last position that stream and database share, and what the stream has after it."""
    common, lost = 0, list[SafetyEvent]()
    lines = iter(stream)
    while batch := list(islice(lines, _AT_ONCE)):
        known = safety_events.known(session, batch)
        for event in batch:
            if event.id in known:
                common, lost = event.position, []
            else:
                lost.append(event)
    return common, lost


def _park(session: Session, actor: Actor, now: datetime) -> list[str]:
    """Every message that waits becomes a question to a person, shown with its request."""
    sentences = []
    for id, referral_id, kind in restored.park_messages(session, _PARKED, now):
        referral = referrals.get(session, referral_id, lock=True)
        message = outbox.get(session, id)
        channel = message.channel if message else None
        facts = {"message": id, "kind": MessageKind(kind), "channel": channel, "state": "unknown"}
        referrals.note(session, referral_id, "not-delivered", actor.id, now, reason=_PARKED, **facts)
        publish.message_failed(session, id, _PARKED, now)
        sentences.append(
            f"{referral.number}: a message ({kind}) may or may not have left; ask, then send it again."
        )
    return sentences
