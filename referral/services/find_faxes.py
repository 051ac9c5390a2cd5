"""The fax inbox: what came in, its pages, the requests that it may belong to. Every look is audited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Decision
from referral.domain.errors import NotFound
from referral.domain.fax import IN_INBOX, ON_THE_WAY, WAITING, FaxState, digits_of
from referral.domain.listing import Page, View
from referral.domain.records import Referral
from referral.services.find_orders import OrderState, states_of
from referral.services.follow_requests import Followed
from referral.services.note_shown import note_shown
from referral.services.take_fax import page_id
from referral.storage import accounts, audit, documents, faxes, orders, recommendations, referrals
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
    ids = {str(fax.referral_id) for fax in page.rows if fax.referral_id}
    with_request = _about(session, referrals.find_many(session, ids), now)
    about = {item.followed.referral.id: item for item in with_request}
    listed = [Listed(fax, about.get(fax.referral_id or "")) for fax in page.rows]
    shown = (item.about.state.patient.id for item in listed if item.about)
    note_shown(session, actor, view.noted("faxes"), shown, list="faxes")
    return page.of(listed)


def _about(session: Session, found: dict[str, Referral], now: datetime) -> list[About]:
    """In the order of `found`."""
    placed = orders.get_many(session, {referral.order_id for referral in found.values()})
    states = states_of(session, placed.values(), now)
    by_id = {f.referral.id: About(f, state) for state in states for f in state.requests}
    return [by_id[id] for id in found if id in by_id]


def open_fax(session: Session, actor: Actor, fax_id: str, words: str, now: datetime) -> FaxView:
    """`words` is a request number that somebody typed, '' for none. Raises NotFound."""
    fax = faxes.get(session, fax_id)
    own = referrals.find_many(session, [fax.referral_id]) if fax.referral_id else {}
    about = next(iter(_about(session, own, now)), None)
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
    found = referrals.find_many(session, fax.suggested)
    kept = {id: found[id] for id in fax.suggested if id in found}
    if words.strip():
        for referral in referrals.find_by_number(session, words, _BY_NUMBER):
            why.setdefault(referral.id, Why.NUMBER)
            kept.setdefault(referral.id, referral)
    for clinician_id in faxes.clinicians_at(session, digits_of(fax.from_number)):
        for referral in referrals.find(session, clinician_id=clinician_id, is_open=True, limit=_BY_NUMBER):
            why.setdefault(referral.id, Why.SENDER)
            kept.setdefault(referral.id, referral)
    if not words.strip():
        for referral in referrals.find(session, is_open=True, limit=_RECENT):
            why.setdefault(referral.id, Why.RECENT)
            kept.setdefault(referral.id, referral)
    for about in _about(session, kept, now):
        yield Candidate(why[about.followed.referral.id], about)


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
