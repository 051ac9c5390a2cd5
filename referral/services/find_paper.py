"""Letters on paper: what waits to be printed, and the batches with what became of their letters."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referral.domain.audit import Actor
from referral.domain.errors import NotFound
from referral.domain.ids import is_uuid
from referral.domain.listing import Page, View
from referral.domain.outgoing import WITH_NARRATIVE, MessageState
from referral.domain.records import Clinician, Patient, Referral
from referral.services.note_shown import note_shown
from referral.storage import directory, outbox, print_batches, referrals
from referral.storage.db import Session
from referral.storage.lists import plain
from referral.storage.outbox import Message
from referral.storage.print_batches import Batch, Item, PaperFate

# One batch is a stack of paper that a person can hold, and about a second of joining.
LARGEST: Final = 500
_RECENT: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter on paper with whom it goes to; `item` is its place in a batch, None while it is in none.
    `patient` is set where it goes to the patient.

    `wanted` is False where the request was answered or closed meanwhile: it must not be mailed.
    """

    message: Message
    referral: Referral
    clinician: Clinician
    patient: Patient | None = None
    item: Item | None = None

    @property
    def to(self) -> str:
        """Whose name stands in the window of the envelope."""
        if self.patient is not None:
            return self.patient.name
        return f"{self.clinician.name}, {self.clinician.credentials}".rstrip(", ")

    @property
    def address(self) -> tuple[str, ...]:
        return self.patient.address if self.patient is not None else self.clinician.address

    @property
    def narrative(self) -> bool:
        """It repeats what a clinician has answered, or what was measured: not for the front desk."""
        return self.message.kind in WITH_NARRATIVE

    @property
    def wanted(self) -> bool:
        return self.message.state is MessageState.BY_HAND

    @property
    def waits(self) -> bool:
        """For a person to print and mail it."""
        return self.wanted and self.item is not None and self.item.fate is PaperFate.WAITING

    @property
    def returned(self) -> bool:
        """It was mailed, and came back."""
        mailed = self.item is not None and self.item.fate is PaperFate.MAILED
        return mailed and self.message.state is MessageState.FAILED

    @property
    def may_return(self) -> bool:
        """It is in the mail, as far as anybody knows."""
        mailed = self.item is not None and self.item.fate is PaperFate.MAILED
        return mailed and self.message.state is MessageState.ACCEPTED

    @property
    def taken_out(self) -> bool:
        """It was in the batch and is not wanted any more."""
        if self.item is None:
            return False
        return self.item.fate is PaperFate.TAKEN_OUT or (
            self.item.fate is PaperFate.WAITING and not self.wanted
        )


@dataclass(frozen=True, slots=True)
class Pile:
    """What waits to be printed, and the newest batches with what became of their letters.

    `answers` of the letters that wait repeat narrative: they are batched apart, and not in `letters`.
    """

    letters: tuple[Letter, ...]
    count: int
    answers: tuple[Letter, ...]
    answers_count: int
    batches: tuple[tuple[Batch, dict[PaperFate, int]], ...]


@dataclass(frozen=True, slots=True)
class OpenedBatch:
    batch: Batch
    letters: tuple[Letter, ...]

    @property
    def waiting(self) -> tuple[Letter, ...]:
        return tuple(letter for letter in self.letters if letter.waits)

    @property
    def narrative(self) -> bool:
        """Whether it is for somebody who may read answers."""
        return any(letter.narrative for letter in self.letters)

    @property
    def mark(self) -> str:
        """Tells a page that shows these waiting letters from one that shows others."""
        ids = " ".join(str(letter.message.id) for letter in self.waiting)
        return hashlib.sha256(ids.encode()).hexdigest()[:32]


def find_pile(session: Session) -> Pile:
    """Names no patient, so it leaves no audit row of one."""
    found, answers = (
        letters_of(session, print_batches.waiting(session, LARGEST, narrative=narrative))
        for narrative in (False, True)
    )
    batches = print_batches.recent(session, _RECENT)
    fates = print_batches.fates(session, [batch.id for batch in batches])
    return Pile(
        tuple(found),
        print_batches.count_waiting(session, narrative=False),
        tuple(answers),
        print_batches.count_waiting(session, narrative=True),
        tuple((batch, fates[batch.id]) for batch in batches),
    )


def list_batches(
    session: Session, actor: Actor, view: View, now: datetime
) -> Page[tuple[Batch, dict[PaperFate, int]]]:
    """With what became of their letters. A page names no patient and leaves no audit row; a file does."""
    page = plain.batches(session, view, now)
    if view.export:
        note_shown(session, actor, view.noted("batches"), (), list="batches", rows=len(page.rows))
    fates = print_batches.fates(session, [batch.id for batch in page.rows])
    return page.of((batch, fates[batch.id]) for batch in page.rows)


def find_batch(session: Session, batch_id: str) -> OpenedBatch:
    """Raises NotFound, for another clinic's batch as well."""
    batch = get_batch(session, batch_id)
    items = print_batches.items(session, batch.id)
    by_id = {item.message_id: item for item in items}
    return OpenedBatch(batch, tuple(letters_of(session, by_id, by_id)))


def get_batch(session: Session, batch_id: str, *, lock: bool = False) -> Batch:
    """Raises NotFound; `lock` makes two people at one batch wait for each other."""
    found = print_batches.get(session, batch_id, lock=lock) if is_uuid(batch_id) else None
    if found is None:
        raise NotFound(f"There is no batch with id {batch_id}.")
    return found


def letters_of(
    session: Session, ids: Iterable[uuid.UUID], items: dict[uuid.UUID, Item] | None = None
) -> list[Letter]:
    """In the order of `ids`; with their places in a batch, if `items` has them."""
    wanted = list(ids)
    messages = outbox.get_many(session, wanted)
    about = referrals.find_many(session, {message.referral_id for message in messages.values()})
    people = directory.get_clinicians(session, {referral.clinician_id for referral in about.values()})
    patients = directory.get_patients(session, {m.patient_id for m in messages.values() if m.patient_id})
    return [
        Letter(
            message=messages[id],
            referral=about[messages[id].referral_id],
            clinician=people[about[messages[id].referral_id].clinician_id],
            patient=patients.get(messages[id].patient_id or ""),
            item=(items or {}).get(id),
        )
        for id in wanted
    ]
