"""CDS Hooks: feedback, that is what a person did with a card."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from referral.fhir.cds_request import refuse
from referral.fhir.elements import codings

_LONGEST_COMMENT: Final = 1000
_LONGEST_TEXT: Final = 200
_MOST_SUGGESTIONS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFeedback:
    """What a person did with one card; the texts are the client's."""

    card: str
    outcome: str
    outcome_at: datetime
    suggestions: tuple[str, ...] = ()
    reason_system: str | None = None
    reason_code: str | None = None
    reason_text: str | None = None
    comment: str | None = None


def read_feedback(body: Mapping[str, Any], limit: int = 100) -> tuple[CardFeedback, ...]:
    """Raises Unreadable with a sentence for the first thing that is missing or wrong."""
    given = body.get("feedback")
    if not isinstance(given, list) or not given or not all(isinstance(item, Mapping) for item in given):
        refuse("feedback has to be a list of objects, one for each card.", "feedback")
    if len(given) > limit:
        refuse(f"feedback has more than {limit} cards; send several.", "feedback")
    return tuple(_feedback(item, f"feedback[{place}]") for place, item in enumerate(given))


def _feedback(item: Mapping[str, Any], where: str) -> CardFeedback:
    outcome = item.get("outcome")
    if outcome not in ("accepted", "overridden"):
        refuse("outcome has to be accepted or overridden.", f"{where}.outcome")
    accepted = item.get("acceptedSuggestions") or []
    if not isinstance(accepted, list) or not all(isinstance(one, Mapping) for one in accepted):
        refuse("acceptedSuggestions has to be a list of objects.", f"{where}.acceptedSuggestions")
    if outcome == "accepted" and not accepted:
        refuse("Say which suggestions were accepted.", f"{where}.acceptedSuggestions", "required")
    override = item.get("overrideReason")
    if override is not None and not isinstance(override, Mapping):
        refuse("overrideReason has to be an object.", f"{where}.overrideReason")
    reason = (override or {}).get("reason")
    system, code, display = next(iter(codings({"coding": [reason]})), (None, None, None))
    return CardFeedback(
        card=_uuid(item.get("card"), f"{where}.card"),
        outcome=str(outcome),
        outcome_at=_timestamp(item.get("outcomeTimestamp"), f"{where}.outcomeTimestamp"),
        suggestions=tuple(
            _uuid(one.get("id"), f"{where}.acceptedSuggestions") for one in accepted[:_MOST_SUGGESTIONS]
        ),
        reason_system=_cut(system, _LONGEST_TEXT),
        reason_code=_cut(code, _LONGEST_TEXT),
        reason_text=_cut(display, _LONGEST_TEXT),
        comment=_cut((override or {}).get("userComment"), _LONGEST_COMMENT),
    )


def _cut(value: object, longest: int) -> str | None:
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return text[:longest] or None


def _uuid(value: object, where: str) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        refuse("This has to be the uuid that came with the card.", where)


def _timestamp(value: object, where: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
        if found.tzinfo is None:
            raise ValueError(where)
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        refuse("outcomeTimestamp has to be a time with its zone, such as 2026-11-03T17:00:00Z.", where)
