"""Keeps the engines and the service's processes running until it is told to stop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from referral.embedded import EngineError, Engines
from referral.embedded.processes import spawn

log = structlog.get_logger(__name__)
_LOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Program:
    """One child: what to run, and the descriptors (a listening socket, say) that it inherits."""

    name: str
    command: Sequence[str]
    keep_open: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. A child that ends is started again after `first`, doubling up to `most`."""

    first: float = 0.3
    most: float = 20.0
    settled: float = 20.0  # after staying up this long it counts as healthy again
    drain: float = 25.0  # between SIGTERM and SIGQUIT
    cold: float = 12.0  # between SIGQUIT and SIGKILL


class FirstAnswer:
    """Ask a web server of ours, again and again and without waiting, whether it answers yet."""

    def __init__(self, address: tuple[str, int], path: str = "/health/live") -> None:
        self._address = address
        self._request = f"GET {path} HTTP/1.1\r\nHost: {address[0]}\r\nConnection: close\r\n\r\n".encode()
        self._asked: socket.socket | None = None

    def __call__(self) -> bool:
        answer = b""
        try:
            if self._asked is None:
                self._asked = socket.create_connection(self._address, timeout=1)
                self._asked.sendall(self._request)
                self._asked.setblocking(False)
            answer = self._asked.recv(64)
        except BlockingIOError:
            return False
        except OSError:
            answer = b""
        if self._asked is not None:
            self._asked.close()
            self._asked = None
        return answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    failures: int = 0


class Supervisor:
    """Runs `programs`, after `engines` where there are any.

    Run it in the main thread. `ready` is asked often at first; when it says True, `announce` is called once.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        environment: Mapping[str, str],
        engines: Engines | None = None,
        patience: Patience | None = None,
        ready: Callable[[], bool] = lambda: True,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self._children = [_Child(program) for program in programs]
        self._environment = environment
        self._engines = engines
        self._patience = patience or Patience()
        self._ready = ready
        self._announce = announce
        self._asked_to_stop = 0
        self._engine_failures = 0
        if engines is not None:
            engines.give_up = lambda: self._asked_to_stop > 0

    def run(self) -> None:
        """Return after SIGTERM, SIGINT or SIGHUP, when every child has ended. Engines are left running."""
        with _woken_by_signals(self._ask_to_stop) as wait:
            try:
                self._keep_running(wait)
            finally:
                self._stop_children(wait)

    def _ask_to_stop(self) -> None:
        self._asked_to_stop += 1

    def _keep_running(self, wait: Callable[[float], None]) -> None:
        announced = False
        while not self._asked_to_stop:
            pause = self._revive_engines()
            for child in self._children:
                pause = min(pause, self._look_after(child))
            if not announced:
                pause = min(pause, 0.05)
                announced = self._ready()
                if announced:
                    self._announce()
            wait(pause)

    def _revive_engines(self) -> float:
        """Return the seconds until the next look."""
        if self._engines is None:
            return _LOOK_SECONDS
        try:
            for name in self._engines.revive():
                log.warning("engine was started again", engine=name)
            self._engine_failures = 0
        except EngineError as error:
            self._engine_failures += 1
            log.error("engine does not start", reason=str(error))  # the sentence says it all
            return self._delay(self._engine_failures)
        return _LOOK_SECONDS

    def _look_after(self, child: _Child) -> float:
        """Start the child if it is due; return the seconds until the next look."""
        now = time.monotonic()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return _LOOK_SECONDS
            _end_session(child.process)
            child.process = None
            settled = now - child.started >= self._patience.settled
            child.failures = 1 if settled else child.failures + 1
            child.due = now + self._delay(child.failures)
            log.warning("process ended and is started again", process=child.program.name, code=code)
        if now < child.due:
            return child.due - now
        child.process = spawn(
            child.program.command,
            death_signal=signal.SIGKILL,
            environment=self._environment,
            keep_open=child.program.keep_open,
            directory=str(Path.cwd()),
        )
        child.started = now
        return _LOOK_SECONDS

    def _delay(self, failures: int) -> float:
        return float(min(self._patience.first * 2 ** min(failures - 1, 20), self._patience.most))

    def _stop_children(self, wait: Callable[[float], None]) -> None:
        """Ask, insist, kill. Being asked to stop once more shortens each step."""
        running = [child.process for child in self._children if child.process is not None]
        for number, seconds in (
            (signal.SIGTERM, self._patience.drain),
            (signal.SIGQUIT, self._patience.cold),
        ):
            for process in running:
                if process.poll() is None:
                    process.send_signal(number)
            asked, deadline = self._asked_to_stop, time.monotonic() + seconds
            while any(process.poll() is None for process in running):
                if time.monotonic() >= deadline or self._asked_to_stop > asked:
                    break
                wait(deadline - time.monotonic())
        for process in running:
            _end_session(process)
            process.wait()


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """Kill what a child that ended, or would not, has left in the session that we gave it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _woken_by_signals(stop: Callable[[], None]) -> Iterator[Callable[[float], None]]:
    """Give a `wait(seconds)` that ends early when a child ends or we are asked to stop."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    handlers = {number: lambda *_: stop() for number in (signal.SIGTERM, signal.SIGINT)}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        handlers[signal.SIGHUP] = lambda *_: stop()
    handlers[signal.SIGCHLD] = lambda *_: None
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    fd_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def wait(seconds: float) -> None:
        select.select([reader], [], [], max(seconds, 0.0))
        with contextlib.suppress(BlockingIOError):
            os.read(reader, 512)

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(fd_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
