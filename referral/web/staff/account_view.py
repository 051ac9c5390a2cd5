"""Accounts in words: roles and what they mean, sessions, second factors."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import segno

from referral.domain.codes import Role
from referral.domain.device import UNKNOWN
from referral.services.sign_in_rules import IDLE_CHOICES, SignInRules
from referral.storage.accounts import StaffSession, StaffUser
from referral.storage.second_factors import SecondFactor
from referral.storage.staff_sessions import OpenSession
from referral.web.form import Form
from referral.web.staff.account_models import (
    AccountPage,
    EnrolPage,
    NewUserPage,
    RulesPage,
    SessionRow,
    UserPage,
)
from referral.web.staff.clock import Clock
from referral.web.staff.models import Badge, Choice, Fact
from referral.web.staff.present import ROLE

# As web/policy.py grants them.
MEANING: Final = {
    Role.FRONT_DESK: "Asks clinicians and follows requests, books chairs, keeps patients and directory."
    " Reads no free text of answers.",
    Role.CLINICIAN: "All of that, and reads answers, records consultations, starts treatment, asks for"
    " emergency access.",
    Role.MEDICAL_DIRECTOR: "All of that, and reviews answers, decides emergency access, changes the policy,"
    " reads the audit.",
    Role.ADMIN: "Accounts, systems and settings. Sees no patients.",
    Role.AUDITOR: "Reads the audit and what has left the clinic about a patient, nothing else.",
}


def role_choices(chosen: str) -> tuple[Choice, ...]:
    """Every role with its meaning."""
    return tuple(Choice(role.value, ROLE[role], MEANING[role], checked=role.value == chosen) for role in Role)


def enrol_page(factor: SecondFactor, uri: str, form: Form, onward: str, role: str = "") -> EnrolPage:
    """`uri` is what the app reads."""
    # Dark on white in either colour scheme: not every camera reads the reverse.
    drawn = segno.make(uri, error="m", micro=False)
    qr = drawn.svg_data_uri(scale=5, border=4, dark="#000", light="#fff")
    secret = " ".join(factor.secret[at : at + 4] for at in range(0, len(factor.secret), 4))
    return EnrolPage(form, onward, qr, secret, role)


def session_rows(
    sessions: Iterable[OpenSession], clock: Clock, now: datetime, own: bytes | None = None
) -> tuple[SessionRow, ...]:
    """`own` is the one at hand."""
    return tuple(
        SessionRow(
            one.token_digest.hex(),
            one.device or UNKNOWN,
            clock.moment(one.created_at),
            clock.moment(one.seen_at),
            one.token_digest == own,
            _state(one, now, here=one.token_digest == own),
        )
        for one in sessions
    )


def _state(one: OpenSession, now: datetime, *, here: bool) -> Badge | None:
    if here:
        return Badge("open", "This session")
    idle = now - one.seen_at > timedelta(seconds=one.idle_seconds)
    return Badge("neutral", "Locked", "lock") if idle or one.locked_at is not None else None


def account_page(
    account: StaffSession,
    factor: SecondFactor | None,
    rules: SignInRules,
    sessions: tuple[SessionRow, ...],
    form: Form,
    minimum: int,
) -> AccountPage:
    """One's own."""
    on = factor is not None and factor.since is not None
    return AccountPage(
        facts=(
            Fact("Name", account.name),
            Fact("E-mail", account.email),
            Fact("Role", ROLE[account.role]),
            Fact("What it may do", MEANING[account.role]),
        ),
        form=form,
        minimum=minimum,
        second_factor=factor_badge(on=on),
        is_on=on,
        required=account.role in rules.second_factor_roles,
        codes_left=factor.codes_left if factor else 0,
        sessions=sessions,
        idle_minutes=rules.idle_minutes,
    )


def factor_badge(*, on: bool) -> Badge:
    """Whether a code is asked for."""
    return Badge("open", "Second factor on", "shield") if on else Badge("neutral", "No second factor")


def user_badges(user: StaffUser, now: datetime) -> tuple[Badge, ...]:
    """How an account is."""
    if not user.active:
        return (Badge("closed", "Disabled"),)
    if user.set_up_expires_at is not None:
        open_link = user.set_up_expires_at > now
        state = Badge("waiting", "Has a set-up link" if open_link else "Set-up link has run out")
    elif user.locked_until is not None and user.locked_until > now:
        state = Badge("waiting", "Paused after wrong passwords", "pause")
    else:
        state = Badge("open", "Active")
    return (state, factor_badge(on=True)) if user.second_factor_at is not None else (state,)


def last_sign_in(user: StaffUser, clock: Clock) -> str:
    """'Never' for a new account."""
    return clock.moment(user.last_sign_in_at).text if user.last_sign_in_at else "Never"


def user_page(
    user: StaffUser, actor_id: str, sessions: tuple[SessionRow, ...], form: Form, clock: Clock
) -> UserPage:
    """One account, as its administrator sees it."""
    facts = [
        Fact("E-mail", user.email),
        Fact("Role", ROLE[user.role]),
        Fact("Last sign-in", last_sign_in(user, clock)),
        Fact(
            "Second factor",
            f"On since {clock.moment(user.second_factor_at).text}" if user.second_factor_at else "Off",
        ),
    ]
    if user.set_up_expires_at is not None:
        facts.append(Fact("Set-up link works until", clock.moment(user.set_up_expires_at).text))
    return UserPage(
        name=user.name,
        href=f"/users/{user.id}",
        facts=tuple(facts),
        badges=user_badges(user, clock.now),
        form=form,
        roles=role_choices(form.value("role") or user.role),
        active=user.active,
        oneself=user.id == actor_id,
        has_second_factor=user.second_factor_at is not None,
        sessions=sessions,
    )


def new_user_page(form: Form) -> NewUserPage:
    """With what was typed."""
    return NewUserPage(form, role_choices(form.value("role")))


def rules_page(form: Form, minutes: str, roles: Iterable[str]) -> RulesPage:
    """As they are, or as they were just chosen."""
    chosen = frozenset(roles)
    idle = tuple(
        Choice(str(choice), f"{choice} minutes", checked=str(choice) == minutes) for choice in IDLE_CHOICES
    )
    return RulesPage(
        form, idle, tuple(Choice(role.value, ROLE[role], checked=role.value in chosen) for role in Role)
    )
