"""Two people at the same thing: the second is told what the first has done, and keeps what was typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from referral.domain.errors import ReferralError, StaleVersion
from referral.fhir.local_codes import AUDIT_WORDS
from referral.services.find_changes import Deed, changes_since, require_unchanged
from referral.storage.audit import Subject
from referral.web.dependencies import Visitor
from referral.web.form import Conflict, Told
from referral.web.staff.clock import Clock

# What a form carries that nobody has typed. A password is never shown again either.
_CARRIED: Final = ("csrf_token", "version", "mark", "form_key", "office")
_SOMEBODY: Final = {"client": "a connected system", "portal": "the clinician", "system": "this service"}
CONFLICT: Final = 409


def mark_of(typed: Mapping[str, str]) -> int | None:
    """Where the audit was when the page was shown; None where it does not say."""
    text = typed.get("mark", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def refuse_if_changed(visitor: Visitor, typed: Mapping[str, str], about: Subject) -> None:
    """Before something without a version is written over: StaleVersion where somebody else was faster."""
    require_unchanged(visitor.session, mark_of(typed), about)


def refuse_if_others_changed(visitor: Visitor, typed: Mapping[str, str], about: Subject) -> None:
    """The same for a step that does no more the second time: a double click is not told of itself."""
    require_unchanged(visitor.session, mark_of(typed), about, not_by=visitor.actor.id)


def conflict_of(
    visitor: Visitor, clock: Clock, error: ReferralError, typed: Mapping[str, str], about: Subject
) -> Conflict | None:
    """What the page says beside the form; None where it was refused for another reason."""
    if not isinstance(error, StaleVersion):
        return None
    mark = mark_of(typed)
    deeds = () if mark is None else changes_since(visitor.session, visitor.actor, mark, about)
    return Conflict(
        text=str(error),
        deeds=tuple(Told(_sentence(deed), clock.moment(deed.at)) for deed in deeds),
        typed=tuple(
            (name.replace("_", " ").capitalize(), value)
            for name, value in typed.items()
            if name not in _CARRIED and not name.endswith("password") and value.strip()
        ),
    )


def others_faster(
    visitor: Visitor, clock: Clock, typed: Mapping[str, str], about: Subject
) -> Conflict | None:
    """refuse_if_others_changed() as what the page says; None where nobody was."""
    try:
        refuse_if_others_changed(visitor, typed, about)
    except StaleVersion as error:
        return conflict_of(visitor, clock, error, typed, about)
    return None


def _sentence(deed: Deed) -> str:
    who = "you, in another window" if deed.own else deed.who or _SOMEBODY.get(deed.kind, "somebody")
    return f"{AUDIT_WORDS.get(deed.what, deed.what)}, by {who}"
