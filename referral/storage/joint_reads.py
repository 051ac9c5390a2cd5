"""Reads of many who ask at once, by one statement: each in its own clinic, with an audit row of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, text

from referral.domain.audit import Actor
from referral.domain.errors import SignInRequired
from referral.storage.orders import FactsOfOrder, facts_from
from referral.storage.resources import Stored

_GATES: Final = text("SELECT CAST(gate_read_many(CAST(:reads AS jsonb)) AS text)")
_RESOURCES: Final = text(
    "SELECT admitted, version, last_updated, body FROM read_many(CAST(:reads AS jsonb)) ORDER BY place"
)
_TAKEN_BACK: Final = "This bearer token is not known, or it was revoked."


@dataclass(frozen=True, slots=True)
class AskedGate:
    """`token` is the digest of the token of who asks; None for one that is not of ours."""

    actor: Actor
    order_id: str
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class AskedResource:
    """The current version of one resource; `token` as in AskedGate."""

    actor: Actor
    type: str
    id: str
    token: bytes | None = None


def read_gates(
    connection: Connection, asked: Sequence[AskedGate]
) -> list[FactsOfOrder | SignInRequired | None]:
    """Facts and their audit rows in one statement of its own (see Database.statement).

    None stands where the clinic of who asks has no such order, SignInRequired where the token was taken back
    a moment ago.
    """
    reads = [_who(one.actor, one.token) | {"order": one.order_id} for one in asked]
    found = orjson.loads(connection.scalar(_GATES, {"reads": orjson.dumps(reads).decode()}) or b"[]")
    return [_facts(document) for document in found]


def read_resources(
    connection: Connection, asked: Sequence[AskedResource]
) -> list[Stored | SignInRequired | None]:
    """The same for resources: None where the clinic of who asks has none."""
    reads = [
        _who(one.actor, one.token) | {"place": place, "type": one.type, "resource": one.id}
        for place, one in enumerate(asked)
    ]
    rows = connection.execute(_RESOURCES, {"reads": orjson.dumps(reads).decode()})
    return [_stored(one, row) for one, row in zip(asked, rows, strict=True)]


def _who(actor: Actor, token: bytes | None) -> dict[str, Any]:
    return {
        "clinic": actor.clinic_id,
        "kind": actor.kind,
        "id": actor.id,
        "role": actor.role,
        "address": actor.address,
        "request": actor.request_id,
        "token": token.hex() if token else None,
    }


def _facts(document: Any) -> FactsOfOrder | SignInRequired | None:
    if document is False:
        return SignInRequired(_TAKEN_BACK)
    return facts_from(document) if document is not None else None


def _stored(one: AskedResource, row: Any) -> Stored | SignInRequired | None:
    admitted, version, last_updated, body = row
    if not admitted:
        return SignInRequired(_TAKEN_BACK)
    return None if body is None else Stored(one.type, one.id, version, last_updated, body)
