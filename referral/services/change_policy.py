"""The medical director puts a new version of the policy in force; orders in use follow it (docs/adr/0012)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, StaleVersion
from referral.domain.policy import Policy
from referral.domain.policy_change import Move, changes
from referral.domain.reminders import Ladder
from referral.services.foresee_policy import Foreseen, foresee
from referral.services.refresh_gate import decision_of, refresh_gate
from referral.storage import audit, clinics, orders, policies
from referral.storage.db import Session, hold

# So many orders follow in the transaction that saves: their gates, and the clinic's starts, wait meanwhile.
AT_ONCE: Final = 25
_BATCH: Final = 50
_LEAST_REASON: Final = 10


class PreviewOutdated(StaleVersion):
    """Other orders would open or close than those that were looked at."""


@dataclass(frozen=True, slots=True)
class PolicySaved:
    """Orders moved at once, and how many follow within a sweep (the database decides about them already)."""

    version: int
    closed: int
    opened: int
    to_follow: int


def change_policy(
    session: Session, actor: Actor, new: Policy, *, based_on: int, seen: str, reason: str, now: datetime
) -> PolicySaved:
    """Save `new` as the next version. The clinic's ladder stays as it is.

    `based_on` is the version that the form was made from, `seen` the digest of the preview that was agreed
    to. Raises InvalidInput without a reason or a change, StaleVersion when somebody else has saved a version
    meanwhile, PreviewOutdated when the preview would read differently now.
    """
    words = " ".join(reason.split())[:500]
    if len(words) < _LEAST_REASON:
        text = "Please write in a sentence why; it is kept with this version."
        raise InvalidInput(Issue(text, ("reason",), "required"))
    hold(session, "policy")
    before, ladder = clinics.policy_in_force(session)
    if before.version != based_on:
        raise outrun(before)
    if not changes(before, new):
        raise InvalidInput(Issue("Nothing is different from the policy in force.", ("reason",), "value"))
    foreseen = foresee(session, before, new, now)
    if foreseen.digest != seen:
        raise PreviewOutdated(
            "Orders or answers have changed since you looked, so nothing was saved. "
            "This is what would happen now."
        )
    saved = put_in_force(session, actor, new, ladder, words, foreseen, now)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="policy-change",
        detail={
            "version": saved.version,
            "closes": len(foreseen.moving(Move.CLOSES)),
            "opens": len(foreseen.moving(Move.OPENS)),
            "stops": foreseen.stopped,
        },
    )
    audit.record(session, actor, entry)
    return saved


def outrun(in_force: Policy) -> StaleVersion:
    """What somebody is told whose form was made from an older version."""
    return StaleVersion(
        f"Version {in_force.version} of the policy was put in force after you opened this form, so nothing "
        "was saved. What you entered is kept below. Compare it with what has changed, then preview it again."
    )


def put_in_force(
    session: Session,
    actor: Actor,
    new: Policy,
    ladder: Ladder,
    reason: str,
    foreseen: Foreseen,
    now: datetime,
) -> PolicySaved:
    """The next version, and the orders that it moves: first those that close, the rest by a worker.

    The caller holds `policy`. Orders and gates are locked before the version is written, which locks the
    clinic.
    """
    closing, opening = foreseen.moving(Move.CLOSES), foreseen.moving(Move.OPENS)
    first = (*closing, *opening)[:AT_ONCE]
    policies.hold_orders(session, first)
    policies.hold_gates(session, first)
    version = clinics.add_policy(session, new, ladder, actor.id, reason)
    closed, opened = _follow(session, actor, first, now)
    policies.advance_rollout(session, version, closed=closed, opened=opened)
    return PolicySaved(version, closed, opened, len(closing) + len(opening) - len(first))


def roll_out_policy(session: Session, now: datetime) -> bool:
    """Look at the next orders after a new version; True while there may be more.

    Takes each order's lock before it reads: whoever judged it by the version before has then committed, and
    whoever comes later judges by the new one. Safe to run twice, and by two workers.
    """
    rollout = policies.take_rollout(session)
    if rollout is None:
        return False
    actor = Actor(session.clinic, "system", "policy")
    batch = list(policies.in_use(session, after=rollout.reached, limit=_BATCH))
    closed, opened = _follow(session, actor, batch, now)
    more = len(batch) == _BATCH
    policies.advance_rollout(
        session,
        rollout.version,
        closed=closed,
        opened=opened,
        reached=batch[-1] if batch else None,
        finished_at=None if more else now,
    )
    return more


def _follow(session: Session, actor: Actor, ids: Iterable[str], now: datetime) -> tuple[int, int]:
    """Let each order say what the rule says; returns how many went on hold and how many became active."""
    closed = opened = 0
    statuses = policies.hold_orders(session, ids)
    for id, found in orders.facts_of_many(session, statuses).items():
        if (statuses[id] == "active") == decision_of(session, found, now).open:
            continue
        is_open = refresh_gate(session, actor, id, now).open
        closed += statuses[id] == "active" and not is_open
        opened += statuses[id] == "on-hold" and is_open
    return closed, opened
