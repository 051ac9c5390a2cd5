"""Which of a clinician's contacts is used first, and which next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Final

from referral.domain.codes import Channel
from referral.domain.language import phrase
from referral.domain.outgoing import REPORTS, WITH_LETTER, MessageKind
from referral.domain.records import Bar, Contact, Experience, Lesson
from referral.domain.reminders import Ladder, Rung, Step

# Ways that carry a letter or a link by themselves; a telephone is for people.
_WRITTEN: Final = (Channel.EMAIL, Channel.FAX, Channel.SMS, Channel.POST)
_PAPER: Final = (Channel.FAX, Channel.POST)


# What one message is worth while it is news. A delivery says less than an answer, and no number of deliveries
# that nobody answered says more than one; a failure outweighs a delivery and a verification together.
_WORTH: Final = {Lesson.SENT: 0.5, Lesson.DELIVERED: 1.0, Lesson.ANSWERED: 2.0, Lesson.FAILED: -3.0}
_VERIFIED: Final = 0.75
_HALF_LIFE: Final = timedelta(days=90)
# 8:00 to 17:00.
_BUSINESS_DAY_HOURS: Final = 9.0


def score(contact: Contact, newest: datetime | None) -> float:
    """What is known for and against a contact; more is better, 0 is nothing.

    What is 90 days older than `newest` counts half, so that last year's luck does not rule. A quick answer
    adds up to one more.
    """
    if newest is None:
        return _VERIFIED * contact.is_verified
    delivered, rest = 0.0, 0.0
    for one in contact.experience:
        faded: float = 0.5 ** (max(newest - one.at, timedelta(0)) / _HALF_LIFE)
        if one.lesson in (Lesson.SENT, Lesson.DELIVERED):
            delivered = max(delivered, _WORTH[one.lesson] * faded)
        else:
            rest += (_WORTH[one.lesson] + _quickness(one)) * faded
    return delivered + rest + _VERIFIED * contact.is_verified


def _quickness(one: Experience) -> float:
    """From 1 for an answer at once towards 0; half for one business day."""
    if one.lesson is not Lesson.ANSWERED or one.hours is None:
        return 0.0
    return 1 / (1 + max(one.hours, 0.0) / _BUSINESS_DAY_HOURS)


def in_order(contacts: tuple[Contact, ...]) -> tuple[Contact, ...]:
    """Contacts that can carry a request, best first; never one that reaches somebody else.

    A dead address comes last until a person has confirmed it. Among equals the quicker channel comes first.
    Age counts from the newest thing known of any of them: where nothing new was learnt, the old holds.
    """
    written = [c for c in contacts if c.channel in _WRITTEN and c.barred_for is not Bar.WRONG_RECIPIENT]
    newest = max((one.at for contact in written for one in contact.experience), default=None)

    def rank(contact: Contact) -> tuple[bool, float, bool, int, str]:
        place = _WRITTEN.index(contact.channel)
        worth = round(score(contact, newest), 6)
        return contact.barred_for is not None, -worth, not contact.is_verified, place, contact.id

    return tuple(sorted(written, key=rank))


class Health(StrEnum):
    """What the newest experience makes of a contact."""

    WRONG_RECIPIENT = "wrong-recipient"
    BAD_ADDRESS = "bad-address"
    FAILED = "failed"
    ANSWERED = "answered"
    DELIVERED = "delivered"
    SENT = "sent"
    UNUSED = "unused"


FAILING: Final = frozenset({Health.WRONG_RECIPIENT, Health.BAD_ADDRESS, Health.FAILED})
_SICK: Final = {Bar.WRONG_RECIPIENT: Health.WRONG_RECIPIENT, Bar.BAD_ADDRESS: Health.BAD_ADDRESS}
_BEST_FIRST: Final = (Lesson.ANSWERED, Lesson.DELIVERED, Lesson.SENT)


def health(contact: Contact) -> Health:
    """A failure counts until something newer has worked; then the best that has happened."""
    if contact.barred_for is not None:
        return _SICK[contact.barred_for]
    newest = max(contact.experience, key=lambda one: one.at, default=None)
    if newest is None:
        return Health.UNUSED
    if newest.lesson is Lesson.FAILED:
        return Health.FAILED
    had = {one.lesson for one in contact.experience}
    return Health(next(lesson for lesson in _BEST_FIRST if lesson in had))


def answers(contact: Contact) -> tuple[int, int | None]:
    """How many answers came by it, and within how many business days (median); None: unknown."""
    answered = [one for one in contact.experience if one.lesson is Lesson.ANSWERED]
    hours = sorted(one.hours for one in answered if one.hours is not None)
    if not hours:
        return len(answered), None
    return len(answered), max(1, ceil(hours[len(hours) // 2] / _BUSINESS_DAY_HOURS))


def needs_call(contact: Contact) -> bool:
    """A fax goes to whoever has the number: one that nobody has confirmed is called when the first leaves."""
    return contact.channel is Channel.FAX and not contact.is_verified


def best(contacts: tuple[Contact, ...]) -> Contact | None:
    """The contact to try first; None when nothing on file is known to carry a letter or a link.

    A dead address is not written to by itself: where there is nothing else, somebody has to call.
    """
    return next((found for found in in_order(contacts) if found.barred_for is None), None)


def to_tell(contacts: tuple[Contact, ...], last_id: str | None) -> Contact | None:
    """Whom we asked hears it by what reached them last, else by the best; by a dead address if need be."""
    same = usable(contacts, last_id) if last_id is not None else None
    return same or next(iter(in_order(contacts)), None)


def may_carry(contact: Contact, kind: MessageKind) -> bool:
    """What says more than a request does not go to a fax number that nobody has confirmed, by call or answer.

    That is the record of an answer, a report, and what the clinic writes or asks.

    A request does: until then a wrong number has cost one letter with a name and a year of birth.
    """
    unsure = needs_call(contact) and health(contact) is not Health.ANSWERED
    says_more = kind in (MessageKind.THANK_YOU, MessageKind.CONVERSATION) or kind in REPORTS
    return contact.barred_for is not Bar.WRONG_RECIPIENT and not (unsure and says_more)


def should_turn(
    contacts: tuple[Contact, ...], contact: Contact, kind: MessageKind, decided_at: datetime
) -> bool:
    """A letter that waits for an address which has died since goes another way instead, where there is one.

    What somebody sends there afterwards is sent: they may know better.
    """
    has_died = contact.barred_at is not None and decided_at <= contact.barred_at
    return has_died and kind in WITH_LETTER and best(contacts) is not None


def usable(contacts: tuple[Contact, ...], id: str) -> Contact | None:
    """The contact that was used before, unless it has gone or is not to be relied on any more."""
    return next((found for found in contacts if found.id == id and found.barred_for is None), None)


def by_another_channel(contacts: tuple[Contact, ...], used: Channel) -> Contact | None:
    """The best contact of another channel, paper first because it carries the form.

    The same channel again if there is no other; None when all that is on file is known to reach nobody.
    """
    others = [one for one in in_order(contacts) if one.channel != used and one.barred_for is None]
    others.sort(key=lambda contact: contact.channel not in _PAPER)
    return next(iter(others), None) or best(contacts)


def for_request(ladder: Ladder, contacts: tuple[Contact, ...]) -> Contact | None:
    """What the request itself travels by; None when nothing on file can carry it: somebody has to call."""
    return _by(ladder.request_channel, contacts) or best(contacts)


def _by(channel: Channel | None, contacts: tuple[Contact, ...]) -> Contact | None:
    found = (c for c in in_order(contacts) if c.channel == channel and c.barred_for is None)
    return next(found, None)


def for_step(rung: Rung, contacts: tuple[Contact, ...], last: tuple[str, Channel] | None) -> Contact | None:
    """What a reminder travels by; None: the rung sends nothing, or there is nothing to send it by.

    `last` is the contact, with its channel, that the letter handed over last went to.
    """
    step = rung.step
    if step is Step.REMIND:
        same = usable(contacts, last[0]) if last else None
        return _by(rung.channel, contacts) or same or best(contacts)
    if step is Step.REMIND_OTHER_CHANNEL:
        return by_another_channel(contacts, last[1]) if last else best(contacts)
    return None


def after_refusal(contacts: tuple[Contact, ...], refused: set[str], channel: Channel) -> Contact | None:
    """What a refused letter goes to at once, of another channel if there is one; None: nothing is left.

    `refused` are the contacts that have refused a letter of this request: each is tried once, as two that
    both refuse must not be handed the letter in turn for ever.
    """
    return by_another_channel(tuple(one for one in contacts if one.id not in refused), channel)


def for_patient(contacts: tuple[Contact, ...], channels: Iterable[Channel]) -> Contact | None:
    """What a message to the patient travels by: the best of these channels; None: somebody has to call."""
    allowed = frozenset(channels)
    return next((c for c in in_order(contacts) if c.channel in allowed and c.barred_for is None), None)


def masked(contact: Contact) -> str:
    """Enough to recognise one's own number or address, not enough to learn it."""
    if contact.channel is Channel.EMAIL:
        name, _, host = contact.address.partition("@")
        return f"{name[:1]}…@{host}"
    if contact.channel is Channel.POST:
        return phrase("the postal address on file")
    digits = [c for c in contact.address if c.isdigit()]
    return phrase("the number ending in %(digits)s", digits="".join(digits[-2:]))
