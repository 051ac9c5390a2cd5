"""The command that counts emergency access; codes, times and ids only, so that it may go into a report."""

from __future__ import annotations

import typer

from referral.attach import attached
from referral.cli_accounts import ClinicOption, enter


def overrides(clinic: ClinicOption = None) -> None:
    """How often emergency access was asked for in 90 days, what became of it, and what waits for review."""
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.domain.listing import View
        from referral.services.find_overrides import report_overrides

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            report = report_overrides(session, enter(session, clinic), View(), runtime.now())
        runtime.close()
    counts = report.counts
    typer.echo(f"asked for {counts.asked}, approved {counts.approved}, declined {counts.declined}")
    typer.echo(f"used {counts.used}, justified {counts.justified}, not justified {counts.unjustified}")
    typer.echo(f"to be reviewed {counts.to_review}, overdue {counts.overdue}")
    for case in report.cases.rows:
        asked = case.requested_at.isoformat(timespec="minutes")
        typer.echo(f"{asked}  {case.id}  {case.reason_code}  {case.outcome}")
