"""The FHIR side of every write: workflow rows become resources, in the transaction that wrote the rows.

No other module writes resources of the workflow, but for those named `publish_…` beside it. Managed
elements are laid over what a client had put there (docs/adr/0001).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from referral.domain import records
from referral.domain.answers import Answers
from referral.domain.audit import Actor
from referral.domain.codes import Channel, RequestStatus
from referral.domain.consent import Consented
from referral.domain.gate import GateDecision
from referral.domain.language import Language
from referral.domain.life import Cause, Standing
from referral.domain.outgoing import MessageKind, MessageState
from referral.domain.policy import Indication
from referral.fhir import answer as answer_mapping
from referral.fhir import communication as communication_mapping
from referral.fhir import condition as condition_mapping
from referral.fhir import consent as consent_mapping
from referral.fhir import encounter as encounter_mapping
from referral.fhir import patient as patient_mapping
from referral.fhir import practitioner as practitioner_mapping
from referral.fhir import procedure as procedure_mapping
from referral.fhir import questionnaire as questionnaire_mapping
from referral.fhir import service_request as request_mapping
from referral.fhir import task as task_mapping
from referral.fhir.elements import Ref, concept, instant
from referral.fhir.json import encode
from referral.fhir.overlay import overlay
from referral.fhir.provenance import Agent, provenance, signature
from referral.fhir.systems import DATA_OPERATION, DEFAULT
from referral.storage import clinics, documents, orders, recommendations, referrals, resources
from referral.storage.db import Session
from referral.storage.documents import Document
from referral.storage.recommendations import NewRecommendation

_CHOICES: Final = ("occurrence", "quantity", "performed", "asNeeded")
_NULLIFIED: Final = concept(DATA_OPERATION, "NULLIFY", "nullify")


def _new_id() -> str:
    return str(uuid.uuid4())


def _without_none(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


def _who(actor: Actor) -> Ref:
    """Staff, systems and portal visitors by identifier: none of them is a resource that we serve."""
    return DEFAULT.staff(actor.id)


def clinic_ref(session: Session) -> Ref:
    """The clinic by identifier: it is no Organization of this server."""
    clinic = clinics.current(session)
    return {
        "type": "Organization",
        "identifier": DEFAULT.identifier("clinic", clinic.slug),
        "display": clinic.name,
    }


def _condition_ids(document: dict[str, Any]) -> list[str]:
    """Ids of the Conditions that a stored ServiceRequest gives as its reasons."""
    found = document.get("reasonReference")
    references = [str(item.get("reference", "")) for item in found] if isinstance(found, list) else []
    return [
        reference.removeprefix("Condition/") for reference in references if reference.startswith("Condition/")
    ]


def _laid_over(document: dict[str, Any], managed: dict[str, Any], clients: tuple[str, ...]) -> dict[str, Any]:
    """The client's wording of `clients` elements stays as it is; everything else of ours wins.

    A choice such as occurrence[x] is one element, whatever its type.
    """
    given = {_element(name) for name in document}
    kept = {name: v for name, v in managed.items() if name not in clients or _element(name) not in given}
    replaced = {_element(name) for name in kept}
    rest = {name: v for name, v in document.items() if name in kept or _element(name) not in replaced}
    return overlay(rest, _without_none(kept))


def _joined(ours: Any, theirs: Any) -> list[Any] | None:
    """References of ours and then the client's others: a consent, a scale or a note that it sends along."""
    own, given = list(ours or []), list(theirs or [])
    named = {row.get("reference") for row in own}
    return [
        *own,
        *(row for row in given if not row.get("reference") or row["reference"] not in named),
    ] or None


def _element(name: str) -> str:
    """`occurrence` for occurrencePeriod; other names stay as they are."""
    return next((stem for stem in _CHOICES if name.startswith(stem)), name)


# ---- People


def patient(session: Session, new: records.Patient, now: datetime) -> None:
    """A patient whom the front desk entered; the row for people follows from it."""
    resources.create(session, [patient_mapping.to_fhir(new)], now)


def patient_telecom(session: Session, patient_id: str, telecom: list[dict[str, Any]], now: datetime) -> None:
    """How the patient is reached, as the front desk has learnt it; their contacts follow from it."""
    resources.amend(session, "Patient", patient_id, {"telecom": telecom or None}, now)


def consent(session: Session, said: Consented, source: str, now: datetime) -> None:
    """What the patient has said to the clinic, or on their own page; `source` says which."""
    made = consent_mapping.to_fhir(
        said.consent_id,
        said.patient_id,
        said.scope,
        said.decision,
        at=said.at,
        clinic=clinic_ref(session),
        source=source,
    )
    resources.create(session, [made], now)


def clinician(session: Session, new: records.Clinician, now: datetime) -> None:
    """Practice and person first: the role's row for people is made from all three."""
    documents_ = [practitioner_mapping.organization(new)] if new.organization_id else []
    documents_ += [practitioner_mapping.practitioner(new), practitioner_mapping.role(new)]
    resources.create(session, documents_, now)


def clinician_language(
    session: Session, practitioner_id: str, language: Language | None, now: datetime
) -> None:
    """What a clinician reads; the row for people follows from the Practitioner, whoever changes it."""
    person = resources.read(session, "Practitioner", practitioner_id).document
    spoken = practitioner_mapping.communication(person, language)
    resources.amend(session, "Practitioner", practitioner_id, {"communication": spoken}, now)


# ---- Orders


def order(
    session: Session,
    new: records.Order,
    condition_ids: Iterable[str],
    document: dict[str, Any],
    now: datetime,
) -> None:
    """SR-I. Our own pages also get a Condition per indication; a client has sent its own reasons."""
    ids = list(condition_ids) or _condition_ids(document)
    made = []
    if not document and not ids:
        made = [
            condition_mapping.to_fhir(
                _new_id(), patient_id=new.patient_id, indication=indication, recorded_at=now
            )
            for indication in new.indications
        ]
        ids = [item["id"] for item in made]
    managed = request_mapping.infusion_order(new, condition_ids=ids, requester=clinic_ref(session))
    clients = (
        "reasonCode",
        "reasonReference",
        "occurrenceTiming",
        "occurrenceDateTime",
        "code",
        "orderDetail",
    )
    resources.create(
        session, [*made, _laid_over(document, managed, (*clients, "requester", "authoredOn"))], now
    )


def order_asked(session: Session, order_id: str, request_ids: list[str], now: datetime) -> None:
    """The order points to the requests that were made for it."""
    current = resources.read(session, "ServiceRequest", order_id)
    info = list(current.document.get("supportingInfo") or [])
    info += [{"reference": f"ServiceRequest/{id}"} for id in request_ids]
    resources.amend(session, "ServiceRequest", order_id, {"supportingInfo": info}, now)


def indication_added(session: Session, placed: records.Order, indication: Indication, now: datetime) -> None:
    """One more reason for the order, as a Condition of the patient's."""
    made = condition_mapping.to_fhir(
        _new_id(), patient_id=placed.patient_id, indication=indication, recorded_at=now
    )
    resources.create(session, [made], now)
    reasons = list(resources.read(session, "ServiceRequest", placed.id).document.get("reasonReference") or [])
    changes = {"reasonReference": [*reasons, {"reference": f"Condition/{made['id']}"}]}
    resources.amend(session, "ServiceRequest", placed.id, changes, now)


def order_changed(session: Session, order_id: str, decision: GateDecision, now: datetime) -> None:
    """SR-I says what the gate says, and what it waits for."""
    waits_for = [state.requirement for state in decision.requirements if not state.satisfied]
    status = RequestStatus.ACTIVE if decision.open else RequestStatus.ON_HOLD
    resources.amend(
        session, "ServiceRequest", order_id, request_mapping.order_changes(status, waits_for), now
    )


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
    ids = _condition_ids(resources.read(session, "ServiceRequest", new.order_id).document)
    clinic = clinic_ref(session)
    who: Ref = {"reference": requester} if requester else document.get("requester") or clinic
    request = request_mapping.recommendation_request(
        new, asked, requester=who, condition_ids=ids, indications=placed.indications
    )
    request["supportingInfo"] = _joined(request.get("supportingInfo"), document.get("supportingInfo"))
    made = [
        _laid_over(document, request, ("reasonCode", "reasonReference", "authoredOn")),
        task_mapping.coordination_task(new, asked, modified_at=now, requester=clinic),
        task_mapping.questionnaire_task(
            _questionnaire_task_id(new), new, asked, modified_at=now, requester=clinic
        ),
        provenance(
            _new_id(),
            [f"ServiceRequest/{new.id}", f"Task/{new.task_id}"],
            [Agent("author", _who(actor), clinic)],
            recorded_at=now,
            patient_id=new.patient_id,
        ),
    ]
    resources.create(session, made, now)


def _questionnaire_task_id(row: records.Referral) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"questionnaire-task:{row.task_id}"))


def referral_changed(session: Session, changed: records.Referral, now: datetime) -> None:
    """Both Tasks and SR-R say what the row says; the request gets a new version only where it differs."""
    referrals_changed(session, [changed], now)


def referrals_changed(session: Session, changed: Sequence[records.Referral], now: datetime) -> None:
    """As referral_changed() for many, with a few statements in all."""
    tasks: dict[str, dict[str, Any]] = {}
    for row in changed:
        begun = row.identified_at
        tasks[row.task_id] = task_mapping.coordination_changes(row, modified_at=now, begun_at=begun)
        tasks[_questionnaire_task_id(row)] = task_mapping.questionnaire_changes(row, modified_at=now)
    resources.amend_many(session, "Task", tasks, now)
    stored = resources.find_many(session, [f"ServiceRequest/{row.id}" for row in changed])
    requests: dict[str, dict[str, Any]] = {}
    for row in changed:
        request = stored[f"ServiceRequest/{row.id}"].document
        changes = request_mapping.request_changes(row)
        if any(request.get(name) != value for name, value in changes.items()):
            requests[row.id] = changes
    resources.amend_many(session, "ServiceRequest", requests, now)


def message(
    session: Session,
    about: records.Referral,
    message_id: str,
    kind: MessageKind,
    channel: Channel,
    now: datetime,
) -> None:
    """The Communication of a message that has just been queued; it shares the message's id."""
    attempt = communication_mapping.Attempt(
        id=message_id, kind=kind, channel=channel, state=MessageState.QUEUED
    )
    made = communication_mapping.to_fhir(attempt, about, sender=clinic_ref(session))
    resources.create(session, [made], now)


def message_waits(session: Session, message_id: str, now: datetime) -> None:
    """It is to be sent again."""
    _message_changed(session, message_id, MessageState.QUEUED, now)


def messages_done(session: Session, message_ids: Iterable[str], now: datetime) -> None:
    """Handed over to their channels."""
    _messages_changed(session, message_ids, MessageState.ACCEPTED, now, sent_at=now)


def message_delivered(
    session: Session, message_id: str, now: datetime, *, sent_at: datetime, received_at: datetime
) -> None:
    """The channel says that it arrived."""
    times = {"sent_at": sent_at, "received_at": received_at}
    _message_changed(session, message_id, MessageState.DELIVERED, now, **times)


def message_failed(session: Session, message_id: str, reason: str, now: datetime) -> None:
    """`reason` is a technical sentence that names nobody."""
    _message_changed(session, message_id, MessageState.FAILED, now, failure_text=reason)


def message_cancelled(session: Session, message_id: str, now: datetime) -> None:
    """It will not be sent: no longer needed."""
    messages_cancelled(session, [message_id], now)


def messages_cancelled(session: Session, message_ids: Iterable[str], now: datetime) -> None:
    """They will not be sent: no longer needed."""
    _messages_changed(session, message_ids, MessageState.CANCELLED, now)


def _message_changed(
    session: Session, message_id: str, state: MessageState, now: datetime, **more: Any
) -> None:
    _messages_changed(session, [message_id], state, now, **more)


def _messages_changed(
    session: Session, message_ids: Iterable[str], state: MessageState, now: datetime, **more: Any
) -> None:
    attempt = communication_mapping.Attempt(
        id="", kind=MessageKind.REQUEST, channel=Channel.EMAIL, state=state, **more
    )
    changes = communication_mapping.changes(attempt)
    resources.amend_many(session, "Communication", dict.fromkeys(message_ids, changes), now)


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
    """The QuestionnaireResponse, a client's own or ours; returns its id.

    Source is the clinician; author is whoever keyed it in, so that a transcription stays visible.
    """
    id = str(document.get("id") or _new_id())
    source = f"PractitionerRole/{asked.id}"
    filled = questionnaire_mapping.Filled(
        id=id,
        referral_id=about.id,
        patient_id=about.patient_id,
        kind=asked.kind,
        answers=answers,
        source=source,
        author=source if actor.kind == "portal" else _who(actor),
        authored_at=now,
    )
    kept = ("item", "authored", "author", "source", "questionnaire", "status")
    resources.create(session, [_laid_over(document, questionnaire_mapping.response(filled), kept)], now)
    return id


def opinion(
    session: Session,
    actor: Actor,
    about: records.Referral,
    asked: records.Clinician,
    given: NewRecommendation,
    answers: Answers,
    now: datetime,
    *,
    filled_by: str = "",
) -> bytes:
    """The decision Observation and its signed Provenance; returns the answer as a Bundle for the record.

    A renewal is an Observation of its own, whose Provenance names the one that it repeats. `filled_by` names
    who has filled the form in for the clinician.
    """
    observation = answer_mapping.decision_observation(
        answer_mapping.Opinion(
            id=given.id,
            referral_id=about.id,
            patient_id=about.patient_id,
            clinician_id=asked.id,
            response_id=given.response_id,
            decision=answers.decision,
            answered_at=now,
            conditions=answers.text("conditions"),
            red_flags=given.red_flags,
        )
    )
    answered = resources.read(session, "QuestionnaireResponse", given.response_id)
    who: Ref = {"reference": f"PractitionerRole/{asked.id}", "display": asked.name}
    agents = [Agent("author", who)]
    if actor.kind != "portal":
        agents.append(Agent("enterer", _who(actor), clinic_ref(session)))
    if filled_by:
        agents.append(Agent("enterer", {"display": f"{filled_by}, for {asked.name}"}))
    targets = [answered.reference, f"Observation/{given.id}", f"Task/{about.task_id}"]
    kind = "author" if actor.kind == "portal" else "transcriptionist"
    signed = provenance(
        _new_id(),
        targets,
        agents,
        recorded_at=now,
        signatures=[signature(kind, who, at=now)],
        revision_of=f"Observation/{given.renews}" if given.renews else None,
        patient_id=about.patient_id,
    )
    resources.create(session, [observation, signed], now)
    outputs = [f"Observation/{given.id}", answered.reference]
    _output(session, about, _questionnaire_task_id(about), outputs, now)
    _output(session, about, about.task_id, outputs, now)
    entries = [{"resource": document} for document in (answered.document, observation, signed)]
    bundle = {"resourceType": "Bundle", "type": "collection", "timestamp": instant(now), "entry": entries}
    return encode(bundle)


def _output(
    session: Session, about: records.Referral, task_id: str, outputs: list[str], now: datetime
) -> None:
    """Only the outputs; the status follows when the row has moved."""
    changes = task_mapping.questionnaire_changes(about, modified_at=now, outputs=outputs)
    resources.amend(session, "Task", task_id, {"output": changes["output"]}, now)


def opinion_voided(session: Session, actor: Actor, voided: Standing, cause: Cause, now: datetime) -> None:
    """The Observation no longer stands; the Provenance says who took it back.

    What the clinician takes back is an amended answer as well.
    """
    before = resources.read(session, "Observation", voided.id)
    status = "entered-in-error" if cause is Cause.ENTERED_IN_ERROR else "cancelled"
    resources.amend(session, "Observation", voided.id, {"status": status}, now)
    if cause in (Cause.WITHDRAWN, Cause.AMENDED):
        resources.amend(session, "QuestionnaireResponse", voided.response_id, {"status": "amended"}, now)
    made = provenance(
        _new_id(),
        [before.reference],
        [Agent("enterer", _who(actor), clinic_ref(session))],
        recorded_at=now,
        activity={**_NULLIFIED, "text": cause.value},
        revision_of=f"{before.reference}/_history/{before.version}",
        patient_id=resources.patient_of(before.document),
    )
    resources.create(session, [made], now)


def letter_kept(
    session: Session,
    about: records.Referral,
    kept: Document,
    title: str,
    now: datetime,
    *,
    type: dict[str, Any] = answer_mapping.ANSWER_LETTER,
    author: Ref | None = None,
) -> None:
    """The DocumentReference of a request's own document, of the same id; Binary serves its bytes.

    Its author is the clinician who was asked, unless another is named.
    """
    described = answer_mapping.KeptDocument(
        id=kept.id,
        type=type,
        patient_id=about.patient_id,
        content_type=kept.content_type,
        size=len(kept.content),
        sha1=hashlib.sha1(kept.content, usedforsecurity=False).digest(),
        sha256=kept.sha256,
        created_at=now,
        title=title,
        referral_id=about.id,
    )
    made = answer_mapping.document_reference(
        described, author=author or f"PractitionerRole/{about.clinician_id}", custodian=clinic_ref(session)
    )
    resources.create(session, [made], now)


def receipt(session: Session, referral_id: str, document_id: str, now: datetime) -> None:
    """The DocumentReference of the sealed record, as soon as its bytes exist."""
    about = referrals.get(session, referral_id)
    given = recommendations.find(session, referral_id=referral_id)
    kept = documents.get(session, document_id)
    letter_kept(session, about, kept, f"Recommendation {about.number}", now)
    outputs = [f"Observation/{given.id}", f"QuestionnaireResponse/{given.response_id}"]
    _output(session, about, about.task_id, [*outputs, f"DocumentReference/{document_id}"], now)


def keep_words(
    session: Session, about: records.Referral, text: str, now: datetime, *, kind: str = "words"
) -> str:
    """A question or remark in somebody's own words, encrypted; returns the document's id."""
    id = _new_id()
    documents.add(
        session,
        id=id,
        kind=kind,
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
    id = str(document.get("id") or _new_id())
    clinic = clinic_ref(session)
    managed = encounter_mapping.consultation(id, placed, held_at=held_at, service_provider=clinic)
    made = _laid_over(document, managed, ("class", "type", "period", "serviceProvider"))
    signed = provenance(
        _new_id(),
        [f"Encounter/{id}"],
        [Agent("author", _who(actor), clinic)],
        recorded_at=now,
        patient_id=placed.patient_id,
    )
    resources.create(session, [made, signed], now)
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
    """The Procedure of a start that the database has let through."""
    managed = procedure_mapping.infusion(
        procedure_id, order_id=order_id, patient_id=patient_id, started_at=started_at
    )
    if "performedDateTime" in document:
        managed.pop("performedPeriod")
    made = _laid_over(document, managed, ("status", "code", "performedPeriod", "basedOn"))
    agents = [Agent("performer", _who(actor), clinic_ref(session))]
    targets = [f"Procedure/{procedure_id}"]
    signed = provenance(_new_id(), targets, agents, recorded_at=now, patient_id=patient_id)
    resources.create(session, [made, signed], now)
