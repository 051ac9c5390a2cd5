"""The demo clinic: a newcomer finds a course in its middle and one that is over, with all its reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from referral.domain.follow_up import Outcome
from referral.domain.report_rules import Occasion
from referral.embedded import Engines
from referral.letters.render import Renderer
from referral.services.attention import Reason
from referral.services.course import courses_of
from referral.services.deliver_messages import deliver_due
from referral.services.demo import ensure_demo
from referral.services.demo_courses import add_demo_courses
from referral.services.find_today import find_today
from referral.storage import course_reports, follow_ups, orders, referrals
from referral.storage.db import Database
from referral.storage.demo_history import dating_back
from tests.database import ClinicFixture, make_clinic
from tests.faults.pretend import Typist
from tests.services.sending import delivery


def this_morning() -> datetime:
    """The last seven in Denver, before anything leaves on that day. The gate goes by the real clock."""
    now = datetime.now(ZoneInfo("America/Denver"))
    early = now.replace(hour=7, minute=0, second=0, microsecond=0)
    return (early if early <= now else early - timedelta(days=1)).astimezone(UTC)


def test_the_demo_tells_of_two_courses(engines: Engines, database: Database, renderer: Renderer) -> None:
    now = this_morning()
    with database.transaction() as session:
        clinic_id = ensure_demo(session, now)
    demo = replace(make_clinic(database), id=clinic_id)

    def deliver(at: datetime) -> None:
        deliver_due(delivery(demo, Typist(renderer), at), clinic_id)

    with dating_back(engines.admin_url, clinic_id) as date_back:
        add_demo_courses(demo.transaction, date_back, deliver, now)
    assert story(demo, "under way") == (3, None, {Occasion.DECISION: True, Occasion.MID_COURSE: False})
    arrived = (Occasion.DECISION, Occasion.MID_COURSE, Occasion.END_OF_COURSE, Occasion.CLOSURE)
    assert story(demo, "over") == (6, Outcome.SEEN, dict.fromkeys(arrived, True))
    with demo.transaction() as session:
        board = find_today(session, replace(demo.actor, clinic_id=clinic_id), now.date(), now)
        # Nothing of it waits for somebody to act.
        assert {item.reason for item in board.attention} & {Reason.LATE_REPORT, Reason.FOLLOW_UP} == set()


def story(demo: ClinicFixture, which: str) -> tuple[int, Outcome | None, dict[Occasion, bool]]:
    """How many weekly sessions were given, what became of the visit, and which reports have left."""
    with demo.transaction() as session:
        asked = [one for one in referrals.find(session) if not one.is_open]
        found = {one.order_id: one for one in asked}
        courses = courses_of(session, [orders.get(session, id) for id in found])
        id = next(id for id, course in courses.items() if (course.end is None) == (which == "under way"))
        days = [one.started_at for one in courses[id].given]
        assert {after - before for before, after in pairwise(days)} == {timedelta(days=7)}
        visit = follow_ups.of_referral(session, found[id].id)
        assert visit is not None
        reports = course_reports.of_referral(session, found[id].id)
        return len(days), visit.outcome, {one.report.occasion: one.has_arrived for one in reports}
