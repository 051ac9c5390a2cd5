"""Which of a clinician's contacts is used first, and which next."""

from __future__ import annotations

from typing import Final

from referral.domain.codes import Channel
from referral.domain.records import Contact
from referral.domain.reminders import Step

# Ways that carry a letter or a link by themselves; a telephone is for people.
_WRITTEN: Final = (Channel.EMAIL, Channel.FAX, Channel.SMS, Channel.POST)
_PAPER: Final = (Channel.FAX, Channel.POST)


def _worked_last(contact: Contact) -> bool:
    if contact.last_success_at is None:
        return False
    return contact.last_failure_at is None or contact.last_success_at > contact.last_failure_at


def _failed_last(contact: Contact) -> bool:
    return contact.last_failure_at is not None and not _worked_last(contact)


def _rank(contact: Contact) -> tuple[bool, bool, bool, int, str]:
    """What worked before comes first, what failed last; then verified ones; then the quicker channel."""
    place = _WRITTEN.index(contact.channel)
    return _failed_last(contact), not _worked_last(contact), not contact.is_verified, place, contact.id


def in_order(contacts: tuple[Contact, ...]) -> tuple[Contact, ...]:
    """Contacts that can carry a request, best first."""
    return tuple(sorted((c for c in contacts if c.channel in _WRITTEN), key=_rank))


def best(contacts: tuple[Contact, ...]) -> Contact | None:
    """The contact to try first; None when nothing on file can carry a letter or a link."""
    return next(iter(in_order(contacts)), None)


def by_another_channel(contacts: tuple[Contact, ...], used: Channel) -> Contact | None:
    """The best contact of another channel, paper first because it carries the form.

    The same channel again if there is no other; None when nothing on file can carry a request.
    """
    others = [contact for contact in in_order(contacts) if contact.channel != used]
    paper = [contact for contact in others if contact.channel in _PAPER]
    return next(iter([*paper, *others]), None) or best(contacts)


def for_step(step: Step, contacts: tuple[Contact, ...], last: tuple[str, Channel] | None) -> Contact | None:
    """What a reminder travels by; None: the step sends nothing.

    `last` is the contact, with its channel, that the letter handed over last went to.
    """
    if step is Step.REMIND:
        same = next((contact for contact in contacts if last and contact.id == last[0]), None)
        return same or best(contacts)
    if step is Step.REMIND_OTHER_CHANNEL:
        return by_another_channel(contacts, last[1]) if last else best(contacts)
    return None


def after_refusal(contacts: tuple[Contact, ...], refused: set[str], channel: Channel) -> Contact | None:
    """The contact of another channel that a refused letter goes to at once; None where there is none.

    `refused` are the contacts that have refused a letter of this request: each is tried once, as two that
    both refuse must not be handed the letter in turn for ever.
    """
    left = tuple(contact for contact in contacts if contact.id not in refused)
    other = by_another_channel(left, channel)
    return other if other is not None and other.channel != channel else None


def masked(contact: Contact) -> str:
    """Enough to recognise one's own number or address, not enough to learn it."""
    if contact.channel is Channel.EMAIL:
        name, _, host = contact.address.partition("@")
        return f"{name[:1]}…@{host}"
    if contact.channel is Channel.POST:
        return "the postal address on file"
    digits = [c for c in contact.address if c.isdigit()]
    return f"the number ending in {''.join(digits[-2:])}"
