"""Who did what to whose record: the shape of an audit row (after IHE BALP)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from referral.domain.codes import Role

ActorKind = Literal["staff", "client", "portal", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `id` is that of a staff user, an API client, a credential or a process; never a name."""

    clinic_id: str
    kind: ActorKind
    id: str
    role: Role | None = None
    address: str | None = None
    request_id: str | None = None


class Action(StrEnum):
    """AuditEvent.action of FHIR."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that was done. `subtype` is a word of ours such as `gate-start`; `entity` is 'Type/id'.

    `detail` holds codes, ids, digests and counts, never names, dates of birth or narrative.
    """

    action: Action
    subtype: str
    entity: str | None = None
    patient_id: str | None = None
    outcome: Literal["0", "4", "8", "12"] = "0"
    detail: dict[str, str | int | bool | list[str] | None] = field(default_factory=dict)
