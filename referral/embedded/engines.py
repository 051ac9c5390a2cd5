"""Starts, watches, revives and stops the two bundled engines of one data directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, Self, TextIO

from referral.embedded.binaries import Binaries, find_binaries
from referral.embedded.errors import EngineError
from referral.embedded.identity import Identity, choose_identity, nobody
from referral.embedded.places import (
    Addresses,
    addresses,
    cap_log,
    lock,
    publish,
    socket_directory,
    write_private,
)
from referral.embedded.postgres import APP_ROLE, DATABASE, Postgres
from referral.embedded.processes import spawn
from referral.embedded.valkey import Valkey

_START_SECONDS = 60
_STOP_SECONDS = 30


class Server(Protocol):
    """What both engines have in common."""

    name: str
    stop_signal: signal.Signals
    identity: Identity

    def prepare(self) -> None:
        """Create what is missing and clear what a killed server left."""

    def command(self) -> list[str]: ...

    def environment(self) -> dict[str, str]: ...

    def is_ready(self, pid: int) -> bool: ...


class Engines:
    """PostgreSQL and Valkey on unix sockets below one data directory, as long as this object is open.

    Start it from the main thread: the engines' death signal is bound to the thread that forked.
    A second instance on the same directory is refused with DataDirectoryInUse.
    """

    def __init__(
        self,
        data: Path,
        binaries: Binaries | None = None,
        *,
        identity: Identity | None = None,
        postgres_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data.absolute()
        self._binaries = binaries or find_binaries()
        self._wanted_identity = identity
        self._postgres_settings = postgres_settings or {}
        # Asked while an engine starts: True ends the waiting with EngineError.
        self.give_up: Callable[[], bool] = lambda: False
        self._lock: TextIO | None = None
        self._servers: list[Server] = []
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._addresses: Addresses | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def addresses(self) -> Addresses:
        if self._addresses is None:
            raise EngineError("the engines have not been started")
        return self._addresses

    @property
    def admin_url(self) -> str:
        """The superuser, for migrations only."""
        return self.addresses.admin_url

    @property
    def app_url(self) -> str:
        """The service's own role, which the first migration makes."""
        return self.addresses.app_url

    @property
    def redis_url(self) -> str:
        return self.addresses.redis_url

    @property
    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self._children.items()}

    def start(self) -> None:
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data = self.data.resolve()
        self._lock = lock(self.data)
        try:
            (self.data / "runtime.json").unlink(missing_ok=True)
            self._lay_out()
            for server in self._servers:
                self._start(server)
            publish(self.data, self.addresses)
        except BaseException:
            self.stop()
            raise

    def revive(self) -> list[str]:
        """Start again whichever engine has ended, on the same paths; return their names."""
        revived = []
        for server in self._servers:
            cap_log(self._log(server.name))
            if self._children[server.name].poll() is not None:
                self._start(server)
                revived.append(server.name)
        return revived

    def stop(self) -> None:
        """Stop both and let go of the data directory. A second call does nothing."""
        running = [server for server in reversed(self._servers) if server.name in self._children]
        for server in running:
            if self._children[server.name].poll() is None:
                self._children[server.name].send_signal(server.stop_signal)
        for server in running:
            child = self._children.pop(server.name)
            try:
                child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self._lock is not None:
            (self.data / "runtime.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _lay_out(self) -> None:
        note = self.data / "engines.json"
        remembered = Identity(json.loads(note.read_text())["identity"]) if note.exists() else None
        identity = choose_identity(remembered, self._wanted_identity)
        owner = None
        if identity is Identity.NOBODY:
            user = nobody()
            owner = (user.pw_uid, user.pw_gid)
        self.data.chmod(0o711 if owner else 0o700)
        if remembered is None:
            write_private(note, json.dumps({"identity": identity}))
        sockets = socket_directory(self.data, owner)
        self._addresses = addresses(sockets, DATABASE, APP_ROLE)
        self._servers = [
            Postgres(self.data, sockets, self._binaries.postgres, identity, self._postgres_settings),
            Valkey(self.data, sockets, self._binaries.valkey),
        ]

    def _start(self, server: Server) -> None:
        server.prepare()
        log = self._log(server.name)
        cap_log(log)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as output:
            child = spawn(
                server.command(),
                death_signal=server.stop_signal,
                environment=server.environment(),
                output=output,
                prepare=server.identity.enter,
            )
        self._children[server.name] = child
        deadline = time.monotonic() + _START_SECONDS
        while not server.is_ready(child.pid):
            if child.poll() is not None:
                lines = log.read_text(errors="replace").strip().splitlines()[-5:]
                raise EngineError(f"{server.name} ended at once; the end of {log} says: {' / '.join(lines)}")
            if self.give_up():
                raise EngineError(f"{server.name} was told to stop while it was starting")
            if time.monotonic() > deadline:
                child.kill()
                child.wait()
                raise EngineError(f"{server.name} is not ready after {_START_SECONDS} seconds; see {log}")
            time.sleep(0.01)

    def _log(self, name: str) -> Path:
        return self.data / f"{name}.log"
