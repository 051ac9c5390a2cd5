"""`referral inbound-mail` takes in what was returned, and nothing else; what it acknowledged is kept."""

from __future__ import annotations

import base64
import os
import re
import signal
import smtplib
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from referral.channels.maildir import MOST_BYTES, Maildir
from referral.channels.return_address import ReturnAddresses
from tests.database import MASTER_KEY
from tests.processes import Running, eventually, running
from tests.returned import status_report

RETURNS = ReturnAddresses(base64.b64decode(MASTER_KEY), "mail.harborlight.example")
ADDRESS = RETURNS.address(RETURNS.token(str(uuid.uuid4()), uuid.uuid4(), 1))


@contextmanager
def listening(data_dir: Path, folder: Path, **changes: str) -> Iterator[tuple[Running, int]]:
    """The command itself, on a free port."""
    environment = {
        "REFERRAL_DATA_DIR": str(data_dir),
        "REFERRAL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REFERRAL_REDIS_URL": "redis://127.0.0.1:1/0",
        "REFERRAL_MASTER_KEY": MASTER_KEY,
        "REFERRAL_SMTP_URL": "smtp://127.0.0.1:1",
        "REFERRAL_MAIL_FROM": "desk@mail.harborlight.example",
        "REFERRAL_BOUNCE_DIR": str(folder),
        "REFERRAL_BOUNCE_LISTEN": "127.0.0.1:0",
        "REFERRAL_LOG_FORMAT": "json",
    } | changes
    with running(["-m", "referral.cli", "inbound-mail"], data_dir, environment) as program:

        def port() -> int:
            assert program.process.poll() is None, program.stderr.read_text()
            found = re.search(r'"port": (\d+)', program.stdout.read_text() + program.stderr.read_text())
            return int(found[1]) if found else 0

        yield program, eventually(port, 60)


def hand_in(port: int, mail: bytes, *recipients: str, sender: str = "") -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as server:
        return server.sendmail(sender, recipients, mail)


def test_it_takes_in_returned_mail_and_only_that(data_dir: Path) -> None:
    """Without a database: mail that came back waits for it on the disk."""
    folder = data_dir / "bounces"
    with listening(data_dir, folder) as (program, port):
        assert hand_in(port, status_report(ADDRESS), ADDRESS) == {}
        (mail,) = Maildir(folder).waiting()
        kept = mail.read_bytes().replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
        assert kept == b"Delivered-To: " + ADDRESS.encode() + b"\n" + status_report(ADDRESS)
        assert mail.stat().st_mode & 0o077 == 0

        for stranger in (
            "desk@mail.harborlight.example",
            "postmaster@elsewhere.example",
            ADDRESS.replace("@mail.", "@other."),
            ADDRESS[:12] + "aaaaa" + ADDRESS[17:],
        ):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
                hand_in(port, b"Subject: spam\n\nspam", stranger, sender="spam@spam.example")
            assert refusal.value.recipients[stranger][0] == 550
        assert len(Maildir(folder).waiting()) == 1

        with pytest.raises(smtplib.SMTPSenderRefused) as too_large:
            hand_in(port, b"x" * (9 * 1024 * 1024), ADDRESS)
        assert too_large.value.smtp_code == 552
        assert program.stop(signal.SIGTERM) == 0
    said = program.stdout.read_text() + program.stderr.read_text()
    assert "beaconhill" not in said
    assert "spam" not in said


def test_what_cannot_be_kept_is_not_acknowledged(data_dir: Path) -> None:
    folder = data_dir / "bounces"
    with listening(data_dir, folder) as (_, port):
        (folder / "tmp").rmdir()
        (folder / "tmp").write_text("no folder any more")
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            hand_in(port, status_report(ADDRESS), ADDRESS)
        assert refusal.value.smtp_code == 451
        (folder / "tmp").unlink()
        (folder / "tmp").mkdir()
        assert hand_in(port, status_report(ADDRESS), ADDRESS) == {}
        assert len(Maildir(folder).waiting()) == 1


def test_what_there_is_no_room_for_comes_later(data_dir: Path) -> None:
    """Whoever has one letter of ours could else fill the disk with its answers."""
    folder = data_dir / "bounces"
    with listening(data_dir, folder) as (_, port):
        large = folder / "new" / "1.large"
        large.touch()
        os.truncate(large, MOST_BYTES)  # sparse
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            hand_in(port, status_report(ADDRESS), ADDRESS)
        assert refusal.value.smtp_code == 452
        large.unlink()
        assert hand_in(port, status_report(ADDRESS), ADDRESS) == {}


def test_a_caller_who_only_talks_is_sent_away(data_dir: Path) -> None:
    with (
        listening(data_dir, data_dir / "bounces") as (_, port),
        smtplib.SMTP("127.0.0.1", port, timeout=20) as server,
    ):
        said = [server.noop()[0] for _ in range(40)]
        assert set(said) == {250}
        assert server.noop()[0] == 421


def test_a_crowd_is_sent_away_and_leaves_room_again(data_dir: Path) -> None:
    with listening(data_dir, data_dir / "bounces") as (_, port), ExitStack() as crowd:
        held = [
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(40)
        ]
        assert all(one.recv(3) == b"220" for one in held)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as late:
            assert late.recv(3) == b"421"
        crowd.close()

        def comes_in() -> bool:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
                return one.recv(3) == b"220"

        eventually(comes_in)


def test_it_says_what_is_missing(data_dir: Path) -> None:
    here = {"REFERRAL_DATA_DIR": str(data_dir)}
    with running(["-m", "referral.cli", "inbound-mail"], data_dir, here) as program:
        assert program.process.wait(60) == 2
    assert "Set REFERRAL_BOUNCE_LISTEN" in program.stderr.read_text()


def test_it_says_that_its_port_is_taken(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(AssertionError, match=f"Cannot take in mail on {where}"),
            listening(data_dir, data_dir / "bounces", REFERRAL_BOUNCE_LISTEN=where),
        ):
            pass
