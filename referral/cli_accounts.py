"""The commands that make and change staff accounts."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
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


@user.command("list")
def list_users(clinic: ClinicOption = None) -> None:
    """Every account: e-mail, name, role, state, second factor, last sign-in."""

    def lines(session: Session, _: Actor, now: datetime) -> None:
        from referral.storage import accounts

        for one in accounts.get_users(session).values():
            state = "active" if one.active else "disabled"
            if one.active and one.set_up_expires_at is not None:
                state = "set-up link" if one.set_up_expires_at > now else "set-up link over"
            factor = "second factor" if one.second_factor_at else "password only"
            seen = one.last_sign_in_at.isoformat(timespec="minutes") if one.last_sign_in_at else "never"
            typer.echo(f"{one.email}\t{one.name}\t{one.role}\t{state}\t{factor}\t{seen}")

    _within(clinic, lines)


@user.command("set-role")
def set_role(email: str, role: Role, clinic: ClinicOption = None) -> None:
    """Give somebody another role; it holds at once."""

    def change(session: Session, actor: Actor, _: datetime) -> None:
        from referral.services.manage_users import change_role

        change_role(session, actor, _id_of(session, email), role)
        typer.echo("Changed.")

    _within(clinic, change)


@user.command("disable")
def disable(email: str, clinic: ClinicOption = None) -> None:
    """Shut somebody out at once; every session ends."""

    def change(session: Session, actor: Actor, now: datetime) -> None:
        from referral.services.manage_users import disable_user

        disable_user(session, actor, _id_of(session, email), now)
        typer.echo("Disabled.")

    _within(clinic, change)


@user.command("enable")
def enable(email: str, clinic: ClinicOption = None) -> None:
    """Let somebody in again, as before."""

    def change(session: Session, actor: Actor, _: datetime) -> None:
        from referral.services.manage_users import enable_user

        enable_user(session, actor, _id_of(session, email))
        typer.echo("Enabled.")

    _within(clinic, change)


@user.command("reset-password")
def reset_password(email: str, clinic: ClinicOption = None) -> None:
    """Print a link by which the person sets another password, once. The old one ends now."""

    def change(session: Session, actor: Actor, now: datetime) -> None:
        from referral.services.manage_users import new_set_up_link

        made = new_set_up_link(session, actor, _id_of(session, email), now)
        typer.echo(f"/sign-in/set-up/{made.token}")
        typer.echo(
            f"Put the service's address before it. It works until {made.expires_at:%Y-%m-%d %H:%M} UTC."
        )

    _within(clinic, change)


@user.command("reset-second-factor")
def reset_second_factor(email: str, clinic: ClinicOption = None) -> None:
    """For who has lost telephone and recovery codes; every session ends."""

    def change(session: Session, actor: Actor, now: datetime) -> None:
        from referral.services import manage_users

        manage_users.reset_second_factor(session, actor, _id_of(session, email), now)
        typer.echo("Reset.")

    _within(clinic, change)


def _within(clinic: str | None, work: Callable[[Session, Actor, datetime], None]) -> None:
    """One transaction in the named clinic; a refusal is one sentence (attach.plain_errors)."""
    with attached() as settings:
        from referral.bootstrap import build_runtime

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            work(session, enter(session, clinic), runtime.now())
        runtime.close()


def _id_of(session: Session, email: str) -> str:
    from referral.storage import accounts

    wanted = email.strip().lower()
    found = next((one.id for one in accounts.get_users(session).values() if one.email == wanted), None)
    return found or fail("There is no account with this e-mail address.")


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
