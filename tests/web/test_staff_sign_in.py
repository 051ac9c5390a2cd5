"""Signing in and out, throttling, idle sessions, forged forms and what each role may see."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import argon2
import httpx
import pytest

from referral.domain.codes import Role
from referral.services.accounts import NewUser, add_user, source_of
from referral.storage import accounts, audit
from tests.database import ClinicFixture, Clock
from tests.processes import ROOT
from tests.services import people
from tests.web.client import application
from tests.web.desk import OpenDesk
from tests.web.portal_case import serve

PASSWORD = "a quiet harbour at dawn"


@pytest.fixture
def clock() -> Clock:
    """Each test its own hour: refusals are counted by address and hour."""
    return Clock()


@pytest.fixture
def browser(clinic: ClinicFixture, clock: Clock) -> Iterator[httpx.Client]:
    """Nobody is signed in; one receptionist has an account."""
    new = NewUser(email=email(clinic), name="Robin Desk", role=Role.FRONT_DESK, password=PASSWORD)
    with clinic.transaction() as session:
        add_user(session, clinic.actor, new)
    with serve(application(clinic, clock)) as address, httpx.Client(verify=False, base_url=address) as client:
        yield client


def email(clinic: ClinicFixture) -> str:
    return f"robin-{clinic.id}@clinic.example"


def sign_in(
    browser: httpx.Client, clinic: ClinicFixture, password: str = PASSWORD, **more: str
) -> httpx.Response:
    return browser.post("/sign-in", data={"email": email(clinic), "password": password, **more})


def test_the_right_password_opens_the_page_that_was_asked_for(
    browser: httpx.Client, clinic: ClinicFixture
) -> None:
    asked = browser.get("/orders?q=secret-name")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=/orders")
    assert 'name="next" value="/orders"' in browser.get(asked.headers["location"]).text
    opened = sign_in(browser, clinic, next="/orders")
    assert (opened.status_code, opened.headers["location"]) == (303, "/orders")
    cookie = opened.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Path=/"))
    assert "Robin Desk" in browser.get("/orders").text


@pytest.mark.parametrize("onward", ["//evil.example", "/\\evil.example", "https://evil.example", "/sign-out"])
def test_signing_in_leads_to_no_other_place(
    browser: httpx.Client, clinic: ClinicFixture, onward: str
) -> None:
    assert sign_in(browser, clinic, next=onward).headers["location"] == "/"


def test_behind_https_the_cookie_is_bound_to_the_host(clinic: ClinicFixture, browser: httpx.Client) -> None:
    app = application(clinic, base_url="https://referral.example")
    with serve(app) as address, httpx.Client(verify=False, base_url=address) as other:
        cookie = sign_in(other, clinic).headers["set-cookie"]
    assert cookie.startswith("__Host-referral_staff=")
    assert "Secure" in cookie


def test_a_wrong_password_and_an_unknown_person_read_the_same(
    browser: httpx.Client, clinic: ClinicFixture
) -> None:
    wrong = sign_in(browser, clinic, "not the password at all")
    unknown = browser.post("/sign-in", data={"email": "nobody@clinic.example", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace(email(clinic), "") == unknown.text.replace("nobody@clinic.example", "")
    assert "set-cookie" not in wrong.headers
    assert PASSWORD not in unknown.text


def test_ten_wrong_passwords_pause_the_account_although_each_was_refused(
    browser: httpx.Client, clinic: ClinicFixture, clock: Clock
) -> None:
    for _ in range(10):
        assert sign_in(browser, clinic, "not the password at all").status_code == 401
    assert sign_in(browser, clinic).status_code == 401
    clock.now += timedelta(minutes=16)
    assert sign_in(browser, clinic).status_code == 303


def test_sixty_refusals_in_an_hour_close_the_door_for_their_address(
    browser: httpx.Client, clinic: ClinicFixture, clock: Clock
) -> None:
    clock.now += timedelta(days=30)
    with clinic.transaction() as session:
        for _ in range(59):
            accounts.count_failed_sign_in(session, source_of("127.0.0.1"), clock.now)
    assert browser.post("/sign-in", data={"email": "guess@clinic.example", "password": ""}).status_code == 401
    assert sign_in(browser, clinic).status_code == 429
    clock.now += timedelta(hours=1)
    assert sign_in(browser, clinic).status_code == 303


def test_signing_out_ends_the_session_itself(browser: httpx.Client, clinic: ClinicFixture) -> None:
    sign_in(browser, clinic)
    token = browser.cookies["referral_staff"]
    page = browser.get("/").text
    csrf = page.split('name="csrf_token" value="')[1].split('"')[0]
    assert browser.post("/sign-out", data={"csrf_token": csrf}).headers["location"] == "/sign-in"
    browser.cookies.set("referral_staff", token)
    assert browser.get("/").headers["location"] == "/sign-in"


def test_a_session_ends_after_fifteen_idle_minutes_and_not_while_it_is_used(
    browser: httpx.Client, clinic: ClinicFixture, clock: Clock
) -> None:
    sign_in(browser, clinic)
    for _ in range(3):
        clock.now += timedelta(minutes=14)
        assert browser.get("/").status_code == 200
    clock.now += timedelta(minutes=16)
    assert browser.get("/").status_code == 303


def test_demo_accounts_are_shown_on_the_embedded_default_only(
    clinic: ClinicFixture, browser: httpx.Client
) -> None:
    assert "harborlight.example" not in browser.get("/sign-in").text
    with serve(application(clinic, demo=True)) as address:
        assert "desk@harborlight.example" in httpx.get(f"{address}/sign-in", verify=False).text


def test_a_form_from_elsewhere_changes_nothing(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    robin = open_desk(clinic)
    path = f"/requests/{referral.id}"
    robin.get(path)
    form = {**robin.hidden(), "cancel_reason": "not-needed"}
    assert robin.client.post(f"{path}/cancel", data={**form, "csrf_token": "x"}).status_code == 403
    assert (
        robin.client.post(f"{path}/cancel", data=form, headers={"Origin": "https://evil.example"}).status_code
        == 403
    )
    crossed = robin.client.post(f"{path}/cancel", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert crossed.status_code == 403
    robin.get(path)
    assert "Cancel the request" in robin.text


WORK = (
    "/orders",
    "/patients",
    "/directory",
    "/outbox",
    "/requests/new",
    "/lookups/patients?q=a",
    "/directory/new",
)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_administrators_and_auditors_see_no_patients(
    clinic: ClinicFixture, open_desk: OpenDesk, role: Role
) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    ada = open_desk(clinic, role)
    assert "sees no patients" in ada.get("/")
    assert "Outbox" not in ada.text
    for path in (
        *WORK,
        f"/requests/{referral.id}",
        f"/orders/{referral.order_id}",
        f"/patients/{referral.patient_id}",
    ):
        ada.get(path)
        assert ada.status == 403, path
        assert "Nguyễn" not in ada.page
    with clinic.transaction() as session:
        assert any(row.subtype == "refused" and row.actor_id == ada.user_id for row in audit.find(session))


def test_another_clinic_finds_nothing(
    clinic: ClinicFixture, other_clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    stranger = open_desk(other_clinic, Role.MEDICAL_DIRECTOR)
    for path in (
        f"/requests/{referral.id}",
        f"/orders/{referral.order_id}",
        f"/patients/{referral.patient_id}",
        f"/directory/{referral.clinician_id}",
    ):
        stranger.get(path)
        assert stranger.status == 404
    assert "Nguyễn" not in stranger.get("/")
    assert "Nguyễn" not in stranger.get("/patients?q=ngu")


def test_the_service_hashes_passwords_with_the_parameters_of_rfc_9106() -> None:
    """In a process of its own: these tests hash as cheaply as can be, to be quick."""
    program = "from referral.services.accounts import hash_password as h; print(h('a quiet harbour at dawn'))"
    kept = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = argon2.extract_parameters(kept.stdout.strip())
    assert (found.type, found.time_cost, found.memory_cost) == (argon2.Type.ID, 3, 2**16)
    assert (found.parallelism, found.salt_len, found.hash_len) == (4, 16, 32)
