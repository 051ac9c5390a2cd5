"""The measures of the return leg, against fifty courses that were counted by hand."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain, repeat
from typing import Any, Final

import pytest
from sqlalchemy import event, insert, update

from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.consent import ConsentDecision, Consented, ConsentScope
from referral.domain.course import ChangeReason, Ended, Ending, Stamp
from referral.domain.follow_up import FollowUp, Outcome
from referral.domain.records import Clinician, Order, Referral
from referral.domain.report_rules import Occasion, Withheld
from referral.fhir.validation import issues_in
from referral.services.measure_figures import (
    CMS50,
    DATED,
    DAYS,
    REPORTED,
    SEEN,
    Measured,
    find_measures,
    report_of,
)
from referral.storage import consents, course, course_reports, follow_ups, outbox, recommendations, tables
from referral.storage.course_reports import CourseReport
from referral.storage.db import Session
from referral.storage.measures import Proportion, Spread
from referral.storage.recommendations import NewRecommendation
from tests.database import NOW, ClinicFixture
from tests.services import people

_WHY: Final = ChangeReason.TYPING_ERROR
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
    """So many courses alike. `report` is its message's state, why it was withheld, or "refused" on its way.

    `visit` is what was promised: "undated", "ahead" from today on, "passed", "lost", "not-ours", or "seen" so
    many `days` after the end of the course, which may be before it. Empty: nobody has promised anything.
    """

    count: int
    ended: datetime | None
    report: str
    asked: datetime
    seen: bool = True
    decision: str = "recommended"
    answered: datetime = IN_NOVEMBER
    denied: bool = False
    again: bool = False
    visit: str = ""
    days: int = 0


# Reports: recommenders of courses that ended in October / have the report / left out. CMS50: asked and seen /
# answered. Visits: patients of courses that ended in October / with a day for the visit / of these seen / of
# these the day has not passed. Each row adds what stands behind it.
COURSES: Final = (
    # 14/14/0   14/14   14/14/14/0
    Same(5, IN_OCTOBER, "delivered", IN_MAY, visit="seen", days=7),
    Same(5, IN_OCTOBER, "delivered", IN_MAY, visit="seen", days=14),
    Same(4, IN_OCTOBER, "delivered", IN_MAY, visit="seen", days=21),
    # 5/5/0    5/5    5/5/2/0    asked on October 31 of Denver; three were seen before the course ended
    Same(2, IN_OCTOBER, "accepted", LAST_HOUR, visit="seen", days=0),
    Same(3, IN_OCTOBER, "accepted", LAST_HOUR, visit="seen", days=-3),
    Same(3, IN_OCTOBER, "failed", IN_MAY, visit="ahead"),  # 3/0/0    3/3    3/3/0/3
    Same(1, IN_OCTOBER, "ready", IN_MAY, decision="not-recommended"),  # 1/0/0    1/1    1/0/0/0
    # 0/0/1    1/1    1/0/0/0    a no while it was on its way; a newer answer has replaced the promise
    Same(1, IN_OCTOBER, "refused", IN_MAY, visit="superseded"),
    Same(4, IN_OCTOBER, "consent", IN_MAY, visit="passed"),  # 0/0/4    4/4    4/4/0/0
    Same(2, IN_OCTOBER, "not-wanted", IN_MAY, visit="lost"),  # 0/0/2    2/2    2/2/0/0
    Same(1, IN_OCTOBER, "not-wanted", IN_MAY, visit="not-ours"),  # 0/0/1    1/1    1/1/0/0
    Same(1, IN_OCTOBER, "no-contact", IN_MAY, visit="undated"),  # 1/0/0    1/1    1/0/0/0
    Same(1, IN_OCTOBER, "no-contact", IN_MAY, visit="seen", days=90),  # 1/0/0    1/1    1/1/1/0
    Same(6, BEFORE, "delivered", IN_MAY, visit="seen", days=5),  # nothing  6/6    nothing  ended in September
    Same(3, None, "", TOO_LATE, visit="seen"),  # nothing  nothing  nothing asked after October 31, no end
    Same(2, None, "", IN_MAY, seen=False),  # nothing  nothing
    Same(3, None, "", IN_MAY, decision="", again=True),  # nothing  3/0    only the first request counts
    Same(1, None, "", IN_MAY, answered=NEXT_YEAR),  # nothing  1/0
    Same(1, None, "", IN_MAY, decision=""),  # nothing  1/0    wants to see the patient first
    Same(1, None, "", IN_MAY, denied=True),  # nothing  1/0    "that was not me"
)
# 14 + 5 + 3 + 1 + 2 = 25, of which 14 + 5 = 19; left out 4 + 3 + 1 = 8.
BY_HAND_REPORTED: Final = Proportion(denominator=25, numerator=19, excluded=8)
# 14 + 5 + 3 + 2 + 4 + 3 + 2 + 6 = 39 answered, and 3 + 1 + 1 + 1 = 6 not: 45.
BY_HAND_CMS50: Final = Proportion(denominator=45, numerator=39)
# 14 + 5 + 3 + 2 + 4 + 3 + 2 = 33 courses in October; without a day are these two and the undated one.
BY_HAND_DATED: Final = Proportion(denominator=33, numerator=30)
# 30 less the three whose day is ahead; 14 + 2 + 1 = 17 were seen.
BY_HAND_SEEN: Final = Proportion(denominator=27, numerator=17, excluded=3)
# 0 0 7 7 7 7 7 14 14 14 14 14 21 21 21 21 90: the fifth, the ninth and the thirteenth of 17.
BY_HAND_DAYS: Final = Spread(population=33, counted=17, low=7.0, median=14.0, high=21.0)


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
        state = "cancelled" if row.report == "refused" else row.report
        session.connection.execute(update(table).where(table.c.id == message.id).values(state=state))
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
    if row.report == "refused":
        no = Consented(
            consent_id="c",
            patient_id=referral.patient_id,
            scope=ConsentScope.RECOMMENDER,
            decision=ConsentDecision.WITHDRAWN,
            made_by="test",
            at=row.ended,
        )
        consents.add(session, no)


def ended(session: Session, order: Order, at: datetime, words: tuple[bool, ...]) -> None:
    """A course that ended then, said in as many versions; a version that is True was an error."""
    for version, in_error in enumerate(words, 1):
        stamp = Stamp(version=version, recorded_by="test", recorded_at=at, why=_WHY if version > 1 else None)
        said = Ended(ending=Ending.COMPLETED, reason=None, ended_at=at, stamp=stamp)
        course.add(session, order, said, in_error=in_error)


def promised(session: Session, referral: Referral, row: Same) -> None:
    """What was promised with the answer, and what has become of it by NOW."""
    if not row.visit:
        return
    end = (row.ended or IN_OCTOBER).date()
    settled = row.visit in ("seen", "lost", "not-ours", "superseded")
    made = FollowUp(
        id=str(uuid.uuid4()),
        recommendation_id="given",
        referral_id=referral.id,
        patient_id=referral.patient_id,
        order_id=referral.order_id,
        clinician_id=referral.clinician_id,
        within="4-weeks",
        adjuster=None,
        promised_at=row.answered,
        due_on={"undated": None, "ahead": NOW.date()}.get(row.visit, end + timedelta(days=3)),
        outcome=Outcome(row.visit) if settled else None,
        outcome_on=end + timedelta(days=row.days) if row.visit == "seen" else None,
        settled_at=NOW if settled else None,
        settled_by="test" if settled else None,
    )
    assert follow_ups.add(session, made)


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
        promised(session, referral, row)
        if row.ended is not None:
            ended(session, order, row.ended, (False,))
        if row.again:
            later = asked(session, clinic, lee, order, IN_OCTOBER)
            answer(session, later, Same(1, None, "", IN_OCTOBER))


@pytest.fixture
def measured(clinic: ClinicFixture) -> dict[str, Measured]:
    assert sum(row.count for row in COURSES) == 50
    with clinic.transaction() as session:
        lay_out(session, clinic)
    with clinic.transaction() as session:
        return {one.name: one for one in find_measures(session, *OCTOBER, NOW)}


def test_fifty_courses_are_counted_as_by_hand(clinic: ClinicFixture, measured: dict[str, Measured]) -> None:
    assert measured[REPORTED].counted == BY_HAND_REPORTED
    assert measured[CMS50].counted == BY_HAND_CMS50
    assert measured[DATED].counted == BY_HAND_DATED
    assert measured[SEEN].counted == BY_HAND_SEEN
    assert measured[DAYS].counted == BY_HAND_DAYS
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
        "denominator-exclusion": 8,
        "numerator": 19,
    }
    assert group["measureScore"] == {"value": 0.76}
    (group,) = told["cms50-2026-01-01-2026-12-31"]
    assert group["measureScore"] == {"value": 0.8667}
    (group,) = told["follow-up-seen-2026-10-01-2026-10-31"]
    assert group["measureScore"] == {"value": 0.6296}
    groups = told["follow-up-days-2026-10-01-2026-10-31"]
    assert [(one["code"]["text"], one["measureScore"]["value"]) for one in groups] == [
        ("First quartile", 7.0),
        ("Median", 14.0),
        ("Third quartile", 21.0),
    ]
    assert {row["code"]["coding"][0]["code"]: row["count"] for row in groups[1]["population"]} == {
        "initial-population": 33,
        "measure-population": 17,
        "measure-observation": 17,
    }


@pytest.mark.parametrize(
    ("name", "counted"),
    [(REPORTED, {"course_report"}), (SEEN, {"follow_up"}), (DATED, {"follow_up"}), (CMS50, {"consultation"})],
)
def test_one_measure_is_counted_without_the_others(
    clinic: ClinicFixture, name: str, counted: set[str]
) -> None:
    """By the tables that are read: each measure has one of its own."""
    with clinic.transaction() as session:
        said: list[str] = []
        event.listen(session.connection, "before_cursor_execute", lambda *given: said.append(given[2]))
        found = find_measures(session, *OCTOBER, NOW, {name})
    read = " ".join(said)
    assert [one.name for one in found] == [name]
    assert {one for one in ("course_report", "follow_up", "consultation") if f" {one} " in read} == counted


def test_what_was_said_last_of_an_end_counts(clinic: ClinicFixture) -> None:
    """An end that was an error is none, and one that was taken back and said again is one."""
    with clinic.transaction() as session:
        for words in ((False, True), (False, True, False)):
            order = people.order(session, clinic, people.patient(session, clinic))
            ended(session, order, IN_OCTOBER, words)
    with clinic.transaction() as session:
        found = {one.name: one.counted for one in find_measures(session, *OCTOBER, NOW)}
    assert (found[DATED], found[SEEN]) == (Proportion(1, 0), Proportion(0, 0))
    assert found[DAYS] == Spread(population=1, counted=0)
