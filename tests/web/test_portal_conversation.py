"""Questions and answers in both directions, and the honest ways out of a request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from referral.domain.codes import Channel, Role
from referral.domain.errors import TransitionRefused
from referral.domain.outgoing import MessageKind, MessageState
from referral.services.ask_clinic import ask_clinic
from referral.services.attention import Reason
from referral.services.find_today import find_today
from referral.services.request_recommendation import NewRequest, request_recommendation
from referral.services.resend import resend
from referral.services.write_to_clinician import write_to_clinician
from referral.storage import conversations, referrals, resources
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import OpenDesk
from tests.web.portal_case import Browser, Case, make_case

ASKED = "Does she still take her lamotrigine? qzquestion"
ANSWERED = "Yes, 200 mg in the evening. qzanswer"


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    made = make_case(clinic)
    with clinic.transaction() as session:
        # The letter has arrived: reminders count from there.
        referrals.change(session, referrals.get(session, made.referral.id), delivered_at=NOW)
    return made


@pytest.fixture
def browser(case: Case) -> Iterator[Browser]:
    with case.browser() as opened:
        yield opened


def reasons(case: Case) -> list[Reason]:
    with case.clinic.transaction() as session:
        found = find_today(session, case.clinic.actor, case.clock.now.date(), case.clock.now)
    return [item.reason for item in found.attention]


def communications(case: Case) -> list[dict[str, object]]:
    """What was said, as FHIR has it, oldest first."""
    with case.clinic.transaction() as session:
        turns = conversations.of_referral(session, case.referral.id)
        return [resources.read(session, "Communication", turn.id).document for turn in turns]


def ask(browser: Browser, words: str = ASKED) -> None:
    browser.get("/request/ask/question")
    assert "your message has arrived" in browser.post("/request/ask/question", {"text": words}).text


def test_a_question_is_answered_on_the_request_and_read_at_the_portal(
    case: Case, browser: Browser, open_desk: OpenDesk
) -> None:
    browser.identify_by_fax()
    ask(browser)
    assert case.state().next_step_at is None
    assert reasons(case) == [Reason.QUESTION]
    desk = open_desk(case.clinic, Role.CLINICIAN)
    page = desk.get("/")
    assert "Read and reply" in page
    desk.get(f"/requests/{case.referral.id}")
    assert "qzquestion" in desk.text
    assert "This waits for you" in desk.text
    desk.post(f"/requests/{case.referral.id}/reply", {"reply": ANSWERED})
    assert "Your message is on its way" in desk.text
    # The clinic owes nothing any more: the ladder goes on, and Today forgets it.
    assert case.state().held_at is None
    assert case.state().next_step_at is not None
    assert reasons(case) == []
    (told,) = case.messages(MessageKind.CONVERSATION)
    assert told.state is MessageState.QUEUED
    assert "qzanswer" in browser.get("/request").text
    assert "The clinic has written to you" in browser.page
    # The clinician replies in turn, and the clinic owes once more.
    browser.get("/request/conversation")
    assert "qzreply" in browser.post("/request/conversation", {"text": "Thank you. qzreply"}).text
    assert reasons(case) == [Reason.QUESTION]
    assert case.state().next_step_at is None
    first, second, third = communications(case)
    assert [one["topic"] for one in (first, second, third)] == [
        {"text": "question"},
        {"text": "reply"},
        {"text": "reply"},
    ]
    assert second["inResponseTo"] == [{"reference": f"Communication/{first['id']}"}]
    assert third["inResponseTo"] == [{"reference": f"Communication/{second['id']}"}]
    assert first["recipient"] == [second["sender"]]


def test_a_reply_that_needs_no_words_lets_the_reminders_go_on(
    case: Case, browser: Browser, open_desk: OpenDesk
) -> None:
    browser.identify_by_fax()
    ask(browser)
    desk = open_desk(case.clinic, Role.FRONT_DESK)
    desk.get(f"/requests/{case.referral.id}")
    # The front desk sees that something waits, and not what.
    assert "qzquestion" not in desk.page
    assert "The words are for clinical staff." in desk.text
    desk.post(f"/requests/{case.referral.id}/seen-to")
    assert "Seen to" in desk.text
    assert (case.state().held_at, reasons(case)) == (None, [])
    assert case.messages(MessageKind.CONVERSATION) == []


def test_staff_ask_the_clinician_and_reminders_are_not_stopped_by_it(
    case: Case, browser: Browser, open_desk: OpenDesk
) -> None:
    planned = case.state().next_step_at
    desk = open_desk(case.clinic, Role.CLINICIAN)
    desk.get(f"/requests/{case.referral.id}")
    desk.post(f"/requests/{case.referral.id}/reply", {"reply": "Which dose does she take? qzours"})
    assert case.state().next_step_at == planned
    assert len(case.messages(MessageKind.CONVERSATION)) == 1
    browser.identify_by_fax()
    assert "qzours" in browser.get("/request").text
    assert communications(case)[0]["topic"] == {"text": "question"}


def test_the_front_desk_does_not_write_narrative(case: Case, open_desk: OpenDesk) -> None:
    desk = open_desk(case.clinic, Role.FRONT_DESK)
    desk.get(f"/requests/{case.referral.id}")
    desk.post(f"/requests/{case.referral.id}/reply", {"reply": "Anything"})
    assert desk.status == 403
    assert communications(case) == []


@pytest.mark.parametrize("words", ["", "   ", "x" * 2001])
def test_no_words_and_too_many_are_refused_with_what_was_typed(
    case: Case, open_desk: OpenDesk, words: str
) -> None:
    desk = open_desk(case.clinic, Role.CLINICIAN)
    desk.get(f"/requests/{case.referral.id}")
    desk.post(f"/requests/{case.referral.id}/reply", {"reply": words})
    assert desk.status == 400
    assert words.strip()[:50] in desk.page
    assert case.messages(MessageKind.CONVERSATION) == []


def test_words_are_encrypted_and_stand_in_no_mail_no_resource_and_no_timeline(
    case: Case, browser: Browser
) -> None:
    browser.identify_by_fax()
    ask(browser)
    with case.clinic.transaction() as session:
        person = people.director(case.clinic)
        write_to_clinician(session, person, case.referral.id, case.state().version, ANSWERED, NOW)
        for table in (
            "referral_event",
            "resource",
            "audit_event",
            "message",
            "conversation_turn",
            "document",
        ):
            rows = session.connection.execute(text(f"SELECT t::text FROM {table} t")).scalars()
            assert not [row for row in rows if "qzquestion" in row or "qzanswer" in row], table


def test_a_question_about_an_answer_that_stands_holds_nothing_and_is_listed(case: Case) -> None:
    actor = people.portal_actor(case.clinic)
    with case.clinic.transaction() as session:
        people.respond_with(session, case.clinic, case.referral, people.answers("recommended"))
        ask_clinic(session, actor, case.referral.id, "question", ASKED, NOW)
        assert not referrals.get(session, case.referral.id).is_open
        with pytest.raises(TransitionRefused):
            ask_clinic(session, actor, case.referral.id, "colleague", "", NOW)
    assert Reason.QUESTION in reasons(case)


# ---- Ways out


def leave_it(browser: Browser, about: str, **typed: str) -> str:
    way = "ask" if about == "colleague" else "not-for-me"
    browser.get(f"/request/{way}/{about}")
    return browser.post(f"/request/{way}/{about}", typed).text


@pytest.mark.parametrize(
    ("about", "reason", "action"),
    [
        ("colleague", Reason.COLLEAGUE, "Ask the colleague"),
        ("left", Reason.LEFT, "Ask another clinician"),
        ("wrong-address", Reason.WRONG_ADDRESS, "Correct the contact"),
    ],
)
def test_each_way_out_closes_every_link_stops_reminders_and_has_one_next_step(
    case: Case, browser: Browser, open_desk: OpenDesk, about: str, reason: Reason, action: str
) -> None:
    other = case.link(Channel.EMAIL)
    minted = browser.identify_by_fax()
    typed = {"name": "Wren Halloway", "telephone": "303-555-0166"} if about == "colleague" else {}
    assert "your message has arrived" in leave_it(browser, about, **typed)
    assert all(case.credential(link).frozen_at is not None for link in (minted, other))
    assert "Quillfeather" not in browser.get("/request").text
    state = case.state()
    assert (state.held_at, state.next_step_at) == (case.clock.now, None)
    assert reasons(case) == [reason]
    desk = open_desk(case.clinic, Role.FRONT_DESK)
    desk.get(f"/requests/{case.referral.id}")
    section = desk.page[desk.page.index('id="conversation"') :]
    assert re.findall(r'class="button button--primary"[^>]*>([^<]+)<', section)[0] == action
    if typed:
        # Whom to call is no narrative: the front desk calls.
        assert "Wren Halloway" in desk.text
        assert "303-555-0166" in desk.text
    with case.clinic.transaction() as session:
        row = session.connection.execute(
            text("SELECT detail FROM audit_event WHERE subtype = 'misdirected' AND clinic_id = :clinic"),
            {"clinic": session.clinic},
        ).scalar_one()
    assert row["seen"] is True


def test_who_was_not_meant_says_so_without_a_check_and_saw_nothing(case: Case, browser: Browser) -> None:
    browser.open(case.link(Channel.EMAIL))
    assert "One check that it is you" in browser.page
    assert "your message has arrived" in leave_it(browser, "wrong-address")
    assert case.state().held_for == "wrong-address"
    with case.clinic.transaction() as session:
        (turn,) = conversations.of_referral(session, case.referral.id)
        event = next(e for e in referrals.events(session, case.referral.id) if e.event == "wrong-address")
    assert turn.had_seen is False
    assert event.detail["contact"] == case.contact(Channel.EMAIL).id
    assert case.state().identified_at is None


def test_sending_again_after_a_wrong_address_lets_the_ladder_go_on(case: Case, browser: Browser) -> None:
    browser.open(case.link(Channel.EMAIL))
    leave_it(browser, "wrong-address")
    case.clock.now += timedelta(days=1)
    with case.clinic.transaction() as session:
        resend(
            session, case.clinic.actor, case.referral.id, case.state().version, Channel.FAX, case.clock.now
        )
    assert (case.state().held_at, reasons(case)) == (None, [])
    assert case.state().next_step_at is not None


def test_asking_the_colleague_gives_them_a_request_and_ends_the_first(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    leave_it(browser, "colleague", name="Wren Halloway", telephone="303-555-0166")
    with case.clinic.transaction() as session:
        colleague = people.clinician(session, case.clinic, npi="", family="Halloway")
        new = NewRequest(order_id=case.referral.order_id, clinician_ids=(colleague.id,))
        (asked,) = request_recommendation(session, case.clinic.actor, new, case.clock.now)
    ended = case.state()
    assert (ended.is_open, ended.status_reason) == (False, "handed-over")
    assert asked.is_open
    assert reasons(case) == []


def test_another_request_of_the_order_goes_on_when_a_second_clinician_is_asked(case: Case) -> None:
    with case.clinic.transaction() as session:
        second = people.clinician(session, case.clinic, npi="", family="Second")
        new = NewRequest(order_id=case.referral.order_id, clinician_ids=(second.id,))
        request_recommendation(session, case.clinic.actor, new, case.clock.now)
    assert case.state().is_open


def test_the_same_form_sent_twice_says_it_once(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    page = browser.get("/request/conversation").text
    for _ in range(2):
        browser.page = page
        browser.post("/request/conversation", {"text": "Only once."})
    assert len(communications(case)) == 1
