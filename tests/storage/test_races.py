"""No start commits after the gate has closed, at any isolation level; the same races without the gate do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, create_engine

from referral.embedded import Engines
from referral.storage.db import Database
from tests.database import ClinicFixture
from tests.storage.races import ISOLATION, RIVALS, Tally, run

IN_CI = 2_000
LONG = 10_000
UNPROTECTED = 300


@pytest.fixture(scope="module")
def administrator(engines: Engines, database: Database) -> Iterator[Connection]:
    """Sees the rows of every clinic, to judge the races by the order of commits."""
    # What earlier tests of this process left in the pools would take the places of the racers. They are
    # emptied, not closed: a closed one would keep no connection for the tests that come later.
    for engine in (database.engine, database._statements):
        engine.dispose()
    engine = create_engine(engines.admin_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def examine(tally: Tally) -> None:
    # Both ends are reached often, or the race would show nothing.
    assert min(tally.started, tally.refused) > tally.races / 10, tally
    assert tally.late == 0, tally


@pytest.mark.parametrize("isolation", ISOLATION)
@pytest.mark.parametrize("rival", RIVALS)
def test_no_start_commits_after_the_gate_has_closed(
    administrator: Connection,
    clinic: ClinicFixture,
    rival: str,
    isolation: str,
    record_property: Callable[[str, object], None],
) -> None:
    tally = run(administrator, clinic, rival, isolation, IN_CI, protected=True)
    record_property("figure", f"start against {rival}, {isolation}: {tally}")
    examine(tally)


@pytest.mark.soak
@pytest.mark.parametrize("isolation", ISOLATION)
@pytest.mark.parametrize("rival", RIVALS)
def test_no_start_commits_late_in_ten_thousand_races(
    administrator: Connection,
    clinic: ClinicFixture,
    rival: str,
    isolation: str,
    record_property: Callable[[str, object], None],
) -> None:
    tally = run(administrator, clinic, rival, isolation, LONG, protected=True)
    record_property("figure", f"start against {rival}, {isolation}: {tally}")
    examine(tally)


@pytest.mark.parametrize("isolation", ISOLATION)
@pytest.mark.parametrize("rival", RIVALS)
def test_the_same_races_without_the_gate_have_late_starts(
    administrator: Connection,
    clinic: ClinicFixture,
    rival: str,
    isolation: str,
    record_property: Callable[[str, object], None],
) -> None:
    """A check in the application and a plain insert: SERIALIZABLE does not save it either."""
    tally = run(administrator, clinic, rival, isolation, UNPROTECTED, protected=False)
    record_property("figure", f"without the gate, start against {rival}, {isolation}: {tally}")
    assert tally.late > UNPROTECTED / 50, tally
