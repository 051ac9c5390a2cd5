"""Cards that two calls see first at the same moment."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from referral.storage import cds
from referral.storage.cds import Shown
from tests.database import NOW, ClinicFixture
from tests.processes import eventually

FIRST, SECOND = (
    Shown(id=str(uuid.UUID(int=n)), hook="order-sign", topic="not-classified", patient_id=None, order_id=None)
    for n in (1, 2)
)
_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def test_two_calls_with_the_same_new_cards_do_not_wait_in_a_circle(clinic: ClinicFixture) -> None:
    """One has noted the first; another comes with both, the second before; the one goes on to the second."""

    def waits() -> bool:
        with clinic.transaction() as session:
            return bool(session.connection.scalar(_WAITING))

    def other() -> None:
        with clinic.transaction() as session:
            cds.note_cards(session, [SECOND, FIRST], NOW)

    with ThreadPoolExecutor(1) as pool:
        with clinic.transaction() as session:
            cds.note_cards(session, [FIRST], NOW)
            waiting = pool.submit(other)
            eventually(waits)
            cds.note_cards(session, [SECOND], NOW)
        waiting.result(30)
    with clinic.transaction() as session:
        assert set(cds.find_cards(session, [FIRST.id, SECOND.id])) == {FIRST.id, SECOND.id}
