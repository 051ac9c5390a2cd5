"""What has happened in a course, told once to everybody who has to follow it.

Each function is called in the transaction that recorded the event, after its rows, by the one service that
records it, whoever did it and by whichever door. A correction is an event where it changes what was told:
a decision that becomes another one, a side effect that is serious, or was, and the end of a course. To
refuse, raise: then nothing of it has happened.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from referral.domain.audit import Actor
from referral.domain.course import Candidacy, Decided, Ended, SessionState, SideEffect, TreatmentSession
from referral.domain.course_rules import STATUS_OF
from referral.domain.follow_up import Outcome
from referral.domain.records import Order
from referral.domain.report_rules import Occasion, Withheld, is_mid_course
from referral.services.course import course_of
from referral.services.raise_safety import raise_safety
from referral.services.report_anew import report_anew
from referral.services.report_back import News, report_back, report_policy
from referral.storage import follow_ups
from referral.storage.course import Recorded
from referral.storage.db import Session

# An order that never was one has no course that could be closed.
_OVER: Final = frozenset(STATUS_OF.values())


def decided(session: Session, actor: Actor, order: Order, decision: Decided, now: datetime) -> None:
    """The clinic has decided whether the patient is a candidate; a yes or a no is reported."""
    if decision.decision is Candidacy.DEFERRED:
        return
    news = News(
        occasion=Occasion.DECISION,
        happened_at=decision.decided_at,
        about=f"{decision.id}/{decision.stamp.version}",
        treats=decision.decision is Candidacy.CANDIDATE,
    )
    report_back(session, actor, order, news, now)


def session_done(session: Session, actor: Actor, order: Order, done: TreatmentSession, now: datetime) -> None:
    """A session was finished or aborted; `done` says which. The one in the middle is reported."""
    if done.state is not SessionState.COMPLETED:
        return
    found = course_of(session, order.id)
    if is_mid_course(len(found.given), found.planned, report_policy(session)):
        news = News(occasion=Occasion.MID_COURSE, happened_at=done.ended_at or now)
        report_back(session, actor, order, news, now)


def serious_event(session: Session, actor: Actor, order: Order, event: SideEffect, now: datetime) -> None:
    """A serious adverse event was recorded: somebody of the clinic sees to it now, and it is reported.

    `event.noticed_at` is when it was noticed, not recorded.
    """
    news = News(occasion=Occasion.ADVERSE_EVENT, happened_at=event.noticed_at, about=event.id)
    report_back(session, actor, order, news, now)
    source = f"AdverseEvent/{event.id}"
    patient_id, order_id = order.patient_id, order.id
    raise_safety(
        session, actor, patient_id=patient_id, order_id=order_id, source=source, answer=None, now=now
    )


def ended(session: Session, actor: Actor, order: Order, end: Ended, now: datetime) -> None:
    """The course was completed, or stopped early; where no session was given, the matter is closed.

    Where no promised visit is waited for any more, who has asked for no report of the end hears that the
    matter is closed. Who gets the one hears no other beside it.
    """
    if not course_of(session, order.id).sessions:
        closed(session, actor, order, now)
        return
    made = report_back(
        session, actor, order, News(occasion=Occasion.END_OF_COURSE, happened_at=end.ended_at), now
    )
    if all(one.settled_at is not None for one in follow_ups.of_order(session, order.id)):
        unwanted = {one.referral_id for one in made if one.withheld_for is Withheld.NOT_WANTED}
        closed(session, actor, order, now, but={one.referral_id for one in made} - unwanted)


def corrected(
    session: Session,
    actor: Actor,
    order: Order,
    before: Recorded,
    made: Recorded,
    now: datetime,
    *,
    in_error: bool,
) -> None:
    """`made` is what holds from now on instead of `before`; `in_error` says that it never was.

    Who has been told of it hears what is right (services/report_anew).
    """
    if isinstance(made, Ended):
        news = News(occasion=Occasion.END_OF_COURSE, happened_at=made.ended_at)
        told = report_anew(session, actor, order, news, made.stamp.version, now)
        # Who wants no report of the end has read in the closing one how it ended.
        closing = News(occasion=Occasion.CLOSURE, happened_at=now)
        report_anew(session, actor, order, closing, made.stamp.version, now, but=told)
    elif isinstance(made, SideEffect) and isinstance(before, SideEffect):
        stands = made.serious and not in_error
        news = News(occasion=Occasion.ADVERSE_EVENT, happened_at=made.noticed_at, about=made.id)
        # Before the event is told: it may have been one earlier, and told of already.
        report_anew(session, actor, order, news, made.stamp.version, now, stands=stands)
        if stands and not before.serious:
            serious_event(session, actor, order, made, now)


def visit_settled(session: Session, actor: Actor, order: Order, now: datetime) -> None:
    """It is known what became of a promised visit. With the last one, after the course, the matter is closed.

    Who says that they do not treat this patient any more hears nothing further about them.
    """
    promised = follow_ups.of_order(session, order.id)
    if order.status in _OVER and all(one.settled_at is not None for one in promised):
        gone = {one.referral_id for one in promised if one.outcome is Outcome.NOT_OURS}
        closed(session, actor, order, now, but=gone)


def closed(session: Session, actor: Actor, order: Order, now: datetime, *, but: Collection[str] = ()) -> None:
    """Nobody has to follow this order any more: it is known who sees the patient, or that nobody does.

    `but` are requests whose clinicians are not told of it. Twice is harmless.
    """
    report_back(session, actor, order, News(occasion=Occasion.CLOSURE, happened_at=now), now, but=but)
