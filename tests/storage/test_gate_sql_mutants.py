"""Every mutant of the rule in SQL gives another answer to some order, or is listed with a reason why not."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, text
from sqlalchemy.exc import DBAPIError

from referral.domain.codes import ClinicianKind, Decision, Strength
from referral.domain.policy import ICD_10_CM, SNOMED_CT, Indication
from referral.domain.records import Order
from referral.embedded import Engines
from referral.storage import clinics, orders, recommendations, tables
from referral.storage.db import APPLICATION_ROLE, Database, Session
from tests.database import ClinicFixture, make_clinic
from tests.storage import emergency
from tests.storage.gate_rows import add_order, add_patient, add_referral, recommendation, unique
from tests.storage.sql_mutants import mutants

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
MENTAL = Indication(ICD_10_CM, "F33.2", "depression")
TRAUMA = Indication(ICD_10_CM, "F43.10", "PTSD")
PAIN = Indication(ICD_10_CM, "G89.4", "pain")
UNKNOWN = Indication(ICD_10_CM, "Z99.9", "unknown")
SNOMED = Indication(SNOMED_CT, "370143000", "MDD")
CONDITIONS: dict[str, Any] = {"decision": Decision.RECOMMENDED_WITH_CONDITIONS}
FLAGS: dict[str, Any] = {"red_flags": ("mania",)}
# A kind of remark on an answer, and its values.
Remark = tuple[str, dict[str, Any]]
_ASK = text(
    "SELECT c.refusals, c.recommendation_id, c.override_id"
    " FROM unnest(CAST(:ids AS text[]), CAST(:ats AS timestamptz[]), CAST(:starts AS text[]))"
    " WITH ORDINALITY AS q(id, at, start, place), gate_check(q.id, q.at, q.start) c ORDER BY q.place"
)


@dataclass
class Questions:
    """What is asked of the gate in one clinic: order, time, and the start that is being checked, if any."""

    clinic: ClinicFixture
    asked: list[tuple[str, datetime, str | None]] = field(default_factory=list)

    def order(
        self, *indications: Indication, consulted: datetime | None = NOW - DAY, status: str = "on-hold"
    ) -> Order:
        """Asked about now; without indications it has none at all."""
        with self.clinic.transaction() as session:
            order = add_order(session, add_patient(session), NOW - DAY, *(indications or (MENTAL,)))
            if consulted:
                orders.add_consultation(
                    session, encounter_id=unique("e"), order=order, held_at=consulted, recorded_by="user-1"
                )
            orders.set_status(session, order.id, status)
        self.ask(order)
        return order

    def ask(self, order: Order, at: datetime = NOW, start: str | None = None) -> None:
        self.asked.append((order.id, at, start))

    def answered(self, order: Order, *remarks: Remark, **changes: Any) -> str:
        """A good answer but for the changes, valid for a day, and what was said about it since."""
        with self.clinic.transaction() as session:
            referral = add_referral(session, order, NOW - DAY)
            made = recommendation(referral, NOW - DAY, **{"valid_until": NOW + DAY, **changes})
            recommendations.add(session, made)
            for kind, values in remarks:
                recommendations.remark(session, made.id, kind, "user-1", "reason", **values)
        return made.id


VOID: Remark = ("void", {"cause": "revoked"})
ACCEPT: Remark = ("review", {"accepted": True})
DECLINE: Remark = ("review", {"accepted": False})
CALL: Remark = ("confirmation", {"spoke_with": "the office"})
# What was said of an answer: each alone, and one after the other.
SAID: list[tuple[Remark, ...]] = [
    (),
    (ACCEPT,),
    (DECLINE,),
    (ACCEPT, DECLINE),
    (DECLINE, ACCEPT),
    (CALL,),
    (VOID,),
]
SAID_OF_A_WEAK_ONE: list[tuple[Remark, ...]] = [
    (CALL, ACCEPT),
    (CALL, VOID),
    (ACCEPT, VOID),
    (CALL, DECLINE),
]
CHANGES: list[dict[str, Any]] = [
    {},
    {"decision": Decision.NOT_RECOMMENDED},
    {"covers": ("F41.1",)},
    {"covers": ()},
    {"clinician_kind": ClinicianKind.SOCIAL_WORKER},
    {"clinician_kind": ClinicianKind.PRIMARY_CARE},
    *({"strength": strength} for strength in Strength),
    CONDITIONS,
    FLAGS,
    {"red_flags": ("mania", "psychosis")},
    {**CONDITIONS, **FLAGS},
]


def about_orders(q: Questions) -> None:
    for status in ("on-hold", "active", "revoked", "completed", "entered-in-error"):
        q.answered(q.order(status=status))
    q.order(consulted=None)
    q.answered(q.order(consulted=None))
    later = q.order(PAIN, consulted=NOW)
    q.ask(later, NOW - TICK)
    q.ask(later, NOW + TICK)
    for indications in ((PAIN,), (SNOMED,), (UNKNOWN,), (PAIN, MENTAL), (PAIN, UNKNOWN), (MENTAL, UNKNOWN)):
        q.order(*indications)
        q.answered(q.order(*indications), covers=("F33.2", "Z99.9", "370143000"))
    q.order(UNKNOWN, consulted=None, status="revoked")
    q.answered(q.order(MENTAL, TRAUMA), covers=("F33.2",))
    q.answered(q.order(MENTAL, TRAUMA), covers=("F43.10", "F33.2", "F99"))
    with q.clinic.transaction() as session:
        bare = replace(add_order(session, add_patient(session), NOW - DAY), id=unique("bare"))
        row = {"patient_id": bare.patient_id, "status": "active", "created_by": "me", "created_at": NOW}
        session.connection.execute(
            insert(tables.infusion_order), {"clinic_id": session.clinic, "id": bare.id, **row}
        )
        orders.add_consultation(
            session, encounter_id=unique("e"), order=bare, held_at=NOW - DAY, recorded_by="user-1"
        )
    q.ask(bare)
    q.asked.append(("no-such-order", NOW, None))


def about_answers(q: Questions) -> None:
    """The same for every policy."""
    for changes in CHANGES:
        for remarks in SAID:
            q.answered(q.order(), *remarks, **changes)
    for remarks in SAID_OF_A_WEAK_ONE:
        q.answered(q.order(), *remarks, strength=Strength.SINGLE_CHANNEL, **FLAGS)
    ends = q.order()
    q.answered(ends)
    for at in (NOW + DAY - TICK, NOW + DAY, NOW + DAY + TICK):
        q.ask(ends, at)
    for first, second in ((DAY, 2 * DAY), (2 * DAY, DAY)):
        several = q.order()
        q.answered(several, valid_until=NOW + first)
        q.answered(several, valid_until=NOW + second)
        q.answered(several, VOID, valid_until=NOW + 3 * DAY)
        q.answered(several, CALL, DECLINE, valid_until=NOW + 4 * DAY)


def about_emergencies(q: Questions, admin_url: str) -> None:
    for kind in ("usable", "used", "expired", "declined"):
        order = q.order()
        emergency.write(admin_url, q.clinic, order, kind)
        with q.clinic.transaction() as session:
            row = session.connection.execute(
                text("SELECT request_id, expires_at FROM override_decision WHERE order_id = :order"),
                {"order": order.id},
            ).one()
        q.ask(order, datetime.now(UTC))
        q.ask(order, NOW - 2 * DAY)
        q.ask(order, start=f"start-{row.request_id}")
        q.ask(order, start="another")
        for at in (-TICK, timedelta(0), TICK):
            if row.expires_at:
                q.ask(order, row.expires_at + at)
    answered = q.order()
    q.answered(answered)
    emergency.write(admin_url, q.clinic, answered, "usable")
    for order in (q.order(UNKNOWN), q.order(consulted=None), q.order(status="revoked"), q.order(PAIN)):
        emergency.write(admin_url, q.clinic, order, "usable")
    both = q.order()
    emergency.write(admin_url, q.clinic, both, "usable")
    emergency.write(admin_url, q.clinic, both, "usable")


class Gate:
    """The answers of the function that is installed, and of its mutants."""

    def __init__(self, administrator: Connection, database: Database, questions: list[Questions]) -> None:
        self._administrator, self._database, self._questions = administrator, database, questions
        definition = (
            "SELECT pg_get_functiondef(oid) AS whole, prosrc FROM pg_proc WHERE proname = 'gate_check'"
        )
        row = administrator.execute(text(definition)).one()
        administrator.rollback()
        self._whole, self.body = row.whole, row.prosrc

    def answers(self, body: str | None = None) -> list[tuple[Any, ...]] | None:
        """None where the mutant cannot be installed, or fails: the gate is closed then, and all see it."""
        connection = self._administrator
        try:
            if body is not None:
                connection.exec_driver_sql(self._whole.replace(self.body, body).replace("%", "%%"))
            connection.exec_driver_sql(f"SET LOCAL SESSION AUTHORIZATION {APPLICATION_ROLE}")
            session = Session(connection, self._database.vault, self._database.statement)
            found: list[tuple[Any, ...]] = []
            for questions in self._questions:
                session.enter_clinic(questions.clinic.id)
                ids, ats, starts = zip(*questions.asked, strict=True)
                rows = connection.execute(_ASK, {"ids": list(ids), "ats": list(ats), "starts": list(starts)})
                found.extend(
                    (tuple(row.refusals or ("NULL",)), row.recommendation_id, row.override_id) for row in rows
                )
            return found
        except DBAPIError:
            return None
        finally:
            connection.rollback()


@pytest.fixture(scope="module")
def gate(engines: Engines, database: Database) -> Iterator[Gate]:
    default, lenient, open_to_emergencies, without = [Questions(make_clinic(database)) for _ in range(4)]
    with lenient.clinic.transaction() as session:
        policy, ladder = clinics.policy_in_force(session)
        easy = replace(
            policy,
            red_flags_need_director=False,
            conditions_need_director=False,
            counts_at_once=frozenset({Strength.RECORDED_BY_STAFF}),
            eligible=frozenset({ClinicianKind.SOCIAL_WORKER, ClinicianKind.PSYCHIATRIST}),
        )
        clinics.add_policy(session, easy, ladder, "user-1")
    with open_to_emergencies.clinic.transaction() as session:
        emergency.allow(session)
    for questions in (default, lenient):
        about_answers(questions)
    about_orders(default)
    for questions in (default, open_to_emergencies):
        about_emergencies(questions, engines.admin_url)
    # Ids of other clinics are no ids here.
    lenient.asked.extend(default.asked[:5])
    engine = create_engine(engines.admin_url)
    with engine.connect() as administrator:
        without.answered(without.order())
        without.order(consulted=None, status="revoked")
        for table in ("indication_rule", "policy_rollout", "policy_version"):
            administrator.exec_driver_sql("SET LOCAL session_replication_role = replica")
            administrator.exec_driver_sql(f"DELETE FROM {table} WHERE clinic_id = '{without.clinic.id}'")
        administrator.commit()
        yield Gate(administrator, database, [default, lenient, open_to_emergencies, without])
    engine.dispose()


def equivalent() -> dict[str, str]:
    path = Path(__file__).with_name("equivalent_sql_mutants.toml")
    listed: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8"))["gate_check"]
    return listed


def test_every_mutant_of_the_rule_in_sql_answers_differently(
    gate: Gate, record_property: Callable[[str, object], None]
) -> None:
    as_it_is = gate.answers()
    assert as_it_is is not None
    refusals = {code for codes, _, _ in as_it_is for code in codes}
    assert len(refusals) >= 6, refusals
    every = list(mutants(gate.body))
    answers = {mutant.name: gate.answers(mutant.body) for mutant in every}
    alive = {name for name, answer in answers.items() if answer == as_it_is}
    failing = sum(answer is None for answer in answers.values())
    listed = equivalent()
    record_property(
        "figure",
        f"gate_check: {len(every)} mutants, {len(as_it_is)} questions each; {failing} cannot run, "
        f"{len(alive)} alive, {len(listed)} equivalent",
    )
    assert failing < len(every) / 5
    assert "\n".join(sorted(alive - listed.keys())) == ""
    assert sorted(listed.keys() - alive) == []
    assert all(len(reason) > 20 for reason in listed.values())
