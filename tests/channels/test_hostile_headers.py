"""500 lines that want to be a header of a mail: no header more, no reader more, no other body."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr

import pytest

from referral.channels.base import UnusableAddress
from referral.channels.email import Mail, compose
from tests.database import NOW
from tests.letters.payloads import HEADERS

FROM, TO = "Referrals <no-reply@clinic.example>", "okafor@beaconhill.example"
BODY = "Hello,\n\na secure request is waiting.\n"
WANTED = sorted(
    [
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"),
        "Content-Transfer-Encoding",
    ]
)


def sent(sender: str, recipient: str, subject: str, body: str = BODY) -> EmailMessage | None:
    """None where it is refused."""
    try:
        made = compose(Mail(sender, recipient, subject, body), "m-1", NOW)
    except UnusableAddress:
        return None
    read = message_from_bytes(made, policy=default)
    assert isinstance(read, EmailMessage)
    return read


@pytest.mark.parametrize("place", ["subject", "recipient", "recipient's name", "sender", "body"])
def test_no_field_of_a_mail_takes_a_header_in(place: str) -> None:
    refused = 0
    for payload in HEADERS if place != "body" else HEADERS[::5]:
        found = {
            "subject": lambda text: sent(FROM, TO, text),
            "recipient": lambda text: sent(FROM, text + TO, "A request"),
            "recipient's name": lambda text: sent(FROM, f"{text} <{TO}>", "A request"),
            "sender": lambda text: sent(f"{text} <no-reply@clinic.example>", TO, "A request"),
            "body": lambda text: sent(FROM, TO, "A request", BODY + text),
        }[place](payload)
        if found is None:
            refused += 1
            continue
        assert sorted(found.keys()) == WANTED, payload
        assert str(found["To"]) == TO, payload
        assert parseaddr(str(found["From"]))[1] == "no-reply@clinic.example", payload
        assert found.get_content_type() == "text/plain", payload
        assert found.get_content().replace("\r\n", "\n").startswith(BODY), payload
    # Control characters are refused; what only looks like one in another writing is text.
    assert (refused == 0) is (place == "body")
