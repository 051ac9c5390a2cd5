"""Consents of a client: those that this service acts on are acted on, every other one is stored as sent."""

from __future__ import annotations

from referral.domain.consent import ConsentDecision, Consented, ConsentScope
from referral.domain.errors import InvalidInput, Issue, NotFound, TransitionRefused
from referral.fhir.consent import decision_of, scopes_of
from referral.fhir.elements import reference_id
from referral.services.client_write import ClientWrite, refuse
from referral.services.keep_consent import hold_everything, note_consent
from referral.storage import consents, directory


def take_consent(write: ClientWrite) -> None:
    """Store it and let what it says follow; a Consent is not moved to another patient or another purpose."""
    scopes = scopes_of(write.document)
    _require_same(write, scopes)
    if not scopes:
        write.store()
        return
    patient_id = _patient(write)
    hold_everything(write.session, patient_id)
    decision = decision_of(write.document)
    write.store()
    for scope in sorted(scopes):
        _note(write, patient_id, scope, decision)


def _require_same(write: ClientWrite, scopes: frozenset[ConsentScope]) -> None:
    if write.current is None:
        return
    before = write.current.document
    known = scopes_of(before)
    if known and known != scopes:
        text = (
            "This Consent has been acted on; its category and purpose stay. Send what is new as another one."
        )
        raise TransitionRefused(text, "Consent.category")
    if known and before.get("patient") != write.document.get("patient"):
        raise TransitionRefused("A Consent is not moved to another patient.", "Consent.patient")


def _patient(write: ClientWrite) -> str:
    id = reference_id(write.document.get("patient"), "Patient")
    if id is None:
        refuse("Name the patient, as Patient/id of this server.", "Consent.patient", code="required")
    try:
        return directory.get_patient(write.session, id).id
    except NotFound as error:
        raise InvalidInput(Issue(str(error), ("Consent.patient",), "not-found")) from error


def _note(write: ClientWrite, patient_id: str, scope: ConsentScope, decision: ConsentDecision | None) -> None:
    session, last = write.session, consents.newest_word(write.session, write.id, scope)
    if decision is None:
        if last is not None:
            text = (
                "A Consent in force is no draft any more; inactive takes it back, entered-in-error unsays it."
            )
            raise TransitionRefused(text, "Consent.status")
        return
    if write.document.get("status") == "inactive" and _is_replaced(write, patient_id, scope):
        # Records end an old consent when a new one has taken its place: that is no refusal.
        decision = ConsentDecision.UNDONE
    if decision is last or (last is None and decision is ConsentDecision.UNDONE):
        return
    said = Consented(
        consent_id=write.id,
        patient_id=patient_id,
        scope=scope,
        decision=decision,
        made_by=write.actor.id,
        at=write.now,
    )
    outcome = note_consent(session, write.actor, said, write.now)
    if outcome.leaving:
        named = ", ".join(f"Communication/{id}" for id in outcome.leaving)
        write.warn(
            f"A message was being handed over at this moment and could not be called back: {named}. "
            "Nothing else goes out.",
            "Consent.provision",
        )


def _is_replaced(write: ClientWrite, patient_id: str, scope: ConsentScope) -> bool:
    held = consents.of_patients(write.session, [patient_id])[patient_id].get(scope)
    return held is not None and held.consent_id != write.id and held.decision is ConsentDecision.GRANTED
