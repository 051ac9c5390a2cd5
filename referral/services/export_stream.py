"""Writes the events that must survive a restore to files outside the database, soon after the commit.

An event gets its place in the stream in the database first, and is written to the file then. So the file
never knows more than the database, unless the database was put back: that is how a restore is noticed.
"""

from __future__ import annotations

from pathlib import Path

from referral.services.restore_mode import detect
from referral.storage import safety_events
from referral.storage.db import Database
from referral.storage.stream import Stream, settle


def export(database: Database, directory: Path, clinic_id: str) -> int:
    """Write what is new in one clinic; returns how many events. Safe to run twice and at the same time.

    Enters restore mode, and writes nothing, where the file knows more than the database.
    """
    stream = Stream(directory, clinic_id)
    with stream.writing():
        found = detect(database, directory, keeps_stream=True)
        settle(directory)
        if found is not None:
            return 0
        head = stream.head()
        with database.transaction(clinic_id) as session:
            # Not reconciled yet: the stream still holds what this database has lost.
            if head is not None and not safety_events.continues(session, head):
                return 0
            safety_events.assign(session)
        position, written = head.position if head else 0, 0
        while True:
            with database.transaction(clinic_id) as session:
                events = safety_events.after(session, position)
            if not events:
                return written
            written += stream.append(events)
            position = events[-1].position
