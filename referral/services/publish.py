"""The FHIR side of every write: workflow rows become resources, in the transaction that wrote the rows.

No other module writes resources of the workflow. Managed elements are laid over what a client had put there.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from referral.domain import records
from referral.domain.answers import Answers
from referral.domain.audit import Actor
from referral.domain.codes import Channel
from referral.domain.gate import GateDecision
from referral.domain.outgoing import MessageKind
from referral.fhir import condition as condition_mapping
from referral.fhir import patient as patient_mapping
from referral.fhir import practitioner as practitioner_mapping
from referral.fhir import workflow
from referral.fhir.json import encode
from referral.fhir.overlay import overlay
from referral.storage import clinics, documents, orders, referrals, resources
from referral.storage.db import Session
from referral.storage.orders import NewRecommendation


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


def _who(actor: Actor) -> dict[str, Any]:
    """Staff, systems and portal visitors by identifier: none of them is a resource that we serve."""
    return workflow.DEFAULT.staff(actor.id)


def _requester(session: Session, requester: str | None) -> dict[str, Any]:
    if requester:
        return {"reference": requester}
    clinic = clinics.current(session)
    return {
        "type": "Organization",
        "identifier": workflow.DEFAULT.identifier("clinic", clinic.slug),
        "display": clinic.name,
    }


def _conditions(order_document: dict[str, Any]) -> list[str]:
    found = order_document.get("reasonReference")
    return (
        [str(item["reference"]) for item in found if item.get("reference")] if isinstance(found, list) else []
    )


# ---- People


def patient(session: Session, new: records.Patient, now: datetime) -> None:
    resources.create(session, [patient_mapping.to_fhir(new)], now)


def clinician(session: Session, new: records.Clinician, now: datetime) -> None:
    """Practice and person first: the role's row for people is made from all three."""
    documents_ = [practitioner_mapping.organization(new)] if new.organization_id else []
    documents_ += [practitioner_mapping.practitioner(new), practitioner_mapping.role(new)]
    resources.create(session, documents_, now)


# ---- Orders


def order(
    session: Session,
    new: records.Order,
    condition_ids: Iterable[str],
    document: dict[str, Any],
    now: datetime,
) -> None:
    """SR-I. Our own pages also get a Condition per indication; a client has sent its own."""
    refs = [f"Condition/{id}" for id in condition_ids] or _conditions(document)
    made = []
    if not document and not refs:
        made = [
            condition_mapping.to_fhir(
                str(uuid.uuid4()), patient_id=new.patient_id, indication=indication, recorded_at=now
            )
            for indication in new.indications
        ]
        refs = [f"Condition/{item['id']}" for item in made]
    managed = workflow.infusion_order(new, refs)
    resources.create(
        session, [*made, _laid_over(document, managed, ("reasonCode", "occurrenceDateTime", "code"))], now
    )


def _laid_over(document: dict[str, Any], managed: dict[str, Any], clients: tuple[str, ...]) -> dict[str, Any]:
    """The client's wording of `clients` elements stays as it is; everything else of ours wins."""
    kept = {name: value for name, value in managed.items() if name not in clients or name not in document}
    return overlay(document, _without_none(kept))


def order_asked(session: Session, order_id: str, request_ids: list[str], now: datetime) -> None:
    """The order points to the requests that were made for it."""
    current = resources.read(session, "ServiceRequest", order_id)
    info = list(current.document.get("supportingInfo") or [])
    info += [{"reference": f"ServiceRequest/{id}"} for id in request_ids]
    resources.amend(session, "ServiceRequest", order_id, {"supportingInfo": info}, now)


def order_changed(session: Session, order_id: str, decision: GateDecision, now: datetime) -> None:
    status = "active" if decision.open else "on-hold"
    resources.amend(session, "ServiceRequest", order_id, workflow.order_status(status, decision.reasons), now)


# ---- Requests


def referral(
    session: Session,
    actor: Actor,
    new: records.Referral,
    asked: records.Clinician,
    requester: str | None,
    document: dict[str, Any],
    now: datetime,
) -> None:
    """SR-R, Task-C, Task-Q and the Provenance that says who asked."""
    placed = orders.get(session, new.order_id)
    refs = _conditions(resources.read(session, "ServiceRequest", new.order_id).document)
    who = _requester(session, requester)
    request = _laid_over(
        document,
        workflow.recommendation_request(new, placed, asked, document.get("requester") or who, refs),
        ("reasonCode", "reasonReference", "requester"),
    )
    task = _without_none(workflow.coordination_task(new, who))
    asked_for = workflow.questionnaire_task(new, _questionnaire_task_id(new), who)
    targets = [f"ServiceRequest/{new.id}", f"Task/{new.task_id}"]
    made_by = workflow.provenance(str(uuid.uuid4()), targets, _who(actor), "author", now)
    resources.create(session, [request, task, asked_for, made_by], now)


def _questionnaire_task_id(row: records.Referral) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"questionnaire-task:{row.task_id}"))


def referral_changed(session: Session, changed: records.Referral, now: datetime) -> None:
    """Task-C and SR-R say what the row says; each gets a new version only where something differs."""
    status = workflow.task_status(changed) | {"lastModified": workflow.instant(now)}
    resources.amend(session, "Task", changed.task_id, status, now)
    request = resources.read(session, "ServiceRequest", changed.id)
    period = {"start": workflow.instant(changed.started_at), "end": workflow.instant(changed.due_at)}
    managed = {"status": workflow.request_status(changed), "occurrencePeriod": period}
    if any(request.document.get(name) != value for name, value in managed.items()):
        resources.amend(session, "ServiceRequest", changed.id, managed, now)


def message(
    session: Session,
    about: records.Referral,
    message_id: str,
    kind: MessageKind,
    channel: Channel,
    now: datetime,
) -> None:
    resources.create(session, [workflow.communication(about, message_id, kind, channel, now)], now)


def message_done(session: Session, message_id: str, now: datetime) -> None:
    resources.amend(session, "Communication", message_id, workflow.communication_done(now), now)


def message_failed(session: Session, message_id: str, reason: str, now: datetime) -> None:
    resources.amend(session, "Communication", message_id, workflow.communication_failed(reason), now)


# ---- Answers


def response(
    session: Session,
    actor: Actor,
    about: records.Referral,
    asked: records.Clinician,
    answers: Answers,
    document: dict[str, Any],
    now: datetime,
) -> str:
    """The QuestionnaireResponse, a client's own or ours; returns its id."""
    id = str(document.get("id") or uuid.uuid4())
    author = {"reference": f"PractitionerRole/{asked.id}"} if actor.kind == "portal" else _who(actor)
    managed = workflow.questionnaire_response(id, about, asked, answers, author, now)
    kept = ("item", "authored", "author", "source", "questionnaire", "status")
    resources.create(session, [_laid_over(document, managed, kept)], now)
    return id


def opinion(
    session: Session,
    actor: Actor,
    about: records.Referral,
    asked: records.Clinician,
    given: NewRecommendation,
    answers: Answers,
    now: datetime,
) -> bytes:
    """The decision Observation, a signed Provenance, and Task-Q completed; returns the answer as FHIR for the record."""
    observation = workflow.decision_observation(given.id, about, answers.decision, given.response_id, now)
    answered = resources.read(session, "QuestionnaireResponse", given.response_id)
    who = {"reference": f"PractitionerRole/{asked.id}", "display": asked.name}
    targets = [answered.reference, f"Observation/{given.id}", f"Task/{about.task_id}"]
    signed = workflow.provenance(
        str(uuid.uuid4()), targets, who, "author", now, signature=workflow.signature(who, now)
    )
    if actor.kind != "portal":
        signed["agent"].append(
            {"type": workflow.concept(workflow.PROVENANCE_AGENT, "enterer"), "who": _who(actor)}
        )
    resources.create(session, [observation, signed], now)
    output = {
        "type": workflow.concept(workflow.SDC_TEMPORARY, "questionnaire-response", "Questionnaire response"),
        "valueReference": {"reference": answered.reference},
    }
    managed = {"status": "completed", "lastModified": workflow.instant(now), "output": [output]}
    resources.amend(session, "Task", _questionnaire_task_id(about), managed, now)
    results = [
        {
            "type": workflow.concept(workflow.SDOHCC_TEMPORARY, "additional-content", "Additional content"),
            "valueReference": {"reference": reference},
        }
        for reference in (f"Observation/{given.id}", answered.reference)
    ]
    resources.amend(session, "Task", about.task_id, {"output": results}, now)
    entries = [{"resource": document} for document in (answered.document, observation, signed)]
    return encode(
        {"resourceType": "Bundle", "type": "collection", "timestamp": workflow.instant(now), "entry": entries}
    )


def opinion_voided(session: Session, actor: Actor, recommendation_id: str, cause: str, now: datetime) -> None:
    status = "entered-in-error" if cause == "entered-in-error" else "cancelled"
    resources.amend(session, "Observation", recommendation_id, {"status": status}, now)
    target = [f"Observation/{recommendation_id}"]
    activity = workflow.concept(workflow.DATA_OPERATION, "NULLIFY", "nullify", text=cause)
    made = workflow.provenance(str(uuid.uuid4()), target, _who(actor), "enterer", now, activity=activity)
    resources.create(session, [made], now)


def receipt(session: Session, referral_id: str, document_id: str, now: datetime) -> None:
    """The DocumentReference of the sealed record, as soon as its bytes exist."""
    about = referrals.get(session, referral_id)
    kept = documents.get(session, document_id)
    made = workflow.document_reference(
        document_id,
        about,
        base64.b64encode(hashlib.sha1(kept.content, usedforsecurity=False).digest()).decode(),
        len(kept.content),
        now,
    )
    resources.create(session, [made], now)
    task = resources.read(session, "Task", about.task_id).document
    output = {
        "type": workflow.concept(workflow.SDOHCC_TEMPORARY, "resulting-activity", "Resulting activity"),
        "valueReference": {"reference": f"DocumentReference/{document_id}"},
    }
    resources.amend(session, "Task", about.task_id, {"output": [*task.get("output", []), output]}, now)


def keep_words(session: Session, about: records.Referral, text: str, now: datetime) -> str:
    """A question or remark in the clinician's own words, encrypted; returns the document's id."""
    id = str(uuid.uuid4())
    documents.add(
        session,
        id=id,
        kind="words",
        content_type="text/plain; charset=utf-8",
        content=text.strip()[:4000].encode(),
        now=now,
        patient_id=about.patient_id,
        referral_id=about.id,
    )
    return id


# ---- Treatment


def consultation(
    session: Session,
    actor: Actor,
    placed: records.Order,
    held_at: datetime,
    document: dict[str, Any],
    now: datetime,
) -> str:
    """The Encounter of the initial consultation; returns its id."""
    id = str(document.get("id") or uuid.uuid4())
    managed = workflow.consultation(id, placed, held_at)
    resources.create(session, [_laid_over(document, managed, ("class", "type", "period"))], now)
    made = workflow.provenance(str(uuid.uuid4()), [f"Encounter/{id}"], _who(actor), "author", now)
    resources.create(session, [made], now)
    return id


def start(
    session: Session,
    actor: Actor,
    procedure_id: str,
    order_id: str,
    patient_id: str,
    document: dict[str, Any],
    started_at: datetime,
    now: datetime,
) -> None:
    managed = workflow.infusion(procedure_id, order_id, patient_id, started_at)
    kept = ("status", "code", "performedPeriod", "basedOn")
    if "performedDateTime" in document:
        managed.pop("performedPeriod")
    made = workflow.provenance(
        str(uuid.uuid4()), [f"Procedure/{procedure_id}"], _who(actor), "performer", now
    )
    resources.create(session, [_laid_over(document, managed, kept), made], now)
