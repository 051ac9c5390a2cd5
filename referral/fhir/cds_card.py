"""CDS Hooks: what the service says about an order, and its discovery document."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from referral.domain.gate import GateDecision
from referral.fhir.elements import Resource
from referral.fhir.gate import topic
from referral.fhir.systems import DEFAULT, LOCAL_CODES, LocalSystems

SERVICE_ID: Final = "ketamine-recommendation-gate"
HOOKS: Final = ("patient-view", "order-sign", "appointment-book", "encounter-start")
Indicator = Literal["info", "warning", "critical"]

_SUMMARY: Final = 139
_CARD_IDS: Final = uuid.UUID("2f8f5f0c-7a3c-5a0e-9d7e-4a8c1d0b7e55")
# Where treatment is about to begin the clinic may want the strongest word; a booking threatens no life.
_CRITICAL: Final = frozenset({"order-sign", "encounter-start"})


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


def cards(
    decision: GateDecision,
    *,
    hook: str,
    order: Mapping[str, Any],
    link: Link,
    critical: bool = True,
    local: LocalSystems = DEFAULT,
) -> Resource:
    """The response to a hook: one card while the gate is closed, none when it is open.

    `order` is the infusion order as the client has it (a suggested update must carry the whole resource). The
    same order with the same reasons gives the same card id, so that feedback can be matched.
    """
    if decision.open:
        return {"cards": []}
    card: Resource = {
        "uuid": _id(order, decision, "card"),
        "indicator": indicator(hook, critical=critical),
        "summary": _summary(decision),
        "detail": "\n".join(f"- {_escaped(reason)}" for reason in decision.reasons),
        "source": {"label": "Recommendation gate", "topic": local.coding("gate-topic", topic(decision))},
        "overrideReasons": [local.coding("gate-override", code) for code in LOCAL_CODES["gate-override"]],
        "links": [_link(link)],
    }
    if order.get("status") not in ("on-hold", "revoked", "entered-in-error"):
        card["selectionBehavior"] = "at-most-one"
        card["suggestions"] = [_keep_on_hold(order, decision)]
    return {"cards": [card]}


def _keep_on_hold(order: Mapping[str, Any], decision: GateDecision) -> Resource:
    held = {**order, "status": "on-hold"}
    action = {"type": "update", "description": "Set the infusion order on-hold", "resource": held}
    return {
        "label": "Keep the order on hold",
        "uuid": _id(order, decision, "hold"),
        "isRecommended": True,
        "actions": [action],
    }


def _id(order: Mapping[str, Any], decision: GateDecision, what: str) -> str:
    return str(uuid.uuid5(_CARD_IDS, f"{what}:{order.get('id')}:{'|'.join(decision.reasons)}"))


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


def discovery(local: LocalSystems = DEFAULT) -> Resource:
    """The document at `/cds-services`; one service id on every hook lets newer cards replace stale ones."""
    category = f"{local.system('request-category')}|recommendation-request"
    prefetch = {
        "patient": "Patient/{{context.patientId}}",
        "conditions": "Condition?patient={{context.patientId}}&clinical-status=active",
        "requests": f"ServiceRequest?patient={{{{context.patientId}}}}&category={category}",
    }
    return {
        "services": [
            {
                "hook": hook,
                "id": SERVICE_ID,
                "title": "Recommendation gate for ketamine infusions",
                "description": "Says whether a ketamine infusion may be given, and what is still missing.",
                "usageRequirements": "Advice only: the order itself is kept on-hold by the FHIR API.",
                "prefetch": prefetch,
            }
            for hook in HOOKS
        ]
    }
