"""Programs run by tests: started, waited for, and always gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[1]
T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = 30) -> T:
    """Ask until the answer is truthy, and return it.

    What takes long to answer is asked less often: the machine is left to those who are waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if answer := condition():
            return answer
        now = time.monotonic()
        assert now < deadline, "it did not happen"
        time.sleep(min(max(0.02, 3 * (now - asked)), 0.5))


@dataclass(frozen=True, slots=True)
class Running:
    """A program under test; its output goes to files."""

    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 60) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


def children(pid: int) -> dict[int, str]:
    """The live children of a process, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) != pid or fields[0] == "Z":
                    continue
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            found[int(entry.name)] = command.strip()
    return found


@contextmanager
def running(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[Running]:
    """Run Python with output below `directory`; kill it at the end if the test has not stopped it.

    `prefix` is a program that runs it in another way, such as setpriv.
    """
    stdout, stderr = directory / "out.txt", directory / "err.txt"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFERRAL_")}
    with stdout.open("ab") as out, stderr.open("ab") as err:
        process = subprocess.Popen(
            [*prefix, sys.executable, *command],
            cwd=ROOT,
            env={**inherited, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    try:
        yield Running(process, stdout, stderr)
    finally:
        process.kill()
        process.wait()


def referral(
    data_dir: Path, *arguments: str, typed: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the service on `data_dir/data` until it ends."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFERRAL_")}
    here = {"REFERRAL_DATA_DIR": str(data_dir / "data"), "REFERRAL_PORT": "0"}
    return subprocess.run(
        [sys.executable, "-m", "referral.cli", *arguments],
        env={**inherited, **here, **variables},
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
