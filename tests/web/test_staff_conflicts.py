"""Two people at the same thing: the second is told what the first has done, and overwrites nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import pytest

from referral.domain.codes import Channel, ClientKind, Role
from referral.domain.records import Referral
from referral.services.keep_chairs import add_chair
from referral.services.keep_on_call import add_on_call
from referral.services.smart_clients import NewClient, register_client
from referral.storage import directory, outbox, referrals
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.test_rules import policies, routes
from tests.web.client import application
from tests.web.desk import Desk, OpenDesk, add_person
from tests.web.test_restore_page import PASSWORD, with_password

_SYSTEM: Final = NewClient(
    name="Beacon Hill EHR", jwks_url="https://old.example/keys", kind=ClientKind.REFERRALS
)


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


def test_on_a_request_the_second_is_told_who_did_what_and_keeps_what_was_typed(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    robin, kim = open_desk(clinic), open_desk(clinic, Role.CLINICIAN)
    page = f"/requests/{referral.id}"
    robin.get(page)
    kim.get(page)
    kim.post(f"{page}/extend", extend_days="2")
    text = robin.post(f"{page}/pause", pause_until="2026-11-13")
    assert robin.status == 409
    assert "Somebody was faster, and nothing of yours was changed" in text
    assert "The expiry of a request was moved, by Robin Desk, " in text
    assert 'value="2026-11-13"' in robin.page
    assert "Pause until 2026-11-13" in text
    with clinic.transaction() as session:
        assert referrals.get(session, referral.id).paused_until is None
    # Having read it, the second may go on.
    robin.post(f"{page}/cancel", cancel_reason="not-needed")
    assert robin.status == 200
    with clinic.transaction() as session:
        assert not referrals.get(session, referral.id).is_open


@pytest.mark.parametrize("step", ["confirm", "review", "void", "late"])
def test_a_judgement_on_an_older_page_is_no_judgement(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk, step: str
) -> None:
    elena, kim = open_desk(clinic, Role.MEDICAL_DIRECTOR), open_desk(clinic)
    page = f"/requests/{referral.id}"
    elena.get(page)
    kim.get(page)
    kim.post(f"{page}/hold")
    typed = {"spoke_with": "Ms. Alder", "called_number": "303-555-0120", "outcome": "confirmed"}
    text = elena.post(
        f"{page}/{step}", typed, decision="accept", void_reason="Sent in error", late_reason="x"
    )
    assert (elena.status, "Somebody was faster" in text) == (409, True)


@dataclass(frozen=True, slots=True)
class Written:
    """A form that writes over what is there: two answers to it, and what the page says where one counts.

    `path` is sent by the first, `other` by the second, where they press different buttons. `shown_at` is the
    page that says so, where it is another one.
    """

    page: str
    path: str
    first: dict[str, str]
    second: dict[str, str]
    says: str
    then: str
    role: Role = Role.FRONT_DESK
    other: str = ""
    shown_at: str = ""


_OVER = {
    "mobile": Written(
        "/patients/{patient}",
        "/patients/{patient}/mobile",
        {"mobile": "303-555-0144"},
        {"mobile": "303-555-0155"},
        "303-555-0144",
        "303-555-0155",
    ),
    "language": Written(
        "/directory/{clinician}",
        "/directory/{clinician}/language",
        {"language": "es"},
        {"language": "en"},
        "Language Spanish",
        "Language English",
    ),
    "office-hours": Written(
        "/directory/{clinician}/hours",
        "/directory/{clinician}/hours",
        {"opens": "10:00", "closes": "16:00", "sends": "11:00"},
        {"opens": "12:00", "closes": "17:00", "sends": "13:00"},
        "10:00 AM to 4:00 PM",
        "12:00 PM to 5:00 PM",
    ),
    "clinic-hours": Written(
        "/settings/hours",
        "/settings/hours",
        {"opens": "10:00", "closes": "16:00", "sends": "11:00"},
        {"opens": "12:00", "closes": "17:00", "sends": "13:00"},
        "10:00 AM to 4:00 PM",
        "12:00 PM to 5:00 PM",
        Role.MEDICAL_DIRECTOR,
    ),
    "the plan of a course": Written(
        "/orders/{order}/course",
        "/orders/{order}/course/plan",
        {"planned_sessions": "6", "spacing_days": "3"},
        {"planned_sessions": "8", "spacing_days": "7"},
        "every 3 days",
        "every 7 days",
        Role.CLINICIAN,
    ),
    "the wait for the next one on call": Written(
        "/settings/on-call",
        "/settings/on-call",
        {"wait": "10"},
        {"wait": "30"},
        'value="10" checked',
        'value="30" checked',
        Role.MEDICAL_DIRECTOR,
    ),
    "who is told first": Written(
        "/settings/on-call",
        "/settings/on-call/first",
        {"contact": "{on_call}"},
        {"contact": "{on_call}"},
        "1 · at once",
        "1 · at once",
        Role.MEDICAL_DIRECTOR,
        other="/settings/on-call/remove",
    ),
    "office-hours-cleared": Written(
        "/directory/{clinician}/hours",
        "/directory/{clinician}/hours",
        {"opens": "10:00", "closes": "16:00", "sends": "11:00"},
        {},
        "10:00 AM to 4:00 PM",
        "These are the clinic’s hours",
        other="/directory/{clinician}/hours/clear",
    ),
    "closed-days": Written(
        "/directory/{clinician}/hours",
        "/directory/{clinician}/hours/closed-days",
        {"first_on": "2026-11-16", "words": "A course"},
        {"first_on": "2026-11-16", "last_on": "2026-11-18", "words": "Away"},
        "A course",
        "Away",
    ),
    "a contact, changed": Written(
        "/directory/{clinician}/contacts/{fax}",
        "/directory/{clinician}/contacts/{fax}/verify",
        {"spoke_with": "Ana at the desk"},
        {"contact_address": "303-555-0188", "contact_source": "front-desk"},
        "Ana at the desk",
        "303-555-0188",
        other="/directory/{clinician}/contacts/{fax}/change",
        shown_at="/directory/{clinician}",
    ),
    "a contact, found wrong": Written(
        "/directory/{clinician}/contacts/{fax}",
        "/directory/{clinician}/contacts/{fax}/wrong",
        {},
        {"spoke_with": "Ana at the desk"},
        "Somebody else’s",
        "Ana at the desk",
        other="/directory/{clinician}/contacts/{fax}/verify",
        shown_at="/directory/{clinician}/contacts/{fax}",
    ),
    "a chair": Written("/bookings", "/chairs/{chair}/out-of-use", {}, {}, "Out of use", "Out of use"),
    "the keys of a system": Written(
        "/systems/{system}",
        "/systems/{system}/keys",
        {"way": "url", "jwks_url": "https://first.example/keys", "password": PASSWORD},
        {"way": "url", "jwks_url": "https://second.example/keys", "password": PASSWORD},
        "https://first.example/keys",
        "https://second.example/keys",
        Role.ADMIN,
    ),
    "a role": Written(
        "/users/{user}",
        "/users/{user}/role",
        {"role": "clinician", "role_password": PASSWORD},
        {"role": "auditor", "role_password": PASSWORD},
        "Clinician",
        "Auditor",
        Role.ADMIN,
    ),
    "the rules for signing in": Written(
        "/users/rules",
        "/users/rules",
        {"idle_minutes": "5", "password": PASSWORD},
        {"idle_minutes": "10", "password": PASSWORD},
        'value="5" checked',
        'value="10" checked',
        Role.ADMIN,
    ),
}


@pytest.fixture
def about(clinic: ClinicFixture, referral: Referral) -> dict[str, str]:
    """The ids of what the forms are about."""
    with clinic.transaction() as session:
        known = directory.get_clinician(session, referral.clinician_id).contacts
        (message,) = outbox.find(session, referral_id=referral.id)
        return {
            "patient": referral.patient_id,
            "clinician": referral.clinician_id,
            "fax": next(contact.id for contact in known if contact.channel is Channel.FAX),
            "order": referral.order_id,
            "on_call": _on_call(session, clinic),
            "message": str(message.id),
            "chair": add_chair(session, clinic.actor, "The blue one", NOW).id,
            "system": register_client(session, clinic.actor, _SYSTEM, None, NOW).client.id,
            "user": add_person(clinic, Role.FRONT_DESK, "Uma Somebody").id,
        }


def _on_call(session: Session, clinic: ClinicFixture) -> str:
    """The second of two."""
    with_mail = [
        add_on_call(session, clinic.actor, name, "email", f"{name}@clinic.example", NOW).id
        for name in ("day", "night")
    ]
    return with_mail[-1]


def _two_of(clinic: ClinicFixture, role: Role, open_desk: OpenDesk) -> tuple[Desk, Desk]:
    """Who know their password where they are asked for it."""
    two = open_desk(clinic, role), open_desk(clinic, role)
    if role is Role.ADMIN:
        for person in two:
            with_password(clinic, person.user_id)
    return two


@pytest.mark.parametrize("name", _OVER)
def test_what_has_no_version_is_not_written_over_either(
    clinic: ClinicFixture, about: dict[str, str], open_desk: OpenDesk, name: str
) -> None:
    form = _OVER[name]
    page, path = form.page.format(**about), form.path.format(**about)
    other, shown_at = (form.other or form.path).format(**about), (form.shown_at or form.page).format(**about)
    robin, kim = _two_of(clinic, form.role, open_desk)
    first, second = ({k: v.format(**about) for k, v in sent.items()} for sent in (form.first, form.second))
    robin.get(page)
    kim.get(page)
    kim.post(path, first)
    assert kim.status == 200
    text = robin.post(other, second)
    assert robin.status == 409
    assert "Somebody was faster" in text
    assert ", by Robin Desk, " in text
    assert PASSWORD not in robin.page
    assert form.says in kim.get(shown_at) + kim.page
    # Having read it, the second may go on, and their double click is not told of itself.
    robin.post(other, second)
    assert robin.status == 200
    assert form.then in kim.get(shown_at) + kim.page


def test_a_contact_that_a_colleague_has_replaced_takes_nothing_that_was_typed_with_it(
    clinic: ClinicFixture, about: dict[str, str], open_desk: OpenDesk
) -> None:
    robin, kim = open_desk(clinic), open_desk(clinic)
    page = "/directory/{clinician}/contacts/{fax}".format(**about)
    robin.get(page)
    kim.get(page)
    kim.post(f"{page}/change", contact_address="303-555-0177", contact_source="front-desk")
    assert kim.status == 200
    text = robin.post(f"{page}/change", contact_address="303-555-0188", contact_source="patient")
    assert (robin.status, "A contact of a clinician was changed, by Robin Desk" in text) == (409, True)
    assert 'value="303-555-0188"' in robin.page
    assert "Add the contact" in text


def test_a_message_is_decided_about_once_and_closed_days_are_taken_back_once(
    clinic: ClinicFixture, about: dict[str, str], open_desk: OpenDesk
) -> None:
    robin, kim = open_desk(clinic), open_desk(clinic)
    message, office = f"/outbox/{about['message']}", f"/directory/{about['clinician']}/hours"
    kim.get(office)
    kim.post(f"{office}/closed-days", first_on="2026-11-16", words="Away")
    for page, button in ((message, f"{message}/cancel"), (office, _remove(kim))):
        robin.get(page)
        kim.get(page)
        kim.post(button)
        assert kim.status == 200
        text = robin.post(button)
        assert (robin.status, "Somebody was faster" in text) == (409, True)


def _remove(person: Desk) -> str:
    return str(re.findall(r'action="(/closed-days/[^"]+/remove)"', person.page)[0])


def test_a_consent_is_not_given_over_a_refusal_that_nobody_has_read(
    clinic: ClinicFixture, referral: Referral, open_desk: OpenDesk
) -> None:
    robin, kim = open_desk(clinic), open_desk(clinic)
    page = f"/patients/{referral.patient_id}"
    for person in (robin, kim):
        person.get(page)
    scope = _scope(robin)
    kim.post(f"{page}/consent", scope=scope, decision="withdrawn")
    assert kim.status == 200
    text = robin.post(f"{page}/consent", scope=scope, decision="granted")
    assert robin.status == 409
    assert "A patient has refused, or has taken back consent, by Robin Desk" in text


def _scope(person: Desk) -> str:
    return person.hidden()["scope"]


# What keeps two people apart, by what each form of the staff sends. A new form has to say.
_APART: Final = {
    "it carries the version of what it changes": """
        /bookings/{booking_id}/{step} /calls/{call_id} /fax-inbox/{fax_id}/transcribe
        /fax-inbox/{fax_id}/{step} /orders/{order_id}/course/{step} /policy /policy/classify
        /policy/edit /policy/preview /policy/undo
        /policy/ladder /policy/ladder/edit /policy/ladder/preview /records/{part}/{record_id}/{step}
        /requests/{referral_id}/{step} /settings/letterhead /settings/letterhead/edit
        /settings/letterhead/preview""",
    "it carries a mark: above, it is refused where somebody else was faster": """
        /chairs/{chair_id}/{step} /closed-days/{closure_id}/remove /directory/{clinician_id}/hours
        /directory/{clinician_id}/contacts/{contact_id}/{step} /directory/{clinician_id}/hours/clear
        /directory/{clinician_id}/hours/closed-days /directory/{clinician_id}/language
        /outbox/{message_id}/{step} /patients/{patient_id}/consent /patients/{patient_id}/mobile
        /settings/hours /settings/hours/closed-days /settings/on-call /settings/on-call/first
        /settings/on-call/remove /systems/{client_id}/keys /users/rules
        /users/{user_id}/enable /users/{user_id}/role
        /users/{user_id}/second-factor /users/{user_id}/set-up""",
    "it names what was seen, by its id or digest": """
        /orders/{order_id}/scales/void /orders/{order_id}/{step} /print/{batch_id}/{step}""",
    "it adds, and what stands there already stays": """
        /bookings /chairs /directory/new /directory/register/add /directory/{clinician_id}/contacts
        /orders/{order_id}/override /orders/{order_id}/scales/ask /orders/{order_id}/scales/{scale}
        /orders/{order_id}/sessions/{session_id}/{step} /patients/{patient_id}/tell /print /requests/new
        /requests/{referral_id}/transcribe /settings/on-call/contacts /systems/new
        /uploads/{referral_id} /users/new""",
    "it is done once by the state of what it is about, and the second is refused": """
        /overrides/{override_id}/{step} /print/{batch_id}/letters/{message_id}/came-back
        /print/{batch_id}/letters/{message_id}/put-back /restore /safety/{task_id}""",
    "it says what is reported next; the newest word counts, and the audit says whose it was": """
        /settings/reports""",
    "it shuts a door, which nobody is held up at": """
        /systems/{client_id}/remove /users/{user_id}/disable /users/{user_id}/sessions/end""",
    "it changes nothing that anybody else sees": """
        /directory/register/look-up /print/{batch_id}/letters/{message_id}/pdf /print/{batch_id}/pdf
        /requests/new/preview""",
    "it is one's own": """
        /account/password /account/recovery-codes /account/second-factor /account/second-factor/confirm
        /account/second-factor/off /account/sessions/end /account/sessions/end-others /here /lock
        /sign-out""",
}


def test_every_form_of_the_staff_says_what_keeps_two_people_apart(clinic: ClinicFixture) -> None:
    said = [path for paths in _APART.values() for path in paths.split()]
    sent = {
        str(route.path)
        for route in routes(application(clinic))
        if "POST" in (route.methods or ()) and any(p.startswith("staff") for p in policies(route))
    }
    assert len(said) == len(set(said))
    assert sent - set(said) == set(), (
        "say in _APART what keeps two people apart, and test it if it overwrites"
    )
    assert set(said) - sent == set()
