"""What was done to a thing since a page showed it, so that nobody overwrites what they have not seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.errors import StaleVersion
from referral.storage import accounts, audit
from referral.storage.audit import Subject
from referral.storage.db import Session, hold

# As many as somebody reads before going on.
_MOST = 5


@dataclass(frozen=True, slots=True)
class Deed:
    """`what` is a word of the audit. `who` is a name of the clinic's people, "" for anybody else (`kind`)."""

    at: datetime
    what: str
    kind: str
    who: str
    own: bool


def changes_since(session: Session, actor: Actor, mark: int, about: Subject) -> tuple[Deed, ...]:
    """What was done after `mark` (audit.newest() when the page was shown), newest first, a few at most."""
    rows = audit.deeds_since(session, mark, about, _MOST)
    people = accounts.get_users(session) if rows else {}
    return tuple(
        Deed(
            at=row.at,
            what=row.subtype,
            kind=row.actor_kind,
            who=people[row.actor_id].name if row.actor_id in people else "",
            own=row.actor_id == actor.id,
        )
        for row in rows
    )


def require_unchanged(
    session: Session, mark: int | None, about: Subject, *, not_by: str | None = None
) -> None:
    """For what has no version of its own: StaleVersion where anything was done to it after `mark`.

    Whoever comes second waits here for the first. None: no page has shown it. `not_by` is a person whose own
    deeds are no surprise to them.
    """
    hold(session, f"{about.entity}/{about.patient_id}")
    if mark is not None and audit.deeds_since(session, mark, about, 1, not_by=not_by):
        raise StaleVersion("This has changed since the page was opened.")
