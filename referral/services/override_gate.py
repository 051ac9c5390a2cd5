"""Emergency access: one person asks, another approves or declines, the medical director looks at it later.

Each of the first two gives the password again (`accounts.confirm_password`); the database checks
the time, the roles, the two people, policy and gate once more (override_ask, override_decide in 0006).
Requests to outside clinicians go on: nothing here touches them (docs/adr/0009).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import OverrideReason
from referral.domain.errors import Forbidden, InvalidInput, Issue, TransitionRefused
from referral.domain.gate import GateDecision
from referral.domain.override import LEAST_WORDS, enough, tidy
from referral.services.publish_override import publish_override
from referral.services.refresh_gate import decision_of, refresh_gate
from referral.storage import audit, orders, overrides
from referral.storage.accounts import StaffSession
from referral.storage.db import Session

_LEAST_NOTE = 10
_MOST_WORDS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOverride:
    """As typed: `reason_code` is one of OverrideReason, `reason` at least 30 characters of text."""

    order_id: str
    reason_code: str
    reason: str


def check_words(new: NewOverride) -> None:
    """Raises InvalidInput for a reason that is missing or too short, before a password is asked for."""
    issues = []
    if new.reason_code not in set(OverrideReason):
        issues.append(Issue("Choose the reason.", ("reason_code",), "required"))
    if not enough(new.reason):
        text = f"Say in at least {LEAST_WORDS} characters why treatment cannot wait for the recommendation."
        issues.append(Issue(text, ("reason",), "required"))
    if issues:
        raise InvalidInput(*issues)


def ask_override(session: Session, actor: Actor, own: StaffSession, new: NewOverride) -> str:
    """Ask for emergency access to one order; returns the id of the request.

    Raises InvalidInput, TransitionRefused (off, not needed, not enough, asked already) and Forbidden.
    """
    check_words(new)
    order = orders.get(session, new.order_id, lock=True)
    id = str(uuid.uuid4())
    overrides.ask(
        session,
        actor,
        own.token_digest,
        id=id,
        order=order,
        reason_code=OverrideReason(new.reason_code),
        reason=tidy(new.reason)[:_MOST_WORDS],
    )
    return id


def decide_override(
    session: Session, actor: Actor, own: StaffSession, id: str, *, approve: bool, now: datetime
) -> GateDecision:
    """Approve or decline; returns the gate afterwards. The database sets the hour that an approval lasts.

    Raises Forbidden for whoever asked, and TransitionRefused for what is decided, past or needless by now.
    """
    case = overrides.get(session, id)
    order = orders.get(session, case.order_id, lock=True)
    if actor.id == case.requested_by:
        raise Forbidden(
            "Whoever asks for emergency access cannot decide about it. Another medical director has to."
        )
    before = decision_of(session, orders.facts(session, order.id), now)
    overrides.decide(session, actor, own.token_digest, id, approve=approve)
    if approve:
        publish_override(session, actor, order, case, before, now)
    return refresh_gate(session, actor, order.id, now)


def review_override(session: Session, actor: Actor, id: str, *, justified: bool | None, note: str) -> None:
    """What the medical director found afterwards, used or not; due 72 hours after the approval.

    Raises InvalidInput without an outcome and a text, Forbidden for whoever asked, TransitionRefused for what
    was not approved or has been reviewed.
    """
    issues = []
    if justified is None:
        issues.append(Issue("Was it justified?", ("outcome",), "required"))
    if len(tidy(note)) < _LEAST_NOTE:
        text = f"Write at least {_LEAST_NOTE} characters on what you found; they are kept with the record."
        issues.append(Issue(text, ("note",), "required"))
    if issues or justified is None:
        raise InvalidInput(*issues)
    case = overrides.get(session, id)
    if not case.approved:
        raise TransitionRefused("Only emergency access that was given is reviewed.")
    if actor.id == case.requested_by:
        raise Forbidden("Whoever asked for emergency access does not review it.")
    overrides.review(session, case, actor.id, justified=justified, note=tidy(note)[:_MOST_WORDS])
    entry = AuditEntry(
        action=Action.CREATE,
        subtype="override-reviewed",
        entity=f"ServiceRequest/{case.order_id}",
        patient_id=case.patient_id,
        detail={"override": case.id, "justified": justified},
    )
    audit.record(session, actor, entry)
