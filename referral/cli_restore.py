"""The commands for after a restore: enter the mode, reconcile with the exported stream, reopen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from referral.attach import attached, fail
from referral.cli_sign_in import PasswordStdin, ask_password, sign_in
from referral.services.reconcile import Newer

if TYPE_CHECKING:
    from referral.bootstrap import Runtime
    from referral.services.reconcile import Report
    from referral.storage.clinics import Clinic

log = structlog.get_logger(__name__)
restore_mode = typer.Typer(
    name="restore-mode", help="Closed after a restore: gate, dispatch and portal.", no_args_is_help=True
)


@restore_mode.command("on")
def turn_on() -> None:
    """Close every clinic until it is reconciled and two people have reopened it."""
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.services.restore_mode import BY_HAND, enter

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            closed = enter(session, BY_HAND)
        runtime.close()
    typer.echo(f"Restore mode: {closed} clinic{'' if closed == 1 else 's'} closed.")


@restore_mode.command("status")
def show_status() -> None:
    """Say of each clinic whether it is open; exit code 1 when one is not."""
    restoring = False
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.storage import clinics, mode

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            for clinic in clinics.every(session):
                session.enter_clinic(clinic.id)
                state = mode.current(session)
                restoring = restoring or state.restoring
                typer.echo(f"{clinic.slug}: {_status(state)}")
        runtime.close()
    if restoring:
        raise typer.Exit(1)


def _status(state: object) -> str:
    from referral.storage.mode import Mode

    assert isinstance(state, Mode)  # noqa: S101 - imported late for the speed of other commands
    if not state.restoring:
        return "open"
    since = (
        f"closed since {state.entered.at:%Y-%m-%d %H:%M} UTC. {state.entered.reason}"
        if state.entered
        else "closed."
    )
    if state.reconciled is None:
        return f"{since} Next: referral reconcile"
    return f"{since} Reconciled, {len(state.approved_by)} of 2 people have approved. Next: page /restore"


def look_for_a_restore(runtime: Runtime, *, keeps_stream: bool) -> None:
    """Before anything is served. A database that cannot answer now is looked at with the first export."""
    from referral.domain.errors import Unavailable
    from referral.services.restore_mode import detect

    try:
        why = detect(runtime.database, runtime.settings.stream_dir, keeps_stream=keeps_stream)
    except Unavailable:
        log.warning("restore.not-looked", cause="database")
        return
    if why is not None:
        typer.echo(
            f"RESTORE MODE: {why} Gate, dispatch and portal are closed; see docs/runbook.md.", err=True
        )


class _DryRun(Exception):
    """Undoes a rehearsal."""


def reconcile(
    source: Annotated[
        Path | None, typer.Option("--from", help="The exported stream, where it is not the one in use.")
    ] = None,
    newer: Annotated[
        Newer,
        typer.Option(
            help="Where the stream knows nothing newer: `nothing` happened after the copy was made (the "
            "service was stopped), or it is `unknown`, and each recommendation has to be accepted again."
        ),
    ] = Newer.ASK,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
    ] = False,
) -> None:
    """Bring a restored database up to what the exported stream knows. May be run again."""
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.storage import clinics, mode

        if source is not None and not source.is_dir():
            fail(f"{source} is not a directory with exported streams.")
        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            known = clinics.every(session)
            closed = []
            for clinic in known:
                session.enter_clinic(clinic.id)
                if mode.is_restoring(session):
                    closed.append(clinic)
        if not closed:
            fail("No clinic is in restore mode. After a restore: referral restore-mode on")
        for clinic in closed:
            _reconcile_one(runtime, clinic, source, newer, dry_run=dry_run)
        runtime.close()
    typer.echo(
        "Nothing was changed." if dry_run else "Next: two people reopen each clinic on the page /restore."
    )


def _reconcile_one(
    runtime: Runtime, clinic: Clinic, source: Path | None, newer: Newer, *, dry_run: bool
) -> None:
    from referral.services.export_stream import export
    from referral.services.reconcile import StreamSaysNothing
    from referral.services.reconcile import reconcile as run
    from referral.storage.stream import Stream, StreamBroken

    directory = runtime.settings.stream_dir
    stream = Stream(source or directory, clinic.id)
    report: Report | None = None
    try:
        if source is not None and not dry_run:
            stream = Stream(directory, clinic.id)
            stream.replace_with(Stream(source, clinic.id))
        with runtime.transaction(clinic.id) as session:
            report = run(session, stream.read(), newer, runtime.now())
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    except StreamSaysNothing:
        fail(
            f"{clinic.slug}: the stream in {stream.folder} knows nothing newer than this database. Is there "
            "a newer one? Then give --from. Else --newer nothing (the service was stopped before the copy "
            "was made) or --newer unknown."
        )
    except StreamBroken as error:
        fail(
            f"{clinic.slug}: the stream in {stream.folder} is damaged: {error}. Use another copy with --from."
        )
    if not dry_run:
        export(runtime.database, directory, clinic.id)
    if report is not None:
        _print(clinic.slug, report)


def _print(slug: str, report: Report) -> None:
    typer.echo(f"{slug}: {report.lines} newer events in the stream.")
    for kind, count in report.done.items():
        typer.echo(f"  {kind}: {count}")
    for sentence in report.lost:
        typer.echo(f"  ! {sentence}")


def reopen(
    email: Annotated[str, typer.Argument(help="The account of the person who approves.")],
    password_stdin: PasswordStdin = False,
) -> None:
    """One of the two people who reopen a clinic approves; the page /restore does the same."""
    password = ask_password(stdin=password_stdin)
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.domain.audit import Actor
        from referral.services.restore_mode import approve

        runtime = build_runtime(settings)
        user = sign_in(runtime, email, password)
        with runtime.transaction(user.clinic_id) as session:
            actor = Actor(user.clinic_id, "staff", user.id, user.role)
            opened = approve(session, actor, user, runtime.now())
        runtime.close()
    typer.echo("The clinic is open." if opened else "Approved. A second person has to approve as well.")
