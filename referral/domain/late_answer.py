"""Answers that come after the first: the first valid one stands, later ones are kept beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from referral.domain.codes import Decision


class CameBy(StrEnum):
    """The way of an answer."""

    LINK = "link"
    CODE = "code"
    FAX = "fax"
    CALL = "call"
    UPLOAD = "upload"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAnswer:
    """`first_id` is the recommendation that stands, `response_id` what was answered afterwards.

    `differs`: it says something else, and the medical director looks at it.
    """

    id: str
    referral_id: str
    response_id: str
    first_id: str
    decision: Decision
    differs: bool
    came_by: CameBy
    received_at: datetime
    recorded_by: str
    settled_at: datetime | None = None
    settled_by: str | None = None

    @property
    def waits(self) -> bool:
        return self.differs and self.settled_at is None
