"""The data directory: its lock, private files, sockets and the note through which other processes attach."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from referral.embedded.errors import DataDirectoryInUse, EngineError
from referral.embedded.processes import is_alive

POSTGRES_SOCKET = ".s.PGSQL.5432"
VALKEY_SOCKET = "valkey.sock"
_UNIX_SOCKET_PATH_MAX = 103 if sys.platform == "darwin" else 107
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")  # what every URL parser on the way leaves alone
_LOG_CAP_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the engines of one data directory answer: SQLAlchemy URLs and a redis-py URL."""

    admin_url: str
    app_url: str
    redis_url: str


def addresses(sockets: Path, database: str, app_role: str) -> Addresses:
    """Return the addresses for a socket directory."""
    host = quote(str(sockets))
    return Addresses(
        admin_url=f"postgresql+psycopg://postgres@/{database}?host={host}",
        app_url=f"postgresql+psycopg://{app_role}@/{database}?host={host}",
        redis_url=f"unix://{sockets / VALKEY_SOCKET}?db=0",
    )


def lock(data: Path) -> TextIO:
    """Hold the data directory until the file is closed; the kernel lets go of it on any death."""
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    file = os.fdopen(descriptor, "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read().strip() or "another process"
        file.close()
        raise DataDirectoryInUse(f"{data} is in use by {holder}") from None
    file.truncate(0)
    file.write(f"process {os.getpid()}")
    file.flush()
    return file


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


def socket_directory(data: Path, owner: tuple[int, int] | None) -> Path:
    """Make the private directory of the sockets, in a short place when the data directory's path is too long.

    `owner` is who PostgreSQL will be, when that is not us.
    """
    directory = data / "run"
    too_long = len(os.fsencode(directory / f"{POSTGRES_SOCKET}.lock")) > _UNIX_SOCKET_PATH_MAX
    if too_long or not _PLAIN_PATH.fullmatch(str(directory)):
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108  # owner and mode are checked below
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        directory = base / f"referral-{os.geteuid()}-{digest}"
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if status.st_uid not in (os.geteuid(), owner[0] if owner else -1) or directory.is_symlink():
        raise EngineError(f"{directory} belongs to somebody else; remove it or set XDG_RUNTIME_DIR")
    directory.chmod(0o700)
    if owner:
        os.chown(directory, *owner)
    return directory


def cap_log(path: Path) -> None:
    """Keep one old part when a log has grown large; its writer appends and need not notice."""
    if path.exists() and path.stat().st_size > _LOG_CAP_BYTES:
        shutil.copy(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)


def publish(data: Path, where: Addresses) -> None:
    """Let other processes of the service attach."""
    write_private(data / "runtime.json", json.dumps({"supervisor": os.getpid(), **asdict(where)}))


def running_addresses(data: Path, patience: float = 60) -> Addresses:
    """Return the addresses of the instance that holds the data directory, waiting until it has started."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            note = json.loads((data / "runtime.json").read_text())
        except FileNotFoundError:
            note = None
        if note and is_alive(note.pop("supervisor")):
            return Addresses(**note)
        time.sleep(0.05)
    raise EngineError(f"the instance in {data} does not finish starting")
