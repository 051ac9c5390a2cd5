"""Thousands of lives of orders on real PostgreSQL: after every step the database says what the model says."""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, create_engine, insert, text

from referral.domain.codes import ClinicianKind, Decision, OverrideReason, Role, Strength
from referral.domain.errors import Forbidden, GateClosed, TransitionRefused
from referral.domain.gate import decide
from referral.domain.policy import ICD_10_CM, SNOMED_CT, Indication, IndicationClass, IndicationRule, Policy
from referral.domain.records import Order, Referral
from referral.domain.reminders import Ladder
from referral.embedded import Engines
from referral.storage import accounts, clinics, orders, overrides, recommendations, tables
from referral.storage.db import Database, Session
from tests.database import ClinicFixture, make_clinic
from tests.storage import gate_model as model
from tests.storage.emergency import Person, person
from tests.storage.gate_rows import add_order, add_patient, add_referral, recommendation, unique

STEPS: Final = 50
IN_CI: Final = 1_000
LONG: Final = 50_000
# Each is a test, so that every process of a run takes some of the lives.
SHARES: Final = 10
# Hypothesis varies what it has found; beginning anew now and then keeps the lives of a run different.
AT_A_TIME: Final = 100
SYSTEMS: Final = {"F33.2": ICD_10_CM, "F43.10": ICD_10_CM, "G89.4": ICD_10_CM, "370143000": SNOMED_CT}
CODES: Final = sorted(SYSTEMS)
MENTAL, PAIN = IndicationClass.MENTAL_HEALTH, IndicationClass.PAIN
WHICH: Final = st.integers(0, 1)
ANY: Final = st.integers(0, 99)
# Far away, over already, or over in an instant.
FLAWS: Final[list[dict[str, Any]]] = [
    {},
    {},
    {"decision": Decision.NOT_RECOMMENDED},
    {"decision": Decision.RECOMMENDED_WITH_CONDITIONS},
    {"decision": Decision.RECOMMENDED_WITH_CONDITIONS, "red_flags": ("mania", "psychosis")},
    {"clinician_kind": ClinicianKind.SOCIAL_WORKER},
    {"strength": Strength.SINGLE_CHANNEL},
    {"strength": Strength.RECORDED_BY_STAFF, "red_flags": ("mania",)},
    {"strength": Strength.PAPER_TO_VERIFIED_CONTACT},
    {"red_flags": ("mania",)},
    {"covers": ("F33.2",)},
    {"covers": ("370143000", "G89.4")},
]
VALIDITY: Final = st.sampled_from([180 * 86400, 180 * 86400, -1, 0.03])
_GATES: Final = """
SELECT now.at, c.refusals, c.recommendation_id, c.override_id, gate_facts(o.id) AS facts
  FROM (SELECT clock_timestamp() AS at) now, unnest(CAST(%(ids)s AS text[])) WITH ORDINALITY AS o(id, place),
       gate_check(o.id, now.at) c ORDER BY o.place
"""
_AN_HOUR_LATER: Final = """
WITH asked AS (
    UPDATE override_request SET requested_at = requested_at - interval '1 hour',
           reauthenticated_at = reauthenticated_at - interval '1 hour' WHERE clinic_id = %(clinic)s)
UPDATE override_decision SET decided_at = decided_at - interval '1 hour',
       reauthenticated_at = reauthenticated_at - interval '1 hour',
       expires_at = expires_at - interval '1 hour'
 WHERE clinic_id = %(clinic)s
"""
counted: Counter[str] = Counter()


class LifeOfOrders(RuleBasedStateMachine):
    """Two orders of a clinic. Each rule does one thing in the database and in the model."""

    clinic: ClassVar[ClinicFixture]
    administrator: ClassVar[Connection]
    reading: ClassVar[Connection]
    people: ClassVar[list[Person]]
    ladder: ClassVar[Ladder]

    @initialize(
        consulted=st.sampled_from([True, True, False]), answered=st.sampled_from([False, False, True])
    )
    def begin(self, consulted: bool, answered: bool) -> None:
        """Some lives begin open."""
        self.world = model.Clinic({}, set(), set())
        self.pairs: list[tuple[Order, model.Order]] = []
        with self.clinic.transaction() as session:
            self._policy(
                session, Policy(allow_override=True), {"F33.2": MENTAL, "F43.10": MENTAL, "G89.4": PAIN}
            )
            for code in ("F33.2", "G89.4"):
                real = add_order(
                    session, add_patient(session), _past(), Indication(SYSTEMS[code], code, code)
                )
                self.pairs.append((real, model.Order(indications={code})))
            self.referrals: list[Referral] = [add_referral(session, real, _past()) for real, _ in self.pairs]
        if consulted:
            self.consult(0)
        if answered:
            self.answer(0, {}, 9e6)

    def teardown(self) -> None:
        """The next life begins in the same clinic, with a policy of its own."""
        self.reopen_after_a_restore()

    # ---- What the clinic and the clinician say

    @rule(which=WHICH)
    def consult(self, which: int) -> None:
        real, order = self.pairs[which]
        with self.clinic.transaction() as session:
            orders.add_consultation(
                session, encounter_id=unique("encounter"), order=real, held_at=_past(), recorded_by="user-1"
            )
        order.consulted = True

    @rule(which=WHICH, flaw=st.sampled_from(FLAWS), seconds=VALIDITY)
    def answer(self, which: int, flaw: dict[str, Any], seconds: float) -> None:
        """One good answer for whatever the order is for, or one with a flaw, which may be mended later."""
        _, order = self.pairs[which]
        values: dict[str, Any] = {
            "decision": Decision.RECOMMENDED,
            "clinician_kind": ClinicianKind.PSYCHIATRIST,
            "strength": Strength.TWO_CHANNEL,
            "red_flags": (),
            "covers": tuple(sorted(order.indications)),
        } | flaw
        with self.clinic.transaction() as session:
            until = _clock(session) + timedelta(seconds=seconds)
            made = recommendation(self.referrals[which], _past(), valid_until=until, **values)
            recommendations.add(session, made)
        order.answers[made.id] = model.Answer(
            decision=str(values["decision"]),
            kind=str(values["clinician_kind"]),
            strength=str(values["strength"]),
            flagged=bool(values["red_flags"]),
            covers=frozenset(values["covers"]),
            until=until,
        )

    def _remark(self, which: int, place: int, kind: str, **values: Any) -> model.Answer | None:
        """About one of the answers there are, if any."""
        _, order = self.pairs[which]
        if not order.answers:
            return None
        id = sorted(order.answers)[place % len(order.answers)]
        with self.clinic.transaction() as session:
            recommendations.remark(session, id, kind, "user-1", "reason", **values)
        return order.answers[id]

    @rule(which=WHICH, place=ANY)
    def void(self, which: int, place: int) -> None:
        answer = self._remark(which, place, "void", cause="revoked")
        if answer:
            answer.void = True

    @rule(which=WHICH, place=ANY, accepted=st.booleans())
    def review(self, which: int, place: int, accepted: bool) -> None:
        answer = self._remark(which, place, "review", accepted=accepted)
        if answer:
            answer.accepted = accepted

    @rule(which=WHICH, place=ANY)
    def confirm(self, which: int, place: int) -> None:
        answer = self._remark(which, place, "confirmation", spoke_with="the office")
        if answer:
            answer.confirmed = True

    @rule(
        which=WHICH,
        status=st.sampled_from([*["on-hold", "active"] * 4, "revoked", "completed"]),
    )
    def change_status(self, which: int, status: str) -> None:
        real, order = self.pairs[which]
        with self.clinic.transaction() as session:
            orders.set_status(session, real.id, status)
        order.status = status

    @rule(which=WHICH, code=st.sampled_from(CODES), rarely=st.integers(0, 3))
    def find_another_indication(self, which: int, code: str, rarely: int) -> None:
        real, order = self.pairs[which]
        if code not in order.indications and not rarely:
            row = {"order_id": real.id, "system": SYSTEMS[code], "code": code, "display": code, "position": 9}
            with self.clinic.transaction() as session:
                session.connection.execute(
                    insert(tables.order_indication), {"clinic_id": session.clinic, **row}
                )
            order.indications.add(code)

    def _policy(self, session: Session, policy: Policy, classes: dict[str, IndicationClass]) -> None:
        rules = tuple(IndicationRule(SYSTEMS[code], code, kind) for code, kind in classes.items())
        values = {
            name: getattr(policy, name)
            for name in (
                "eligible",
                "counts_at_once",
                "red_flags_need_director",
                "conditions_need_director",
                "allow_override",
            )
        }
        clinics.add_policy(session, Policy(rules=rules, **values), self.ladder, "user-1")
        self.policy, _ = clinics.policy_in_force(session)
        self.world.classes = {code: str(kind) for code, kind in classes.items()}
        self.world.eligible = {str(kind) for kind in policy.eligible}
        self.world.sure = {str(strength) for strength in policy.counts_at_once}
        self.world.flags_wait = policy.red_flags_need_director
        self.world.conditions_wait = policy.conditions_need_director
        self.world.emergencies = policy.allow_override

    @rule(
        unknown=st.sampled_from([None, None, None, *CODES]),
        strict=st.booleans(),
        everybody=st.booleans(),
        sure=st.sets(st.sampled_from([s for s in Strength if s is not Strength.SINGLE_CHANNEL])),
        flags=st.booleans(),
        conditions=st.booleans(),
        emergencies=st.sampled_from([True, True, False]),
    )
    def decide_another_policy(
        self,
        unknown: str | None,
        strict: bool,
        everybody: bool,
        sure: set[Strength],
        flags: bool,
        conditions: bool,
        emergencies: bool,
    ) -> None:
        """Classifies, declassifies, widens and narrows."""
        classes = {
            code: PAIN if code == "G89.4" and not strict else MENTAL for code in CODES if code != unknown
        }
        kinds = {ClinicianKind.PSYCHIATRIST} | ({ClinicianKind.SOCIAL_WORKER} if everybody else set())
        policy = Policy(
            eligible=frozenset(kinds),
            counts_at_once=frozenset(sure),
            red_flags_need_director=flags,
            conditions_need_director=conditions,
            allow_override=emergencies,
        )
        with self.clinic.transaction() as session:
            self._policy(session, policy, classes)

    # ---- Time

    @rule()
    def wait_for_the_next_end(self) -> None:
        """Until the answer that ends first has ended, where that is a moment away."""
        ends = [a.until for _, order in self.pairs for a in order.answers.values()]
        soon = [end for end in ends if _now() < end < _now() + timedelta(seconds=1)]
        if soon:
            with self.clinic.transaction() as session:
                until = text("SELECT pg_sleep(greatest(0, extract(epoch FROM :end - clock_timestamp())))")
                session.connection.execute(until, {"end": min(soon)})

    @rule()
    def an_hour_goes_by(self) -> None:
        """For emergency access only; nobody but a superuser can turn that clock."""
        accesses = [access for _, order in self.pairs for access in order.accesses.values()]
        if not accesses:
            return
        self.administrator.exec_driver_sql(_AN_HOUR_LATER, {"clinic": self.clinic.id})
        self.administrator.commit()
        for access in accesses:
            access.asked_at -= model.HOUR
            access.decided_at = access.decided_at - model.HOUR if access.decided_at else None

    # ---- Emergency access

    @rule(which=WHICH, by=WHICH)
    def ask_for_emergency_access(self, which: int, by: int) -> None:
        real, order = self.pairs[which]
        id, who = str(uuid.uuid4()), self.people[by]
        before = _now()
        try:
            with self.clinic.transaction() as session:
                accounts.mark_reauthenticated(session, who.token)
                overrides.ask(
                    session, who.actor, who.token, id=id, order=real,
                    reason_code=OverrideReason.EMERGENCY, reason="Thirty characters of a good reason.",
                )  # fmt: skip
            asked = True
        except TransitionRefused:
            asked = False
        self._agree("ask", asked, before, lambda at: model.may_ask(self.world, order, at))
        if asked:
            order.accesses[id] = model.Access(by, _now())

    @rule(which=WHICH, place=ANY, by=WHICH, approve=st.sampled_from([True, True, False]))
    def decide_on_emergency_access(self, which: int, place: int, by: int, approve: bool) -> None:
        _, order = self.pairs[which]
        waiting = sorted(id for id, access in order.accesses.items() if access.approved is None)
        if not waiting:
            return
        id = waiting[place % len(waiting)]
        access, who, before = order.accesses[id], self.people[by], _now()
        try:
            with self.clinic.transaction() as session:
                accounts.mark_reauthenticated(session, who.token)
                overrides.decide(session, who.actor, who.token, id, approve=approve)
            decided = True
        except (TransitionRefused, Forbidden):
            decided = False
        if approve:
            self._agree(
                "approve", decided, before, lambda at: model.may_approve(self.world, order, access, by, at)
            )
        if decided:
            access.approved, access.decided_at = approve, _now()

    @rule(which=WHICH, by=WHICH, use=st.booleans())
    def give_emergency_access(self, which: int, by: int, use: bool) -> None:
        """Both steps at once, as it is meant."""
        self.ask_for_emergency_access(which, by)
        self.decide_on_emergency_access(which, 0, 1 - by, True)
        if use:
            self.start(which)

    # ---- Restore mode

    @rule(rarely=st.integers(0, 3))
    def restore_a_backup(self, rarely: int) -> None:
        if not rarely:
            self._mode("entered")
            self.world.restoring = True

    @rule()
    def reopen_after_a_restore(self) -> None:
        if not self.world.restoring:
            return
        self._mode("reconciled")
        for someone in self.people:
            self._mode("approved", someone.actor.id)
        self._mode("reopened")
        self.world.restoring = False
        for _, order in self.pairs:
            for access in order.accesses.values():
                access.stale = access.stale or access.decided_at is not None

    def _mode(self, event: str, by: str = "user-1") -> None:
        with self.clinic.transaction() as session:
            row = {"clinic_id": session.clinic, "event": event, "made_by": by}
            session.connection.execute(insert(tables.operating_mode).inline(), row)

    # ---- Treatment

    @rule(which=WHICH)
    def prepare_and_start(self, which: int) -> None:
        """What a clinic does most of the time."""
        self.consult(which)
        self.answer(which, {}, 9e6)
        self.start(which)

    @rule(which=WHICH)
    def start(self, which: int) -> None:
        real, order = self.pairs[which]
        before = _now()
        try:
            with self.clinic.transaction() as session:
                started = orders.start_treatment(
                    session, self.clinic.actor, unique("start"), real.id, real.patient_id
                )
            used = started.override_id
        except GateClosed:
            started, used = None, None
        done = started is not None
        self._agree("start", done, before, lambda at: model.may_start(self.world, order, at))
        if started is not None:
            missing = model.lacking(self.world, order, started.at)
            assert missing == ({"recommendation"} if used is not None else set())
        if used is not None:
            counted["start by emergency access"] += 1
            order.accesses[used].used = True

    # ---- What has to be the same

    def _agree(self, what: str, done: bool, before: datetime, wanted: Callable[[datetime], bool]) -> None:
        """The database took its clock somewhere between; where that makes a difference, both are right."""
        answers = {wanted(before), wanted(_now())}
        if len(answers) == 1:
            assert {done} == answers, what
            counted[f"{what} {'done' if done else 'refused'}"] += 1

    @invariant()
    def check(self) -> None:
        """After every step: the function that decides, and the advice of domain/gate.py."""
        rows = self.reading.exec_driver_sql(_GATES, {"ids": [real.id for real, _ in self.pairs]}).all()
        for (_, order), row in zip(self.pairs, rows, strict=True):
            expected = model.is_open(self.world, order, row.at)
            assert (row.refusals == []) is expected, row
            assert row.recommendation_id is None or row.recommendation_id in model.counting(
                self.world, order, row.at
            )
            assert row.override_id is None or row.override_id in model.usable_access(
                self.world, order, row.at
            )
            advice = decide(orders.facts_from(row.facts).facts, self.policy, row.at)
            assert advice.open is (expected and not self.world.restoring), advice
            counted["open" if expected else "closed"] += 1


def _past() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


def _now() -> datetime:
    """The database runs on this machine and has the same clock."""
    return datetime.now(UTC)


def _clock(session: Session) -> datetime:
    at: datetime = session.connection.scalar(text("SELECT clock_timestamp()"))
    return at


@pytest.fixture
def lives(engines: Engines, database: Database) -> Iterator[Callable[[int], Counter[str]]]:
    clinic = make_clinic(database)
    engine = create_engine(engines.admin_url)
    # What is read after every step takes one statement, on a connection that stays in the clinic.
    reader = Database(database.url, database.vault, pool_size=1)
    with clinic.transaction() as session:
        people = [person(session, clinic, Role.MEDICAL_DIRECTOR) for _ in range(2)]
        _, ladder = clinics.policy_in_force(session)

    with engine.connect() as administrator, reader.statement() as reading:
        reading.execute(
            text("SELECT set_config('referral.clinic_id', :clinic, false)"), {"clinic": clinic.id}
        )
        values = {
            "clinic": clinic,
            "administrator": administrator,
            "reading": reading,
            "people": people,
            "ladder": ladder,
        }
        machine = type("Lives", (LifeOfOrders,), values)

        def run(examples: int) -> Counter[str]:
            counted.clear()
            for _ in range(examples // AT_A_TIME):
                run_state_machine_as_test(
                    machine,
                    settings=settings(
                        max_examples=AT_A_TIME,
                        stateful_step_count=STEPS,
                        deadline=None,
                        database=None,
                        suppress_health_check=list(HealthCheck),
                    ),
                )
            return counted

        yield run
    engine.dispose()
    reader.close()


def examine_common(found: Counter[str], lives: int) -> None:
    """What most lives come to, so that a share of them shows it."""
    assert min(found["open"], found["closed"]) > lives, found
    assert min(found["start done"], found["start refused"]) > 0, found


def examine(found: Counter[str], lives: int) -> None:
    """Every verdict was reached often, or agreeing would show little."""
    assert min(found["open"], found["closed"]) > lives * 2, found
    assert min(found["start done"], found["start refused"]) > lives / 10, found
    rare = ("ask done", "ask refused", "approve done", "approve refused", "start by emergency access")
    assert all(found[what] > lives / 200 for what in rare), found


@pytest.fixture
def all_shares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all processes of this run know and no other run."""
    here = tmp_path_factory.getbasetemp()
    made = (here.parent if "PYTEST_XDIST_WORKER" in os.environ else here) / "lives"
    made.mkdir(exist_ok=True)
    return made


@pytest.mark.parametrize("share", range(SHARES))
def test_the_database_does_what_the_model_says(
    lives: Callable[[int], Counter[str]],
    share: int,
    all_shares: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """What is rare is counted over all shares: whoever finds that the others have ended as well looks."""
    kept = all_shares / f"{share}.json"
    kept.unlink(missing_ok=True)
    found = lives(IN_CI // SHARES)
    unfinished = kept.with_suffix(".new")
    unfinished.write_text(json.dumps(found))
    unfinished.replace(kept)
    examine_common(found, IN_CI // SHARES)
    ended = [Counter(json.loads(one.read_text())) for one in all_shares.glob("*.json")]
    if len(ended) == SHARES:
        found = sum(ended, Counter[str]())
        record_property("figure", f"{IN_CI} lives of {STEPS} steps: {dict(sorted(found.items()))}")
        examine(found, IN_CI)


@pytest.mark.soak
def test_the_database_does_what_the_model_says_for_long(
    lives: Callable[[int], Counter[str]], record_property: Callable[[str, object], None]
) -> None:
    found = lives(LONG)
    record_property("figure", f"{LONG} lives of {STEPS} steps: {dict(sorted(found.items()))}")
    examine(found, LONG)
