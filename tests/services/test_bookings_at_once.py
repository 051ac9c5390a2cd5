"""Many who book, open, close and release at once, on real PostgreSQL; what the database itself refuses."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

import pytest
from psycopg.errors import ExclusionViolation
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError, ProgrammingError

from referral.domain.booking import Booking, BookingStatus
from referral.domain.errors import SlotTaken, Unavailable
from referral.storage import bookings, orders, tables
from tests.database import NOW, ClinicFixture
from tests.services.bookings import (
    RELEASE,
    START,
    add_indication,
    book,
    chair,
    closed_order,
    end,
    local,
    open_order,
    open_up,
    published,
    slot,
    stored,
    sweep,
)
from tests.services.test_at_once import at_once


def test_of_many_who_book_one_chair_at_once_one_has_it_and_nobody_waits_in_a_circle(
    clinic: ClinicFixture,
) -> None:
    seat = chair(clinic)
    for round_ in range(5):
        wanted = slot(START + timedelta(days=round_), chair=seat)
        waiting = [open_order(clinic) for _ in range(8)]
        refused = at_once(*(partial(book, clinic, order, wanted) for order in waiting))
        assert [type(error) for error in refused] == [SlotTaken] * 7
    with clinic.transaction() as session:
        assert len(bookings.between(session, START, START + timedelta(days=9))) == 5


def test_many_who_book_any_chair_at_once_fill_every_chair(clinic: ClinicFixture) -> None:
    seats = {chair(clinic, f"Chair {n}").id for n in range(1, 4)}
    waiting = [open_order(clinic) for _ in range(8)]
    refused = at_once(*(partial(book, clinic, order) for order in waiting))
    assert [type(error) for error in refused] == [SlotTaken] * 5
    with clinic.transaction() as session:
        assert {row.chair_id for row in bookings.between(session, START, START + timedelta(hours=1))} == seats


def test_the_database_refuses_a_double_booking_by_whatever_way_it_comes(clinic: ClinicFixture) -> None:
    """Without the service: rows written at once, by SQL as the application's role."""
    seat = chair(clinic)
    made = [book(clinic, open_order(clinic), slot(START + timedelta(days=n), chair=seat)) for n in range(2)]
    barrier, outcomes = threading.Barrier(2), []

    def write(row: Booking, id: str) -> None:
        values = {name: getattr(row, name) for name in Booking.__slots__}
        values |= {
            "clinic_id": clinic.id,
            "id": id,
            "starts_at": local(12, 1, 9),
            "ends_at": local(12, 1, 11),
        }
        barrier.wait()
        try:
            with clinic.transaction() as session:
                session.connection.execute(insert(tables.booking).values(values))
            outcomes.append("written")
        except IntegrityError as error:
            outcomes.append(type(error.orig).__name__)
        except Unavailable:
            outcomes.append("deadlock")

    threads = [threading.Thread(target=write, args=(row, f"raw-{n}")) for n, row in enumerate(made)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("written") == 1, outcomes
    with clinic.transaction() as session, pytest.raises(IntegrityError) as refused:
        session.connection.execute(
            update(tables.booking)
            .where(tables.booking.c.id == made[0].id)
            .values(starts_at=made[1].starts_at, ends_at=made[1].ends_at)
        )
    assert isinstance(refused.value.orig, ExclusionViolation)


def test_the_application_cannot_move_a_booking_to_another_patient_or_take_one_away(
    clinic: ClinicFixture,
) -> None:
    made, other = book(clinic, open_order(clinic)), open_order(clinic)
    for statement in (
        update(tables.booking).values(patient_id=other.patient_id, order_id=other.id),
        delete(tables.booking),
        delete(tables.chair),
    ):
        with clinic.transaction() as session, pytest.raises(ProgrammingError, match="permission denied"):
            session.connection.execute(statement)
    assert stored(clinic, made) == made


def test_a_release_and_an_opening_gate_at_once_leave_one_of_two_clear_states(clinic: ClinicFixture) -> None:
    for _ in range(5):
        order = closed_order(clinic)
        made = book(clinic, order)
        refused = at_once(partial(sweep, clinic, RELEASE), partial(open_up, clinic, order))
        assert refused == []
        after = stored(clinic, made)
        assert after.status in (BookingStatus.BOOKED, BookingStatus.CANCELLED)
        assert published(clinic, made)["status"] == after.status
        with clinic.transaction() as session:
            assert orders.get(session, order.id).status == "active"
            if after.is_open:
                end(session, clinic, made, BookingStatus.CANCELLED, "booked-in-error")


def test_booking_and_a_closing_gate_at_once_never_leave_a_confirmed_booking(clinic: ClinicFixture) -> None:
    for n in range(5):
        order = open_order(clinic)
        wanted = slot(START + timedelta(days=n))
        closing = partial(add_indication, clinic, order.id, NOW)
        refused = at_once(partial(book, clinic, order, wanted), closing)
        assert refused == []
        with clinic.transaction() as session:
            (made,) = bookings.of_order(session, order.id)
            assert made.status is BookingStatus.PENDING
