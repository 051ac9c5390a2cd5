"""Staff pages about the life of a recommendation: review list, two opinions, changed facts, asking again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from referral.domain.codes import Role, Strength
from referral.domain.life import Cause
from referral.domain.records import Referral
from referral.services.judge_recommendation import revoke_recommendation
from referral.services.publish import keep_words
from referral.services.refresh_gate import refresh_order
from referral.services.treat import record_consultation
from referral.services.void_recommendation import void
from referral.storage import orders, referrals, standings
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.test_life import two_opinions
from tests.web.desk import OpenDesk

# Answered long enough ago to end within thirty days of the present of these tests.
LONG_AGO = NOW - timedelta(days=160)


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        made = people.asked_once(session, clinic)
        record_consultation(session, clinic.actor, made.order_id, NOW - timedelta(days=1), NOW)
    return made


def answer(clinic: ClinicFixture, referral: Referral, **given: str) -> None:
    strength = Strength(given.pop("strength", Strength.TWO_CHANNEL))
    decision = given.pop("decision", "recommended")
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral, people.answers(decision, **given), strength=strength)


def test_the_review_list_says_why_and_leads_to_the_decision(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    director = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    assert "Nothing waits for a review." in director.get("/reviews")
    answer(clinic, referral, mania="yes", pregnancy="unknown", strength="single-channel")
    text = director.get("/reviews")
    assert "Chidi Okafor, MD recommends it; 2 red flags; the practice has to be called as well." in text
    assert "Red flags One channel only" in text
    assert f'href="/requests/{referral.id}#review"' in director.page
    assert "All reviews" in director.get("/")
    assert director.page.count('href="/reviews"') == 2


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.CLINICIAN, Role.ADMIN, Role.AUDITOR])
def test_the_review_list_is_the_directors(clinic: ClinicFixture, open_desk: OpenDesk, role: Role) -> None:
    other = open_desk(clinic, role)
    other.get("/reviews")
    assert other.status == 403
    other.get("/")
    assert 'href="/reviews"' not in other.page


def test_one_channel_leads_to_the_call_and_two_opinions_to_the_order(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    answer(clinic, referral, strength="single-channel")
    in_favour, _ = two_opinions(clinic)
    director = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    director.get("/reviews")
    assert f'href="/requests/{referral.id}#confirm"' in director.page
    assert f'href="/orders/{in_favour.order_id}#conflict"' in director.page
    assert "Chidi Adeyemi, MD recommends it, Chidi Okafor, MD does not." in director.text
    robin = open_desk(clinic)
    assert "Chidi Adeyemi, MD recommends it, another clinician does not" in robin.get("/")


def test_the_director_decides_between_two_opinions_with_a_reason(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    in_favour, _ = two_opinions(clinic)
    robin, director = open_desk(clinic), open_desk(clinic, Role.MEDICAL_DIRECTOR)
    place = f"/orders/{in_favour.order_id}"
    assert "The medical director decides whether it still counts." in robin.get(place)
    assert 'name="conflict_reason"' not in robin.page
    robin.post(f"{place}/conflict", keep="yes", conflict_reason="because")
    assert robin.status == 403
    assert "Two opinions" in director.get(place)
    director.post(f"{place}/conflict", keep="no", conflict_reason=" ")
    assert director.status == 400
    assert "Please write a short reason" in director.text
    text = director.post(f"{place}/conflict", keep="yes", conflict_reason="spoke to Quigley")
    assert "The recommendation is kept" in text
    assert "Two opinions" not in text
    assert "Kept although another clinician refused, " in text
    assert "spoke to Quigley" in text
    # The front desk reads no narrative.
    assert "Kept although another clinician refused" in robin.get(place)
    assert "Quigley" not in robin.text
    assert "The medical director keeps it although another clinician refused" in robin.get(
        f"/requests/{in_favour.id}"
    )


def test_a_recommendation_that_loses_against_a_refusal_is_void(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    in_favour, _ = two_opinions(clinic)
    director = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    director.get(f"/orders/{in_favour.order_id}")
    text = director.post(
        f"/orders/{in_favour.order_id}/conflict", keep="no", conflict_reason="the refusal is right"
    )
    assert "Closed: treatment may not start" in text
    assert "another clinician does not recommend it, and the medical director has decided so" in text
    assert "the refusal is right" in text


def test_the_front_desk_reports_a_changed_fact(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    robin = open_desk(clinic)
    assert "The facts have changed" not in robin.get(f"/orders/{referral.order_id}")
    answer(clinic, referral)
    assert "Open: treatment may start" in robin.get(f"/orders/{referral.order_id}")
    robin.post(f"/orders/{referral.order_id}/facts", fact="", fact_reason="")
    assert robin.status == 400
    assert "Choose what has changed." in robin.text
    robin.post(
        f"/orders/{referral.order_id}/facts", fact="new-indication", fact_code="X", fact_reason="saw it"
    )
    assert "Give an ICD-10-CM code" in robin.text
    assert 'value="X"' in robin.page
    text = robin.post(f"/orders/{referral.order_id}/facts", fact="hospitalisation", fact_reason="ward called")
    assert "The change is recorded" in text
    assert "Closed: treatment may not start" in text
    assert "the patient was hospitalized" in text
    assert "The facts have changed" not in text
    assert "Recommendation voided" in robin.get(f"/requests/{referral.id}")
    assert "the patient was hospitalized" in robin.text
    assert "The recommendation by Chidi Okafor, MD does not count any more." in robin.get("/")


def test_a_new_indication_stands_on_the_order_at_once(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    answer(clinic, referral)
    robin = open_desk(clinic)
    robin.get(f"/orders/{referral.order_id}")
    text = robin.post(
        f"/orders/{referral.order_id}/facts",
        fact="new-indication",
        fact_code="F43.10",
        fact_reason="new diagnosis",
    )
    assert "Post-traumatic stress disorder, unspecified (F43.10)" in text
    assert "a new indication that it does not cover" in text


def test_staff_ask_whether_it_is_still_true(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    answer(clinic, referral)
    robin = open_desk(clinic)
    assert "Ask whether it is still true" in robin.get(f"/requests/{referral.id}")
    old = robin.hidden()
    assert "The question is on its way" in robin.post(f"/requests/{referral.id}/renewal")
    assert "Question: still true?" in robin.text
    assert "Asked whether the answer is still true" in robin.text
    robin.post(f"/requests/{referral.id}/renewal", old)
    assert robin.status in (409, 412, 422)
    assert "Question: still true?" in robin.get("/outbox")


def test_what_ends_within_thirty_days_is_on_the_board(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral, now=LONG_AGO)
    robin = open_desk(clinic)
    assert "The recommendation by Chidi Okafor, MD ends within 30 days." in robin.get("/")
    assert f'href="/requests/{referral.id}#renewal"' in robin.page


def test_a_withdrawal_is_told_with_its_words_to_those_who_may_read_them(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    answer(clinic, referral)
    with clinic.transaction() as session:
        words = keep_words(session, referrals.get(session, referral.id), "She takes Zopiclonol.", NOW)
        orders.get(session, referral.order_id, lock=True)
        living = standings.of_referral(session, referral.id)
        actor = people.portal_actor(clinic)
        void(session, actor, living, Cause.WITHDRAWN, "The clinician has taken it back.", NOW, document=words)
        refresh_order(session, actor, referral.order_id, NOW)
    robin, nico = open_desk(clinic), open_desk(clinic, Role.CLINICIAN)
    assert "The clinician has withdrawn the recommendation" in robin.get(f"/requests/{referral.id}")
    assert "Zopiclonol" not in robin.page
    assert "the words are for clinical staff" in robin.text
    assert "She takes Zopiclonol." in nico.get(f"/requests/{referral.id}")
    assert "Withdrawn" in nico.get(f"/orders/{referral.order_id}")
    assert "Stopped counting" in nico.text


def test_the_order_tells_what_became_of_each_answer(
    clinic: ClinicFixture, open_desk: OpenDesk, referral: Referral
) -> None:
    answer(clinic, referral, mania="yes")
    director = open_desk(clinic, Role.MEDICAL_DIRECTOR)
    place = f"/orders/{referral.order_id}"
    assert "Does not count yet" in director.get(place)
    director.get(f"/requests/{referral.id}")
    director.post(f"/requests/{referral.id}/review", decision="accept", review_reason="on lithium")
    text = director.get(place)
    assert "Chidi Okafor, MD, psychiatrist: recommended Valid until" in text
    assert "Accepted by the medical director, " in text
    assert "by Robin Desk: on lithium" in text
    assert "on lithium" not in open_desk(clinic).get(place)
    with clinic.transaction() as session:
        revoke_recommendation(session, clinic.actor, referral.id, reason="office called", now=NOW)
    assert "voided by the clinic (office called)." in director.get(place)
