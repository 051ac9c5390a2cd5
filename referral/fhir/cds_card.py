"""CDS Hooks: what the service says about an order, and its discovery document."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from referral.domain.gate import GateDecision
from referral.fhir.cds_request import HOOKS
from referral.fhir.elements import Resource
from referral.fhir.gate import topic
from referral.fhir.systems import DEFAULT, LOCAL_CODES, LocalSystems

SERVICE_ID: Final = "ketamine-recommendation-gate"
Indicator = Literal["info", "warning", "critical"]

_SUMMARY: Final = 139
_EMERGENCY: Final = "Emergency access: one infusion may start without the recommendation"
_CARD_IDS: Final = uuid.UUID("2f8f5f0c-7a3c-5a0e-9d7e-4a8c1d0b7e55")
# Where treatment is about to begin the clinic may want the strongest word; a booking threatens no life.
_CRITICAL: Final = frozenset({"order-sign", "encounter-start"})
_NOT_TO_HOLD: Final = frozenset(
    {"on-hold", "revoked", "cancelled", "completed", "stopped", "entered-in-error"}
)


@dataclass(frozen=True, slots=True)
class Link:
    """`kind` smart is launched by the EHR; `app_context` is a string that the launch hands on."""

    label: str
    url: str
    kind: Literal["absolute", "smart"] = "absolute"
    app_context: str | None = None


def indicator(hook: str, *, critical: bool) -> Indicator:
    """`critical` is the clinic's setting; it matters on order-sign and encounter-start only."""
    if hook == "patient-view":
        return "info"
    return "critical" if critical and hook in _CRITICAL else "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a card is about.

    `key` tells it from every other order of the clinic, for the card's id. `hold` is the order as the client
    has it (a suggested update must carry the whole resource), None where the client's is not known. `notes`
    are sentences to be added to the reasons.
    """

    key: str
    hold: Mapping[str, Any] | None
    links: Sequence[Link]
    notes: Sequence[str] = ()


def card(
    decision: GateDecision,
    hook: str,
    subject: Subject,
    *,
    critical: bool = True,
    local: LocalSystems = DEFAULT,
) -> Resource | None:
    """The card of a closed gate, None for an open one; an override in force is worth a remark.

    The same order with the same reasons gives the same card id on a hook, so that a card that is shown again
    is the same card, and feedback finds what it is about.
    """
    if decision.settled:
        return None
    said = decision.reasons or (decision.remark,)
    made: Resource = {
        "uuid": _id(subject, hook, decision, "card"),
        "indicator": "info" if decision.open else indicator(hook, critical=critical),
        "summary": _EMERGENCY if decision.open else _summary(decision),
        "detail": "\n".join(f"- {_escaped(text)}" for text in (*said, *subject.notes)),
        "source": {"label": "Recommendation gate", "topic": local.coding("gate-topic", topic(decision))},
        "links": [_link(link) for link in subject.links],
    }
    if decision.open:  # nothing to be held back or overridden: two people have done that
        return made
    made["overrideReasons"] = [local.coding("gate-override", code) for code in LOCAL_CODES["gate-override"]]
    if subject.hold is not None and _can_be_held(subject.hold):
        made["selectionBehavior"] = "at-most-one"
        made["suggestions"] = [_keep_on_hold(subject.hold, _id(subject, hook, decision, "hold"))]
    return made


def _can_be_held(order: Mapping[str, Any]) -> bool:
    """An update needs to know what to update, and what is over or on hold needs none."""
    status = order.get("status")
    return isinstance(order.get("id"), str) and isinstance(status, str) and status not in _NOT_TO_HOLD


def _keep_on_hold(order: Mapping[str, Any], id: str) -> Resource:
    held = {**order, "status": "on-hold"}
    action = {"type": "update", "description": "Set the infusion order on-hold", "resource": held}
    return {"label": "Keep the order on hold", "uuid": id, "isRecommended": True, "actions": [action]}


def _id(subject: Subject, hook: str, decision: GateDecision, what: str) -> str:
    said = "|".join(decision.reasons) or decision.remark
    return str(uuid.uuid5(_CARD_IDS, f"{what}:{hook}:{subject.key}:{said}"))


def _summary(decision: GateDecision) -> str:
    text = f"Infusion blocked: {decision.reasons[0]}"
    return text if len(text) <= _SUMMARY else f"{text[: _SUMMARY - 1].rstrip()}…"


def _escaped(text: str) -> str:
    """Reasons carry displays that a client sent; in Markdown they must stay plain text."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|~!" else c for c in " ".join(text.split()))


def _link(link: Link) -> Resource:
    result: Resource = {"label": link.label, "url": link.url, "type": link.kind}
    if link.app_context is not None:
        result["appContext"] = link.app_context
    return result


def discovery() -> Resource:
    """The document at `/cds-services`; one service id on every hook lets newer cards replace stale ones."""
    return {
        "services": [
            {
                "hook": hook,
                "id": SERVICE_ID,
                "title": "Recommendation gate for ketamine infusions",
                "description": "Says whether a ketamine infusion may be given, and what is still missing.",
                "usageRequirements": "Advice only: the order itself is kept on-hold by the FHIR API. Nothing "
                "is read from the client's FHIR server; without prefetch the service answers from its own "
                "records.",
                "prefetch": {**_PREFETCH, **(_PREFETCH_ENCOUNTER if hook == "encounter-start" else {})},
            }
            for hook in HOOKS
        ]
    }


# Only what every client has to support: reads, and searches by reference and by token. The patient tells by
# identifiers whom the call is about, the conditions what a draft is for, the orders what can be put on hold.
_PREFETCH: Final = {
    "patient": "Patient/{{context.patientId}}",
    "conditions": "Condition?patient={{context.patientId}}&clinical-status=active",
    "orders": "ServiceRequest?patient={{context.patientId}}&status=active",
}
_PREFETCH_ENCOUNTER: Final = {"encounter": "Encounter/{{context.encounterId}}"}
