"""Corrects what was recorded of a course: a new version with who and why; the one before stays readable."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from referral.domain.audit import Actor
from referral.domain.course import (
    ChangeReason,
    Dose,
    Ended,
    Ending,
    MedicationChange,
    SideEffect,
    TreatmentSession,
    Vital,
)
from referral.domain.course_rules import (
    NONE_GIVEN,
    STATUS_OF,
    check_dose,
    check_ending,
    check_medication,
    check_session,
    check_vital,
)
from referral.domain.errors import InvalidInput, Issue, NotFound, TransitionRefused
from referral.domain.records import Order
from referral.services import course_events
from referral.services.calendars import clinic_calendar
from referral.services.course import course_of, words_of
from referral.services.keep_course import keep, require_version, stamp
from referral.storage import course, orders, resources
from referral.storage.db import Session

_T = TypeVar("_T", TreatmentSession, Dose, Vital, SideEffect, MedicationChange, Ended)


def correct(
    session: Session,
    actor: Actor,
    kind: type[_T],
    id: str,
    why: ChangeReason | None,
    now: datetime,
    *,
    shown: int | None = None,
    in_error: bool = False,
    **changes: Any,
) -> _T:
    """The next version of one thing, with `changes`; `in_error` says that it never was.

    A session that was an error is no session of the course; its start stays in the database. Who has been
    told of a serious event or of the end hears what is right. The end of a course has the id of its order,
    and is never an error: nothing brings back an order that has ended. `words` among `changes` replace those
    before.
    """
    if why is None:
        raise InvalidInput(Issue("Why is it changed?", ("why",), "required"))
    found = course.newest(session, kind, id)
    if found is None:
        raise NotFound(f"Nothing with id {id} was recorded.")
    order_id, before, was_error = found
    order = orders.get(session, order_id, lock=True)
    if was_error:
        raise TransitionRefused("This was marked as an error; record it anew.")
    newest = before.stamp
    if newest is None:
        raise NotFound(f"Nothing with id {id} was recorded.")
    require_version(newest, shown)
    words = str(changes.pop("words", ""))
    written = stamp(session, actor, order, now, before=newest, why=why, words=words)
    made = replace(before, **changes, stamp=written)
    _check(session, made, words, now)
    if isinstance(made, Ended) and isinstance(before, Ended):
        moved = made.ended_at != before.ended_at
        _check_end(session, order, made, now, in_error=in_error, moved=moved)
        _end_otherwise(session, order, made, now)
    keep(session, actor, order, [made], now, in_error=in_error)
    course_events.corrected(session, actor, order, before, made, now, in_error=in_error)
    return made


def _check(session: Session, made: Any, words: str, now: datetime) -> None:
    if isinstance(made, Vital):
        check_vital(made, now)
    elif isinstance(made, Dose):
        check_dose(made, now)
    elif isinstance(made, TreatmentSession):
        check_session(made, now)
    elif isinstance(made, MedicationChange):
        said = words or words_of(session, made.stamp)
        check_medication(made, said, clinic_calendar(session).local_date(now))


def _check_end(
    session: Session, order: Order, made: Ended, now: datetime, *, in_error: bool, moved: bool
) -> None:
    if in_error:
        raise TransitionRefused(
            "What has ended stays ended. Make a new order, and correct how this one ended."
        )
    found = course_of(session, order.id)
    check_ending(made.ending, made.reason)
    if made.ending is Ending.COMPLETED and not found.given:
        raise InvalidInput(Issue(NONE_GIVEN, ("ending",), "value"))
    last = max((one.started_at for one in found.sessions), default=made.ended_at)
    if moved and not last <= made.ended_at <= now:
        text = "Not before its last session, and not in the future."
        raise InvalidInput(Issue(text, ("ended_on",), "value"))


def _end_otherwise(session: Session, order: Order, made: Ended, now: datetime) -> None:
    """Completed or stopped: the order says the same."""
    status = STATUS_OF[made.ending]
    if orders.set_status(session, order.id, status):
        resources.amend(session, "ServiceRequest", order.id, {"status": status}, now)
