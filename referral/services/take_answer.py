"""A QuestionnaireResponse that answers a request joins the service that the portal uses."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from referral.domain.answers import check_answers
from referral.domain.codes import Strength
from referral.domain.errors import InvalidInput, Issue, TransitionRefused
from referral.domain.late_answer import CameBy
from referral.domain.records import Clinician, Referral
from referral.fhir.elements import every, reference_id
from referral.fhir.questionnaire import answers_from_response
from referral.services.client_write import ClientWrite, refuse
from referral.services.keep_late_answer import keep_late_answer, takes_late_answers
from referral.services.respond_to_referral import Response, respond
from referral.storage import directory, referrals
from referral.storage.db import Session


def take_answer(write: ClientWrite) -> None:
    """Answers the request that it is basedOn; a response to anything else is stored as it was sent.

    What a client sends counts as recorded by staff: nobody has proven to us who answered. Where there is an
    answer already, that one stands and this one is kept beside it.
    """
    referral = _request_behind(write.session, write.document)
    before = _request_behind(write.session, write.current.document) if write.current else None
    if before is not None or (referral is not None and write.current is not None):
        raise TransitionRefused(
            "An answer is not rewritten; the clinic voids it and a new one is sent.", "QuestionnaireResponse"
        )
    if referral is None:
        write.store()
        return
    clinician = directory.get_clinician(write.session, referral.clinician_id)
    _check_head(write.document, referral, clinician)
    today = write.now.astimezone(ZoneInfo(clinician.time_zone)).date()
    try:
        answers = check_answers(answers_from_response(write.document), clinician.kind, today)
    except InvalidInput as error:
        raise InvalidInput(*[_located(issue) for issue in error.issues]) from error
    # Held from here on: of two that answer at once the later one finds the first, and is kept beside it.
    referral = referrals.get(write.session, referral.id, lock=True)
    if takes_late_answers(referral):
        keep_late_answer(
            write.session,
            write.actor,
            referral,
            answers,
            CameBy.SYSTEM,
            write.now,
            document=write.document,
        )
        return
    response = Response(
        referral_id=referral.id,
        answers=answers,
        strength=Strength.RECORDED_BY_STAFF,
        selector=None,
        address=write.actor.address,
        document=write.document,
    )
    respond(write.session, write.actor, response, write.now)


def _request_behind(session: Session, document: dict[str, Any]) -> Referral | None:
    for target in every(document, "basedOn"):
        id = reference_id(target, "ServiceRequest")
        found = referrals.find_by_id(session, id) if id is not None else None
        if found is not None:
            return found
    return None


def _check_head(document: dict[str, Any], referral: Referral, clinician: Clinician) -> None:
    if document.get("status") not in ("completed", "amended"):
        refuse("Send the answer when it is completed.", "QuestionnaireResponse.status")
    if document.get("subject") is None:
        refuse("Say about whom it is.", "QuestionnaireResponse.subject", code="required")
    if reference_id(document.get("subject"), "Patient") != referral.patient_id:
        refuse("The answer is about another patient than the request.", "QuestionnaireResponse.subject")
    source = document.get("source")
    asked = (clinician.id, clinician.practitioner_id)
    if source is not None and reference_id(source, "PractitionerRole", "Practitioner") not in asked:
        refuse("The answer comes from somebody who was not asked.", "QuestionnaireResponse.source")


def _located(issue: Issue) -> Issue:
    where = tuple(f"QuestionnaireResponse.item.where(linkId='{link_id}')" for link_id in issue.expression)
    return Issue(issue.text, where, issue.code, issue.severity)
