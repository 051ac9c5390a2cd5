"""Every way in which it can be said that treatment has begun, and that each of them goes through the gate.

    Procedure                  basedOn an infusion order; or part of, or during, what leads to one
    MedicationAdministration   part of a Procedure, or in the context of an Encounter, that leads to one
    Encounter                  basedOn an order, or by an Appointment that leads to one; no consultation
    Appointment                booked while the gate is closed: refused, though nothing has begun

A Procedure, MedicationAdministration, or Encounter coded as an infusion, that leads to no order is refused:
what cannot be gated is not taken. Clients come by the routes of `ENTRANCES`, the clinic's own people by the
others, the invented people of the demo with the commands that make them; all end in treat.begin().
tests/test_doors.py walks the code from every route, command and task, and fails when one that arrives there
is not on the list, or a type that clients may write is on neither list.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from referral.domain.audit import Actor
from referral.domain.errors import GateClosed, InvalidInput, Issue
from referral.domain.records import Order
from referral.fhir.treatment import is_consultation, is_harmless, is_infusion, leads_to, subject_of
from referral.services.refresh_gate import decision_of
from referral.services.treat import begin
from referral.storage import orders, resources
from referral.storage.db import Session

# These say nothing but that something was done to the patient, so they must say under which order.
_MUST_LEAD: Final = frozenset({"Procedure", "MedicationAdministration"})
DOORS: Final = _MUST_LEAD | {"Encounter", "Appointment"}
# What clients may write besides: it carries out no order. What was answered, asked, planned, agreed or seen.
HARMLESS_TYPES: Final = frozenset(
    {
        *("AdverseEvent", "Binary", "CareTeam", "Communication", "CommunicationRequest", "Condition"),
        *("Consent", "DocumentReference", "Endpoint", "Location", "Observation", "Organization", "Patient"),
        *("Practitioner", "PractitionerRole", "Provenance", "Questionnaire", "QuestionnaireResponse"),
        *("ServiceRequest", "Subscription", "Task"),
    }
)
# Routes, commands and tasks from which treatment can begin.
ENTRANCES: Final = frozenset(
    {
        "PATCH /fhir/{type}",
        "PATCH /fhir/{type}/{id}",
        "POST /fhir",
        "POST /fhir/",
        "POST /fhir/{type}",
        "POST /fhir/{type:fhir_type}",
        "PUT /fhir/{type}",
        "PUT /fhir/{type}/{id}",
        "POST /orders/{order_id}/course/{step}",
        "POST /orders/{order_id}/{step}",
        "referral demo",
        "referral serve",
        "referral start-treatment",
    }
)
_MOST_STEPS: Final = 4
# Where to name the order: a MedicationAdministration has no basedOn.
_LEADS_BY: Final = {"MedicationAdministration": "partOf"}


def order_behind(session: Session, document: dict[str, Any]) -> Order | None:
    """The infusion order that a resource leads to; InvalidInput when it leads to several, or too far away."""
    seen: set[str] = set()
    found: dict[str, Order] = {}
    level = leads_to(document)
    for _ in range(_MOST_STEPS):
        level -= seen
        seen |= level
        found |= _orders_in(session, level)
        level = {
            reference
            for stored in resources.find_many(session, level - found.keys()).values()
            for reference in leads_to(stored.document)
        }
    if len(found) > 1 or (not found and level - seen):
        several = "This leads to several infusion orders; name the one that it belongs to."
        far = "This is part of what is part of too much else; name the infusion order itself."
        where = (f"{document['resourceType']}.basedOn",)
        raise InvalidInput(Issue(several if found else far, where, "business-rule"))
    return next(iter(found.values()), None)


def _orders_in(session: Session, references: set[str]) -> dict[str, Order]:
    found = {}
    for reference in references:
        type, _, id = reference.partition("/")
        order = orders.find_by_id(session, id) if type == "ServiceRequest" else None
        if order is not None:
            found[reference] = order
    return found


def order_to_start(session: Session, document: dict[str, Any]) -> Order | None:
    """The order whose treatment this resource says has begun; None where it says nothing of the kind.

    Raises InvalidInput for a Procedure or MedicationAdministration that leads to no order, and for an
    Encounter that is coded as an infusion and leads to none.
    """
    type = document["resourceType"]
    if is_harmless(document) or (type in ("Encounter", "Appointment") and is_consultation(document)):
        return None
    order = order_behind(session, document)
    if order is None and (type in _MUST_LEAD or (type == "Encounter" and is_infusion(document))):
        text = (
            f"This {type} does not lead to an infusion order of this clinic (basedOn, partOf, encounter or "
            "context); treatment is recorded only under an order."
        )
        raise InvalidInput(Issue(text, (f"{type}.{_LEADS_BY.get(type, 'basedOn')}",), "business-rule"))
    return order


def require_same_patient(document: dict[str, Any], order: Order) -> None:
    """Raises GateClosed for treatment of one patient under another's order."""
    if subject_of(document) != order.patient_id:
        type = document["resourceType"]
        element = "participant" if type == "Appointment" else "subject"
        reasons = ("The infusion order is for another patient.",)
        raise GateClosed(reasons, f"{type}.{element}", order_id=order.id)


def pass_gate(
    session: Session, actor: Actor, document: dict[str, Any], order: Order, now: datetime
) -> datetime:
    """Let the database decide, under the resource's own id, and return the time of the start."""
    require_same_patient(document, order)
    expression = f"{document['resourceType']}.status"
    try:
        return begin(session, actor, document["id"], order.id, order.patient_id, now)
    except GateClosed as closed:
        raise GateClosed(closed.reasons, expression, order_id=order.id) from closed


def require_open(session: Session, document: dict[str, Any], order: Order, now: datetime) -> None:
    """For a booking, which starts nothing: GateClosed with the rule's sentences while the gate is closed."""
    require_same_patient(document, order)
    decision = decision_of(session, orders.facts(session, order.id), now)
    if not decision.settled:
        reasons = decision.reasons or (decision.remark,)
        raise GateClosed(reasons, f"{document['resourceType']}.status", order_id=order.id)
