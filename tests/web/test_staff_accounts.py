"""Accounts: second factors, set-up links, the people of a clinic, sessions that lock and keep forms."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import httpx
import pyotp
import pytest
from sqlalchemy import func, select

from referral.domain.codes import Role
from referral.services.accounts import NewUser, add_user
from referral.services.sign_in_rules import SignInRules, change_sign_in_rules
from referral.storage import accounts, audit, second_factors, tables
from tests.database import ClinicFixture, Clock
from tests.services import people
from tests.web.client import application
from tests.web.portal_case import serve

PASSWORD = "a quiet harbour at dawn"


class Person:
    """Somebody with a browser of their own, who sees the page that was answered last."""

    def __init__(self, client: httpx.Client, clinic: ClinicFixture, email: str, id: str) -> None:
        self.client, self.clinic, self.email, self.id = client, clinic, email, id
        self.page, self.status, self.where = "", 0, ""

    def get(self, path: str) -> str:
        return self._seen(self.client.get(path))

    def post(self, path: str, **fields: Any) -> str:
        """With the form token of the page that is shown."""
        token = re.search(r'name="csrf_token" value="([^"]*)"', self.page)
        data = {"csrf_token": token[1] if token else "", **fields}
        return self._seen(self.client.post(path, data=data))

    def comes_to(self, path: str) -> str:
        """Where the way to a page ends."""
        self.get(path)
        return self.where

    def sign_in(self, password: str = PASSWORD, **more: str) -> str:
        return self.post("/sign-in", email=self.email, password=password, **more)

    def _seen(self, response: httpx.Response) -> str:
        self.page, self.status, self.where = response.text, response.status_code, str(response.url.path)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.page)).split())

    @property
    def subtypes(self) -> list[str]:
        with self.clinic.transaction() as session:
            return [row.subtype for row in audit.find(session) if row.actor_id == self.id]


class Office:
    """A clinic's people and the address of its service."""

    def __init__(self, clinic: ClinicFixture, clock: Clock, address: str, stack: ExitStack) -> None:
        self.clinic, self.clock, self.address, self.stack = clinic, clock, address, stack

    def browser(self) -> httpx.Client:
        return self.stack.enter_context(
            httpx.Client(base_url=self.address, follow_redirects=True, timeout=30)
        )

    def person(self, name: str, role: Role = Role.FRONT_DESK) -> Person:
        email = f"{name}-{self.clinic.id}@clinic.example"
        with self.clinic.transaction() as session:
            new = NewUser(email=email, name=f"{name.title()} Desk", role=role, password=PASSWORD)
            id = add_user(session, self.clinic.actor, new)
        return Person(self.browser(), self.clinic, email, id)

    def code_of(self, who: Person) -> str:
        with self.clinic.transaction() as session:
            factor = second_factors.find(session, who.id)
        assert factor is not None
        return pyotp.TOTP(factor.secret).at(self.clock.now)


@pytest.fixture
def office(clinic: ClinicFixture) -> Iterator[Office]:
    clock = Clock()
    with serve(application(clinic, clock)) as address, ExitStack() as stack:
        yield Office(clinic, clock, address, stack)


def with_factor(office: Office, name: str = "robin") -> tuple[Person, list[str]]:
    """Signed in, with a second factor on; and the recovery codes."""
    who = office.person(name)
    who.sign_in()
    who.get("/account")
    assert "QR code" in who.post("/account/second-factor", on_password=PASSWORD) + who.page
    shown = who.post("/account/second-factor/confirm", code=office.code_of(who))
    return who, re.findall(r"\b(?:[0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}\b", shown)


def test_a_code_lets_in_once_and_never_again(office: Office) -> None:
    who, codes = with_factor(office)
    assert len(set(codes)) == 8
    office.clock.now += timedelta(minutes=2)
    other = Person(office.browser(), office.clinic, who.email, who.id)
    assert "One more step" in other.sign_in()
    assert other.where == "/sign-in/code"
    # Nothing is open yet.
    assert "Sign in" in other.get("/account")
    assert other.where == "/sign-in"
    other.get("/sign-in/code")
    other.post("/sign-in/code", code="000000")
    assert other.status == 401
    code = office.code_of(who)
    other.post("/sign-in/code", code=f"{code[:3]} {code[3:]}", next="/account")
    assert (other.status, other.where) == (200, "/account")
    third = Person(office.browser(), office.clinic, who.email, who.id)
    third.sign_in()
    third.post("/sign-in/code", code=code)
    assert third.status == 401
    assert third.comes_to("/account") == "/sign-in"


def test_a_recovery_code_lets_in_once(office: Office) -> None:
    who, codes = with_factor(office)
    for expected in (200, 401):
        other = Person(office.browser(), office.clinic, who.email, who.id)
        other.sign_in()
        other.post("/sign-in/code", code=codes[0].lower().replace("-", " "), next="/account")
        assert other.status == expected
    assert "7 recovery codes left" in who.get("/account")
    assert "recovery-code-used" in who.subtypes
    with office.clinic.transaction() as session:
        kept = session.connection.scalar(
            select(tables.staff_user.c.recovery_codes).where(tables.staff_user.c.id == who.id)
        )
    assert kept is not None
    assert not {code for code in codes if code in str(kept) or code.replace("-", "") in str(kept)}


def test_ten_wrong_codes_pause_the_account_and_the_right_one_too(office: Office) -> None:
    who, _ = with_factor(office)
    office.clock.now += timedelta(minutes=2)
    other = Person(office.browser(), office.clinic, who.email, who.id)
    other.sign_in()
    for _ in range(10):
        other.post("/sign-in/code", code="12345")
    other.post("/sign-in/code", code=office.code_of(who))
    assert other.status == 401
    other.get("/sign-in")
    other.sign_in()
    assert other.status == 401
    office.clock.now += timedelta(minutes=16)
    other.sign_in()
    other.post("/sign-in/code", code=office.code_of(who), next="/account")
    assert (other.status, other.where) == (200, "/account")


def test_a_role_that_needs_a_second_factor_sets_one_up_before_anything_else(office: Office) -> None:
    who = office.person("robin")
    with office.clinic.transaction() as session:
        change_sign_in_rules(session, office.clinic.actor, SignInRules(15, frozenset({Role.FRONT_DESK})))
    assert "Set up a second factor" in who.sign_in(next="/account")
    assert who.comes_to("/account") == "/sign-in"
    who.get("/sign-in/enrol?next=/account")
    who.post("/sign-in/enrol", code="000000")
    assert who.status == 400
    shown = who.post("/sign-in/enrol", code=office.code_of(who), next="/account")
    assert "Your recovery codes" in shown
    assert "cannot be turned off" in who.get("/account")
    who.post("/account/second-factor/off", off_password=PASSWORD)
    assert who.status == 403


def test_a_new_person_sets_a_password_by_a_link_that_works_once(office: Office) -> None:
    ada = office.person("ada", Role.ADMIN)
    ada.sign_in()
    ada.get("/users/new")
    fields = {"name": "Zoe Example", "email": f"zoe-{office.clinic.id}@clinic.example", "role": "auditor"}
    assert "Please choose a role" in ada.post("/users/new", **{**fields, "role": ""}, password=PASSWORD)
    shown = ada.post("/users/new", **fields, password=PASSWORD)
    link = re.search(r"/sign-in/set-up/[\w-]+", shown)
    assert link is not None
    assert "Has a set-up link" in ada.get("/users")
    zoe = Person(office.browser(), office.clinic, fields["email"], "")
    assert "Welcome, Zoe Example" in zoe.get(link[0])
    assert "at least 15" in zoe.post(link[0], new_password="short", again="short")
    assert "not the same" in zoe.post(link[0], new_password=PASSWORD, again="another one altogether")
    assert "The password is set" in zoe.post(link[0], new_password=PASSWORD, again=PASSWORD)
    zoe.post(link[0], new_password="an altogether other one", again="an altogether other one")
    assert zoe.status == 404
    assert "Auditor" in zoe.sign_in(next="/account")
    assert zoe.where == "/account"


def test_an_administrator_changes_roles_disables_and_resets(office: Office) -> None:
    ada, (robin, _) = office.person("ada", Role.ADMIN), with_factor(office)
    ada.sign_in()
    path = f"/users/{robin.id}"
    assert "Second factor on" in ada.get(path)
    assert "do not match" in ada.post(f"{path}/role", role="auditor", role_password="wrong")
    ada.post(f"{path}/role", role="auditor", role_password=PASSWORD)
    assert "Auditor" in robin.get("/account")
    ada.post(f"{path}/second-factor", factor_password=PASSWORD)
    assert robin.comes_to("/account") == "/sign-in"
    assert "Auditor" in robin.sign_in(next="/account")
    ada.post(f"{path}/disable")
    assert robin.comes_to("/account") == "/sign-in"
    robin.sign_in()
    assert robin.status == 401
    ada.post(f"{path}/enable", enable_password=PASSWORD)
    assert "Auditor" in robin.sign_in(next="/account")
    ada.get(path)
    link = re.search(r"/sign-in/set-up/[\w-]+", ada.post(f"{path}/set-up", link_password=PASSWORD))
    assert link is not None
    assert robin.comes_to("/account") == "/sign-in"
    robin.sign_in()
    assert robin.status == 401
    assert {"change-role", "disable-user", "enable-user", "second-factor-reset", "set-up-link"} <= set(
        ada.subtypes
    )


def test_nobody_removes_themselves_or_the_last_administrator(office: Office) -> None:
    ada = office.person("ada", Role.ADMIN)
    ada.sign_in()
    ada.get("/users")
    ada.post(f"/users/{ada.id}/disable")
    assert ada.status == 422
    assert "Another administrator" in ada.post(
        f"/users/{ada.id}/role", role="auditor", role_password=PASSWORD
    )
    with office.clinic.transaction() as session:
        assert accounts.get_user(session, ada.id).role is Role.ADMIN


def test_a_new_password_ends_the_other_sessions_and_sessions_are_ended_one_by_one(office: Office) -> None:
    robin = office.person("robin")
    elsewhere, third = (Person(office.browser(), office.clinic, robin.email, robin.id) for _ in "ab")
    agent = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"
    elsewhere.client.headers["user-agent"] = agent
    for one in (robin, elsewhere, third):
        one.sign_in()
    assert "Firefox on Windows" in robin.get("/account")
    row = next(part for part in robin.page.split("<li") if "Firefox on Windows" in part)
    handle = re.search(r'name="session" value="(\w+)"', row)
    assert handle is not None
    robin.post("/account/sessions/end", session=handle[1])
    assert elsewhere.comes_to("/account") == "/sign-in"
    assert third.comes_to("/account") == "/account"
    new = {"new_password": "another quiet harbour", "again": "another quiet harbour"}
    assert "do not match" in robin.post("/account/password", password="wrong", **new)
    robin.post("/account/password", password=PASSWORD, **new)
    assert robin.comes_to("/account") == "/account"
    assert third.comes_to("/account") == "/sign-in"
    assert "change-password" in robin.subtypes


def kept_rows(clinic: ClinicFixture) -> int:
    with clinic.transaction() as session:
        return session.connection.scalar(select(func.count()).select_from(tables.kept_form)) or 0


def asked(office: Office) -> str:
    with office.clinic.transaction() as session:
        return f"/requests/{people.asked_once(session, office.clinic).id}"


def test_what_is_sent_from_a_locked_session_is_kept_and_shown_again_and_not_sent(office: Office) -> None:
    robin, path = office.person("robin"), asked(office)
    robin.sign_in()
    robin.get(path)
    before = robin.client.cookies["referral_staff"]
    office.clock.now += timedelta(minutes=16)
    page = robin.page
    # Nothing of a page is read, and no form is sent.
    assert "Locked" in robin.get(path)
    assert (robin.where, "Nguyễn" in robin.page) == ("/sign-in/unlock", False)
    robin.page = page
    typed = {"cancel_reason": "patient-declined", "cancel_note": "She moved <away> & is well"}
    robin.post(f"{path}/cancel", **typed, password="secret of mine")
    assert robin.where == "/sign-in/unlock"
    next = html.unescape(re.search(r'name="next" value="([^"]*)"', robin.page)[1])  # type: ignore[index]
    assert next.startswith(f"{path}?kept=")
    with office.clinic.transaction() as session:
        sealed = session.connection.scalar(select(tables.kept_form.c.sealed_fields))
    assert sealed is not None
    assert b"moved" not in sealed
    robin.post("/sign-in/unlock", password="wrong", next=next)
    assert robin.status == 401
    shown = robin.post("/sign-in/unlock", password=PASSWORD, next=next)
    assert (robin.status, robin.where) == (200, path)
    assert "Nothing was sent yet" in shown
    assert re.search(r'value="patient-declined"[^>]* (checked|selected)', robin.page)
    assert "secret of mine" not in robin.page
    # Another token, so that one that was stolen or planted before opens nothing.
    assert robin.client.cookies["referral_staff"] != before
    old = Person(office.browser(), office.clinic, robin.email, robin.id)
    old.client.cookies.set("referral_staff", before)
    assert old.comes_to(path) == "/sign-in"
    kept = next.partition("kept=")[2]
    # Nobody else finds it.
    kim = office.person("kim")
    kim.sign_in()
    assert "Nothing was sent" not in kim.get(next)
    # Once it is sent, it is gone.
    version = re.search(r'name="version" value="(\d+)"', robin.page)
    assert version is not None
    assert "is cancelled" in robin.post(f"{path}/cancel", **typed, kept_form=kept, version=version[1])
    assert kept_rows(office.clinic) == 0
    assert {"keep-form", "unlock-session"} <= set(robin.subtypes)


def test_a_new_request_is_filled_in_again_with_what_was_chosen(office: Office) -> None:
    robin = office.person("robin")
    with office.clinic.transaction() as session:
        patient = people.patient(session, office.clinic)
    robin.sign_in()
    robin.get("/requests/new")
    office.clock.now += timedelta(minutes=16)
    typed = {"patient": patient.id, "infusions": "4", "clinician": "new", "practice": "Far Shore"}
    robin.post("/requests/new", action="send", **typed)
    next = html.unescape(re.search(r'name="next" value="([^"]*)"', robin.page)[1])  # type: ignore[index]
    shown = robin.post("/sign-in/unlock", password=PASSWORD, next=next)
    assert patient.family in shown
    assert re.search(rf'value="{patient.id}"[^>]* checked', robin.page)
    assert all(f'value="{value}"' in robin.page for value in ("4", "Far Shore"))


def test_a_forged_form_is_not_kept_and_a_forged_unlock_is_refused(office: Office) -> None:
    robin, path = office.person("robin"), asked(office)
    robin.sign_in()
    office.clock.now += timedelta(minutes=16)
    for token in ("", "A" * 24):
        data = {"csrf_token": token, "password": PASSWORD}
        for where in (f"{path}/cancel", "/sign-in/unlock", "/sign-in/leave"):
            assert robin.client.post(where, data=data).status_code == 403, where
    assert kept_rows(office.clinic) == 0
    crossed = {"Sec-Fetch-Site": "cross-site"}
    robin.get("/")
    found = re.search(r'name="csrf_token" value="([^"]*)"', robin.page)
    assert found is not None
    data = {"csrf_token": found[1], "password": PASSWORD}
    assert robin.client.post("/sign-in/unlock", data=data, headers=crossed).status_code == 403
    assert robin.comes_to("/account") == "/sign-in/unlock"


def test_a_session_ends_after_twelve_hours_and_its_form_comes_back_after_a_new_sign_in(
    office: Office,
) -> None:
    robin, path = office.person("robin"), asked(office)
    robin.sign_in()
    robin.get(path)
    with office.clinic.transaction() as session:
        session.connection.exec_driver_sql(
            "UPDATE staff_session SET created_at = created_at - interval '13 h'"
        )
    robin.post(f"{path}/cancel", cancel_reason="patient-declined")
    assert robin.where == "/sign-in"
    next = html.unescape(re.search(r'name="next" value="([^"]*)"', robin.page)[1])  # type: ignore[index]
    assert "Nothing was sent yet" in robin.sign_in(next=next)
    assert re.search(r'value="patient-declined"[^>]* selected', robin.page)


def test_whoever_leaves_the_desk_locks_it_at_once_and_may_sign_out_there(office: Office) -> None:
    robin = office.person("robin")
    robin.sign_in()
    robin.get("/account")
    robin.post("/lock")
    assert robin.comes_to("/account") == "/sign-in/unlock"
    robin.post("/sign-in/leave")
    assert robin.where == "/sign-in"
    assert robin.comes_to("/sign-in/unlock") == "/sign-in"
    assert {"lock-session", "sign-out"} <= set(robin.subtypes)
