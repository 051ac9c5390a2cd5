"""The course as a whole: its plan, the candidacy decision, an event between two sessions, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from referral.domain.audit import Actor
from referral.domain.course import (
    Candidacy,
    CandidacyReason,
    ChangeReason,
    Decided,
    Ended,
    Ending,
    MedicationChange,
    Plan,
    StopReason,
)
from referral.domain.course_rules import NONE_GIVEN, STATUS_OF, check_ending, check_medication, check_plan
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.records import Order
from referral.services.calendars import clinic_calendar
from referral.services.course import course_of
from referral.services.end_order import end_order
from referral.services.keep_course import keep, require_version, stamp, tell
from referral.storage import course, orders, resources
from referral.storage.db import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """What was decided at the consultation; `words` are the clinician's own, kept encrypted."""

    decision: Candidacy
    reason: CandidacyReason | None = None
    risks_discussed: bool = False
    benefits_discussed: bool = False
    self_pay_notice: bool = False
    words: str = ""


def plan_course(
    session: Session,
    actor: Actor,
    order_id: str,
    sessions: int,
    spacing_days: int,
    now: datetime,
    *,
    shown: int | None = None,
) -> Plan:
    """How many sessions, and days between them; the plan before is kept. The same again is no new one."""
    order = _usable(session, order_id)
    before = course.newest(session, Plan, order_id)
    why = None
    if before is not None:
        if (before[1].planned_sessions, before[1].spacing_days) == (sessions, spacing_days):
            return before[1]
        require_version(before[1].stamp, shown)
        why = ChangeReason.REVIEWED
    written = stamp(session, actor, order, now, before=before[1].stamp if before else None, why=why)
    plan = Plan(planned_sessions=sessions, spacing_days=spacing_days, stamp=written)
    check_plan(plan)
    keep(session, actor, order, [plan], now)
    return plan


def _usable(session: Session, order_id: str) -> Order:
    order = orders.get(session, order_id, lock=True)
    if order.status not in orders.USABLE:
        raise TransitionRefused("This order has ended; nothing more is planned or started under it.")
    return order


def decide_candidacy(
    session: Session,
    actor: Actor,
    order_id: str,
    said: NewDecision,
    now: datetime,
    *,
    why: ChangeReason | None = None,
    shown: int | None = None,
) -> Decided:
    """The decision of the newest initial consultation; TransitionRefused before one was recorded.

    A second decision is a version of the first and needs `why`. Whoever follows the course hears of it where
    the patient becomes a candidate, or is one no longer. While the newest decision is not `candidate`, no
    infusion starts (services/treat).
    """
    order = orders.get(session, order_id, lock=True)
    held = course.consultation_of(session, order_id)
    if held is None:
        raise TransitionRefused("Record the initial consultation first; the decision belongs to it.")
    _check(said)
    found = course.newest(session, Decided, held[0])
    before = found[1] if found else None
    if before is not None:
        require_version(before.stamp, shown)
        if why is None:
            raise InvalidInput(Issue("Why is it decided anew?", ("why",), "required"))
    written = stamp(
        session, actor, order, now, before=before.stamp if before else None, why=why, words=said.words
    )
    made = Decided(
        id=held[0],
        decision=said.decision,
        reason=said.reason,
        risks_discussed=said.risks_discussed,
        benefits_discussed=said.benefits_discussed,
        self_pay_notice=said.self_pay_notice,
        decided_at=now if before is None or before.decision is not said.decision else before.decided_at,
        stamp=written,
    )
    keep(session, actor, order, [made], now)
    if before is None or before.decision is not said.decision:
        tell(session, actor, order, made, now)
    return made


def _check(said: NewDecision) -> None:
    issues = []
    if said.decision is Candidacy.CANDIDATE:
        needed = {
            "risks_discussed": "The risks have to be discussed first.",
            "benefits_discussed": "The benefits have to be discussed first.",
            "self_pay_notice": "The patient has to be told what insurance may not pay.",
        }
        issues = [
            Issue(text, (name,), "required") for name, text in needed.items() if not getattr(said, name)
        ]
        if said.reason is not None:
            issues.append(Issue("A candidate needs no reason.", ("reason",), "value"))
    elif said.reason is None:
        issues = [Issue("Why not, or not yet?", ("reason",), "required")]
    if issues:
        raise InvalidInput(*issues)


def note_medication(
    session: Session,
    actor: Actor,
    order_id: str,
    words: str,
    changed_on: date,
    now: datetime,
    *,
    id: str = "",
) -> MedicationChange:
    """Another medication was changed during the course, as somebody of the clinic has heard or decided.

    Reports tell it. What is sent twice with the same `id` is kept once.
    """
    order = orders.get(session, order_id, lock=True)
    known = course.newest(session, MedicationChange, id) if id else None
    if known is not None:
        return known[1]
    said = " ".join(words.split())
    written = stamp(session, actor, order, now, words=said)
    made = MedicationChange(id=id or resources.new_id(), changed_on=changed_on, stamp=written)
    check_medication(made, said, clinic_calendar(session).local_date(now))
    keep(session, actor, order, [made], now)
    return made


def end_course(
    session: Session,
    actor: Actor,
    order_id: str,
    ending: Ending,
    reason: StopReason | None,
    now: datetime,
    *,
    words: str = "",
) -> Ended:
    """The course is over: the order ends with it. Refused while a session is under way."""
    order = _usable(session, order_id)
    check_ending(ending, reason)
    found = course_of(session, order_id)
    if found.under_way is not None:
        raise TransitionRefused("A session is still under way. Finish or abort it first.")
    if ending is Ending.COMPLETED and not found.given:
        raise TransitionRefused(NONE_GIVEN)
    written = stamp(session, actor, order, now, words=words)
    end = Ended(
        ending=ending, reason=reason if ending is Ending.STOPPED else None, ended_at=now, stamp=written
    )
    end_order(session, actor, order_id, STATUS_OF[ending], now)
    keep(session, actor, order, [end], now)
    tell(session, actor, order, end, now)
    return end
