"""Mail handed to real servers: encrypted or not at all, signed in, with an address for what comes back."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from referral.channels.base import Envelope, Outcome, Sent
from referral.channels.email import Mail, compose
from referral.channels.fax_mail import FaxMailTransport
from referral.channels.return_address import ReturnAddresses
from referral.channels.smtp import SmtpTransport
from referral.domain.outgoing import provider_key
from tests.certificates import Authority
from tests.database import NOW
from tests.smtp import Mailbox, smtp_server

# aiosmtpd does not see that a connection was encrypted from the beginning.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
CLINIC, MESSAGE = str(uuid.uuid4()), uuid.uuid4()
RETURNS = ReturnAddresses(b"k" * 32, "mail.harborlight.example")
FROM = "Harbor Light <desk@harborlight.example>"
PASSWORD = "right horse"


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with tempfile.TemporaryDirectory(prefix="referral-authority-") as folder:
        yield Authority(Path(folder))


@pytest.fixture
def served() -> Iterator[tuple[Mailbox, int]]:
    with smtp_server() as served:
        yield served


def transport(port: int, **changes: Any) -> SmtpTransport:
    usual: dict[str, Any] = {"security": "none", "user": None, "password": None, "mail_from": FROM}
    return SmtpTransport("127.0.0.1", port, **(usual | changes))


def envelope(recipient: str = "desk@beaconhill.example", generation: int = 1) -> Envelope:
    mail = Mail(FROM, recipient, "A secure request is waiting", "Please open the link: ü.\n")
    return Envelope(
        address=recipient,
        content=compose(mail, "name", NOW),
        key=provider_key(MESSAGE, generation),
        content_type="message/rfc822",
        reports_to=f"https://portal.example/hooks/smtp/{CLINIC}/{MESSAGE}",
    )


def sent_over(context: ssl.SSLContext, trusted: Path, way: str, **changes: Any) -> tuple[Sent, Mailbox]:
    """What becomes of one message for a server with this certificate, by someone who trusts `trusted`."""
    security: dict[str, Any] = {way: context}
    options = {"user": "clinic", "password": PASSWORD, "ca_file": trusted} | changes
    with smtp_server(sign_in=True, **security) as (box, port):
        return transport(port, security=way, **options).send(envelope()), box


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_mail_goes_out_encrypted_and_signed_in(authority: Authority, way: str) -> None:
    sent, box = sent_over(authority.server("127.0.0.1"), authority.file, way)
    assert (sent.outcome, sent.reference) == (Outcome.ACCEPTED, f"smtp:{provider_key(MESSAGE, 1)}")
    assert [str(message["To"]) for message in box.messages] == ["desk@beaconhill.example"]
    assert box.encrypted == [True]
    assert [session.authenticated for session in box.connections] == [True]


@pytest.mark.parametrize("way", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("names", "days", "why"),
    [
        ("127.0.0.1", -1, "no SMTP connection: the mail server's certificate has expired"),
        ("mail.other.example", 30, "no SMTP connection: the mail server's certificate is for another name"),
    ],
)
def test_a_certificate_that_does_not_fit_stops_the_mail_and_says_why(
    authority: Authority, way: str, names: str, days: int, why: str
) -> None:
    sent, box = sent_over(authority.server(names, days=days), authority.file, way)
    assert (sent.outcome, sent.reason) == (Outcome.LATER, why)
    assert (box.messages, box.connections) == ([], [])


@pytest.mark.parametrize("trusted", ["another authority", "the system's"])
def test_a_certificate_of_an_unknown_authority_stops_the_mail(
    authority: Authority, tmp_path: Path, trusted: str
) -> None:
    file = Authority(tmp_path, "other.example").file if trusted == "another authority" else None
    sent, box = sent_over(authority.server("127.0.0.1"), file, "starttls")  # type: ignore[arg-type]
    why = "no SMTP connection: the mail server's certificate is from no authority that is trusted here"
    assert (sent.outcome, sent.reason, box.messages) == (Outcome.LATER, why, [])


def test_a_server_without_starttls_gets_nothing_in_plain_text(
    authority: Authority, served: tuple[Mailbox, int]
) -> None:
    box, port = served
    sent = transport(port, security="starttls", ca_file=authority.file).send(envelope())
    assert sent.outcome is Outcome.LATER
    assert "does not offer the encryption" in str(sent.reason)
    assert (box.messages, box.connections) == ([], [])


def test_a_wrong_password_is_said_and_says_nothing_about_the_recipient(authority: Authority) -> None:
    sent, box = sent_over(authority.server("127.0.0.1"), authority.file, "starttls", password="wrong")
    assert sent.outcome is Outcome.LATER
    assert (
        sent.reason == "no SMTP connection: the mail server does not accept the user name or password (535)"
    )
    assert box.messages == []


def test_a_server_that_is_not_there_or_not_encrypted_is_said(authority: Authority) -> None:
    with smtp_server() as (_, port):
        assert "TLS" in str(transport(port, security="tls", ca_file=authority.file).send(envelope()).reason)
    sent = transport(port).send(envelope())
    assert (sent.outcome, sent.reason) == (
        Outcome.LATER,
        "no SMTP connection: nothing listens where the mail server should",
    )


def test_messages_in_a_row_share_a_connection_and_sign_in_once(authority: Authority) -> None:
    context = authority.server("127.0.0.1")
    with smtp_server(sign_in=True, starttls=context) as (box, port):
        box.refused = {"gone@beaconhill.example"}
        mail = transport(port, security="starttls", user="clinic", password=PASSWORD, ca_file=authority.file)
        outcomes = [mail.send(envelope(to)).outcome for to in ("a@b.example", "gone@beaconhill.example")]
        box.answer = "554 not this"
        outcomes.append(mail.send(envelope("c@b.example")).outcome)
        box.answer = None
        outcomes.append(mail.send(envelope("d@b.example")).outcome)
        assert outcomes == [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.REFUSED, Outcome.ACCEPTED]
        assert [str(message["To"]) for message in box.messages] == ["a@b.example", "d@b.example"]
        assert len(box.connections) == 1


def test_a_connection_that_was_given_up_meanwhile_costs_nothing(served: tuple[Mailbox, int]) -> None:
    box, port = served
    mail = transport(port)
    assert mail.send(envelope("a@b.example")).outcome is Outcome.ACCEPTED
    box.hang_up_at_mail = 1
    assert mail.send(envelope("b@b.example")).outcome is Outcome.ACCEPTED
    assert len(box.connections) == 2
    box.hang_up_at_mail = 2  # the next one, and the new connection after it
    sent = mail.send(envelope("c@b.example"))
    assert (sent.outcome, sent.reason) == (Outcome.LATER, "the mail server hung up before the message")
    assert [str(message["To"]) for message in box.messages] == ["a@b.example", "b@b.example"]


def test_a_connection_that_breaks_after_the_message_leaves_it_unknown_and_is_not_used_again(
    served: tuple[Mailbox, int],
) -> None:
    box, port = served
    mail, box.drop = transport(port), True
    assert mail.send(envelope()).outcome is Outcome.UNKNOWN
    box.drop = False
    assert mail.send(envelope()).outcome is Outcome.ACCEPTED
    assert len(box.connections) == 2


def test_threads_that_send_at_once_do_not_share_a_connection(served: tuple[Mailbox, int]) -> None:
    box, port = served
    mail = transport(port)
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda n: mail.send(envelope(f"n{n}@b.example")), range(60)))
    assert {one.outcome for one in sent} == {Outcome.ACCEPTED}
    assert {str(message["To"]) for message in box.messages} == {f"n{n}@b.example" for n in range(60)}
    assert len(box.connections) <= 4


def test_what_comes_back_is_asked_for_and_addressed(served: tuple[Mailbox, int]) -> None:
    box, port = served
    box.dsn = True
    transport(port, returns=RETURNS).send(envelope("o+dd=one@b.example", generation=3))
    token = RETURNS.token(CLINIC, MESSAGE, 3)
    assert box.senders == [f"bounce+{token}@mail.harborlight.example"]
    assert [option for option in box.options if not option.startswith(("SIZE", "BODY"))] == [
        "RET=HDRS",
        f"ENVID={token}".upper(),
        "NOTIFY=FAILURE,DELAY",
        "ORCPT=RFC822;O+2BDD+3DONE@B.EXAMPLE",
    ]


def test_a_server_without_reports_is_not_asked_for_them(served: tuple[Mailbox, int]) -> None:
    box, port = served
    assert transport(port, returns=RETURNS).send(envelope()).outcome is Outcome.ACCEPTED
    assert [option for option in box.options if not option.startswith(("SIZE", "BODY"))] == []
    assert box.senders[0].startswith("bounce+")


def test_without_anybody_who_reads_bounces_mail_comes_from_the_clinic(served: tuple[Mailbox, int]) -> None:
    box, port = served
    transport(port).send(envelope())
    assert box.senders == ["desk@harborlight.example"]


def test_a_fax_by_mail_is_the_letter_and_nothing_about_anybody(served: tuple[Mailbox, int]) -> None:
    box, port = served
    fax = FaxMailTransport(transport(port, returns=RETURNS), "fax.example", FROM)
    letter = Envelope(
        address="(303) 555-0143",
        content=b"%PDF-1.7 a letter",
        key=provider_key(MESSAGE, 1),
        content_type="application/pdf",
        reports_to=f"https://portal.example/hooks/fax-mail/{CLINIC}/{MESSAGE}",
    )
    sent = fax.send(letter)
    (mail,) = box.messages
    assert (sent.outcome, str(mail["To"])) == (Outcome.ACCEPTED, "13035550143@fax.example")
    assert (str(mail["Subject"]), str(mail["From"])) == ("Fax", "desk@harborlight.example")
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]
    assert [part.get_content() for part in mail.iter_attachments()] == [b"%PDF-1.7 a letter"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "The document is attached."
    token = RETURNS.token(CLINIC, MESSAGE, 1)
    assert str(mail["Message-ID"]) == f"<{token}@harborlight.example>"
    assert box.senders == [f"bounce+{token}@mail.harborlight.example"]


@pytest.mark.parametrize("number", ["555-0143", "+44 20 7946 0000", "", "٣٠٣٥٥٥٠١٤٣"])
def test_what_is_no_fax_number_goes_to_no_gateway(served: tuple[Mailbox, int], number: str) -> None:
    box, port = served
    fax = FaxMailTransport(transport(port), "fax.example", FROM)
    letter = Envelope(address=number, content=b"%PDF", key=uuid.uuid4(), content_type="application/pdf")
    assert (fax.send(letter).outcome, box.messages) == (Outcome.REFUSED, [])


def test_mail_is_plain_ascii_on_the_way(served: tuple[Mailbox, int]) -> None:
    assert envelope().content.isascii()
    assert b"Auto-Submitted: auto-generated" in envelope().content


@pytest.mark.parametrize(
    ("answers", "about_provider"),
    [
        ({"recipient_answer": "450 4.2.0 greylisted, come back"}, False),
        ({"answer": "451 4.7.1 greylisted, come back"}, False),
        ({"sender_answer": "451 not now"}, True),
    ],
)
def test_what_concerns_the_recipient_alone_is_not_held_against_the_server(
    served: tuple[Mailbox, int], answers: dict[str, str], about_provider: bool
) -> None:
    box, port = served
    for name, answer in answers.items():
        setattr(box, name, answer)
    sent = transport(port).send(envelope())
    assert (sent.outcome, sent.about_provider) == (Outcome.LATER, about_provider)


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    """It greets, and then keeps still: all of a send has one limit, whatever it waits for."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        held: list[socket.socket] = []

        def greet() -> None:
            connection, _ = mute.accept()
            connection.sendall(b"220 mute.example\r\n")
            held.append(connection)

        thread = threading.Thread(target=greet)
        thread.start()
        started = time.monotonic()
        mail = transport(mute.getsockname()[1])
        mail.patience = 1.0
        sent = mail.send(envelope())
        took = time.monotonic() - started
        thread.join()
        held[0].close()
    assert sent.outcome is Outcome.LATER
    assert 0.5 < took < 8
