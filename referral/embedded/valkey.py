"""Valkey (or Redis) as a child process: clears what a killed server left, knows when it is ready."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

from referral.embedded.errors import EngineError
from referral.embedded.identity import Identity
from referral.embedded.places import VALKEY_SOCKET
from referral.embedded.processes import running_in


class Valkey:
    """One server with its append-only file in `data/valkey`, reachable only through a socket in `sockets`."""

    name = "valkey"
    stop_signal = signal.SIGTERM
    identity = Identity.PLAIN  # it has nothing against root

    def __init__(self, data: Path, sockets: Path, program: Path) -> None:
        self._directory = data / "valkey"
        self._socket = sockets / VALKEY_SOCKET
        self._program = program

    def prepare(self) -> None:
        self._directory.mkdir(exist_ok=True, mode=0o700)
        deadline = time.monotonic() + 15
        while leftovers := running_in(self._directory, [self._program.name]):
            if time.monotonic() > deadline:
                raise EngineError(f"processes {leftovers} still use {self._directory}")
            for pid in leftovers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, self.stop_signal)
            time.sleep(0.05)
        self._socket.unlink(missing_ok=True)

    def command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [
            str(self._program),
            *(part for name, value in settings.items() for part in (f"--{name}", value)),
        ]

    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def is_ready(self, pid: int) -> bool:  # noqa: ARG002  # PostgreSQL's needs it; this socket is private
        """+PONG, not -LOADING while the append-only file is read."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(self._socket))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        return False
