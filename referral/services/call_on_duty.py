"""Decides that somebody on call is told of a safety task: a row, in the transaction that makes it due."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta

from referral.domain.on_call import USUAL_WAIT, Told, next_call
from referral.storage import clinics, on_call, safety_tasks
from referral.storage.db import Session


def wait_of(session: Session) -> int:
    """Minutes until the next contact is told, as the clinic has set it."""
    return int(clinics.current(session).settings.get("on_call", {}).get("wait", USUAL_WAIT))


def call_on_duty(session: Session, now: datetime, only: Container[str] | None = None) -> int:
    """Queue what is due about tasks that nobody has seen to; returns how many messages.

    `only` these tasks, None means all of the clinic. A second sweep queues nothing: a step is unique.
    """
    waiting = safety_tasks.waiting(session)
    ids = [task.id for task in waiting if only is None or task.id in only]
    contacts = on_call.contacts(session) if ids else []
    if not contacts:
        return 0
    wait, queued = timedelta(minutes=wait_of(session)), 0
    for task_id, calls in on_call.of_tasks(session, ids).items():
        told = [Told(one.step, one.contact_id, one.state, one.created_at) for one in calls]
        planned = next_call(contacts, told, wait, now)
        if planned is not None:
            queued += on_call.put(session, task_id, planned[0], planned[1].id, now)
    return queued
