"""The FHIR side of a report: its sealed PDF and its FHIR document, each behind a DocumentReference."""

from __future__ import annotations

from datetime import datetime

from referral.fhir.course_report import type_of
from referral.services.prepare_message import bundle_of
from referral.services.publish import clinic_ref, letter_kept
from referral.storage import course_reports, documents, referrals
from referral.storage.db import Session
from referral.storage.outbox import Message

_NAMES = {"application/pdf": "Report", "application/fhir+json": "Report as FHIR document"}


def report_drawn(session: Session, message: Message, letter_id: str, now: datetime) -> None:
    """As soon as its bytes exist; the clinic is their author. Binary serves them."""
    report = course_reports.of_message(session, message.id)
    if report is None:
        return
    about, clinic = referrals.get(session, message.referral_id), clinic_ref(session)
    for id in (letter_id, bundle_of(letter_id)):
        kept = documents.get(session, id)
        title = f"{_NAMES[kept.content_type]} about {about.number}"
        letter_kept(session, about, kept, title, now, type=type_of(report.occasion), author=clinic)
    course_reports.change(session, report.id, bundle_id=bundle_of(letter_id))
