"""What has become of a course: its rows, and every report about it with its mail, PDF and FHIR document."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pikepdf

from referral.fhir.json import decode
from referral.fhir.validation import issues_in
from referral.letters.render import REPORT_ATTACHMENT
from tests.journeys.course_steps import ByFhir
from tests.journeys.service import Service
from tests.letters import pdf
from tests.letters.test_report import alternatives

_REPORTS: Final = """
    SELECT r.occasion, r.happened_at, r.queue_at, r.due_at, r.state, r.withheld_for, m.state, m.finished_at,
           c.address, m.letter_id, r.bundle_id,
           (SELECT count(*) FROM audit_event a WHERE a.subtype = 'disclose' AND a.detail ->> 'real' = 'true'
                                                 AND a.entity = 'Communication/' || m.id)
      FROM course_report r LEFT JOIN message m ON m.id = r.message_id
      LEFT JOIN contact c ON c.id = m.contact_id
     WHERE r.order_id = %s ORDER BY r.happened_at"""
# What says the same in both ways; ids, authors and versions are of each way.
_ROWS: Final = {
    "course_plan": "planned_sessions, spacing_days",
    "course_decision": "decision, reason, risks_discussed, benefits_discussed, self_pay_notice, decided_at",
    "course_session": "s.started_at, state, ended_at, abort_reason, supervisor, physician_present,"
    " discharge_met, ride_home",
    "course_dose": "s.started_at, drug, milligrams, per_kilogram, x.started_at, stopped_at",
    "course_vital": "s.started_at, kind, value, diastolic, phase, taken_at",
    "course_effect": "s.started_at, code, severity, serious, noticed_at",
    "course_medicine": "changed_on",
    "course_end": "ending, reason, ended_at",
}
_SCORES: Final = (
    "SELECT scale, total, missing, self_harm, taken_at FROM scale_score WHERE order_id = %s ORDER BY taken_at"
)
_VISITS: Final = (
    "SELECT within, adjuster, due_on, moved_to, reminded_at, asked_at, outcome, outcome_on, settled_at"
    " FROM follow_up WHERE order_id = %s"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One report. `said` are words of its letter, `totals` those of PHQ-9 in its FHIR document."""

    occasion: str
    happened_at: datetime
    drawn_at: datetime
    due_at: datetime
    subject: str
    type: str
    said: tuple[str, ...]
    totals: tuple[int, ...]


class Reports:
    """Of both ways, read from the database and by FHIR."""

    def __init__(self, service: Service, fhir: ByFhir) -> None:
        self.service, self.fhir = service, fhir

    def number_of(self, order: str) -> str:
        ((number,),) = self._rows("SELECT number FROM referral WHERE order_id = %s", _id(order))
        return str(number)

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self.service.database() as owner:
            return owner.execute(query, values).fetchall()

    def course_of(self, order: str) -> dict[str, list[tuple[Any, ...]]]:
        """The newest versions of everything, without ids."""
        found = {}
        for table, columns in _ROWS.items():
            started = "x.id" if table == "course_session" else "x.session_id" if "s." in columns else "NULL"
            found[table] = self._rows(
                f"SELECT {columns} FROM {table} x LEFT JOIN treatment_start s ON s.id = {started}"
                f" WHERE x.order_id = %s AND NOT in_error AND version ="
                f" (SELECT max(version) FROM {table} y WHERE y.id = x.id) ORDER BY {columns}",
                _id(order),
            )
        return {
            **found,
            "scale_score": self._rows(_SCORES, _id(order)),
            "follow_up": self._rows(_VISITS, _id(order)),
        }

    def check(self, order: str, address: str, patient: str, expected: tuple[Expected, ...]) -> None:
        """Each was owed, drawn and sent as expected, once, and nothing else was."""
        rows = self._rows(_REPORTS, _id(order))
        assert [row[0] for row in rows] == [one.occasion for one in expected]
        number = self.number_of(order)
        sent = [m for m in self.service.post.letters(number) if "report" in str(m["Subject"])]
        assert [(str(m["To"]), str(m["Subject"])) for m in sent] == [
            (address, f"{one.subject} from Harbor Light Clinic ({number})") for one in expected
        ]
        for row, mail, one in zip(rows, sent, expected, strict=True):
            times = (one.happened_at, one.drawn_at, one.due_at)
            # No consent was missing; it left once, when it was drawn, and is one real disclosure.
            assert row[1:9] == (*times, "queued", None, "accepted", one.drawn_at, address), one.occasion
            assert row[11] == 1, one.occasion
            for secret in (patient, "ketamine", "F33", "PHQ", "%PDF"):
                assert secret not in str(mail.get_content())
            self._check_letter(row[9], row[10], patient, one)

    def _check_letter(self, letter_id: str, bundle_id: str, patient: str, one: Expected) -> None:
        letter, bundle = (
            self.binary(letter_id, "application/pdf"),
            self.binary(bundle_id, "application/fhir+json"),
        )
        text = pdf.text(letter)
        for words in (patient, *one.said):
            assert words in text, (one.occasion, words, text)
        assert any("PHQ-9" in told for told in alternatives(letter)) == bool(one.totals)
        with pikepdf.open(io.BytesIO(letter)) as opened:
            assert bytes(opened.attachments[REPORT_ATTACHMENT].get_file().read_bytes()) == bundle
        document = decode(bundle)
        assert issues_in(document) == []
        assert document["type"] == "document"
        inside = [entry["resource"] for entry in document["entry"]]
        assert (inside[0]["resourceType"], inside[0]["status"]) == ("Composition", "final")
        assert inside[0]["category"][0]["coding"][0]["code"] == one.occasion
        assert inside[0]["type"]["coding"][0]["code"] == one.type
        assert {"Patient", "Organization"} <= {resource["resourceType"] for resource in inside}
        totals = [found["valueInteger"] for found in inside if found["resourceType"] == "Observation"]
        assert totals == [*one.totals]

    def binary(self, id: str, type: str) -> bytes:
        """What a DocumentReference has behind it."""
        reference = self.fhir.call("GET", f"DocumentReference/{id}")
        assert reference["content"][0]["attachment"]["contentType"] == type
        return base64.b64decode(self.fhir.call("GET", f"Binary/{id}")["data"])


def _id(reference: str) -> str:
    return reference.rpartition("/")[2]
