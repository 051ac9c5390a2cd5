"""Reads the course of an order, and what was written with it: for reports, scales, measures and pages."""

from __future__ import annotations

from collections.abc import Iterable

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.course import Course, Stamp
from referral.domain.records import Order
from referral.storage import audit, course, documents, orders
from referral.storage.db import Session


def course_of(session: Session, order_id: str) -> Course:
    """The course as it stands now; NotFound where there is no such order.

    Who looks at it has to say so: this is only the reading, the audit row is the caller's.
    """
    return courses_of(session, [orders.get(session, order_id)])[order_id]


def read_course(session: Session, actor: Actor, order_id: str) -> Course:
    """As course_of(), for somebody who looks at it: with the audit row of the look."""
    found = course_of(session, order_id)
    entry = AuditEntry(
        action=Action.READ,
        subtype="course",
        entity=f"ServiceRequest/{order_id}",
        patient_id=found.patient_id,
    )
    audit.record(session, actor, entry)
    return found


def courses_of(session: Session, placed: Iterable[Order]) -> dict[str, Course]:
    """The courses of many orders, by order id, with as many statements as for one."""
    return course.courses(session, placed)


def words_of(session: Session, stamp: Stamp) -> str:
    """What was written with a version, "" where nothing was."""
    return documents.get(session, stamp.words_id).content.decode() if stamp.words_id else ""


def words_of_each(session: Session, stamps: Iterable[Stamp]) -> list[str]:
    """The same of several, with one statement."""
    ids = [stamp.words_id or "" for stamp in stamps]
    kept = documents.get_many(session, filter(None, ids))
    return [kept[id].content.decode() if id else "" for id in ids]
