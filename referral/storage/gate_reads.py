"""Gate facts for many who ask at once, with an audit row for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import text

from referral.domain.audit import Actor
from referral.domain.errors import SignInRequired
from referral.storage.orders import FactsOfOrder, facts_from

_READ: Final = text("SELECT CAST(gate_read_many(CAST(:reads AS jsonb)) AS text)")


def read_gates(
    connection: Any, reads: Sequence[tuple[Actor, str, bytes | None]]
) -> list[FactsOfOrder | SignInRequired | None]:
    """Facts and their audit rows in one statement of its own (see Database.statement).

    `reads` are who asks, the id of the order, and the digest of the token of who asks. None stands where the
    clinic of who asks has no such order, SignInRequired where the token was taken back a moment ago.
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
            "token": token.hex() if token else None,
        }
        for actor, order_id, token in reads
    ]
    found = orjson.loads(connection.scalar(_READ, {"reads": orjson.dumps(asked).decode()}))
    return [_read(document) for document in found]


def _read(document: Any) -> FactsOfOrder | SignInRequired | None:
    if document is False:
        return SignInRequired("This bearer token is not known, or it was revoked.")
    return facts_from(document) if document is not None else None
