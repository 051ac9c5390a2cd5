"""Recommendations and until when they count; a look leaves audit rows, and none of it is narrative."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from referral.domain.audit import Actor
from referral.domain.life import Standing
from referral.domain.listing import Page, View
from referral.domain.records import Clinician, Patient, Referral
from referral.services.note_shown import note_shown
from referral.storage import directory, referrals, standings
from referral.storage.db import Session
from referral.storage.lists import answers


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAnswer:
    answer: Standing
    referral: Referral
    patient: Patient
    clinician: Clinician


def list_recommendations(session: Session, actor: Actor, view: View, now: datetime) -> Page[ListedAnswer]:
    """Those that end within 30 days unless another state is asked for; what ends first comes first."""
    page = answers.listed(session, view, now)
    rows = list(_about(session, page.rows))
    note_shown(
        session, actor, view.noted("recommendations"), (r.patient.id for r in rows), list="recommendations"
    )
    return page.of(rows)


def _about(session: Session, found: tuple[tuple[str, str], ...]) -> Iterator[ListedAnswer]:
    asked = referrals.find_many(session, {referral_id for _, referral_id in found})
    given = standings.of_referrals(session, asked)
    by_id = {answer.id: answer for many in given.values() for answer in many}
    patients = directory.get_patients(session, {r.patient_id for r in asked.values()})
    people = directory.get_clinicians(session, {r.clinician_id for r in asked.values()})
    for id, referral_id in found:
        referral = asked[referral_id]
        yield ListedAnswer(
            answer=by_id[id],
            referral=referral,
            patient=patients[referral.patient_id],
            clinician=people[referral.clinician_id],
        )
