"""A clinic that is closed after a restore: what staff and visitors see, and how two people reopen it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from referral.domain.codes import Channel, Role
from referral.services.accounts import NewUser, add_user
from referral.storage import accounts, mode
from tests.database import ClinicFixture
from tests.web.desk import OpenDesk
from tests.web.portal_case import Case, make_case

PASSWORD = "a password of twenty-eight"


@pytest.fixture
def case(clinic: ClinicFixture) -> Iterator[Case]:
    """One request in a clinic that is closed; it is open again after the test, since the portal is shared."""
    made = make_case(clinic)
    with clinic.transaction() as session:
        mode.add(session, "entered", "system", "The stream knows more.")
    yield made
    with clinic.transaction() as session:
        if not mode.is_restoring(session):
            return
        mode.add(session, "reconciled", "system")
        for role in (Role.MEDICAL_DIRECTOR, Role.ADMIN):
            new = NewUser(email=f"{role}-{clinic.id}@end.example", name="End", role=role, password=PASSWORD)
            mode.add(session, "approved", last := add_user(session, clinic.actor, new))
        mode.add(session, "reopened", last)


def reconciled(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        mode.add(session, "reconciled", "system", done={"voided": 2}, lost=["R-2026-00001: ask again."])


def with_password(clinic: ClinicFixture, user_id: str) -> None:
    """A password for somebody who is signed in already."""
    with clinic.transaction() as session:
        new = NewUser(email=f"{user_id}@x.example", name="Model", role=Role.FRONT_DESK, password=PASSWORD)
        made = add_user(session, clinic.actor, new)
        model = accounts.get_users(session)[made]
        accounts.change_user(session, user_id, password_hash=model.password_hash)


def body_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.text


def test_the_portal_answers_every_link_and_every_step_with_the_same_calm_page(case: Case) -> None:
    good, dead = case.link(Channel.FAX), case.link(Channel.FAX)
    with case.clinic.transaction() as session:
        session.connection.exec_driver_sql(
            "UPDATE portal_credential SET revoked_at = now() WHERE selector = %s", (dead.selector,)
        )
    with case.browser() as browser:
        links = (f"/r/{good.selector}/{good.secret}", f"/r/{dead.selector}/{dead.secret}", "/r/unknown/link")
        answers = {body_of(browser.post(path)) for path in links}
        answers.add(body_of(browser.post("/request/code", {"code": good.short_code})))
        answers.add(body_of(browser.post("/request/fresh-link", {"selector": good.selector})))
        answers.add(body_of(browser.get("/request")))
        assert len(answers) == 1
        ((status, page),) = answers
        assert status == 503
        assert "This page is closed for the moment" in page
        assert not re.search(r"(?i)backup|restor|reconcil", page)
        # The first page of a link stays constant: it looks nothing up.
        assert browser.get(links[0]).status_code == 200
    with case.clinic.transaction() as session:
        opened = session.connection.exec_driver_sql(
            "SELECT count(*) FROM portal_session WHERE clinic_id = %s", (case.clinic.id,)
        ).scalar_one()
    assert opened == 0


def test_every_staff_page_says_that_the_clinic_is_closed(case: Case, open_desk: OpenDesk) -> None:
    desk = open_desk(case.clinic)
    for path in ("/", "/orders", "/requests/new"):
        assert "Closed after a restore" in desk.get(path)
    shown = desk.get("/restore")
    assert "referral reconcile" in shown
    assert "Approve the reopening" not in shown
    desk.post("/restore", password=PASSWORD)
    assert desk.status == 403


def test_two_people_with_their_passwords_reopen_the_clinic(case: Case, open_desk: OpenDesk) -> None:
    clinic = case.clinic
    admin, director = open_desk(clinic, Role.ADMIN), open_desk(clinic, Role.MEDICAL_DIRECTOR)
    with_password(clinic, admin.user_id)
    with_password(clinic, director.user_id)
    assert "Approve the reopening" not in admin.get("/restore")
    assert "`referral reconcile` comes first." in admin.post("/restore", password=PASSWORD)
    reconciled(clinic)
    shown = admin.get("/restore")
    assert "Recommendations voided again: 2" in shown
    assert "R-2026-00001: ask again." in shown
    assert "This is not your password" in admin.post("/restore", password="another password")
    assert admin.status == 422
    assert "A second person has to approve as well" in admin.post("/restore", password=PASSWORD)
    assert "So far: Robin Desk." in admin.get("/restore")
    assert "Approve the reopening" not in admin.page
    assert "You have approved already" in admin.post("/restore", password=PASSWORD)
    assert "Closed after a restore" in director.get("/")
    director.get("/restore")
    assert "The clinic is open" in director.post("/restore", password=PASSWORD)
    assert "Closed after a restore" not in director.get("/")
    with clinic.transaction() as session:
        assert not mode.is_restoring(session)
        audited = session.connection.exec_driver_sql(
            "SELECT subtype FROM audit_event WHERE clinic_id = %s AND subtype LIKE 'restore-%%' ORDER BY id",
            (clinic.id,),
        ).scalars()
        assert list(audited) == ["restore-approved", "restore-approved", "restore-reopened"]


def test_health_and_metrics_say_so(case: Case) -> None:
    with case.browser() as browser:
        assert browser.get("/health/ready").json() == {"status": "ready", "mode": "restore"}
        assert "referral_restore_mode 1.0" in browser.get("/metrics").text
