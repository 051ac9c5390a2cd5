"""Emergency access in the database: two people, one order, one start, one hour, and no way round it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from referral.domain.codes import OverrideReason, Role, Verdict
from referral.domain.errors import Forbidden, GateClosed, NotFound, TransitionRefused
from referral.domain.policy import ICD_10_CM, Indication
from referral.domain.records import Order
from referral.services.override_gate import decide_override
from referral.services.refresh_gate import decision_of
from referral.storage import accounts, orders, overrides, recommendations
from referral.storage.db import Session
from tests.database import ClinicFixture
from tests.storage import emergency
from tests.storage.emergency import REASON, Person
from tests.storage.gate_rows import add_order, add_patient, add_referral, recommendation, unique
from tests.together import at_once


def present() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


@pytest.fixture
def order(clinic: ClinicFixture) -> Order:
    """Blocked for nothing but the recommendation, in a clinic that allows emergency access."""
    with clinic.transaction() as session:
        emergency.allow(session)
        return emergency.blocked(session, present())


def start(clinic: ClinicFixture, order: Order, name: str = "") -> orders.Started:
    with clinic.transaction() as session:
        return orders.start_treatment(
            session, clinic.actor, name or unique("procedure"), order.id, order.patient_id
        )


def verdict(clinic: ClinicFixture, order: Order) -> tuple[bool, Verdict]:
    with clinic.transaction() as session:
        decision = decision_of(session, orders.facts(session, order.id), datetime.now(UTC))
    return decision.open, decision.verdict


def given(clinic: ClinicFixture, order: Order) -> str:
    with clinic.transaction() as session:
        return emergency.give(session, clinic, order)


def test_one_start_uses_it_up_and_says_so_in_the_audit(clinic: ClinicFixture, order: Order) -> None:
    with pytest.raises(GateClosed, match="no valid recommendation"):
        start(clinic, order)
    id = given(clinic, order)
    assert verdict(clinic, order) == (True, Verdict.OVERRIDDEN)
    assert start(clinic, order).override_id == id
    assert verdict(clinic, order) == (False, Verdict.NOT_REQUESTED)
    with pytest.raises(GateClosed, match="no valid recommendation"):
        start(clinic, order)
    with clinic.transaction() as session:
        (begun,) = orders.starts(session, order.id)
        assert (begun.override_id, begun.recommendation_id) == (id, None)
        case = overrides.get(session, id)
        assert (case.start_id, case.started_at) == (begun.id, begun.started_at)
        noted = session.connection.execute(
            text(
                "SELECT subtype, actor_id, detail ->> 'override' AS override FROM audit_event"
                " WHERE entity = :entity AND subtype ~ '^override-|gate-start' ORDER BY id"
            ),
            {"entity": f"ServiceRequest/{order.id}"},
        ).all()
    assert [tuple(row) for row in noted] == [
        ("override-asked", case.requested_by, id),
        ("override-approved", case.decided_by, id),
        ("gate-start", clinic.actor.id, id),
    ]


def test_asking_deciding_and_using_each_move_the_version_of_the_gate(
    clinic: ClinicFixture, order: Order
) -> None:
    def version() -> int:
        with clinic.transaction() as session:
            query = text("SELECT version FROM gate WHERE clinic_id = current_clinic() AND order_id = :id")
            return int(session.connection.scalar(query, {"id": order.id}) or 0)

    first = version()
    with clinic.transaction() as session:
        id = emergency.ask(session, emergency.person(session, clinic, Role.CLINICIAN), order)
    assert version() == first + 1
    with clinic.transaction() as session:
        director = emergency.person(session, clinic)
        overrides.decide(session, director.actor, director.token, id, approve=True)
    assert version() == first + 2
    start(clinic, order)
    assert version() == first + 3


def test_an_ordinary_start_leaves_an_override_alone(clinic: ClinicFixture, order: Order) -> None:
    id = given(clinic, order)
    with clinic.transaction() as session:
        recommendations.add(session, recommendation(add_referral(session, order, present()), present()))
    assert verdict(clinic, order) == (True, Verdict.SATISFIED)
    assert start(clinic, order).override_id is None
    assert start(clinic, order).override_id is None
    with clinic.transaction() as session:
        assert overrides.get(session, id).start_id is None


@pytest.mark.parametrize(("by", "is_open"), [("59 minutes 30 seconds", True), ("60 minutes", False)])
def test_it_lasts_sixty_minutes(
    clinic: ClinicFixture, order: Order, engines: Any, by: str, is_open: bool
) -> None:
    id = given(clinic, order)
    with clinic.transaction() as session:
        case = overrides.get(session, id)
    assert case.expires_at is not None
    assert case.decided_at is not None
    assert case.expires_at - case.decided_at == timedelta(minutes=60)
    emergency.age(engines.admin_url, id, by)
    assert verdict(clinic, order)[0] is is_open
    if is_open:
        assert start(clinic, order).override_id == id
    else:
        with pytest.raises(GateClosed, match="no valid recommendation"):
            start(clinic, order)


def test_one_that_runs_out_before_the_commit_is_refused_at_the_commit(
    clinic: ClinicFixture, order: Order, engines: Any
) -> None:
    id = given(clinic, order)
    emergency.age(engines.admin_url, id, "59 minutes 58 seconds")
    committed = False

    def begin_and_wait() -> None:
        nonlocal committed
        with clinic.transaction() as session:
            orders.start_treatment(session, clinic.actor, unique("procedure"), order.id, order.patient_id)
            session.connection.execute(text("SELECT pg_sleep(2.1)"))
            committed = True

    with pytest.raises(GateClosed) as refused:
        begin_and_wait()
    assert isinstance(refused.value.__cause__, DBAPIError)
    assert "treatment may not start" in str(refused.value.__cause__)
    assert refused.value.order_id == order.id
    assert committed  # it was the commit that was refused, not the start


def test_it_is_for_its_own_order_and_patient(clinic: ClinicFixture, order: Order) -> None:
    given(clinic, order)
    with clinic.transaction() as session:
        same_patient = add_order(session, order.patient_id, present())
        orders.add_consultation(
            session, encounter_id=unique("e"), order=same_patient, held_at=present(), recorded_by="u"
        )
        stranger = emergency.blocked(session, present())
    for other in (same_patient, stranger):
        with pytest.raises(GateClosed, match="no valid recommendation"):
            start(clinic, other)
    with pytest.raises(GateClosed, match="no such infusion order of this patient"):
        start(clinic, replace(order, patient_id=stranger.patient_id))
    assert start(clinic, order).override_id is not None


def test_another_clinic_neither_sees_nor_decides_it(
    clinic: ClinicFixture, other_clinic: ClinicFixture, order: Order
) -> None:
    with clinic.transaction() as session:
        id = emergency.ask(session, emergency.person(session, clinic, Role.CLINICIAN), order)
    with other_clinic.transaction() as session:
        emergency.allow(session)
        director = emergency.person(session, other_clinic)
    with other_clinic.transaction() as session:
        assert overrides.current(session, present() - timedelta(days=1)) == []
        with pytest.raises(NotFound):
            overrides.get(session, id)
        with pytest.raises(NotFound, match="no such request"):
            overrides.decide(session, director.actor, director.token, id, approve=True)
    # A session of the other clinic is nobody in this one.
    with clinic.transaction() as session, pytest.raises(Forbidden):
        overrides.decide(session, director.actor, director.token, id, approve=True)


def test_a_policy_without_it_stops_asking_deciding_and_using(clinic: ClinicFixture, order: Order) -> None:
    with clinic.transaction() as session:
        clinician, director = (
            emergency.person(session, clinic, Role.CLINICIAN),
            emergency.person(session, clinic),
        )
        id = emergency.ask(session, clinician, order)
        emergency.allow(session, on=False)
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="policy does not allow"):
        overrides.decide(session, director.actor, director.token, id, approve=True)
    with clinic.transaction() as session:
        emergency.allow(session)
        overrides.decide(session, director.actor, director.token, id, approve=True)
        emergency.allow(session, on=False)
    assert verdict(clinic, order) == (False, Verdict.NOT_REQUESTED)
    with pytest.raises(GateClosed, match="no valid recommendation"):
        start(clinic, order)


def test_it_is_off_until_a_policy_allows_it(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        order = emergency.blocked(session, present())
        clinician = emergency.person(session, clinic, Role.CLINICIAN)
        with pytest.raises(TransitionRefused, match="policy does not allow"):
            emergency.ask(session, clinician, order)


@pytest.mark.parametrize("missing", ["consultation", "class", "order"])
def test_it_stands_in_for_the_recommendation_only(clinic: ClinicFixture, order: Order, missing: str) -> None:
    given(clinic, order)
    with clinic.transaction() as session:
        if missing == "class":
            orders.add_indications(session, order.id, [Indication(ICD_10_CM, "Z99.9", "unknown")], first=1)
        elif missing == "order":
            orders.set_status(session, order.id, "revoked")
        else:
            order = add_order(session, add_patient(session), present())
        asker = emergency.person(session, clinic, Role.CLINICIAN)
    with pytest.raises(GateClosed):
        start(clinic, order)
    assert verdict(clinic, order)[0] is False
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="more than that is missing"):
        emergency.ask(session, asker, order)


def test_nobody_asks_for_what_is_open_or_asked_or_given(clinic: ClinicFixture, order: Order) -> None:
    with clinic.transaction() as session:
        asker, director = emergency.person(session, clinic, Role.CLINICIAN), emergency.person(session, clinic)
        id = emergency.ask(session, asker, order)
        with pytest.raises(TransitionRefused, match="asked for emergency access to this order already"):
            emergency.ask(session, asker, order)
        overrides.decide(session, director.actor, director.token, id, approve=True)
        with pytest.raises(TransitionRefused, match="not needed"):
            emergency.ask(session, asker, order)
    start(clinic, order)
    with clinic.transaction() as session:
        emergency.ask(session, asker, order)


def test_a_declined_request_opens_nothing_and_is_decided_for_good(
    clinic: ClinicFixture, order: Order
) -> None:
    with clinic.transaction() as session:
        asker, director = emergency.person(session, clinic, Role.CLINICIAN), emergency.person(session, clinic)
        id = emergency.ask(session, asker, order)
        assert overrides.decide(session, director.actor, director.token, id, approve=False) is None
        with pytest.raises(TransitionRefused, match="decided already"):
            overrides.decide(session, director.actor, director.token, id, approve=True)
        assert overrides.get(session, id).approved is False
    with pytest.raises(GateClosed):
        start(clinic, order)


def test_a_request_that_nobody_decided_within_the_hour_has_lapsed(
    clinic: ClinicFixture, order: Order, engines: Any
) -> None:
    with clinic.transaction() as session:
        asker, director = emergency.person(session, clinic, Role.CLINICIAN), emergency.person(session, clinic)
        id = emergency.ask(session, asker, order)
    emergency.age(engines.admin_url, id, "60 minutes")
    with clinic.transaction() as session, pytest.raises(TransitionRefused, match="more than 60 minutes old"):
        overrides.decide(session, director.actor, director.token, id, approve=True)
    with clinic.transaction() as session:
        emergency.ask(session, asker, order)


# ---- Two people


def test_nobody_decides_about_their_own_request(clinic: ClinicFixture, order: Order) -> None:
    with clinic.transaction() as session:
        director = emergency.person(session, clinic)
        id = emergency.ask(session, director, order)
        own = accounts_of(session, clinic, director)
    for approve in (True, False):
        with clinic.transaction() as session, pytest.raises(Forbidden, match="Whoever asks"):
            overrides.decide(session, director.actor, director.token, id, approve=approve)
        with clinic.transaction() as session, pytest.raises(Forbidden, match="Whoever asks"):
            decide_override(session, director.actor, own, id, approve=approve, now=datetime.now(UTC))
    with clinic.transaction() as session:
        assert overrides.get(session, id).approved is None


def accounts_of(session: Session, clinic: ClinicFixture, of: Person) -> accounts.StaffSession:
    user = accounts.get_users(session)[of.actor.id]
    now = datetime.now(UTC)
    return accounts.StaffSession(
        clinic_id=clinic.id,
        token_digest=of.token,
        user_id=user.id,
        csrf_token="x",
        created_at=now,
        seen_at=now,
        name=user.name,
        email=user.email,
        role=user.role,
    )


_FORGE = (
    "INSERT INTO override_decision (clinic_id, request_id, patient_id, order_id, requested_by, decided_by,"
    " outcome, reauthenticated_at, decided_at, expires_at) SELECT clinic_id, id, patient_id, order_id,"
    " {requested_by}, {decided_by}, 'approved', now(), now(), now() + interval '{life}' FROM override_request"
)


@pytest.fixture
def owner(clinic: ClinicFixture, engines: Any) -> Iterator[psycopg.Connection[Any]]:
    """Whoever owns the tables: row-level security and constraints hold for them too."""
    with psycopg.connect(engines.admin_url.replace("+psycopg", "")) as connection:
        connection.execute("SET ROLE referral_owner")
        connection.execute("SELECT set_config('referral.clinic_id', %s, false)", (clinic.id,))
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    ("requested_by", "decided_by", "life", "constraint"),
    [
        ("requested_by", "requested_by", "60 minutes", "ck_override_decision_two_people"),
        ("{other}", "requested_by", "60 minutes", "fk_override_decision_request"),
        ("requested_by", "{other}", "61 minutes", "ck_override_decision_life"),
    ],
)
def test_the_tables_themselves_refuse_one_person_and_a_longer_life(
    clinic: ClinicFixture,
    order: Order,
    owner: psycopg.Connection[Any],
    requested_by: str,
    decided_by: str,
    life: str,
    constraint: str,
) -> None:
    with clinic.transaction() as session:
        emergency.ask(session, emergency.person(session, clinic), order)
        other = f"'{emergency.person(session, clinic).actor.id}'"
    forged = _FORGE.format(
        requested_by=requested_by.format(other=other), decided_by=decided_by.format(other=other), life=life
    )
    with pytest.raises(psycopg.errors.IntegrityError) as refused:
        owner.execute(forged)
    assert refused.value.diag.constraint_name == constraint


def test_the_tables_themselves_take_two_people_for_an_hour(
    clinic: ClinicFixture, order: Order, owner: psycopg.Connection[Any]
) -> None:
    """What the test before is refused for is nothing else."""
    with clinic.transaction() as session:
        emergency.ask(session, emergency.person(session, clinic), order)
        other = f"'{emergency.person(session, clinic).actor.id}'"
    made = owner.execute(_FORGE.format(requested_by="requested_by", decided_by=other, life="60 minutes"))
    assert made.rowcount == 1


def test_the_tables_themselves_take_one_start_of_each_override(
    clinic: ClinicFixture, order: Order, engines: Any
) -> None:
    given(clinic, order)
    start(clinic, order)
    again = (
        "INSERT INTO treatment_start"
        " (clinic_id, id, patient_id, order_id, override_id, gate_version, started_by, started_at)"
        " SELECT clinic_id, 'again', patient_id, order_id, override_id, 1, 'me', now()"
        " FROM treatment_start WHERE order_id = %s"
    )
    with psycopg.connect(engines.admin_url.replace("+psycopg", "")) as connection:
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.UniqueViolation) as refused:
            connection.execute(again, (order.id,))
    assert refused.value.diag.constraint_name == "uq_treatment_start_override"


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.ADMIN, Role.AUDITOR])
def test_only_a_clinician_or_medical_director_asks(clinic: ClinicFixture, order: Order, role: Role) -> None:
    with clinic.transaction() as session, pytest.raises(Forbidden, match="Your role"):
        emergency.ask(session, emergency.person(session, clinic, role), order)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.MEDICAL_DIRECTOR])
def test_only_a_medical_director_decides(clinic: ClinicFixture, order: Order, role: Role) -> None:
    with clinic.transaction() as session:
        id = emergency.ask(session, emergency.person(session, clinic, Role.CLINICIAN), order)
        other = emergency.person(session, clinic, role)
        with pytest.raises(Forbidden, match="Your role"):
            overrides.decide(session, other.actor, other.token, id, approve=True)


_SESSION = "UPDATE staff_session SET {change} WHERE token_digest = :token"


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("reauthenticated_at = clock_timestamp() - interval '5 minutes 1 second'", "password once more"),
        ("reauthenticated_at = clock_timestamp() + interval '10 seconds'", "password once more"),
        ("reauthenticated_at = NULL", "password once more"),
        ("ended_at = clock_timestamp()", "Your role"),
        ("reauthenticated_at = clock_timestamp() - interval '4 minutes 50 seconds'", None),
    ],
)
def test_the_database_itself_wants_a_password_of_the_last_five_minutes(
    clinic: ClinicFixture, order: Order, change: str, refusal: str | None
) -> None:
    with clinic.transaction() as session:
        asker, director = emergency.person(session, clinic, Role.CLINICIAN), emergency.person(session, clinic)
        other = emergency.blocked(session, present())
        asked = emergency.ask(session, emergency.person(session, clinic, Role.CLINICIAN), other)
        for person in (asker, director):
            session.connection.execute(text(_SESSION.format(change=change)), {"token": person.token})
    with clinic.transaction() as session:
        tries: tuple[Callable[[], object], ...] = (
            lambda: emergency.ask(session, asker, order),
            lambda: overrides.decide(session, director.actor, director.token, asked, approve=True),
        )
        for act in tries:
            if refusal is None:
                act()
            else:
                with pytest.raises(Forbidden, match=refusal):
                    act()


def test_a_person_who_has_left_neither_asks_nor_decides(clinic: ClinicFixture, order: Order) -> None:
    with clinic.transaction() as session:
        asker = emergency.person(session, clinic, Role.CLINICIAN)
        accounts.change_user(session, asker.actor.id, active=False)
        with pytest.raises(Forbidden, match="Your role"):
            emergency.ask(session, asker, order)


# ---- The words


def test_the_words_are_sealed_and_a_short_reason_is_no_row(clinic: ClinicFixture, order: Order) -> None:
    with clinic.transaction() as session:
        asker = emergency.person(session, clinic, Role.CLINICIAN)
        id = emergency.ask(session, asker, order)
        stored = session.connection.scalar(
            text("SELECT sealed_reason FROM override_request WHERE id = :id"), {"id": id}
        )
        assert REASON.encode() not in bytes(stored or b"")
        assert overrides.words(session, id) == (REASON, "")
    with clinic.transaction() as session:
        other = emergency.blocked(session, present())
        with pytest.raises(DBAPIError, match="ck_override_request_words"):
            overrides.ask(
                session,
                asker.actor,
                asker.token,
                id="short",
                order=other,
                reason_code=OverrideReason.EMERGENCY,
                reason="x" * 29,
            )


def test_the_review_is_written_once_and_not_by_whoever_asked(clinic: ClinicFixture, order: Order) -> None:
    id = given(clinic, order)
    with clinic.transaction() as session:
        case = overrides.get(session, id)
        assert case.review_due_at == (case.decided_at or present()) + timedelta(hours=72)
        with pytest.raises(DBAPIError, match="ck_override_review_two_people"):
            overrides.review(session, case, case.requested_by, justified=True, note="All is well.")
    with clinic.transaction() as session:
        overrides.review(session, case, case.decided_by or "", justified=False, note="Not an emergency.")
        with pytest.raises(TransitionRefused, match="reviewed already"):
            overrides.review(session, case, case.decided_by or "", justified=True, note="After all.")
        assert overrides.get(session, id).justified is False
        assert overrides.words(session, id)[1] == "Not an emergency."


# ---- No way round


_BYPASSES = {
    "approve by hand": _FORGE.format(requested_by="requested_by", decided_by="'me'", life="60 minutes"),
    "ask by hand": "INSERT INTO override_request SELECT * FROM override_request",
    "lengthen it": "UPDATE override_decision SET expires_at = expires_at + interval '1 day'",
    "turn a refusal round": "UPDATE override_decision SET outcome = 'approved'",
    "forget that it was used": "UPDATE treatment_start SET override_id = NULL",
    "take a decision away": "DELETE FROM override_decision",
    "take a request away": "DELETE FROM override_request",
    "give it to another order": "UPDATE override_decision SET order_id = 'x'",
    "change who asked": "UPDATE override_request SET requested_by = 'x'",
    "change a review": "UPDATE override_review SET justified = true",
    "empty the table": "TRUNCATE override_decision CASCADE",
    "switch it on": "UPDATE policy_version SET allow_override = true",
    "ask for the helper": "SELECT override_person('', '{clinician}', now())",
    "skip the need": "SELECT override_needed('x', now())",
}


@pytest.mark.parametrize("attempt", sorted(_BYPASSES))
def test_the_applications_role_cannot_go_round_the_two_people(
    clinic: ClinicFixture, order: Order, attempt: str
) -> None:
    given(clinic, order)
    start(clinic, order)
    with pytest.raises(DBAPIError, match="permission denied"), clinic.transaction() as session:
        session.connection.exec_driver_sql(_BYPASSES[attempt])


def test_a_row_that_rests_on_an_override_without_using_it_is_refused(
    clinic: ClinicFixture, order: Order, owner: psycopg.Connection[Any]
) -> None:
    given(clinic, order)
    forged = (
        "INSERT INTO treatment_start"
        " (clinic_id, id, patient_id, order_id, gate_version, started_by, started_at)"
        " VALUES (%s, 'forged', %s, %s, 1, 'me', now())"
    )
    with pytest.raises(psycopg.errors.DatabaseError, match="treatment may not start"):
        owner.execute(forged, (clinic.id, order.patient_id, order.id))


# ---- At the same moment


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_of_two_starts_at_once_with_one_override_one_wins(clinic: ClinicFixture, isolation: str) -> None:
    with clinic.transaction() as session:
        emergency.allow(session)

    for _ in range(15):
        with clinic.transaction() as session:
            order = emergency.blocked(session, present())
            emergency.give(session, clinic, order)

        def begin(order: Order = order) -> orders.Started:
            with clinic.database.transaction() as session:
                session.connection.exec_driver_sql(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
                session.enter_clinic(clinic.id)
                return orders.start_treatment(session, clinic.actor, unique("p"), order.id, order.patient_id)

        results = at_once(begin, begin, begin)
        assert sum(isinstance(result, orders.Started) for result in results) == 1, results
        with clinic.transaction() as session:
            assert len(orders.starts(session, order.id)) == 1


def test_of_two_decisions_at_once_one_counts(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        emergency.allow(session)
        first, second = emergency.person(session, clinic), emergency.person(session, clinic)
    for _ in range(10):
        with clinic.transaction() as session:
            order = emergency.blocked(session, present())
            id = emergency.ask(session, emergency.person(session, clinic, Role.CLINICIAN), order)

        def decide(by: Person, approve: bool, id: str = id) -> str:
            with clinic.transaction() as session:
                overrides.decide(session, by.actor, by.token, id, approve=approve)
            return "approved" if approve else "declined"

        results = at_once(lambda: decide(first, True), lambda: decide(second, False))
        (counted,) = [result for result in results if isinstance(result, str)]
        (refused,) = [result for result in results if not isinstance(result, str)]
        assert isinstance(refused, TransitionRefused)
        with clinic.transaction() as session:
            assert overrides.get(session, id).approved is (counted == "approved")


def test_of_two_requests_at_once_one_is_taken(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        emergency.allow(session)
        askers = [emergency.person(session, clinic, Role.CLINICIAN) for _ in range(2)]
    for _ in range(10):
        with clinic.transaction() as session:
            order = emergency.blocked(session, present())

        def ask(by: Person, order: Order = order) -> str:
            with clinic.transaction() as session:
                return emergency.ask(session, by, order)

        results = at_once(*(lambda by=by: ask(by) for by in askers))
        assert sum(isinstance(result, str) for result in results) == 1, results


def test_what_has_run_out_is_found_until_the_order_says_so(
    clinic: ClinicFixture, order: Order, engines: Any
) -> None:
    id = given(clinic, order)
    with clinic.transaction() as session:
        orders.set_status(session, order.id, "active")
        assert overrides.run_out(session, datetime.now(UTC)) == []
    emergency.age(engines.admin_url, id, "61 minutes")
    with clinic.transaction() as session:
        assert overrides.run_out(session, datetime.now(UTC)) == [order.id]
        orders.set_status(session, order.id, "on-hold")
        assert overrides.run_out(session, datetime.now(UTC)) == []
