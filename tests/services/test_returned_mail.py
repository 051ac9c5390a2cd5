"""Mail that came back reaches its message, once; what is odd, forged or old changes nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from referral.channels.base import Envelope, Sent
from referral.channels.maildir import MOST_BYTES, MOST_FILES, Maildir
from referral.channels.return_address import ReturnAddresses
from referral.domain.outgoing import provider_key
from referral.domain.records import Contact, Referral
from referral.letters.render import Renderer
from referral.services.deliver_messages import deliver_due
from referral.services.read_returned_mail import (
    KEEP_DIGESTS,
    KEEP_DONE,
    Reading,
    forget_returned_mail,
    read_returned_mail,
)
from referral.storage import directory, outbox, referrals, returned_mail, tables
from referral.storage.db import Database
from tests.database import NOW, ClinicFixture, Clock
from tests.returned import disposition, exchange_report, out_of_office, status_report
from tests.services.restoring import closed
from tests.services.sending import Provider, asked, delivery

RETURNS = ReturnAddresses(b"k" * 32, "mail.harborlight.example")
THEIRS = ReturnAddresses(b"x" * 32, "mail.harborlight.example")
LATER = NOW + timedelta(minutes=7)
DAY = timedelta(days=1)


class Mail(Provider):
    """Names what it took as a mail server does."""

    def send(self, envelope: Envelope) -> Sent:
        self.reference = f"smtp:{envelope.key}"
        return super().send(envelope)


class Desk:
    """A request whose e-mail has been accepted, and the mailbox in which its bounces arrive."""

    def __init__(self, clinic: ClinicFixture, renderer: Renderer, folder: Path) -> None:
        self.clinic, self.renderer = clinic, renderer
        self.maildir = Maildir(folder)
        self.maildir.make()
        self.reading = Reading(
            database=clinic.database, maildir=self.maildir, returns=RETURNS, now=Clock(LATER)
        )
        self.mail, self.fax = Mail(), Provider()
        self.referral: Referral = asked(clinic)
        self.deliver()
        self.message = self.messages()[0]
        self.token = RETURNS.token(clinic.id, self.message.id, self.message.generation)
        self.address = RETURNS.address(self.token)

    def deliver(self) -> None:
        work = delivery(self.clinic, self.renderer, LATER, email=self.mail, fax=self.fax)
        deliver_due(work, self.clinic.id)

    def messages(self) -> list[outbox.Message]:
        """Oldest first."""
        with self.clinic.transaction() as session:
            found = outbox.find(session, referral_id=self.referral.id)
        return sorted(found, key=lambda message: (message.created_at, message.ordinal))

    def states(self) -> list[tuple[str, str]]:
        return [(message.channel, message.state) for message in self.messages()]

    def events(self) -> list[str]:
        with self.clinic.transaction() as session:
            return [event.event for event in referrals.events(session, self.referral.id)]

    def contact(self) -> Contact:
        with self.clinic.transaction() as session:
            found = directory.get_clinician(session, self.referral.clinician_id)
        return next(contact for contact in found.contacts if contact.id == self.message.contact_id)

    def comes(self, *mails: bytes) -> int:
        """They arrive and are read; how many were taken."""
        for mail in mails:
            self.maildir.deliver(mail)
        return read_returned_mail(self.reading)

    def outcomes(self) -> dict[str, int]:
        """In this test alone: other tests count in the same database."""
        with self.clinic.transaction() as session:
            return returned_mail.counts(session, LATER - DAY)

    def boxes(self) -> tuple[int, int, int]:
        """(waiting, done, set aside)"""
        done = len(list((self.maildir.folder / ".done" / "cur").iterdir()))
        return len(self.maildir.waiting()), done, self.maildir.count_set_aside()


@pytest.fixture
def desk(clinic: ClinicFixture, renderer: Renderer, data_dir: Path) -> Desk:
    return Desk(clinic, renderer, data_dir / "bounces")


UNTOUCHED = [("email", "accepted")]
SWITCHED = [("email", "failed"), ("fax", "queued")]


def test_a_bounce_fails_the_letter_and_the_fax_goes_out_at_once(desk: Desk) -> None:
    assert desk.comes(status_report(desk.address)) == 1
    assert desk.states() == SWITCHED
    assert desk.messages()[0].last_error == "there is no such mailbox (5.1.1)"
    assert "failed-after-all" in desk.events()
    assert desk.contact().barred_for is not None
    desk.deliver()
    assert desk.states() == [("email", "failed"), ("fax", "accepted")]
    assert len(desk.fax.sent) == 1
    assert desk.boxes() == (0, 1, 0)


@pytest.mark.parametrize(
    "bounce",
    [
        pytest.param(lambda desk: exchange_report(desk.address), id="as Exchange writes it"),
        pytest.param(lambda desk: status_report(desk.address.upper()), id="in capital letters"),
        pytest.param(lambda desk: status_report(envelope_id=desk.token), id="by its envelope id alone"),
        pytest.param(lambda desk: status_report(message_id=desk.token), id="by its Message-ID alone"),
        pytest.param(
            lambda desk: b"X-Original-To: " + desk.address.encode() + b"\n" + status_report("list@x.example"),
            id="by what the mailbox noted",
        ),
        pytest.param(lambda desk: status_report(desk.address, action="failed", status="4.4.7"), id="expired"),
        pytest.param(lambda desk: disposition("x@y.example", "failed", original=desk.token), id="Direct"),
    ],
)
def test_every_shape_of_a_bounce_counts(desk: Desk, bounce: Callable[[Desk], bytes]) -> None:
    desk.comes(bounce(desk))
    assert desk.states() == SWITCHED


def test_a_full_mailbox_is_tried_another_way_and_stays_an_address(desk: Desk) -> None:
    desk.comes(status_report(desk.address, status="5.2.2"))
    assert desk.states() == SWITCHED
    assert desk.contact().barred_for is None


@pytest.mark.parametrize(
    ("mail", "event"),
    [
        pytest.param(
            lambda desk: status_report(desk.address, action="delayed", status="4.4.1"),
            "mail-delayed",
            id="delay",
        ),
        pytest.param(lambda desk: out_of_office(desk.address), "automatic-reply", id="absence"),
    ],
)
def test_a_delay_and_an_absence_are_noted_and_decide_nothing(
    desk: Desk, mail: Callable[[Desk], bytes], event: str
) -> None:
    before = desk.events()
    desk.comes(mail(desk))
    desk.comes(mail(desk))  # the same mail once more
    assert desk.states() == UNTOUCHED
    assert desk.events() == [*before, event] or desk.events() == [event, *before]
    assert desk.boxes() == (0, 2, 0)


@pytest.mark.parametrize("said", ["relayed", "expanded"])
def test_relayed_is_not_read(desk: Desk, said: str) -> None:
    before = desk.events()
    desk.comes(status_report(desk.address, action=said, status="2.0.0"))
    assert (desk.states(), desk.events()) == (UNTOUCHED, before)


def test_what_direct_has_dispatched_is_delivered_and_what_it_has_processed_is_not(desk: Desk) -> None:
    desk.comes(disposition("x@y.example", "processed", original=desk.token))
    assert desk.states() == UNTOUCHED
    desk.comes(disposition("x@y.example", "dispatched", original=desk.token))
    assert desk.states() == [("email", "delivered")]
    desk.comes(status_report(desk.address))  # late, and of somebody's second server
    assert desk.states() == [("email", "delivered")]


def forged(desk: Desk) -> str:
    return THEIRS.address(THEIRS.token(desk.clinic.id, desk.message.id, 1))


@pytest.mark.parametrize(
    "mail",
    [
        pytest.param(lambda desk: status_report(forged(desk)), id="another key"),
        pytest.param(
            lambda desk: status_report(desk.address.replace(desk.token[:4], "aaaa")), id="another message"
        ),
        pytest.param(
            lambda desk: status_report(forged(desk), envelope_id=desk.token),
            id="a genuine envelope id beside it",
        ),
    ],
)
def test_a_forged_bounce_changes_nothing(desk: Desk, mail: Callable[[Desk], bytes]) -> None:
    before, counted = desk.events(), desk.outcomes().get("failed", 0)
    desk.comes(mail(desk))
    assert (desk.states(), desk.events()) == (UNTOUCHED, before)
    assert desk.outcomes().get("failed", 0) == counted


def test_forged_ones_are_counted(desk: Desk) -> None:
    before = desk.outcomes().get("forged", 0)
    desk.comes(status_report(forged(desk)))
    assert desk.outcomes()["forged"] == before + 1
    assert desk.boxes() == (0, 1, 0)


def test_one_clinic_cannot_be_told_of_another_ones_message(desk: Desk, other_clinic: ClinicFixture) -> None:
    before = desk.outcomes().get("unknown", 0)
    desk.comes(status_report(RETURNS.address(RETURNS.token(other_clinic.id, desk.message.id, 1))))
    assert desk.states() == UNTOUCHED
    assert desk.outcomes()["unknown"] == before + 1


def test_a_bounce_of_an_earlier_try_does_not_end_a_later_one(desk: Desk) -> None:
    """A person had it sent again: what comes back now of the first try is old news."""
    message = desk.message
    with desk.clinic.transaction() as session:
        values = {"provider_reference": f"smtp:{provider_key(message.id, 2)}", "generation": 2}
        row = tables.message.c.id == message.id
        session.connection.execute(tables.message.update().where(row).values(values))
    desk.comes(status_report(desk.address))
    assert desk.states() == UNTOUCHED
    desk.comes(status_report(RETURNS.address(RETURNS.token(desk.clinic.id, message.id, 2))))
    assert desk.states() == SWITCHED


def test_odd_mail_is_set_aside_whole_and_does_not_hold_up_what_comes_after(desk: Desk) -> None:
    odd = b"To: " + desk.address.encode() + b"\n\nHi. I could not deliver this.\n\xff\x00"
    assert desk.comes(odd, status_report(desk.address)) == 2
    assert desk.states() == SWITCHED
    assert desk.boxes() == (0, 1, 1)
    (kept,) = (desk.maildir.folder / ".failed" / "cur").iterdir()
    assert kept.read_bytes() == odd
    assert kept.stat().st_mode & 0o077 == 0


def test_a_failure_of_nobody_knows_what_is_set_aside(desk: Desk) -> None:
    desk.comes(status_report("desk@harborlight.example"))
    assert desk.boxes() == (0, 0, 1)


def test_whoever_dies_before_the_file_is_moved_changes_nothing_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.maildir.deliver(status_report(desk.address))

    class Died(BaseException):
        pass

    class Dying(Maildir):
        def done(self, mail: Path) -> None:
            raise Died(mail.name)

    dying = Reading(
        database=desk.clinic.database, maildir=Dying(desk.maildir.folder), returns=RETURNS, now=Clock(LATER)
    )
    with pytest.raises(Died):
        read_returned_mail(dying)
    once, events, counted = desk.states(), desk.events(), desk.outcomes()
    assert once == SWITCHED
    assert desk.boxes() == (1, 0, 0)
    assert read_returned_mail(desk.reading) == 1
    assert (desk.states(), desk.events(), desk.outcomes()) == (once, events, counted)
    assert desk.boxes() == (0, 1, 0)


def test_two_processes_that_look_at_once_take_each_mail_once(desk: Desk) -> None:
    for number in range(6):
        desk.maildir.deliver(b"X-Number: %d\n" % number + status_report(desk.address, action="delayed"))
    before = desk.events().count("mail-delayed")
    start = threading.Barrier(3)

    def read() -> None:
        start.wait()
        read_returned_mail(desk.reading)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read_returned_mail(desk.reading)
    assert desk.events().count("mail-delayed") == before + 6
    assert desk.boxes() == (0, 6, 0)


def test_a_database_that_is_away_leaves_the_mail_where_it_is(desk: Desk) -> None:
    desk.maildir.deliver(status_report(desk.address))
    gone = Database("postgresql+psycopg://nobody@127.0.0.1:1/none", desk.clinic.database.vault)
    away = Reading(database=gone, maildir=desk.maildir, returns=RETURNS, now=Clock(LATER))
    with pytest.raises(Exception, match="does not answer just now"):
        read_returned_mail(away)
    gone.close()
    assert desk.boxes() == (1, 0, 0)
    read_returned_mail(desk.reading)
    assert desk.states() == SWITCHED


def test_mail_of_a_clinic_that_is_closed_after_a_restore_waits(desk: Desk) -> None:
    with closed(desk.clinic):
        assert desk.comes(status_report(desk.address)) == 0
        assert (desk.states(), desk.boxes()) == (UNTOUCHED, (1, 0, 0))
    read_returned_mail(desk.reading)
    assert desk.states() == SWITCHED


def test_links_folders_and_pipes_in_the_mailbox_are_left_alone(desk: Desk, data_dir: Path) -> None:
    secret = data_dir / "secret"
    secret.write_bytes(status_report(desk.address))
    new = desk.maildir.folder / "new"
    (new / "1.link").symlink_to(secret)
    (new / "2.folder").mkdir()
    os.mkfifo(new / "3.pipe")
    assert desk.comes(out_of_office(desk.address)) == 1
    assert desk.states() == UNTOUCHED


def test_what_was_worked_off_is_forgotten_and_what_was_set_aside_is_not(desk: Desk) -> None:
    desk.comes(status_report(desk.address), b"odd")
    (done,) = (desk.maildir.folder / ".done" / "cur").iterdir()
    (odd,) = (desk.maildir.folder / ".failed" / "cur").iterdir()
    for file in (done, odd):
        os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    assert isinstance(desk.reading.now, Clock)
    desk.reading.now.now = NOW + KEEP_DONE - timedelta(hours=1)
    forget_returned_mail(desk.reading)
    assert desk.boxes() == (0, 1, 1)
    desk.reading.now.now = NOW + KEEP_DONE + timedelta(hours=1)
    forget_returned_mail(desk.reading)
    assert desk.boxes() == (0, 0, 1)
    assert desk.outcomes()["failed"] >= 1
    desk.reading.now.now = LATER + KEEP_DIGESTS + timedelta(hours=1)
    forget_returned_mail(desk.reading)
    assert desk.outcomes() == {}


def test_a_machine_that_answers_for_ever_fills_no_timeline(desk: Desk) -> None:
    mails = [out_of_office(desk.address) + b"again %d\n" % number for number in range(14)]
    assert desk.comes(*mails) == 14
    assert desk.events().count("automatic-reply") == 10
    assert desk.states() == UNTOUCHED


def test_mail_without_end_does_not_fill_the_disk(desk: Desk) -> None:
    """Of what was worked off and set aside the newest are kept, by number and by size."""
    failed, done = (desk.maildir.folder / box / "cur" for box in (".failed", ".done"))
    for number in range(MOST_FILES + 5):
        old = failed / f"{number}"
        old.touch()
        os.utime(old, (number, number))
    for number in range(3):
        large = done / f"{number}"
        large.touch()
        os.truncate(large, MOST_BYTES // 2)  # sparse
        os.utime(large, (number, number))
    assert desk.comes(b"odd") == 1
    assert desk.boxes() == (0, 2, MOST_FILES)
    assert {file.name for file in done.iterdir()} == {"1", "2"}
    assert not any((failed / f"{number}").exists() for number in range(6))
