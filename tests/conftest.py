"""The engines that every test runs on, and the rule that tests talk to this machine only."""

from __future__ import annotations

import gc
import ipaddress
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import profiles
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from referral import logs
from referral.embedded import Engines
from tests.order import SECONDS, ByFileOrTest

# Tests kill processes, not the machine: what the system has been given survives without being flushed.
# Races are judged by the order of commits.
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "track_commit_timestamp": "on",
}


# Every program that a test starts would compile the whole package anew, and each worker all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# What is imported and collected stays until the end: nobody has to look whether it is still needed.
gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, all others in their order."""
    here = Path(__file__).parent
    items.sort(key=lambda item: -SECONDS.get(item.path.relative_to(here).as_posix(), 0))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFileOrTest:
    return ByFileOrTest(config, log)


def _refuse_the_outside(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    host = str(arguments[1][0])
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise RuntimeError(f"a test tried to reach {host}")


sys.addaudithook(_refuse_the_outside)
# Hashing a password is meant to take its time; tests of what comes after it need not wait. Programs that
# tests start hash as in production, and test_staff_sign_in.py looks at what they keep.
profiles.RFC_9106_LOW_MEMORY = profiles.CHEAPEST
# Nothing is judged by how long it took: this machine is shared.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")
# As in production: a traceback in a log has no local variables, which may be about people.
logs.configure("json")


def _remove(directory: Path) -> None:
    """Also while the processes of a test that failed are still writing their last."""
    deadline = time.monotonic() + 30
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            time.sleep(0.05)
    assert not directory.exists()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty directory with a short path, for sockets, that is gone after the test."""
    directory = Path(tempfile.mkdtemp(prefix="referral-test-"))
    directory.chmod(0o711)  # root's PostgreSQL may have to pass as `nobody`
    yield directory
    _remove(directory)


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """A real PostgreSQL and Valkey for this test process: `admin_url`, `app_url`, `redis_url`."""
    directory = Path(tempfile.mkdtemp(prefix="referral-test-"))
    try:
        with Engines(directory, postgres_settings=_FAST) as started:
            yield started
    finally:
        _remove(directory)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have counted (`record_property("figure", ...)`), from every worker."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    figures = [str(value) for report in reports for name, value in report.user_properties if name == "figure"]
    for figure in figures:
        terminalreporter.write_line(figure)


pytest_plugins = ["tests.database"]
