"""The words of mails and short messages: constant texts with a reference, a link or a code; no patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Final

from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from referral.domain.language import Language
from referral.domain.outgoing import MessageKind
from referral.translation import teach

TEMPLATES: Final = Path(__file__).resolve().parents[2] / "templates" / "messages"
# What fits on a telephone: two or three parts of a short message, a link included.
SHORT: Final = TEMPLATES.with_name("sms")
# RFC 5322 2.1.1 asks for lines of at most 78 characters. A template's lines are whole sentences, since in
# another language they break elsewhere.
_WIDTH: Final = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """All that a mail may say, nothing about the patient; `sender_name` is the clinic's neutral name.

    `short_code` is for paper, where a link has to be typed: with the address of the page that takes it.
    """

    sender_name: str
    request_number: str
    telephone: str
    link: str = ""
    short_code: str = ""
    page: str = ""
    reply_by: str = ""
    code: str = ""
    minutes: int = 10


@cache
def environment(language: Language) -> Environment:
    """The templates of mails (`long/`) and text messages (`short/`) in one language."""
    # autoescape stays off: these are plain texts, and every value in them is ours.
    made = Environment(
        loader=PrefixLoader({"long": FileSystemLoader(TEMPLATES), "short": FileSystemLoader(SHORT)}),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - plain text, not HTML
    )
    return teach(made, language)


def render(kind: MessageKind, words: Words, language: Language = Language.ENGLISH) -> tuple[str, str]:
    """(subject, body) of one kind of message in the reader's language."""
    text = _filled(f"long/{kind}.txt.j2", words, language)
    subject, _, body = text.partition("\n")
    return subject.removeprefix("Subject: ").strip(), _wrapped(body.lstrip("\n"))


def render_short(kind: MessageKind, words: Words, language: Language = Language.ENGLISH) -> str:
    """The same for a telephone. It names the request and the sender, so no two messages are alike."""
    return _filled(f"short/{kind}.txt.j2", words, language).strip()


def _wrapped(body: str) -> str:
    """Long lines broken between words. A link stays whole: it would not open."""
    return "\n".join(
        fill(line, _WIDTH, break_long_words=False, break_on_hyphens=False) for line in body.split("\n")
    )


def _filled(name: str, words: Words, language: Language) -> str:
    values = {name: getattr(words, name) for name in Words.__slots__}
    return environment(language).get_template(name).render(values)
