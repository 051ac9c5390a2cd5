"""Requests whose reminders stand still: somebody is asked to see to each of them, and none goes astray."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from referral.domain.codes import Channel
from referral.domain.consent import ConsentDecision, ConsentScope
from referral.domain.conversation import About
from referral.domain.credential import digest
from referral.domain.errors import ReferralError, TransitionRefused
from referral.domain.fax import FaxSource, MatchedBy
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.records import Referral
from referral.services.ask_clinic import ask_clinic
from referral.services.attach_fax import attach_fax, file_fax
from referral.services.attention import Reason
from referral.services.close_referral import cancel_referral
from referral.services.find_today import find_today
from referral.services.hold_ladder import HeldFor, hold
from referral.services.keep_consent import say_consent
from referral.services.move_ladder import pause_request, resume_request
from referral.services.resend import resend
from referral.services.take_letter import take_letter
from referral.services.write_to_clinician import see_to, write_to_clinician
from referral.storage import conversations, credentials, directory, faxes, outbox, referrals
from referral.storage.db import Session
from tests import fax as paper
from tests.database import NOW, ClinicFixture
from tests.processes import eventually
from tests.services import people
from tests.web.portal_case import make_case

_SOMEBODY_WAITS_FOR_US = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
    " AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
)
LATER = NOW + timedelta(hours=2)


@pytest.fixture
def asked(clinic: ClinicFixture) -> Referral:
    """A request that has reached its clinician."""
    with clinic.transaction() as session:
        made = people.asked_once(session, clinic)
        return referrals.change(session, made, delivered_at=NOW)


def says(clinic: ClinicFixture, referral: Referral, about: About, at: datetime = NOW) -> None:
    with clinic.transaction() as session:
        ask_clinic(session, people.portal_actor(clinic), referral.id, about, "Which dose?", at)


def state(clinic: ClinicFixture, referral: Referral) -> Referral:
    with clinic.transaction() as session:
        return referrals.get(session, referral.id)


def reasons(clinic: ClinicFixture, at: datetime = LATER) -> list[Reason]:
    with clinic.transaction() as session:
        return [item.reason for item in find_today(session, clinic.actor, at.date(), at).attention]


def test_what_the_clinic_writes_does_not_go_to_a_fax_number_that_nobody_has_confirmed(
    clinic: ClinicFixture,
) -> None:
    with clinic.transaction() as session:
        made = people.asked_once(session, clinic, email="", address=(), verified=False)
        referral = referrals.change(session, made, delivered_at=NOW)
    with pytest.raises(TransitionRefused, match="call, confirm it"), clinic.transaction() as session:
        write_to_clinician(session, clinic.actor, referral.id, referral.version, "Does she sleep?", NOW)
    with clinic.transaction() as session:
        clinician = directory.get_clinician(session, referral.clinician_id)
        people.verified_by_a_colleague(session, clinic, clinician)
        write_to_clinician(session, clinic.actor, referral.id, referral.version, "Does she sleep?", NOW)
        assert MessageKind.CONVERSATION in {m.kind for m in outbox.find(session, referral_id=referral.id)}


@pytest.mark.parametrize("about", [About.COLLEAGUE, About.LEFT, About.WRONG_ADDRESS])
def test_whoever_is_not_the_one_to_answer_gets_nothing_more(
    clinic: ClinicFixture, asked: Referral, about: About
) -> None:
    with clinic.transaction() as session:
        # It waits for the morning.
        write_to_clinician(session, clinic.actor, asked.id, asked.version, "How much does she take?", NOW)
    says(clinic, asked, about)
    with clinic.transaction() as session:
        waiting = {m.kind: m.state for m in outbox.find(session, referral_id=asked.id)}
    assert waiting[MessageKind.CONVERSATION] is MessageState.CANCELLED
    held = state(clinic, asked)
    tomorrow = NOW.date() + timedelta(days=1)
    works: tuple[Callable[[Session], object], ...] = (
        lambda s: write_to_clinician(s, clinic.actor, asked.id, held.version, "It is 200 mg.", LATER),
        lambda s: see_to(s, clinic.actor, asked.id, held.version, LATER),
        lambda s: resume_request(s, clinic.actor, asked.id, held.version, LATER),
        lambda s: pause_request(s, clinic.actor, asked.id, held.version, tomorrow, LATER),
    )
    for work in works:
        with pytest.raises(TransitionRefused, match=r"again|once more"), clinic.transaction() as session:
            work(session)
    assert state(clinic, asked) == held
    with clinic.transaction() as session:
        # Somebody has found out where it belongs.
        resend(session, clinic.actor, asked.id, held.version, "email", LATER)
    assert state(clinic, asked).held_at is None
    assert reasons(clinic) == []


def test_of_a_request_that_has_ended_only_questions_are_left(clinic: ClinicFixture, asked: Referral) -> None:
    for about in (About.QUESTION, About.CALL, About.LEFT):
        says(clinic, asked, about)
    with clinic.transaction() as session:
        version = referrals.get(session, asked.id).version
        ended = cancel_referral(session, clinic.actor, asked.id, version, "not needed", LATER)
        assert [t.about for t in conversations.waiting(session, limit=9)] == [About.QUESTION]
        see_to(session, clinic.actor, asked.id, ended.version, LATER)
        assert conversations.waiting(session, limit=9) == []


@pytest.mark.parametrize("last", ["fax", "question"])
def test_a_question_and_a_letter_are_seen_to_in_any_order(
    clinic: ClinicFixture, asked: Referral, last: str
) -> None:
    with clinic.transaction() as session:
        id = take_letter(session, clinic.actor, asked.id, paper.blank(), FaxSource.UPLOAD, NOW)
        attach_fax(session, clinic.actor, faxes.get(session, id), asked.id, MatchedBy.UPLOAD, NOW)
    says(clinic, asked, About.QUESTION, NOW + timedelta(minutes=1))

    def answer() -> None:
        with clinic.transaction() as session:
            version = referrals.get(session, asked.id).version
            write_to_clinician(session, clinic.actor, asked.id, version, "200 mg.", LATER)

    def file() -> None:
        with clinic.transaction() as session:
            version = faxes.get(session, id).version
            file_fax(session, clinic.actor, id, version, "Only a cover sheet.", LATER)

    steps = (answer, file) if last == "fax" else (file, answer)
    steps[0]()
    assert state(clinic, asked).held_at is not None
    assert reasons(clinic) == [Reason.FAX if last == "fax" else Reason.QUESTION]
    steps[1]()
    assert (state(clinic, asked).held_at, reasons(clinic)) == (None, [])
    assert state(clinic, asked).next_step_at is not None


def test_a_question_of_the_time_before_conversations_is_still_on_today(
    clinic: ClinicFixture, asked: Referral
) -> None:
    with clinic.transaction() as session:
        hold(session, referrals.get(session, asked.id, lock=True), HeldFor.QUESTION, NOW)
        referrals.note(session, asked.id, "asked-question", "portal", NOW)
    assert reasons(clinic) == [Reason.QUESTION]
    with clinic.transaction() as session:
        version = referrals.get(session, asked.id).version
        write_to_clinician(session, clinic.actor, asked.id, version, "200 mg.", LATER)
    assert (state(clinic, asked).held_at, reasons(clinic)) == (None, [])


def test_a_no_waits_for_whoever_is_signing_and_neither_fails(clinic: ClinicFixture) -> None:
    case, token, refused = make_case(clinic), "qz" * 20, list[ReferralError]()
    link = case.link(Channel.FAX)
    with clinic.transaction() as session:
        credentials.open_session(
            session, token, selector=link.selector, csrf_token="x", came_by="link", now=NOW
        )

    def refuse() -> None:
        scope, no = ConsentScope.RECOMMENDER, ConsentDecision.WITHDRAWN
        try:
            with clinic.transaction() as session:
                say_consent(session, clinic.actor, case.patient.id, scope, no, "at the desk", LATER)
        except ReferralError as error:
            refused.append(error)

    desk = threading.Thread(target=refuse)
    with clinic.transaction() as session:
        # At the portal the visit is locked first, then the order and its request.
        credentials.lock_session(session, digest(token))
        desk.start()
        eventually(lambda: session.connection.scalar(_SOMEBODY_WAITS_FOR_US))
        people.respond_with(session, clinic, referrals.get(session, case.referral.id, lock=True))
    desk.join(60)
    assert refused == []
    with clinic.transaction() as session:
        visit = credentials.find_session(session, token)
        assert visit is not None
        assert visit.ended_at == LATER
