"""A provider that takes nothing, as a row of the Today board and as a sentence for administrators."""

from __future__ import annotations

from typing import Final

from referral.domain.codes import Channel
from referral.services.find_provider_troubles import Trouble
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.models import AttentionRow, Badge, Link, ProviderAlert

_BADGE: Final = Badge("closed", "Nothing is sent", "warning")
_WAITING: Final = "/outbox?state=waiting"

_SETTING: Final = {
    Channel.EMAIL: "REFERRAL_SMTP_URL",
    Channel.FAX: "REFERRAL_FAX_URL",
    Channel.SMS: "REFERRAL_SMS_URL",
}


def attention_row(trouble: Trouble, clock: Clock) -> AttentionRow:
    """For people who see the messages that wait."""
    return AttentionRow(
        badge=_BADGE,
        patient=title(trouble),
        href=_WAITING,
        sentence=f"{sentence(trouble)} Tell whoever runs this service.",
        since=clock.moment(trouble.since),
        action=Link("See messages", f"{_WAITING}&channel={trouble.channels[0]}"),
    )


def alert(trouble: Trouble, clock: Clock) -> ProviderAlert:
    """For who runs the service: they see no messages, and can look at account and settings."""
    setting = next((_SETTING[channel] for channel in trouble.channels if channel in _SETTING), "")
    return ProviderAlert(title(trouble), sentence(trouble), clock.moment(trouble.since), setting)


def title(trouble: Trouble) -> str:
    """The channels that stand still."""
    names = [present.CHANNEL[channel] for channel in trouble.channels]
    return f"Sending by {' and '.join(names)} stands still"


def sentence(trouble: Trouble) -> str:
    """What the provider has said last."""
    said = trouble.error.rstrip(".")
    return f"The provider takes nothing: {said}. Messages wait and are tried again."
