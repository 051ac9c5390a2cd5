"""Follow-up visits on the page of an order and on the Today board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from referral.domain.errors import InvalidInput, Issue
from referral.domain.follow_up import OUTCOMES, FollowUp, Outcome
from referral.services.calendars import clinic_calendar
from referral.services.follow_up import record_outcome
from referral.storage import directory, follow_ups
from referral.web.dependencies import Visitor
from referral.web.policy import Permission
from referral.web.questions import typed_day
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.models import Badge, Choice
from referral.web.staff.steps import Typed

_WITHIN: Final = {"2-weeks": "within 2 weeks", "4-weeks": "within 4 weeks", "3-months": "within 3 months"}
_ADJUSTER: Final = {
    "we": "their office adjusts medication",
    "clinic": "the clinic adjusts medication and tells them",
    "other": "another prescriber adjusts medication",
}
_DONE: Final = {
    Outcome.SEEN: Badge("open", "Seen"),
    Outcome.LOST: Badge("closed", "Lost"),
    Outcome.NOT_OURS: Badge("closed", "Not their patient"),
    Outcome.SUPERSEDED: Badge("neutral", "Replaced by a newer answer"),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One promised visit; `id` is empty for who may not record what became of it, and once it is settled."""

    id: str
    who: str
    sentence: str
    badge: Badge
    choices: tuple[Choice, ...]

    @property
    def value(self) -> str:
        """As an option of a list."""
        return self.id

    @property
    def label(self) -> str:
        return self.who


def visits(visitor: Visitor, order_id: str, clock: Clock) -> tuple[Visit, ...]:
    """Who sees the patient next and when, for this order."""
    found = follow_ups.of_order(visitor.session, order_id)
    people = directory.get_clinicians(visitor.session, {one.clinician_id for one in found}) if found else {}
    return tuple(
        Visit(
            id=one.id if one.settled_at is None and visitor.may(Permission.ASK) else "",
            who=present.titled(people[one.clinician_id]),
            sentence=_sentence(one, clock),
            badge=_badge(visitor, one, clock),
            choices=tuple(Choice(code.value, text) for code, text in OUTCOMES.items()),
        )
        for one in found
    )


def _sentence(one: FollowUp, clock: Clock) -> str:
    if one.outcome is Outcome.SEEN and one.outcome_on:
        return f"Seen on {clock.day(one.outcome_on).text}."
    words = [f"Sees the patient {_WITHIN[one.within]} after the course"]
    if one.adjuster in _ADJUSTER:
        words.append(_ADJUSTER[one.adjuster])
    when = (
        f" Due by {clock.day(one.due_on).text}." if one.due_on else " The day counts once treatment begins."
    )
    if one.moved_to:
        when = f" Moved to {clock.day(one.moved_to).text}."
    asked = f" Their office was asked on {clock.date_of(one.asked_at)}." if one.asked_at else ""
    return f"{'; '.join(words)}.{when}{asked}"


def _badge(visitor: Visitor, one: FollowUp, clock: Clock) -> Badge:
    if one.outcome is not None:
        return _DONE[one.outcome]
    if one.is_overdue(clinic_calendar(visitor.session), clock.now):
        return Badge("closed", "Overdue", "warning")
    return Badge("waiting", "Asked" if one.asked_at else "Promised")


def take_outcome(visitor: Visitor, order_id: str, typed: Typed) -> str:
    """A step of the page of the order."""
    id = typed.get("follow_up", "")
    if id not in {one.id for one in follow_ups.of_order(visitor.session, order_id)}:
        raise InvalidInput(Issue("Choose one of the visits.", ("follow_up",), "required"))
    day = typed_day(typed.get("visit_on", ""))
    try:
        record_outcome(visitor.session, visitor.actor, id, typed.get("visit_outcome", ""), day, visitor.now)
    except InvalidInput as error:
        names = {"day": "visit_on", "outcome": "visit_outcome"}
        issues = [Issue(i.text, tuple(names.get(e, e) for e in i.expression), i.code) for i in error.issues]
        raise InvalidInput(*issues) from error
    return "follow-up-noted"
