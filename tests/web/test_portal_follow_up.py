"""The question after a promised visit: its link leads to it, and seen, moved and lost are each said once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from referral.domain.codes import Channel, Role
from referral.domain.credential import Minted, expires_at, mint
from referral.domain.errors import NotFound
from referral.domain.follow_up import FollowUp, Outcome
from referral.domain.life import Cause, Purpose
from referral.domain.outgoing import MessageKind
from referral.services.account_disclosures import account_disclosures
from referral.services.follow_up import follow_up_due, record_outcome
from referral.services.treat import record_consultation, start_treatment
from referral.services.void_recommendation import void
from referral.storage import credentials, follow_ups, referrals, standings
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk
from tests.web.portal_case import Browser, Case, make_case

DUE = date(2026, 12, 1)
# Ten in the morning of December 3, in Denver: two business days after the visit was due.
ASKED = NOW + timedelta(days=30)
TODAY = ASKED.date()


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    made = make_case(clinic)
    treat_and_ask(made)
    return made


def treat_and_ask(case: Case) -> None:
    """Recommended, treated, the office has named the day, and it was asked after it."""
    clinic, order_id = case.clinic, case.referral.order_id
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referrals.get(session, case.referral.id))
        record_consultation(session, clinic.actor, order_id, NOW, NOW)
        start_treatment(session, clinic.actor, order_id, case.patient.id, NOW)
    with clinic.transaction() as session:
        record_outcome(session, clinic.actor, promise_of(case).id, "moved", DUE, NOW)
    case.clock.now = ASKED
    with clinic.transaction() as session:
        follow_up_due(session, ASKED)


def promise_of(case: Case) -> FollowUp:
    with case.clinic.transaction() as session:
        found = follow_ups.of_referral(session, case.referral.id)
    assert found is not None
    return found


def its_link(case: Case) -> Minted:
    """As it would have come to a fax number; the one in the mail asks for a code besides."""
    minted = mint(purpose=Purpose.STANDING)
    (message,) = case.messages(MessageKind.FOLLOW_UP)
    with case.clinic.transaction() as session:
        kept = credentials.NewCredential(
            minted=minted,
            referral_id=case.referral.id,
            message_id=message.id,
            channel=Channel.FAX,
            contact_verified=True,
            expires_at=expires_at(case.clock.now, case.clock.now + timedelta(days=14)),
        )
        credentials.add_many(session, [kept], case.clock.now)
    return minted


@pytest.fixture
def browser(case: Case) -> Iterator[Browser]:
    """In front of the question."""
    with case.browser() as made:
        made.open(its_link(case))
        asked = made.give_birth_date()
        assert asked.url.path == "/request/follow-up"
        assert "Have you seen Maren Quillfeather?" in asked.text
        yield made


def test_seen_is_said_once_and_the_look_is_accounted_for(case: Case, browser: Browser) -> None:
    form = browser.page
    thanks = browser.post("/request/follow-up", {"outcome": "seen", "seen_on": "2026-12-02"}).text
    assert "Thank you" in thanks
    assert "December 2, 2026" in thanks
    assert "Back to your answer" in thanks
    browser.page = form
    assert "December 2, 2026" in browser.post("/request/follow-up", {"outcome": "lost"}).text
    held = promise_of(case)
    assert (held.outcome, held.outcome_on) == (Outcome.SEEN, date(2026, 12, 2))
    with case.clinic.transaction() as session:
        told = account_disclosures(session, case.clinic.actor, case.patient.id, ASKED)
    assert f"Task/{held.id}" in {row.reference for row in told.rows if row.what == "follow-up"}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({}, "Please choose what became of the visit."),
        ({"outcome": "gone"}, "Please choose what became of the visit."),
        ({"outcome": "seen"}, "On which day was it? It cannot lie in the future."),
        ({"outcome": "seen", "seen_on": "2026-12-04"}, "On which day was it? It cannot lie in the future."),
        ({"outcome": "moved", "moved_to": "2026-12-02"}, "To which day, within a year?"),
        ({"outcome": "moved", "seen_on": "2026-12-18"}, "To which day, within a year?"),
    ],
)
def test_what_cannot_be_is_asked_again_with_what_was_typed(
    case: Case, browser: Browser, typed: dict[str, str], said: str
) -> None:
    refused = browser.post("/request/follow-up", typed)
    assert (refused.status_code, said in refused.text) == (400, True)
    assert all(f'value="{value}"' in refused.text for name, value in typed.items() if name != "outcome")
    assert promise_of(case).settled_at is None


def test_a_visit_that_is_moved_is_thanked_for_and_asked_about_after_its_new_day(
    case: Case, browser: Browser
) -> None:
    moved = {"outcome": "moved", "moved_to": "2026-12-18"}
    thanks = browser.post("/request/follow-up", moved).text
    assert "The visit has another day: December 18, 2026. We ask again after it." in thanks
    assert "Have you seen" not in thanks
    assert "Something has changed" in thanks
    case.clock.now = ASKED + timedelta(days=20)
    with case.clinic.transaction() as session:
        assert follow_up_due(session, case.clock.now) == 1
    assert len(case.messages(MessageKind.FOLLOW_UP)) == 2


def test_the_question_outlives_the_recommendation(case: Case) -> None:
    end(case, Cause.TREATMENT_GAP)
    with case.browser() as made:
        made.open(its_link(case))
        assert "Have you seen Maren Quillfeather?" in made.give_birth_date().text
        thanks = made.post("/request/follow-up", {"outcome": "lost"}).text
    assert "we have lost contact" in thanks
    assert "Back to your answer" not in thanks
    assert promise_of(case).outcome is Outcome.LOST


def end(case: Case, cause: Cause) -> None:
    with case.clinic.transaction() as session:
        living = standings.of_referral(session, case.referral.id)
        void(session, case.clinic.actor, living, cause, "So it is.", case.clock.now)


def test_nobody_is_asked_about_what_was_never_promised(case: Case) -> None:
    """An answer that somebody else gave in the clinician's name."""
    link, held = its_link(case), promise_of(case)
    end(case, Cause.DENIED)
    with case.browser() as made:
        made.open(link)
        made.give_birth_date()
        assert "Have you seen" not in made.get("/request/follow-up").text
        made.post("/request/follow-up", {"outcome": "lost"})
    with case.clinic.transaction() as session:
        assert follow_ups.open_until(session, TODAY, 10) == []
        assert follow_ups.of_order(session, held.order_id) == []
        with pytest.raises(NotFound):
            record_outcome(session, case.clinic.actor, held.id, "lost", None, ASKED)


def test_a_link_of_something_else_leads_to_no_question(case: Case) -> None:
    other = make_case(case.clinic)
    with other.browser() as made:
        made.identify_by_fax()
        assert "Have you seen" not in made.get("/request/follow-up").text
        made.post("/request/follow-up", {"outcome": "lost"})
    assert promise_of(case).settled_at is None


# ---- By staff


@pytest.fixture
def robin(case: Case, open_desk: OpenDesk) -> Desk:
    made = open_desk(case.clinic)
    made.get(f"/orders/{case.referral.order_id}")
    return made


def test_staff_record_what_the_office_says_on_the_telephone(case: Case, robin: Desk) -> None:
    path = f"/orders/{case.referral.order_id}/follow-up"
    assert "Their office was asked on" in robin.text
    refused = robin.post(path, {"visit_outcome": "seen", "visit_on": "2030-01-01"})
    assert (robin.status, "It cannot lie in the future" in refused) == (400, True)
    assert robin.page.count('id="visit_on"') == 1
    assert "What became of the visit is recorded" in robin.post(
        path, {"visit_outcome": "seen", "visit_on": "2026-11-02"}
    )
    assert "Seen on" in robin.text
    assert promise_of(case).outcome is Outcome.SEEN
    assert "Record what became" not in robin.text


def test_a_visit_of_another_order_is_not_settled_here(case: Case, robin: Desk) -> None:
    other = make_case(case.clinic)
    treat_and_ask(other)
    robin.post(
        f"/orders/{case.referral.order_id}/follow-up",
        {"follow_up": promise_of(other).id, "visit_outcome": "lost"},
    )
    assert robin.status == 400
    assert promise_of(other).settled_at is None


def test_who_may_not_ask_records_nothing(case: Case, open_desk: OpenDesk) -> None:
    reader = open_desk(case.clinic, Role.AUDITOR)
    reader.get(f"/orders/{case.referral.order_id}")
    assert "Record what became" not in reader.text
    reader.post(f"/orders/{case.referral.order_id}/follow-up", {"visit_outcome": "lost"})
    assert reader.status == 403
    assert promise_of(case).settled_at is None
