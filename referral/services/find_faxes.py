"""The fax inbox: what came in, its pages, the requests that it may belong to. Every look is audited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Decision
from referral.domain.errors import NotFound
from referral.domain.fax import IN_INBOX, ON_THE_WAY, WAITING, FaxState, digits_of
from referral.domain.listing import Page, View
from referral.services.find_orders import OrderState, States
from referral.services.follow_requests import Followed
from referral.services.note_shown import note_shown
from referral.services.take_fax import page_id
from referral.storage import accounts, audit, documents, faxes, recommendations, referrals
from referral.storage.db import Session
from referral.storage.documents import Document
from referral.storage.faxes import Fax
from referral.storage.lists import faxes as listed_faxes

_RECENT: Final = 6
_BY_NUMBER: Final = 6
FILTERS: Final[dict[str, tuple[FaxState, ...]]] = {
    "": (*IN_INBOX, *ON_THE_WAY),
    "waiting": WAITING,
    "done": (FaxState.TRANSCRIBED, FaxState.FILED),
    "dismissed": (FaxState.DISMISSED,),
}


class Why(StrEnum):
    """Why a request is offered. Never a name: two patients may have the same."""

    CODE = "code"
    NUMBER = "number"
    SENDER = "sender"
    RECENT = "recent"


@dataclass(frozen=True, slots=True)
class About:
    """A request with all that the pages say of it."""

    followed: Followed
    state: OrderState


@dataclass(frozen=True, slots=True)
class Candidate:
    why: Why
    about: About


@dataclass(frozen=True, slots=True)
class Listed:
    """`about` is the request of a fax that has one."""

    fax: Fax
    about: About | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaxView:
    """One fax: with its request, or with the requests that it may belong to.

    `decision` is the answer that the request has on record.
    """

    fax: Fax
    about: About | None
    candidates: tuple[Candidate, ...]
    handled_by: str
    decision: Decision | None


def list_faxes(session: Session, actor: Actor, view: View, now: datetime) -> Page[Listed]:
    """By a state of FILTERS, newest first unless otherwise asked; an unknown state is the inbox."""
    page = listed_faxes.listed(session, view, FILTERS, now)
    about = _about(session, {fax.referral_id for fax in page.rows if fax.referral_id}, now)
    listed = [Listed(fax, about.get(fax.referral_id or "")) for fax in page.rows]
    shown = (item.about.state.patient.id for item in listed if item.about)
    note_shown(session, actor, view.noted("faxes"), shown, list="faxes")
    return page.of(listed)


def _about(session: Session, ids: Iterable[str], now: datetime) -> dict[str, About]:
    """By the id of the request."""
    return {id: About(*found) for id, found in States(session, now).about(ids).items()}


def open_fax(session: Session, actor: Actor, fax_id: str, words: str, now: datetime) -> FaxView:
    """`words` is a request number that somebody typed, '' for none. Raises NotFound."""
    fax = faxes.get(session, fax_id)
    about = _about(session, [fax.referral_id], now).get(fax.referral_id) if fax.referral_id else None
    candidates = tuple(_candidates(session, fax, words, now)) if fax.state is FaxState.UNMATCHED else ()
    shown = [item.about.state.patient.id for item in candidates]
    shown += [about.state.patient.id] if about else []
    note_shown(session, actor, "fax", shown, fax=fax.id)
    users = accounts.get_users(session)
    return FaxView(
        fax=fax,
        about=about,
        candidates=candidates,
        decision=_decision(session, fax),
        handled_by=users[fax.handled_by].name if fax.handled_by in users else "",
    )


def _decision(session: Session, fax: Fax) -> Decision | None:
    answer = recommendations.find(session, referral_id=fax.referral_id) if fax.referral_id else None
    return Decision(answer.decision) if answer else None


def _candidates(session: Session, fax: Fax, words: str, now: datetime) -> Iterator[Candidate]:
    """By what is certain first: the code, the number that was typed, the sender's number on file."""
    why: dict[str, Why] = dict.fromkeys(fax.suggested, Why.CODE)
    if words.strip():
        for referral in referrals.find_by_number(session, words, _BY_NUMBER):
            why.setdefault(referral.id, Why.NUMBER)
    for clinician_id in faxes.clinicians_at(session, digits_of(fax.from_number)):
        for referral in referrals.find(session, clinician_id=clinician_id, is_open=True, limit=_BY_NUMBER):
            why.setdefault(referral.id, Why.SENDER)
    if not words.strip():
        for referral in referrals.find(session, is_open=True, limit=_RECENT):
            why.setdefault(referral.id, Why.RECENT)
    about = _about(session, why, now)
    for id, reason in why.items():
        if id in about:
            yield Candidate(reason, about[id])


def read_page(session: Session, actor: Actor, fax_id: str, number: int) -> Document:
    """The picture of one page, counted from 1. Raises NotFound; the look is recorded."""
    fax = faxes.get(session, fax_id)
    if not 1 <= number <= fax.pages:
        raise NotFound("There is no such page.")
    found = documents.get(session, page_id(fax.id, number))
    referral = referrals.find_by_id(session, fax.referral_id) if fax.referral_id else None
    entry = AuditEntry(
        action=Action.READ,
        subtype="fax-page",
        entity=f"DocumentReference/{fax.record_id or fax.document_id}",
        patient_id=referral.patient_id if referral else None,
        detail={"fax": fax.id, "page": str(number)},
    )
    audit.record(session, actor, entry)
    return found
