"""Invented letters and records; a test changes only what it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from referral.domain.codes import ClinicianKind
from referral.domain.form import BY_LINK_ID
from referral.letters import samples
from referral.letters.content import EvidenceLine, ReceiptRecord, RequestLetter, ShownAnswer

CLINIC: Final = samples.CLINIC


def letter(**changes: Any) -> RequestLetter:
    values: dict[str, Any] = {
        "letter_id": "HL-04182-A",
        "request_number": "R-2026-04182",
        "written_at": datetime(2026, 11, 23, 2, 5, tzinfo=UTC),
        "letterhead": CLINIC,
        "recipient_lines": (
            "Beacon Hill Psychiatry Associates",
            "22 Myrtle Street, Floor 2",
            "Boston, MA 02114-1931",
        ),
        "clinician_name": "Chidi A. Okafor, MD",
        "salutation": "Dr. Okafor",
        "clinician_role": "treating psychiatrist",
        "clinician_kind": ClinicianKind.PSYCHIATRIST,
        "patient_name": "Maria José Nguyễn",
        "birth_year": 1986,
        "indication": "recurrent depression (F33.2)",
        "planned_course": "six infusions over three weeks, then single infusions as needed",
        "due_on": date(2026, 12, 6),
        "short_code": "K7QM-2X4P",
        # As long as the real one: a selector of 96 bits and a secret of 256.
        "portal_url": "https://ask.harborlight.example/r/Zk3vQ9xT1bLw0aYc/q8Jf2nV5sR7uXe1mK4pW9zB3tG6yH0cD8aL2oN5iQvE",
        "portal_display": "ask.harborlight.example",
        "page_code": "R:Zk3vQ9xT1bLw0aYc:2",
        "time_zone": ZoneInfo("America/New_York"),
    }
    return RequestLetter(**values | changes)


def record(**changes: Any) -> ReceiptRecord:
    values: dict[str, Any] = {
        "record_id": "HL-04182-A",
        "request_number": "R-2026-04182",
        "answered_at": datetime(2026, 11, 24, 19, 3, 21, tzinfo=UTC),
        "letterhead": CLINIC,
        "clinician_name": "Chidi A. Okafor",
        "credentials": "MD",
        "npi": "9000000019",
        "patient_name": "Maria José Nguyễn",
        "birth_year": 1986,
        "indication": "recurrent depression (F33.2)",
        "decision": "I recommend it with conditions",
        "answers": (
            ShownAnswer(question="Do you recommend it?", answer="I recommend it with conditions"),
            ShownAnswer(question="Which conditions?", answer="Below 140/90 first.\nNo lamotrigine."),
            ShownAnswer(question="Psychosis", answer="No"),
        ),
        "attestation": BY_LINK_ID["attestation"].text,
        "evidence": (
            EvidenceLine(label="Identity", value="two-channel"),
            EvidenceLine(label="Contact", value="o•••••@beaconhill.example"),
            EvidenceLine(label="Browser", value="Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)"),
            EvidenceLine(label="Answer, SHA-256", value="60303ae22b998861" * 4),
        ),
        "verify_url": "https://ask.harborlight.example/verify",
        "fhir": b'{"resourceType": "Bundle", "type": "document"}',
    }
    return ReceiptRecord(**values | changes)
