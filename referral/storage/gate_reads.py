"""Gate facts for many who ask at once, with an audit row for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import text

from referral.domain.audit import Actor
from referral.storage.orders import FactsOfOrder, facts_from

_READ: Final = text("SELECT CAST(gate_read_many(CAST(:reads AS jsonb)) AS text)")


def read_gates(connection: Any, reads: Sequence[tuple[Actor, str]]) -> list[FactsOfOrder | None]:
    """Facts and their audit rows in one statement of its own (see Database.statement).

    `reads` are who asks and the id of the order; None stands where the clinic of who asks has no such order.
    """
    asked = [
        {
            "clinic": actor.clinic_id,
            "order": order_id,
            "kind": actor.kind,
            "id": actor.id,
            "role": actor.role,
            "address": actor.address,
            "request": actor.request_id,
        }
        for actor, order_id in reads
    ]
    found = orjson.loads(connection.scalar(_READ, {"reads": orjson.dumps(asked).decode()}))
    return [facts_from(document) if document is not None else None for document in found]
