"""What became of recommendations, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from referral.domain.codes import Decision
from referral.domain.life import FACTS, Cause, Remark, Standing
from referral.domain.npi import KIND_LABEL
from referral.domain.policy import Policy
from referral.domain.records import Clinician
from referral.services.find_orders import OrderView
from referral.services.find_reviews import ToReview, Waits, waits_for
from referral.web.dependencies import Visitor
from referral.web.policy import Permission
from referral.web.staff import present
from referral.web.staff.clock import Clock
from referral.web.staff.life_models import AnswerRow, ConflictCard, LifeSection, ReviewRow
from referral.web.staff.models import Badge, Choice, Link

# What follows 'Stopped counting'.
CAUSE: Final = {
    Cause.REVOKED: "voided by the clinic",
    Cause.DENIED: "the practice says that it did not send it",
    Cause.WITHDRAWN: "the clinician has withdrawn it",
    Cause.AMENDED: "the clinician has answered anew",
    Cause.CONFLICT: "another clinician does not recommend it, and the medical director has decided so",
    Cause.ENTERED_IN_ERROR: "entered in error",
    Cause.CONSENT_WITHDRAWN: "the patient has withdrawn consent",
    Cause.NEW_INDICATION: "a new indication that it does not cover",
    Cause.PSYCHOSIS: "psychosis was reported",
    Cause.PREGNANCY: "pregnancy was reported",
    Cause.HOSPITALISATION: "the patient was hospitalized",
    Cause.TREATMENT_GAP: "treatment has rested for longer than clinic policy allows",
}
_FACT: Final = {
    Cause.NEW_INDICATION: ("A new indication", "Name its code below. What does not cover it stops counting."),
    Cause.PSYCHOSIS: ("Psychosis was reported", "Ends the recommendations of all orders of this patient."),
    Cause.PREGNANCY: ("Pregnancy", "Ends the recommendations of all orders of this patient."),
    Cause.HOSPITALISATION: ("Hospitalization", "Ends the recommendations of all orders of this patient."),
    Cause.TREATMENT_GAP: ("A long gap in treatment", "Longer than clinic policy allows; this order only."),
}
_WAITS: Final = {
    Waits.RED_FLAGS: Badge("waiting", "Red flags", "warning"),
    Waits.CONDITIONS: Badge("waiting", "Conditions", "document"),
    Waits.ONE_CHANNEL: Badge("waiting", "One channel only", "phone"),
    Waits.CONFLICT: Badge("closed", "Two opinions", "user"),
}


# ---- The review list


def review_row(row: ToReview, clock: Clock) -> ReviewRow:
    """What waits, since when, and the one thing to do."""
    day = row.state.order.first_infusion_on
    return ReviewRow(
        since=clock.moment(row.since),
        patient=present.named(row.state.patient),
        href=f"/orders/{row.state.order.id}",
        infusion=f"First infusion {clock.day(day).text}" if day else "No infusion date yet",
        badges=tuple(_WAITS[reason] for reason in row.reasons),
        sentence=_review_sentence(row),
        action=_review_action(row),
    )


def _review_sentence(row: ToReview) -> str:
    who = present.titled(row.clinician)
    if row.opponent is not None:
        return f"{who} recommends it, {present.titled(row.opponent)} does not."
    parts = [f"{who} {_verb(row.answer.decision)}"]
    if Waits.RED_FLAGS in row.reasons:
        parts.append(present.counted(len(row.answer.red_flags), "red flag"))
    if row.reasons == (Waits.ONE_CHANNEL,):
        parts.append("a call to the practice has to confirm that it is theirs")
    elif Waits.ONE_CHANNEL in row.reasons:
        parts.append("the practice has to be called as well")
    return f"{'; '.join(parts)}."


def _verb(decision: Decision) -> str:
    return {
        Decision.RECOMMENDED: "recommends it",
        Decision.RECOMMENDED_WITH_CONDITIONS: "recommends it with conditions",
    }.get(decision, "does not recommend it")


def _review_action(row: ToReview) -> Link:
    if row.refusal is not None:
        return Link("Decide", f"/orders/{row.state.order.id}#conflict")
    if row.reasons == (Waits.ONE_CHANNEL,):
        return Link("Record the call", f"/requests/{row.answer.referral_id}#confirm")
    return Link("Review", f"/requests/{row.answer.referral_id}#review")


# ---- The section on the page of an order


def life_section(visitor: Visitor, view: OrderView, clock: Clock, failed: str = "") -> LifeSection:
    """Newest answer first. Facts can change only while something counts that they could end; the form stays
    for what was typed into it where that `failed`.
    """
    people = {followed.clinician.id: followed.clinician for followed in view.state.requests}
    usable = view.state.order.status in ("on-hold", "active")
    living = any(answer.is_positive and answer.is_living for answer in view.life.answers)
    may_report = ((usable and living) or failed == "facts") and visitor.may(Permission.VOID)
    return LifeSection(
        answers=tuple(_answer_row(a, view, people, visitor, clock) for a in reversed(view.life.answers)),
        conflicts=tuple(
            ConflictCard(
                since=clock.moment(conflict.since),
                recommended=_said_on(conflict.recommendation, people, clock),
                refused=_said_on(conflict.refusal, people, clock),
                refused_href=f"/requests/{conflict.refusal.referral_id}",
                recommendation_id=conflict.recommendation.id,
                refusal_id=conflict.refusal.id,
            )
            for conflict in view.life.conflicts
        )
        if usable
        else (),
        facts=tuple(Choice(fact, *_FACT[fact]) for fact in FACTS) if may_report else (),
        may_decide=visitor.may(Permission.REVIEW),
    )


def _said_on(answer: Standing, people: dict[str, Clinician], clock: Clock) -> str:
    return f"{_said(answer, people)}, {clock.date_of(answer.answered_at)}"


def _said(answer: Standing, people: dict[str, Clinician]) -> str:
    """'Chidi Okafor, MD, psychiatrist: recommended'."""
    words = present.DECISION[answer.decision].text.lower()
    return f"{present.titled(people[answer.clinician_id])}, {KIND_LABEL[answer.clinician_kind]}: {words}"


def _answer_row(
    answer: Standing, view: OrderView, people: dict[str, Clinician], visitor: Visitor, clock: Clock
) -> AnswerRow:
    return AnswerRow(
        badge=_badge(answer, view.policy, clock.now),
        title=_said(answer, people),
        href=f"/requests/{answer.referral_id}",
        when=clock.moment(answer.answered_at),
        lines=tuple(_lines(answer, view, visitor, clock)),
    )


def _badge(answer: Standing, policy: Policy, now: datetime) -> Badge:
    """Does it count?"""
    if answer.void is not None:
        return Badge("closed", "Withdrawn" if answer.void.cause is Cause.WITHDRAWN else "Voided")
    if not answer.is_positive:
        return Badge("closed", "Counts against it")
    if answer.is_declined:
        return Badge("closed", "Not accepted")
    if answer.valid_until <= now:
        return Badge("closed", "Too old")
    return (
        Badge("waiting", "Does not count yet") if waits_for(answer, policy, now) else Badge("open", "Counts")
    )


def _lines(answer: Standing, view: OrderView, visitor: Visitor, clock: Clock) -> Iterator[str]:
    reads = visitor.may(Permission.SEE_ANSWER)

    def by(remark: Remark) -> str:
        name = view.users.get(remark.by)
        return f"{clock.moment(remark.at).text}{f', by {name}' if name else ''}"

    def why(remark: Remark) -> str:
        return f": {remark.reason}" if reads and remark.reason else ""

    if answer.renews is not None:
        yield "Renews the earlier answer: “still true”."
    if answer.is_positive:
        ends = "Was valid until" if answer.valid_until <= clock.now else "Valid until"
        yield f"{ends} {clock.date_of(answer.valid_until)}."
    if answer.confirmation is not None:
        yield f"Confirmed by telephone, {by(answer.confirmation)}."
    if answer.review is not None:
        word = "Accepted" if answer.review.accepted else "Declined"
        yield f"{word} by the medical director, {by(answer.review)}{why(answer.review)}"
    for (recommendation_id, _), remark in view.life.kept.items():
        if recommendation_id == answer.id and remark.accepted:
            yield f"Kept although another clinician refused, {by(remark)}{why(remark)}"
    if answer.void is not None and answer.void.cause is not None:
        said = "" if answer.void.cause in (Cause.WITHDRAWN, Cause.AMENDED) else why(answer.void)
        yield f"Stopped counting {by(answer.void)}: {CAUSE[answer.void.cause]}{said and f' ({said[2:]})'}."
