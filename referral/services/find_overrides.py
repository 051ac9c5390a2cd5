"""Emergency access as people look at it: one request, the report, and what concerns whom today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import Role
from referral.domain.listing import Page, View
from referral.domain.override import DECIDE_WITHIN, OverrideCase
from referral.domain.records import Patient
from referral.services.find_orders import OrderState, States
from referral.services.note_shown import note_shown
from referral.storage import accounts, audit, directory, overrides
from referral.storage.db import Session
from referral.storage.lists import overrides as listed_overrides
from referral.storage.overrides import Counts

REPORT_DAYS: Final = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideView:
    """One request with the order as it stands now; `users` are names by id, the words are decrypted."""

    case: OverrideCase
    state: OrderState
    users: dict[str, str]
    reason: str
    note: str


def find_override(session: Session, actor: Actor, id: str, now: datetime) -> OverrideView:
    """Raises NotFound; the audit row names the patient."""
    case = overrides.get(session, id)
    state = States(session, now).find([case.order_id])[case.order_id]
    reason, note = overrides.words(session, id)
    entry = AuditEntry(
        action=Action.READ,
        subtype="override",
        entity=f"ServiceRequest/{case.order_id}",
        patient_id=case.patient_id,
        detail={"override": case.id},
    )
    audit.record(session, actor, entry)
    return OverrideView(case=case, state=state, users=names(session), reason=reason, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideReport:
    """One page of all requests, and the counts of the last 90 days."""

    cases: Page[OverrideCase]
    counts: Counts
    patients: dict[str, Patient]
    users: dict[str, str]


def report_overrides(session: Session, actor: Actor, view: View, now: datetime) -> OverrideReport:
    """Newest first unless another order is asked for."""
    page = listed_overrides.listed(session, view, now)
    ids = [case.patient_id for case in page.rows]
    note_shown(session, actor, view.noted("overrides"), ids, list="overrides")
    return OverrideReport(
        cases=page,
        counts=count_overrides(session, now),
        patients=directory.get_patients(session, set(ids)),
        users=names(session),
    )


def count_overrides(session: Session, now: datetime) -> Counts:
    """Of the last 90 days, and what waits for review."""
    return overrides.counts(session, now - timedelta(days=REPORT_DAYS), now)


def names(session: Session) -> dict[str, str]:
    """The clinic's people by id."""
    return {id: user.name for id, user in accounts.get_users(session).items()}


class Concern(StrEnum):
    """Why a request for emergency access is on somebody's Today board."""

    DECIDE = "decide"
    REVIEW = "review"
    WAITS = "waits"
    IN_FORCE = "in-force"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Emergency:
    """`since` is when it began to wait for this person."""

    concern: Concern
    case: OverrideCase
    state: OrderState
    since: datetime


def emergencies(session: Session, actor: Actor, states: States, now: datetime) -> list[Emergency]:
    """Newest first: a medical director decides and reviews, whoever asked follows."""
    found = [
        (concern, case)
        for case in overrides.current(session, now - DECIDE_WITHIN)
        if (concern := concern_of(case, actor, now)) is not None
    ]
    # A review is due after the order has ended, too.
    about = states.find(case.order_id for _, case in found)
    return [
        Emergency(concern, case, about[case.order_id], case.decided_at or case.requested_at)
        for concern, case in found
    ]


def concern_of(case: OverrideCase, actor: Actor, now: datetime) -> Concern | None:
    """What this request asks of this person, None for nothing."""
    own = case.requested_by == actor.id
    director = actor.role is Role.MEDICAL_DIRECTOR
    if case.waits(now):
        return Concern.WAITS if own else Concern.DECIDE if director else None
    if own:
        if case.in_force(now):
            return Concern.IN_FORCE
        return Concern.DECLINED if case.approved is False else None
    return Concern.REVIEW if director and case.to_review else None
