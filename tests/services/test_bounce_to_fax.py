"""With real peers from end to end: a letter leaves by mail, bounces, and goes out by fax."""

from __future__ import annotations

import smtplib
import tempfile
from datetime import timedelta
from pathlib import Path

from referral.channels.maildir import Maildir
from referral.domain.outgoing import MessageState
from referral.letters.render import Renderer
from referral.services.deliver_messages import Delivery, deliver_due
from referral.services.read_returned_mail import Reading, read_returned_mail
from referral.storage import outbox, referrals
from tests.certificates import Authority
from tests.database import NOW, ClinicFixture, Clock
from tests.returned import status_report
from tests.services.sending import asked
from tests.smtp import Mailbox, smtp_server
from tests.test_inbound_mail import listening
from tests.web.client import runtime

DOMAIN = "mail.harborlight.example"


class Relay(Mailbox):
    """The clinic's mail server: takes everything, and returns what nobody wants, as Postfix would."""

    def sent_to(self, recipient: str) -> int:
        """The place of the only mail to this address."""
        (place,) = [place for place, mail in enumerate(self.messages) if str(mail["To"]) == recipient]
        return place

    def return_to_sender(self, recipient: str, port: int, status: str) -> None:
        """By SMTP, from nobody (<>), to the envelope sender."""
        place = self.sent_to(recipient)
        sender, mail = self.senders[place], self.messages[place]
        envelope_id = [option for option in self.options if option.startswith("ENVID=")][place]
        report = status_report(
            sender,
            status=status,
            envelope_id=envelope_id.partition("=")[2],
            message_id=str(mail["Message-ID"]).strip("<> ").partition("@")[0],
        )
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as server:
            assert server.sendmail("", [sender], report.replace(b"\n", b"\r\n")) == {}


def test_a_letter_that_bounces_goes_out_by_fax_and_a_fax_that_bounces_by_post(
    clinic: ClinicFixture, renderer: Renderer, data_dir: Path
) -> None:
    folder, relay = data_dir / "bounces", Relay()
    relay.dsn = True
    with (
        tempfile.TemporaryDirectory(prefix="referral-authority-") as certificates,
        listening(data_dir, folder) as (_, bounce_port),
    ):
        authority = Authority(Path(certificates))
        with smtp_server(relay, starttls=authority.server("127.0.0.1"), sign_in=True) as (_, port):
            made = runtime(
                clinic,
                smtp_url=f"smtp://clinic:right%20horse@127.0.0.1:{port}?starttls=1",
                smtp_ca_file=authority.file,
                mail_from=f"Harbor Light <desk@{DOMAIN}>",
                bounce_dir=folder,
                fax_mail="fax.example",
            )
            clock, returns = Clock(NOW), made.channels.returns
            assert returns is not None
            delivery = Delivery(
                database=clinic.database,
                channels=made.channels,
                renderer=renderer,
                base_url="https://portal.example",
                now=clock,
            )
            reading = Reading(database=clinic.database, maildir=Maildir(folder), returns=returns, now=clock)
            referral = asked(clinic)

            def states() -> list[tuple[str, str]]:
                with clinic.transaction() as session:
                    found = outbox.find(session, referral_id=referral.id)
                return [(m.channel, m.state) for m in sorted(found, key=lambda m: (m.created_at, m.ordinal))]

            deliver_due(delivery, clinic.id)
            assert states() == [("email", MessageState.ACCEPTED)]
            assert relay.encrypted == [True]
            clock.now += timedelta(minutes=3)
            relay.return_to_sender("okafor@beaconhill.example", bounce_port, "5.1.1")
            assert read_returned_mail(reading) == 1
            assert states() == [("email", MessageState.FAILED), ("fax", MessageState.QUEUED)]

            deliver_due(delivery, clinic.id)
            assert states() == [("email", MessageState.FAILED), ("fax", MessageState.ACCEPTED)]
            fax = relay.messages[relay.sent_to("13035550120@fax.example")]
            (letter,) = fax.iter_attachments()
            assert letter.get_content().startswith(b"%PDF-")
            outside = " ".join(f"{name}: {value}" for name, value in fax.items())
            body = fax.get_body(("plain",))
            assert body is not None
            for word in ("Nguy", "Okafor", "1986", "etamine", referral.number):
                assert word not in outside + body.get_content()

            clock.now += timedelta(minutes=3)
            relay.return_to_sender("13035550120@fax.example", bounce_port, "5.4.4")
            assert read_returned_mail(reading) == 1
            assert states()[:2] == [("email", MessageState.FAILED), ("fax", MessageState.FAILED)]
            assert [channel for channel, _ in states()] == ["email", "fax", "post"]
    with clinic.transaction() as session:
        told = [event.event for event in referrals.events(session, referral.id)]
    assert told.count("failed-after-all") == 2
    assert Maildir(folder).waiting() == []
