"""Transactions: one connection, one clinic, committed once at the edge."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Text,
    any_,
    create_engine,
    event,
    literal,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DatabaseError, DataError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from referral.domain.errors import InvalidInput, Issue, Unavailable
from referral.storage.arrays import take_lists
from referral.storage.capture import capture
from referral.storage.late import Late
from referral.storage.rings import Rings
from referral.storage.vault import Vault

E = TypeVar("E", bound=Enum)

APPLICATION_ROLE: Final = "referral_app"
# For a statement whose best plan depends on what is asked for: a prepared one may get a plan for anything.
PLANNED_ANEW: Final = {"planned_anew": True}
_SET_CLINIC: Final = text("SELECT set_config('referral.clinic_id', :clinic, true)")
_ANYTHING: Final = text("SELECT 1")
# Seconds between two questions whether the database is back.
_ASK_AGAIN: Final = 0.25
_HOLD: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_TRY: Final = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 1))")
_LET_GO: Final = text("SELECT pg_advisory_unlock(hashtextextended(:name, 1))")
# Each transaction holds the lock on its own number; other programs in this database sign in as others.
_RUNNING: Final = text(
    "SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'virtualxid' AND a.datname = current_database() AND a.usename = session_user"
    " AND a.pid <> pg_backend_pid()"
)
_SET_KEY: Final = text("SELECT set_config('referral.key', :key, true)")
# Codes of PostgreSQL that mean "not now": lock_timeout, deadlock, serialization, shutting down, full house,
# and a role or a database that is not there yet.
_NOT_NOW: Final = frozenset(
    {"55P03", "40P01", "40001", "57P01", "57P02", "57P03", "53300"} | {"28000", "28P01", "3D000"}
)
# A statement that was ended for its length, here or by whoever runs the server.
_TOO_LONG: Final = "57014"
# What refuse_start() of 0001_gate.sql says.
GATE_CLOSED: Final = "RG001"
# Text that no database takes: NUL, found by the driver (no code), by the server, or within JSON.
_NO_TEXT: Final = frozenset({None, "22021", "22P05"})


class Session:
    """One transaction. Everything below `services` takes it first; nothing below the edge commits it.

    `late` is written just before the commit, or before a read needs it. `kept` holds what this transaction
    has read or written itself and may ask for again. `aside` gives a connection for one statement that is
    committed by itself, whatever becomes of this transaction. `at_commit` says what it means that the commit
    is refused because the gate has closed by then; None where nothing was started. `changed`, by clinic, is
    told to the pages that are open, once it is committed.
    """

    __slots__ = ("aside", "at_commit", "changed", "clinic_id", "connection", "kept", "late", "vault")

    def __init__(
        self, connection: Connection, vault: Vault, aside: Callable[[], AbstractContextManager[Connection]]
    ) -> None:
        self.connection = connection
        self.vault = vault
        self.aside = aside
        self.clinic_id: str | None = None
        self.late = Late()
        self.kept: dict[tuple[str, ...], Any] = {}
        self.changed: dict[str, set[str]] = {}
        self.at_commit: Callable[[DatabaseError], Exception] | None = None

    def enter_clinic(self, clinic_id: str) -> None:
        """Make the rows of this clinic visible, until the end of the transaction or the next clinic."""
        if self.clinic_id not in (None, clinic_id):
            finish(self)
            self.kept.clear()
        self.connection.execute(_SET_CLINIC, {"clinic": clinic_id})
        self.clinic_id = clinic_id

    def show_key(self, key: str) -> None:
        """Make the one row with this key visible (row-level security of 0001_security.sql)."""
        self.connection.execute(_SET_KEY, {"key": key})

    @property
    def clinic(self) -> str:
        """The clinic of this transaction; a programming error if none was entered."""
        if self.clinic_id is None:
            raise RuntimeError("no clinic was entered in this transaction")
        return self.clinic_id


class Database:
    """The pool of one process. `url` signs in as the application's role, or as one that may become it.

    A statement that takes longer than `longest_statement` is ended by the server and raises Unavailable.
    """

    def __init__(
        self, url: str, vault: Vault, *, pool_size: int = 8, longest_statement: timedelta | None = None
    ) -> None:
        self.url = url
        self.vault = vault
        options: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": 5,
            "pool_pre_ping": False,
            # What is written here is about people; an exception that quotes it ends in a log.
            "hide_parameters": True,
            "connect_args": {"connect_timeout": 5},
            "json_deserializer": orjson.loads,
        }
        self.engine: Engine = create_engine(url, **options)
        # A pool of its own, opened on first use: switching a connection's mode costs more than the read.
        self._statements: Engine = create_engine(
            url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None, **options
        )
        self._rings = Rings(self.statement)
        for engine in (self.engine, self._statements):
            event.listen(engine, "connect", _become_application)
            event.listen(engine, "connect", take_lists)
            if longest_statement is not None:
                event.listen(engine, "connect", partial(_limit, longest_statement))
            event.listen(engine, "do_execute", _plan_anew)
            event.listen(engine, "checkout", _is_still_there)

    @contextmanager
    def transaction(self, clinic_id: str | None = None) -> Iterator[Session]:
        """Commit when the block ends, roll back when it raises.

        Raises Unavailable where the database cannot answer now; the next use replaces a broken connection.
        A start of treatment whose gate closes before the commit raises GateClosed here.
        """
        session: Session | None = None
        try:
            with self.engine.begin() as connection:
                session = Session(connection, self.vault, self.statement)
                if clinic_id is not None:
                    session.enter_clinic(clinic_id)
                yield session
                finish(session)
        except (DataError, OperationalError, PoolTimeout) as error:
            raise _spoken(error) from error
        except DatabaseError as error:
            if session is None or session.at_commit is None or sql_state(error) != GATE_CLOSED:
                raise
            raise session.at_commit(error) from error
        for clinic, names in session.changed.items():
            self._rings.add(clinic, names)

    @contextmanager
    def snapshot(self, clinic_id: str) -> Iterator[Session]:
        """For reads alone: all of them see the same moment, however long the block takes.

        Raises Unavailable as `transaction` does.
        """
        try:
            with self.engine.connect() as plain:
                connection = plain.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                with connection.begin():
                    session = Session(connection, self.vault, self.statement)
                    session.enter_clinic(clinic_id)
                    yield session
        except (DataError, OperationalError, PoolTimeout) as error:
            raise _spoken(error) from error

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """For one self-contained statement without BEGIN and COMMIT, such as the hot gate read."""
        try:
            with self._statements.connect() as connection:
                yield connection
        except (DataError, OperationalError, PoolTimeout) as error:
            raise _spoken(error) from error

    def wait_until_it_answers(self, seconds: float) -> bool:
        """Ask again and again for so long, as when it is restarted; False where it did not answer."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with self.statement() as connection:
                    connection.execute(_ANYTHING)
            except Unavailable:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_ASK_AGAIN)
            else:
                return True

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """True for the first who comes under this name, until its block ends; False for everybody else.

        In all processes. It is let go when the process dies; no transaction is open meanwhile.
        """
        with self.statement() as connection:
            first = bool(connection.scalar(_TRY, {"name": name}))
            try:
                yield first
            finally:
                if first:
                    connection.execute(_LET_GO, {"name": name})

    def running(self) -> set[str]:
        """The transactions of all processes that have begun and not ended, each by a name of its own."""
        with self.statement() as connection:
            return set(connection.scalars(_RUNNING))

    def close(self) -> None:
        """Close every connection: those in use as soon as they come back. Using it again opens new ones.

        Nobody keeps those: a thread that ends late, such as that of a stream, leaves none behind.
        """
        self._rings.close()
        for engine in (self.engine, self._statements):
            pool = engine.pool
            engine.dispose()
            for one in (pool, engine.pool):
                event.listen(one, "checkin", _close_returned)
            pool.dispose()  # what came back in between


def _close_returned(_connection: Any, record: Any) -> None:
    """SQLAlchemy would keep it in the pool that nobody uses any more."""
    record.close()


def flush(session: Session) -> None:
    """Write what is pending; reads that search call this first."""
    if session.late:
        late, session.late = session.late, Late(noticed=session.late.noticed, changed=session.late.changed)
        late.write(session.connection, session.clinic)


def finish(session: Session) -> None:
    """Write what is pending and tell who listens; the transaction, or its time in this clinic, is over."""
    late, session.late = session.late, Late()
    if late.changed:
        session.changed.setdefault(session.clinic, set()).update(late.changed)
    if late or late.noticed:
        listening = late.write(session.connection, session.clinic)
        if late.noticed:
            capture(session.connection, session.clinic, late.noticed, listening)


@contextmanager
def attempt(session: Session) -> Iterator[None]:
    """A part that is undone alone when it raises, so that a page can be shown again with what was typed."""
    late = session.late.copy()
    try:
        with session.connection.begin_nested():
            yield
    except BaseException:
        session.late = late
        session.kept.clear()
        raise


def member_of(kind: type[E]) -> Callable[[str], E]:
    """What kind(value) gives, by a look-up: batches make many. Raises KeyError for a value it has not."""
    return {str(member.value): member for member in kind}.__getitem__


def among(column: ColumnElement[str], ids: Iterable[str]) -> ColumnElement[bool]:
    """One parameter, however many ids: each number of them would be a statement of its own to parse."""
    return column == any_(literal(list(ids), ARRAY(Text)))


def one_of(column: ColumnElement[Any], codes: Iterable[str]) -> ColumnElement[bool]:
    """Codes of our own, written into the statement: nothing is bound, and a partial index is seen to fit."""
    return column.in_([literal_column(f"'{code}'") for code in codes])


def hold(session: Session, name: str) -> None:
    """Wait for whoever holds this name in the clinic, and hold it until the transaction ends."""
    session.connection.execute(_HOLD, {"name": f"{session.clinic}/{name}"})


def _become_application(connection: Any, _record: Any) -> None:
    """A pool never works as an owner or superuser, whoever it signed in as."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user <> %s", (APPLICATION_ROLE,))
        if cursor.fetchone()[0]:
            cursor.execute(f"SET ROLE {APPLICATION_ROLE}")
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _limit(longest: timedelta, connection: Any, _record: Any) -> None:
    """Whoever asks for what takes for ever must not keep the server busy after having given up."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {int(longest.total_seconds() * 1000)}")
    connection.commit()


def _plan_anew(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
    """True where the statement has been executed here."""
    if context is None or not context.execution_options.get("planned_anew"):
        return None
    cursor.execute(statement, parameters, prepare=False)
    return True


def _is_still_there(connection: Any, _record: Any, _fairy: Any) -> None:
    """Nothing may wait to be read on an idle connection but a server's goodbye: then open new ones.

    Costs microseconds where asking the server (pool_pre_ping) costs a round trip.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        raise InvalidatePoolError


def sql_state(error: Exception) -> str | None:
    """PostgreSQL's five-character code of a SQLAlchemy error, None where there was no connection."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _spoken(error: DataError | OperationalError | PoolTimeout) -> Exception:
    state = sql_state(error)
    if isinstance(error, DataError):
        text = "There is a character in it that cannot be stored (NUL)."
        return InvalidInput(Issue(text, code="value")) if state in _NO_TEXT else error
    if state == _TOO_LONG:
        return Unavailable("This took too long and was given up; nothing was changed. Please ask for less.")
    if state is None or state in _NOT_NOW or state.startswith("08"):
        return Unavailable(
            "The database does not answer just now; nothing was changed. Please try again in a minute."
        )
    return error
