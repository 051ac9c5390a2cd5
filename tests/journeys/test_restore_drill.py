"""R1, the restore drill: a backup is put back under the service, and nothing that was taken back lives.

The whole service as processes, on its own PostgreSQL, with a mail server; every command as a person types it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from referral.domain.audit import Actor
from referral.domain.codes import Role
from referral.domain.errors import GateClosed
from referral.domain.records import Referral
from referral.embedded import Engines
from referral.embedded.binaries import find_binaries
from referral.services.close_referral import cancel_referral
from referral.services.demo import PASSWORD
from referral.services.export_stream import export
from referral.services.judge_recommendation import revoke_recommendation
from referral.services.treat import record_consultation, start_treatment
from referral.storage import clinics, orders, referrals
from referral.storage.db import Database
from referral.storage.vault import Vault
from tests.database import ClinicFixture
from tests.journeys.service import Clock, PostOffice, Service, last_business_morning, serving
from tests.processes import ROOT, eventually
from tests.services import people

DIRECTOR, ADMIN = "director@harborlight.example", "admin@harborlight.example"


class Drill:
    """One installation whose directory lasts over several runs of the service."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.clock = Clock(directory / "now")
        # The drill takes a day, and what it asks the database must lie in the past by then.
        self.clock.set(last_business_morning(days_ago=3))
        self.post = PostOffice()
        self.post.open()
        self.environment = {
            "REFERRAL_DATA_DIR": str(self.data),
            "REFERRAL_PORT": "0",
            "REFERRAL_PRETEND_NOW_FILE": str(self.clock.file),
            "REFERRAL_SMTP_URL": f"smtp://127.0.0.1:{self.post.port}",
            "REFERRAL_MAIL_FROM": "Harbor Light Clinic <requests@harborlight.example>",
        }

    @contextmanager
    def serving(self) -> Iterator[tuple[Service, ClinicFixture]]:
        """The service and the clinic in its database."""
        with (
            serving(self.directory, self.environment, self.clock, self.post) as service,
            self.clinic() as clinic,
        ):
            yield service, clinic

    @contextmanager
    def clinic(self) -> Iterator[ClinicFixture]:
        note = json.loads((self.data / "runtime.json").read_text())
        key = base64.b64decode((self.data / "master.key").read_text())
        database = Database(note["app_url"], Vault(key), pool_size=2)
        with database.transaction() as session:
            (only,) = clinics.every(session)
        try:
            yield ClinicFixture(database, only.id, Actor(only.id, "staff", "user-1", Role.CLINICIAN))
        finally:
            database.close()

    def command(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFERRAL_")}
        return subprocess.run(
            [sys.executable, "-m", "referral.cli", *arguments],
            env={**inherited, **self.environment},
            cwd=ROOT,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def exported(self, kind: str, subject: str) -> bool:
        """Whether this event is in the stream outside of the database."""
        lines = [
            json.loads(line)["event"]
            for path in (self.data / "audit-stream").glob("*/*.jsonl")
            for line in path.read_text().splitlines()
        ]
        return any(line["kind"] == kind and line["subject"] == subject for line in lines)


@pytest.fixture
def drill() -> Iterator[Drill]:
    directory = Path(tempfile.mkdtemp(prefix="referral-test-"))
    directory.chmod(0o711)  # root's PostgreSQL may have to pass as `nobody`
    made = Drill(directory)
    yield made
    made.post.close()
    shutil.rmtree(directory)


def asked(drill: Drill, clinic: ClinicFixture, name: str) -> Referral:
    """A patient with depression, consulted, and a request to a clinician of that name."""
    with clinic.transaction() as session:
        placed = people.order(session, clinic, people.patient(session, clinic, family=name))
        record_consultation(
            session, clinic.actor, placed.id, drill.clock.now - timedelta(days=1), drill.clock.now
        )
        to = people.clinician(
            session, clinic, family=name, npi="", email=f"{name.lower()}@beaconhill.example", fax=""
        )
        return people.ask(session, clinic, placed, to, now=drill.clock.now)[0]


def recommended(drill: Drill, clinic: ClinicFixture, referral: Referral) -> str:
    """The clinician recommends it; returns the recommendation's id."""
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral, now=drill.clock.now)
        (answer,) = orders.facts(session, referral.order_id).facts.recommendations
    return answer.id


def may_start(clinic: ClinicFixture, referral: Referral, now: Clock) -> bool:
    try:
        with clinic.transaction() as session:
            start_treatment(session, clinic.actor, referral.order_id, referral.patient_id, now.now)
    except GateClosed:
        return False
    return True


def ask_portal(service: Service, link: str) -> tuple[int, bytes]:
    """What the button of a link's first page leads to."""
    answer = httpx.post(f"{service.address}{httpx.URL(link).path}", headers={"Origin": "null"}, verify=False)
    return answer.status_code, answer.content


def alive(clinic: ClinicFixture, sql: str) -> int:
    with clinic.transaction() as session:
        return int(session.connection.exec_driver_sql(f"SELECT count(*) {sql}").scalar_one())


LINKS = "FROM portal_credential WHERE revoked_at IS NULL AND frozen_at IS NULL AND expires_at > now()"


def test_a_restored_backup_brings_nothing_back_to_life(drill: Drill) -> None:
    with drill.serving() as (service, clinic):
        voided, started = asked(drill, clinic, "Voidwell"), asked(drill, clinic, "Startford")
        cancelled, answered = asked(drill, clinic, "Cancelby"), asked(drill, clinic, "Answerly")
        old = recommended(drill, clinic, voided)
        recommended(drill, clinic, started)
        dead_link = drill.post.link(cancelled.number)
        live_link = drill.post.link(answered.number)
        drill.post.close()
        waiting = asked(drill, clinic, "Waitmore")
        eventually(
            lambda: alive(clinic, f"FROM message WHERE referral_id = '{waiting.id}' AND tries > 0"), 60
        )
        service.sweep()
        eventually(lambda: drill.exported("answered", old), 60)

    shutil.copytree(drill.data / "pg", drill.directory / "backup", symlinks=True)

    drill.post.open()
    with drill.serving() as (service, clinic):
        now = drill.clock.now
        with clinic.transaction() as session:
            revoke_recommendation(session, clinic.actor, voided.id, reason="a mistake was found", now=now)
            version = referrals.get(session, cancelled.id).version
            cancel_referral(session, clinic.actor, cancelled.id, version, "the patient has moved", now)
        assert may_start(clinic, started, drill.clock)
        recommended(drill, clinic, answered)
        drill.clock.advance(minutes=2)
        service.sweep()
        eventually(lambda: drill.post.letters(waiting.number), 60)
        sent = f"FROM message WHERE referral_id = '{waiting.id}' AND state = 'accepted'"
        eventually(lambda: alive(clinic, sent), 60)
        with clinic.transaction() as session:
            sql = f"SELECT id::text FROM message WHERE referral_id = '{waiting.id}'"
            letter = str(session.connection.exec_driver_sql(sql).scalar_one())
            (start,) = orders.starts(session, started.order_id)
        assert not may_start(clinic, voided, drill.clock)
        service.sweep()
        for kind, subject in (
            *(("voided", old), ("closed", cancelled.id), ("started", start.id)),
            *(("closed", answered.id), ("sent", letter)),
        ):
            eventually(partial(drill.exported, kind, subject), 60)
    letters = len(drill.post.mailbox.messages)

    shutil.rmtree(drill.data / "pg")
    shutil.copytree(drill.directory / "backup", drill.data / "pg", symlinks=True)
    _own_as(drill.directory / "backup", drill.data / "pg")

    with drill.serving() as (service, clinic):
        assert "RESTORE MODE" in service.program.stderr.read_text()
        # The backup has brought back what the drill is about.
        with clinic.transaction() as session:
            (answer,) = orders.facts(session, voided.order_id).facts.recommendations
            assert not answer.voided
        assert alive(clinic, LINKS) > 0
        # Gate, dispatch and portal are closed.
        assert httpx.get(f"{service.address}/health/ready", verify=False).json() == {
            "status": "ready",
            "mode": "restore",
        }
        assert drill.command("restore-mode", "status").returncode == 1
        assert not may_start(clinic, voided, drill.clock)
        assert not may_start(clinic, started, drill.clock)
        shown = {ask_portal(service, link) for link in (live_link, dead_link, f"{live_link[:-3]}xyz")}
        assert [status for status, _ in shown] == [503]
        drill.clock.advance(days=1)
        service.sweep()
        assert len(drill.post.mailbox.messages) == letters
        assert "! " not in drill.command("doctor").stdout
        assert drill.command("doctor").returncode == 1
        # Reopening needs a reconciliation, and the stream is what it works from.
        assert drill.command("reopen", DIRECTOR, "--password-stdin", typed=PASSWORD + "\n").returncode == 1
        rehearsed = drill.command("reconcile", "--dry-run")
        assert rehearsed.returncode == 0, rehearsed.stderr
        assert alive(clinic, LINKS) > 0
        done = drill.command("reconcile")
        assert done.returncode == 0, done.stderr
        assert "Nothing was changed." in rehearsed.stdout
        assert rehearsed.stdout.splitlines()[:-1] == done.stdout.splitlines()[:-1]
        assert f"{answered.number}: answered (recommended)" in done.stdout
        assert f"Order {started.order_id}: an infusion was started" in done.stdout
        again = drill.command("reconcile")
        assert again.returncode == 0, again.stderr
        assert [line for line in again.stdout.splitlines() if line.startswith("  ")] == []
        # Two different people, one of them a medical director.
        first = drill.command("reopen", ADMIN, "--password-stdin", typed=PASSWORD + "\n")
        assert first.stdout == "Approved. A second person has to approve as well.\n", first.stderr
        assert drill.command("reopen", ADMIN, "--password-stdin", typed=PASSWORD + "\n").returncode == 1
        assert (
            drill.command("reopen", DIRECTOR, "--password-stdin", typed="a wrong password\n").returncode == 1
        )
        assert not may_start(clinic, started, drill.clock)
        second = drill.command("reopen", DIRECTOR, "--password-stdin", typed=PASSWORD + "\n")
        assert second.stdout == "The clinic is open.\n", second.stderr
        # R1: nothing lives again, and nothing leaves again.
        with clinic.transaction() as session:
            (answer,) = orders.facts(session, voided.order_id).facts.recommendations
        assert answer.voided
        assert not may_start(clinic, voided, drill.clock)
        assert may_start(clinic, started, drill.clock)
        assert alive(clinic, LINKS) == 0
        assert {ask_portal(service, link)[0] for link in (live_link, dead_link)} == {403}
        service.sweep()
        assert len(drill.post.mailbox.messages) == letters
        assert len(drill.post.letters(waiting.number)) == 1
        with clinic.transaction() as session:
            assert not referrals.get(session, cancelled.id).is_open
            assert referrals.get(session, answered.id).status_reason == "answer-lost"
            assert referrals.get(session, waiting.id).is_open
        ready = drill.command("doctor")
        assert ready.returncode == 0, ready.stdout

    # The stream goes on: the next start finds nothing wrong.
    with drill.serving() as (_, clinic):
        assert drill.command("restore-mode", "status").returncode == 0


def _own_as(model: Path, copy: Path) -> None:
    """As `cp -a` does: root's PostgreSQL may belong to `nobody`."""
    for path in (model, *model.rglob("*")):
        status = path.lstat()
        os.chown(copy / path.relative_to(model), status.st_uid, status.st_gid, follow_symlinks=False)


def put_back_files(engines: Engines, backup: Path, data: Path) -> Callable[[], None]:
    """pg_basebackup while the server runs; the directory becomes that of another machine."""
    command = ["pg_basebackup", "-h", host_of(engines), "-U", "postgres", "-D", str(backup), "-c", "fast"]
    run_bundled(*command)
    owner = (engines.data / "pg").stat()

    def restore() -> None:
        shutil.copytree(backup, data / "pg", symlinks=True)
        for path in (data / "pg", *(data / "pg").rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    return restore


def put_back_dump(engines: Engines, backup: Path, data: Path) -> Callable[[], None]:
    """pg_dump while the server runs; it is loaded into an empty database of another server."""
    run_bundled("pg_dump", "-h", host_of(engines), "-U", "postgres", "-Fc", "-f", str(backup), "referral")

    def restore() -> None:
        with Engines(data) as empty:
            to = ("-h", host_of(empty), "-U", "postgres")
            for role in ("referral_owner NOLOGIN", "referral_app LOGIN"):
                run_bundled("psql", *to, "-c", f"CREATE ROLE {role}", "referral")
            run_bundled("pg_restore", *to, "--exit-on-error", "-d", "referral", str(backup))

    return restore


def run_bundled(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [find_binaries().postgres / program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def host_of(engines: Engines) -> str:
    return unquote(engines.admin_url.partition("host=")[2])


@pytest.mark.parametrize("back_up", [put_back_files, put_back_dump])
def test_a_backup_on_another_machine_is_closed_and_reconciled_with_the_old_stream(
    drill: Drill, back_up: Callable[[Engines, Path, Path], Callable[[], None]]
) -> None:
    assert drill.command("demo").returncode == 0
    with Engines(drill.data) as engines, drill.clinic() as clinic:
        referral = asked(drill, clinic, "Voidwell")
        recommended(drill, clinic, referral)
        stream = drill.data / "audit-stream"
        export(clinic.database, stream, clinic.id)
        restore = back_up(engines, drill.directory / "backup", drill.data)
        with clinic.transaction() as session:
            revoke_recommendation(session, clinic.actor, referral.id, reason="a mistake", now=drill.clock.now)
        export(clinic.database, stream, clinic.id)

    old = drill.data.rename(drill.directory / "old")
    drill.data.mkdir(mode=0o711)
    shutil.copy(old / "master.key", drill.data / "master.key")
    restore()
    with drill.serving() as (service, clinic):
        assert "RESTORE MODE" in service.program.stderr.read_text()
        assert not may_start(clinic, referral, drill.clock)
        unsure = drill.command("reconcile")
        assert (unsure.returncode, "give --from" in unsure.stderr) == (1, True)
        done = drill.command("reconcile", "--from", str(old / "audit-stream"))
        assert done.returncode == 0, done.stderr
        assert "voided: 1" in done.stdout
        for email in (DIRECTOR, ADMIN):
            approved = drill.command("reopen", email, "--password-stdin", typed=PASSWORD + "\n")
            assert approved.returncode == 0, approved.stderr
        assert approved.stdout == "The clinic is open.\n"
        assert not may_start(clinic, referral, drill.clock)
        service.sweep()
        assert drill.command("restore-mode", "status").returncode == 0
