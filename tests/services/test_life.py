"""The life of a recommendation: what ends it, what contradicts it, when it is asked about again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from referral.domain.codes import BusinessStatus, Strength, Verdict
from referral.domain.errors import GateClosed, InvalidInput, StaleVersion, TransitionRefused
from referral.domain.gate import GateDecision
from referral.domain.life import FACTS, Cause, Standing
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.letters.render import Renderer
from referral.services.ask_renewal import ask_renewal, ask_renewals
from referral.services.attention import Reason
from referral.services.change_facts import report_fact, void_after_gaps
from referral.services.decide_conflict import conflicts_of, decide_conflict
from referral.services.deliver_messages import deliver_due
from referral.services.find_messages import open_message
from referral.services.find_reviews import Waits, find_reviews
from referral.services.find_today import find_today
from referral.services.judge_recommendation import (
    confirm_by_phone,
    review_recommendation,
    revoke_recommendation,
)
from referral.services.lapse_orders import lapse_orders
from referral.services.publish_warnings import flag_id
from referral.services.refresh_gate import read_decision
from referral.services.request_recommendation import NewOrder, place_order
from referral.services.treat import record_consultation, start_treatment
from referral.storage import audit, directory, orders, outbox, referrals, resources, standings
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import delivery
from tests.services.test_at_once import at_once

REFUSAL = {"reason_code": "unstable", "reason": "not stable"}


def answered(clinic: ClinicFixture, now: datetime = NOW) -> Referral:
    """One order that is open: consulted and recommended."""
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        record_consultation(session, clinic.actor, referral.order_id, NOW - timedelta(days=1), NOW)
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral, now=now)
    return referral


def two_opinions(clinic: ClinicFixture) -> tuple[Referral, Referral]:
    """The second clinician recommends what the first one has refused."""
    with clinic.transaction() as session:
        placed = people.order(session, clinic, people.patient(session, clinic))
        first = people.clinician(session, clinic)
        second = people.clinician(
            session, clinic, family="Adeyemi", npi="", email="adeyemi@beaconhill.example"
        )
        against, in_favour = people.ask(session, clinic, placed, first, second)
        record_consultation(session, clinic.actor, placed.id, NOW - timedelta(days=1), NOW)
    with clinic.transaction() as session:
        people.respond_with(session, clinic, against, people.answers("not-recommended", **REFUSAL))
    with clinic.transaction() as session:
        people.respond_with(session, clinic, in_favour, now=NOW + timedelta(hours=1))
    return in_favour, against


def decision(clinic: ClinicFixture, referral: Referral, now: datetime = NOW) -> GateDecision:
    with clinic.transaction() as session:
        return read_decision(session, clinic.actor, referral.order_id, now)


def answers(clinic: ClinicFixture, referral: Referral) -> list[Standing]:
    with clinic.transaction() as session:
        return standings.of_referral(session, referral.id)


def only(clinic: ClinicFixture, referral: Referral) -> Standing:
    (answer,) = answers(clinic, referral)
    return answer


def document(clinic: ClinicFixture, type: str, id: str) -> dict[str, Any]:
    with clinic.transaction() as session:
        return resources.read(session, type, id).document


def issues(clinic: ClinicFixture, referral: Referral) -> list[dict[str, Any]]:
    with clinic.transaction() as session:
        rows = session.connection.exec_driver_sql(
            "SELECT body FROM resource WHERE type = 'DetectedIssue' AND patient_id = %s ORDER BY id",
            (referral.patient_id,),
        )
        return [row.body for row in rows]


def topics(issue: dict[str, Any]) -> list[str]:
    return [coding["code"] for coding in issue["code"]["coding"]]


def kinds(clinic: ClinicFixture, referral: Referral) -> list[MessageKind]:
    with clinic.transaction() as session:
        return [message.kind for message in outbox.find(session, referral_id=referral.id)]


def events(clinic: ClinicFixture, referral: Referral) -> list[str]:
    with clinic.transaction() as session:
        return [event.event for event in referrals.events(session, referral.id)]


def report(clinic: ClinicFixture, referral: Referral, fact: str, code: str = "") -> None:
    with clinic.transaction() as session:
        report_fact(
            session,
            clinic.actor,
            referral.order_id,
            fact,
            code=code,
            reason="her sister called",
            now=NOW,
        )


# ---- Changed facts


@pytest.mark.parametrize("fact", [fact for fact in FACTS if fact is not Cause.NEW_INDICATION])
def test_a_changed_fact_closes_the_order_at_once(clinic: ClinicFixture, fact: Cause) -> None:
    referral = answered(clinic)
    assert decision(clinic, referral).open
    report(clinic, referral, fact)
    answer = only(clinic, referral)
    assert answer.void is not None
    assert (answer.void.cause, answer.void.reason) == (fact, "her sister called")
    assert decision(clinic, referral).verdict is Verdict.VOIDED
    assert document(clinic, "ServiceRequest", referral.order_id)["status"] == "on-hold"
    with pytest.raises(GateClosed), clinic.transaction() as session:
        start_treatment(session, clinic.actor, referral.order_id, referral.patient_id, NOW)
    with clinic.transaction() as session:
        found = audit.find(session, patient_id=referral.patient_id)
        assert {"facts-changed", "answer-voided", "gate-closed"} <= {row.subtype for row in found}
        assert referrals.get(session, referral.id).business_status is BusinessStatus.LAPSED


def test_what_concerns_the_person_ends_every_order_of_theirs_and_a_gap_only_its_own(
    clinic: ClinicFixture,
) -> None:
    first = answered(clinic)
    with clinic.transaction() as session:
        of = orders.get(session, first.order_id)
        new = NewOrder(patient_id=of.patient_id, indications=(people.DEPRESSION,), planned_sessions=6)
        placed = place_order(session, clinic.actor, new, NOW)
        (second,) = people.ask(session, clinic, placed, people.clinician(session, clinic, npi=""))
        record_consultation(session, clinic.actor, placed.id, NOW - timedelta(days=1), NOW)
        people.respond_with(session, clinic, second)
    report(clinic, first, "treatment-gap")
    assert decision(clinic, second).open
    report(clinic, first, "pregnancy")
    assert not decision(clinic, second).open
    assert document(clinic, "ServiceRequest", second.order_id)["status"] == "on-hold"


def test_a_new_indication_ends_what_does_not_cover_it(clinic: ClinicFixture) -> None:
    referral = answered(clinic)
    report(clinic, referral, "new-indication", "g89.4")
    assert decision(clinic, referral).open, "chronic pain needs no recommendation"
    report(clinic, referral, "new-indication", "F43.10")
    answer = only(clinic, referral)
    assert answer.void is not None
    assert answer.void.cause is Cause.NEW_INDICATION
    order = document(clinic, "ServiceRequest", referral.order_id)
    assert (order["status"], len(order["reasonReference"])) == ("on-hold", 3)
    added = document(clinic, "Condition", order["reasonReference"][-1]["reference"].split("/")[1])
    assert added["code"]["coding"][0]["code"] == "F43.10"


@pytest.mark.parametrize(
    ("fact", "code", "field"),
    [
        ("", "", "fact"),
        ("weather", "", "fact"),
        ("new-indication", "", "fact_code"),
        ("new-indication", "Q99.99X", "fact_code"),
        ("new-indication", "F33.2", "fact_code"),
    ],
)
def test_a_report_that_says_nothing_changes_nothing(
    clinic: ClinicFixture, fact: str, code: str, field: str
) -> None:
    referral = answered(clinic)
    with pytest.raises(InvalidInput) as caught:
        report(clinic, referral, fact, code)
    assert [issue.expression for issue in caught.value.issues] == [(field,)]
    assert decision(clinic, referral).open


def test_a_fact_and_a_start_at_the_same_moment_are_decided(clinic: ClinicFixture) -> None:
    for _ in range(6):
        referral = answered(clinic, datetime.now(UTC))

        def start(referral: Referral = referral) -> None:
            with clinic.transaction() as session:
                start_treatment(
                    session, clinic.actor, referral.order_id, referral.patient_id, datetime.now(UTC)
                )

        def change(referral: Referral = referral) -> None:
            report(clinic, referral, "psychosis")

        refused = at_once(start, change)
        assert all(isinstance(error, GateClosed) for error in refused)
        with clinic.transaction() as session:
            started = orders.starts(session, referral.order_id)
        assert len(started) == 1 - len(refused)
        assert not decision(clinic, referral).open


def test_two_people_who_void_at_once_void_once(clinic: ClinicFixture) -> None:
    referral = answered(clinic)

    def revoke() -> None:
        with clinic.transaction() as session:
            revoke_recommendation(session, clinic.actor, referral.id, reason="the office called", now=NOW)

    refused = at_once(revoke, revoke, revoke)
    assert [type(error) for error in refused] == [TransitionRefused] * 2
    with clinic.transaction() as session:
        rows = session.connection.exec_driver_sql(
            "SELECT count(*) FROM recommendation_void WHERE order_id = %s", (referral.order_id,)
        ).scalar_one()
    assert rows == 1


def test_a_rest_in_treatment_longer_than_policy_ends_the_recommendation(clinic: ClinicFixture) -> None:
    start = datetime.now(UTC)
    referral = answered(clinic, start)
    with clinic.transaction() as session:
        assert void_after_gaps(session, start + timedelta(days=91)) == 0, "treatment has not begun"
        start_treatment(session, clinic.actor, referral.order_id, referral.patient_id, start)
    with clinic.transaction() as session:
        assert void_after_gaps(session, start + timedelta(days=89)) == 0
        assert void_after_gaps(session, start + timedelta(days=91)) == 1
        assert void_after_gaps(session, start + timedelta(days=92)) == 0
    answer = only(clinic, referral)
    assert answer.void is not None
    assert (answer.void.cause, answer.void.by) == (Cause.TREATMENT_GAP, "sweep")
    assert "more than 90 days" in answer.void.reason


# ---- Messages


def test_who_gave_it_is_told_that_it_does_not_count_and_not_why(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    deliver_due(delivery(clinic, renderer), clinic.id)
    with clinic.transaction() as session:
        record_consultation(session, clinic.actor, referral.order_id, NOW - timedelta(days=1), NOW)
        people.respond_with(session, clinic, referral)
    report(clinic, referral, "pregnancy")
    deliver_due(delivery(clinic, renderer), clinic.id)
    with clinic.transaction() as session:
        message = next(
            m for m in outbox.find(session, referral_id=referral.id) if m.kind is MessageKind.NO_LONGER_COUNTS
        )
        assert message.state is MessageState.ACCEPTED
        opened = open_message(session, clinic.actor, str(message.id), ())
    assert opened.subject == f"Your answer does not count any more ({referral.number})"
    for word in ("pregnan", "Nguyễn", "ketamine", "depress", "her sister"):
        assert word not in f"{opened.subject} {opened.body}"
    sent = document(clinic, "Communication", str(message.id))
    assert sent["status"] == "completed"


def test_nobody_is_told_of_an_answer_that_they_have_denied(clinic: ClinicFixture) -> None:
    referral = answered(clinic)
    with clinic.transaction() as session:
        session.connection.exec_driver_sql(
            "UPDATE message SET state = 'accepted' WHERE referral_id = %s", (referral.id,)
        )
        revoke_recommendation(
            session, clinic.actor, referral.id, reason="they did not send it", now=NOW, cause=Cause.DENIED
        )
    assert MessageKind.NO_LONGER_COUNTS not in kinds(clinic, referral)


# ---- Conflicts


def test_another_clinicians_refusal_is_a_conflict_until_the_director_has_decided(
    clinic: ClinicFixture,
) -> None:
    in_favour, against = two_opinions(clinic)
    assert decision(clinic, in_favour, NOW + timedelta(hours=2)).open, "one recommendation is enough"
    with clinic.transaction() as session:
        (conflict,) = conflicts_of(session, [in_favour.order_id], NOW + timedelta(hours=2))
    assert (conflict.recommendation.referral_id, conflict.refusal.referral_id) == (in_favour.id, against.id)
    (issue,) = issues(clinic, in_favour)
    assert (issue["status"], topics(issue)) == ("preliminary", ["BUS", "conflict"])
    assert {item["reference"] for item in issue["implicated"]} == {
        f"ServiceRequest/{in_favour.order_id}",
        f"Observation/{conflict.recommendation.id}",
        f"Observation/{conflict.refusal.id}",
    }
    assert "contradicted" in events(clinic, in_favour)


def decide(
    clinic: ClinicFixture, referral: Referral, *, keep: bool | None, reason: str = "spoke to both"
) -> None:
    now = NOW + timedelta(hours=2)
    with clinic.transaction() as session:
        (conflict,) = conflicts_of(session, [referral.order_id], now)
        pair = (conflict.recommendation.id, conflict.refusal.id)
    with clinic.transaction() as session:
        decide_conflict(
            session, people.director(clinic), referral.order_id, pair, keep=keep, reason=reason, now=now
        )


def test_the_director_keeps_it(clinic: ClinicFixture) -> None:
    in_favour, _ = two_opinions(clinic)
    decide(clinic, in_favour, keep=True)
    assert decision(clinic, in_favour, NOW + timedelta(hours=2)).open
    (issue,) = issues(clinic, in_favour)
    assert issue["status"] == "final"
    assert issue["mitigation"][0]["action"]["text"] == "Accepted by the medical director"
    assert issue["mitigation"][0]["author"]["identifier"]["value"] == "director-1"
    with clinic.transaction() as session:
        assert conflicts_of(session, [in_favour.order_id], NOW + timedelta(hours=2)) == ()
        assert find_reviews(session, clinic.actor, NOW + timedelta(hours=2)).rows == ()
    assert events(clinic, in_favour)[-1] == "conflict-kept"


def test_the_director_voids_it(clinic: ClinicFixture) -> None:
    in_favour, _ = two_opinions(clinic)
    decide(clinic, in_favour, keep=False)
    assert not decision(clinic, in_favour, NOW + timedelta(hours=2)).open
    answer = only(clinic, in_favour)
    assert answer.void is not None
    assert (answer.void.cause, answer.void.reason) == (Cause.CONFLICT, "spoke to both")
    (issue,) = issues(clinic, in_favour)
    assert issue["status"] == "final"


@pytest.mark.parametrize(("keep", "reason"), [(None, "because"), (True, " "), (False, "")])
def test_a_conflict_is_decided_with_a_reason_or_not_at_all(
    clinic: ClinicFixture, keep: bool | None, reason: str
) -> None:
    in_favour, _ = two_opinions(clinic)
    with pytest.raises(InvalidInput):
        decide(clinic, in_favour, keep=keep, reason=reason)
    assert decision(clinic, in_favour, NOW + timedelta(hours=2)).open


def test_two_directors_who_decide_at_once_decide_once(clinic: ClinicFixture) -> None:
    in_favour, _ = two_opinions(clinic)
    now = NOW + timedelta(hours=2)
    with clinic.transaction() as session:
        (conflict,) = conflicts_of(session, [in_favour.order_id], now)
    pair = (conflict.recommendation.id, conflict.refusal.id)

    def take(keep: bool) -> None:
        with clinic.transaction() as session:
            decide_conflict(
                session, people.director(clinic), in_favour.order_id, pair, keep=keep, reason="seen", now=now
            )

    refused = at_once(lambda: take(True), lambda: take(False))
    assert [type(error) for error in refused] == [TransitionRefused]


def test_a_decision_of_a_conflict_is_never_rewritten(clinic: ClinicFixture) -> None:
    in_favour, _ = two_opinions(clinic)
    decide(clinic, in_favour, keep=True)
    for statement in ("UPDATE conflict_decision SET kept = false", "DELETE FROM conflict_decision"):
        with pytest.raises(Exception, match="permission denied"), clinic.transaction() as session:
            session.connection.exec_driver_sql(statement)


def test_whoever_changes_their_mind_amends_the_earlier_answer(clinic: ClinicFixture) -> None:
    referral = answered(clinic)
    with clinic.transaction() as session:
        order = orders.get(session, referral.order_id)
        (again,) = people.ask(session, clinic, order, directory.get_clinician(session, referral.clinician_id))
        people.respond_with(session, clinic, again, people.answers("not-recommended", **REFUSAL))
    answer = only(clinic, referral)
    assert answer.void is not None
    assert answer.void.cause is Cause.AMENDED
    assert decision(clinic, referral).verdict is Verdict.DECLINED
    assert document(clinic, "QuestionnaireResponse", answer.response_id)["status"] == "amended"
    assert issues(clinic, referral) == [], "nobody contradicts themselves"


# ---- Warnings in the FHIR store


def test_a_flag_warns_while_an_order_that_was_open_is_closed(clinic: ClinicFixture) -> None:
    referral = answered(clinic)
    id = flag_id(referral.order_id)
    with clinic.transaction() as session:
        assert resources.find(session, "Flag", id) is None, "it was never open before"
    report(clinic, referral, "hospitalisation")
    flag = document(clinic, "Flag", id)
    assert (flag["status"], flag["subject"]["reference"]) == ("active", f"Patient/{referral.patient_id}")
    assert flag["code"]["coding"][0]["code"] == "recommendation-missing"
    with clinic.transaction() as session:
        order = orders.get(session, referral.order_id)
        (again,) = people.ask(session, clinic, order, directory.get_clinician(session, referral.clinician_id))
        people.respond_with(session, clinic, again, now=NOW + timedelta(days=1))
    after = document(clinic, "Flag", id)
    assert after["status"] == "inactive"
    assert after["period"]["start"] == flag["period"]["start"] < after["period"]["end"]


def test_red_flags_are_an_issue_until_the_director_has_looked(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        people.respond_with(session, clinic, referral, people.answers(mania="unknown", pregnancy="yes"))
    (issue,) = issues(clinic, referral)
    assert (issue["status"], topics(issue), issue["severity"]) == (
        "preliminary",
        ["BUS", "red-flags"],
        "high",
    )
    codes = [code["coding"][0]["code"] for item in issue["evidence"] for code in item["code"]]
    assert sorted(codes) == ["mania", "pregnancy"]
    with clinic.transaction() as session:
        review_recommendation(
            session, people.director(clinic), referral.id, accepted=True, reason="on lithium", now=NOW
        )
    (issue,) = issues(clinic, referral)
    assert issue["status"] == "final"
    action = issue["mitigation"][0]["action"]
    assert (action["text"], action["coding"][0]["code"]) == ("Accepted by the medical director", "21")
    assert "on lithium" not in str(issue)


def test_an_issue_ends_with_what_it_is_about(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        people.respond_with(
            session, clinic, referral, people.answers("recommended-with-conditions", conditions="after labs")
        )
    (issue,) = issues(clinic, referral)
    assert topics(issue) == ["BUS", "conditions"]
    with clinic.transaction() as session:
        revoke_recommendation(session, clinic.actor, referral.id, reason="the office called", now=NOW)
    (issue,) = issues(clinic, referral)
    assert issue["status"] == "final"
    assert issue["mitigation"][0]["action"]["text"] == "The recommendation does not count any more"


# ---- The review list


def test_the_review_list_has_what_waits_and_nothing_else(clinic: ClinicFixture) -> None:
    answered(clinic)
    in_favour, _ = two_opinions(clinic)
    with clinic.transaction() as session:
        flagged, weak, both = (
            people.asked_once(session, clinic, npi="", family=name, email=f"{name}@beaconhill.example")
            for name in ("flagged", "weak", "both")
        )
        people.respond_with(session, clinic, flagged, people.answers(mania="yes"), now=NOW)
        people.respond_with(session, clinic, weak, strength=Strength.SINGLE_CHANNEL, now=NOW)
        conditions = people.answers("recommended-with-conditions", conditions="after labs", mania="yes")
        people.respond_with(session, clinic, both, conditions, strength=Strength.SINGLE_CHANNEL, now=NOW)
    later = NOW + timedelta(hours=2)
    with clinic.transaction() as session:
        found = find_reviews(session, people.director(clinic), later).rows
    assert {row.answer.referral_id: row.reasons for row in found} == {
        flagged.id: (Waits.RED_FLAGS,),
        weak.id: (Waits.ONE_CHANNEL,),
        both.id: (Waits.RED_FLAGS, Waits.CONDITIONS, Waits.ONE_CHANNEL),
        in_favour.id: (Waits.CONFLICT,),
    }
    with clinic.transaction() as session:
        review_recommendation(
            session, people.director(clinic), flagged.id, accepted=False, reason="unsafe", now=later
        )
        confirm_by_phone(
            session,
            people.director(clinic),
            weak.id,
            spoke_with="Sam",
            called_number="303-555-0121",
            now=later,
        )
        revoke_recommendation(session, clinic.actor, both.id, reason="the office called", now=later)
    decide(clinic, in_favour, keep=True)
    with clinic.transaction() as session:
        assert find_reviews(session, people.director(clinic), later).rows == ()


# ---- Asking again


def test_thirty_days_ahead_the_clinician_is_asked_once(clinic: ClinicFixture) -> None:
    referral = answered(clinic)
    for days, asked in ((149, 0), (150, 1), (151, 0), (179, 0)):
        with clinic.transaction() as session:
            assert ask_renewals(session, NOW + timedelta(days=days)) == asked, days
    assert kinds(clinic, referral).count(MessageKind.RENEWAL) == 1
    assert events(clinic, referral)[-1] == "renewal-asked"


def test_two_sweeps_at_once_ask_once(clinic: ClinicFixture) -> None:
    referral = answered(clinic)

    def sweep() -> None:
        with clinic.transaction() as session:
            ask_renewals(session, NOW + timedelta(days=160))

    assert at_once(sweep, sweep, sweep) == []
    assert kinds(clinic, referral).count(MessageKind.RENEWAL) == 1


def test_nobody_is_asked_about_what_is_void_or_lasts_longer_by_somebody_else(clinic: ClinicFixture) -> None:
    in_favour, against = two_opinions(clinic)
    with clinic.transaction() as session:
        order = orders.get(session, in_favour.order_id)
        third = people.clinician(session, clinic, family="Third", npi="", email="third@beaconhill.example")
        (other,) = people.ask(session, clinic, order, third)
        people.respond_with(session, clinic, other, now=NOW + timedelta(days=100))
    with clinic.transaction() as session:
        assert ask_renewals(session, NOW + timedelta(days=160)) == 0
        revoke_recommendation(session, clinic.actor, other.id, reason="the office called", now=NOW)
        assert ask_renewals(session, NOW + timedelta(days=160)) == 1
    assert MessageKind.RENEWAL in kinds(clinic, in_favour)
    assert MessageKind.RENEWAL not in kinds(clinic, against)


def test_nobody_is_asked_to_repeat_what_the_director_has_declined(clinic: ClinicFixture) -> None:
    referral = answered(clinic)
    with clinic.transaction() as session:
        review_recommendation(
            session, people.director(clinic), referral.id, accepted=False, reason="unsafe", now=NOW
        )
    with clinic.transaction() as session:
        assert ask_renewals(session, NOW + timedelta(days=160)) == 0
    with pytest.raises(TransitionRefused, match="no recommendation here that could be renewed"):
        ask(clinic, referral)


def ask(clinic: ClinicFixture, referral: Referral) -> None:
    with clinic.transaction() as session:
        version = referrals.get(session, referral.id).version
        ask_renewal(session, clinic.actor, referral.id, version, NOW)


def test_staff_ask_when_they_want_to_know_and_not_twice(clinic: ClinicFixture) -> None:
    referral = answered(clinic)
    ask(clinic, referral)
    with pytest.raises(TransitionRefused, match="on its way already"):
        ask(clinic, referral)
    with pytest.raises(StaleVersion), clinic.transaction() as session:
        ask_renewal(session, clinic.actor, referral.id, referral.version, NOW)


def test_the_question_carries_a_link_and_no_letter_and_is_not_sent_once_it_is_void(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    first, second = answered(clinic), answered(clinic)
    ask(clinic, first)
    ask(clinic, second)
    with clinic.transaction() as session:
        revoke_recommendation(session, clinic.actor, second.id, reason="the office called", now=NOW)
        waiting = outbox.find(session, referral_id=second.id, states=(MessageState.QUEUED,))
        assert [m.kind for m in waiting if m.kind is MessageKind.RENEWAL] == []
    deliver_due(delivery(clinic, renderer), clinic.id)
    with clinic.transaction() as session:
        sent, stopped = (
            next(m for m in outbox.find(session, referral_id=id) if m.kind is MessageKind.RENEWAL)
            for id in (first.id, second.id)
        )
        body = open_message(session, clinic.actor, str(sent.id), ()).body
        purpose = session.connection.exec_driver_sql(
            "SELECT purpose FROM portal_credential WHERE message_id = %s", (sent.id,)
        ).scalar_one()
    assert (sent.state, sent.letter_id, purpose) == (MessageState.ACCEPTED, None, "standing")
    assert "https://portal.example/r/" in body
    assert "Nguyễn" not in body
    assert stopped.state is MessageState.CANCELLED


def test_a_recommendation_that_has_run_out_says_so(clinic: ClinicFixture) -> None:
    referral = answered(clinic)
    later = NOW + timedelta(days=180)
    with clinic.transaction() as session:
        assert lapse_orders(session, later) == 1
    with clinic.transaction() as session:
        assert lapse_orders(session, later) == 0
        assert referrals.get(session, referral.id).business_status is BusinessStatus.LAPSED
    assert events(clinic, referral).count("validity-over") == 1
    assert document(clinic, "Flag", flag_id(referral.order_id))["status"] == "active"


# ---- The board


def _told(clinic: ClinicFixture, referral: Referral, days: int) -> list[Reason]:
    """What the board says on that day, of this order alone."""
    now = NOW + timedelta(days=days)
    with clinic.transaction() as session:
        board = find_today(session, clinic.actor, now.date(), now)
    return [item.reason for item in board.attention if item.state.order.id == referral.order_id]


def _refused(clinic: ClinicFixture, decision: str, **answer: str) -> Referral:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referral, people.answers(decision, **answer))
    return referral


def _voided(clinic: ClinicFixture) -> Referral:
    referral = answered(clinic)
    report(clinic, referral, Cause.PREGNANCY)
    return referral


@pytest.mark.parametrize(
    ("happened", "days", "reason"),
    [
        (answered, 1, None),
        (answered, 149, None),
        (answered, 150, Reason.EXPIRING),
        (answered, 180, Reason.EXPIRED_ANSWER),
        (_voided, 1, Reason.VOIDED),
        (lambda clinic: two_opinions(clinic)[0], 1, Reason.CONFLICT),
        (lambda clinic: _refused(clinic, "not-recommended", **REFUSAL), 1, Reason.DECLINED),
        (lambda clinic: _refused(clinic, "not-my-patient"), 1, Reason.GIVEN_BACK),
    ],
)
def test_the_board_says_what_became_of_an_answer_and_nothing_while_all_is_well(
    clinic: ClinicFixture, happened: Callable[[ClinicFixture], Referral], days: int, reason: Reason | None
) -> None:
    assert _told(clinic, happened(clinic), days) == ([reason] if reason else [])


# ---- The database


def test_the_database_knows_why_and_takes_no_other_reason(clinic: ClinicFixture) -> None:
    referral = answered(clinic)
    with pytest.raises(Exception, match="ck_recommendation_void_cause"), clinic.transaction() as session:
        _void_row(session, referral, "facts-changed")
    for cause in Cause:
        with clinic.transaction() as session:
            _void_row(session, referral, cause)


def _void_row(session: Session, referral: Referral, cause: str) -> None:
    session.connection.exec_driver_sql(
        "INSERT INTO recommendation_void"
        " (clinic_id, patient_id, order_id, recommendation_id, cause, made_by, reason)"
        " SELECT clinic_id, patient_id, order_id, id, %s, 'x', 'x'"
        " FROM recommendation WHERE referral_id = %s",
        (cause, referral.id),
    )
