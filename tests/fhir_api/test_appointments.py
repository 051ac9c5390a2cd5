"""Bookings as an EHR makes, moves and ends them: Appointments that follow the gate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from referral.domain.booking import Chair
from referral.services.release_bookings import release_bookings
from referral.storage import audit, bookings
from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import Referred, condition, order, patient, transaction
from tests.fhir_api.test_workflow import settle
from tests.services.bookings import RELEASE, START, book, chair, open_order, slot


@pytest.fixture
def seat(clinic: ClinicFixture) -> Chair:
    return chair(clinic)


def appointment(referred: Referred, status: str = "pending", **more: Any) -> Json:
    document = {
        "resourceType": "Appointment",
        "status": status,
        "description": "First infusion",
        "start": "2026-11-17T09:00:00-07:00",
        "end": "2026-11-17T11:00:00-07:00",
        "basedOn": [{"reference": referred.order}],
        "participant": [
            {"actor": {"reference": referred.patient}, "status": "accepted"},
            {"actor": {"display": "A driver"}, "status": "accepted"},
        ],
        **more,
    }
    return {name: value for name, value in document.items() if value is not None}


def opened(referred: Referred) -> None:
    referred.consult()
    referred.fhir.create(referred.answer())
    settle(referred)


def put(referred: Referred, document: Json, **changes: Any) -> Any:
    return referred.fhir.put(f"Appointment/{document['id']}", {**document, **changes})


def test_a_pending_appointment_is_a_booking_that_confirms_itself(referred: Referred, seat: Chair) -> None:
    fhir = referred.fhir
    made = fhir.create(appointment(referred))
    assert made["status"] == "pending"
    assert made["description"] == "First infusion"
    assert made["start"] == "2026-11-17T09:00:00-07:00"  # as the client wrote it
    assert [item["actor"].get("reference", item["actor"].get("display")) for item in made["participant"]] == [
        referred.patient,
        f"Location/{seat.id}",
        "A driver",
    ]
    (release,) = (e for e in made["extension"] if e["url"].endswith("/booking-release-at"))
    assert release["valueInstant"] == "2026-11-14T00:00:00.000Z"
    opened(referred)
    after = fhir.get(f"Appointment/{made['id']}").body
    assert (after["status"], after.get("extension"), after["description"]) == (
        "booked",
        None,
        "First infusion",
    )
    versions = fhir.get(f"Appointment/{made['id']}/_history").resources
    assert [version["status"] for version in versions] == ["booked", "pending"]
    assert fhir.get(f"Appointment/{made['id']}/_history/1").body["status"] == "pending"
    # A tentative one that is sent while the gate is open is confirmed at once.
    later = appointment(referred, start="2026-11-24T16:00:00Z", end="2026-11-24T18:00:00Z")
    assert fhir.create(later)["status"] == "booked"


def test_a_booked_appointment_behind_a_closed_gate_is_refused_with_the_reasons(referred: Referred) -> None:
    answer = referred.fhir.post("Appointment", appointment(referred, "booked"))
    assert answer.status == 422
    assert set(answer.expressions) == {"Appointment.status"}
    assert "The initial consultation has not been recorded." in answer.text
    assert referred.fhir.get("Appointment").resources == []


def test_a_conflict_is_told_with_what_would_have_to_change(
    referred: Referred, clinic: ClinicFixture, seat: Chair
) -> None:
    fhir = referred.fhir
    book(clinic, open_order(clinic), slot(START + timedelta(hours=1), chair=seat))
    there = {"actor": {"reference": f"Location/{seat.id}"}, "status": "needs-action"}
    named = appointment(referred)
    named["participant"] = [*named["participant"], there]
    answer = fhir.post("Appointment", named)
    assert (answer.status, answer.expressions) == (409, ["Appointment.participant"])
    assert answer.issues[0]["code"] == "conflict"
    answer = fhir.post("Appointment", appointment(referred))
    assert (answer.status, answer.expressions) == (409, ["Appointment.start"])
    assert "Every chair is taken" in answer.text
    other = chair(clinic, "Chair 2")
    made = fhir.create(appointment(referred))
    assert f"Location/{other.id}" in str(made["participant"])
    earlier = appointment(referred, start="2026-11-17T15:30:00Z", end="2026-11-17T16:30:00Z")
    answer = fhir.post("Appointment", earlier)
    assert (answer.status, answer.expressions) == (409, ["Appointment.start"])
    assert "another booking at that time" in answer.text


def test_an_appointment_is_moved_and_cancelled_by_put(referred: Referred, clinic: ClinicFixture) -> None:
    first, second = chair(clinic, "Chair 1"), chair(clinic, "Chair 2")
    fhir = referred.fhir
    made = fhir.create(appointment(referred))
    assert f"Location/{first.id}" in str(made["participant"])
    moved = put(referred, made, start="2026-11-18T16:00:00Z", end="2026-11-18T18:00:00Z").body
    (release,) = moved["extension"]
    assert release["valueInstant"] == "2026-11-17T00:00:00.000Z"  # Monday at 17:00
    people = [p for p in moved["participant"] if p["actor"].get("reference") != f"Location/{first.id}"]
    there = {"actor": {"reference": f"Location/{second.id}"}, "status": "accepted"}
    changed = put(referred, moved, participant=[*people, there], comment="by the window").body
    assert f"Location/{second.id}" in str(changed["participant"])
    assert f"Location/{first.id}" not in str(changed["participant"])
    assert changed["comment"] == "by the window"
    again = put(referred, changed)
    assert (again.status, again.body["meta"]["versionId"]) == (200, changed["meta"]["versionId"])
    confirmed = put(referred, changed, status="booked")
    assert (confirmed.status, set(confirmed.expressions)) == (422, {"Appointment.status"})
    ended = put(referred, changed, status="cancelled", cancelationReason={"text": "Has a cold"}).body
    assert (ended["status"], ended["cancelationReason"]["text"]) == ("cancelled", "Has a cold")
    with clinic.transaction() as session:
        row = bookings.get(session, made["id"])
    assert (row.status, row.reason, row.release_at) == ("cancelled", "Has a cold", None)
    back = put(referred, ended, status="pending", cancelationReason=None)
    assert back.status in (400, 422)
    del ended["cancelationReason"]
    back = put(referred, ended, status="pending")
    assert (back.status, back.expressions) == (422, ["Appointment.status"])


@pytest.mark.parametrize("status", ["arrived", "checked-in", "fulfilled"])
def test_an_arrival_passes_only_an_open_gate(referred: Referred, status: str) -> None:
    made = referred.fhir.create(appointment(referred))
    assert put(referred, made, status=status).status == 422
    opened(referred)
    newest = referred.fhir.get(f"Appointment/{made['id']}").body
    assert put(referred, newest, status=status).body["status"] == status


def test_a_booking_stays_with_its_order_and_patient(referred: Referred) -> None:
    fhir = referred.fhir
    made = fhir.create(appointment(referred))
    other = f"Patient/{fhir.create(patient())['id']}"
    answer = put(referred, made, participant=[{"actor": {"reference": other}, "status": "accepted"}])
    assert (answer.status, answer.expressions) == (422, ["Appointment.participant"])
    document = {name: value for name, value in made.items() if name != "basedOn"}
    answer = fhir.put(f"Appointment/{made['id']}", document)
    assert (answer.status, answer.expressions) == (422, ["Appointment.basedOn"])
    answer = put(referred, made, status="waitlist")
    assert (answer.status, answer.expressions) == (422, ["Appointment.status"])
    foreign = appointment(referred, participant=[{"actor": {"reference": other}, "status": "accepted"}])
    answer = fhir.post("Appointment", foreign)
    assert (answer.status, answer.expressions) == (422, ["Appointment.participant"])


def test_a_proposal_is_stored_and_becomes_a_booking_when_it_is_made_one(referred: Referred) -> None:
    proposed = referred.fhir.create(appointment(referred, "proposed", start=None, end=None))
    assert proposed["status"] == "proposed"
    made = put(referred, appointment(referred, id=proposed["id"])).body
    assert made["status"] == "pending"
    assert made["meta"]["versionId"] == "2"


def test_a_consultation_is_no_booking_of_a_chair(
    referred: Referred, seat: Chair, clinic: ClinicFixture
) -> None:
    codes = [{"coding": [{"system": "http://snomed.info/sct", "code": "11429006"}]}]
    made = referred.fhir.create(appointment(referred, "booked", serviceType=codes))
    assert (made["status"], "extension" in made) == ("booked", False)
    with clinic.transaction() as session:
        assert bookings.find_by_id(session, made["id"]) is None


def test_inside_the_two_business_days_only_an_open_gate_books(referred: Referred) -> None:
    soon = appointment(referred, start="2026-11-04T16:00:00Z", end="2026-11-04T18:00:00Z")
    answer = referred.fhir.post("Appointment", soon)
    assert (answer.status, answer.expressions) == (422, ["Appointment.start"])
    assert "less than two business days ahead" in answer.text
    past = appointment(referred, start="2026-11-02T16:00:00Z", end="2026-11-02T18:00:00Z")
    answer = referred.fhir.post("Appointment", past)
    assert (answer.status, answer.expressions) == (422, ["Appointment.start"])


def test_appointments_are_searched_by_day_chair_order_and_patient(referred: Referred, seat: Chair) -> None:
    fhir = referred.fhir
    made = fhir.create(appointment(referred))
    for query in (
        "date=2026-11-17",
        f"location=Location/{seat.id}",
        f"patient={referred.patient}",
        f"based-on={referred.order}",
        "status=pending",
        "date=ge2026-11-17&status=pending,booked&_sort=date",
    ):
        assert fhir.get(f"Appointment?{query}").references == [f"Appointment/{made['id']}"], query
    assert fhir.get("Appointment?date=2026-11-18").resources == []
    found = fhir.get(f"Appointment?_id={made['id']}&_include=Appointment:location").references
    assert f"Location/{seat.id}" in found


def test_a_release_is_published_and_a_chair_is_not_rewritten_from_outside(
    referred: Referred, seat: Chair, clinic: ClinicFixture
) -> None:
    made = referred.fhir.create(appointment(referred))
    with clinic.transaction() as session:
        assert release_bookings(session, RELEASE) == 1
    after = referred.fhir.get(f"Appointment/{made['id']}").body
    assert after["status"] == "cancelled"
    assert after["cancelationReason"]["coding"][0]["code"] == "released"
    place = referred.fhir.get(f"Location/{seat.id}").body
    assert (place["name"], place["status"]) == ("Chair 1", "active")
    answer = referred.fhir.put(f"Location/{seat.id}", {**place, "name": "Mine"})
    assert (answer.status, "record of the workflow" in answer.text) == (422, True)


def test_an_order_that_is_revoked_lets_its_chairs_go(referred: Referred) -> None:
    made = referred.fhir.create(appointment(referred))
    order = referred.fhir.get(referred.order).body
    assert referred.fhir.put(referred.order, {**order, "status": "revoked"}).status == 200
    after = referred.fhir.get(f"Appointment/{made['id']}").body
    assert after["status"] == "cancelled"
    assert after["cancelationReason"]["coding"][0]["code"] == "order-ended"


def test_every_look_and_step_is_in_the_record_of_the_patient(
    referred: Referred, clinic: ClinicFixture
) -> None:
    made = referred.fhir.create(appointment(referred))
    referred.fhir.get(f"Appointment/{made['id']}")
    put(referred, made, comment="by the window")
    with clinic.transaction() as session:
        rows = audit.find(session, entity=f"Appointment/{made['id']}")
    assert {row.patient_id for row in rows} == {referred.patient.removeprefix("Patient/")}
    assert {row.subtype for row in rows} == {"booking-made", "read", "update"}
    assert {row.actor_kind for row in rows} == {"client"}


def test_the_capability_statement_offers_appointments(referred: Referred) -> None:
    statement = referred.fhir.get("metadata").body
    (row,) = (r for r in statement["rest"][0]["resource"] if r["type"] == "Appointment")
    offered = {item["code"] for item in row["interaction"]}
    assert {"read", "vread", "history-instance", "search-type", "create", "update"} <= offered
    assert {"based-on", "date", "location", "patient", "status"} <= {p["name"] for p in row["searchParam"]}


def test_an_order_and_its_bookings_come_in_one_transaction(fhir: FhirClient) -> None:
    """The second overlaps the first, so that nothing of the Bundle is kept."""

    def bundle(second_start: str) -> Json:
        subject = {"actor": {"reference": "whom"}, "status": "accepted"}
        booking = {
            "resourceType": "Appointment",
            "status": "pending",
            "end": "2026-11-17T18:00:00Z",
            "basedOn": [{"reference": "placed"}],
            "participant": [subject],
        }
        return transaction(
            whom=patient(),
            why=condition("whom", "G89.4"),
            placed=order("whom", "why"),
            first={**booking, "start": "2026-11-17T16:00:00Z"},
            second={**booking, "start": second_start, "end": "2026-11-17T20:00:00Z"},
        )

    answer = fhir.post("", bundle("2026-11-17T17:00:00Z"))
    assert (answer.status, "another booking at that time" in answer.text) == (409, True)
    assert answer.expressions == ["Bundle.entry[4].resource.start"]
    assert fhir.get("Appointment").resources == []
    answer = fhir.post("", bundle("2026-11-17T18:00:00Z"))
    assert answer.status == 200, answer.body
    assert [row["status"] for row in fhir.get("Appointment").resources] == ["pending", "pending"]
