"""The command that starts treatment: the same gate as everywhere, for when the pages are down."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from referral.attach import attached, fail
from referral.cli_sign_in import PasswordStdin, ask_password, sign_in


def start_treatment(
    order_id: Annotated[str, typer.Argument(help="The id of the infusion order, as on its page.")],
    by: Annotated[str, typer.Option("--by", help="The account of the person who gives the infusion.")],
    password_stdin: PasswordStdin = False,
) -> None:
    """Start one infusion under an order; exit code 1 and the reasons while the gate is closed."""
    password = ask_password(stdin=password_stdin)
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.domain.audit import Action, Actor, AuditEntry
        from referral.domain.errors import GateClosed
        from referral.services.treat import start_treatment as start
        from referral.storage import audit, orders
        from referral.web.policy import Permission, may

        with closing(build_runtime(settings)) as runtime:
            user = sign_in(runtime, by, password)
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
