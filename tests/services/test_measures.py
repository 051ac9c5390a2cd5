"""The measures of the return leg, against fifty courses that were counted by hand."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain, repeat
from typing import Any, Final

import pytest
from sqlalchemy import insert, update

from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.records import Clinician, Referral
from referral.domain.report_rules import Occasion, Withheld
from referral.fhir.validation import issues_in
from referral.services.measure_figures import CMS50, REPORTED, Measured, find_measures, report_of
from referral.storage import course_reports, outbox, recommendations, tables
from referral.storage.course_reports import CourseReport
from referral.storage.db import Session
from referral.storage.measures import Proportion
from referral.storage.recommendations import NewRecommendation
from tests.database import NOW, ClinicFixture
from tests.services import people

OCTOBER: Final = (date(2026, 10, 1), date(2026, 10, 31))
# Of Denver: the last hour of October 31, and the first of November 1.
IN_MAY: Final = datetime(2026, 5, 4, 16, tzinfo=UTC)
LAST_HOUR: Final = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
TOO_LATE: Final = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
IN_OCTOBER: Final = datetime(2026, 10, 20, 18, tzinfo=UTC)
BEFORE: Final = datetime(2026, 9, 30, 18, tzinfo=UTC)
IN_NOVEMBER: Final = datetime(2026, 11, 20, 18, tzinfo=UTC)
NEXT_YEAR: Final = datetime(2027, 1, 2, 18, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Same:
    """So many courses alike. `report` is what became of its report: a message's state, or why withheld."""

    count: int
    ended: datetime | None
    report: str
    asked: datetime
    seen: bool = True
    decision: str = "recommended"
    answered: datetime = IN_NOVEMBER
    denied: bool = False
    again: bool = False


# Reports: recommenders of courses that ended in October / have the report / left out. CMS50: asked and seen /
# answered. Each row adds what stands behind it.
COURSES: Final = (
    Same(14, IN_OCTOBER, "delivered", IN_MAY),  # 14/14/0   14/14
    Same(5, IN_OCTOBER, "accepted", LAST_HOUR),  # 5/5/0    5/5    asked on October 31 of Denver
    Same(3, IN_OCTOBER, "failed", IN_MAY),  # 3/0/0    3/3
    Same(2, IN_OCTOBER, "ready", IN_MAY, decision="not-recommended"),  # 2/0/0    2/2
    Same(4, IN_OCTOBER, "consent", IN_MAY),  # 0/0/4    4/4
    Same(3, IN_OCTOBER, "not-wanted", IN_MAY),  # 0/0/3    3/3
    Same(2, IN_OCTOBER, "no-contact", IN_MAY),  # 2/0/0    2/2
    Same(6, BEFORE, "delivered", IN_MAY),  # nothing  6/6    ended in September
    Same(3, None, "", TOO_LATE),  # nothing  nothing asked after October 31
    Same(2, None, "", IN_MAY, seen=False),  # nothing  nothing
    Same(3, None, "", IN_MAY, decision="", again=True),  # nothing  3/0    only the first request counts
    Same(1, None, "", IN_MAY, answered=NEXT_YEAR),  # nothing  1/0
    Same(1, None, "", IN_MAY, decision=""),  # nothing  1/0    wants to see the patient first
    Same(1, None, "", IN_MAY, denied=True),  # nothing  1/0    "that was not me"
)
# 14 + 5 + 3 + 2 + 2 = 26, of which 14 + 5 = 19; left out 4 + 3 = 7.
BY_HAND_REPORTED: Final = Proportion(denominator=26, numerator=19, excluded=7)
# 14 + 5 + 3 + 2 + 4 + 3 + 2 + 6 = 39 answered, and 3 + 1 + 1 + 1 = 6 not: 45.
BY_HAND_CMS50: Final = Proportion(denominator=45, numerator=39)


def asked(session: Session, clinic: ClinicFixture, whom: Clinician, order: Any, at: datetime) -> Referral:
    made = people.ask(session, clinic, order, whom)[0]
    table = tables.referral
    session.connection.execute(update(table).where(table.c.id == made.id).values(created_at=at))
    return made


def answer(session: Session, referral: Referral, row: Same) -> None:
    new = NewRecommendation(
        id=str(uuid.uuid4()),
        patient_id=referral.patient_id,
        order_id=referral.order_id,
        referral_id=referral.id,
        clinician_id=referral.clinician_id,
        clinician_kind=ClinicianKind.PSYCHIATRIST,
        decision=Decision(row.decision),
        covers=("F33.2",),
        red_flags=(),
        strength=Strength.TWO_CHANNEL,
        answered_at=row.answered,
        valid_until=row.answered.replace(year=row.answered.year + 1),
        response_id="response",
    )
    recommendations.add(session, new)
    if row.denied:
        recommendations.remark(session, new.id, "void", "staff", "Not theirs.", cause="denied")


def reported(session: Session, referral: Referral, row: Same) -> None:
    if row.ended is None:
        return
    (message,) = outbox.find(session, referral_id=referral.id)
    withheld = next((one for one in Withheld if one == row.report), None)
    if withheld is None:
        table = tables.message
        session.connection.execute(update(table).where(table.c.id == message.id).values(state=row.report))
    report = CourseReport(
        id=str(uuid.uuid4()),
        patient_id=referral.patient_id,
        order_id=referral.order_id,
        referral_id=referral.id,
        occasion=Occasion.END_OF_COURSE,
        about="",
        treats=None,
        happened_at=row.ended,
        queue_at=row.ended,
        due_at=row.ended,
        state="withheld" if withheld else "queued",
        withheld_for=withheld,
        message_id=None if withheld else message.id,
        bundle_id=None,
        created_by="test",
        created_at=row.ended,
    )
    assert course_reports.add(session, report)


def lay_out(session: Session, clinic: ClinicFixture) -> None:
    okafor = people.clinician(session, clinic)
    lee = people.clinician(
        session, clinic, given="Hannah", family="Lee", npi="9000000023", email="lee@lee.example"
    )
    for row in chain.from_iterable(repeat(one, one.count) for one in COURSES):
        order = people.order(session, clinic, people.patient(session, clinic))
        referral = asked(session, clinic, okafor, order, row.asked)
        if row.seen:
            values = {
                "clinic_id": session.clinic,
                "encounter_id": str(uuid.uuid4()),
                "patient_id": order.patient_id,
                "order_id": order.id,
                "held_at": IN_OCTOBER,
                "recorded_by": "test",
            }
            session.connection.execute(insert(tables.consultation).values(**values))
        if row.decision:
            answer(session, referral, row)
        reported(session, referral, row)
        if row.again:
            later = asked(session, clinic, lee, order, IN_OCTOBER)
            answer(session, later, Same(1, None, "", IN_OCTOBER))


@pytest.fixture
def measured(clinic: ClinicFixture) -> dict[str, Measured]:
    assert sum(row.count for row in COURSES) == 50
    with clinic.transaction() as session:
        lay_out(session, clinic)
    with clinic.transaction() as session:
        return {one.name: one for one in find_measures(session, *OCTOBER)}


def test_fifty_courses_are_counted_as_by_hand(clinic: ClinicFixture, measured: dict[str, Measured]) -> None:
    assert measured[REPORTED].counted == BY_HAND_REPORTED
    assert measured[CMS50].counted == BY_HAND_CMS50
    assert (measured[CMS50].first, measured[CMS50].last) == (date(2026, 1, 1), date(2026, 12, 31))
    with clinic.transaction() as session:
        found = [report_of(session, one, NOW) for one in measured.values()]
    for document in found:
        inside: Any = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": document}]}
        assert issues_in(inside) == []
    told: Any = {document["id"]: document["group"] for document in found}
    (group,) = told["end-of-course-report-2026-10-01-2026-10-31"]
    assert {row["code"]["coding"][0]["code"]: row["count"] for row in group["population"]} == {
        "initial-population": 33,
        "denominator": 33,
        "denominator-exclusion": 7,
        "numerator": 19,
    }
    assert group["measureScore"] == {"value": 0.7308}
    (group,) = told["cms50-2026-01-01-2026-12-31"]
    assert group["measureScore"] == {"value": 0.8667}
