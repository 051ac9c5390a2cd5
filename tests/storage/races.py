"""Thousands of races between a start and whatever closes the gate, on connections of their own.

One harness for two ways of starting treatment: by gate_start(), and unprotected, as an application would do
it without the database's help: ask the rule, then insert a row. The order of commits judges both
(track_commit_timestamp), not what a client believes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, make_url, text

from tests.database import ClinicFixture
from tests.storage.gate_rows import unique

ISOLATION: Final = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
PAIRS: Final = 20
# By how much the rival is made quicker after it lost, and slower after it won: on a fast machine as on a busy
# one, about half of the races end either way.
_HANDICAP: Final = 1.03
# A closed gate; and a lock that did not come, a transaction that cannot be serialized, a deadlock.
_REFUSALS: Final = frozenset({"RG001", "55P03", "40001", "40P01"})
# Where the unprotected variant keeps its starts; outside of what the service calls its own.
SCRATCH: Final = """
CREATE SCHEMA IF NOT EXISTS unprotected;
CREATE TABLE IF NOT EXISTS unprotected.start (id text, order_id text);
GRANT USAGE ON SCHEMA unprotected TO referral_app;
GRANT SELECT, INSERT ON unprotected.start TO referral_app;
"""
_SEED: Final = """
INSERT INTO patient (clinic_id, id, family, given, search_name)
    VALUES ('{clinic}', '{name}', 'Test', 'Person', 'test person');
INSERT INTO clinician (clinic_id, id, name, kind, time_zone, search_name)
    VALUES ('{clinic}', '{name}', 'Chidi Okafor', 'psychiatrist', 'America/Denver', 'chidi okafor');
INSERT INTO infusion_order (clinic_id, id, patient_id, status, created_by, created_at)
    SELECT '{clinic}', '{name}-' || n, '{name}', 'on-hold', 'user-1', now()
    FROM generate_series(1, {count}) n;
INSERT INTO order_indication (clinic_id, order_id, system, code, display, position)
    SELECT '{clinic}', '{name}-' || n, 'http://hl7.org/fhir/sid/icd-10-cm', 'F33.2', 'depression', 0
    FROM generate_series(1, {count}) n;
INSERT INTO consultation (clinic_id, encounter_id, patient_id, order_id, held_at, recorded_by)
    SELECT '{clinic}', '{name}-' || n, '{name}', '{name}-' || n, now() - interval '1 day', 'user-1'
    FROM generate_series(1, {count}) n;
INSERT INTO referral (clinic_id, id, number, requisition, task_id, patient_id, order_id, clinician_id, status,
                      created_by, created_at, started_at, due_at)
    SELECT '{clinic}', i, i, '{name}', i, '{name}', i, '{name}', 'requested', 'user-1', now(), now(),
           now() + interval '14 days'
    FROM (SELECT '{name}-' || n FROM generate_series(1, {count}) n) AS one(i);
"""
_RECOMMEND: Final = """
INSERT INTO recommendation (clinic_id, id, patient_id, order_id, referral_id, clinician_id, clinician_kind,
                            decision, covers, strength, answered_at, valid_until, response_id)
    SELECT '{clinic}', i, '{name}', i, i, '{name}', 'psychiatrist', 'recommended', '{{F33.2}}', 'two-channel',
           clock_timestamp(), clock_timestamp() + interval '{valid}', i
    FROM ({source}) AS one(i)
"""
_ORDER_OF_COMMITS: Final = """
SELECT count(*) AS started,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM recommendation_void v
            WHERE v.clinic_id = '{clinic}' AND v.order_id = s.order_id
              AND pg_xact_commit_timestamp(v.xmin) < pg_xact_commit_timestamp(s.xmin))) AS late
  FROM {table} s WHERE s.order_id LIKE '{name}-%'
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """How races ended. A `late` start was committed although the gate had closed before."""

    races: int
    started: int
    refused: int
    late: int

    def __str__(self) -> str:
        return f"{self.races} races: {self.started} started, {self.refused} refused, {self.late} late"


@dataclass(slots=True)
class _Course:
    """One field of orders; `name` is the patient's and the clinician's id, and begins that of each order.

    `window` is the time in seconds that the rival may take: until a void, or until the end of validity.
    """

    clinic: ClinicFixture
    name: str
    isolation: str
    protected: bool
    window: float = 0.02
    past_the_end: list[str] = field(default_factory=list)

    def sql(self, template: str, **more: object) -> str:
        return template.format(clinic=self.clinic.id, name=self.name, **more)

    def settle(self, *, started: bool) -> None:
        """Whoever lost has it easier next time."""
        self.window = min(2.0, max(0.001, self.window * (1 / _HANDICAP if started else _HANDICAP)))

    @property
    def begin(self) -> str:
        return f"BEGIN ISOLATION LEVEL {self.isolation}; {self.enter}"

    @property
    def enter(self) -> str:
        return f"SELECT set_config('referral.clinic_id', '{self.clinic.id}', true)"


Racer = psycopg.AsyncConnection[Any]


async def _committed(work: Coroutine[Any, Any, bool], connection: Racer) -> bool:
    """False where the database refused, waited too long or gave up on it: nothing was committed."""
    try:
        return await work
    except psycopg.Error as error:
        if error.sqlstate not in _REFUSALS:
            raise
        await connection.execute("ROLLBACK")
        return False


async def _begin_treatment(course: _Course, connection: Racer, order: str) -> bool:
    """Within a transaction: by the gate, or as an application would; False where the gate is closed."""
    if course.protected:
        await connection.execute(
            f"SELECT * FROM gate_start('{order}', '{order}', '{course.name}', 'staff', 'user-1', 'clinician',"
            " NULL, NULL)"
        )
        return True
    asked = await connection.execute(f"SELECT refusals FROM gate_check('{order}', clock_timestamp())")
    row = await asked.fetchone()
    if row is None or row[0]:
        return False
    await connection.execute(f"INSERT INTO unprotected.start VALUES ('{order}', '{order}')")
    return True


async def _against_a_void(course: _Course, starter: Racer, other: Racer, order: str) -> bool:
    """True for a start that was committed; whether it was late is read from the order of commits."""

    async def start() -> bool:
        await starter.execute(course.begin)
        if not await _begin_treatment(course, starter, order):
            await starter.execute("ROLLBACK")
            return False
        await starter.execute("COMMIT")
        return True

    async def void() -> bool:
        await other.execute(
            f"{course.begin}; SELECT pg_sleep({random.random() * course.window});"
            " INSERT INTO recommendation_void"
            " (clinic_id, patient_id, order_id, recommendation_id, cause, made_by, reason)"
            f" VALUES ('{course.clinic.id}', '{course.name}', '{order}', '{order}', 'revoked', 'me', 'void')"
        )
        await other.execute("COMMIT")
        return True

    async def void_surely() -> bool:
        """One that lost against the start is sent again, as a person would."""
        while not await _committed(void(), other):
            pass
        return True

    works = [_committed(start(), starter), void_surely()]
    if random.random() < 0.5:
        return (await asyncio.gather(*reversed(works)))[1]
    return (await asyncio.gather(*works))[0]


async def _against_expiry(course: _Course, starter: Racer, other: Racer, order: str) -> bool:
    """True for a start that was committed; noted as late where its clock had passed the end before COMMIT.

    Valid for a moment. In some races somebody else holds the gate, and the start waits across the end.
    """
    recommend = course.sql(_RECOMMEND, valid=f"{course.window} seconds", source=f"VALUES ('{order}')")
    await other.execute(f"BEGIN; {course.enter}; {recommend}; COMMIT")

    async def start() -> bool:
        await starter.execute(f"{course.begin}; SELECT pg_sleep({random.random() * course.window})")
        if not await _begin_treatment(course, starter, order):
            await starter.execute("ROLLBACK")
            return False
        await starter.execute(f"SELECT pg_sleep({random.random() * course.window / 2})")
        asked = await starter.execute(
            f"SELECT clock_timestamp() >= valid_until FROM recommendation WHERE id = '{order}'"
        )
        row = await asked.fetchone()
        await starter.execute("COMMIT")
        if row is None or row[0]:
            course.past_the_end.append(order)
        return True

    async def hold() -> bool:
        await other.execute(
            f"BEGIN; {course.enter}; INSERT INTO recommendation_confirmation"
            " (clinic_id, patient_id, order_id, recommendation_id, spoke_with, made_by, reason) VALUES"
            f" ('{course.clinic.id}', '{course.name}', '{order}', '{order}', 'office', 'user-1', 'called');"
            f" SELECT pg_sleep({random.random() * course.window}); COMMIT"
        )
        return True

    works = [_committed(start(), starter)]
    if random.random() < 0.3:
        works.append(_committed(hold(), other))
    return (await asyncio.gather(*works))[0]


_Race = Callable[[_Course, Racer, Racer, str], Coroutine[Any, Any, bool]]
RIVALS: Final[dict[str, _Race]] = {"void": _against_a_void, "expiry": _against_expiry}


async def _run(course: _Course, race: _Race, races: int) -> int:
    """Every order once, several pairs of connections at a time; the number of starts that were committed."""
    orders = iter([f"{course.name}-{n}" for n in range(1, races + 1)])

    async def pair() -> int:
        async with contextlib.AsyncExitStack() as stack:
            starter, other = [await stack.enter_async_context(_connect(course.clinic)) for _ in range(2)]
            done = 0
            for order in orders:
                started = await race(course, starter, other, order)
                course.settle(started=started)
                done += started
            return done

    return sum(await asyncio.gather(*(pair() for _ in range(PAIRS))))


@contextlib.asynccontextmanager
async def _connect(clinic: ClinicFixture) -> AsyncIterator[Racer]:
    """A connection of the application's role that sends what it is told, without transactions of its own."""
    url = make_url(clinic.database.url)
    options = {**url.translate_connect_args(username="user", database="dbname"), **url.query}
    connection = await psycopg.AsyncConnection.connect(**options, autocommit=True, prepare_threshold=None)
    try:
        yield connection
    finally:
        await connection.close()


def run(
    administrator: Connection,
    clinic: ClinicFixture,
    rival: str,
    isolation: str,
    races: int,
    *,
    protected: bool,
) -> Tally:
    """Race `races` starts against voids or against the end of validity, and count."""
    administrator.exec_driver_sql(SCRATCH)
    administrator.commit()
    course = _Course(clinic, unique("race"), isolation, protected)
    with clinic.transaction() as session:
        session.connection.exec_driver_sql(course.sql(_SEED, count=races))
        if rival == "void":
            everybody = f"SELECT '{course.name}-' || n FROM generate_series(1, {races}) n"
            session.connection.exec_driver_sql(course.sql(_RECOMMEND, valid="180 days", source=everybody))
    started = asyncio.run(_run(course, RIVALS[rival], races))
    table = "treatment_start" if protected else "unprotected.start"
    row = administrator.execute(text(course.sql(_ORDER_OF_COMMITS, table=table))).one()
    administrator.rollback()
    assert row.started == started, "a start that was answered is there, and no other"
    late = row.late if rival == "void" else len(course.past_the_end)
    return Tally(races, started, races - started, late)
