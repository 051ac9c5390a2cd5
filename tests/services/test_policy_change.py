"""A new policy: the preview is what happens, orders follow at once or soon, the gate never lags behind."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.errors import GateClosed, InvalidInput, StaleVersion
from referral.domain.policy import ICD_10_CM, Indication, IndicationClass, IndicationRule, Policy
from referral.domain.policy_change import Move, changes
from referral.domain.records import Order
from referral.services import change_policy as changing
from referral.services import doctor
from referral.services.change_policy import PolicySaved, PreviewOutdated, change_policy, roll_out_policy
from referral.services.find_policy import find_policy
from referral.services.foresee_policy import Foreseen, foresee, preview_policy
from referral.services.treat import record_consultation
from referral.storage import audit, clinics, orders, policies, recommendations, resources, tables
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture, make_clinic
from tests.processes import eventually
from tests.services import people
from tests.storage.gate_rows import add_referral, recommendation, unique

UNKNOWN = Indication(ICD_10_CM, "R52", "pain, unspecified")
REASON = "Agreed at the meeting of physicians."
STRICT = replace(Policy(), eligible=frozenset({ClinicianKind.PSYCHIATRIST}))


def present() -> datetime:
    """The database judges a start by its own clock."""
    return datetime.now(UTC) - timedelta(minutes=1)


def policy(session: Session) -> Policy:
    return clinics.policy_in_force(session)[0]


def save(clinic: ClinicFixture, new: Policy, now: datetime = NOW) -> tuple[Foreseen, PolicySaved]:
    """Preview in one transaction, agree in another, as a person does."""
    with clinic.transaction() as session:
        before = policy(session)
        seen = foresee(session, before, new, now)
    with clinic.transaction() as session:
        saved = change_policy(
            session,
            people.director(clinic),
            new,
            based_on=before.version,
            seen=seen.digest,
            reason=REASON,
            now=now,
        )
    return seen, saved


def agree(clinic: ClinicFixture, new: Policy, *, based_on: int, reason: str = REASON) -> PolicySaved:
    """Save what was looked at just now, in the same transaction."""
    with clinic.transaction() as session:
        digest = foresee(session, policy(session), new, NOW).digest
        director = people.director(clinic)
        return change_policy(session, director, new, based_on=based_on, seen=digest, reason=reason, now=NOW)


def roll_out(clinic: ClinicFixture, now: datetime = NOW) -> int:
    """What the workers' sweep does; returns how many transactions it took."""
    for count in range(1, 1000):
        with clinic.transaction() as session:
            if not roll_out_policy(session, now):
                return count
    raise AssertionError("the rollout does not end")


def somebody_waits(clinic: ClinicFixture) -> bool:
    """Whether a transaction of this test's server waits for another one."""
    with clinic.transaction() as session:
        return bool(session.connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


@pytest.fixture
def resting(clinic: ClinicFixture) -> Order:
    """An open order that rests on a psychologist's recommendation."""
    with clinic.transaction() as session:
        return treated(
            session, clinic, people.DEPRESSION, kind=ClinicianKind.PSYCHOLOGIST, npi="", family="Lee"
        )


def treated(session: Session, clinic: ClinicFixture, *indications: Indication, **asked: object) -> Order:
    """An order with its consultation held and an answer of whoever was asked, through the services."""
    order = people.order(session, clinic, people.patient(session, clinic), *indications)
    record_consultation(session, clinic.actor, order.id, NOW, NOW)
    if asked:
        (referral,) = people.ask(session, clinic, order, people.clinician(session, clinic, **asked))
        people.respond_with(session, clinic, referral)
    return order


def status(session: Session, order: Order) -> str:
    """Of the row, which the published order must agree with."""
    found = orders.get(session, order.id).status
    assert resources.read(session, "ServiceRequest", order.id).document["status"] == found
    return found


def test_orders_close_and_open_at_once_with_everything_that_publishes_it(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        psychologist = {"kind": ClinicianKind.PSYCHOLOGIST, "npi": "", "family": "Lee"}
        resting = treated(session, clinic, people.DEPRESSION, **psychologist)
        sound = treated(session, clinic, people.DEPRESSION, family="Okafor")
        unknown = treated(session, clinic, UNKNOWN)
        assert [status(session, o) for o in (resting, sound, unknown)] == ["active", "active", "on-hold"]
    new = replace(
        STRICT, rules=(*STRICT.rules, IndicationRule(ICD_10_CM, "R52", IndicationClass.PAIN)), version=1
    )
    seen, saved = save(clinic, new)
    assert seen.moving(Move.CLOSES) == (resting.id,)
    assert seen.moving(Move.OPENS) == (unknown.id,)
    assert saved == PolicySaved(version=2, closed=1, opened=1, to_follow=0)
    with clinic.transaction() as session:
        assert [status(session, o) for o in (resting, sound, unknown)] == ["on-hold", "active", "active"]
        rows = audit.find(session, entity=f"ServiceRequest/{resting.id}")
        assert "gate-closed" in {row.subtype for row in rows}
        kept = session.connection.execute(
            text("SELECT actor_id, actor_role, detail FROM audit_event WHERE subtype = 'policy-change'")
        ).one()
        assert (kept.actor_id, kept.actor_role) == ("director-1", "medical-director")
        assert kept.detail == {"version": 2, "closes": 1, "opens": 1, "stops": 1}
        step = find_policy(session).history[0]
    assert (step.made.reason, step.made.closed, step.made.opened) == (REASON, 1, 1)
    assert step.changed[0] == "Added to chronic pain (ICD-10-CM): R52."
    assert roll_out(clinic) == 1
    with clinic.transaction() as session:
        assert [status(session, o) for o in (resting, sound, unknown)] == ["on-hold", "active", "active"]
        assert find_policy(session).history[0].made.finished


def picture(clinic: ClinicFixture) -> dict[str, str]:
    """A digest of every table as this clinic sees it, but for the audit."""
    digest = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"
    with clinic.transaction() as session:
        return {
            table.name: session.connection.scalar(text(digest.format(table.name)))
            for table in tables.metadata.sorted_tables
            if not table.name.startswith("audit")
        }


@pytest.mark.usefixtures("resting")
def test_a_preview_writes_nothing_but_its_audit_row(clinic: ClinicFixture) -> None:
    before = picture(clinic)
    with clinic.transaction() as session:
        seen = preview_policy(session, people.director(clinic), policy(session), STRICT, NOW)
    assert picture(clinic) == before
    with clinic.transaction() as session:
        newest = session.connection.execute(
            text("SELECT subtype, actor_id, detail FROM audit_event ORDER BY id DESC LIMIT 1")
        ).one()
    assert (newest.subtype, newest.actor_id) == ("policy-preview", "director-1")
    assert newest.detail == {"closes": 1, "opens": 0, "stops": 1, "shown": 1}
    assert (seen.close_count, seen.open_count, seen.stop_count, seen.looked_at) == (1, 0, 1, 1)
    assert seen.closes[0].reasons[0].startswith("Recurrent depression (F33.2) needs a recommendation from a")
    assert seen.stops[0].why == "A psychologist would not be accepted any more."
    assert seen.stops[0].order_closes


def test_a_form_made_from_an_older_version_is_refused(clinic: ClinicFixture) -> None:
    save(clinic, STRICT)
    wide = replace(Policy(), validity=timedelta(days=90))
    with pytest.raises(StaleVersion, match="Version 2 of the policy was put in force"):
        agree(clinic, wide, based_on=1)
    with clinic.transaction() as session:
        assert policy(session).eligible == STRICT.eligible


def test_what_was_not_looked_at_is_not_saved(clinic: ClinicFixture) -> None:
    with clinic.transaction() as session:
        digest = foresee(session, policy(session), STRICT, NOW).digest
        treated(session, clinic, people.DEPRESSION, kind=ClinicianKind.PSYCHOLOGIST, npi="")
    with pytest.raises(PreviewOutdated), clinic.transaction() as session:
        change_policy(
            session, people.director(clinic), STRICT, based_on=1, seen=digest, reason=REASON, now=NOW
        )
    with clinic.transaction() as session:
        assert policy(session).version == 1


def test_an_answer_that_would_stop_counting_is_looked_at_too(clinic: ClinicFixture) -> None:
    """Its order stays closed either way: the consultation has not been held."""
    with clinic.transaction() as session:
        lee = people.clinician(session, clinic, kind=ClinicianKind.PSYCHOLOGIST, npi="", family="Lee")
        order = people.order(session, clinic, people.patient(session, clinic))
        (referral,) = people.ask(session, clinic, order, lee)
        before = foresee(session, policy(session), STRICT, NOW)
        people.respond_with(session, clinic, referral)
        after = foresee(session, policy(session), STRICT, NOW)
    assert (before.stopped, after.stopped) == (0, 1)
    assert after.moving(Move.CLOSES) == before.moving(Move.CLOSES) == ()
    assert before.digest != after.digest


@pytest.mark.parametrize(
    ("new", "reason", "field"), [(STRICT, " too  bad ", "reason"), (Policy(), REASON, "reason")]
)
def test_a_reason_and_a_difference_are_needed(
    clinic: ClinicFixture, new: Policy, reason: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        agree(clinic, new, based_on=1, reason=reason)
    assert refused.value.issues[0].expression == (field,)


def test_many_orders_follow_by_the_sweep_and_none_is_open_meanwhile(
    clinic: ClinicFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "AT_ONCE", 2)
    monkeypatch.setattr(changing, "_BATCH", 2)
    with clinic.transaction() as session:
        asked = {"kind": ClinicianKind.PSYCHOLOGIST, "npi": ""}
        placed = [treated(session, clinic, people.DEPRESSION, family=f"L{i}", **asked) for i in range(5)]
        unknown = treated(session, clinic, UNKNOWN)
    rule = IndicationRule(ICD_10_CM, "R52", IndicationClass.PAIN)
    _, saved = save(clinic, replace(STRICT, rules=(*STRICT.rules, rule)), present())
    assert (saved.closed, saved.opened, saved.to_follow) == (2, 0, 4)
    with clinic.transaction() as session:
        behind = [order for order in placed if status(session, order) == "active"]
        assert len(behind) == 3
        assert not find_policy(session).history[0].made.finished
    for order in behind:
        # Published late, decided at once.
        with pytest.raises(GateClosed), clinic.transaction() as session:
            orders.start_treatment(session, clinic.actor, unique("p"), order.id, order.patient_id)
    assert roll_out(clinic, present()) == 4
    with clinic.transaction() as session:
        assert {status(session, order) for order in placed} == {"on-hold"}
        assert status(session, unknown) == "active"
        made = find_policy(session).history[0].made
        assert (made.closed, made.opened, made.finished) == (5, 1, True)
        slug = clinics.current(session).slug
        told = [found for found in doctor.examine(session) if found.text.startswith(f"{slug}: ")]
        assert [found.ok for found in told if "FHIR" in found.text] == [True]


def test_an_order_judged_by_the_old_policy_meanwhile_is_put_right_by_the_sweep(clinic: ClinicFixture) -> None:
    """Somebody judges an order before the new version commits, and commits after it."""
    with clinic.transaction() as session:
        order = people.order(session, clinic, people.patient(session, clinic), people.PAIN)
    rules = tuple(rule for rule in Policy().rules if rule.prefix != "G89.4")
    swept = threading.Event()

    def sweep() -> None:
        roll_out(clinic)
        swept.set()

    thread = threading.Thread(target=sweep)
    with clinic.transaction() as slow:
        record_consultation(slow, clinic.actor, order.id, NOW, NOW)
        seen, saved = save(clinic, replace(Policy(), rules=rules))
        assert seen.effects == {}
        assert saved.to_follow == 0
        thread.start()
        eventually(lambda: somebody_waits(clinic) or swept.is_set())
        assert not swept.is_set(), "the sweep went past an order that somebody holds"
    thread.join()
    with clinic.transaction() as session:
        assert status(session, order) == "on-hold"


def test_a_new_policy_takes_the_gates_before_the_clinic_as_a_start_does(
    clinic: ClinicFixture, resting: Order
) -> None:
    with clinic.transaction() as session:
        digest = foresee(session, policy(session), STRICT, NOW).digest

    def agree_now() -> None:
        with clinic.transaction() as session:
            director = people.director(clinic)
            change_policy(session, director, STRICT, based_on=1, seen=digest, reason=REASON, now=NOW)

    thread = threading.Thread(target=agree_now)
    with clinic.transaction() as starting:
        policies.hold_gates(starting, [resting.id])
        thread.start()
        eventually(lambda: somebody_waits(clinic))
        # What gate_start() does next; with the clinic in the other's hands it would wait in a circle.
        starting.connection.execute(
            text("SELECT FROM clinic WHERE clinic_id = current_clinic() FOR SHARE NOWAIT")
        )
    thread.join()
    with clinic.transaction() as session:
        assert policy(session).version == 2
        assert status(session, resting) == "on-hold"


def test_a_start_and_a_new_policy_do_not_wait_for_each_other_in_a_circle(clinic: ClinicFixture) -> None:
    """Both want the gate and the clinic's row; either may win, and nothing started is against the policy."""
    now = present()
    outcomes = set()
    for round_ in range(4):
        clinic_ = make_clinic(clinic.database)
        with clinic_.transaction() as session:
            order = treated(
                session, clinic_, people.DEPRESSION, kind=ClinicianKind.PSYCHOLOGIST, npi="", family="Lee"
            )
        barrier = threading.Barrier(2)
        result: dict[str, object] = {}

        def begin(at: ClinicFixture = clinic_, order: Order = order) -> None:
            barrier.wait()  # noqa: B023 - joined within the round
            try:
                with at.transaction() as session:
                    orders.start_treatment(session, at.actor, unique("p"), order.id, order.patient_id)
                result["start"] = "started"  # noqa: B023
            except GateClosed:
                result["start"] = "refused"  # noqa: B023

        thread = threading.Thread(target=begin)
        with clinic_.transaction() as session:
            digest = foresee(session, Policy(), STRICT, now).digest
        thread.start()
        barrier.wait()
        with clinic_.transaction() as session:
            director = people.director(clinic_)
            change_policy(session, director, STRICT, based_on=1, seen=digest, reason=REASON, now=now)
        thread.join()
        with clinic_.transaction() as session:
            row = session.connection.execute(
                text(
                    "SELECT (SELECT count(*) FROM treatment_start s JOIN gate g USING (clinic_id, order_id)"
                    " WHERE s.gate_version >= g.version) AS late, (SELECT count(*) FROM treatment_start) AS n"
                )
            ).one()
        assert row.late == 0, round_
        assert row.n == (result["start"] == "started")
        outcomes.add(result["start"])
    assert outcomes <= {"started", "refused"}


# ---- The preview is what happens

CODES = ["F33.2", "G89.4", "R52", "F45.42"]
PREFIXES = ["F33", "F33.2", "G89", "G89.4", "R52", "F45", "F45.42"]
NEW_POLICIES = st.builds(
    Policy,
    rules=st.dictionaries(st.sampled_from(PREFIXES), st.sampled_from(IndicationClass), min_size=1).map(
        lambda found: tuple(IndicationRule(ICD_10_CM, prefix, c) for prefix, c in found.items())
    ),
    eligible=st.frozensets(
        st.sampled_from(
            [ClinicianKind.PSYCHIATRIST, ClinicianKind.PSYCHOLOGIST, ClinicianKind.SOCIAL_WORKER]
        ),
        min_size=1,
    ),
    counts_at_once=st.frozensets(st.sampled_from([Strength.TWO_CHANNEL, Strength.RECORDED_BY_STAFF])),
    red_flags_need_director=st.booleans(),
    conditions_need_director=st.booleans(),
)
ANSWER = st.fixed_dictionaries(
    {
        "clinician_kind": st.sampled_from([ClinicianKind.PSYCHIATRIST, ClinicianKind.PSYCHOLOGIST]),
        "decision": st.sampled_from([Decision.RECOMMENDED, Decision.RECOMMENDED_WITH_CONDITIONS]),
        "strength": st.sampled_from([Strength.TWO_CHANNEL, Strength.RECORDED_BY_STAFF]),
        "red_flags": st.sampled_from([(), ("mania",)]),
        "covers": st.sets(st.sampled_from(CODES)).map(lambda codes: tuple(sorted(codes))),
    }
)
DRAWN_ORDER = st.tuples(
    st.sets(st.sampled_from(CODES), min_size=1, max_size=2), st.booleans(), st.lists(ANSWER, max_size=2)
)


Drawn = tuple[set[str], bool, list[dict[str, Any]]]


def place(session: Session, clinic: ClinicFixture, drawn: Drawn) -> str:
    """Published as well: saving changes the ServiceRequest."""
    codes, consulted, answers = drawn
    indications = [Indication(ICD_10_CM, code, code) for code in sorted(codes)]
    order = people.order(session, clinic, people.patient(session, clinic), *indications)
    now = present()
    for answer in answers:
        recommendations.add(session, recommendation(add_referral(session, order, now), now, **answer))
    if consulted:
        record_consultation(session, clinic.actor, order.id, now, now)
    return order.id


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.lists(DRAWN_ORDER, min_size=1, max_size=4), first=NEW_POLICIES, then=NEW_POLICIES)
def test_what_the_preview_said_is_what_happened(
    clinic: ClinicFixture,
    drawn: list[Drawn],
    first: Policy,
    then: Policy,
) -> None:
    here = make_clinic(clinic.database)
    with here.transaction() as session:
        ids = [place(session, here, parts) for parts in drawn]
    for new in (first, then):
        now = datetime.now(UTC)
        with here.transaction() as session:
            before = policy(session)
            was = {id: orders.get(session, id).status for id in ids}
            if not changes(before, new):
                continue
        rested = gate_of(here, ids)
        seen, _ = save(here, new, now)
        said = {id: effect.move for id, effect in seen.effects.items()}
        with here.transaction() as session:
            will = {id: orders.get(session, id).status for id in ids}
            for id in ids:
                published = resources.read(session, "ServiceRequest", id).document["status"]
                assert published == will[id]
        stopped = {s.recommendation_id for effect in seen.effects.values() for s in effect.stopped}
        rests = gate_of(here, ids)
        for id in ids:
            expected = {Move.CLOSES: "on-hold", Move.OPENS: "active"}.get(said.get(id, Move.STAYS), was[id])
            assert will[id] == expected, (id, said.get(id), before, new)
            refusals, basis = rests[id]
            assert (will[id] == "active") == (not refusals), refusals
            # What an order rests on has not stopped; what it rested on has, when nothing else is left.
            assert basis not in stopped
            if {"recommendation-missing", "indication-unclassified"} & set(refusals) and rested[id][1]:
                assert rested[id][1] in stopped
        assert roll_out(here, now) == 1
        with here.transaction() as session:
            assert will == {id: orders.get(session, id).status for id in ids}


def gate_of(here: ClinicFixture, ids: list[str]) -> dict[str, tuple[list[str], str | None]]:
    """What the database itself says now: why each order may not start, and what it rests on."""
    check = text("SELECT refusals, recommendation_id FROM gate_check(:id, clock_timestamp())")
    with here.transaction() as session:
        rows = {id: session.connection.execute(check, {"id": id}).one() for id in ids}
        return {id: (row.refusals, row.recommendation_id) for id, row in rows.items()}
