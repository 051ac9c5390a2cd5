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
    compared = _compare(session, stream)
    lost = compared.lost
    if compared.head is None and state.reconciled is not None:
        return Report(0, {}, ())
    if compared.head is None and newer is Newer.ASK:
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
    done["ended-subscriptions"] = restored.end_subscriptions(session, now)
    restored.end_sessions(session, now)
    if compared.head is not None:
        safety_events.mark_restored(session, compared.common, compared.head, compared.adopted)
    counts = {kind: count for kind, count in sorted(done.items()) if count}
    mode.add(session, "reconciled", "system", newer, lines=len(lost), done=counts, lost=sentences)
    entry = AuditEntry(
        action=Action.EXECUTE,
        subtype="restore-reconciled",
        detail={"lines": len(lost), "to-do": len(sentences), **counts},
    )
    audit.record(session, actor, entry)
    return Report(len(lost), counts, tuple(sentences))


@dataclass(frozen=True, slots=True)
class _Compared:
    """`common` is the last place that stream and database share; what only the stream knows after it is lost.

    `adopted` are in the database as well and take the places that the stream has given them. `head` is the
    newest line after `common`, None where there is none.
    """

    common: int
    lost: list[SafetyEvent]
    adopted: list[SafetyEvent]
    head: SafetyEvent | None


def _compare(session: Session, stream: Iterable[SafetyEvent]) -> _Compared:
    common, newer = 0, list[SafetyEvent]()
    lines = iter(stream)
    while batch := list(islice(lines, _AT_ONCE)):
        known = safety_events.known(session, batch)
        for event in batch:
            if event.id in known:
                common, newer = event.position, []
            else:
                newer.append(event)
    there = safety_events.without_place(session, common) if newer else set()
    return _Compared(
        common=common,
        lost=[event for event in newer if event.id not in there],
        adopted=[event for event in newer if event.id in there],
        head=newer[-1] if newer else None,
    )


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
