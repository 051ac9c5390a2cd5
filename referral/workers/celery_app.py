"""The Celery application: its settings, and the bell that wakes it."""

from __future__ import annotations

import os
import socket
import threading
from functools import cache
from typing import Any, Final

import structlog
from celery import Celery
from celery.signals import task_received, worker_process_init, worker_ready, worker_shutting_down
from celery.worker import state

from referral.bootstrap import Runtime, build_runtime
from referral.config import load_settings
from referral.logs import configure
from referral.storage import bell
from referral.workers import broker
from referral.workers.watchdog import SAY_SECONDS, Watchdog, end_worker

log = structlog.get_logger(__name__)
SWEEP_SECONDS: Final = 15.0
CHAIN_SECONDS: Final = 60.0
FORGET_SECONDS: Final = 3600.0
POLL_SECONDS: Final = 120.0
QUEUE: Final = "referral"
# This worker's own (see watchdog); made before it forks, so that all of it means the same one.
EAR: Final = f"{QUEUE}.ear.{socket.gethostname()}.{os.getpid()}"

settings = load_settings()
broker.install()
app = Celery("referral", broker=settings.broker_url, include=["referral.workers.tasks"])
# Every value is argued for in docs/adr/0002: the broker may lose anything at any moment.
app.conf.update(
    task_default_queue=QUEUE,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_time_limit=90,
    task_soft_time_limit=75,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=1000,
    worker_max_memory_per_child=400_000,
    worker_soft_shutdown_timeout=10,
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 300,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 5,
        "socket_timeout": 30,
    },
    timezone="UTC",
    enable_utc=True,
    beat_schedule={
        # A tick that nobody took in time is worth nothing: the next one does the same.
        "sweep": {
            "task": "referral.sweep",
            "schedule": SWEEP_SECONDS,
            "options": {"expires": SWEEP_SECONDS},
        },
        "notify": {
            "task": "referral.notify",
            "schedule": SWEEP_SECONDS,
            "options": {"expires": SWEEP_SECONDS},
        },
        "chain-audit": {
            "task": "referral.chain_audit",
            "schedule": CHAIN_SECONDS,
            "options": {"expires": CHAIN_SECONDS},
        },
        "poll": {
            "task": "referral.poll",
            "schedule": POLL_SECONDS,
            "options": {"expires": POLL_SECONDS},
        },
        "forget": {
            "task": "referral.forget",
            "schedule": FORGET_SECONDS,
            "options": {"expires": FORGET_SECONDS},
        },
    },
)


@cache
def runtime() -> Runtime:
    """One per process, made on first use: a forked child must not share the parent's connections."""
    return build_runtime(settings, pool_size=4)


@worker_process_init.connect
def _prepare_child(**_: Any) -> None:
    configure(settings.log_format)


_stopping = threading.Event()


@worker_ready.connect
def _listen_for_work(**_: Any) -> None:
    """Ask for a delivery whenever a message row is written, and for a sweep even when beat is dead.

    Subscribers have a bell of their own: it rings for them alone.
    """
    for bell_and_tasks in (
        ("referral_due", "referral.deliver_due", "referral.sweep"),
        ("referral_notify", "referral.notify", "referral.notify"),
    ):
        threading.Thread(
            target=_ring_for_ever, args=bell_and_tasks, name=bell_and_tasks[0], daemon=True
        ).start()


@worker_shutting_down.connect
def _stop_listening(**_: Any) -> None:
    _stopping.set()


@app.task(name="referral.ear")
def ear() -> None:
    """Nothing: that it arrived is all."""


@worker_ready.connect
def _watch(**_: Any) -> None:
    """Let the worker notice when it hears nothing any more."""
    dog = Watchdog(say=_say, has_room=_has_room, end=end_worker, stopping=_stopping)
    task_received.connect(dog.hear, weak=False)
    threading.Thread(target=dog.watch, name="watchdog", daemon=True).start()


def _say() -> None:
    """By a new connection: an old one may be what has died."""
    with app.connection_for_write() as connection:
        ear.apply_async(queue=EAR, expires=SAY_SECONDS * 3, retry=False, connection=connection)


def _has_room() -> bool:
    """An idle worker takes what comes; how many more a busy one takes is Celery's own affair."""
    return not state.reserved_requests


def _ring_for_ever(channel: str, when_rung: str, when_silent: str) -> None:
    """Bell to task. Not needed for correctness: beat's sweep finds the same rows a little later."""
    while not _stopping.is_set():
        try:
            for rang in bell.listen(str(settings.database_url), channel, SWEEP_SECONDS):
                if _stopping.is_set():
                    return
                name = when_rung if rang else when_silent
                app.send_task(name, expires=SWEEP_SECONDS, retry=False)
        except Exception as error:  # noqa: BLE001 - whatever broke, wait and listen again; the cause is logged
            log.warning("bell.interrupted", cause=type(error).__name__)
            _stopping.wait(2.0)
