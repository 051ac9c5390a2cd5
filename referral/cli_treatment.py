"""The command that starts treatment: the same gate as everywhere, for when the pages are down."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from referral.attach import attached, fail


def start_treatment(
    order_id: Annotated[str, typer.Argument(help="The id of the infusion order, as on its page.")],
    by: Annotated[str, typer.Option("--by", help="The account of the person who gives the infusion.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Start one infusion under an order; exit code 1 and the reasons while the gate is closed."""
    password = (
        sys.stdin.readline().rstrip("\n") if password_stdin else typer.prompt("Password", hide_input=True)
    )
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.domain.audit import Action, Actor, AuditEntry
        from referral.domain.errors import GateClosed
        from referral.services.accounts import check_password
        from referral.services.treat import start_treatment as start
        from referral.storage import audit, orders
        from referral.web.policy import Permission, may

        with closing(build_runtime(settings)) as runtime:
            with runtime.transaction() as session:
                user = check_password(session, by, password, runtime.now())
            if user is None:
                fail("E-mail and password do not match, or the account is paused for 15 minutes.")
            if not may(user.role, Permission.START_TREATMENT):
                fail("The role of this account may not start treatment.")
            actor = Actor(user.clinic_id, "staff", user.id, user.role)
            try:
                with runtime.transaction(user.clinic_id) as session:
                    patient_id = orders.get(session, order_id).patient_id
                    started = start(session, actor, order_id, patient_id, runtime.now())
            except GateClosed as closed:
                # Noted in the patient's record, although nothing else of it is.
                entry = AuditEntry(
                    action=Action.EXECUTE,
                    subtype="refused",
                    entity=f"ServiceRequest/{order_id}",
                    patient_id=patient_id,
                    outcome="8",
                    detail={"code": closed.code, "reasons": len(closed.reasons)},
                )
                with runtime.transaction(user.clinic_id) as session:
                    audit.record(session, actor, entry)
                fail("\n".join(("Treatment may not start.", *closed.reasons)))
    typer.echo(f"Treatment is started: Procedure/{started}")
