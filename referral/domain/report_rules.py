"""What the recommender hears without asking: which reports are owed, when they leave, by when they are due.

The rule for a recommendation exists for follow-up, so whoever gave one hears after the decision to treat or
not, at mid-course, at the end, on a serious adverse event and on closure. Item 7 of the form says which of
these a clinician wants and how; a serious adverse event and the closure are told in any case, because the
clinician goes on treating.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from referral.domain.calendar import BusinessCalendar
from referral.domain.codes import Channel
from referral.domain.contacts import in_order, may_carry, usable
from referral.domain.life import Cause, Standing
from referral.domain.outgoing import MessageKind
from referral.domain.records import Contact


class Occasion(StrEnum):
    """Why a report is written; migration 0033 has the same list."""

    DECISION = "decision"
    MID_COURSE = "mid-course"
    END_OF_COURSE = "end-of-course"
    ADVERSE_EVENT = "adverse-event"
    CLOSURE = "closure"


class Withheld(StrEnum):
    """Why a report that was owed is not sent; migration 0038 has the same list."""

    CONSENT = "consent"
    NOT_WANTED = "not-wanted"
    NO_CONTACT = "no-contact"
    IN_ERROR = "in-error"


# Told whatever the form says.
ALWAYS: Final = frozenset({Occasion.ADVERSE_EVENT, Occasion.CLOSURE})
# Within so many business days.
_WITHIN: Final = MappingProxyType(
    {
        Occasion.DECISION: 2,
        Occasion.MID_COURSE: 5,
        Occasion.END_OF_COURSE: 5,
        Occasion.ADVERSE_EVENT: 1,
        Occasion.CLOSURE: 5,
    }
)
# A clinic may take so long at most. What is obliged is not put off: the clinician goes on treating.
LONGEST: Final = MappingProxyType({**dict.fromkeys(Occasion, 10), Occasion.ADVERSE_EVENT: 1})
# Scores and side effects of the session itself are entered until the next business day.
_SETTLES: Final = frozenset({Occasion.MID_COURSE, Occasion.END_OF_COURSE})
# Its recommendation was never given by this clinician, or must not be spoken of any more.
_NOBODYS: Final = frozenset({Cause.DENIED, Cause.ENTERED_IN_ERROR, Cause.CONSENT_WITHDRAWN})
_BY: Final = {
    "fax": (Channel.FAX,),
    "link": (Channel.EMAIL, Channel.SMS),
    "post": (Channel.POST,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPolicy:
    """`unasked` are sent to who has not said which reports they want; `within` is in business days.

    A course of fewer planned sessions than `mid_course_from` has no report at mid-course. `needs_consent`:
    only with a consent of the patient on record, which state law may ask for.
    """

    unasked: frozenset[Occasion] = frozenset(Occasion)
    within: Mapping[Occasion, int] = field(default_factory=lambda: _WITHIN)
    mid_course_from: int = 4
    needs_consent: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the clinician asked for in the form; `by` is "fax", "link", "post" or not said."""

    occasions: frozenset[Occasion] = frozenset()
    by: str | None = None


def wishes_of(raw: Mapping[str, list[str]]) -> Wishes:
    """`raw` are answers by link id; what an older form called otherwise is passed over."""
    codes, by = raw.get("reports", []), raw.get("reports-by", [])
    ticked = frozenset(Occasion(code) for code in codes if code in set(Occasion))
    return Wishes(ticked, next((code for code in by if code in _BY), None))


def policy_from(settings: Mapping[str, Any]) -> ReportPolicy:
    """What a clinic has set, under `reports` of its settings; what it has not set is the default.

    What is obliged holds whatever is set.
    """
    unasked, within = settings.get("unasked"), settings.get("within", {})
    chosen = frozenset(Occasion) if unasked is None else frozenset(Occasion(one) for one in unasked)
    days = {**_WITHIN, **{Occasion(one): int(count) for one, count in within.items()}}
    return ReportPolicy(
        unasked=chosen | ALWAYS,
        within={one: min(count, LONGEST[one]) for one, count in days.items()},
        mid_course_from=int(settings.get("mid_course_from", 4)),
        needs_consent=bool(settings.get("needs_consent", False)),
    )


def is_wanted(occasion: Occasion, wishes: Wishes, policy: ReportPolicy) -> bool:
    """Who has ticked some reports gets these; who has ticked none gets what the clinic sends unasked."""
    return occasion in ALWAYS or occasion in (wishes.occasions or policy.unasked)


def recommenders(answers: Iterable[Standing]) -> tuple[Standing, ...]:
    """The newest recommendation of each request, by whom reports are owed, oldest first.

    One that has ended since still counts: its clinician sees the patient whatever became of it.
    """
    newest: dict[str, Standing] = {}
    for answer in sorted(answers, key=lambda one: (one.answered_at, one.id)):
        ended = answer.void.cause if answer.void is not None else None
        if answer.is_positive and ended not in _NOBODYS:
            newest[answer.referral_id] = answer
    return tuple(newest.values())


def is_mid_course(given: int, planned: int | None, policy: ReportPolicy) -> bool:
    """Whether the session just given is the one in the middle: the third of six, the fourth of seven."""
    if planned is None or planned < policy.mid_course_from:
        return False
    return given == (planned + 1) // 2


@dataclass(frozen=True, slots=True)
class Plan:
    """UTC. It is drawn at `queue_at`, leaves in the recipient's hours, and has arrived by `due_at`."""

    queue_at: datetime
    due_at: datetime


def plan(
    occasion: Occasion, at: datetime, policy: ReportPolicy, calendars: Collection[BusinessCalendar]
) -> Plan:
    """`at` is when the thing happened; `calendars` are the clinic's and the recipient's: the stricter rules.

    A serious adverse event at 16:55 before a holiday is due when the first business day after it ends.
    """
    queue_at = at
    if occasion in _SETTLES:
        queue_at = max(_on_day(one, at, 1, one.sends) for one in calendars)
    due_at = min(_on_day(one, at, policy.within[occasion], one.closes) for one in calendars)
    return Plan(min(queue_at, due_at), due_at)


def _on_day(calendar: BusinessCalendar, at: datetime, count: int, clock: time) -> datetime:
    """The `count`-th business day that begins after the local day of `at`."""
    day = calendar.local_date(at)
    for _ in range(count):
        day = calendar.business_day_after_date(day)
    return calendar.at(day, clock)


def kind_of(occasion: Occasion) -> MessageKind:
    """A serious adverse event has a kind of its own: it waits behind nothing and for no closed office."""
    return MessageKind.SAFETY_REPORT if occasion is Occasion.ADVERSE_EVENT else MessageKind.REPORT


def contact_for(
    contacts: tuple[Contact, ...], wishes: Wishes, last_id: str | None, kind: MessageKind
) -> Contact | None:
    """As the form asks for it; else what reached them last, else the best; None: somebody has to call.

    Never a fax number that nobody has confirmed: a report says more than a request does.
    """
    good = tuple(one for one in in_order(contacts) if one.barred_for is None and may_carry(one, kind))
    wished = next((one for one in good if one.channel in _BY.get(wishes.by or "", ())), None)
    return wished or (usable(good, last_id) if last_id else None) or next(iter(good), None)
