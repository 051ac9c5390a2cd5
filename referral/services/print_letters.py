"""Letters that people print and mail: batches are made, printed, confirmed (docs/adr/0020).

A batch holds ids and digests; what is printed are the stored bytes. A letter counts as handed over on the day
on which a person says that it is in the mail.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from referral.channels import print_batch
from referral.channels.print_batch import Sheets
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import Forbidden, InvalidInput, Issue, NotFound, StaleVersion, TransitionRefused
from referral.domain.outgoing import WHILE_STANDING, MessageState, makes_sense
from referral.letters.content import Manifest, ManifestRow
from referral.services import note_delivery, publish
from referral.services.find_paper import LARGEST, Letter, OpenedBatch, find_batch, get_batch, letters_of
from referral.services.note_shown import note_shown
from referral.storage import audit, clinics, documents, mode, outbox, print_batches, referrals, standings
from referral.storage.db import Session, hold
from referral.storage.print_batches import Batch, Item, PaperFate

# What is said to who may not read answers.
FOR_CLINICAL_STAFF: Final = "These letters repeat what clinicians have answered. Clinical staff print them."


class ManifestRenderer(Protocol):
    """What this service needs of letters.render.Renderer."""

    def manifest(self, manifest: Manifest) -> Drawn: ...


class Drawn(Protocol):
    @property
    def pdf(self) -> bytes: ...


def make_batch(
    session: Session, actor: Actor, batch_id: str, now: datetime, *, narrative: bool = False
) -> Batch:
    """Of all that waits, at most 500 letters: those with narrative, or the others.

    The same id twice gives the same batch. What is not wanted any more ends here. Refuses where
    nothing waits.
    """
    _refuse_while_restoring(session)
    hold(session, "print")
    made = print_batches.get(session, batch_id)
    if made is not None:
        return made
    found = letters_of(session, print_batches.waiting(session, LARGEST, narrative=narrative))
    for letter in found:
        _end_unwanted(session, letter, now)
    wanted = [letter for letter in letters_of(session, [one.message.id for one in found]) if letter.wanted]
    if not wanted:
        raise TransitionRefused("Nothing waits to be printed.", "Communication.status")
    batch = print_batches.add(session, batch_id, actor.id, _in_order(session, wanted), now)
    _record(session, actor, "make-print-batch", batch, letters=len(wanted))
    return batch


def _refuse_while_restoring(session: Session) -> None:
    """Paper is held back like everything that leaves (`referral restore-mode`)."""
    if mode.is_restoring(session):
        text = (
            "The clinic is closed after a restore: what waits here may be in the mail already. Nothing is "
            "printed until it is reopened."
        )
        raise TransitionRefused(text, "operating-mode")


def _end_unwanted(session: Session, letter: Letter, now: datetime) -> None:
    """Most endings have stopped it already; a question about an answer is asked no more once it is void."""
    message = letter.message
    stands = message.kind in WHILE_STANDING and standings.stands(session, letter.referral.id)
    if makes_sense(message.kind, is_open=letter.referral.is_open, stands=stands):
        return
    referrals.get(session, letter.referral.id, lock=True)
    if outbox.end_waiting(session, message.id, MessageState.CANCELLED, finished_at=now):
        publish.messages_cancelled(session, [str(message.id)], now)


def _in_order(session: Session, letters: Iterable[Letter]) -> list[Item]:
    by_key = {str(letter.message.id): letter for letter in letters}
    stored = documents.get_many(session, {str(one.message.envelope_id) for one in by_key.values()})
    sorted_ = print_batch.in_mailing_order(
        Sheets(
            key,
            print_batch.count_pages(stored[str(letter.message.envelope_id)].content),
            print_batch.postal_code(" ".join(letter.address)),
        )
        for key, letter in by_key.items()
    )
    return [
        Item(
            message_id=by_key[sheets.key].message.id,
            place=place,
            document_id=str(by_key[sheets.key].message.envelope_id),
            sha256=stored[str(by_key[sheets.key].message.envelope_id)].sha256,
            pages=sheets.pages,
            postal_code=sheets.postal_code,
        )
        for place, sheets in enumerate(sorted_, 1)
    ]


def print_letters(
    session: Session,
    actor: Actor,
    batch_id: str,
    renderer: ManifestRenderer,
    now: datetime,
    *,
    may_read_answers: bool = False,
) -> tuple[Batch, bytes]:
    """One PDF: the list on top, then each letter that still waits, on sheets of its own.

    The same bytes each time, but for letters that were taken out, put back or mailed in between. Forbidden
    where one of them repeats narrative and `may_read_answers` is not given (docs/adr/0038).
    """
    _refuse_while_restoring(session)
    opened = _locked(session, batch_id)
    _refuse_narrative(opened.letters, may_read_answers=may_read_answers)
    _take_out(session, actor, opened, now)
    waiting = opened.waiting
    if not waiting:
        raise TransitionRefused("Nothing of this batch waits to be printed.", "Communication.status")
    bodies = _stored(session, waiting)
    manifest = renderer.manifest(_manifest(session, opened.batch, waiting)).pdf
    if opened.batch.printed_at is None:
        print_batches.stamp(session, opened.batch.id, printed_at=now)
    note_shown(session, actor, "print-batch", (one.referral.patient_id for one in waiting))
    return opened.batch, print_batch.join([manifest, *bodies], f"Batch {opened.batch.number}")


def _refuse_narrative(letters: Iterable[Letter], *, may_read_answers: bool) -> None:
    if not may_read_answers and any(letter.narrative for letter in letters):
        raise Forbidden(FOR_CLINICAL_STAFF)


def print_one(
    session: Session, actor: Actor, batch_id: str, message_id: str, *, may_read_answers: bool = False
) -> bytes:
    """The stored bytes of one letter that still waits, for one that jammed; Forbidden as its batch is."""
    _refuse_while_restoring(session)
    opened = _locked(session, batch_id)
    letter = _one(opened, message_id)
    _refuse_narrative((letter,), may_read_answers=may_read_answers)
    (body,) = _stored(session, (letter,))
    note_shown(session, actor, "print-letter", (letter.referral.patient_id,))
    return body


def put_back(session: Session, actor: Actor, batch_id: str, message_id: str, now: datetime) -> None:
    """Not mailed: it waits for another batch."""
    opened = _locked(session, batch_id)
    letter = _one(opened, message_id)
    print_batches.decide(session, batch_id, [letter.message.id], PaperFate.PUT_BACK, (actor.id, now))
    referrals.note(session, letter.referral.id, "put-back", actor.id, now, message=str(letter.message.id))
    _take_out(session, actor, opened, now)
    _record(session, actor, "put-back-letter", opened.batch, message=str(letter.message.id))
    _close_when_done(session, batch_id, now)


def confirm_mailed(session: Session, actor: Actor, batch_id: str, seen: str, now: datetime) -> int:
    """A person has mailed what waited on the page (`seen` is its mark); returns how many letters it were.

    Each counts as handed over now, which is day 0 of a request that had not been delivered. Refuses
    (StaleVersion) where the page showed other letters than those that wait: one was taken out or put back.
    """
    _locked(session, batch_id)
    opened = _hold_requests(session, batch_id)
    _take_out(session, actor, opened, now)
    waiting = opened.waiting
    if not waiting:
        raise TransitionRefused("Nothing of this batch waits for you.", "Communication.status")
    if opened.batch.printed_at is None:
        raise TransitionRefused("This batch has not been printed yet.", "Communication.status")
    if seen != opened.mark:
        raise StaleVersion(
            "This batch has changed since the page was opened. Look what was taken out, and try again."
        )
    for letter in waiting:
        _mailed(session, actor, opened.batch, letter, now)
    ids = [letter.message.id for letter in waiting]
    print_batches.decide(session, batch_id, ids, PaperFate.MAILED, (actor.id, now))
    _record(session, actor, "mail-print-batch", opened.batch, letters=len(ids))
    _close_when_done(session, batch_id, now)
    return len(ids)


def _mailed(session: Session, actor: Actor, batch: Batch, letter: Letter, now: datetime) -> None:
    item, message = letter.item, letter.message
    reference = f"batch {batch.number}, letter {item.place}" if item else None
    values = {"sent_for_real": True, "finished_at": now, "provider_reference": reference}
    if outbox.end_waiting(session, message.id, MessageState.ACCEPTED, **values):
        note_delivery.accepted(session, message, now, is_real=True)
        referrals.note(session, letter.referral.id, "mailed", actor.id, now, message=str(message.id))


def _hold_requests(session: Session, batch_id: str) -> OpenedBatch:
    """All requests of the batch, in one order, so that none is answered while it is being confirmed."""
    opened = find_batch(session, batch_id)
    for id in sorted({letter.referral.id for letter in opened.letters if letter.waits}):
        referrals.get(session, id, lock=True)
    return find_batch(session, batch_id)


def _take_out(session: Session, actor: Actor, opened: OpenedBatch, now: datetime) -> None:
    """Note for good what was answered or closed meanwhile."""
    gone = [
        letter
        for letter in opened.letters
        if letter.taken_out and letter.item and letter.item.fate is PaperFate.WAITING
    ]
    if gone:
        ids = [letter.message.id for letter in gone]
        print_batches.decide(session, opened.batch.id, ids, PaperFate.TAKEN_OUT, (actor.id, now))


def _close_when_done(session: Session, batch_id: str, now: datetime) -> None:
    if not any(item.fate is PaperFate.WAITING for item in print_batches.items(session, batch_id)):
        print_batches.stamp(session, batch_id, closed_at=now)


def close_batch(session: Session, actor: Actor, batch_id: str, now: datetime) -> None:
    """End a batch of which everything was taken out."""
    opened = _locked(session, batch_id)
    if opened.waiting:
        raise TransitionRefused("Letters of this batch still wait for you.", "Communication.status")
    _take_out(session, actor, opened, now)
    _record(session, actor, "close-print-batch", opened.batch)
    _close_when_done(session, batch_id, now)


def _locked(session: Session, batch_id: str) -> OpenedBatch:
    """Two people at one batch wait for each other."""
    get_batch(session, batch_id, lock=True)
    return find_batch(session, batch_id)


def _one(opened: OpenedBatch, message_id: str) -> Letter:
    found = next((one for one in opened.letters if str(one.message.id) == message_id), None)
    if found is None:
        raise NotFound(f"There is no letter with id {message_id} in this batch.")
    if not found.waits:
        raise TransitionRefused("This letter does not wait to be mailed any more.", "Communication.status")
    return found


def _stored(session: Session, letters: Iterable[Letter]) -> list[bytes]:
    """The bytes that were stored, in the same order; a document that is not what was batched is an error."""
    items = [letter.item for letter in letters if letter.item is not None]
    found = documents.get_many(session, {item.document_id for item in items})
    for item in items:
        if found[item.document_id].sha256 != item.sha256:
            raise InvalidInput(Issue("A stored letter has changed; put it back and tell us.", ("batch",)))
    return [found[item.document_id].content for item in items]


def _manifest(session: Session, batch: Batch, letters: Iterable[Letter]) -> Manifest:
    clinic = clinics.current(session)
    return Manifest(
        number=batch.number,
        clinic_name=clinic.letterhead["neutral_name"],
        made_at=batch.created_at,
        time_zone=ZoneInfo(clinic.time_zone),
        rows=tuple(
            ManifestRow(
                place=letter.item.place,
                recipient=letter.to,
                postal_code=letter.item.postal_code,
                request_number=letter.referral.number,
                sheets=letter.item.sheets,
                flat=letter.item.sheets > print_batch.SHEETS_OF_AN_ENVELOPE,
            )
            for letter in letters
            if letter.item is not None
        ),
    )


def _record(session: Session, actor: Actor, what: str, batch: Batch, **detail: str | int) -> None:
    entry = AuditEntry(
        action=Action.EXECUTE, subtype=what, entity=f"print-batch/{batch.id}", detail={**detail}
    )
    audit.record(session, actor, entry)
