"""Every mail and text message as it arrives, filled with invented values; what a clinic previews."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from referral.channels import texts
from referral.domain.credential import CODE_LIFETIME
from referral.domain.language import Language
from referral.domain.outgoing import MessageKind
from referral.storage.clinics import Clinic
from referral.translation import long_date

_DUE: Final = date(2026, 12, 7)
# As long as the real one: a selector of 96 bits and a secret of 256.
_PATH: Final = "/r/Zk3vQ9xT1bLw0aYc/q8Jf2nV5sR7uXe1mK4pW9zB3tG6yH0cD8aL2oN5iQvE"


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """One kind: the mail, and the same for a telephone."""

    kind: MessageKind
    subject: str
    body: str
    short: str


def sample_messages(clinic: Clinic, language: Language, base_url: str) -> tuple[SampleMessage, ...]:
    """In the words that recipients get; the link leads nowhere."""
    words = texts.Words(
        sender_name=clinic.letterhead["neutral_name"],
        request_number="R-2026-04182",
        telephone=clinic.letterhead["telephone"],
        link=f"{base_url}{_PATH}",
        page=f"{base_url}/request",
        reply_by=long_date(language, _DUE),
        code="482913",
        minutes=int(CODE_LIFETIME.total_seconds() // 60),
    )
    return tuple(
        SampleMessage(kind, *texts.render(kind, words, language), texts.render_short(kind, words, language))
        for kind in MessageKind
    )
