"""SQL as the application's role, attempt by attempt: none has treatment started, none loses a protection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from referral.domain.errors import GateClosed
from referral.storage import inspect, orders, recommendations, tables
from referral.storage.db import Database, Session, sql_state
from tests.database import ClinicFixture
from tests.storage.bypasses import REFUSED, USELESS, spelled_out
from tests.storage.gate_rows import add_order, add_patient, open_order
from tests.storage.test_gate import present, start

# What nobody changes. The status of an order and the counters of its gate may move.
_FACTS = [
    "audit_event",
    "consultation",
    "indication_rule",
    "order_indication",
    "resource_history",
    *(
        name
        for name in sorted(tables.metadata.tables)
        if name.startswith(("recommendation", "treatment_", "override_", "policy_version"))
    ),
]
# Syntax, and names that are not there: such an attempt would show nothing.
_MISTAKES = {"42601", "42703", "42P01", "42883", "42P02", "42704", "42804", "22P02"}


_CHECKS = [
    *(inspect._roles, inspect._settings, inspect._tables, inspect._row_security, inspect._policies),
    *(inspect._grants, inspect._triggers, inspect._functions),
]
# What Alembic would compare with what this program needs, which takes ten times as long as all else.
_SHAPE = (
    (
        "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,"
        " attgenerated::text, pg_get_expr(adbin, adrelid)"
        " FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
        " WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
    ),
    (
        "SELECT conrelid, conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace"
    ),
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
)
Standing = tuple[list[str], list[set[tuple[object, ...]]]]


def standing(session: Session) -> Standing:
    """Which protections are missing, and all columns, constraints and indexes as they are."""
    missing = [sentence for check in _CHECKS for sentence in check(session)]
    return missing, [{tuple(row) for row in session.connection.execute(text(sql))} for sql in _SHAPE]


@pytest.fixture(scope="module")
def protections(database: Database) -> Iterator[Standing]:
    """Before all attempts. After the last one Alembic is asked as well."""
    with database.transaction() as session:
        before, there = inspect.protections(session), standing(session)
    assert all(there[1])
    yield there
    with database.transaction() as session:
        assert inspect.protections(session) == before


class Scene:
    """An order that lacks everything, and one whose recommendation was withdrawn."""

    def __init__(self, clinic: ClinicFixture) -> None:
        self.clinic = clinic
        with clinic.transaction() as session:
            self.bare = add_order(session, add_patient(session), present())
            self.voided, given = open_order(session, present())
        # One real start before it is withdrawn, so that there is one to tamper with.
        start(clinic, self.voided.id, self.voided.patient_id)
        with clinic.transaction() as session:
            recommendations.remark(session, given.id, "void", "user-1", "withdrawn", cause="revoked")
        self.names = {
            ":order": self.bare.id,
            ":patient": self.bare.patient_id,
            ":voided": given.order_id,
            ":person": given.patient_id,
            ":request": given.referral_id,
            ":clinician": given.clinician_id,
            ":answer": given.id,
        }

    def attempt(self, statement: str) -> None:
        sql = spelled_out(statement)
        for name, value in self.names.items():
            sql = sql.replace(name, f"'{value}'")
        with self.clinic.transaction() as session:
            session.connection.exec_driver_sql(sql.replace("%", "%%"))

    def rows(self) -> dict[str, set[str]]:
        """Every fact of the clinic, each as text."""
        with self.clinic.transaction() as session:
            connection = session.connection
            return {name: set(connection.scalars(text(f"SELECT t::text FROM {name} t"))) for name in _FACTS}

    def assert_closed(self) -> None:
        for order in (self.bare, self.voided):
            with pytest.raises(GateClosed):
                start(self.clinic, order.id, order.patient_id)


@pytest.fixture
def scene(clinic: ClinicFixture) -> Scene:
    return Scene(clinic)


def assert_protected(scene: Scene, protections: Standing) -> None:
    with scene.clinic.transaction() as session:
        assert standing(session) == protections


@pytest.mark.parametrize("attempt", sorted(REFUSED))
def test_the_database_refuses(scene: Scene, protections: Standing, attempt: str) -> None:
    before = scene.rows()
    with pytest.raises(DBAPIError) as refusal:
        scene.attempt(REFUSED[attempt])
    assert sql_state(refusal.value) not in _MISTAKES, refusal.value
    assert scene.rows() == before
    scene.assert_closed()
    assert_protected(scene, protections)


@pytest.mark.parametrize("attempt", sorted(USELESS))
def test_what_may_be_added_opens_nothing(scene: Scene, protections: Standing, attempt: str) -> None:
    before = scene.rows()
    scene.attempt(USELESS[attempt])
    after = scene.rows()
    assert {name for name in _FACTS if not before[name] <= after[name]} == set()
    assert after["treatment_start"] == before["treatment_start"]
    scene.assert_closed()
    assert_protected(scene, protections)


def test_the_same_answer_without_its_flaw_opens(clinic: ClinicFixture) -> None:
    """The scene is blocked by nothing else: what the attempts above add would count without its flaw."""
    scene = Scene(clinic)
    scene.attempt("{answer: decision = 'recommended'}")
    start(clinic, scene.voided.id, scene.voided.patient_id)
    with clinic.transaction() as session:
        assert len(orders.starts(session, scene.voided.id)) == 2


def test_there_are_enough_attempts() -> None:
    assert len(REFUSED) + len(USELESS) >= 100
