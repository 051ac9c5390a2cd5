"""Runs a program of this folder as a process of its own: bytes go in, and at most so many come out.

For what others have made, and for drawing outside of a worker.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Final

_PLAIN: Final = {"LC_ALL": "C.UTF-8"}
# How a process ends that has used up its time to compute: killed, or told by its limit (SIGXCPU).
_SPENT: Final = (-9, -24)


@dataclass(frozen=True, slots=True)
class Child:
    """What Python is told to run; `seconds` of wall clock and `most` bytes of output end it.

    It gets nothing of this process's environment but `environment`.
    """

    arguments: tuple[str, ...]
    seconds: float
    most: int
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, content: bytes) -> tuple[int, bytes]:
        """(how it ended, what it wrote, up to `most` and one byte more).

        A file may have made the process its own, and then it writes what it likes. -I in the command: no
        environment and no user's packages; what it finds is this installation's libraries.
        """
        pipe = subprocess.PIPE
        child = subprocess.Popen(
            [sys.executable, "-I", *self.arguments],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env={**_PLAIN, **self.environment},
        )
        feeder = threading.Thread(target=_feed, args=(child.stdin, content), daemon=True)
        clock = threading.Timer(self.seconds, child.kill)
        try:
            feeder.start()
            clock.start()
            written = child.stdout.read(self.most + 1) if child.stdout else b""
            if len(written) > self.most:
                child.kill()
            return child.wait(), written
        finally:
            clock.cancel()
            child.kill()
            child.wait()
            feeder.join()
            if child.stdout:
                child.stdout.close()


def ran_out_of_time(ended: int) -> bool:
    """Whether it ended at a limit of time."""
    return ended in _SPENT


def _feed(into: IO[bytes] | None, content: bytes) -> None:
    """It may end before it has read everything."""
    with suppress(OSError):
        if into is not None:
            with into:
                into.write(content)
