"""What the gate says to a system that asks by CDS Hooks, and what became of the cards.

The answer comes from our own records. What the client sends along only says whom and which order it means:
it can close the gate in the advice (an order that nobody knows here), never open it. Nothing is fetched.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import NotFound
from referral.domain.gate import GateDecision, GateFacts
from referral.fhir.cds_card import Link, Subject, card
from referral.fhir.cds_feedback import CardFeedback
from referral.fhir.cds_request import HookCall, business_identifiers, indications_of
from referral.fhir.elements import Resource, every, read_date, reference_id
from referral.fhir.json import decode
from referral.fhir.systems import DEFAULT
from referral.services.refresh_gate import decision_of
from referral.storage import audit, cds
from referral.storage.cds import Feedback, OrderAtHand, Shown
from referral.storage.db import Session
from referral.storage.orders import FactsOfOrder

_MOST_CARDS: Final = 10
_UNKNOWN: Final = "The clinic's recommendation service does not know this order."
_OWN_RECORDS: Final = "Answered from the recommendation service's own records; the chart was not sent along."


@dataclass(frozen=True, slots=True)
class _Matter:
    """One order that a card may be about: `at_hand` as we know it, `theirs` as the client does."""

    decision: GateDecision
    at_hand: OrderAtHand | None = None
    theirs: Resource | None = None


def advise(
    session: Session, actor: Actor, call: HookCall, base_url: str, now: datetime
) -> list[dict[str, Any]]:
    """Cards about infusion orders whose gate is closed; none with nothing to say.

    At order-sign about the infusions being ordered; on other hooks about every order in use of the patient.
    """
    patient = call.patient or {}
    patient_ids, orders = cds.read_orders(
        session, call.patient_id, read_date(patient.get("birthDate")), business_identifiers(patient)
    )
    known = [_Matter(decision_of(session, order.found, now), order) for order in orders]
    matters = [] if call.quiet else known
    if call.drafts is not None:
        matters = [matter for draft in call.drafts for matter in _about(session, draft, call, known, now)]
    made: list[tuple[_Matter, Resource]] = []
    for matter in matters:
        found = card(matter.decision, call.hook, _subject(call, patient_ids, matter, base_url))
        if found is not None and len(made) < _MOST_CARDS:
            made.append((matter, found))
    new = [pair for pair in made if not pair[0].at_hand or pair[1]["uuid"] not in pair[0].at_hand.cards]
    cds.note_cards(session, (_shown(call, patient_ids, *pair) for pair in new), now)
    for patient_id in patient_ids:
        _note_read(session, actor, call, patient_id, len(known), len(made))
    if not patient_ids:
        _note_read(session, actor, call, None, 0, len(made))
    return [found for _, found in made]


def _note_read(
    session: Session, actor: Actor, call: HookCall, patient_id: str | None, known: int, cards: int
) -> None:
    entry = AuditEntry(
        action=Action.READ,
        subtype="gate",
        entity=f"Patient/{patient_id}" if patient_id else None,
        patient_id=patient_id,
        detail={"hook": call.hook, "orders": known, "cards": cards},
    )
    audit.record(session, actor, entry)


# ---- What it is about


def _about(
    session: Session, draft: Resource, call: HookCall, known: list[_Matter], now: datetime
) -> list[_Matter]:
    """What we know about a draft: the order that it is, else the orders for the same, else that it is new.

    A draft whose indications cannot be read may belong to any order of the patient.
    """
    fitting = [m for m in known if m.at_hand and _is_same(draft, m.at_hand)]
    indications, whole = indications_of(draft, call.conditions)
    if not fitting:
        wanted = {(i.system, i.code) for i in indications}
        fitting = [m for m in known if m.at_hand and wanted <= _codes(m.at_hand)]
    if fitting:
        return [replace(matter, theirs=draft) for matter in fitting]
    facts = GateFacts(indications=indications if whole else (), consulted=None)
    return [_Matter(decision_of(session, FactsOfOrder("", None, facts), now), theirs=draft)]


def _codes(order: OrderAtHand) -> set[tuple[str, str]]:
    return {(i.system, i.code) for i in order.found.facts.indications}


def _is_same(theirs: Resource, order: OrderAtHand) -> bool:
    """By id, by a reference to it, or by an identifier that both have."""
    named = {reference_id(target, "ServiceRequest") for target in every(theirs, "basedOn")}
    if order.id in named or (theirs.get("resourceType"), theirs.get("id")) == ("ServiceRequest", order.id):
        return True
    given = set(business_identifiers(theirs))
    ours = {(DEFAULT.identifier_system("infusion-order"), order.id)}
    return bool(given) and bool(given & (ours | set(business_identifiers(_document(order)))))


def _document(order: OrderAtHand) -> Resource:
    return decode(order.body.encode())


# ---- What a card needs besides the decision


def _subject(call: HookCall, patient_ids: Sequence[str], matter: _Matter, base_url: str) -> Subject:
    notes = (_OWN_RECORDS,) if call.elsewhere and not call.prefetched else ()
    order, theirs = matter.at_hand, matter.theirs
    if order is None:
        query = f"?patient={patient_ids[0]}" if patient_ids else ""
        return Subject(
            # A draft has an id of its EHR only; with the patient's it is one of the clinic.
            key=f"{call.patient_id}/{(theirs or {}).get('id')}",
            hold=theirs,
            links=(Link("Ask for a recommendation", f"{base_url}/requests/new{query}"),),
            notes=(_UNKNOWN, *notes),
        )
    hold = theirs or next((found for found in call.orders if _is_same(found, order)), None)
    if hold is None and not call.elsewhere:
        hold = _document(order)  # the client works on our server
    return Subject(key=order.id, hold=hold, links=_links(order, base_url), notes=notes)


def _links(order: OrderAtHand, base_url: str) -> tuple[Link, ...]:
    """To the order, and to the request that is open or to asking somebody."""
    ask = f"{base_url}/requests/new?patient={order.found.patient_id}&order={order.id}"
    request = (
        Link("Open the request", f"{base_url}/requests/{order.request_id}")
        if order.request_id
        else Link("Ask for a recommendation", ask)
    )
    return (request, Link("Open the order", f"{base_url}/orders/{order.id}"))


def _shown(call: HookCall, patient_ids: Sequence[str], matter: _Matter, made: Resource) -> Shown:
    order = matter.at_hand
    return Shown(
        id=made["uuid"],
        hook=call.hook,
        topic=made["source"]["topic"]["code"],
        patient_id=order.found.patient_id if order else next(iter(patient_ids), None),
        order_id=order.id if order else None,
    )


# ---- What became of cards


def take_feedback(session: Session, actor: Actor, feedback: Sequence[CardFeedback], now: datetime) -> None:
    """Keep what people did with cards of this clinic; the same told twice counts once.

    Raises NotFound, and keeps nothing, when one of them is no card of this clinic. The audit has codes only:
    what a person wrote stays in the feedback.
    """
    cards = cds.find_cards(session, {item.card for item in feedback})
    for item in feedback:
        shown = cards.get(item.card)
        if shown is None:
            raise NotFound(f"Card {item.card} is not one that this service has given to this clinic.")
        kept = Feedback(
            id=str(uuid.uuid4()),
            card_id=item.card,
            client_id=actor.id,
            outcome=item.outcome,
            outcome_at=item.outcome_at,
            suggestions=item.suggestions,
            reason_system=item.reason_system,
            reason_code=item.reason_code,
            reason_text=item.reason_text,
            comment=item.comment,
        )
        if cds.add_feedback(session, kept, now):
            audit.record(session, actor, _entry(item, shown))


def _entry(item: CardFeedback, shown: Shown) -> AuditEntry:
    ours = item.reason_system == DEFAULT.system("gate-override")
    return AuditEntry(
        action=Action.EXECUTE,
        subtype="card-feedback",
        entity=f"ServiceRequest/{shown.order_id}" if shown.order_id else None,
        patient_id=shown.patient_id,
        detail={
            "card": shown.id,
            "hook": shown.hook,
            "topic": shown.topic,
            "outcome": item.outcome,
            # A code of somebody else's may be words.
            "reason": item.reason_code if ours else None,
        },
    )
