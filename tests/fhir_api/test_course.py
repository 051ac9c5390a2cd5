"""A course of treatment by FHIR: what a client writes becomes the course, and is found again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from referral.domain.course import Candidacy, Course, Ending, SessionState, StopReason, VitalKind
from referral.domain.report_rules import Withheld
from referral.fhir.elements import instant
from referral.fhir.systems import BASE
from referral.services.course import course_of, words_of
from referral.services.record_course import note_medication
from referral.services.tell_report import tell_report
from referral.storage import course_reports, referrals
from tests.database import NOW
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import INFUSION, Referred, condition, consultation, order, patient, transaction
from tests.fhir_api.test_access import limited
from tests.services import people

LOINC, RXNORM, SCT = (
    "http://loinc.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://snomed.info/sct",
)
SERIOUSNESS = "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness"
TOLD = ("risks-discussed", "benefits-discussed", "self-pay-notice")
UCUM = "http://unitsofmeasure.org"
PER_KILOGRAM = {"value": 0.5, "unit": "mg/kg", "system": UCUM, "code": "mg/kg"}


def at(minutes: int = 0) -> str:
    """The database decides when an infusion starts, so what follows goes by its clock."""
    return instant(datetime.now(UTC) + timedelta(minutes=minutes))


def own(name: str, **value: object) -> Json:
    return {"url": f"{BASE}/StructureDefinition/{name}", **value}


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


class Treated:
    """Chronic pain, whose gate the consultation opens."""

    def __init__(self, fhir: FhirClient) -> None:
        self.fhir = fhir
        self.patient = f"Patient/{fhir.create(patient())['id']}"
        why = f"Condition/{fhir.create(condition(self.patient, 'G89.4'))['id']}"
        timing = {"repeat": {"count": 6, "frequency": 2, "period": 1, "periodUnit": "wk"}}
        self.order = f"ServiceRequest/{fhir.create(order(self.patient, why, occurrenceTiming=timing))['id']}"

    def course(self) -> Course:
        with self.fhir.clinic.transaction() as session:
            return course_of(session, self.order.partition("/")[2])

    def consult(self, decision: str = "candidate", **more: object) -> Json:
        said = [
            own("candidacy", valueCodeableConcept=coded(f"{BASE}/CodeSystem/candidacy", decision)),
            *(own(name, valueBoolean=True) for name in TOLD),
        ]
        return self.fhir.create({**consultation(self.patient, self.order), "extension": said, **more})

    def begin(self, **more: object) -> Json:
        return self.fhir.create(self.procedure(**more))

    def procedure(self, **more: object) -> Json:
        return {
            "resourceType": "Procedure",
            "status": "in-progress",
            "code": INFUSION,
            "basedOn": [{"reference": self.order}],
            **self.about(),
            **more,
        }

    def about(self) -> Json:
        return {"subject": {"reference": self.patient}}

    def dose(self, session: Json, **more: object) -> Json:
        return {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "partOf": [{"reference": f"Procedure/{session['id']}"}],
            "medicationCodeableConcept": coded(RXNORM, "6130"),
            "effectivePeriod": {"start": at(), "end": at()},
            "dosage": {
                "dose": {"value": 35.50, "unit": "mg", "system": UCUM, "code": "mg"},
                "extension": [own("dose-per-weight", valueQuantity=PER_KILOGRAM)],
            },
            **self.about(),
            **more,
        }

    def pulse(self, session: Json, value: int = 72) -> Json:
        return {
            "resourceType": "Observation",
            "status": "final",
            "partOf": [{"reference": f"Procedure/{session['id']}"}],
            "category": [coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")],
            "code": coded(LOINC, "8867-4"),
            "effectiveDateTime": at(),
            "valueQuantity": {"value": value, "unit": "/min", "system": UCUM, "code": "/min"},
            **self.about(),
        }

    def event(self, session: Json | None = None, seriousness: str = "Non-serious") -> Json:
        made = {
            "resourceType": "AdverseEvent",
            "actuality": "actual",
            "event": coded(SCT, "422587007"),
            "date": at(),
            "seriousness": coded(SERIOUSNESS, seriousness),
            **self.about(),
        }
        if session is not None:
            made["suspectEntity"] = [{"instance": {"reference": f"Procedure/{session['id']}"}}]
        return made


@pytest.fixture
def treated(fhir: FhirClient) -> Treated:
    return Treated(fhir)


def test_a_course_is_told_by_a_client_from_plan_to_end(treated: Treated) -> None:
    fhir = treated.fhir
    treated.consult()
    session = treated.begin()
    fhir.create(treated.dose(session))
    fhir.create(treated.pulse(session))
    fhir.create(treated.event(session))
    flags = ("physician-present", "discharge-criteria-met", "ride-home")
    period = {**session["performedPeriod"], "end": at(5)}
    ended = {
        **session,
        "status": "completed",
        "performedPeriod": period,
        "extension": [own(name, valueBoolean=True) for name in flags],
    }
    assert fhir.put(f"Procedure/{session['id']}", ended).status == 200

    found = treated.course()
    assert (found.planned, found.spacing_days) == (6, 4)
    assert found.decision is not None
    assert found.decision.decision is Candidacy.CANDIDATE
    assert found.decision.self_pay_notice
    (given,) = found.sessions
    assert (given.state, given.ride_home, given.physician_present) == (SessionState.COMPLETED, True, True)
    assert [(d.milligrams, d.per_kilogram) for d in given.doses] == [(Decimal("35.5"), Decimal("0.5"))]
    assert [(v.kind, v.value) for v in given.vitals] == [(VitalKind.HEART_RATE, 72)]
    assert [(e.code, e.serious) for e in given.effects] == [("422587007", False)]

    reason = coded(f"{BASE}/CodeSystem/course-stop-reason", "no-response")
    url = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
    stopped = {
        **fhir.get(treated.order).body,
        "status": "revoked",
        "extension": [{"url": url, "valueCodeableConcept": reason}],
    }
    answer = fhir.put(treated.order, stopped)
    assert answer.status == 200, answer.body
    end = treated.course().end
    assert end is not None
    assert (end.ending, end.reason) == (Ending.STOPPED, StopReason.NO_RESPONSE)
    assert answer.body["extension"][-1]["valueCodeableConcept"]["coding"][0]["code"] == "no-response"


def test_what_belongs_to_a_session_is_found_by_search(treated: Treated) -> None:
    fhir = treated.fhir
    treated.consult()
    session = treated.begin()
    dose = fhir.create(treated.dose(session))
    pulse = fhir.create(treated.pulse(session))
    event = fhir.create(treated.event(session))
    for query, made in {
        f"MedicationAdministration?patient={treated.patient}&code={RXNORM}|6130": dose,
        f"Observation?part-of=Procedure/{session['id']}&category=vital-signs": pulse,
        f"AdverseEvent?subject={treated.patient}&seriousness=Non-serious": event,
        f"AdverseEvent?substance=Procedure/{session['id']}": event,
    }.items():
        assert [found["id"] for found in fhir.get(query).resources] == [made["id"]], query
    every = fhir.get(f"{treated.patient}/$everything").resources
    assert {dose["id"], pulse["id"], event["id"], session["id"]} <= {one["id"] for one in every}


def test_a_change_by_a_client_is_a_version_and_an_error_takes_it_out(treated: Treated) -> None:
    fhir = treated.fhir
    treated.consult()
    session = treated.begin()
    pulse = fhir.create(treated.pulse(session))
    path = f"Observation/{pulse['id']}"
    assert fhir.put(path, {**pulse, "note": [{"text": "by hand"}]}).status == 200
    (one,) = treated.course().sessions[0].vitals
    assert one.stamp.version == 1
    corrected = {**treated.pulse(session, 88), "id": pulse["id"], "status": "corrected"}
    assert fhir.put(path, corrected).status == 200
    (two,) = treated.course().sessions[0].vitals
    assert (two.value, two.stamp.version, two.stamp.why) == (88, 2, "sent-anew")
    assert fhir.put(path, {**pulse, "status": "entered-in-error"}).status == 200
    assert treated.course().sessions[0].vitals == ()
    assert fhir.put(path, {**pulse, "partOf": []}).status == 400
    moved = treated.begin()
    elsewhere = [{"reference": f"Procedure/{moved['id']}"}]
    assert fhir.put(path, {**pulse, "partOf": elsewhere}).status == 422


def test_a_dose_of_a_session_is_no_second_start_and_any_other_passes_the_gate(treated: Treated) -> None:
    fhir = treated.fhir
    treated.consult()
    session = treated.begin()
    fhir.create(treated.dose(session))
    assert len(treated.course().sessions) == 1
    late = {"start": at(60 * 24), "end": at(60 * 24)}
    assert fhir.post("MedicationAdministration", treated.dose(session, effectivePeriod=late)).status == 201
    assert len(treated.course().sessions) == 2
    revoked = {**fhir.get(treated.order).body, "status": "revoked"}
    assert fhir.put(treated.order, revoked).status == 200
    assert fhir.post("MedicationAdministration", treated.dose(session, effectivePeriod=late)).status == 422
    # What was given while the session lasted is still written down.
    assert fhir.post("MedicationAdministration", treated.dose(session)).status == 201


def test_who_is_no_candidate_is_started_by_no_resource(treated: Treated) -> None:
    fhir = treated.fhir
    visit = treated.consult("not-candidate")
    for document in (treated.procedure(), treated.procedure(status="completed")):
        refused = fhir.post("Procedure", document)
        assert refused.status == 422
        assert "no candidate" in refused.text
    changed = [row for row in visit["extension"] if not row["url"].endswith("/candidacy")]
    yes = own("candidacy", valueCodeableConcept=coded(f"{BASE}/CodeSystem/candidacy", "candidate"))
    answer = fhir.put(f"Encounter/{visit['id']}", {**visit, "extension": [*changed, yes]})
    assert answer.status == 200, answer.body
    assert fhir.post("Procedure", treated.procedure()).status == 201


def test_another_patients_session_takes_nothing_and_nonsense_is_refused(treated: Treated) -> None:
    fhir = treated.fhir
    treated.consult()
    session = treated.begin()
    other = {"subject": {"reference": f"Patient/{fhir.create(patient())['id']}"}}
    for document in (treated.pulse(session), treated.event(session), treated.dose(session)):
        refused = fhir.post(document["resourceType"], {**document, **other})
        assert refused.status == 422, document["resourceType"]
    assert fhir.post("Observation", treated.pulse(session, 900)).status == 422
    huge = {"dose": {"value": 350000, "unit": "mg", "system": UCUM, "code": "mg"}}
    assert fhir.post("MedicationAdministration", treated.dose(session, dosage=huge)).status == 422
    assert treated.course().sessions[0].vitals == ()


def test_an_event_without_a_session_belongs_to_the_only_order_in_use(treated: Treated) -> None:
    made = treated.fhir.create(treated.event(seriousness="Serious"))
    (event,) = treated.course().serious_events
    assert (event.id, event.session_id) == (made["id"], None)
    mark = own("entered-in-error", valueBoolean=True)
    assert treated.fhir.put(f"AdverseEvent/{made['id']}", {**made, "modifierExtension": [mark]}).status == 200
    assert treated.course().serious_events == ()


def test_an_event_that_a_client_takes_back_is_taken_back_from_who_was_told(treated: Treated) -> None:
    fhir, clinic = treated.fhir, treated.fhir.clinic
    referred = Referred(fhir)
    order_id, request_id = (one.partition("/")[2] for one in (referred.order, referred.request))
    with clinic.transaction() as session:
        people.respond_with(session, clinic, referrals.get(session, request_id))
    serious = {**treated.event(seriousness="Serious"), "subject": {"reference": referred.patient}}
    told, untold = (fhir.create(serious) for _ in range(2))
    with clinic.transaction() as session:
        first = next(
            one.report
            for one in course_reports.of_orders(session, [order_id])
            if one.report.about == told["id"]
        )
        tell_report(session, clinic.actor, order_id, first.id, NOW)
    mark = own("entered-in-error", valueBoolean=True)
    for made in (told, untold):
        path, wrong = f"AdverseEvent/{made['id']}", {**made, "modifierExtension": [mark]}
        assert treated.fhir.put(path, wrong).status == 200
        # The same again is no correction.
        assert treated.fhir.put(path, {**wrong, "date": at()}).status == 200
    with clinic.transaction() as session:
        found = [one.report for one in course_reports.of_orders(session, [order_id])]
    assert [one.corrects for one in found if one.about == told["id"]] == [None, first.id]
    assert [one.withheld_for for one in found if one.about == untold["id"]] == [Withheld.IN_ERROR]


def changed(treated: Treated, words: str = "sertraline 100 mg to 150 mg", **more: object) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "basedOn": [{"reference": treated.order}],
        "code": coded(LOINC, "10160-0"),
        "effectiveDateTime": "2026-11-02",
        "valueString": words,
        **treated.about(),
        **more,
    }


def test_a_change_of_medication_is_one_of_the_course_and_its_corrections_are_versions(
    treated: Treated,
) -> None:
    fhir = treated.fhir
    made = fhir.create(changed(treated))
    (change,) = treated.course().medication
    assert (change.id, change.changed_on.isoformat()) == (made["id"], made["effectiveDateTime"])
    # The same again is no version; other words are one.
    assert fhir.put(f"Observation/{made['id']}", made).status == 200
    assert treated.course().medication[0].stamp.version == 1
    assert fhir.put(f"Observation/{made['id']}", {**made, "valueString": "lorazepam stopped"}).status == 200
    assert treated.course().medication[0].stamp.version == 2
    with treated.fhir.clinic.transaction() as session:
        assert words_of(session, treated.course().medication[0].stamp) == "lorazepam stopped"
    assert fhir.put(f"Observation/{made['id']}", {**made, "status": "entered-in-error"}).status == 200
    assert treated.course().medication == ()


def test_a_change_without_words_is_none_and_what_cannot_be_is_refused(treated: Treated) -> None:
    fhir = treated.fhir
    other = {"subject": {"reference": f"Patient/{fhir.create(patient())['id']}"}}
    for document in (
        {**changed(treated), **other},
        changed(treated, "x" * 161),
        changed(treated, effectiveDateTime="2999-01-01"),
    ):
        assert fhir.post("Observation", document).status == 422
    silent = {name: value for name, value in changed(treated).items() if name != "valueString"}
    fhir.create(silent)
    assert treated.course().medication == ()


def test_what_staff_write_of_a_change_is_masked(treated: Treated) -> None:
    fhir = treated.fhir
    with fhir.clinic.transaction() as session:
        order_id = treated.order.rpartition("/")[2]
        day = NOW.date()
        made = note_medication(session, fhir.clinic.actor, order_id, "lorazepam stopped", day, NOW)
    told = fhir.get(f"Observation/{made.id}").body
    assert told["dataAbsentReason"]["coding"][0]["code"] == "masked"
    assert "lorazepam" not in str(told)
    # Sent back as it was read, it loses nothing.
    assert fhir.put(f"Observation/{made.id}", told).status == 200
    (change,) = treated.course().medication
    assert change.stamp.version == 1


def test_a_client_without_the_scope_writes_and_reads_nothing_of_it(treated: Treated) -> None:
    treated.consult()
    session = treated.begin()
    made = treated.fhir.create(treated.event(session))
    narrow = limited(treated.fhir.clinic, treated.fhir, "system/Patient.rs")
    assert narrow.get(f"AdverseEvent/{made['id']}").status == 403
    assert narrow.post("AdverseEvent", treated.event(session)).status == 403


def test_a_session_and_all_of_it_in_one_transaction(referred: Referred) -> None:
    treated = Treated(referred.fhir)
    treated.consult()
    session = {"id": "session"}
    entries = {
        "session": treated.procedure(),
        "dose": treated.dose(session),
        "pulse": treated.pulse(session),
        "event": treated.event(session),
    }
    for document in entries.values():
        for row in (*document.get("partOf", []), *(s["instance"] for s in document.get("suspectEntity", []))):
            row["reference"] = "session"
    answer = referred.fhir.post("", transaction(**entries))
    assert answer.status == 200, answer.body
    (one,) = treated.course().sessions
    assert (len(one.doses), len(one.vitals), len(one.effects)) == (1, 1, 1)
