"""After the answer: taken back at once or later, renewed with one tap, by whoever gave it and nobody else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from referral.domain.codes import BusinessStatus, Channel, Decision, Verdict
from referral.domain.credential import Minted, digest, expires_at, mint
from referral.domain.life import Cause, Purpose, Standing
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.policy import ICD_10_CM, Indication
from referral.services.ask_renewal import ask_renewal
from referral.services.judge_recommendation import review_recommendation, revoke_recommendation
from referral.services.receipt import evidence_id
from referral.services.refresh_gate import decision_of
from referral.services.treat import record_consultation
from referral.storage import credentials, documents, orders, outbox, referrals, resources, standings
from tests.database import ClinicFixture
from tests.services.listening import listen_to_gates
from tests.web.portal_case import DETAILS, SIGNER, Browser, Case, make_case, newest


@pytest.fixture
def case(clinic: ClinicFixture) -> Case:
    made = make_case(clinic)
    with clinic.transaction() as session:
        record_consultation(session, clinic.actor, made.referral.order_id, made.clock.now, made.clock.now)
    return made


@pytest.fixture
def browser(case: Case) -> Iterator[Browser]:
    with case.browser() as made:
        yield made


def sign(browser: Browser, decision: str = "recommended", **more: str) -> str:
    browser.post("/request/decision", {"decision": decision})
    browser.post("/request/details", {**DETAILS, **more, "action": "next"})
    return browser.post("/request/sign", SIGNER).text


def answers(case: Case) -> list[Standing]:
    with case.clinic.transaction() as session:
        return standings.of_referral(session, case.referral.id)


def is_open(case: Case) -> bool:
    with case.clinic.transaction() as session:
        found = orders.facts(session, case.referral.order_id)
        return decision_of(session, found, case.clock.now).open


def verdict(case: Case) -> Verdict:
    with case.clinic.transaction() as session:
        return decision_of(session, orders.facts(session, case.referral.order_id), case.clock.now).verdict


def standing_link(case: Case, channel: Channel = Channel.FAX) -> Minted:
    """A link as the letter "still true?" carries it."""
    minted = mint(purpose=Purpose.STANDING)
    with case.clinic.transaction() as session:
        referral = referrals.get(session, case.referral.id)
        ask_renewal(session, case.clinic.actor, referral.id, referral.version, case.clock.now)
        message = newest(outbox.find(session, referral_id=referral.id), MessageKind.RENEWAL)
        kept = credentials.NewCredential(
            minted=minted,
            referral_id=referral.id,
            message_id=message.id,
            channel=channel,
            contact_verified=True,
            expires_at=expires_at(case.clock.now, case.clock.now + timedelta(days=14)),
        )
        credentials.add_many(session, [kept], case.clock.now)
    return minted


def test_what_was_just_signed_can_be_taken_back_on_the_same_page(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    assert "I withdraw my recommendation" in sign(browser)
    assert is_open(case)
    page = browser.get("/request/withdraw").text
    assert "Withdraw your recommendation?" in page
    assert is_open(case)
    text = browser.post("/request/withdraw", {"text": "She told me about Zopiclonol."}).text
    assert "Your recommendation is withdrawn" in text
    assert not is_open(case)
    (answer,) = answers(case)
    assert answer.void is not None
    assert (answer.void.cause, answer.void.reason) == (Cause.WITHDRAWN, "The clinician has taken it back.")
    with case.clinic.transaction() as session:
        order = resources.read(session, "ServiceRequest", case.referral.order_id).document
        observation = resources.read(session, "Observation", answer.id).document
        response = resources.read(session, "QuestionnaireResponse", answer.response_id).document
        event = referrals.events(session, case.referral.id)[-1]
        words = documents.get(session, event.detail["document"]).content.decode()
    assert (order["status"], observation["status"], response["status"]) == ("on-hold", "cancelled", "amended")
    assert (event.event, words) == ("withdrawn", "She told me about Zopiclonol.")
    assert [m.kind for m in case.messages(MessageKind.WITHDRAWN)] == []  # no letter has ever reached them
    assert case.state().business_status is BusinessStatus.LAPSED


def test_subscribers_hear_of_the_gate_when_it_opens_and_when_it_is_taken_back(
    case: Case, browser: Browser
) -> None:
    told = listen_to_gates(case.clinic)
    browser.identify_by_fax()
    sign(browser)
    assert told() == [f"ServiceRequest/{case.referral.order_id}"]
    browser.get("/request/withdraw")
    browser.post("/request/withdraw")
    assert told() == [f"ServiceRequest/{case.referral.order_id}"]


def test_who_withdraws_is_told_so_where_the_letter_went(case: Case, browser: Browser) -> None:
    minted = browser.identify_by_fax()
    with case.clinic.transaction() as session:
        session.connection.exec_driver_sql(
            "UPDATE message SET state = 'accepted' WHERE id = %s", (case.credential(minted).message_id,)
        )
    sign(browser)
    browser.get("/request/withdraw")
    browser.post("/request/withdraw")
    (message,) = case.messages(MessageKind.WITHDRAWN)
    assert (message.state, message.contact_id) == (MessageState.QUEUED, case.contact(Channel.FAX).id)
    assert case.messages(MessageKind.NO_LONGER_COUNTS) == []


def test_withdrawing_twice_is_withdrawing_once_and_the_page_says_so_again(
    case: Case, browser: Browser
) -> None:
    browser.identify_by_fax()
    sign(browser)
    browser.get("/request/withdraw")
    form = browser.page
    browser.post("/request/withdraw")
    browser.page = form
    assert "is withdrawn" in browser.post("/request/withdraw").text
    assert case.events().count("withdrawn") == 1
    for path in ("/request", "/request/receipt", "/request/withdraw", "/request/withdrawn"):
        assert "is withdrawn" in browser.get(path).text, path


@pytest.mark.parametrize("decision", ["not-recommended", "not-my-patient"])
def test_there_is_nothing_to_withdraw_where_nothing_was_recommended(
    case: Case, browser: Browser, decision: str
) -> None:
    browser.identify_by_fax()
    page = sign(browser, decision, **{"reason-code": "unstable", "reason": "not stable"})
    assert "I withdraw my recommendation" not in page
    assert "Withdraw your recommendation?" not in browser.get("/request/withdraw").text
    browser.post("/request/withdraw")
    assert "withdrawn" not in case.events()


def test_nobody_withdraws_before_having_answered_or_from_another_session(
    case: Case, browser: Browser
) -> None:
    other = case.link(Channel.FAX)
    with case.browser() as second:
        second.open(other)
        second.give_birth_date()
        second.post("/request/withdraw")
        browser.identify_by_fax()
        sign(browser)
        assert is_open(case)
        # This session has answered nothing, and its link was spent by the answer of the other.
        second.post("/request/withdraw")
        second.get("/request/withdraw")
        assert "Withdraw your" not in second.page
        assert is_open(case)


def test_later_an_old_link_brings_a_fresh_one_that_withdraws(case: Case, browser: Browser) -> None:
    minted = browser.identify_by_fax()
    sign(browser)
    case.clock.now += timedelta(days=20)
    assert "cannot be used now" in browser.open(minted).text
    browser.post("/request/fresh-link")
    (message,) = case.messages(MessageKind.FRESH_LINK)
    assert message.state is MessageState.QUEUED
    with case.browser() as later:
        standing, unused = standing_link(case), case.link(Channel.FAX)
        later.open(standing)
        page = later.give_birth_date().text
        assert "Is your answer about Maren Quillfeather still true?" in page
        assert "I recommend it" in page
        later.get("/request/withdraw")
        assert "is withdrawn" in later.post("/request/withdraw").text
    assert not is_open(case)
    assert [case.credential(link).revoked_for for link in (standing, unused)] == ["withdrawn"] * 2


def test_a_renewal_is_a_new_recommendation_with_its_own_validity_and_evidence(
    case: Case, browser: Browser
) -> None:
    browser.identify_by_fax()
    sign(browser)
    case.clock.now += timedelta(days=160)
    with case.browser() as later:
        minted = standing_link(case)
        later.open(minted)
        page = later.give_birth_date().text
        assert "sertraline" in page
        shown = later.page
        assert "Thank you, your answer is renewed" in later.post("/request/renew").text
        first, second = answers(case)
        assert (second.renews, second.decision) == (first.id, Decision.RECOMMENDED)
        assert second.valid_until == case.clock.now + timedelta(days=180)
        assert first.is_living
        assert first.valid_until == case.clock.now + timedelta(days=20)
        with case.clinic.transaction() as session:
            assert second.document_id is not None
            kept = json.loads(documents.get(session, evidence_id(second.document_id)).content)
            again = resources.read(session, "QuestionnaireResponse", second.response_id).document
            before = resources.read(session, "QuestionnaireResponse", first.response_id).document
        lines = dict(kept["evidence"])
        assert lines["Identity established by"] == "paper-to-verified-contact"
        assert lines["SHA-256 of the page as shown"] == digest(shown).hex()
        assert lines["Credential"] == minted.selector
        assert lines["Repeated recommendation"] == first.id
        assert kept["attestation"].startswith("My earlier answer is still true.")
        assert again["item"] == before["item"]
        assert again["authored"] != before["authored"]
        case.clock.now += timedelta(days=30)
        assert is_open(case)
    assert case.credential(minted).revoked_for == "renew"
    assert case.events()[-1] == "renewed"
    assert len(case.messages(MessageKind.THANK_YOU)) == 2


def test_the_same_tap_twice_renews_once(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    sign(browser)
    with case.browser() as later:
        later.open(standing_link(case))
        later.give_birth_date()
        form = later.page
        later.post("/request/renew")
        later.page = form
        later.post("/request/renew")
    assert len(answers(case)) == 2


def test_two_taps_at_once_renew_once(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    sign(browser)
    with case.browser() as later:
        later.open(standing_link(case))
        later.give_birth_date()
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', later.page))
        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(later.client.post, "/request/renew", data=hidden) for _ in range(4)]
        assert {response.result().status_code for response in sent} == {200}
    assert len(answers(case)) == 2


def test_what_staff_void_takes_the_renewed_answer_with_it(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    sign(browser)
    with case.browser() as later:
        later.open(standing_link(case))
        later.give_birth_date()
        later.post("/request/renew")
    with case.clinic.transaction() as session:
        revoke_recommendation(
            session, case.clinic.actor, case.referral.id, reason="the office called", now=case.clock.now
        )
    assert [answer.is_living for answer in answers(case)] == [False, False]
    assert not is_open(case)


def test_red_flags_are_looked_at_again_while_the_old_answer_counts_on(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    sign(browser, mania="unknown")
    assert verdict(case) is Verdict.ANSWERED_NEEDS_REVIEW
    with case.clinic.transaction() as session:
        review_recommendation(
            session,
            case.clinic.actor,
            case.referral.id,
            accepted=True,
            reason="on lithium",
            now=case.clock.now,
        )
    case.clock.now += timedelta(days=160)
    with case.browser() as later:
        later.open(standing_link(case))
        later.give_birth_date()
        assert "The medical director reads your answer first" in later.post("/request/renew").text
    assert is_open(case)
    case.clock.now += timedelta(days=20, seconds=-1)
    assert is_open(case)
    case.clock.now += timedelta(seconds=1)
    # The old one is over, and nobody has looked at the new one.
    assert verdict(case) is Verdict.ANSWERED_NEEDS_REVIEW
    with case.clinic.transaction() as session:
        review_recommendation(
            session, case.clinic.actor, case.referral.id, accepted=False, reason="unclear", now=case.clock.now
        )
    assert {answer.review.accepted for answer in answers(case) if answer.review} == {False}


def test_what_the_clinic_has_voided_can_neither_be_renewed_nor_withdrawn(
    case: Case, browser: Browser
) -> None:
    browser.identify_by_fax()
    sign(browser)
    with case.browser() as later:
        later.open(standing_link(case))
        later.give_birth_date()
        with case.clinic.transaction() as session:
            revoke_recommendation(
                session, case.clinic.actor, case.referral.id, reason="the office called", now=case.clock.now
            )
        assert "Nothing is needed any more" in later.post("/request/renew").text
        assert "Nothing is needed any more" in later.post("/request/withdraw").text
    (answer,) = answers(case)
    assert answer.void is not None
    assert answer.void.cause is Cause.REVOKED


def test_a_link_to_look_after_the_answer_does_not_answer(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    sign(browser)
    with case.browser() as later:
        later.open(standing_link(case))
        later.give_birth_date()
        for path in ("/request/details", "/request/review", "/request/ask/question", "/request/letter"):
            assert "still true?" in later.get(path).text, path
        later.post("/request/decision", {"decision": "not-recommended"})
        later.post("/request/sign", SIGNER)
        later.post("/request/ask/colleague", {"text": "somebody else"})
    assert len(answers(case)) == 1
    assert is_open(case)


def test_what_the_director_has_declined_or_the_order_has_outgrown_is_not_renewed(
    case: Case, browser: Browser
) -> None:
    browser.identify_by_fax()
    sign(browser)
    with case.browser() as later:
        later.open(standing_link(case))
        assert "Still true" in later.give_birth_date().text
        form = later.page
        with case.clinic.transaction() as session:
            review_recommendation(
                session, case.clinic.actor, case.referral.id, accepted=False, reason="nay", now=case.clock.now
            )
        refused = later.post("/request/renew")
        assert (refused.status_code, "cannot be renewed as it is" in refused.text) == (409, True)
        with case.clinic.transaction() as session:
            review_recommendation(
                session, case.clinic.actor, case.referral.id, accepted=True, reason="yea", now=case.clock.now
            )
            anxiety = Indication(ICD_10_CM, "F41.1", "anxiety")
            orders.add_indications(session, case.referral.order_id, [anxiety], 1)
        later.page = form
        assert later.post("/request/renew").status_code == 409
    assert len(answers(case)) == 1


def test_a_link_that_still_answers_renews_nothing(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    assert "Your recommendation for" in browser.post("/request/renew").text
    assert answers(case) == []


def test_a_mailed_link_needs_a_code_again_and_the_code_is_sent(case: Case, browser: Browser) -> None:
    browser.identify_by_fax()
    sign(browser)
    with case.browser() as later:
        later.open(standing_link(case, Channel.EMAIL))
        assert "Your recommendation for" not in later.page
        later.post("/request/send-code", {"way": case.contact(Channel.FAX).id})
        later.post("/request/one-time-code", {"one_time_code": case.one_time_code()})
        assert "still true?" in later.give_birth_date().text
