"""Examines an installation: protections, drift between rows and published FHIR, the audit chain."""

from __future__ import annotations

from dataclasses import dataclass

from referral.services.check_templates import leaks
from referral.storage import audit, clinics, inspect, mode, orders, referrals, resources, subscriptions
from referral.storage.db import Session


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` False needs somebody; `text` is a sentence without personal data."""

    ok: bool
    text: str


def examine(session: Session) -> list[Finding]:
    """Everything that can be checked from inside, in one transaction; changes nothing."""
    missing = inspect.protections(session)
    findings = [Finding(False, sentence) for sentence in (*missing, *leaks())]
    if not missing:
        findings.append(
            Finding(True, "Roles, grants, row-level security, triggers and gate_start are in place.")
        )
    if not leaks():
        findings.append(Finding(True, "No mail, text, fax cover or envelope can tell who the patient is."))
    for clinic in clinics.every(session):
        session.enter_clinic(clinic.id)
        findings.extend(drift(session, clinic.slug))
        findings.append(_chain(session, clinic.slug))
        findings.append(_mode(session, clinic.slug))
    return findings


def drift(session: Session, slug: str) -> list[Finding]:
    """Workflow rows and the FHIR resources that publish them must say the same."""
    rows = referrals.find(session, limit=100_000)
    tasks = resources.find_many(session, (f"Task/{row.task_id}" for row in rows))
    wrong = []
    for row in rows:
        task = tasks.get(f"Task/{row.task_id}")
        if task is None or task.document.get("status") != row.status:
            wrong.append(row.number)
    found = orders.find(session, limit=100_000)
    requests = resources.find_many(session, (f"ServiceRequest/{order.id}" for order in found))
    for order in found:
        request = requests.get(f"ServiceRequest/{order.id}")
        if request is None or request.document.get("status") != order.status:
            wrong.append(order.id)
    living = subscriptions.living(session)
    published = resources.find_many(session, (f"Subscription/{row.id}" for row in living))
    for one in living:
        shown = published.get(f"Subscription/{one.id}")
        if shown is None or shown.document.get("status") != one.status:
            wrong.append(f"Subscription/{one.id}")
    if wrong:
        return [Finding(False, f"{slug}: rows and FHIR disagree for {', '.join(wrong[:10])}.")]
    return [
        Finding(
            True, f"{slug}: {len(rows)} requests and {len(found)} orders agree with their FHIR resources."
        )
    ]


def _chain(session: Session, slug: str) -> Finding:
    links, broken = audit.verify(session)
    if broken is not None:
        return Finding(False, f"{slug}: the audit chain is broken at position {broken}.")
    return Finding(True, f"{slug}: the audit chain holds over {links} entries.")


def _mode(session: Session, slug: str) -> Finding:
    state = mode.current(session)
    if not state.restoring:
        return Finding(True, f"{slug}: the clinic is open.")
    next_step = "reopen it on the page /restore" if state.reconciled else "run `referral reconcile`"
    return Finding(False, f"{slug}: closed after a restore (gate, dispatch and portal); {next_step}.")
