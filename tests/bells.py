"""Rings for a task of the service, as beat and the database's bell do."""

from __future__ import annotations

from typing import Any

from celery import Celery


def ring(redis_url: str, task: str, **options: Any) -> None:
    """Put the task into the broker at `redis_url`, which is in redis-py's spelling."""
    spelled = redis_url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
    ringer = Celery(broker=spelled, set_as_current=False)
    with ringer.connection_for_write() as connection:
        ringer.send_task(task, queue="referral", connection=connection, **options)
    ringer.close()
