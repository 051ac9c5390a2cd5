"""E-mail as bytes: constant words with a reference and a link, and the fax as a gateway takes it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final

from referral.channels.base import UnusableAddress

# Nothing on the way has to understand more than ASCII.
_POLICY: Final = SMTP.clone(cte_type="7bit")
# Some programs do not find a Message-ID that goes on in the next line.
_WRITTEN: Final = _POLICY.clone(max_line_length=200)


@dataclass(frozen=True, slots=True)
class Mail:
    """`sender` and `recipient` are addresses, possibly with a name; `text` has no personal data in it."""

    sender: str
    recipient: str
    subject: str
    text: str


def compose(mail: Mail, message_id: str, now: datetime) -> bytes:
    """The complete message; the same input gives the same bytes. `message_id` is the part before the @.

    Raises UnusableAddress for a control character in any header and for what is no address of plain letters.
    """
    for value in (mail.sender, mail.recipient, mail.subject):
        # Line and paragraph separators end a line as well, for whoever reads the header as text.
        if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in value):
            raise UnusableAddress("The e-mail address holds a control character; please correct the contact.")
    name, address = parseaddr(mail.sender)
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = Address(name, addr_spec=address)
        recipient = Address(addr_spec=mail.recipient)
    except (ValueError, IndexError, MessageError):
        recipient = Address()
    if not recipient.domain or not mail.recipient.isascii():
        raise UnusableAddress(
            "This is no e-mail address that mail can be sent to; please correct the contact."
        )
    message["To"] = recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{address.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message.as_bytes(policy=_WRITTEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fax:
    """`recipient` is what the gateway makes a telephone number of; `content` is the letter."""

    sender: str
    recipient: str
    content: bytes


def compose_fax(fax: Fax, message_id: str, now: datetime) -> bytes:
    """For an e-mail-to-fax gateway: the letter attached. Nothing else in it is about anybody.

    Some gateways print subject and text on a cover page.
    """
    _, address = parseaddr(fax.sender)
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(addr_spec=address)
    message["To"] = Address(addr_spec=fax.recipient)
    message["Subject"] = "Fax"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{address.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("The document is attached.\n")
    is_pdf = fax.content.startswith(b"%PDF-")
    maintype, subtype, name = ("application", "pdf", "fax.pdf") if is_pdf else ("text", "plain", "fax.txt")
    message.add_attachment(fax.content, maintype=maintype, subtype=subtype, filename=name)
    return message.as_bytes(policy=_WRITTEN)
