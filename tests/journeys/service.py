"""The whole service, run by its supervisor as people run it, with a mail server and a clock of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import psycopg
import redis

from referral.services.demo import SLUG
from tests.bells import ring
from tests.processes import ROOT, Running, children, eventually, running
from tests.smtp import Mailbox, smtp_server

DENVER = ZoneInfo("America/Denver")
_TAG = re.compile(r"delivery_tag\W+([0-9a-f-]{36})")
_PARTS = {"web": "referral.cli api", "worker": "referral.cli worker", "postgres": "postgres -D"}


def is_business_day(day: date) -> bool:
    return day.weekday() < 5 and day not in holidays.country_holidays("US")


def last_business_morning(days_ago: int = 1) -> datetime:
    """11 o'clock in Denver, which is within office hours from coast to coast, on a business day that is over.

    The last one that is at least `days_ago` days back.

    The past, because the gate takes the database's own clock: what happened must not lie in its future.
    """
    day = datetime.now(DENVER).date() - timedelta(days=days_ago)
    while not is_business_day(day):
        day -= timedelta(days=1)
    return datetime.combine(day, time(11), DENVER).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """What every process of the service takes for now."""

    file: Path

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.file.read_text())

    @property
    def today(self) -> date:
        return self.now.astimezone(DENVER).date()

    def set(self, moment: datetime) -> None:
        unfinished = self.file.with_suffix(".new")
        unfinished.write_text(moment.isoformat())
        unfinished.replace(self.file)

    def advance(self, **by: float) -> None:
        self.set(self.now + timedelta(**by))


class PostOffice:
    """A real SMTP server that can be closed, and opened again at the same place."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.port = 0
        self._server = ExitStack()

    def open(self) -> None:
        _, self.port = self._server.enter_context(smtp_server(self.mailbox, self.port))

    def close(self) -> None:
        self._server.close()

    def letters(self, number: str, subject: str = "") -> list[EmailMessage]:
        """What has arrived about one request."""
        found = [m for m in list(self.mailbox.messages) if f"({number})" in str(m["Subject"])]
        return [m for m in found if str(m["Subject"]).startswith(subject)]

    def link(self, number: str, subject: str = "A secure request") -> str:
        """The portal link of the newest letter about a request, once it has arrived."""
        letter = eventually(lambda: self.letters(number, subject), 60)[-1]
        found = re.search(r"http://\S+/r/\S+", letter.get_content())
        assert found is not None
        return found[0]


@dataclass(frozen=True)
class Service:
    program: Running
    address: str
    data_dir: Path
    clock: Clock
    post: PostOffice
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def fax_folder(self) -> Path:
        """Where a machine puts the faxes of the demo clinic."""
        return Path(self.environment["REFERRAL_FAX_IN_DIR"]) / SLUG

    def command(self, *arguments: str) -> str:
        """Run another command of ours beside the service; what it prints."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFERRAL_")}
        done = subprocess.run(
            [sys.executable, "-m", "referral.cli", *arguments],
            env={**inherited, **self.environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @cached_property
    def token(self) -> str:
        """A bearer token for scripts."""
        return self.command("client", "add", "the hospital's record system").strip()

    def pid_of(self, part: str) -> int:
        def found() -> int:
            family = children(self.program.process.pid)
            return next((pid for pid, command in family.items() if _PARTS[part] in command), 0)

        return eventually(found)

    def pool_processes(self) -> list[int]:
        """The forked children of the worker, which draw and send."""
        return list(children(self.pid_of("worker")))

    @cached_property
    def _where(self) -> dict[str, str]:
        note: dict[str, str] = json.loads((self.data_dir / "runtime.json").read_text())
        return note

    def valkey(self) -> redis.Redis:
        """The broker itself, to look into it and to empty it."""
        return redis.Redis.from_url(self._where["redis_url"])

    def database(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The database itself, for what no page shows; every statement sees what is committed by then."""
        address = self._where["admin_url"].replace("postgresql+psycopg", "postgresql")
        return psycopg.connect(address, autocommit=True)

    def sweep(self) -> None:
        """Ring for a sweep as beat does every fifteen seconds, and wait until one has ended.

        The messages rung meanwhile are followed by their tags: a worker that was stopped with tasks in hand
        leaves others behind, which come back minutes later.
        """
        tags: set[str] = set()
        deadline = monotonic() + 90
        with self.valkey() as valkey, valkey.monitor() as rings:
            ring(self._where["redis_url"], "referral.sweep")
            for rung in rings.listen():
                command = rung["command"]
                if "LPUSH" in command and "referral.sweep" in command:
                    tags |= set(_TAG.findall(command))
                if command.startswith("HDEL unacked") and tags & set(command.split()):
                    return
                assert monotonic() < deadline, "no sweep was rung and ended"


@contextmanager
def run_service(now: datetime) -> Iterator[Service]:
    """Run it on a free port in a directory of its own; everything is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="referral-test-"))
    directory.chmod(0o711)  # root's PostgreSQL may have to pass as `nobody`
    clock = Clock(directory / "now")
    clock.set(now)
    post = PostOffice()
    post.open()
    environment = {
        "REFERRAL_DATA_DIR": str(directory / "data"),
        "REFERRAL_PORT": "0",
        "REFERRAL_PRETEND_NOW_FILE": str(clock.file),
        "REFERRAL_FAX_IN_DIR": str(directory / "fax-in"),
        "REFERRAL_SMTP_URL": f"smtp://127.0.0.1:{post.port}",
        "REFERRAL_MAIL_FROM": "Harbor Light Clinic <requests@harborlight.example>",
    }
    try:
        with serving(directory, environment, clock, post) as started:
            yield started
    finally:
        post.close()
        shutil.rmtree(directory)


@contextmanager
def serving(
    directory: Path, environment: dict[str, str], clock: Clock, post: PostOffice
) -> Iterator[Service]:
    """Run it until the block ends; on what an earlier run has left in `directory`, if there was one."""
    (directory / "out.txt").unlink(missing_ok=True)
    with running(["-m", "referral.cli", "serve"], directory, environment) as program:

        def address() -> str:
            assert program.process.poll() is None, program.stderr.read_text()
            found = re.search(r"ready at (http://\S+)", program.stdout.read_text())
            return found[1] if found and "Ctrl-C" in program.stdout.read_text() else ""

        ready = eventually(address, 90)
        try:
            yield Service(program, ready, directory / "data", clock, post, environment)
        finally:
            ended_with = program.stop(signal.SIGINT)
        assert ended_with == 0
