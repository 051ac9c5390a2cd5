"""Tasks carry nothing: each looks at the rows, does what is due, and may run twice."""

from __future__ import annotations

from functools import cache
from typing import Any

import structlog
from celery.signals import worker_init

from referral.domain.errors import Unavailable
from referral.letters.render import Renderer
from referral.services.deliver_messages import Delivery, deliver_due
from referral.services.send_reminders import is_full, send_reminders
from referral.storage import audit, clinics
from referral.workers.celery_app import app, runtime, settings

log = structlog.get_logger(__name__)


@cache
def _renderer() -> Renderer:
    return Renderer(settings.data_dir / "fonts")


@worker_init.connect
def _warm_up(**_: Any) -> None:
    """Before the children are forked: the first letter of a process costs as much as five later ones."""
    _renderer().warm_up()


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
    )


def _clinic_ids() -> list[str]:
    with runtime().transaction() as session:
        return [clinic.id for clinic in clinics.every(session)]


@app.task(name="referral.deliver_due")
def deliver() -> None:
    """Send what is due in every clinic."""
    try:
        for clinic_id in _clinic_ids():
            deliver_due(_delivery(), clinic_id)
    except Unavailable:
        log.warning("deliver.postponed", cause="database")


@app.task(name="referral.sweep")
def sweep() -> None:
    """Climb ladders, then send: this makes a lost task, a flushed broker or a dead beat only a delay."""
    try:
        for clinic_id in _clinic_ids():
            _remind(clinic_id)
            deliver_due(_delivery(), clinic_id)
    except Unavailable:
        log.warning("sweep.postponed", cause="database")


def _remind(clinic_id: str) -> None:
    now = runtime().now()
    while True:
        with runtime().transaction(clinic_id) as session:
            count = send_reminders(session, now)
        if not is_full(count):
            return


@app.task(name="referral.chain_audit")
def chain_audit() -> None:
    """Append the newest audit rows of every clinic to its hash chain."""
    try:
        for clinic_id in _clinic_ids():
            with runtime().transaction(clinic_id) as session:
                audit.chain(session)
    except Unavailable:
        log.warning("chain.postponed", cause="database")
