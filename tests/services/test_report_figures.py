"""The figures of the reports, against a set of requests that was counted by hand."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from referral.domain.codes import ClinicianKind, Strength, TaskStatus
from referral.domain.records import Clinician, Referral
from referral.services.keep_calendar import close_days
from referral.services.report_figures import Figures, find_figures
from referral.storage import referrals, tables
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people

DENVER: Final = ZoneInfo("America/Denver")
NEW_YORK: Final = ZoneInfo("America/New_York")
LATER: Final = datetime(2026, 11, 20, 12, tzinfo=DENVER)
OCTOBER: Final = (date(2026, 10, 1), date(2026, 10, 31))


def at(month: int, day: int, hour: int, zone: ZoneInfo = DENVER) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=zone)


def ask(session: Session, clinic: ClinicFixture, asked: Clinician) -> Referral:
    placed = people.order(session, clinic, people.patient(session, clinic))
    return people.ask(session, clinic, placed, asked)[0]


def write(session: Session, referral: Referral, channel: str = "", **values: Any) -> None:
    """What became of it, and when; `channel` is how its letter arrived."""
    table, message = tables.referral, tables.message
    session.connection.execute(update(table).where(table.c.id == referral.id).values(**values))
    if channel:
        reached = {"channel": channel, "state": "delivered", "finished_at": values["delivered_at"]}
        mine = (message.c.referral_id == referral.id) & (message.c.kind == "request")
        session.connection.execute(update(message).where(mine).values(**reached))


@pytest.fixture
def october(clinic: ClinicFixture) -> Figures:
    """Seven requests of October: four answers, one opened, one not delivered, one given back."""
    with clinic.transaction() as session:
        okafor = people.clinician(session, clinic)
        lee = people.clinician(
            session,
            clinic,
            given="Hannah",
            family="Lee",
            kind=ClinicianKind.PSYCHIATRIST,
            npi="9000000023",
            address=("1 Broadway", "New York, NY 10004"),
            email="lee@lee.example",
        )
        made = [ask(session, clinic, okafor) for _ in range(3)] + [
            ask(session, clinic, lee) for _ in range(4)
        ]
        first, second, third, fourth, opened, waiting, given_back = made
        people.respond_with(session, clinic, first)
        people.respond_with(
            session, clinic, second, people.answers("not-recommended", reason_code="unstable", reason="No.")
        )
        weighed = people.answers("recommended-with-conditions", conditions="Slowly.")
        people.respond_with(session, clinic, third, weighed)
        people.respond_with(session, clinic, fourth, strength=Strength.SINGLE_CHANNEL)
        people.respond_with(session, clinic, given_back, people.answers("not-my-patient"))
        referrals.note(session, opened.id, "portal-opened", "selector-1", NOW)
    with clinic.transaction() as session:
        made_on: dict[str, Any] = {"created_at": at(10, 5, 9)}
        # 7 + 9 + 2 hours of days of nine.
        write(session, first, "email", **made_on, delivered_at=at(10, 6, 10), closed_at=at(10, 8, 10))
        # An hour on Friday, none on Columbus Day, an hour on Tuesday.
        write(session, second, "email", **made_on, delivered_at=at(10, 9, 16), closed_at=at(10, 13, 9))
        # After closing; the clocks go back on Sunday; two days and four hours.
        late: dict[str, Any] = {
            "created_at": at(10, 26, 9),
            "delivered_at": at(10, 28, 18),
            "closed_at": at(11, 2, 12),
        }
        write(session, third, "fax", **late, shifted_days=3)
        # An hour on Monday, two closed days, two hours on Thursday; in New York.
        gone: dict[str, Any] = {
            "delivered_at": at(10, 19, 16, NEW_YORK),
            "closed_at": at(10, 22, 10, NEW_YORK),
        }
        write(session, fourth, "fax", **made_on, **gone)
        write(session, opened, **made_on, delivered_at=at(11, 16, 10))
        write(session, waiting, **made_on, delivered_at=None)
        told: dict[str, Any] = {"delivered_at": at(10, 6, 10), "identified_at": at(10, 7, 9)}
        write(session, given_back, **made_on, **told, closed_at=at(10, 7, 10))
        outside = ask(session, clinic, okafor)
        write(session, outside, created_at=at(9, 30, 23), closed_at=at(10, 1, 9), status=TaskStatus.CANCELLED)
        close_days(session, clinic.actor, lee.id, ("2026-10-20", "2026-10-21", "Away"), at(10, 1, 9))
        return find_figures(session, *OCTOBER, LATER)


def test_the_funnel_counts_how_far_requests_came(october: Figures) -> None:
    found = october.funnel
    assert (found.requested, found.delivered, found.opened) == (7, 6, 6)
    assert (found.identified, found.answered, found.usable) == (5, 4, 1)
    assert found.copies == 0


def test_an_answer_takes_the_business_hours_of_its_recipient(october: Figures) -> None:
    took, names = october.took, october.names
    assert took.all is not None
    assert took.all.median == pytest.approx((3 / 9 + 18 / 9) / 2)
    assert (took.all.answers, took.all.fast) == (4, 4)
    by_name = {names[id]: one for id, one in took.clinician.items()}
    assert by_name["Chidi Okafor, MD"].median == pytest.approx(2.0)
    assert by_name["Hannah Lee, MD"].median == pytest.approx(3 / 9)
    assert took.channel["email"].median == pytest.approx((2 / 9 + 18 / 9) / 2)
    assert took.channel["fax"].median == pytest.approx((3 / 9 + 22 / 9) / 2)
    assert {week: one.answers for week, one in took.week.items()} == {
        date(2026, 10, 5): 3,
        date(2026, 10, 26): 1,
    }


def test_pauses_are_told_and_the_clock_goes_on(october: Figures) -> None:
    assert october.took.all is not None
    assert (october.took.all.paused, october.took.all.paused_days) == (1, 3)


def test_open_requests_are_counted_by_age_since_the_first_delivery(october: Figures) -> None:
    assert october.undelivered == 1
    assert october.ages == (0, 0, 1, 0, 0, 0)


def test_another_period_counts_other_requests(clinic: ClinicFixture, october: Figures) -> None:
    with clinic.transaction() as session:
        found = find_figures(session, date(2026, 9, 1), date(2026, 9, 30), LATER)
        assert (found.funnel.requested, found.funnel.answered, found.took.all) == (1, 0, None)
        week = find_figures(session, date(2026, 10, 26), date(2026, 10, 31), LATER)
    assert (week.funnel.requested, week.funnel.answered) == (1, 1)
    assert october.funnel.requested == 7


def test_nothing_is_counted_for_another_clinic(other_clinic: ClinicFixture, october: Figures) -> None:
    assert october.funnel.requested == 7
    with other_clinic.transaction() as session:
        found = find_figures(session, *OCTOBER, LATER)
    assert (found.funnel.requested, found.undelivered, found.took.all, found.ending) == (0, 0, None, {})
