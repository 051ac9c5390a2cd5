"""A person who gives their password at a terminal, for commands that somebody has to answer for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from referral.attach import fail

if TYPE_CHECKING:
    from referral.bootstrap import Runtime
    from referral.storage.accounts import StaffUser

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


def typed_line() -> str:
    """The first line of standard input."""
    return sys.stdin.readline().rstrip("\n")


def ask_password(*, stdin: bool) -> str:
    """From standard input, or typed at the terminal without being shown."""
    return typed_line() if stdin else str(typer.prompt("Password", hide_input=True))


def sign_in(runtime: Runtime, email: str, password: str) -> StaffUser:
    """Whose account it is; ends the command where they do not match. Misses count as on the page.

    Whoever has a second factor gives a code as well: on the next line of standard input, or typed.
    """
    from referral.services.accounts import check_password
    from referral.services.second_factor import prove_code

    with runtime.transaction() as session:
        user = check_password(session, email, password, runtime.now())
    if user is None:
        fail("E-mail and password do not match, or the account is paused for 15 minutes.")
    if user.second_factor_at is not None:
        code = str(typer.prompt("Code", hide_input=True)) if sys.stdin.isatty() else typed_line()
        with runtime.transaction(user.clinic_id) as session:
            wrong = prove_code(session, user.id, code, None, runtime.now())
        if wrong:
            fail(wrong)
    return user
