"""What people did with the warnings that their record system showed about an order."""

from __future__ import annotations

from typing import Final

from referral.fhir.systems import DEFAULT, LOCAL_CODES
from referral.storage.cds import Answered, Feedback
from referral.web.dependencies import Visitor
from referral.web.policy import Permission
from referral.web.staff.clock import Clock
from referral.web.staff.models import Badge
from referral.web.staff.request_models import CardAnswer

_HOOK: Final = {
    "patient-view": "The chart was opened",
    "order-sign": "An infusion was ordered",
    "appointment-book": "An appointment was booked",
    "encounter-start": "A visit began",
}
_HIDDEN: Final = "the words are for clinical staff"


def card_answers(visitor: Visitor, answers: tuple[Answered, ...], clock: Clock) -> tuple[CardAnswer, ...]:
    """In the order given. What somebody wrote is narrative: only who may read answers reads it."""
    return tuple(
        _answer(answered, clock, narrative=visitor.may(Permission.SEE_ANSWER)) for answered in answers
    )


def _answer(answered: Answered, clock: Clock, *, narrative: bool) -> CardAnswer:
    feedback = answered.feedback
    overridden = feedback.outcome == "overridden"
    ours = feedback.reason_system == DEFAULT.system("gate-override")
    known = LOCAL_CODES["gate-override"].get(feedback.reason_code or "") if ours else None
    words = _words(feedback, known)
    parts = [known or "", words if narrative else _HIDDEN if words else ""]
    return CardAnswer(
        when=clock.moment(feedback.outcome_at),
        badge=Badge("closed", "Overridden", "warning") if overridden else Badge("open", "Order held"),
        title=_HOOK.get(answered.card.hook, answered.card.hook),
        reason=": ".join(part for part in parts if part) or ("No reason given" if overridden else ""),
        client=answered.client or "a connected system",
    )


def _words(feedback: Feedback, known: str | None) -> str:
    """Free text, and a reason that is not one of ours, which may be free text as well."""
    other = "" if known else feedback.reason_text or feedback.reason_code or ""
    return ". ".join(part for part in (other, feedback.comment or "") if part)
