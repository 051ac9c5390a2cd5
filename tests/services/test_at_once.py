"""People who act on the same order at the same moment wait for each other, and never in a circle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from sqlalchemy import text

from referral.domain.audit import Actor
from referral.domain.codes import Channel, Strength
from referral.domain.credential import mint, random_token
from referral.domain.errors import (
    CredentialUnusable,
    GateClosed,
    ReferralError,
    StaleVersion,
    TransitionRefused,
)
from referral.domain.language import Language
from referral.domain.late_answer import CameBy
from referral.domain.records import Order, Referral
from referral.letters.content import Letter, LetterProblem, ReceiptRecord
from referral.services.answer_on_portal import Signature, sign
from referral.services.close_referral import cancel_referral
from referral.services.deliver_messages import deliver_due
from referral.services.judge_recommendation import confirm_by_phone, revoke_recommendation
from referral.services.keep_draft import Signed, save_values
from referral.services.refresh_gate import refresh_gate
from referral.services.send_reminders import send_reminders
from referral.services.treat import record_consultation, start_treatment
from referral.storage import credentials, late_answers, orders, outbox, referrals
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.processes import eventually
from tests.services import people
from tests.services.sending import delivery
from tests.storage import emergency

ROUNDS = 6


def at_once(*works: Callable[[], object]) -> list[ReferralError]:
    """Run all in threads of their own; returns what was refused. Anything else fails the test."""
    barrier, refused, broken = threading.Barrier(len(works)), [], []

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except ReferralError as error:
            refused.append(error)
        except BaseException as error:  # noqa: BLE001 - shown below, in the test's own thread
            broken.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    return refused


def asked_twice(clinic: ClinicFixture) -> tuple[Referral, Referral]:
    """One order and two clinicians who were asked about it."""
    with clinic.transaction() as session:
        placed = people.order(session, clinic, people.patient(session, clinic))
        first, second = (
            people.clinician(session, clinic),
            people.clinician(session, clinic, family="Adeyemi", npi="", email="adeyemi@beaconhill.example"),
        )
        one, other = people.ask(session, clinic, placed, first, second)
        record_consultation(session, clinic.actor, placed.id, NOW - timedelta(days=1), NOW)
    return one, other


def answering(
    clinic: ClinicFixture, referral: Referral, strength: Strength = Strength.TWO_CHANNEL
) -> Callable[[], None]:
    def work() -> None:
        with clinic.transaction() as session:
            people.respond_with(session, clinic, referral, strength=strength)

    return work


def test_two_clinicians_who_answer_at_the_same_moment_never_wait_in_a_circle(clinic: ClinicFixture) -> None:
    for _ in range(ROUNDS):
        one, other = asked_twice(clinic)
        refused = at_once(answering(clinic, one), answering(clinic, other))
        # The first answer is enough and cancels the other request.
        assert [type(error) for error in refused] == [TransitionRefused]


class Visit:
    """A clinician at the portal with everything filled in, about to sign."""

    def __init__(self, session: Session, clinic: ClinicFixture, referral: Referral) -> None:
        self._clinic = clinic
        (message,) = outbox.find(session, referral_id=referral.id)
        minted, token = mint(), random_token()
        link = credentials.NewCredential(
            minted=minted,
            referral_id=referral.id,
            message_id=message.id,
            channel=Channel.FAX,
            contact_verified=True,
            expires_at=NOW + timedelta(days=1),
        )
        credentials.add_many(session, [link], NOW)
        csrf = random_token()
        credentials.open_session(
            session, token, selector=minted.selector, csrf_token=csrf, came_by="link", now=NOW
        )
        found = credentials.find_session(session, token)
        assert found is not None
        known = {"identified_at": NOW, "strength": Strength.PAPER_TO_VERIFIED_CONTACT}
        credentials.change_session(session, found.token_digest, **known)
        self._key = save_values(session, found, {"decision": ["recommended"]}).key
        self._found = credentials.lock_session(session, found.token_digest)

    def sign(self) -> Signed:
        given = people.answers().values
        signature = Signature(
            key=self._key,
            values={id: [one] if isinstance(one, str) else list(one) for id, one in given.items()},
            shown=b"the page",
            user_agent="test browser",
            language=Language.ENGLISH,
        )
        actor = Actor(self._clinic.id, "portal", self._found.selector)
        with self._clinic.transaction() as session:
            return sign(session, actor, self._found, signature, NOW)


_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def somebody_waits(clinic: ClinicFixture) -> bool:
    with clinic.transaction() as session:
        return bool(session.connection.scalar(_WAITING))


def sign_while_waiting(clinic: ClinicFixture, decision: str) -> tuple[Referral, Future[Signed]]:
    """Somebody signs by a good link, and waits for an answer that is being written down at this moment."""
    with clinic.transaction() as session:
        asked = people.asked_once(session, clinic)
        visit = Visit(session, clinic, asked)
    with ThreadPoolExecutor(1) as pool:
        with clinic.transaction() as session:
            referrals.get(session, asked.id, lock=True)
            signing = pool.submit(visit.sign)
            eventually(lambda: somebody_waits(clinic))
            people.respond_with(session, clinic, asked, people.answers(decision))
        return asked, signing


def test_who_signs_while_another_answer_is_written_down_is_kept_beside_it(clinic: ClinicFixture) -> None:
    asked, signing = sign_while_waiting(clinic, "recommended")
    assert signing.result().is_late
    with clinic.transaction() as session:
        (late,) = late_answers.of_referral(session, asked.id)
        assert (late.came_by, late.differs) == (CameBy.LINK, False)


def test_who_signs_while_the_request_ends_otherwise_is_told_that_it_is_over(clinic: ClinicFixture) -> None:
    _, signing = sign_while_waiting(clinic, "not-my-patient")
    assert isinstance(signing.exception(), CredentialUnusable)


def test_of_two_who_sign_at_once_one_counts_and_the_other_is_late(clinic: ClinicFixture) -> None:
    for _ in range(ROUNDS):
        with clinic.transaction() as session:
            asked = people.asked_once(session, clinic, npi="")
            visits = [Visit(session, clinic, asked) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            signed = list(pool.map(Visit.sign, visits))
        assert sorted(one.is_late for one in signed) == [False, True]


def test_a_confirming_call_and_the_other_clinicians_answer_wait_for_each_other(clinic: ClinicFixture) -> None:
    for _ in range(ROUNDS):
        one, other = asked_twice(clinic)
        answering(clinic, one, Strength.SINGLE_CHANNEL)()

        def confirm(id: str = one.id) -> None:
            with clinic.transaction() as session:
                who = people.colleague(clinic)
                confirm_by_phone(session, who, id, spoke_with="Dr. O", called_number="303-555-0121", now=NOW)

        refused = at_once(confirm, answering(clinic, other))
        assert all(isinstance(error, TransitionRefused) for error in refused)


def test_a_start_and_a_revocation_are_decided_and_not_broken_off(clinic: ClinicFixture) -> None:
    for _ in range(ROUNDS):
        one, _ = asked_twice(clinic)
        answering(clinic, one)()

        def start(referral: Referral = one) -> None:
            with clinic.transaction() as session:
                now = datetime.now(UTC)
                start_treatment(session, clinic.actor, referral.order_id, referral.patient_id, now)

        def revoke(id: str = one.id) -> None:
            with clinic.transaction() as session:
                revoke_recommendation(
                    session, people.director(clinic), id, reason="withdrawn by letter", now=NOW
                )

        refused = at_once(start, revoke)
        assert all(isinstance(error, GateClosed) for error in refused)


class Unprintable:
    """A renderer that refuses every letter, at a moment that the test chooses."""

    def __init__(self, drawing: threading.Barrier) -> None:
        self._drawing = drawing

    def letter(self, _letter: Letter, _style: object = None) -> NoReturn:
        self._drawing.wait()
        raise LetterProblem("no font has this letter")

    def receipt(self, _record: ReceiptRecord) -> NoReturn:
        raise LetterProblem("no font has this letter")

    def report(self, letter: Letter, fhir: bytes) -> NoReturn:  # noqa: ARG002 - the protocol's
        raise LetterProblem("no font has this letter")


def test_a_cancellation_and_the_worker_wait_for_each_other(clinic: ClinicFixture) -> None:
    for _ in range(ROUNDS):
        with clinic.transaction() as session:
            referral = people.asked_once(session, clinic)
        drawing = threading.Barrier(2)

        def deliver(drawing: threading.Barrier = drawing) -> None:
            deliver_due(delivery(clinic, Unprintable(drawing)), clinic.id)

        def cancel(id: str = referral.id, drawing: threading.Barrier = drawing) -> None:
            drawing.wait()
            with clinic.transaction() as session:
                cancel_referral(session, clinic.actor, id, 1, "changed plans", NOW)

        refused = at_once(deliver, cancel)
        assert [type(error) for error in refused] in ([], [StaleVersion])


def test_a_sweep_leaves_out_what_somebody_is_working_on(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
    due = referral.next_step_at
    assert due is not None
    with clinic.transaction() as session:
        referrals.get(session, referral.id, lock=True)
        with clinic.transaction() as sweep:
            assert send_reminders(sweep, due) == 0
    with clinic.transaction() as sweep:
        assert send_reminders(sweep, due) == 1


def test_a_start_by_emergency_access_and_an_answer_at_once(clinic: ClinicFixture) -> None:
    """The start writes the order after it has used the override up; the answer holds the order already."""
    with clinic.transaction() as session:
        emergency.allow(session)
    for _ in range(ROUNDS):
        with clinic.transaction() as session:
            order = people.order(session, clinic, people.patient(session, clinic))
            (asked,) = people.ask(session, clinic, order, people.clinician(session, clinic, npi=""))
            record_consultation(session, clinic.actor, order.id, NOW - timedelta(days=1), NOW)
            emergency.give(session, clinic, order)
            refresh_gate(session, clinic.actor, order.id, NOW)

        def start(order: Order = order) -> None:
            with clinic.transaction() as session:
                start_treatment(session, clinic.actor, order.id, order.patient_id, NOW)

        def answer(asked: Referral = asked) -> None:
            with clinic.transaction() as session:
                people.respond_with(session, clinic, asked)

        assert at_once(start, answer) == []
        with clinic.transaction() as session:
            assert len(orders.starts(session, order.id)) == 1
            assert orders.get(session, order.id).status == "active"
