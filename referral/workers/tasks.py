"""Tasks carry nothing: each looks at the rows, does what is due, and may run twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog
from celery.signals import worker_init

from referral.channels.fax import FaxTransport
from referral.channels.http_provider import InDoubt, NotSent
from referral.channels.maildir import Maildir
from referral.domain.codes import Channel
from referral.domain.errors import Unavailable
from referral.domain.polling import GIVEN_UP
from referral.domain.subscription import KEPT
from referral.letters.render import Renderer
from referral.letters.scan import MAX_BYTES
from referral.services import read_returned_mail as returned
from referral.services import report_back
from referral.services.ask_renewal import ask_renewals
from referral.services.change_facts import void_after_gaps
from referral.services.change_policy import roll_out_policy
from referral.services.check_templates import leaks, refuse
from referral.services.deliver_messages import Delivery, deliver_due
from referral.services.export_stream import export
from referral.services.follow_up import follow_up_due
from referral.services.forget_faxes import forget_faxes
from referral.services.forget_sessions import forget_sessions
from referral.services.lapse_orders import lapse_orders
from referral.services.notify_subscribers import Notifier, forget_events, notify_due
from referral.services.poll_providers import Polling, poll_providers
from referral.services.release_bookings import release_bookings
from referral.services.replan import replan_open
from referral.services.run_export import Exporting, remove_old_exports, run_exports
from referral.services.send_reminders import is_full, send_reminders
from referral.services.send_safety_calls import send_safety_calls
from referral.services.take_fax import Reading, read_due
from referral.services.take_fax_folder import take_folder, whole_files
from referral.storage import audit, clinics, faxes, mode, provider_polls
from referral.workers.celery_app import SWEEP_SECONDS, app, runtime, settings

log = structlog.get_logger(__name__)


@cache
def _renderer() -> Renderer:
    return Renderer(settings.data_dir / "fonts")


@worker_init.connect
def _warm_up(**_: Any) -> None:
    """Before the children are forked: the first letter of a process costs as much as five later ones."""
    refuse(leaks())
    _renderer().warm_up()
    import_module("referral.letters.seal")


@cache
def _delivery() -> Delivery:
    """Connections belong to a process; the renderer came with the fork."""
    made = runtime()
    return Delivery(
        database=made.database,
        channels=made.channels,
        renderer=_renderer(),
        base_url=made.settings.base_url,
        now=made.now,
        call_help=_call_help,
    )


def _call_help() -> None:
    """One more worker process takes from the same rows; where none is free the call lapses."""
    try:
        deliver.apply_async(expires=SWEEP_SECONDS, retry=False)
    except Exception as error:  # noqa: BLE001 - the broker is away: the next sweep does the same
        log.warning("help.not-called", cause=type(error).__name__)


def _in_every_clinic(*works: Callable[[str], object]) -> None:
    """Each work for each clinic; the trouble of one is logged and is not another's.

    A clinic in restore mode is only written down: nothing is sent or changed in it by itself.
    """
    try:
        with runtime().transaction() as session:
            clinic_ids = [clinic.id for clinic in clinics.every(session)]
            closed = mode.restoring(session)
    except Unavailable:
        log.warning("task.postponed", cause="database")
        return
    for clinic_id in clinic_ids:
        for work in works:
            if clinic_id in closed and work not in (_keep_stream, _chain):
                continue
            try:
                work(clinic_id)
            except Unavailable:
                log.warning("task.postponed", cause="database", work=work.__name__, clinic=clinic_id)
            except Exception:
                log.exception("task.failed", work=work.__name__, clinic=clinic_id)


def _deliver(clinic_id: str) -> None:
    deliver_due(_delivery(), clinic_id)


def _on_duty(clinic_id: str) -> None:
    """Whoever is on call is told before anything else is done in any clinic."""
    send_safety_calls(_delivery(), clinic_id)


def _keep_stream(clinic_id: str) -> None:
    export(runtime().database, runtime().settings.stream_dir, clinic_id)


@app.task(name="referral.deliver_due")
def deliver() -> None:
    """Send what is due in every clinic. What was taken back is exported before, what was sent after."""
    _in_every_clinic(_on_duty)
    _in_every_clinic(_keep_stream, _ask_for_exports, _ask_for_faxes, _deliver, _keep_stream)


@cache
def _notifier() -> Notifier:
    made = runtime()
    return Notifier(
        database=made.database, outgoing=made.outgoing, base_url=made.settings.base_url, now=made.now
    )


@app.task(name="referral.notify")
def notify() -> None:
    """Tell subscribers what has happened; a task of its own, so that slow receivers hold up no letter."""
    try:
        with runtime().transaction() as session:
            clinic_ids = [clinic.id for clinic in clinics.every(session)]
            closed = mode.restoring(session)
        notify_due(_notifier(), [id for id in clinic_ids if id not in closed])
    except Unavailable:
        log.warning("task.postponed", cause="database", work="notify")


@app.task(name="referral.sweep")
def sweep() -> None:
    """Climb ladders, hold orders whose time is up, release chairs that were held for them, then send.

    This makes a lost task, a flushed broker or a dead beat only a delay.
    """
    _in_every_clinic(_on_duty)
    # Before anything is sent: a bounce may have chosen another way.
    _with_returned_mail(returned.read_returned_mail)
    sweep_clinics(_deliver, _keep_stream)


def sweep_clinics(*then: Callable[[str], object]) -> None:
    """All that a sweep does in each clinic before anything is sent, and `then`."""
    _in_every_clinic(
        _keep_stream,
        _ask_for_exports,
        _ask_for_faxes,
        _replan,
        _remind,
        _lapse,
        _rest,
        _renew,
        _roll_out,
        _release,
        _report_back,
        _follow_up,
        *then,
    )


def _with_returned_mail(work: Callable[[returned.Reading], object]) -> None:
    """Nothing where nobody looks for mail that comes back; its trouble holds up no letter."""
    made = runtime()
    folder, returns = made.settings.returned_mail, made.channels.returns
    if folder is None or returns is None:
        return
    reading = returned.Reading(database=made.database, maildir=Maildir(folder), returns=returns, now=made.now)
    try:
        work(reading)
    except Unavailable:
        log.warning("task.postponed", cause="database", work="returned mail")
    except Exception:
        log.exception("task.failed", work="returned mail")


def _remind(clinic_id: str) -> None:
    while True:
        with runtime().transaction(clinic_id) as session:
            count = send_reminders(session, runtime().now())
        if not is_full(count):
            return


def _replan(clinic_id: str) -> None:
    """Before reminders are sent: a transaction for each fifty requests."""
    while True:
        with runtime().transaction(clinic_id) as session:
            if not replan_open(session, runtime().now()):
                return


def _lapse(clinic_id: str) -> None:
    with runtime().transaction(clinic_id) as session:
        lapse_orders(session, runtime().now())


def _rest(clinic_id: str) -> None:
    with runtime().transaction(clinic_id) as session:
        void_after_gaps(session, runtime().now())


def _renew(clinic_id: str) -> None:
    with runtime().transaction(clinic_id) as session:
        ask_renewals(session, runtime().now())


def _roll_out(clinic_id: str) -> None:
    """A transaction for each hundred orders: whoever works on one of them waits for a moment only."""
    while True:
        with runtime().transaction(clinic_id) as session:
            if not roll_out_policy(session, runtime().now()):
                return


def _release(clinic_id: str) -> None:
    with runtime().transaction(clinic_id) as session:
        release_bookings(session, runtime().now())


def _follow_up(clinic_id: str) -> None:
    with runtime().transaction(clinic_id) as session:
        follow_up_due(session, runtime().now())


def _report_back(clinic_id: str) -> None:
    """Reports that were put off until scores were in: a transaction for each fifty."""
    while True:
        with runtime().transaction(clinic_id) as session:
            count = report_back.send_due_reports(session, runtime().now())
        if not report_back.is_full(count):
            return


@app.task(name="referral.poll")
def poll() -> None:
    """Ask providers about messages of which they have told nothing; slow ones hold up no letter."""
    _in_every_clinic(_poll)


def _poll(clinic_id: str) -> None:
    made = runtime()
    poll_providers(Polling(database=made.database, channels=made.channels, now=made.now), clinic_id)


@app.task(name="referral.chain_audit")
def chain_audit() -> None:
    """Append the newest audit rows of every clinic to its hash chain."""
    _in_every_clinic(_chain)


def _chain(clinic_id: str) -> None:
    with runtime().transaction(clinic_id) as session:
        audit.chain(session)


@app.task(name="referral.forget")
def forget() -> None:
    """Remove sign-ins, visits, faxes and questions to providers that have been dead for long."""
    _in_every_clinic(_forget)
    _with_returned_mail(returned.forget_returned_mail)


def _forget(clinic_id: str) -> None:
    with runtime().transaction(clinic_id) as session:
        forget_sessions(session, runtime().now())
        forget_events(session, runtime().now(), KEPT)
        forget_faxes(session, runtime().now())
        provider_polls.forget(session, runtime().now() - GIVEN_UP)


def _ask_for_exports(clinic_id: str) -> None:
    """An export takes its time, and gets a task of its own so that letters do not wait for it."""
    with runtime().transaction(clinic_id) as session:
        due = remove_old_exports(session, runtime().now())
    if due:
        bulk_export.apply_async(expires=60, retry=False)


@app.task(name="referral.bulk_export", time_limit=7200, soft_time_limit=7140)
def bulk_export() -> None:
    """Write what clients have asked for in bulk."""
    _in_every_clinic(_run_exports)


def _run_exports(clinic_id: str) -> None:
    made = runtime()
    run_exports(Exporting(database=made.database, now=made.now), clinic_id)


@cache
def _reading() -> Reading:
    made = runtime()
    transport = made.channels.transport(Channel.FAX)
    if not isinstance(transport, FaxTransport):
        return Reading(database=made.database, now=made.now)
    provider = transport

    def fetch(reference: str) -> bytes:
        try:
            return provider.fetch_file(reference, MAX_BYTES)
        except (NotSent, InDoubt) as error:
            raise OSError(str(error)) from error

    return Reading(database=made.database, now=made.now, fetch=fetch)


def _fax_folder(clinic_id: str) -> Path | None:
    """The clinic's own, in the directory of the settings; None where there is none."""
    root = runtime().settings.fax_in_dir
    if root is None:
        return None
    with runtime().transaction() as session:
        return root / clinics.get(session, clinic_id).slug


def _ask_for_faxes(clinic_id: str) -> None:
    """Reading a fax takes its time, and gets a task of its own so that letters do not wait for it."""
    folder = _fax_folder(clinic_id)
    with runtime().transaction(clinic_id) as session:
        due = faxes.is_due(session, runtime().now())
    if due or (folder is not None and any(whole_files(folder))):
        take_faxes.apply_async(expires=SWEEP_SECONDS, retry=False)


@app.task(name="referral.take_faxes", time_limit=1800, soft_time_limit=1740)
def take_faxes() -> None:
    """Take what lies in the folders and read what providers have sent."""
    _in_every_clinic(_take_faxes)


def _take_faxes(clinic_id: str) -> None:
    folder = _fax_folder(clinic_id)
    if folder is not None:
        take_folder(_reading(), clinic_id, folder)
    read_due(_reading(), clinic_id)
