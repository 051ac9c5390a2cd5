"""Applies to a restored database what the exported stream knows and the backup does not.

The stream holds ids and codes, so what was taken back can be taken back again, and what was made is lost: an
answer, a treatment start, a policy. Lost things are listed for people. No letter is written here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import POSITIVE, TaskStatus
from referral.domain.consent import ConsentDecision, ConsentScope
from referral.domain.life import Cause
from referral.domain.outgoing import WITH_LINK, MessageKind
from referral.domain.records import Bar
from referral.domain.referral import Event
from referral.services import publish
from referral.services.close_referral import close_referral
from referral.services.keep_consent import say_consent
from referral.services.raise_safety import settle_safety
from referral.services.refresh_gate import refresh_order
from referral.services.void_recommendation import void
from referral.storage import (
    audit,
    clinics,
    consents,
    contacts,
    directory,
    orders,
    recommendations,
    referrals,
    resources,
    restored,
    safety_tasks,
    standings,
)
from referral.storage.db import Session
from referral.storage.safety_events import SafetyEvent

ANSWER_LOST: Final = "answer-lost"


@dataclass(slots=True)
class Findings:
    """`done` counts what was applied, by kind; `lost` says in sentences what people have to do."""

    done: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    orders: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Work:
    session: Session
    actor: Actor
    now: datetime
    findings: Findings
    # Safety tasks of which the stream says what was done.
    seen_to: frozenset[str] = frozenset()


def reapply(session: Session, actor: Actor, events: Iterable[SafetyEvent], now: datetime) -> Findings:
    """Each event in the order in which it happened; what is as it should be already is left alone.

    What was sent comes first: its place is taken then, when a later step would queue the same message again.
    """
    kept = sorted(events, key=lambda event: event.kind != "sent")
    seen_to = frozenset(event.subject for event in kept if event.kind == "safety-settled")
    work = _Work(session, actor, now, Findings(), seen_to)
    for event in kept:
        apply = _APPLY.get(event.kind)
        if apply is not None:
            apply(work, event)
    for kind in restored.ENDED:
        ids = [event.subject for event in kept if event.kind == kind]
        work.findings.done[kind] += restored.end_accounts(session, kind, ids, now)
    ended = [event.subject for event in kept if event.kind == "link-ended"]
    work.findings.done["link-ended"] += restored.revoke_links(session, ended, now)
    for order_id in sorted(work.findings.orders):
        orders.get(session, order_id, lock=True)
        refresh_order(session, actor, order_id, now)
    return work.findings


def doubt_all(session: Session, actor: Actor, now: datetime) -> Findings:
    """Where nobody knows what happened after the backup: the medical director accepts each answer again."""
    work = _Work(session, actor, now, Findings())
    for order in orders.find(session, limit=100_000):
        for answer in orders.facts(session, order.id).facts.recommendations:
            if answer.voided or answer.decision not in POSITIVE or answer.review is False:
                continue
            reason = "After a restore nobody knows whether it was voided; accept it again if it was not."
            recommendations.remark(session, answer.id, "review", actor.id, reason, accepted=False)
            _note(work, "answer-doubted", f"Observation/{answer.id}", order.patient_id)
            work.findings.done["doubted"] += 1
            work.findings.orders.add(order.id)
    for order_id in sorted(work.findings.orders):
        refresh_order(session, actor, order_id, now)
    return work.findings


def _voided(work: _Work, event: SafetyEvent) -> None:
    """The clinician was told then; a notice that is queued by this is parked with everything that waits."""
    row = recommendations.find(work.session, id=event.subject)
    if row is None:
        return
    orders.get(work.session, row.order_id, lock=True)
    answers = standings.of_referral(work.session, row.referral_id)
    ended = [answer for answer in answers if answer.id == row.id and answer.is_living]
    reason = f"Voided on {_when(event)}, before the restore."
    void(work.session, work.actor, ended, Cause(event.detail["cause"]), reason, work.now)
    if ended:
        work.findings.done["voided"] += 1
        work.findings.orders.add(row.order_id)


def _reviewed(work: _Work, event: SafetyEvent) -> None:
    """A decline closes again; an acceptance is the medical director's to repeat."""
    row = recommendations.find(work.session, id=event.subject)
    if row is None:
        return
    found = orders.facts(work.session, row.order_id).facts.recommendations
    review = next((answer.review for answer in found if answer.id == row.id), None)
    if event.detail["accepted"] or review is False:
        return
    referrals.get(work.session, row.referral_id, lock=True)
    reason = f"Declined on {_when(event)}, before the restore."
    recommendations.remark(work.session, row.id, "review", work.actor.id, reason, accepted=False)
    referrals.note(work.session, row.referral_id, "declined", work.actor.id, work.now)
    _note(work, "answer-declined", f"Observation/{row.id}", row.patient_id)
    work.findings.done["declined"] += 1
    work.findings.orders.add(row.order_id)


def _answered(work: _Work, event: SafetyEvent) -> None:
    """The words of an answer are nowhere else: the request ends, and the clinic asks again."""
    if recommendations.find(work.session, id=event.subject) is not None:
        return
    referral = referrals.find_by_id(work.session, str(event.detail["referral_id"]))
    if referral is None:
        work.findings.lost.append(
            f"An answer ({event.detail['decision']}) of {_when(event)} to a request that is lost as well. "
            "Ask again if the patient still needs it."
        )
        return
    work.findings.lost.append(
        f"{referral.number}: answered ({event.detail['decision']}) on {_when(event)}; the answer is lost, "
        "ask again."
    )
    if referral.is_open:
        _close(work, referral.id, ANSWER_LOST)


def _closed(work: _Work, event: SafetyEvent) -> None:
    referral = referrals.find_by_id(work.session, event.subject)
    if referral is not None and referral.is_open:
        _close(
            work, referral.id, ANSWER_LOST if event.detail["status"] == TaskStatus.COMPLETED else "restored"
        )


def _close(work: _Work, referral_id: str, reason: str) -> None:
    """Links die and waiting messages stop; nobody is written to."""
    referral = referrals.get(work.session, referral_id, lock=True)
    close_referral(work.session, referral, Event.CANCEL, work.now, reason=reason)
    referrals.note(work.session, referral_id, "cancelled", work.actor.id, work.now, reason=reason)
    _note(work, "cancel", f"ServiceRequest/{referral_id}", referral.patient_id)
    work.findings.done["closed"] += 1
    work.findings.orders.add(referral.order_id)


def _sent(work: _Work, event: SafetyEvent) -> None:
    """It has left: whether the backup holds it as waiting or does not know it, it does not leave again."""
    detail, kind = event.detail, MessageKind(event.detail["kind"])
    referral = referrals.find_by_id(work.session, str(detail["referral_id"]))
    if referral is None:
        return
    if restored.finish_message(work.session, event.subject, event.at):
        publish.messages_done(work.session, [event.subject], event.at)
    elif not restored.has_contact(work.session, str(detail["contact_id"])) or not restored.put_sent(
        work.session, event.subject, referral.id, detail, event.at
    ):
        return
    work.findings.done["sent"] += 1
    facts = {"message": event.subject, "kind": kind, "channel": detail["channel"], "real": True}
    referrals.note(work.session, referral.id, "sent", work.actor.id, event.at, **facts)
    if referral.delivered_at is None and kind in WITH_LINK:
        changed = referrals.change(work.session, referral, delivered_at=event.at)
        publish.referral_changed(work.session, changed, work.now)


def _started(work: _Work, event: SafetyEvent) -> None:
    order = orders.find_by_id(work.session, str(event.detail["order_id"]))
    if order is not None and any(
        start.id == event.subject for start in orders.starts(work.session, order.id)
    ):
        return
    known = "" if order is not None else ", which is lost as well"
    work.findings.lost.append(
        f"Order {event.detail['order_id']}{known}: an infusion was started on {_when(event)} "
        f"(Procedure/{event.subject}, by user {event.detail['started_by']}); record it in the chart."
    )


def _policy(work: _Work, event: SafetyEvent) -> None:
    if int(event.subject) > clinics.policy_in_force(work.session)[0].version:
        work.findings.lost.append(
            f"Policy version {event.subject} of {_when(event)} is lost; enter it again before the "
            "clinic is reopened."
        )


def _order_ended(work: _Work, event: SafetyEvent) -> None:
    order = orders.find_by_id(work.session, event.subject)
    if order is None or order.status not in ("on-hold", "active"):
        return
    orders.get(work.session, order.id, lock=True)
    status = str(event.detail["status"])
    orders.set_status(work.session, order.id, status)
    resources.amend(work.session, "ServiceRequest", order.id, {"status": status}, work.now)
    _note(work, "order-ended", f"ServiceRequest/{order.id}", order.patient_id)
    work.findings.done["order-ended"] += 1


def _barred(work: _Work, event: SafetyEvent) -> None:
    """A call had found out that it reaches a stranger. Whoever has verified it since does so again."""
    if restored.has_contact(work.session, event.subject):
        contacts.bar(work.session, event.subject, Bar.WRONG_RECIPIENT, work.now)
        work.findings.done["contact-barred"] += 1


def _consented(work: _Work, event: SafetyEvent) -> None:
    """A no holds again; a yes is to be recorded again, since nothing of what it was about may be assumed."""
    scope, decision = ConsentScope(event.detail["scope"]), ConsentDecision(event.detail["decision"])
    session, id = work.session, event.subject
    if id not in directory.get_patients(session, [id]):
        return
    if decision is not ConsentDecision.WITHDRAWN:
        work.findings.lost.append(
            f"Patient {id}: a consent ({scope}) was recorded as {decision} on {_when(event)}; look at the "
            "patient's page and record it again if it holds."
        )
    elif not consents.has_withdrawn(session, id, scope):
        source = f"said on {_when(event)}, before the restore"
        say_consent(session, work.actor, id, scope, decision, source, work.now)
        work.findings.done["consent-withdrawn"] += 1


def _safety_raised(work: _Work, event: SafetyEvent) -> None:
    """The sign itself is nowhere else: whoever has not seen to it yet has to be told of it here."""
    if safety_tasks.find(work.session, event.subject) is None:
        rest = "write into the chart what was done" if event.subject in work.seen_to else "see to it now"
        work.findings.lost.append(
            f"Patient {event.detail['patient_id']}: a safety task of {_when(event)} is lost; {rest}."
        )


def _safety_settled(work: _Work, event: SafetyEvent) -> None:
    """Somebody has seen to it: nobody is paged again. The words are lost, and are asked for."""
    task = safety_tasks.find(work.session, event.subject)
    if task is None or task.settled_at is not None:
        return
    who, action = event.detail["settled_by"], str(event.detail["action"])
    note = f"Written down on {_when(event)} by user {who}, before the restore. The words are lost."
    settle_safety(work.session, work.actor, task.id, action, note, work.now)
    work.findings.done["safety-settled"] += 1
    work.findings.lost.append(
        f"Patient {task.patient_id}: what was done about a safety task ({action}) was written down on "
        f"{_when(event)} by user {who}; the words are lost, write them into the chart."
    )


def _when(event: SafetyEvent) -> str:
    return f"{event.at:%Y-%m-%d %H:%M} UTC"


def _note(work: _Work, what: str, entity: str, patient_id: str) -> None:
    entry = AuditEntry(action=Action.UPDATE, subtype=what, entity=entity, patient_id=patient_id)
    audit.record(work.session, work.actor, entry)


_APPLY: Final[dict[str, Callable[[_Work, SafetyEvent], None]]] = {
    "voided": _voided,
    "reviewed": _reviewed,
    "answered": _answered,
    "closed": _closed,
    "sent": _sent,
    "started": _started,
    "policy": _policy,
    "order-ended": _order_ended,
    "contact-barred": _barred,
    "consent": _consented,
    "safety-raised": _safety_raised,
    "safety-settled": _safety_settled,
}
