"""Which messages of a batch may still go out, and to whom: looked at before drawing and before sending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from referral.domain.consent import ConsentDecision, Consented, ConsentScope, has_agreed, stops
from referral.domain.contacts import should_turn
from referral.domain.credential import CODE_LIFETIME
from referral.domain.life import Standing
from referral.domain.outgoing import REPORTS, WHILE_STANDING, MessageKind, MessageState, makes_sense
from referral.domain.records import Bar, Contact, Patient
from referral.services import note_delivery, publish
from referral.services.prepare_message import Recipient
from referral.services.report_back import report_policy
from referral.storage import consents, contacts, directory, dispatch, standings
from referral.storage.db import Session
from referral.storage.dispatch import Change, Held
from referral.storage.outbox import Message

_GONE: Final = "this contact is no longer on file"
_NOBODY: Final = "nobody is reached at this address any more"
_SOMEBODY_ELSE: Final = "this contact reaches somebody else"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message that makes sense, and to whom it goes."""

    message: Message
    to: Recipient


@dataclass(frozen=True, slots=True)
class Lost:
    """A message that cannot go to its contact any more, and why."""

    held: Held
    reason: str


@dataclass(frozen=True, slots=True)
class Sorted:
    """`senseless` are those that nobody needs any more, `lost` those whose contact is not to be used."""

    wanted: list[Wanted] = field(default_factory=list)
    senseless: list[Held] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)


def sort(session: Session, batch: Sequence[Held], now: datetime) -> Sorted:
    """Looks only. With the requests locked, what it finds holds until the transaction ends.

    A patient's no holds everything back: it is written by whoever holds all orders of the patient, and each
    message here holds its own (services/keep_consent).
    """
    clinicians = directory.get_clinicians(session, {held.referral.clinician_id for held in batch})
    said = consents.of_patients(session, (held.referral.patient_id for held in batch))
    reports = any(held.message.kind in REPORTS for held in batch)
    needs = reports and report_policy(session).needs_consent
    patients = _patients_written_to(session, batch)
    asked = {held.referral.id for held in batch if held.message.kind in WHILE_STANDING}
    answers = standings.of_referrals(session, asked)
    found = Sorted()
    for held in batch:
        given = answers.get(held.referral.id, [])
        refused = _refuses(said[held.referral.patient_id], held.message.kind, needs=needs)
        if refused or not _makes_sense(held, given, now):
            found.senseless.append(held)
            continue
        clinician = clinicians[held.referral.clinician_id]
        patient, of_patient = patients.get(held.message.patient_id or "", (None, ()))
        on_file = clinician.contacts if patient is None else of_patient
        contact = next((c for c in on_file if c.id == held.message.contact_id), None)
        if contact is None:
            found.lost.append(Lost(held, _GONE))
        elif contact.barred_for is Bar.WRONG_RECIPIENT:
            found.lost.append(Lost(held, _SOMEBODY_ELSE))
        elif should_turn(on_file, contact, held.message.kind, held.message.created_at):
            found.lost.append(Lost(held, _NOBODY))
        else:
            to = Recipient(held.referral, clinician, contact, given, patient)
            found.wanted.append(Wanted(held.message, to))
    return found


def _refuses(said: Mapping[ConsentScope, Consented], kind: MessageKind, *, needs: bool) -> bool:
    """Where the clinic needs a consent for reports, one that was taken back as an error holds them, too."""
    withdrawn = {scope for scope, word in said.items() if word.decision is ConsentDecision.WITHDRAWN}
    lacks = needs and kind in REPORTS and not has_agreed(said.get(ConsentScope.RECOMMENDER))
    return lacks or stops(kind, withdrawn)


def _patients_written_to(
    session: Session, batch: Sequence[Held]
) -> dict[str, tuple[Patient, tuple[Contact, ...]]]:
    ids = {held.message.patient_id for held in batch if held.message.patient_id is not None}
    if not ids:
        return {}
    on_file = contacts.of_patients(session, ids)
    return {id: (patient, on_file[id]) for id, patient in directory.get_patients(session, ids).items()}


def _makes_sense(held: Held, answers: Iterable[Standing], now: datetime) -> bool:
    kind = held.message.kind
    if kind is MessageKind.IDENTITY_CODE and now - held.message.created_at >= CODE_LIFETIME:
        return False
    stands = kind in WHILE_STANDING and standings.is_standing(answers)
    return makes_sense(kind, is_open=held.referral.is_open, stands=stands)


def cancel(session: Session, messages: Sequence[Message], now: datetime) -> None:
    """They make no sense any more. The caller holds their requests and their newest claims."""
    changes = [Change(m, m._replace(state=MessageState.CANCELLED, finished_at=now)) for m in messages]
    dispatch.write(session, changes)
    publish.messages_cancelled(session, [str(message.id) for message in messages], now)


def end_lost(session: Session, batch: Iterable[Lost], now: datetime) -> None:
    """Each goes another way at once where there is one."""
    for lost in batch:
        note_delivery.ended(session, lost.held.message, MessageState.FAILED, lost.reason, now)
