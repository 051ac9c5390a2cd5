"""Exports of many resources: how far one is, how many at a time, how long its files are kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

# Whoever works on an export renews its lease with every part; after this long without, its worker is dead.
LEASE: Final = timedelta(minutes=2)
# An export that took its worker down this often is given up.
MAX_CRASHES: Final = 3
# What a client may have running, and lying here, at a time.
MAX_RUNNING: Final = 2
MAX_KEPT: Final = 10
# From the end of the export; for one that never ran, from when it was asked for.
KEPT: Final = timedelta(hours=24)
WAITS_AT_MOST: Final = timedelta(days=7)
# What was stamped this long ago has at least begun to be written: its transaction can be waited for.
SETTLE: Final = timedelta(seconds=2)
# How often a client should ask how far it is; it may ask this often all the same before it is slowed down.
RETRY_AFTER: Final = 2
_PATIENCE: Final = 20


class ExportState(StrEnum):
    """queued → running → completed or failed; what is deleted or over is gone."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


def asks_too_often(polls: int, created_at: datetime, now: datetime) -> bool:
    """`polls` so far: once in a second, and twenty on top, are more than Retry-After asks for."""
    return polls > _PATIENCE + max((now - created_at).total_seconds(), 0)
