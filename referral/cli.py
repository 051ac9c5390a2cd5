"""The command line: `referral serve` runs everything, the others one part each."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Final

import typer

from referral import (
    cli_accounts,
    cli_cds,
    cli_clients,
    cli_nppes,
    cli_outbox,
    cli_overrides,
    cli_restore,
    cli_simulate,
    cli_treatment,
    logs,
)
from referral.attach import at, attached, fail, make_engines, plain_errors, upgrade
from referral.config import Settings, load_settings
from referral.embedded import Engines
from referral.embedded.processes import die_with_parent

# What a page or a client may ask of the database at once; workers take the time that they need.
_LONGEST_STATEMENT: Final = timedelta(seconds=30)
app = typer.Typer(
    help="Recommendation requests before ketamine infusions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.add_typer(cli_accounts.user)
app.add_typer(cli_clients.client)
app.add_typer(cli_cds.cds_client)
app.command()(cli_nppes.import_nppes)
app.add_typer(cli_outbox.outbox)
app.command()(cli_overrides.overrides)
app.add_typer(cli_restore.restore_mode)
app.command()(cli_restore.reconcile)
app.command()(cli_restore.reopen)
app.command()(cli_simulate.simulate)
app.command()(cli_treatment.start_treatment)


@app.command()
def serve() -> None:
    """Run the whole service: its servers if none are configured, then web, worker and beat."""
    with plain_errors():
        settings = load_settings()
        logs.configure(settings.log_format)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the supervisor takes over
        listener = _listen(settings)
        if settings.port == 0:
            settings = load_settings(port=listener.getsockname()[1])
        if not settings.embedded:
            _migrate_and_supervise(settings, listener)
            return
        with make_engines(settings) as engines:
            _migrate_and_supervise(at(settings, engines.addresses), listener, engines)


@app.command()
def api(
    listen_fd: Annotated[
        int | None, typer.Option(hidden=True, help="A listening socket to take over.")
    ] = None,
) -> None:
    """Run the web part only: pages, FHIR and CDS Hooks."""
    with _one_part() as settings:
        import uvicorn

        from referral.bootstrap import build_runtime
        from referral.web.app import create_app
        from referral.web.server import Server, settle_memory

        listener = _listen(settings) if listen_fd is None else socket.socket(fileno=listen_fd)
        runtime = build_runtime(settings, longest_statement=_LONGEST_STATEMENT)
        cli_restore.look_for_a_restore(runtime, keeps_stream=False)
        config = uvicorn.Config(
            create_app(runtime),
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        settle_memory()
        Server(config).run(sockets=[listener])


@app.command()
def worker() -> None:
    """Run the background work: letters, messages, reminders, notices to subscribers, exports."""
    # Pool processes are forked by Celery; they must not outlive a worker that is killed.
    os.register_at_fork(after_in_child=lambda: die_with_parent(signal.SIGKILL))
    with _one_part() as settings:
        from referral.workers.celery_app import EAR, QUEUE
        from referral.workers.celery_app import app as celery_app

        _look_for_a_restore(settings)
        if settings.embedded:  # root is fine there: tasks are JSON, and nobody else reaches the broker
            warnings.filterwarnings("ignore", message="You're running the worker with superuser")
        celery_app.worker_main(
            [
                "--quiet",
                "worker",
                "--pool=prefork",
                f"--concurrency={settings.worker_concurrency}",
                f"--queues={QUEUE},{EAR}",
                "--without-mingle",
                "--without-gossip",
            ]
        )


@app.command()
def beat() -> None:
    """Run the clock that wakes the workers. One is enough; two do no harm."""
    with _one_part() as settings:
        from referral.workers.celery_app import app as celery_app

        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        schedule = settings.data_dir / "beat-schedule"
        celery_app.start(["--quiet", "beat", f"--schedule={schedule}", "--pidfile="])


@app.command()
def inbound_mail() -> None:
    """Take in mail that comes back, on REFERRAL_BOUNCE_LISTEN. `serve` runs it by itself."""
    with plain_errors():
        settings = load_settings()
        logs.configure(settings.log_format)
        folder = settings.returned_mail
        if settings.bounce_listen is None or folder is None:
            fail(
                "Set REFERRAL_BOUNCE_LISTEN to where returned mail is to be taken in, such as 0.0.0.0:25.", 2
            )
        import asyncio

        from referral.channels.maildir import Maildir
        from referral.channels.return_address import ReturnAddresses
        from referral.workers.inbound_mail import listen_until_told_to_stop

        returns = ReturnAddresses(settings.master_key_bytes, settings.return_domain)
        try:
            asyncio.run(listen_until_told_to_stop(settings.bounce_listen, Maildir(folder), returns))
        except OSError as error:
            fail(f"Cannot take in mail on {settings.bounce_listen}, into {folder}: {error.strerror}.")


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema; does nothing when it is there already."""
    with attached() as settings:
        upgrade(settings)
        typer.echo("The database is up to date.")


@app.command()
def demo() -> None:
    """Make the demo clinic on the embedded default, unless it is there, and print its accounts."""
    with attached() as settings:
        if not settings.demo:
            fail("Demo accounts have known passwords; they exist on the embedded default only.")
        typer.echo(_demo_accounts(settings))


@app.command()
def doctor() -> None:
    """Examine the installation; exit code 1 when something needs somebody."""
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.services.doctor import examine

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            findings = examine(session)
        runtime.close()
    for finding in findings:
        typer.echo(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.text}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def reindex() -> None:
    """Read what search goes by out of all resources again, after an upgrade that searches by more."""
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.services.reindex import Place, reindex_some
        from referral.storage import clinics

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            every = [clinic.id for clinic in clinics.every(session)]
        for clinic_id in every:
            place: Place | None = Place()
            while place is not None:
                with runtime.transaction(clinic_id) as session:
                    place = reindex_some(session, place)
        runtime.close()
    typer.echo(f"Search goes by what the resources of {len(every)} clinics say.")


@contextmanager
def _one_part() -> Iterator[Settings]:
    """Settings for a process of its own, also as the environment of what it starts."""
    with attached() as settings:
        os.environ.update(settings.as_environment())
        yield settings


def _listen(settings: Settings) -> socket.socket:
    """Take the port; the supervisor keeps it, so requests wait while the web process is started again."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + 3  # an instance that was killed a moment ago lets go of it soon
    while True:
        try:
            listener.bind((settings.host, settings.port))
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                fail(
                    f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
                    "Set REFERRAL_PORT to another one.",
                    1,
                )
            time.sleep(0.1)
    listener.listen(512)
    return listener


def _migrate_and_supervise(
    settings: Settings, listener: socket.socket, engines: Engines | None = None
) -> None:
    from referral.supervisor import FirstAnswer, Program, Supervisor

    upgrade(settings)
    _look_for_a_restore(settings)
    # Before the web process starts: nobody is shown a sign-in page that knows no account yet.
    accounts = _demo_accounts(settings) if settings.demo else None
    itself = (sys.executable, "-m", "referral.cli")
    address = listener.getsockname()[:2]
    programs = [
        Program("web", (*itself, "api", "--listen-fd", str(listener.fileno())), (listener.fileno(),)),
        Program("worker", (*itself, "worker")),
        Program("beat", (*itself, "beat")),
    ]
    if settings.bounce_listen is not None:
        programs.append(Program("mail", (*itself, "inbound-mail")))
    Supervisor(
        programs,
        environment={**os.environ, **settings.as_environment()},
        engines=engines,
        ready=FirstAnswer(address),
        announce=lambda: _announce(settings, accounts),
    ).run()
    for number in (signal.SIGINT, signal.SIGTERM):  # the engines now stop in peace
        signal.signal(number, signal.SIG_IGN)


def _look_for_a_restore(settings: Settings) -> None:
    from referral.bootstrap import build_runtime

    runtime = build_runtime(settings)
    cli_restore.look_for_a_restore(runtime, keeps_stream=True)
    runtime.close()


def _announce(settings: Settings, accounts: str | None) -> None:
    """Say in one piece where the service is, and who can sign in where everybody is invented."""
    lines = ["", f"  referral is ready at {settings.base_url}", "  Ctrl-C stops it.", ""]
    if accounts:
        lines.insert(2, accounts)
    typer.echo("\n".join(lines))


def _demo_accounts(settings: Settings) -> str:
    """Make the invented clinic unless it is there; return a table of its accounts."""
    from referral.bootstrap import build_runtime
    from referral.services.demo import ACCOUNTS, SLUG, ensure_demo
    from referral.storage import clinics

    runtime = build_runtime(settings)
    with runtime.transaction() as session:
        is_new = clinics.find_by_slug(session, SLUG) is None
        clinic_id = ensure_demo(session, runtime.now())
    # The gate goes by the database's time: under another clock a course has no past.
    if is_new and settings.pretend_now_file is None:
        from referral.cli_demo import add_courses

        add_courses(runtime, clinic_id)
    runtime.close()
    width = max(len(account.email) for account in ACCOUNTS)
    lines = [f"    {account.email:{width}}  {account.password}  ({account.role})" for account in ACCOUNTS]
    return "\n".join(["  Everybody in it is invented. Sign in as one of", *lines])


if __name__ == "__main__":
    app()
