"""Whoever has the mailbox and not the chart does not get more tries by asking for more links."""

from __future__ import annotations

from datetime import date, timedelta

from referral.domain.codes import Channel, Role
from referral.domain.credential import PAUSE
from referral.domain.outgoing import MessageKind, MessageState
from referral.services.ask_clinic import ask_clinic
from referral.services.attention import Reason
from referral.services.find_today import find_today
from referral.services.resend import resend
from referral.services.send_reminders import send_reminders
from referral.storage import referrals, tables
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import OpenDesk
from tests.web.portal_case import BORN, Browser, Case, make_case

WRONG = date(1984, 1, 1)


def test_wrong_dates_over_several_links_end_the_fresh_ones(clinic: ClinicFixture) -> None:
    case = make_case(clinic)
    with case.browser() as browser:
        for wanted in (1, 2):
            minted = case.link(Channel.FAX)
            browser.open(minted)
            for day in range(4):
                browser.give_birth_date(WRONG + timedelta(days=day))
            browser.post("/request/fresh-link", {"selector": minted.selector})
            assert len(case.messages(MessageKind.FRESH_LINK)) == wanted
        minted = case.link(Channel.FAX)
        browser.open(minted)
        browser.give_birth_date(WRONG)
        browser.give_birth_date(WRONG)
        assert case.credential(minted).frozen_at is None
        browser.post("/request/fresh-link", {"selector": minted.selector})
    assert len(case.messages(MessageKind.FRESH_LINK)) == 2


def lock(case: Case, browser: Browser, last: date = WRONG) -> None:
    """Nine wrong dates, then `last`."""
    browser.open(minted := case.link(Channel.FAX))
    for count in range(1, 10):
        browser.give_birth_date(WRONG + timedelta(days=count))
        if count == 5:
            case.clock.now += PAUSE
            browser.open(minted)
    browser.give_birth_date(last)


def reasons(case: Case) -> list[Reason]:
    with case.clinic.transaction() as session:
        found = find_today(session, case.clinic.actor, case.clock.now.date(), case.clock.now)
    return [item.reason for item in found.attention]


def climb(case: Case, days: int) -> int:
    """The sweep, that many days on; how many requests were due."""
    case.clock.now = NOW + timedelta(days=days)
    with case.clinic.transaction() as session:
        return send_reminders(session, case.clock.now)


def test_a_locked_link_stops_the_reminders_until_staff_send_again(clinic: ClinicFixture) -> None:
    case = make_case(clinic)
    with clinic.transaction() as session:
        # Somebody who opens a link has had the letter; reminders wait for it.
        referrals.change(session, referrals.get(session, case.referral.id), delivered_at=NOW)
    planned = case.state().next_step_at
    assert planned is not None
    with case.browser() as browser:
        lock(case, browser)
    assert case.events()[-1] == "portal-frozen"
    assert (case.state().held_at, case.state().next_step_at) == (case.clock.now, None)
    # What waited to leave would have brought ten new tries.
    assert {m.state for m in case.messages(MessageKind.REMINDER)} == {MessageState.CANCELLED}
    before = len(case.messages(MessageKind.REMINDER))
    assert climb(case, 30) == 0
    assert len(case.messages(MessageKind.REMINDER)) == before
    assert reasons(case) == [Reason.LINK_FROZEN]
    with clinic.transaction() as session:
        resend(session, clinic.actor, case.referral.id, case.state().version, Channel.FAX, case.clock.now)
    moved = case.state()
    assert moved.held_at is None
    assert moved.next_step_at is not None
    assert moved.next_step_at > case.clock.now - timedelta(days=1)
    assert moved.due_at > case.referral.due_at
    assert reasons(case) == []
    assert climb(case, 35) == 1
    assert case.state().climbed == 1
    assert case.events()[-1] == "step-remind"


def test_a_tenth_date_that_is_right_lets_the_reminders_go_on(clinic: ClinicFixture) -> None:
    case = make_case(clinic)
    with case.browser() as browser:
        lock(case, browser, BORN)
        assert "Your recommendation for" in browser.page
    assert (case.state().held_at, reasons(case)) == (None, [])
    assert case.state().next_step_at is not None


def test_a_question_that_waits_for_the_clinic_goes_on_waiting_when_staff_send_again(
    clinic: ClinicFixture,
) -> None:
    case = make_case(clinic)
    with clinic.transaction() as session:
        ask_clinic(session, people.portal_actor(clinic), case.referral.id, "question", "When?", NOW)
        version = case.referral.version + 1
        resend(session, clinic.actor, case.referral.id, version, Channel.FAX, NOW + timedelta(hours=1))
    assert case.state().held_at == NOW
    assert reasons(case) == [Reason.QUESTION]


def test_the_request_says_why_nothing_happens_by_itself(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    case = make_case(clinic)
    with clinic.transaction() as session:
        session.connection.execute(tables.message.update().values(state="accepted"))
    with case.browser() as browser:
        lock(case, browser)
    desk = open_desk(clinic, Role.FRONT_DESK)
    assert "wrong tries have locked the link: call, then send it again" in desk.get(
        f"/requests/{case.referral.id}"
    )
    assert "Send again another way" in desk.text
    assert "Go on with the reminders" not in desk.text
    assert "Link locked" in desk.get("/")
