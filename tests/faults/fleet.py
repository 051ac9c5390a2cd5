"""Real engines, a real worker tree that is started again when it dies, and providers that count.

Everything here may be killed. The clock of the service goes at the pace of the world, and jumps ahead only
while no worker lives: a lease that runs out under somebody who works is another fault than a death.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg

from referral.domain.codes import Channel
from referral.domain.outgoing import (
    NOT_LEFT,
    ONLY_WHILE_OPEN,
    MessageKind,
    MessageState,
    provider_key,
)
from referral.domain.records import Contact, Referral
from referral.embedded import Engines
from referral.embedded.processes import is_alive
from referral.services.close_referral import stop_messages
from referral.services.queue_message import queue_message
from referral.storage import directory as clinicians
from referral.storage import migrate, referrals
from referral.storage.db import Database, Session
from referral.storage.vault import Vault
from tests.bells import ring
from tests.database import MASTER_KEY, NOW, ClinicFixture, make_clinic
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.processes import ROOT, children, eventually
from tests.provider import PASSWORD, PROJECT, SECRET, USER
from tests.services import people
from tests.smtp import Mailbox, smtp_server

# Tests kill processes, not the machine: what the system was given survives without being flushed. What is
# committed has to be given to it, though, as the server itself is killed, too.
_ENGINE_SETTINGS: Final = {"fsync": "off", "full_page_writes": "off"}
LEASE_AND_MORE: Final = timedelta(seconds=61)
FINISHED: Final = frozenset(
    {
        MessageState.ACCEPTED,
        MessageState.DELIVERED,
        MessageState.FAILED,
        MessageState.UNKNOWN,
        MessageState.CANCELLED,
        MessageState.DEAD,
    }
)
# How many of a hundred go by which channel; letters by fax are drawn, which takes its time.
MIX: Final = {Channel.SMS: 85, Channel.EMAIL: 13, Channel.FAX: 2}


# A request like another, cancelled: a notice that names it is like no other.
_CANCELLED: Final = """
INSERT INTO referral SELECT (jsonb_populate_record(r, jsonb_build_object(
    'id', 'cancelled-' || n, 'number', 'R-2026-' || to_char(90000 + n, 'FM000000'),
    'task_id', 'cancelled-' || n, 'status', 'cancelled', 'closed_at', r.created_at,
    'next_step_at', NULL))).*
  FROM generate_series(%(first)s::integer, %(last)s::integer) AS n
  JOIN (SELECT a.*, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS every
          FROM referral a WHERE a.clinic_id = %(clinic)s AND a.closed_at IS NULL) AS p
    ON p.place = n %% p.every
  JOIN referral r ON r.clinic_id = p.clinic_id AND r.id = p.id
"""
# The same notice about others of them, with its Communication.
_COPY: Final = """
WITH template AS (
    SELECT m.*, r.number FROM message m JOIN referral r ON r.clinic_id = m.clinic_id AND r.id = m.referral_id
     WHERE m.clinic_id = %(clinic)s AND m.referral_id = 'cancelled-' || (%(first)s::integer - 1)),
made AS (
    INSERT INTO message (clinic_id, id, referral_id, kind, ordinal, channel, contact_id, not_before,
                         created_at)
    SELECT t.clinic_id, gen_random_uuid(), a.id, t.kind, t.ordinal, t.channel, c.id, t.not_before,
           t.created_at
      FROM template t, generate_series(%(first)s::integer, %(last)s::integer) AS n, referral a, contact c
     WHERE a.clinic_id = t.clinic_id AND a.id = 'cancelled-' || n AND c.channel = t.channel
       AND c.clinic_id = t.clinic_id AND c.clinician_id = a.clinician_id
    RETURNING id, referral_id)
INSERT INTO resource (clinic_id, type, id, version, body, last_updated, patient_id)
SELECT r.clinic_id, r.type, m.id::text, r.version,
       replace(replace(r.body::text, t.id::text, m.id::text), t.referral_id, m.referral_id)::jsonb,
       r.last_updated, r.patient_id
  FROM template t, resource r, made m
 WHERE r.clinic_id = t.clinic_id AND r.type = 'Communication' AND r.id = t.id::text
"""


def seed_of(name: str) -> int:
    """A seed of its own for each run, printed; REFERRAL_TEST_SEED repeats one."""
    given = int(os.environ.get("REFERRAL_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    print(f"{name}: seed {given} (REFERRAL_TEST_SEED={given} repeats it)")  # noqa: T201 - pytest shows it on failure
    return given


class Clock:
    """A file that every process takes for now; a thread writes it twenty times a second.

    `stood_still` is the longest time in seconds for which it did not: then nothing on this machine went on,
    and leases of sixty seconds may have run out under whoever was at work.
    """

    def __init__(self, file: Path, start: datetime) -> None:
        self.file = file
        self.stood_still = 0.0
        self._begun = time.monotonic()
        self._start = start
        self._stop = threading.Event()
        self._write()
        self._thread = threading.Thread(target=self._go, name="pretended-clock", daemon=True)
        self._thread.start()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._begun)

    def skip(self, time: timedelta) -> None:
        self._start += time
        self._write()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        unfinished = self.file.with_suffix(f".{threading.get_ident()}")
        unfinished.write_text(self.now().isoformat())
        unfinished.replace(self.file)

    def _go(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(0.05):
            self._write()
            now = time.monotonic()
            self.stood_still, last = max(self.stood_still, now - last), now


@dataclass
class Worker:
    """`referral worker`, started again whenever it ends."""

    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    # Held while a new one may not begin.
    _dead: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._keep, name="worker-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self.kill()
        self._thread.join(30)

    def kill(self) -> None:
        """All of it at once; its children die with it."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()

    @contextmanager
    def dead(self) -> Iterator[None]:
        """All of it is killed, and gone, before the block begins; a new one is started after the block."""
        with self._dead:
            gone = [] if self.process is None else [self.process.pid, *self.pool()]
            self.kill()
            eventually(lambda: not any(is_alive(pid) for pid in gone), 60)
            yield

    def pool(self) -> list[int]:
        """Its children that draw and send."""
        process = self.process
        return list(children(process.pid)) if process is not None else []

    def _keep(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFERRAL_")}
        while not self._stop.is_set():
            with self._dead, self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "referral.cli", "worker"],
                    cwd=ROOT,
                    env={**inherited, **self.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
                self.starts += 1
            self.process.wait()
            self._stop.wait(0.2)


@dataclass
class Provider:
    """The fake provider in a process of its own, so that its work is not in the way of the test's."""

    port: int
    process: subprocess.Popen[str]

    def state(self) -> dict[str, Any]:
        with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
            read: dict[str, Any] = client.get(f"http://127.0.0.1:{self.port}/_state").json()
        return read

    def script(self, **how: Any) -> None:
        with httpx.Client(verify=False, trust_env=False, timeout=60) as client:
            client.post(f"http://127.0.0.1:{self.port}/_script", json=how).raise_for_status()


@contextmanager
def provider_process(*options: str) -> Iterator[Provider]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.provider", "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"listening on (\d+)", process.stdout.readline())
        assert found is not None
        yield Provider(int(found[1]), process)
    finally:
        process.kill()
        process.communicate()


@dataclass
class Fleet:
    """`asked` are open requests of the clinic, each to a clinician with contacts of its own."""

    directory: Path
    engines: Engines
    database: Database
    clinic: ClinicFixture
    clock: Clock
    provider: Provider
    mailbox: Mailbox
    worker: Worker
    asked: list[tuple[Referral, dict[Channel, Contact]]]
    proxies: dict[str, FaultProxy]
    queued: int = 0
    stopped: int = 0

    # ---- Work

    def queue(self, count: int, rng: random.Random, channels: Sequence[Channel] = ()) -> None:
        """So many notices, each about a cancelled request of its own, decided as the service decides it."""
        for number in self._cancelled(count):
            channel = rng.choice(channels) if channels else rng.choices(list(MIX), list(MIX.values()))[0]
            with self.database.transaction(self.clinic.id) as session:
                cancelled = referrals.get(session, f"cancelled-{number}")
                contact = self._contacts[cancelled.clinician_id][channel]
                assert queue_message(session, cancelled, MessageKind.CANCELLED, contact, self.clock.now())

    def queue_many(self, count: int) -> None:
        """One SMS that the service has decided, and copies of it: their rows and their Communications."""
        self.queue(1, random.Random(0), [Channel.SMS])
        copies = self._cancelled(count - 1)
        given = {"clinic": self.clinic.id, "first": copies.start, "last": copies.stop - 1}
        with self.admin() as connection:
            connection.execute(_COPY, given)
            connection.execute("ANALYZE message, resource, referral")

    def _cancelled(self, count: int) -> range:
        """So many cancelled requests more, by number."""
        made = range(self.queued + 1, self.queued + 1 + count)
        given = {"clinic": self.clinic.id, "first": made.start, "last": made.stop - 1}
        with self.admin() as connection:
            connection.execute(_CANCELLED, given)
        self.queued += count
        return made

    @property
    def _contacts(self) -> dict[str, dict[Channel, Contact]]:
        return {referral.clinician_id: contacts for referral, contacts in self.asked}

    def waiting(self) -> int:
        """How many have not been begun to be sent."""
        return sum(count for state, count in self.states().items() if state in NOT_LEFT)

    def stop_what_waits(self) -> None:
        """As a person would: what is not drawn or is not being sent yet is cancelled."""
        with self.admin() as connection:
            stopped = connection.execute(
                "UPDATE message SET state = 'cancelled', finished_at = %s"
                " WHERE clinic_id = %s AND kind = 'cancelled' AND state IN ('queued', 'ready')",
                (self.clock.now(), self.clinic.id),
            )
        self.stopped += stopped.rowcount

    def admin(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The database itself; every statement sees what is committed by then."""
        address = self.engines.admin_url.replace("postgresql+psycopg", "postgresql")
        return psycopg.connect(address, autocommit=True)

    def ring(self) -> None:
        """Ask for a delivery; whoever was to do what was asked for before may be dead."""
        ring(self.engines.redis_url, "referral.deliver_due", expires=15)

    # ---- What has become of it

    def states(self) -> Counter[MessageState]:
        with self.admin() as connection:
            rows = connection.execute(
                "SELECT state, count(*) FROM message WHERE clinic_id = %s AND kind = 'cancelled'"
                " GROUP BY state",
                (self.clinic.id,),
            ).fetchall()
        return Counter({MessageState(state): count for state, count in rows})

    def finished(self) -> int:
        return sum(count for state, count in self.states().items() if state in FINISHED)

    def rows(self) -> list[tuple[str, Channel, MessageState, int]]:
        """(id, channel, state, generation) of every message."""
        with self.admin() as connection:
            found = connection.execute(
                "SELECT id::text, channel, state, generation FROM message"
                " WHERE clinic_id = %s AND kind = 'cancelled'",
                (self.clinic.id,),
            ).fetchall()
        return [
            (id, Channel(channel), MessageState(state), generation)
            for id, channel, state, generation in found
        ]

    def doubled(self) -> list[tuple[Any, ...]]:
        """What the provider accepted more than once: how often, and all that the database knows of it."""
        counts = {key: count for key, count in self.provider.state()["per_key"].items() if count > 1}
        with self.admin() as connection:
            found = connection.execute("SELECT id, generation, to_jsonb(m) FROM message m").fetchall()
        keys = {str(provider_key(id, generation)): row for id, generation, row in found}
        return [(key, count, keys.get(key)) for key, count in counts.items()]

    def drain(self, seconds: float) -> None:
        """Until nothing is in hand or waits any more."""
        deadline = time.monotonic() + seconds
        while self.finished() < self.queued:
            assert time.monotonic() < deadline, f"not drained: {dict(self.states())}\n{self.last_words()}"
            self.ring()
            threading.Event().wait(0.5)

    def last_words(self) -> str:
        lines = self.worker.log.read_text(errors="replace").splitlines() if self.worker.log.exists() else []
        return "\n".join(lines[-15:])

    # ---- Deaths

    def kill_child(self, rng: random.Random) -> bool:
        """One of the processes that draw and send; False where there is none at this moment."""
        pool = self.worker.pool()
        if not pool:
            return False
        try:
            os.kill(rng.choice(pool), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def kill_all(self) -> None:
        """The whole tree; leases of the dead have run out when it is back.

        What they had handed over by then has been dealt with, as it would be in the minute that is skipped:
        also what lies unread at the provider. Connections of the dead last until they are read to their ends.
        """
        before = self.worker.starts
        with self.worker.dead():
            eventually(lambda: not open_connections(self.provider.port), 60)
            eventually(lambda: not self.provider.state()["in_hand"], 60)
            self.clock.skip(LEASE_AND_MORE)
        eventually(lambda: self.worker.starts > before, 60)


def open_connections(port: int) -> int:
    """How many connections to this port have something to be read, or an end that nobody has seen."""
    open_ones = ("01", "08")  # ESTABLISHED, also while nobody has accepted it, and CLOSE_WAIT
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    sockets = [line.split()[1:4] for line in lines]
    return sum(
        int(local.rpartition(":")[2], 16) == port and state in open_ones for local, _, state in sockets
    )


@contextmanager
def run_fleet(
    *, requests: int = 20, provider_options: Sequence[str] = (), proxied: Sequence[str] = ()
) -> Iterator[Fleet]:
    """The worker reaches what is `proxied`, of database, redis and provider, through a fault proxy."""
    directory = Path(tempfile.mkdtemp(prefix="referral-test-"))
    directory.chmod(0o711)  # root's PostgreSQL may have to pass as `nobody`
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        engines = stack.enter_context(Engines(directory / "data", postgres_settings=_ENGINE_SETTINGS))
        migrate.upgrade(engines.admin_url)
        provider = stack.enter_context(provider_process(*provider_options))
        mailbox, mail_port = stack.enter_context(smtp_server())
        database = Database(engines.app_url, Vault(base64.b64decode(MASTER_KEY)), pool_size=4)
        stack.callback(database.close)
        clock = Clock(directory / "now", NOW)
        stack.callback(clock.stop)
        targets: dict[str, tuple[str, int] | str] = {
            "database": database_socket(engines),
            "redis": urlsplit(engines.redis_url).path,
            "provider": ("127.0.0.1", provider.port),
        }
        proxies = {name: stack.enter_context(fault_proxy(targets[name])) for name in proxied}
        provider_port = proxies["provider"].port if "provider" in proxies else provider.port
        account = f"http://{USER}:{PASSWORD}@127.0.0.1:{provider_port}"
        worker = Worker(
            {
                "REFERRAL_DATABASE_URL": through(proxies.get("database"), engines.app_url),
                "REFERRAL_REDIS_URL": through(proxies.get("redis"), engines.redis_url),
                "REFERRAL_MASTER_KEY": MASTER_KEY,
                "REFERRAL_DATA_DIR": str(directory / "data"),
                "REFERRAL_EMBEDDED": "true",
                "REFERRAL_DEMO": "true",
                "REFERRAL_LOG_FORMAT": "json",
                "REFERRAL_PRETEND_NOW_FILE": str(clock.file),
                "REFERRAL_SMTP_URL": f"smtp://127.0.0.1:{mail_port}",
                "REFERRAL_MAIL_FROM": "Harbor Light Clinic <requests@harborlight.example>",
                "REFERRAL_SMS_URL": f"twilio+{account}?from=%2B13035550100",
                "REFERRAL_FAX_URL": (
                    f"sinch+{account}/v3/projects/{PROJECT}?secret={SECRET}&from=%2B13035550143"
                ),
            },
            directory / "worker.log",
        )
        clinic = make_clinic(database)
        asked = _asked(database, clinic, requests)
        worker.start()
        stack.callback(worker.stop)
        yield Fleet(directory, engines, database, clinic, clock, provider, mailbox, worker, asked, proxies)


def database_socket(engines: Engines) -> str:
    """Where PostgreSQL listens."""
    return f"{parse_qs(urlsplit(engines.app_url).query)['host'][0]}/.s.PGSQL.5432"


def through(proxy: FaultProxy | None, url: str) -> str:
    """The address of an engine by TCP and a proxy, or as it is."""
    if proxy is None:
        return url
    if url.startswith("unix://"):
        return f"redis://127.0.0.1:{proxy.port}/0"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.username}@127.0.0.1:{proxy.port}{parts.path}"


def _asked(
    database: Database, clinic: ClinicFixture, count: int
) -> list[tuple[Referral, dict[Channel, Contact]]]:
    """Requests whose own letters were stopped, so that nothing but what a test queues is sent."""
    made = []
    for number in range(count):
        with database.transaction(clinic.id) as session:
            order = people.order(session, clinic, people.patient(session, clinic))
            asked = people.clinician(
                session,
                clinic,
                npi="",
                email=f"office-{number}@beaconhill.example",
                fax=f"303-555-{1000 + number:04d}",
            )
            (referral,) = people.ask(session, clinic, order, asked)
            _add_sms(session, clinic, asked.id, f"+1720555{2000 + number:04d}")
            stop_messages(session, referral, ONLY_WHILE_OPEN, NOW)
            contacts = {c.channel: c for c in clinicians.get_clinician(session, asked.id).contacts}
            made.append((referrals.get(session, referral.id), contacts))
    return made


def _add_sms(session: Session, clinic: ClinicFixture, clinician_id: str, number: str) -> None:
    contact = Contact(
        id=f"sms-{number[1:]}", channel=Channel.SMS, address=number, source="directory", verified_at=NOW
    )
    clinicians.add_contact(session, clinician_id, contact, clinic.actor.id)


def dump(state: dict[str, Any]) -> str:
    """Counts of the provider, without its keys."""
    return json.dumps({name: value for name, value in state.items() if name != "per_key"})
