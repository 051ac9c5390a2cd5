"""A directory of mail (Maildir): whatever is in it is complete, and moving a file is all or nothing.

Beside `new` and `cur` there are two folders as mail programs know them: `.done` for what was worked off, and
`.failed` for what a person may look at.
"""

from __future__ import annotations

import os
import socket
import stat
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

_PARTS: Final = ("tmp", "new", "cur")
_PIECE: Final = 64 * 1024
# Of each folder. Whoever has one letter of ours may send mail to its address without end, and the disk is
# that of the database too.
MOST_FILES: Final = 2000
MOST_BYTES: Final = 512 * 1024 * 1024


class Maildir:
    """Other programs may deliver here too. For its owner alone: a letter may have come back whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make what is missing of it; raises OSError."""
        for box in (self.folder, self.folder / ".done", self.folder / ".failed"):
            for part in _PARTS:
                (box / part).mkdir(mode=0o700, parents=True, exist_ok=True)

    def deliver(self, content: bytes) -> Path:
        """On the disk when it returns; raises OSError, and then nothing is there."""
        name = f"{int(time.time())}.{uuid.uuid4().hex}.{socket.gethostname().replace('/', '_')}"
        draft, final = self.folder / "tmp" / name, self.folder / "new" / name
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(final)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        _sync(final.parent)
        return final

    def waiting(self) -> list[Path]:
        """The files that have not been worked off, oldest first; links, folders and pipes are no mail."""
        found = [entry for part in ("new", "cur") for entry in os.scandir(self.folder / part)]
        mails = [Path(entry.path) for entry in found if entry.is_file(follow_symlinks=False)]
        return sorted(mails, key=lambda path: path.name)

    def has_room(self) -> bool:
        """Whether more is to be taken in while what has come waits to be worked off."""
        found = [status for part in ("new", "cur") for _, status in _files(self.folder / part)]
        return len(found) < MOST_FILES and sum(status.st_size for status in found) < MOST_BYTES

    def thin_out(self) -> int:
        """Of what was worked off and what was set aside the newest are kept; how many were removed."""
        return sum(_keep_newest(self.folder / box / "cur") for box in (".done", ".failed"))

    def done(self, mail: Path) -> None:
        self._move(mail, ".done")

    def set_aside(self, mail: Path) -> None:
        self._move(mail, ".failed")

    def count_set_aside(self) -> int:
        return sum(1 for part in ("new", "cur") for _ in os.scandir(self.folder / ".failed" / part))

    def forget_done(self, now: datetime, keep: timedelta) -> None:
        """Remove what was worked off long ago, and drafts whose writer died."""
        oldest = (now - keep).timestamp()
        for folder in (self.folder / ".done" / "cur", self.folder / "tmp"):
            for entry in os.scandir(folder):
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    Path(entry.path).unlink(missing_ok=True)

    def _move(self, mail: Path, box: str) -> None:
        """Already gone is as good: another process was here first."""
        target = self.folder / box / "cur" / mail.name
        try:
            mail.rename(target)
        except FileNotFoundError:
            return
        # Its age counts from now: that is how long it is kept.
        os.utime(target, follow_symlinks=False)
        _sync(target.parent)


def read(mail: Path, limit: int) -> tuple[bytes, str, datetime] | None:
    """(the first `limit` bytes, SHA-256 of all, when it came); None where it is gone.

    Raises OSError for what may not be read.
    """
    try:
        descriptor = os.open(mail, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            return None
        head, digest = file.read(limit), sha256()
        digest.update(head)
        while piece := file.read(_PIECE):
            digest.update(piece)
    return head, digest.hexdigest(), datetime.fromtimestamp(about.st_mtime, UTC)


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            found.append((Path(entry.path), entry.stat(follow_symlinks=False)))
    return found


def _keep_newest(folder: Path) -> int:
    removed = size = 0
    newest_first = sorted(_files(folder), key=lambda file: file[1].st_mtime, reverse=True)
    for place, (path, status) in enumerate(newest_first):
        size += status.st_size
        if place >= MOST_FILES or size > MOST_BYTES:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
