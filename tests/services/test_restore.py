"""After a restore: it is noticed, nothing lives that was taken back, nothing leaves twice, two reopen."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from referral.domain.codes import Channel, Role, Verdict
from referral.domain.consent import ConsentDecision, ConsentScope
from referral.domain.credential import expires_at, mint
from referral.domain.errors import Forbidden, GateClosed, TransitionRefused
from referral.domain.outgoing import Lane, MessageKind, MessageState
from referral.domain.policy import Policy
from referral.domain.records import Bar, Order, Referral
from referral.domain.reminders import Ladder
from referral.domain.scales import SafetyTask
from referral.letters.render import Renderer
from referral.services.close_referral import cancel_referral
from referral.services.confirm_contact import number_is_wrong
from referral.services.deliver_messages import deliver_due
from referral.services.enter_portal import Caller, send_fresh_link
from referral.services.judge_recommendation import review_recommendation, revoke_recommendation
from referral.services.keep_consent import say_consent
from referral.services.keep_on_call import add_on_call
from referral.services.raise_safety import raise_safety, settle_safety
from referral.services.reconcile import Newer, StreamSaysNothing
from referral.services.refresh_gate import read_decision
from referral.services.restore_mode import BY_HAND, COPIED, ELSEWHERE, MISSING, OLDER, enter
from referral.services.send_reminders import send_reminders
from referral.services.send_safety_calls import send_safety_calls
from referral.services.smart_clients import NewClient, change_keys, register_client
from referral.services.treat import record_consultation, start_treatment
from referral.storage import (
    accounts,
    api_clients,
    clinics,
    consents,
    credentials,
    directory,
    dispatch,
    mode,
    on_call,
    orders,
    outbox,
    referrals,
    resources,
    safety_events,
    safety_tasks,
    tables,
)
from referral.storage import (
    restored as restored_rows,
)
from referral.storage.stream import Stream
from tests.database import NOW, ClinicFixture
from tests.fhir_api.cds_ehr import jwks, make_key, public_jwk
from tests.services import people
from tests.services.restoring import Installation, installation, restored
from tests.services.sending import Provider, delivery
from tests.storage import emergency

__all__ = ["installation"]


def recommended(clinic: ClinicFixture) -> tuple[Referral, str]:
    """An order that may be treated, its request and the id of its recommendation."""
    with clinic.transaction() as session:
        referral = people.asked_once(session, clinic)
        record_consultation(session, clinic.actor, referral.order_id, NOW - timedelta(days=1), NOW)
        people.respond_with(session, clinic, referral)
        (answer,) = orders.facts(session, referral.order_id).facts.recommendations
    return referral, answer.id


def asked(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


def start(clinic: ClinicFixture, referral: Referral) -> None:
    with clinic.transaction() as session:
        start_treatment(session, clinic.actor, referral.order_id, referral.patient_id, NOW)


def void(clinic: ClinicFixture, referral: Referral) -> None:
    with clinic.transaction() as session:
        revoke_recommendation(session, clinic.actor, referral.id, reason="it was a mistake", now=NOW)


def link(clinic: ClinicFixture, referral: Referral) -> str:
    """A living link of this request."""
    minted = mint()
    with clinic.transaction() as session:
        kept = credentials.NewCredential(
            minted=minted,
            referral_id=referral.id,
            message_id=uuid.uuid4(),
            channel=Channel.EMAIL,
            contact_verified=True,
            expires_at=expires_at(NOW, referral.due_at),
        )
        credentials.add_many(session, [kept], NOW)
    return minted.selector


def states(clinic: ClinicFixture, referral: Referral) -> dict[str, str]:
    with clinic.transaction() as session:
        found = outbox.find(session, referral_id=referral.id)
    return {f"{message.kind}/{message.ordinal}": message.state for message in found}


# ---- Noticing


def test_a_database_that_knows_less_than_the_stream_is_closed(installation: Installation) -> None:
    referral, _ = recommended(installation.clinic)
    installation.export()
    assert installation.detect() is None
    copy = installation.backup()
    void(installation.clinic, referral)
    installation.export()
    assert installation.detect() is None
    installation.restore(copy)
    assert installation.detect() == OLDER
    assert installation.detect() is None  # once is enough
    with installation.clinic.transaction() as session:
        assert mode.is_restoring(session)
        assert mode.restoring(session) == {installation.clinic.id}


def test_a_dump_that_was_loaded_elsewhere_is_closed_without_any_stream(installation: Installation) -> None:
    copy = installation.backup()
    assert installation.detect() is None
    installation.restore(copy)
    assert installation.detect() == ELSEWHERE


def test_a_database_that_comes_without_its_stream_is_closed(installation: Installation) -> None:
    """As a copy of the server's files on another machine."""
    assert installation.detect() is None  # nothing was exported yet, so nothing is missing
    installation.export()
    installation.stream_dir = installation.stream_dir.with_name("elsewhere")
    assert installation.detect() == MISSING
    with installation.clinic.transaction() as session:
        assert mode.is_restoring(session)


def test_a_stream_that_was_copied_with_its_database_closes_it(installation: Installation) -> None:
    installation.export()
    copied = installation.stream_dir.with_name("copied")
    shutil.copytree(installation.stream_dir, copied)
    assert installation.detect() is None
    installation.stream_dir = copied
    assert installation.export() == 0
    with installation.clinic.transaction() as session:
        entered = mode.current(session).entered
    assert entered is not None
    assert entered.reason == COPIED


def test_the_export_itself_notices_and_writes_nothing(installation: Installation) -> None:
    recommended(installation.clinic)
    copy = installation.backup()
    recommended(installation.clinic)
    installation.export()
    before = list(Stream(installation.stream_dir, installation.clinic.id).read())
    installation.restore(copy)
    assert installation.export() == 0
    assert installation.export() == 0
    assert list(Stream(installation.stream_dir, installation.clinic.id).read()) == before
    with installation.clinic.transaction() as session:
        assert mode.is_restoring(session)


def test_a_crash_between_giving_places_and_writing_is_no_restore(installation: Installation) -> None:
    installation.export()
    recommended(installation.clinic)
    with installation.clinic.transaction() as session:
        safety_events.assign(session)
    assert installation.detect() is None
    assert installation.export() > 0
    lines = list(Stream(installation.stream_dir, installation.clinic.id).read())
    assert [line.position for line in lines] == list(range(1, len(lines) + 1))
    assert installation.export() == 0
    with installation.clinic.transaction() as session:
        assert safety_events.waiting(session) == 0


def test_the_stream_holds_ids_and_codes_and_no_people(installation: Installation) -> None:
    referral, _ = recommended(installation.clinic)
    start(installation.clinic, referral)
    void(installation.clinic, referral)
    with installation.clinic.transaction() as session:
        version = referrals.get(
            session, (other := people.asked_once(session, installation.clinic)).id
        ).version
        cancel_referral(session, installation.clinic.actor, other.id, version, "Nguyễn has moved away", NOW)
    installation.export()
    written = "".join(path.read_text() for path in installation.stream_dir.rglob("*.jsonl"))
    for word in ("Nguy", "Maria", "1986", "Okafor", "okafor", "F33", "moved", "mistake", "303-"):
        assert word not in written, word
    for kind in ("answered", "started", "voided", "closed", "policy"):
        assert f'"kind":"{kind}"' in written, kind


# ---- What is closed


def test_gate_dispatch_and_ladder_are_closed_and_the_advice_says_why(installation: Installation) -> None:
    referral, _ = recommended(installation.clinic)
    waiting = asked(installation.clinic)
    copy = installation.backup()
    clinic = restored(installation, copy)
    with pytest.raises(GateClosed) as refused:
        start(clinic, referral)
    assert "restored from a backup" in str(refused.value.issues[0].text)
    with clinic.transaction() as session:
        decision = read_decision(session, clinic.actor, referral.order_id, NOW)
        assert (decision.open, decision.verdict) == (False, Verdict.SATISFIED)
        assert "restored from a backup" in decision.reasons[0]
        assert dispatch.to_draw(session, Lane.LETTER, NOW, 10) == []
        assert waiting.next_step_at is not None
        assert send_reminders(session, waiting.next_step_at + timedelta(days=9)) == 0


def test_emergency_access_opens_nothing_in_restore_mode_and_is_worth_nothing_after_it(
    installation: Installation,
) -> None:
    """It may have been used after the backup was taken."""
    clinic = installation.clinic
    with clinic.transaction() as session:
        emergency.allow(session)
        order = people.order(session, clinic, people.patient(session, clinic))
        record_consultation(session, clinic.actor, order.id, NOW - timedelta(days=1), NOW)
        emergency.give(session, clinic, order)
    assert not refused(clinic, order, keep=False)
    with clinic.transaction() as session:
        enter(session, BY_HAND)
    assert refused(clinic, order)
    installation.reconcile(Newer.NOTHING)
    installation.reopen()
    assert refused(clinic, order)


def refused(clinic: ClinicFixture, order: Order, *, keep: bool = True) -> bool:
    """Whether the database refuses a start because of the restore; `keep` False undoes one that it allows."""
    try:
        with clinic.transaction() as session:
            orders.start_treatment(session, clinic.actor, str(uuid.uuid4()), order.id, order.patient_id)
            if not keep:
                raise Undone
    except Undone:
        return False
    except GateClosed as closed:
        return "restored from a backup" in str(closed)
    return False


class Undone(Exception):
    """Rolls back what was only tried."""


def test_nobody_goes_round_the_order_of_the_modes(installation: Installation) -> None:
    """As the service's own role, with SQL."""
    clinic = installation.clinic
    director, admin = installation.person(Role.MEDICAL_DIRECTOR), installation.person(Role.ADMIN)
    second_admin, desk = installation.person(Role.ADMIN), installation.person(Role.FRONT_DESK)
    inactive = installation.person(Role.MEDICAL_DIRECTOR)
    with clinic.transaction() as session:
        accounts.change_user(session, inactive.id, active=False)

    def add(event: str, by: str = "system") -> bool:
        row = {"clinic_id": clinic.id, "event": event, "made_by": by}
        try:
            with clinic.transaction() as session:
                session.connection.execute(insert(tables.operating_mode).inline(), row)
        except DBAPIError:
            return False
        return True

    assert not any(add(event) for event in ("installed", "reconciled", "approved", "reopened"))
    assert add("entered")
    assert not any(add(event, director.id) for event in ("installed", "approved", "reopened"))
    assert add("reconciled")
    assert not any(add("approved", user.id) for user in (desk, inactive))
    assert not add("approved", "nobody")
    assert add("approved", admin.id)
    assert not add("approved", admin.id)
    assert add("approved", second_admin.id)
    assert not add("reopened", admin.id)  # two, but no medical director
    assert add("reconciled")
    assert add("approved", director.id)
    assert not add("reopened", director.id)  # what was approved before does not count any more
    assert add("approved", admin.id)
    assert add("reopened", admin.id)
    for statement in (
        "UPDATE operating_mode SET event = 'reopened'",
        "DELETE FROM operating_mode",
        "DELETE FROM safety_event",
        "UPDATE safety_event SET subject = ''",
        "TRUNCATE safety_event",
    ):
        with pytest.raises(DBAPIError, match="permission denied"), clinic.transaction() as session:
            session.connection.execute(text(statement))


# ---- What is applied again


def test_a_voided_recommendation_is_voided_again(installation: Installation) -> None:
    referral, answer = recommended(installation.clinic)
    copy = installation.backup()
    void(installation.clinic, referral)
    clinic = restored(installation, copy)
    report = installation.reconcile()
    assert report.done["voided"] == 1
    installation.reopen()
    with pytest.raises(GateClosed, match="no valid recommendation"):
        start(clinic, referral)
    with clinic.transaction() as session:
        assert orders.get(session, referral.order_id).status == "on-hold"
        assert resources.read(session, "Observation", answer).document["status"] == "cancelled"
        (kept,) = orders.facts(session, referral.order_id).facts.recommendations
        assert kept.voided


def test_a_decline_is_repeated_and_an_acceptance_is_not(installation: Installation) -> None:
    (declined, _), (accepted, _) = recommended(installation.clinic), recommended(installation.clinic)
    copy = installation.backup()
    with installation.clinic.transaction() as session:
        director = people.director(installation.clinic)
        for referral, word in ((declined, False), (accepted, True)):
            review_recommendation(
                session, director, referral.id, accepted=word, reason="as I see it", now=NOW
            )
    clinic = restored(installation, copy)
    assert installation.reconcile().done["declined"] == 1
    with clinic.transaction() as session:
        for referral, review in ((declined, False), (accepted, None)):
            (answer,) = orders.facts(session, referral.order_id).facts.recommendations
            assert answer.review is review


def test_closed_requests_close_again_and_nobody_is_written_to(installation: Installation) -> None:
    cancelled = asked(installation.clinic)
    ended = link(installation.clinic, cancelled)
    copy = installation.backup()
    with installation.clinic.transaction() as session:
        cancel_referral(session, installation.clinic.actor, cancelled.id, 1, "the patient has moved", NOW)
    clinic = restored(installation, copy)
    assert installation.reconcile().done["closed"] == 1
    with clinic.transaction() as session:
        assert not referrals.get(session, cancelled.id).is_open
        found = credentials.get(session, ended)
        assert found is not None
        assert found.revoked_at is not None
    assert set(states(clinic, cancelled).values()) == {MessageState.CANCELLED}


def test_an_answer_of_after_the_backup_is_lost_and_asked_for_again(installation: Installation) -> None:
    referral = asked(installation.clinic)
    copy = installation.backup()
    with installation.clinic.transaction() as session:
        people.respond_with(session, installation.clinic, referral)
    clinic = restored(installation, copy)
    report = installation.reconcile()
    assert any(f"{referral.number}: answered (recommended)" in sentence for sentence in report.lost)
    with clinic.transaction() as session:
        after = referrals.get(session, referral.id)
        assert (after.is_open, after.status_reason) == (False, "answer-lost")


def test_starts_and_policies_are_listed_for_people(installation: Installation) -> None:
    referral, _ = recommended(installation.clinic)
    copy = installation.backup()
    start(installation.clinic, referral)
    with installation.clinic.transaction() as session:
        clinics.add_policy(session, replace(Policy(), validity=timedelta(days=30)), Ladder(), "director-1")
    restored(installation, copy)
    lost = " ".join(installation.reconcile().lost)
    assert f"Order {referral.order_id}: an infusion was started" in lost
    assert "Policy version 2" in lost


def test_a_system_whose_keys_were_changed_is_shut_out_not_believed_by_the_old_ones(
    installation: Installation,
) -> None:
    old, new = (jwks(public_jwk(make_key(), name)) for name in ("old", "new"))
    with installation.clinic.transaction() as session:
        made = NewClient(name="a record system", jwks=old)
        id = register_client(session, installation.clinic.actor, made, None, NOW).client.id
    copy = installation.backup()
    with installation.clinic.transaction() as session:
        change_keys(session, installation.clinic.actor, id, new, None, None)
    clinic = restored(installation, copy)
    assert installation.reconcile().done["client-rekeyed"] == 1
    with clinic.transaction() as session:
        assert api_clients.find(session, id) is None


def test_orders_accounts_systems_and_contacts_end_again(installation: Installation) -> None:
    clinic = installation.clinic
    referral, user = asked(clinic), installation.person(Role.CLINICIAN)
    with clinic.transaction() as session:
        register_client(session, clinic.actor, NewClient(name="a record system"), None, NOW)
        trusted = {
            "clinic_id": clinic.id,
            "id": "cds-1",
            "name": "a record system",
            "issuer": "https://ehr.example",
        }
        session.connection.execute(insert(tables.cds_client).inline(), trusted | {"jwks": {"keys": []}})
        contact = people.first_contact(session, referral)
    copy = installation.backup()
    with installation.clinic.transaction() as session:
        accounts.change_user(session, user.id, active=False)
        session.connection.execute(text("UPDATE api_client SET revoked_at = now()"))
        session.connection.execute(text("UPDATE cds_client SET removed_at = now()"))
        session.connection.execute(text("UPDATE contact SET active = false WHERE id = :id"), {"id": contact})
        orders.set_status(session, referral.order_id, "revoked")
    clinic = restored(installation, copy)
    done = installation.reconcile().done
    kinds = ("account-ended", "client-ended", "cds-client-ended", "contact-ended", "order-ended")
    assert [done.get(kind) for kind in kinds] == [1, 1, 1, 1, 1]
    with clinic.transaction() as session:
        assert not accounts.get_users(session)[user.id].active
        assert orders.get(session, referral.order_id).status == "revoked"
        published = resources.read(session, "ServiceRequest", referral.order_id)
        assert published.document["status"] == "revoked"


def test_a_no_of_after_the_backup_holds_again_and_a_yes_is_for_people(installation: Installation) -> None:
    clinic, (referral, _) = installation.clinic, recommended(installation.clinic)
    waiting, agreed = asked(clinic), asked(clinic)
    selector = link(clinic, waiting)
    copy = installation.backup()

    def say(clinic: ClinicFixture, whose: Referral, decision: ConsentDecision, scope: ConsentScope) -> None:
        with clinic.transaction() as session:
            say_consent(session, clinic.actor, whose.patient_id, scope, decision, "at the desk", NOW)

    for whose in (referral, waiting):
        say(installation.clinic, whose, ConsentDecision.WITHDRAWN, ConsentScope.RECOMMENDER)
    say(installation.clinic, agreed, ConsentDecision.WITHDRAWN, ConsentScope.PATIENT_MESSAGES)
    say(installation.clinic, agreed, ConsentDecision.GRANTED, ConsentScope.RECOMMENDER)
    clinic = restored(installation, copy)
    report = installation.reconcile()
    assert report.done["consent-withdrawn"] == 3
    (lost,) = [line for line in report.lost if "a consent" in line]
    assert agreed.patient_id in lost
    assert "record it again if it holds" in lost
    installation.reopen()
    with pytest.raises(GateClosed, match="no valid recommendation"):
        start(clinic, referral)
    with clinic.transaction() as session:
        assert consents.has_withdrawn(session, referral.patient_id, ConsentScope.RECOMMENDER)
        closed = referrals.get(session, waiting.id)
        assert (closed.is_open, closed.status_reason) == (False, "consent-withdrawn")
        ended = credentials.get(session, selector)
        assert ended is not None
        assert ended.revoked_at is not None
        assert consents.of_patients(session, [agreed.patient_id])[agreed.patient_id].keys() == {
            ConsentScope.PATIENT_MESSAGES
        }


def test_a_number_that_reaches_a_stranger_is_not_written_to_again(installation: Installation) -> None:
    clinic = installation.clinic
    with clinic.transaction() as session:
        asked_one = people.clinician(session, clinic)
    fax = next(one for one in asked_one.contacts if one.channel is Channel.FAX)
    copy = installation.backup()
    with installation.clinic.transaction() as session:
        number_is_wrong(session, installation.clinic.actor, asked_one.id, fax.id, NOW)
    clinic = restored(installation, copy)
    with clinic.transaction() as session:
        known = directory.get_clinician(session, asked_one.id).contacts
        assert [one.barred_for for one in known if one.id == fax.id] == [None]
    assert installation.reconcile().done["contact-barred"] == 1
    with clinic.transaction() as session:
        known = directory.get_clinician(session, asked_one.id).contacts
    assert [one.barred_for for one in known if one.id == fax.id] == [Bar.WRONG_RECIPIENT]


# ---- What leaves


def test_letters_that_have_left_and_letters_that_may_have_left_stay(
    installation: Installation, renderer: Renderer
) -> None:
    sent, uncertain = asked(installation.clinic), None
    copy = installation.backup()
    provider = Provider()
    deliver_due(delivery(installation.clinic, renderer, email=provider, fax=provider), installation.clinic.id)
    assert len(provider.sent) == 1
    assert sent.next_step_at is not None
    # The first reminder leaves after the backup as well: the backup has no row for it.
    later = sent.next_step_at + timedelta(hours=1)
    with installation.clinic.transaction() as session:
        send_reminders(session, later)
    deliver_due(
        delivery(installation.clinic, renderer, later, email=provider, fax=provider), installation.clinic.id
    )
    assert len(provider.sent) == 2
    installation.export()
    installation.restore(copy)
    uncertain = asked(installation.clinic)  # written into the restored database before anybody noticed
    assert installation.detect() == OLDER
    clinic = installation.clinic
    report = installation.reconcile()
    assert (report.done["sent"], report.done["parked"]) == (2, 1)
    assert states(clinic, sent) == {"request/1": MessageState.ACCEPTED, "reminder/1": MessageState.ACCEPTED}
    assert states(clinic, uncertain) == {"request/1": MessageState.UNKNOWN}
    installation.reopen()
    for moment in (NOW, later, later + timedelta(hours=2)):
        with clinic.transaction() as session:
            send_reminders(session, moment)
        deliver_due(delivery(clinic, renderer, moment, email=provider, fax=provider), clinic.id)
    with clinic.transaction() as session:
        assert referrals.get(session, sent.id).climbed == 1
    about = [envelope for envelope in provider.sent[2:] if sent.number.encode() in envelope.content]
    assert about == []


def test_every_link_ends_and_a_fresh_one_can_be_asked_for(installation: Installation) -> None:
    referral = asked(installation.clinic)
    selector = link(installation.clinic, referral)
    copy = installation.backup()
    recommended(installation.clinic)
    clinic = restored(installation, copy)
    with clinic.transaction() as session:
        found = credentials.get(session, selector)
        assert found is not None
        assert found.is_usable(NOW)
    installation.reconcile()
    with clinic.transaction() as session:
        found = credentials.get(session, selector)
        assert found is not None
        assert (found.is_usable(NOW), found.revoked_at) == (False, None)
    installation.reopen()
    with clinic.transaction() as session:
        assert send_fresh_link(session, Caller(), NOW, selector=selector)


# ---- Going on


def test_the_stream_goes_on_behind_what_was_lost(installation: Installation) -> None:
    referral, _ = recommended(installation.clinic)
    installation.export()
    recommended(installation.clinic)  # in the backup, but exported after it
    copy = installation.backup()
    void(installation.clinic, referral)
    installation.export()
    installation.restore(copy)
    between, _ = recommended(installation.clinic)
    with installation.clinic.transaction() as session:
        safety_events.assign(session)  # takes places that the stream has given to others
    assert installation.export() == 0
    assert installation.reconcile().lines == 1
    assert installation.detect() is None
    installation.reopen()
    assert installation.detect() is None
    void(installation.clinic, between)
    installation.export()
    lines = list(Stream(installation.stream_dir, installation.clinic.id).read())
    kinds = [line.kind for line in lines]
    assert kinds.count("restored") == 1
    assert kinds.count("answered") == 3
    assert len({line.id for line in lines}) == len(lines)


def test_what_the_backup_holds_and_was_exported_after_it_is_not_written_twice(
    installation: Installation,
) -> None:
    recommended(installation.clinic)
    copy = installation.backup()
    restored(installation, copy)
    report = installation.reconcile()
    assert report.lines == 0
    lines = list(Stream(installation.stream_dir, installation.clinic.id).read())
    assert [line.kind for line in lines].count("answered") == 1
    assert lines[-1].kind == "restored"
    assert installation.export() == 0


def test_a_second_reconciliation_finds_nothing_and_parks_nothing(installation: Installation) -> None:
    referral, _ = recommended(installation.clinic)
    copy = installation.backup()
    void(installation.clinic, referral)
    clinic = restored(installation, copy)
    installation.reconcile()
    later = asked(clinic)
    assert installation.reconcile() == replace(installation.reconcile(), lines=0, done={}, lost=())
    assert states(clinic, later) == {"request/1": MessageState.QUEUED}


def test_the_same_backup_restored_twice_loses_nothing_of_either(installation: Installation) -> None:
    (first, _), (second, _) = recommended(installation.clinic), recommended(installation.clinic)
    copy = installation.backup()
    void(installation.clinic, first)
    restored(installation, copy)
    installation.reconcile()
    installation.reopen()
    void(installation.clinic, second)
    clinic = restored(installation, copy)
    assert installation.reconcile().done["voided"] == 2
    installation.reopen()
    for referral in (first, second):
        with pytest.raises(GateClosed):
            start(clinic, referral)


def test_where_the_stream_says_nothing_somebody_has_to(installation: Installation) -> None:
    referral, _ = recommended(installation.clinic)
    installation.export()
    with installation.clinic.transaction() as session:
        assert enter(session, BY_HAND) == 1
    with pytest.raises(StreamSaysNothing):
        installation.reconcile()
    assert installation.reconcile(Newer.NOTHING).done.get("doubted") is None
    installation.reopen()
    start(installation.clinic, referral)


def test_where_nobody_knows_each_recommendation_is_accepted_again(installation: Installation) -> None:
    referral, _ = recommended(installation.clinic)
    with installation.clinic.transaction() as session:
        enter(session, BY_HAND)
    assert installation.reconcile(Newer.UNKNOWN).done["doubted"] == 1
    installation.reopen()
    with pytest.raises(GateClosed):
        start(installation.clinic, referral)
    with installation.clinic.transaction() as session:
        director = people.director(installation.clinic)
        review_recommendation(session, director, referral.id, accepted=True, reason="looked at it", now=NOW)
    start(installation.clinic, referral)


def test_reopening_needs_a_reconciliation_and_two_people(installation: Installation) -> None:
    director, admin = installation.person(Role.MEDICAL_DIRECTOR), installation.person(Role.ADMIN)
    with pytest.raises(TransitionRefused, match="nothing to reopen"):
        installation.approve(director)
    with installation.clinic.transaction() as session:
        enter(session, BY_HAND)
    with pytest.raises(TransitionRefused, match="comes first"):
        installation.approve(director)
    installation.reconcile(Newer.NOTHING)
    with pytest.raises(Forbidden):
        installation.approve(installation.person(Role.CLINICIAN))
    assert not installation.approve(admin)
    with pytest.raises(TransitionRefused, match="second person"):
        installation.approve(admin)
    assert not installation.approve(installation.person(Role.ADMIN))
    assert installation.approve(director)
    with installation.clinic.transaction() as session:
        assert not mode.is_restoring(session)


def test_a_clinic_without_any_mode_is_closed(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        session.enter_clinic(str(uuid.uuid4()))
        assert mode.is_restoring(session)


def test_codes_that_wait_are_cancelled(installation: Installation) -> None:
    referral = asked(installation.clinic)
    with installation.clinic.transaction() as session:
        row = {
            "clinic_id": session.clinic,
            "id": uuid.uuid4(),
            "referral_id": referral.id,
            "kind": MessageKind.IDENTITY_CODE,
            "ordinal": 1,
            "channel": "email",
            "contact_id": people.first_contact(session, referral),
            "not_before": NOW,
            "created_at": NOW,
        }
        session.connection.execute(insert(tables.message).inline(), row)
        parked = restored_rows.park_messages(session, "a test", NOW)
    assert [kind for _, _, kind in parked] == [MessageKind.REQUEST]
    assert states(installation.clinic, referral)["identity-code/1"] == MessageState.CANCELLED


def in_danger(clinic: ClinicFixture, source: str) -> SafetyTask:
    with clinic.transaction() as session:
        task = raise_safety(
            session,
            clinic.actor,
            patient_id=people.patient(session, clinic).id,
            order_id=None,
            source=f"QuestionnaireResponse/{source}",
            answer=2,
            now=NOW,
        )
    assert task is not None
    return task


def test_a_safety_task_that_was_seen_to_pages_nobody_again_and_one_that_was_not_does(
    installation: Installation, renderer: Renderer
) -> None:
    clinic = installation.clinic
    with clinic.transaction() as session:
        add_on_call(session, clinic.actor, "Dr. Whitcombe", "sms", "3035550101", NOW)
    done, waits = in_danger(clinic, "done"), in_danger(clinic, "waits")
    copy = installation.backup()
    clinic, words = installation.clinic, "Spoke with her for half an hour; her sister stays tonight."
    with clinic.transaction() as session:
        settle_safety(session, clinic.actor, done.id, "spoke-safe", words, NOW)
    later, seen_later = in_danger(clinic, "later"), in_danger(clinic, "seen-later")
    with clinic.transaction() as session:
        settle_safety(session, clinic.actor, seen_later.id, "emergency", words, NOW)
    clinic = restored(installation, copy)
    report = installation.reconcile()
    assert report.done["safety-settled"] == 1
    lost = [line for line in report.lost if "safety task" in line]
    assert len(lost) == 3
    said = {
        one.patient_id: line for one in (done, later, seen_later) for line in lost if one.patient_id in line
    }
    assert "the words are lost" in said[done.patient_id]
    assert said[later.patient_id].endswith("is lost; see to it now.")
    assert said[seen_later.patient_id].endswith("is lost; write into the chart what was done.")
    text = Provider()
    with clinic.transaction() as session:
        assert [one.id for one in safety_tasks.waiting(session)] == [waits.id]
    assert send_safety_calls(delivery(clinic, renderer, sms=text), clinic.id) == 0
    installation.reopen()
    assert send_safety_calls(delivery(clinic, renderer, sms=text), clinic.id) == 1
    with clinic.transaction() as session:
        calls = on_call.of_tasks(session, [done.id, waits.id])
    assert [one.state for one in calls[done.id]] == [MessageState.CANCELLED]
    assert [one.state for one in calls[waits.id]] == [MessageState.ACCEPTED]
