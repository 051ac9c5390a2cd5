"""What a sweep and the Today board ask of the database goes by an index, however many requests are open.

On few rows PostgreSQL would rather read everything, so reading everything is made dear: what then still does
it, or sorts what an index could give in order, has no index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from referral.domain.outgoing import MessageState
from referral.domain.policy import Policy
from referral.services.ask_renewal import ask_renewals
from referral.services.change_facts import void_after_gaps
from referral.services.change_policy import roll_out_policy
from referral.services.find_today import find_today
from referral.services.lapse_orders import lapse_orders
from referral.services.replan import replan_open
from referral.services.send_reminders import send_reminders
from referral.storage import orders, outbox, policies, referrals, replannings
from referral.storage.db import Session
from tests.database import NOW, ClinicFixture
from tests.services.sending import asked

TROUBLE = (MessageState.FAILED, MessageState.UNKNOWN, MessageState.DEAD)
# Tables that grow with the requests that are open.
GROWING = {"referral", "message", "infusion_order", "referral_event", "order_indication"}


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from scans(child)


@contextmanager
def asked_for(session: Session) -> Iterator[list[tuple[str, Any]]]:
    """Every statement of the block, with what was given to it."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        found.append((statement, given))

    event.listen(session.connection, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(session.connection, "before_cursor_execute", note)


def plans(session: Session, work: Callable[[Session], object]) -> list[dict[str, Any]]:
    """All scans of all statements of some work."""
    session.connection.execute(text("SET LOCAL enable_seqscan = off"))
    with asked_for(session) as found:
        work(session)
    every: list[dict[str, Any]] = []
    for statement, given in found:
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE", "WITH")):
            explained = session.connection.exec_driver_sql(
                f"EXPLAIN (FORMAT JSON) {statement}", given
            ).scalar_one()
            every.extend(scans(explained[0]["Plan"]))
    return every


def _walk(session: Session) -> object:
    return replannings.next_of(session, replannings.begin(session, None, NOW), 50)


def _codes(session: Session) -> object:
    return policies.unclassified_in_use(session, Policy(rules=()))


WORKS: dict[str, Callable[[Session], object]] = {
    "what is due": lambda session: referrals.find_due(session, NOW, 50),
    "nothing is due": lambda session: send_reminders(session, NOW),
    "nothing is to be replanned": lambda session: replan_open(session, NOW),
    "a walk": _walk,
    "stuck letters": lambda session: outbox.stuck(session, TROUBLE),
    "letters under way": outbox.count_on_their_way,
    "the next orders": lambda session: orders.find(session, limit=300),
    "codes that nobody has classified": _codes,
    "open requests, counted": lambda session: referrals.count_open(session, at_most=1000),
    "lapsed orders": lambda session: lapse_orders(session, NOW),
    "gaps in treatment": lambda session: void_after_gaps(session, NOW),
    "renewals": lambda session: ask_renewals(session, NOW),
    "a new policy": lambda session: roll_out_policy(session, NOW),
}


@pytest.mark.parametrize("name", WORKS)
def test_a_sweep_reads_no_growing_table_from_end_to_end(clinic: ClinicFixture, name: str) -> None:
    asked(clinic)
    with clinic.transaction() as session:
        found = plans(session, WORKS[name])
    assert found
    read = [scan for scan in found if scan["Node Type"] == "Seq Scan"]
    assert [scan["Relation Name"] for scan in read if scan["Relation Name"] in GROWING] == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("what is due", "ix_referral_next_step"),
        ("stuck letters", "ix_message_trouble"),
        ("letters under way", "ix_message_to_draw"),
        ("letters under way", "ix_message_to_send"),
        ("letters under way", "ix_message_held"),
        ("the next orders", "ix_infusion_order_usable"),
        ("a walk", "uq_referral_open"),
        ("codes that nobody has classified", "ix_order_indication_clinic_id_system_code"),
    ],
)
def test_it_goes_by_the_index_that_was_made_for_it(clinic: ClinicFixture, name: str, index: str) -> None:
    asked(clinic)
    with clinic.transaction() as session:
        # A clinic that is thought to have one row is sorted as cheaply as it is read in order.
        for other in ("bitmapscan", "sort", "incremental_sort"):
            session.connection.execute(text(f"SET LOCAL enable_{other} = off"))
        found = plans(session, WORKS[name])
    assert index in {scan.get("Index Name") for scan in found}


def test_the_statements_of_a_sweep_do_not_grow_with_what_is_not_due(clinic: ClinicFixture) -> None:
    """Four for each request that is climbed, and a fixed number for the batch."""

    def statements(count: int) -> int:
        made = [asked(clinic) for _ in range(count)]
        due = made[0].next_step_at
        assert due is not None
        with clinic.transaction() as session, asked_for(session) as found:
            assert send_reminders(session, due) == count
            return len(found)

    one, five = statements(1), statements(5)
    # Each of these has a clinician of its own: they are read together.
    assert five - one <= 4 * 4


def test_the_statements_of_the_board_do_not_grow_with_what_is_on_it(clinic: ClinicFixture) -> None:
    def statements() -> int:
        with clinic.transaction() as session, asked_for(session) as found:
            board = find_today(session, clinic.actor, NOW.date(), NOW)
            assert board.requests_open
            return len(found)

    asked(clinic)
    one = statements()
    for _ in range(4):
        asked(clinic)
    assert statements() == one <= 30
