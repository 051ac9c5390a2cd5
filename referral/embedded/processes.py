"""Child processes that do not outlive the process that started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(death_signal: int) -> None:
    """Ask the kernel to send us this signal when our parent ends. Linux only; elsewhere nothing happens.

    Call it last in a new child: changing the user clears it. It is bound to the thread that forked,
    so start children from a thread that lives as long as the process.
    """
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def spawn(
    command: Sequence[str],
    *,
    death_signal: signal.Signals,
    environment: Mapping[str, str],
    output: IO[bytes] | None = None,
    prepare: Callable[[], None] | None = None,
    keep_open: Sequence[int] = (),
    directory: str = "/",
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C reaches only us and we stop it in order.

    `prepare` runs in the child first, for example to change the user.
    """
    parent = os.getpid()

    def in_child() -> None:
        if prepare is not None:
            prepare()
        die_with_parent(death_signal)
        if os.getppid() not in (parent, 0):  # we died in between; 0 is a parent outside of our pid namespace
            os.kill(os.getpid(), signal.SIGKILL)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=directory,
        env=dict(environment),
        start_new_session=True,
        preexec_fn=in_child,  # noqa: PLW1509  # only from the main thread, before and beside no lock-holding thread
        pass_fds=keep_open,
        umask=0o077,
    )


def is_alive(pid: int) -> bool:
    """True for a running process, False for none and for a zombie, which kill(pid, 0) takes for alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    status = _status(pid)
    return status is None or status[1] != "Z"


def started_at(pid: int) -> str | None:
    """Tell one process from a later one with the same number. None where the system does not say."""
    status = _status(pid)
    return status[20] if status else None


def running_in(directory: Path, programs: Sequence[str]) -> list[int]:
    """Return the live processes of these programs whose working directory is `directory`."""
    found = []
    for pid in _all_pids():
        with contextlib.suppress(OSError):
            if str(Path(f"/proc/{pid}/cwd").readlink()) != str(directory):
                continue
            status = _status(pid)
            if status and status[0] in programs and status[1] != "Z":
                found.append(pid)
    return found


def _all_pids() -> Iterator[int]:
    if sys.platform == "linux":
        yield from (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _status(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat: the program's name, then its state and what follows it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    before, _, after = text.rpartition(")")
    return [before.partition("(")[2], *after.split()]
