"""A patient's no: nothing goes out after it has committed, and no start counts what it has ended."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from referral.domain.codes import TaskStatus, Verdict
from referral.domain.consent import ConsentDecision, Consented, ConsentScope
from referral.domain.errors import GateClosed, InvalidInput
from referral.domain.life import Cause
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.letters.render import Renderer
from referral.services.deliver_messages import deliver_due
from referral.services.keep_consent import Outcome, say_consent
from referral.services.queue_message import queue_message
from referral.services.refresh_gate import read_decision
from referral.services.treat import record_consultation, start_treatment
from referral.storage import audit, consents, contacts, outbox, referrals, standings
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.services.sending import EVENING, Provider, asked, delivery, reached

RECOMMENDER, MESSAGES = ConsentScope.RECOMMENDER, ConsentScope.PATIENT_MESSAGES
NO, YES = ConsentDecision.WITHDRAWN, ConsentDecision.GRANTED
MORNING = NOW + timedelta(days=1)


def say(
    clinic: ClinicFixture,
    referral: Referral,
    decision: ConsentDecision = NO,
    scope: ConsentScope = RECOMMENDER,
) -> Outcome:
    with clinic.transaction() as session:
        return say_consent(session, clinic.actor, referral.patient_id, scope, decision, "at the desk", NOW)


def states(clinic: ClinicFixture, referral: Referral) -> dict[MessageKind, MessageState]:
    with clinic.transaction() as session:
        return {m.kind: m.state for m in outbox.find(session, referral_id=referral.id)}


def verdict(clinic: ClinicFixture, referral: Referral) -> tuple[bool, Verdict]:
    with clinic.transaction() as session:
        found = read_decision(session, clinic.actor, referral.order_id, NOW)
    return found.open, found.verdict


def recommended(clinic: ClinicFixture) -> Referral:
    referral = reached(clinic, asked(clinic))
    with clinic.transaction() as session:
        record_consultation(session, clinic.actor, referral.order_id, NOW - timedelta(days=1), NOW)
        people.respond_with(session, clinic, referral)
    assert verdict(clinic, referral) == (True, Verdict.SATISFIED)
    return referral


def test_withdrawal_closes_the_gate_and_a_new_consent_does_not_revive_what_it_ended(
    clinic: ClinicFixture,
) -> None:
    referral = recommended(clinic)
    say(clinic, referral)
    assert verdict(clinic, referral) == (False, Verdict.VOIDED)
    with pytest.raises(GateClosed), clinic.transaction() as session:
        start_treatment(session, clinic.actor, referral.order_id, referral.patient_id, NOW)
    with clinic.transaction() as session:
        (answer,) = standings.of_referral(session, referral.id)
        patient = consents.of_patients(session, [referral.patient_id])[referral.patient_id]
        rows = audit.find(session, patient_id=referral.patient_id, limit=200)
    assert answer.void is not None
    assert answer.void.cause is Cause.CONSENT_WITHDRAWN
    assert patient[RECOMMENDER].decision is NO
    assert {"consent-withdrawn", "answer-voided", "gate-closed"} <= {row.subtype for row in rows}
    say(clinic, referral, YES)
    assert verdict(clinic, referral) == (False, Verdict.VOIDED)
    with pytest.raises(InvalidInput, match="on record already"):
        say(clinic, referral, YES)


def test_an_open_request_ends_untold_and_nobody_is_asked_before_a_new_consent(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = asked(clinic)
    deliver_due(delivery(clinic, renderer), clinic.id)
    say(clinic, referral)
    with clinic.transaction() as session:
        closed = referrals.get(session, referral.id)
        assert (closed.status, closed.status_reason) == (TaskStatus.CANCELLED, "consent-withdrawn")
        order = people.order(session, clinic, people.patient(session, clinic))
        other = people.clinician(session, clinic, given="Ada", npi="9000000023", email="ada@lane.example")
        people.ask(session, clinic, order, other)
    with (
        pytest.raises(InvalidInput, match="does not want anybody to be asked"),
        clinic.transaction() as session,
    ):
        people.ask(session, clinic, replace(order, id=referral.order_id), other)
    # Whoever was asked hears nothing more, not even that it is over.
    assert set(states(clinic, referral)) == {MessageKind.REQUEST}
    say(clinic, referral, YES)
    with clinic.transaction() as session:
        people.ask(session, clinic, replace(order, id=referral.order_id), other)


def test_a_letter_that_is_drawn_does_not_leave_after_the_withdrawal(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral, provider = asked(clinic), Provider()
    deliver_due(delivery(clinic, renderer, EVENING, email=provider), clinic.id)
    assert states(clinic, referral) == {MessageKind.REQUEST: MessageState.READY}
    say(clinic, referral)
    deliver_due(delivery(clinic, renderer, MORNING, email=provider), clinic.id)
    assert provider.sent == []
    assert states(clinic, referral) == {MessageKind.REQUEST: MessageState.CANCELLED}


def test_thanks_for_an_answer_do_not_leave_after_the_withdrawal(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    """The last look alone has to notice it: the request was closed before, and thanks outlive that."""
    referral, provider = recommended(clinic), Provider()
    deliver_due(delivery(clinic, renderer, EVENING, email=provider), clinic.id)
    assert states(clinic, referral)[MessageKind.THANK_YOU] is MessageState.READY
    with clinic.transaction() as session:
        # As if it had been written without stopping anything: the dispatcher looks for itself.
        patient = referral.patient_id
        said = Consented(
            consent_id="c", patient_id=patient, scope=RECOMMENDER, decision=NO, made_by="test", at=NOW
        )
        consents.add(session, said)
    deliver_due(delivery(clinic, renderer, MORNING, email=provider), clinic.id)
    assert provider.sent == []
    assert states(clinic, referral)[MessageKind.THANK_YOU] is MessageState.CANCELLED


@pytest.mark.parametrize(
    ("kind", "scope"), [(MessageKind.PATIENT_VISIT, MESSAGES), (MessageKind.FOLLOW_UP, RECOMMENDER)]
)
def test_what_is_written_about_a_visit_does_not_leave_after_the_patients_no(
    clinic: ClinicFixture, renderer: Renderer, kind: MessageKind, scope: ConsentScope
) -> None:
    """Neither the reminder to the patient nor the question to the office."""
    with clinic.transaction() as session:
        person = people.patient(session, clinic, email="maren@home.example")
        whom = people.clinician(session, clinic)
        (referral,) = people.ask(session, clinic, people.order(session, clinic, person), whom)
        people.respond_with(session, clinic, referral)
        (own,) = contacts.of_patients(session, [person.id])[person.id]
        queue_message(session, referral, kind, own if scope is MESSAGES else whom.contacts[0], NOW)
    provider = Provider()
    deliver_due(delivery(clinic, renderer, EVENING, email=provider), clinic.id)
    assert states(clinic, referral)[kind] is MessageState.READY
    said = Consented(
        consent_id="c", patient_id=person.id, scope=scope, decision=NO, made_by="test", at=EVENING
    )
    with clinic.transaction() as session:
        consents.add(session, said)
    deliver_due(delivery(clinic, renderer, MORNING, email=provider), clinic.id)
    assert states(clinic, referral)[kind] is MessageState.CANCELLED


def test_the_dispatcher_sends_nothing_while_a_withdrawal_is_being_written(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral, provider = asked(clinic), Provider()
    deliver_due(delivery(clinic, renderer, EVENING, email=provider), clinic.id)
    with clinic.transaction() as session:
        say_consent(session, clinic.actor, referral.patient_id, RECOMMENDER, NO, "at the desk", NOW)
        deliver_due(delivery(clinic, renderer, MORNING, email=provider), clinic.id)
        assert provider.sent == []
    deliver_due(delivery(clinic, renderer, MORNING, email=provider), clinic.id)
    assert provider.sent == []


def test_what_is_being_handed_over_at_that_moment_is_named(clinic: ClinicFixture, renderer: Renderer) -> None:
    referral, told = asked(clinic), list[Outcome]()
    provider = Provider(then=lambda: told.append(say(clinic, referral)))
    deliver_due(delivery(clinic, renderer, email=provider), clinic.id)
    with clinic.transaction() as session:
        (message,) = outbox.find(session, referral_id=referral.id)
        rows = audit.find(session, patient_id=referral.patient_id, limit=200)
    assert told[0].leaving == (message.id,)
    assert message.state is MessageState.ACCEPTED
    # What left is in the accounting, whatever was said meanwhile.
    assert "disclose" in {row.subtype for row in rows}


def test_whatever_leaves_beside_a_withdrawal_had_left_or_is_named_by_it(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    """Both at once, many times: after the commit nothing goes out that the withdrawal did not name."""
    for place in range(6):
        referral, provider = asked(clinic), Provider()
        deliver_due(delivery(clinic, renderer, EVENING, email=provider), clinic.id)
        ready, told = threading.Barrier(2), list[Outcome]()
        left_before: list[bool] = []

        def withdraw(
            referral: Referral = referral,
            ready: threading.Barrier = ready,
            told: list[Outcome] = told,
            left_before: list[bool] = left_before,
        ) -> None:
            ready.wait()
            told.append(say(clinic, referral))
            left_before.append(states(clinic, referral)[MessageKind.REQUEST] is MessageState.ACCEPTED)

        thread = threading.Thread(target=withdraw)
        thread.start()
        ready.wait()
        deliver_due(delivery(clinic, renderer, MORNING, email=provider), clinic.id)
        thread.join()
        deliver_due(delivery(clinic, renderer, MORNING, email=provider), clinic.id)
        with clinic.transaction() as session:
            (message,) = outbox.find(session, referral_id=referral.id)
        assert len(provider.sent) == (message.state is MessageState.ACCEPTED), place
        if provider.sent:
            assert message.id in told[0].leaving or left_before[0], place
        else:
            assert message.state is MessageState.CANCELLED, place


def test_no_messages_to_the_patient_stops_those_and_nothing_else(
    clinic: ClinicFixture, renderer: Renderer
) -> None:
    referral = recommended(clinic)
    say(clinic, referral, NO, MESSAGES)
    assert verdict(clinic, referral) == (True, Verdict.SATISFIED)
    with clinic.transaction() as session:
        assert consents.withdrawn(session, [referral.patient_id]) == {
            referral.patient_id: frozenset({MESSAGES})
        }
