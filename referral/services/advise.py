"""What the gate says to a system that asks by CDS Hooks, and what became of the cards.

The answer comes from our own records. What the client sends along only says whom and which order it means:
it can close the gate in the advice (an order that nobody knows here), never open it. Nothing is fetched.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import NotFound
from referral.domain.gate import GateDecision, GateFacts
from referral.domain.records import Order
from referral.fhir.cds_card import Link, Subject, card
from referral.fhir.cds_feedback import CardFeedback
from referral.fhir.cds_request import HookCall, business_identifiers, indications_of
from referral.fhir.elements import Resource, every, read_date, reference_id
from referral.fhir.systems import DEFAULT
from referral.services.refresh_gate import decision_of
from referral.storage import audit, cds, directory, orders, referrals, resources
from referral.storage.cds import Feedback, Shown
from referral.storage.db import Session
from referral.storage.orders import FactsOfOrder
from referral.storage.search import find_ids_by_identifiers

_MOST_CARDS: Final = 10
_UNKNOWN: Final = "The clinic's recommendation service does not know this order."
_OWN_RECORDS: Final = "Answered from the recommendation service's own records; the chart was not sent along."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matter:
    """One order that a card may be about, as we know it, or as the client does, or both."""

    order: Order | None
    decision: GateDecision
    theirs: Resource | None = None
    ours: Resource | None = None


def advise(
    session: Session, actor: Actor, call: HookCall, base_url: str, now: datetime
) -> list[dict[str, Any]]:
    """Cards about infusion orders whose gate is closed; none with nothing to say.

    At order-sign about the infusions being ordered; on other hooks about every order in use of the patient.
    """
    patient_ids = _patients(session, call)
    known = _known(session, patient_ids, now)
    matters = [] if call.quiet else known
    if call.drafts is not None:
        matters = [matter for draft in call.drafts for matter in _about(session, draft, call, known, now)]
    made = [
        (matter, made)
        for matter, subject in _subjects(session, call, patient_ids, matters, base_url)
        if (made := card(matter.decision, call.hook, subject)) is not None
    ][:_MOST_CARDS]
    cds.note_cards(session, (_shown(call, patient_ids, *pair) for pair in made), now)
    for patient_id in patient_ids:
        _note_read(session, actor, call, patient_id, len(known), len(made))
    if not patient_ids:
        _note_read(session, actor, call, None, 0, len(made))
    return [made for _, made in made]


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


# ---- Whom and what it is about


def _patients(session: Session, call: HookCall) -> list[str]:
    """Our ids of the patient: by identifiers that were sent along, else by id; empty for somebody unknown.

    Several where our own records hold one person twice; then all of them count. An id of another server may
    be somebody else's here, so a date of birth that was sent along has to agree.
    """
    identifiers = business_identifiers(call.patient)
    found = find_ids_by_identifiers(session, "Patient", identifiers) if identifiers else []
    if found:
        return found
    same = directory.get_patients(session, [call.patient_id]).get(call.patient_id)
    born = read_date((call.patient or {}).get("birthDate"))
    if same is None or (born is not None and same.birth_date not in (None, born)):
        return []
    return [same.id]


def _known(session: Session, patient_ids: Sequence[str], now: datetime) -> list[_Matter]:
    found = [order for id in patient_ids for order in orders.find(session, patient_id=id)]
    if not found:
        return []
    facts = orders.facts_of_many(session, [order.id for order in found])
    stored = resources.find_many(session, [f"ServiceRequest/{order.id}" for order in found])
    return [
        _Matter(
            order=order,
            decision=decision_of(session, facts[order.id], now),
            ours=stored[f"ServiceRequest/{order.id}"].document,
        )
        for order in found
    ]


def _about(
    session: Session, draft: Resource, call: HookCall, known: list[_Matter], now: datetime
) -> list[_Matter]:
    """What we know about a draft: the order that it is, else the orders for the same, else that it is new.

    A draft whose indications cannot be read may belong to any order of the patient.
    """
    fitting = [matter for matter in known if _is_same(draft, matter)]
    indications, whole = indications_of(draft, call.conditions)
    if not fitting:
        wanted = {(i.system, i.code) for i in indications}
        fitting = [
            m for m in known if m.order and wanted <= {(i.system, i.code) for i in m.order.indications}
        ]
    if fitting:
        return [_Matter(order=m.order, decision=m.decision, theirs=draft, ours=m.ours) for m in fitting]
    facts = GateFacts(indications=indications if whole else (), consulted=None)
    decision = decision_of(session, FactsOfOrder("", None, facts), now)
    return [_Matter(order=None, decision=decision, theirs=draft)]


def _is_same(theirs: Resource, matter: _Matter) -> bool:
    """By id, by a reference to it, or by an identifier that both have."""
    if matter.order is None:
        return False
    id = matter.order.id
    named = {reference_id(target, "ServiceRequest") for target in every(theirs, "basedOn")}
    if id in named or (theirs.get("resourceType"), theirs.get("id")) == ("ServiceRequest", id):
        return True
    ours = {(DEFAULT.identifier_system("infusion-order"), id), *business_identifiers(matter.ours)}
    return bool(ours & set(business_identifiers(theirs)))


# ---- What a card needs besides the decision


def _subjects(
    session: Session, call: HookCall, patient_ids: Sequence[str], matters: Sequence[_Matter], base_url: str
) -> list[tuple[_Matter, Subject]]:
    closed = [matter for matter in matters if not matter.decision.settled]
    ids = [matter.order.id for matter in closed if matter.order]
    asked = {row.order_id: row.id for row in referrals.of_orders(session, ids) if row.is_open} if ids else {}
    notes = (_OWN_RECORDS,) if call.elsewhere and not call.prefetched else ()
    return [
        (
            matter,
            Subject(
                key=matter.order.id,
                hold=matter.theirs or _theirs(call, matter),
                links=_links(matter.order, asked.get(matter.order.id), base_url),
                notes=notes,
            )
            if matter.order
            else _unknown(call, patient_ids, matter.theirs or {}, notes, base_url),
        )
        for matter in closed
    ]


def _unknown(
    call: HookCall, patient_ids: Sequence[str], draft: Resource, notes: tuple[str, ...], base_url: str
) -> Subject:
    """A draft that is no order of ours. Its id is its EHR's; with the patient's it is one of the clinic."""
    query = f"?patient={patient_ids[0]}" if patient_ids else ""
    return Subject(
        key=f"{call.patient_id}/{draft.get('id')}",
        hold=draft,
        links=(Link("Ask for a recommendation", f"{base_url}/requests/new{query}"),),
        notes=(_UNKNOWN, *notes),
    )


def _theirs(call: HookCall, matter: _Matter) -> Resource | None:
    """The client's own version of an order; ours where the client works on our server."""
    same = next((order for order in call.orders if _is_same(order, matter)), None)
    return same or (None if call.elsewhere else matter.ours)


def _links(order: Order, request_id: str | None, base_url: str) -> tuple[Link, ...]:
    """To the order, and to the request that is open or to asking somebody."""
    ask = f"{base_url}/requests/new?patient={order.patient_id}&order={order.id}"
    request = (
        Link("Open the request", f"{base_url}/requests/{request_id}")
        if request_id
        else Link("Ask for a recommendation", ask)
    )
    return (request, Link("Open the order", f"{base_url}/orders/{order.id}"))


def _shown(call: HookCall, patient_ids: Sequence[str], matter: _Matter, made: Resource) -> Shown:
    order = matter.order
    return Shown(
        id=made["uuid"],
        hook=call.hook,
        topic=made["source"]["topic"]["code"],
        patient_id=order.patient_id if order else next(iter(patient_ids), None),
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
