"""Every letter and message with sample data, in one language and style, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from referral.domain.language import Language
from referral.services.sample_messages import SampleMessage
from referral.web.staff.letterhead_models import LetterCard, LettersPage, MessageCard
from referral.web.staff.message_view import segments
from referral.web.staff.models import Choice
from referral.web.staff.present import MESSAGE_KIND

LANGUAGES: Final = {Language.ENGLISH: "English", Language.SPANISH: "Spanish"}
STYLES: Final = {"screen": "PDF", "print": "Paper", "fax": "Fax"}
# By the kinds of letters/samples.py and letters/sample_record.py; a guard test compares.
LETTERS: Final = {
    "request": ("Request", "With the form that is ticked and faxed back."),
    "reminder": ("Reminder", "On paper and by fax it carries the form again."),
    "fax-cover": ("Fax cover", "Goes before every fax; says nothing about a patient."),
    "conversation": ("Question answered", "What a clinician asked, and what the clinic says."),
    "thank-you": ("Thank you", "Goes with the sealed record of the answer."),
    "record": ("Sealed record", "For the clinician’s chart; anybody can check its seal."),
    "cancelled": ("No answer needed", "Tells everybody who was asked that it is over."),
    "notice": ("Notice", "The words of a mail, on paper or by fax."),
    "patient-status": ("To the patient", "What the clinic waits for; no diagnosis."),
    "report": ("Report", "What became of the treatment, for whoever recommended it."),
}
# Drawn in one style only.
_ONE_STYLE: Final = frozenset({"record"})


def letters_page(
    messages: Sequence[SampleMessage], language: Language, style: str, sender: tuple[str, str]
) -> LettersPage:
    """`sender` is the neutral name and the address that mails come from."""
    return LettersPage(
        cards=tuple(_card(kind, language, style) for kind in LETTERS),
        messages=tuple(_message(message) for message in messages),
        languages=tuple(
            Choice(value, label, checked=value is language) for value, label in LANGUAGES.items()
        ),
        styles=tuple(Choice(value, label, checked=value == style) for value, label in STYLES.items()),
        sender=sender[0],
        sender_address=sender[1],
        lang=language,
    )


def _card(kind: str, language: Language, style: str) -> LetterCard:
    title, text = LETTERS[kind]
    chosen = "screen" if kind in _ONE_STYLE else style
    query = urlencode({"language": language, "style": chosen})
    return LetterCard(
        title, text, f"/settings/letters/{kind}.png?{query}", f"/settings/letters/{kind}.pdf?{query}"
    )


def _message(message: SampleMessage) -> MessageCard:
    return MessageCard(
        title=MESSAGE_KIND[message.kind],
        text="",
        subject=message.subject,
        body=message.body.strip(),
        short=message.short,
        short_size=segments(message.short),
        anchor=f"message-{message.kind}",
    )
