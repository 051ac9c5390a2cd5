"""What is long dead is removed, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from referral.domain.codes import Channel, Role
from referral.services.close_referral import cancel_referral
from referral.services.forget_sessions import KEPT, forget_sessions
from referral.storage import accounts, credentials, tables
from tests.database import NOW, ClinicFixture
from tests.web.desk import add_person
from tests.web.portal_case import Case, make_case

JUST = KEPT - timedelta(seconds=1)


def visit(case: Case, name: str, at: datetime, draft: bytes | None = None) -> str:
    """Somebody came by a link then; returns the token."""
    minted, token = case.link(Channel.FAX), f"{name} {case.clinic.id}"
    with case.clinic.transaction() as session:
        credentials.open_session(
            session, token, selector=minted.selector, csrf_token="c", came_by="link", now=at
        )
        found = credentials.find_session(session, token)
        assert found is not None
        credentials.change_session(session, found.token_digest, sealed_draft=draft)
    return token


def forget(clinic: ClinicFixture) -> int:
    with clinic.transaction() as session:
        return forget_sessions(session, NOW)


def is_there(clinic: ClinicFixture, token: str) -> bool:
    with clinic.transaction() as session:
        return credentials.find_session(session, token) is not None


@pytest.mark.parametrize(("age", "stays"), [(KEPT + timedelta(seconds=1), False), (JUST, True)])
def test_visits_of_the_portal_are_forgotten_after_thirty_days(
    clinic: ClinicFixture, age: timedelta, stays: bool
) -> None:
    token = visit(make_case(clinic), "visit", NOW - age)
    forget(clinic)
    assert is_there(clinic, token) is stays


def test_a_draft_stays_as_long_as_its_request_is_open(clinic: ClinicFixture) -> None:
    case = make_case(clinic)
    token = visit(case, "visit", NOW - 2 * KEPT, b"a draft")
    forget(clinic)
    assert is_there(clinic, token)
    with clinic.transaction() as session:
        cancel_referral(session, clinic.actor, case.referral.id, case.referral.version, "changed plans", NOW)
    forget(clinic)
    assert not is_there(clinic, token)


def test_sign_ins_are_forgotten_and_those_of_other_clinics_are_not_touched(
    clinic: ClinicFixture, other_clinic: ClinicFixture
) -> None:
    ages = {"old": KEPT + timedelta(seconds=1), "new": JUST}
    for where in (clinic, other_clinic):
        user = add_person(where, Role.FRONT_DESK)
        with where.transaction() as session:
            for name, age in ages.items():
                accounts.open_session(session, f"{name} {where.id}", user, "c", NOW - age)
    assert forget(clinic) >= 1
    known = {}
    for where in (clinic, other_clinic):
        with where.transaction() as session:
            known[where.id] = session.connection.scalar(
                select(func.count()).where(tables.staff_session.c.clinic_id == where.id)
            )
    assert known == {clinic.id: 1, other_clinic.id: 2}


def test_counters_are_forgotten_and_the_audit_is_kept(clinic: ClinicFixture) -> None:
    case = make_case(clinic)
    counted = select(func.count()).select_from(tables.audit_event)
    with clinic.transaction() as session:
        for name, age in (("old", KEPT + timedelta(hours=2)), ("new", timedelta(days=1))):
            assert credentials.has_misses_left(session, f"{name} {clinic.id}", NOW - age)
        before = session.connection.scalar(counted)
    forget(clinic)
    with clinic.transaction() as session:
        left = session.connection.scalars(
            select(tables.portal_throttle.c.source).where(
                tables.portal_throttle.c.source.like(f"%{clinic.id}")
            )
        ).all()
        assert session.connection.scalar(counted) == before
    assert left == [f"new {clinic.id}"]
    assert case.events() != []
