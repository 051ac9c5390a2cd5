"""`referral serve` as people run it: everything real, and everything killed."""

from __future__ import annotations

import base64
import json
import os
import pwd
import re
import signal
import smtplib
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from celery import Celery

from referral.channels.return_address import ReturnAddresses
from referral.embedded.processes import is_alive
from tests.processes import ROOT, Running, children, eventually, referral, running

PARTS = {
    "web": "referral.cli api",
    "worker": "referral.cli worker",
    "beat": "referral.cli beat",
    "postgres": "postgres -D",
    "valkey": "valkey-server",
    "mail": "referral.cli inbound-mail",
}


@contextmanager
def service(data_dir: Path, prefix: tuple[str, ...] = (), **more: str) -> Iterator[tuple[Running, str]]:
    """Run it on a free port; give the program and its address once it says that it is ready."""
    output = data_dir / "output"
    output.mkdir(exist_ok=True)
    for name in ("out.txt", "err.txt"):
        (output / name).unlink(missing_ok=True)
    environment = {"REFERRAL_DATA_DIR": str(data_dir / "data"), "REFERRAL_PORT": "0", **more}
    with running(["-m", "referral.cli", "serve"], output, environment, prefix) as program:

        def address() -> str | None:
            assert program.process.poll() is None, program.stderr.read_text()
            found = re.search(r"ready at (http://\S+)", program.stdout.read_text())
            return found[1] if found else None

        yield program, str(eventually(address, 60))


def status(address: str, token: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urlopen(
            Request(address, headers=headers), timeout=30
        ) as answer:  # no other scheme than http here
            return int(answer.status)
    except HTTPError as error:
        return error.code


def pid_of(program: Running, part: str) -> int | None:
    found = [pid for pid, command in children(program.process.pid).items() if PARTS[part] in command]
    return found[0] if found else None


def worker_answers(data_dir: Path) -> bool:
    """Ask through the broker, as the health check of docker-compose.yml does."""
    note = json.loads((data_dir / "data" / "runtime.json").read_text())
    environment = {
        **os.environ,
        "REFERRAL_EMBEDDED": "1",
        "REFERRAL_DATA_DIR": str(data_dir / "data"),
        "REFERRAL_DATABASE_URL": note["app_url"],
        "REFERRAL_REDIS_URL": note["redis_url"],
    }
    celery = [sys.executable, "-m", "celery", "--app=referral.workers.celery_app", "inspect", "ping"]
    done = subprocess.run(
        [*celery, "--timeout=5"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and "pong" in done.stdout


def send_sweeps(data_dir: Path, count: int) -> None:
    note = json.loads((data_dir / "data" / "runtime.json").read_text())
    broker = Celery(broker=note["redis_url"].replace("unix://", "redis+socket://"))
    for _ in range(count):
        broker.send_task("referral.sweep", queue="referral")


def family(pid: int) -> list[int]:
    """A process and everything below it."""
    return [pid, *(below for child in children(pid) for below in family(child))]


def hand_in_odd_mail(data_dir: Path, port: int) -> None:
    """To the listener for returned mail: nothing that a machine can read."""
    key = base64.b64decode((data_dir / "data" / "master.key").read_text())
    returns = ReturnAddresses(key, "mail.harborlight.example")
    address = returns.address(returns.token(str(uuid.uuid4()), uuid.uuid4(), 1))
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as server:
        assert server.sendmail("", [address], "Subject: hello\r\n\r\nIs there anybody?\r\n") == {}


def kill_and_see_it_return(program: Running, part: str, address: str) -> None:
    victim = eventually(lambda: pid_of(program, part))
    assert victim is not None
    offspring = [] if part in ("postgres", "valkey") else family(victim)
    os.kill(victim, signal.SIGKILL)
    if part == "web":  # no request is refused: it waits for the new process
        assert status(f"{address}/health/live") == 200
    eventually(lambda: pid_of(program, part) not in (None, victim))
    eventually(lambda: not any(is_alive(pid) for pid in offspring))
    eventually(lambda: status(f"{address}/health/ready") == 200)


def test_every_part_that_is_killed_comes_back_and_nothing_is_lost(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with service(
        data_dir,
        REFERRAL_SMTP_URL="smtp://127.0.0.1:1",
        REFERRAL_MAIL_FROM="desk@mail.harborlight.example",
        REFERRAL_BOUNCE_LISTEN=f"127.0.0.1:{port}",
    ) as (program, address):
        added = referral(data_dir, "client", "add", "a script")
        assert added.returncode == 0
        token = added.stdout.removesuffix("\n")
        assert re.fullmatch(r"\S+", token)  # one line, nothing but the token
        assert status(f"{address}/fhir/Patient", token) == 200
        assert status(f"{address}/fhir/Patient") == 401
        for part in PARTS:
            if part == "valkey":
                send_sweeps(data_dir, 40)  # it goes away with tasks in hand
            kill_and_see_it_return(program, part, address)
            assert eventually(lambda: status(f"{address}/fhir/Patient", token) == 200)
        assert eventually(lambda: worker_answers(data_dir), 60)
        hand_in_odd_mail(data_dir, port)
        set_aside = data_dir / "data" / "bounces" / ".failed" / "cur"
        assert eventually(lambda: list(set_aside.glob("*")), 60)  # by the next sweep
        everybody = family(program.process.pid)
        assert program.stop(signal.SIGINT) == 0
        assert not any(is_alive(pid) for pid in everybody)
        assert "Traceback" not in program.stderr.read_text()


def test_after_everything_was_killed_the_next_start_goes_on(data_dir: Path) -> None:
    with service(data_dir) as (program, _):
        token = referral(data_dir, "client", "add", "a script").stdout.strip()
        everybody = family(program.process.pid)
        program.process.kill()
        program.process.wait()
        eventually(lambda: not any(is_alive(pid) for pid in everybody))
    with service(data_dir) as (program, address):
        assert status(f"{address}/fhir/Patient", token) == 200
        assert program.stop() == 0


def test_a_second_instance_is_refused(data_dir: Path) -> None:
    with service(data_dir) as (program, address):
        second = referral(data_dir, "serve")
        assert second.returncode == 1
        assert (
            second.stderr == f"Cannot go on: {data_dir / 'data'} is in use by process {program.process.pid}\n"
        )
        taken = subprocess.run(
            [sys.executable, "-m", "referral.cli", "serve"],
            env={
                **os.environ,
                "REFERRAL_DATA_DIR": str(data_dir / "other"),
                "REFERRAL_PORT": address.rpartition(":")[2],
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert taken.returncode == 1
        assert taken.stderr.endswith("Address already in use. Set REFERRAL_PORT to another one.\n")
        assert status(f"{address}/health/live") == 200
        assert program.stop() == 0


def test_demo_accounts_are_printed(data_dir: Path) -> None:
    with service(data_dir) as (program, _):
        banner = program.stdout.read_text()
        assert re.search(r"desk@\S+\.example +\S+ +\(front-desk\)", banner)
        assert referral(data_dir, "doctor").returncode == 0
        assert program.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_runs_for_an_ordinary_user(data_dir: Path) -> None:
    user = pwd.getpwnam("nobody")
    prefix = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    reachable = subprocess.run([*prefix, "test", "-r", str(ROOT / "pyproject.toml")], check=False)
    if reachable.returncode != 0:
        pytest.skip(f"nobody may not enter {ROOT}")
    os.chown(data_dir, user.pw_uid, user.pw_gid)
    with service(data_dir, prefix) as (program, address):
        assert status(f"{address}/health/ready") == 200
        assert (data_dir / "data" / "pg").stat().st_uid == user.pw_uid
        assert program.stop() == 0
