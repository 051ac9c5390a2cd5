"""The list of the clinic's people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from referral.domain.codes import Role
from referral.storage.accounts import StaffUser
from referral.web.staff.account_view import last_sign_in, user_badges
from referral.web.staff.clock import Clock
from referral.web.staff.list_models import Empty, Filter, Row, Shape
from referral.web.staff.lists import Cell
from referral.web.staff.models import Link
from referral.web.staff.present import ROLE

USERS: Final = Shape(
    path="/users",
    one="user",
    title="Users",
    intro="Who may work here, and as what.",
    columns=("Name", "E-mail", "Role", "State", "Second factor", "Last sign-in"),
    search="Name or e-mail",
    filters=(
        Filter(
            name="state",
            label="State",
            options=(
                ("", "Enabled"),
                ("waiting", "Have not set a password"),
                ("disabled", "Disabled"),
                ("all", "All"),
            ),
            main=True,
        ),
        Filter(
            name="role",
            label="Role",
            options=(("", "Any role"), *((role.value, ROLE[role]) for role in Role)),
        ),
        Filter(
            name="factor",
            label="Second factor",
            options=(("", "With or without"), ("on", "On"), ("off", "Off")),
        ),
    ),
    sorts=(("", "A to Z"), ("seen", "Last signed in"), ("newest", "Newest first")),
    empty=Empty(
        title="Nobody has an account.",
        text="Whoever works here needs one of their own.",
        link=Link("Add a user", "/users/new"),
    ),
    actions=(Link("Rules for signing in", "/users/rules"),),
    primary=Link("Add a user", "/users/new"),
)


def user_line(user: StaffUser, clock: Clock) -> Row:
    """With how the account is."""
    seen = last_sign_in(user, clock)
    return Row(
        title=user.name,
        href=f"/users/{user.id}",
        lead_text=ROLE[user.role],
        detail=user.email,
        badges=user_badges(user, clock.now),
        sentence="Never signed in" if user.last_sign_in_at is None else f"Last sign-in {seen}",
        action=Link("Open", f"/users/{user.id}"),
    )


def user_cells(user: StaffUser, clock: Clock) -> Iterator[Cell]:
    """As USERS.columns."""
    yield from (user.name, user.email, ROLE[user.role], user_badges(user, clock.now)[0].text)
    yield "on" if user.second_factor_at else "off"
    yield clock.moment(user.last_sign_in_at).iso if user.last_sign_in_at else ""
