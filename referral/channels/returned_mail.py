"""Reads mail that came back: what a delivery status or disposition notification says became of a message.

Only the fields that machines write count (Action and Status of RFC 3464, Disposition of RFC 8098), never the
words around them. Everything here is written by strangers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.message import Message
from email.policy import compat32
from enum import StrEnum
from typing import Any, Final

# A status stands near the beginning; what follows is the returned letter.
MOST_BYTES: Final = 256 * 1024
_DEEPEST: Final = 6
_MOST_PARTS: Final = 50
_NESTING: Final = re.compile(rb"^content-type:[ \t]*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)
# What such a sender writes for people to read is no out-of-office note, however it is marked.
_SERVER: Final = re.compile(r"\b(?:mailer-daemon|postmaster)\b", re.IGNORECASE)
_STATUS: Final = re.compile(r"\b([245])\.\d{1,3}\.\d{1,3}\b")


class Unreadable(ValueError):
    """This mail says nothing that can be acted on; a person may look at it. The sentence quotes nothing."""


class News(StrEnum):
    """What became of it. NOTHING is for steps on the way, such as "relayed", and for automatic replies."""

    FAILED = "failed"
    DELIVERED = "delivered"
    DELAYED = "delayed"
    NOTHING = "nothing"
    AUTOMATIC_REPLY = "automatic-reply"


@dataclass(frozen=True, slots=True)
class ReturnedMail:
    """`places` are the texts in which our token may stand, the most trustworthy first.

    `bad_address` says that there is no such mailbox, now or later.
    """

    news: News
    reason: str | None
    places: tuple[str, ...]
    bad_address: bool = False


# The worst wins: where one of several people behind an address did not get it, nobody relies on the others.
_ACTIONS: Final = {
    "failed": News.FAILED,
    "delayed": News.DELAYED,
    "relayed": News.NOTHING,
    "expanded": News.NOTHING,
    "delivered": News.DELIVERED,
}
_WORST_FIRST: Final = (News.FAILED, News.DELAYED, News.NOTHING, News.DELIVERED)
# `dispatched` is Direct's word for "in the recipient's mailbox"; `processed`: their server has it.
_DISPOSITIONS: Final = {
    "dispatched": News.DELIVERED,
    "displayed": News.DELIVERED,
    "failed": News.FAILED,
    "denied": News.FAILED,
    "processed": News.NOTHING,
    "deleted": News.NOTHING,
}
# RFC 3463, the cases that tell a person what to do; the rest by their class.
_WORDS: Final = {
    "1.1": "there is no such mailbox",
    "1.2": "there is no such mail domain",
    "1.10": "this domain takes no mail",
    "2.1": "the mailbox is switched off",
    "2.2": "the mailbox is full",
    "2.3": "the message is too large for the mailbox",
    "4.7": "their mail server did not take it in time",
    "1": "the address is not usable",
    "2": "the mailbox cannot take it",
    "3": "their mail system cannot take it",
    "4": "their mail server cannot be reached",
    "7": "their mail server refuses it by its rules",
}
_NO_SUCH_MAILBOX: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_ENVELOPE_HEADERS: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")


def read_mail(content: bytes) -> ReturnedMail:
    """What a mail says, from its first 256 KiB. Raises Unreadable, and nothing else."""
    head = content[:MOST_BYTES]
    if len(_NESTING.findall(head)) > _MOST_PARTS:
        raise Unreadable("it is nested too deeply")
    try:
        return _read(message_from_bytes(head, policy=compat32))
    except Unreadable:
        raise
    except Exception as error:
        # Odd mail makes the parser of the standard library raise almost anything (RecursionError among them).
        raise Unreadable(f"it cannot be parsed ({type(error).__name__})") from error


def _read(mail: Message) -> ReturnedMail:
    parts = list(_parts(mail))
    status = next((part for part in parts if _is(part, "message/delivery-status")), None)
    disposition = next((part for part in parts if _is(part, "message/disposition-notification")), None)
    said = ""
    if status is not None:
        news, said, named = _of_status(_blocks(status))
        reason = _in_words(said) if news in (News.FAILED, News.DELAYED) else None
    elif disposition is not None:
        news, reason, named = _of_disposition(_blocks(disposition))
    elif mail.get("X-Failed-Recipients") is not None:
        # Exim's mark, also where it writes no report.
        news, reason, named = News.FAILED, _in_words(""), []
    elif _is_automatic(mail) and not _SERVER.search(str(mail.get("From", ""))):
        news, reason, named = News.AUTOMATIC_REPLY, None, []
    else:
        raise Unreadable("it is no report that a machine can read")
    addressed = [text for name in _ENVELOPE_HEADERS for text in _all(mail, name)]
    originals = [text for part in parts for text in _original_ids(part)]
    answered = [*_all(mail, "In-Reply-To"), *_all(mail, "References")]
    places = (*addressed, *named, *originals, *answered)
    return ReturnedMail(news, reason, places, bad_address=news is News.FAILED and said in _NO_SUCH_MAILBOX)


def _parts(mail: Message, depth: int = 0) -> Iterator[Message]:
    """This and what is within, but not within a returned letter: its own parts speak of something else."""
    if depth > _DEEPEST:
        raise Unreadable("it is nested too deeply")
    yield mail
    if mail.get_content_maintype() == "multipart" and isinstance(mail.get_payload(), list):
        for part in mail.get_payload():
            if isinstance(part, Message):
                yield from _parts(part, depth + 1)


def _is(part: Message, kind: str) -> bool:
    return part.get_content_type() == kind


def _blocks(part: Message) -> list[Message]:
    """The groups of fields in a report."""
    payload: Any = part.get_payload()
    if isinstance(payload, str):
        payload = [message_from_string(block, policy=compat32) for block in re.split(r"\r?\n\r?\n", payload)]
    return [block for block in payload or [] if isinstance(block, Message)]


def _all(mail: Message, name: str) -> list[str]:
    return [str(value) for value in mail.get_all(name, [])]


def _of_status(blocks: list[Message]) -> tuple[News, str, list[str]]:
    """RFC 3464: Action decides; where it is missing, the class of Status does. With the status, or ""."""
    found: dict[News, str] = {}
    for block in blocks:
        action = str(block.get("Action", "")).strip().lower()
        status = _STATUS.search(str(block.get("Status", "")))
        by_class = {"5": News.FAILED, "4": News.DELAYED}.get(status[1]) if status else None
        news = _ACTIONS.get(action, by_class)
        if news is not None:
            found.setdefault(news, status[0] if status else "")
    worst = next((news for news in _WORST_FIRST if news in found), None)
    if worst is None:
        raise Unreadable("its report has neither an action nor a status")
    named = [text for block in blocks for text in _all(block, "Original-Envelope-Id")]
    return worst, found[worst], named


def _in_words(status: str) -> str:
    """The status in our own words: those of the server may quote the address."""
    _, _, detail = status.partition(".")
    words = _WORDS.get(detail) or _WORDS.get(detail.partition(".")[0]) or "their mail server gave no reason"
    return f"{words} ({status})" if status else words


def _of_disposition(blocks: list[Message]) -> tuple[News, str | None, list[str]]:
    """RFC 8098, as Direct uses it: `automatic-action/MDN-sent-automatically; processed/error`."""
    said = " ".join(str(block.get("Disposition", "")) for block in blocks).lower()
    kind, _, modifier = said.rpartition(";")[2].strip().partition("/")
    broken = any(word in modifier for word in ("error", "fail"))
    news = News.FAILED if broken else _DISPOSITIONS.get(kind.strip())
    if news is None:
        raise Unreadable("its disposition is of an unknown kind")
    named = [text for block in blocks for text in _all(block, "Original-Message-ID")]
    return news, "their system says that it could not be delivered" if news is News.FAILED else None, named


def _original_ids(part: Message) -> list[str]:
    """The Message-ID of the letter that is returned, or of its headers."""
    payload: Any = part.get_payload()
    if _is(part, "message/rfc822") and isinstance(payload, list) and payload:
        return _all(payload[0], "Message-ID")
    if _is(part, "text/rfc822-headers"):
        text = part.get_payload(decode=True)
        return (
            _all(message_from_bytes(text, policy=compat32), "Message-ID") if isinstance(text, bytes) else []
        )
    return []


def _is_automatic(mail: Message) -> bool:
    """Out of office and the like (RFC 3834, and the marks that older programs set)."""
    submitted = str(mail.get("Auto-Submitted", "no")).strip().lower()
    marked = any(mail.get(name) is not None for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply-From"))
    precedence = str(mail.get("Precedence", "")).strip().lower()
    return not submitted.startswith("no") or marked or precedence in ("auto_reply", "bulk", "junk")
