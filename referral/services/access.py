"""Who calls and what it may do: reads and writes are given both, so that neither is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field

from referral.domain.audit import Actor
from referral.domain.outgoing_urls import Reach
from referral.fhir.permit import Permit


@dataclass(frozen=True, slots=True)
class Access:
    """A known client. The services ask `permit` about every resource that goes in or out.

    `reach` is where an address that it gives may lead.
    """

    actor: Actor
    permit: Permit
    reach: Reach = field(default_factory=Reach)
