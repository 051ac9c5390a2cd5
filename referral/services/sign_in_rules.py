"""A clinic's rules for signing in: who needs a second factor, and when a session locks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Role
from referral.domain.errors import InvalidInput, Issue
from referral.storage import audit, clinics, staff_sessions
from referral.storage.db import Session

# A session ends after so long, however busy it is.
SESSION_LIFETIME: Final = timedelta(hours=12)
IDLE_CHOICES: Final = (5, 10, 15)
_IDLE_MINUTES: Final = 15


@dataclass(frozen=True, slots=True)
class SignInRules:
    """Whoever has one of `second_factor_roles` sets a second factor up at the next sign-in."""

    idle_minutes: int
    second_factor_roles: frozenset[Role]


def sign_in_rules(session: Session) -> SignInRules:
    """Those of the entered clinic; what was never set is 15 minutes, and nobody."""
    settings = clinics.current(session).settings
    roles = settings.get("second_factor_roles", [])
    return SignInRules(
        settings.get("idle_minutes", _IDLE_MINUTES), frozenset(role for role in Role if role in roles)
    )


def change_sign_in_rules(session: Session, actor: Actor, rules: SignInRules) -> None:
    """Locking holds at once, for who is signed in too; a second factor is asked for at the next sign-in."""
    if rules.idle_minutes not in IDLE_CHOICES:
        raise InvalidInput(Issue("Please choose one of the times.", ("idle_minutes",)))
    roles = sorted(rules.second_factor_roles)
    clinics.change_settings(session, idle_minutes=rules.idle_minutes, second_factor_roles=roles)
    staff_sessions.change_idle(session, rules.idle_minutes * 60)
    entry = AuditEntry(
        action=Action.UPDATE,
        subtype="sign-in-rules",
        detail={"idle_minutes": rules.idle_minutes, "second_factor_roles": [role.value for role in roles]},
    )
    audit.record(session, actor, entry)
