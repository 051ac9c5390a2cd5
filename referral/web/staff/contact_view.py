"""How a contact is, in words and with a sign, wherever one is shown."""

from __future__ import annotations

from typing import Final

from referral.domain.codes import Channel
from referral.domain.contacts import Health, answers, health
from referral.domain.records import Contact, Lesson
from referral.web.staff import models, present
from referral.web.staff.clock import Clock
from referral.web.staff.models import Badge

SOURCE: Final = {
    "front-desk": "the front desk",
    "ehr": "the record",
    "patient": "the patient",
    "nppes": "the NPI registry, as a hint",
}
_HEALTH: Final = {
    Health.WRONG_RECIPIENT: Badge("closed", "Somebody else’s", "warning"),
    Health.BAD_ADDRESS: Badge("closed", "Does not exist", "warning"),
    Health.FAILED: Badge("closed", "Failed last time", "warning"),
    Health.ANSWERED: Badge("open", "Answers come by it", "open"),
    Health.DELIVERED: Badge("open", "Arrives", "open"),
    Health.SENT: Badge("info", "Sent, no answer yet", "mail"),
}
_SHORT: Final = {
    Health.WRONG_RECIPIENT: ("closed", "wrong"),
    Health.BAD_ADDRESS: ("closed", "does not exist"),
    Health.FAILED: ("closed", "failed"),
    Health.ANSWERED: ("open", "answers"),
    Health.DELIVERED: ("open", "arrives"),
}
_THING: Final = {
    Channel.EMAIL: "mail",
    Channel.FAX: "fax",
    Channel.SMS: "text message",
    Channel.POST: "letter",
}
_WHY: Final = {
    Health.WRONG_RECIPIENT: "It was found to belong to somebody else. Nothing goes there.",
    Health.BAD_ADDRESS: (
        "The last {thing} came back{on}: it does not exist. Confirm it by a call, or change it."
    ),
    Health.FAILED: "The last {thing} came back{on}. {answered}",
    Health.ANSWERED: "{answered}",
    Health.DELIVERED: "The last {thing} arrived{on}; no answer has come by it yet.",
    Health.SENT: "The last {thing} went out{on}; no answer has come by it yet.",
    Health.UNUSED: "Not used yet.",
}
_TIMES: Final = {1: "once", 2: "twice"}


def badges(contact: Contact) -> tuple[Badge, ...]:
    """Whether somebody has confirmed it, and how it has done; a failure alone where there was one."""
    known = _HEALTH.get(health(contact))
    if known is not None and known.state == "closed":
        return (known,)
    verified = (
        Badge("open", "Verified", "shield") if contact.is_verified else Badge("waiting", "Not verified")
    )
    return (verified, known) if known is not None else (verified,)


def small_badge(contact: Contact) -> Badge:
    """One contact in a list of clinicians."""
    channel = present.CHANNEL[contact.channel].capitalize()
    state, word = _SHORT.get(health(contact), ("open" if contact.is_verified else "neutral", ""))
    words = [channel, *([word] if word else []), *(["verified"] if contact.is_verified else [])]
    return Badge(state, ", ".join(words), present.CHANNEL_ICON[contact.channel])


def why(contact: Contact, clock: Clock) -> str:
    """What is known of it, in sentences; empty for a telephone, by which nothing is sent."""
    thing = _THING.get(contact.channel)
    if thing is None:
        return ""
    newest = max((one.at for one in contact.experience), default=None)
    on = f" on {clock.date_of(newest)}" if newest else ""
    words = _WHY[health(contact)].format(thing=thing, on=on, answered=_answered(contact, clock))
    return words.strip()


def _answered(contact: Contact, clock: Clock) -> str:
    count, days = answers(contact)
    if not count:
        return ""
    last = max(one.at for one in contact.experience if one.lesson is Lesson.ANSWERED)
    times = _TIMES.get(count, f"{count} times")
    within = "" if days is None else f" within {days} business day{'s' if days > 1 else ''}"
    return f"Answered {times}{within}, last on {clock.date_of(last)}."


def verified(contact: Contact, clock: Clock) -> str:
    """When, and by whose word; empty where nobody has confirmed it."""
    if contact.verified_at is None:
        return ""
    by = f" by a call with {contact.verified_how}" if contact.verified_how else ""
    return f"Verified {clock.moment(contact.verified_at).text}{by}."


def by_words(contact: Contact) -> str:
    """For example: fax to 303-555-0120."""
    return f"{present.CHANNEL[contact.channel]} to {present.address_of(contact)}"


def shown(contact: Contact, clock: Clock, manage: str = "") -> models.Contact:
    """All that a page says of one contact; `manage` is where it is confirmed or changed, "" for nowhere."""
    return models.Contact(
        channel=present.CHANNEL[contact.channel].capitalize(),
        icon=present.CHANNEL_ICON[contact.channel],
        value=present.address_of(contact),
        source=SOURCE.get(contact.source, "a connected system"),
        verified=verified(contact, clock),
        badges=badges(contact),
        history=why(contact, clock),
        manage=manage,
    )
