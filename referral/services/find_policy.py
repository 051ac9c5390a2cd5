"""What the policy page shows: the policy in force, how it came to be, and codes without a class."""

from __future__ import annotations

from dataclasses import dataclass

from referral.domain.ladder_draft import ladder_changes
from referral.domain.policy import Policy
from referral.domain.policy_change import changes
from referral.domain.reminders import Ladder
from referral.storage import accounts, clinics, policies
from referral.storage.db import Session
from referral.storage.policies import CodeInUse, VersionMade

PAGE = 20


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """One version: who made it (a name, or empty for the program), and what it changed, in sentences."""

    made: VersionMade
    by: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyView:
    """`older` is the version that the next page begins below, None at the end of history."""

    policy: Policy
    ladder: Ladder
    history: tuple[PolicyStep, ...]
    unclassified: tuple[CodeInUse, ...]
    older: int | None


def find_policy(session: Session, below: int | None = None) -> PolicyView:
    """Rules, names of staff and codes: nothing here is about a patient, so no audit row is written."""
    policy, ladder = clinics.policy_in_force(session)
    made = policies.history(session, below=below, limit=PAGE + 1)
    names = {id: user.name for id, user in accounts.get_users(session).items()}
    steps = tuple(
        PolicyStep(item, names.get(item.created_by, ""), _changed(session, item.version))
        for item in made[:PAGE]
    )
    open_codes = tuple(policies.unclassified_in_use(session, policy))
    return PolicyView(policy, ladder, steps, open_codes, made[PAGE - 1].version if len(made) > PAGE else None)


def _changed(session: Session, version: int) -> tuple[str, ...]:
    if version == 1:
        return ()
    return changes_between(session, version - 1, version)


def changes_between(session: Session, before: int, after: int) -> tuple[str, ...]:
    """What is different, in rules and ladder."""
    (old, old_ladder), (new, new_ladder) = (
        clinics.policy_of(session, before),
        clinics.policy_of(session, after),
    )
    return (*changes(old, new), *ladder_changes(old_ladder, new_ladder))


def changes_since(session: Session, version: int, now_in_force: Policy) -> tuple[str, ...]:
    """What others have changed since a version that somebody worked from; empty for one that never was."""
    if not 1 <= version < now_in_force.version:
        return ()
    return changes_between(session, version, now_in_force.version)
