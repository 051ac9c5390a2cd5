"""The commands that make staff accounts."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from referral.attach import attached, fail
from referral.cli_sign_in import PasswordStdin, typed_line
from referral.domain.audit import Actor
from referral.domain.codes import Role

if TYPE_CHECKING:
    from referral.storage.db import Session

user = typer.Typer(name="user", help="Staff accounts.", no_args_is_help=True)

ClinicOption = Annotated[
    str | None, typer.Option(help="The clinic's short name; not needed where there is only one.")
]


@user.callback()
def _users() -> None:
    """Keep `add` a command of its own while it is the only one."""


@user.command("add")
def add_user(
    email: str,
    name: Annotated[str, typer.Option(help="As colleagues know the person.")],
    role: Annotated[Role, typer.Option(help="What the person may do.")],
    clinic: ClinicOption = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Make an account. Without --password-stdin a password is made up and printed once."""
    password = typed_line() if password_stdin else secrets.token_urlsafe(18)
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.services.accounts import NewUser
        from referral.services.accounts import add_user as add

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            actor = enter(session, clinic)
            add(session, actor, NewUser(email=email, name=name, role=role, password=password))
        runtime.close()
    typer.echo("Added." if password_stdin else f"Added. The password is {password}")


def enter(session: Session, slug: str | None) -> Actor:
    """The command line as an actor in the named clinic, or in the only one; ends where that is unclear."""
    from referral.storage import clinics

    every = clinics.every(session)
    chosen = [known for known in every if slug in (None, known.slug)]
    if len(chosen) != 1:
        known = ", ".join(sorted(one.slug for one in every)) or "none"
        fail(f"Name one clinic with --clinic; there are: {known}")
    session.enter_clinic(chosen[0].id)
    return Actor(chosen[0].id, "system", "command-line")
