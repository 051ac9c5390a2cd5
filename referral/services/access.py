"""Who calls and what it may do: reads and writes are given both, so that neither is forgotten."""

from __future__ import annotations

from dataclasses import dataclass

from referral.domain.audit import Actor
from referral.fhir.permit import Permit


@dataclass(frozen=True, slots=True)
class Access:
    """A known client. The services ask `permit` about every resource that goes in or out."""

    actor: Actor
    permit: Permit
