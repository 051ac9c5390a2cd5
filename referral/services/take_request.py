"""ServiceRequests of a client: infusion orders, requests for a recommendation, and everything else."""

from __future__ import annotations

from typing import Any, Final

from referral.domain.codes import RequestStatus
from referral.domain.errors import DuplicateRequest, InvalidInput, Issue, NotFound, TransitionRefused
from referral.domain.policy import Indication
from referral.domain.records import Order, Referral
from referral.fhir import request_reading as reading
from referral.fhir.condition import indications_from
from referral.fhir.elements import every, reference_id
from referral.fhir.service_request import is_infusion_order, is_recommendation_request
from referral.services.change_facts import void_uncovered
from referral.services.client_write import ClientWrite, refuse
from referral.services.close_referral import cancel_referral
from referral.services.end_order import end_order
from referral.services.find_performers import find_performers
from referral.services.refresh_gate import refresh_order
from referral.services.request_recommendation import (
    NewOrder,
    NewRequest,
    place_order,
    request_recommendation,
)
from referral.services.take_course import note_end, note_plan
from referral.storage import directory, orders, referrals, resources

_OF_ORDER: Final = (
    "status",
    "intent",
    "extension",
    "subject",
    "authoredOn",
    "reasonReference",
    "supportingInfo",
)
_OF_REQUEST: Final = (
    *("status", "intent", "identifier", "requisition", "subject", "authoredOn", "occurrencePeriod"),
    *("performer", "performerType", "supportingInfo", "category", "code"),
)
_ENDS: Final = frozenset({"revoked", "completed", "entered-in-error"})


def take_request(write: ClientWrite) -> None:
    """Start the workflow that the codes ask for; a change never moves what the gate counts on."""
    if write.current is None:
        _take_new(write)
        return
    order = orders.find_by_id(write.session, write.id)
    referral = referrals.find_by_id(write.session, write.id)
    if order is not None:
        _change_order(write, orders.get(write.session, order.id, lock=True))
    elif referral is not None:
        _change_request(write, referrals.get(write.session, referral.id, lock=True))
    elif is_infusion_order(write.document) or is_recommendation_request(write.document):
        refuse(
            "A request does not become another one; send it as a new ServiceRequest.", "ServiceRequest.code"
        )
    else:
        write.store()


def _take_new(write: ClientWrite) -> None:
    if is_recommendation_request(write.document):
        _ask(write)
    elif is_infusion_order(write.document):
        patient_id = _patient(write)
        _place(write, patient_id, _indications(write, patient_id), write.document)
    else:
        write.store()


# ---- New orders and requests


def _patient(write: ClientWrite) -> str:
    patient_id = reading.subject_id(write.document)
    if patient_id is None:
        refuse("Name the patient, as Patient/id of this server.", "ServiceRequest.subject", code="required")
    try:
        return directory.get_patient(write.session, patient_id).id
    except NotFound as error:
        raise InvalidInput(Issue(str(error), ("ServiceRequest.subject",), "not-found")) from error


def _indications(write: ClientWrite, patient_id: str) -> tuple[Indication, ...]:
    """Out of the Conditions and codes given as reasons; one that cannot be read may hide one."""
    document = write.document
    where = "ServiceRequest.reasonReference"
    if reading.unread_reasons(document):
        refuse("Give reasons as Conditions of this server, or as codes.", where)
    ids = reading.condition_ids(document)
    known = resources.find_many(write.session, [f"Condition/{id}" for id in ids])
    found: list[Indication] = []
    for place, id in enumerate(ids):
        stored = known.get(f"Condition/{id}")
        if stored is None:
            refuse(f"There is no Condition with id {id}.", f"{where}[{place}]", code="not-found")
        condition = stored.document
        if reference_id(condition.get("subject"), "Patient") != patient_id:
            refuse("This Condition is of another patient.", f"{where}[{place}]")
        found.extend(indications_from(condition))
    found.extend(reading.coded_reasons(document))
    return tuple({(i.system, i.code): i for i in found}.values())


def _place(
    write: ClientWrite, patient_id: str, indications: tuple[Indication, ...], document: dict[str, Any]
) -> Order:
    if not indications:
        text = "Say what it is for: a Condition in reasonReference, or an ICD-10-CM code in reasonCode."
        refuse(text, "ServiceRequest.reasonReference", code="required")
    new = NewOrder(
        patient_id=patient_id,
        indications=indications,
        planned_sessions=reading.planned_sessions(document),
        first_infusion_on=reading.first_infusion_on(document),
        document=document,
        condition_ids=reading.condition_ids(write.document),
    )
    placed = place_order(write.session, write.actor, new, write.now)
    note_plan(write, placed, document)
    return placed


def _ask(write: ClientWrite) -> None:
    patient_id = _patient(write)
    clinician_ids = find_performers(write)
    order = _order_named(write, patient_id) or _order_for(write, patient_id)
    requester = write.document.get("requester")
    new = NewRequest(
        order_id=order.id,
        clinician_ids=clinician_ids,
        document=write.document,
        requester=requester.get("reference") if isinstance(requester, dict) else None,
    )
    try:
        request_recommendation(write.session, write.actor, new, write.now)
    except DuplicateRequest as known:
        # A client knows requests by their ids, and can go on with this one.
        raise DuplicateRequest(
            f"{known} It is ServiceRequest/{known.referral_id}.", known.referral_id
        ) from known


def _order_named(write: ClientWrite, patient_id: str) -> Order | None:
    """The order in basedOn, or the first one in supportingInfo."""
    for name in ("basedOn", "supportingInfo"):
        for place, target in enumerate(every(write.document, name)):
            id = reference_id(target, "ServiceRequest")
            order = orders.find_by_id(write.session, id) if id else None
            if order is None and name == "basedOn":
                refuse("This is no infusion order of this clinic.", f"ServiceRequest.basedOn[{place}]")
            if order is not None and order.patient_id != patient_id:
                refuse("This infusion order is for another patient.", f"ServiceRequest.{name}[{place}]")
            if order is not None:
                return order
    return None


def _order_for(write: ClientWrite, patient_id: str) -> Order:
    """The patient's order with these indications, else a new one."""
    wanted = _indications(write, patient_id)
    keys = {(i.system, i.code) for i in wanted}
    in_use = orders.find(write.session, patient_id=patient_id)
    fitting = [order for order in in_use if keys <= {(i.system, i.code) for i in order.indications}]
    if fitting and (keys or len(fitting) == 1):
        return fitting[0]
    return _place(write, patient_id, wanted, {})


# ---- Changes


def _change_order(write: ClientWrite, order: Order) -> None:
    if not is_infusion_order(write.document):
        refuse(
            "An infusion order stays one; send something else as a new ServiceRequest.", "ServiceRequest.code"
        )
    _require_patient(write, order.patient_id)
    _add_indications(write, order)
    wanted = str(write.document.get("status"))
    if wanted != order.status:
        _end_order(write, order, wanted)
    else:
        note_plan(write, order, write.document)
    write.lay_over(*_OF_ORDER)


def _add_indications(write: ClientWrite, order: Order) -> None:
    """One more indication can close the gate; none can be taken away to open it."""
    given = _indications(write, order.patient_id)
    before = {(i.system, i.code) for i in order.indications}
    if given and not before <= {(i.system, i.code) for i in given}:
        text = "An indication cannot be taken off an order; revoke it and send a new one."
        raise TransitionRefused(text, "ServiceRequest.reasonReference")
    new = [i for i in given if (i.system, i.code) not in before]
    if new:
        orders.add_indications(write.session, order.id, new, len(order.indications))
        refs = [{"reference": f"Condition/{id}"} for id in reading.condition_ids(write.document)]
        if refs:
            resources.amend(write.session, "ServiceRequest", order.id, {"reasonReference": refs}, write.now)
        why = "The order has got an indication that the recommendation does not cover."
        every = (*order.indications, *new)
        void_uncovered(write.session, write.actor, order.id, every, why, write.now)
        refresh_order(write.session, write.actor, order.id, write.now)


def _end_order(write: ClientWrite, order: Order, wanted: str) -> None:
    """A course that has begun ends with its order; what a client says of the reason is kept."""
    if wanted not in _ENDS or order.status not in orders.USABLE:
        text = f"The gate sets the status of an infusion order, not the client: it is {order.status}."
        raise TransitionRefused(text, "ServiceRequest.status")
    end_order(write.session, write.actor, order.id, wanted, write.now)
    note_end(write, order, wanted)


def _change_request(write: ClientWrite, referral: Referral) -> None:
    _require_patient(write, referral.patient_id)
    before = write.current.document if write.current else {}
    wanted = write.document.get("status")
    if wanted != before.get("status"):
        if wanted not in (RequestStatus.REVOKED, RequestStatus.ENTERED_IN_ERROR) or not referral.is_open:
            text = "The status of a request follows its Task; a client can revoke it while it is open."
            raise TransitionRefused(text, "ServiceRequest.status")
        cancel_referral(
            write.session, write.actor, referral.id, referral.version, "cancelled-by-clinic", write.now
        )
    write.lay_over(*_OF_REQUEST)


def _require_patient(write: ClientWrite, patient_id: str) -> None:
    if reading.subject_id(write.document) != patient_id:
        raise TransitionRefused("A request is not moved to another patient.", "ServiceRequest.subject")
