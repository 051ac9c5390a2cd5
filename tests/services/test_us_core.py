"""What this service writes for the main job is as US Core wants each of its types, and can be said in XML."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from referral.domain.codes import Strength
from referral.fhir.profile_checks import profile_issues
from referral.fhir.profiles import profiles_of
from referral.fhir.validation import issues_in
from referral.fhir.xml import decode_xml, encode_xml
from referral.services import publish
from referral.services.respond_to_referral import Response, respond
from referral.services.treat import record_consultation, start_treatment
from referral.storage import documents, resources
from tests.database import NOW, ClinicFixture
from tests.services import people

# An indication is an item of the problem list, so the other profile of its type is not for it.
RECORD = "5f1c5a3e-9f0f-4a43-8ab8-3d1d6f0e2b11"
ANOTHER_KIND = {"us-core-condition-encounter-diagnosis"}


def told(clinic: ClinicFixture) -> list[dict[str, Any]]:
    """Asked of two, one answer keyed in by staff, its record kept, treated; then all that is stored."""
    now = datetime.now(UTC)
    with clinic.transaction() as session:
        of = people.patient(session, clinic, telephone="303-555-0101", language="vi")
        placed = people.order(session, clinic, of)
        # Somebody who is reached by post alone.
        people.clinician(session, clinic, given="Ada", family="Moss", npi="", email="", fax="")
        asked = (
            people.clinician(session, clinic),
            people.clinician(
                session, clinic, given="Hannah", family="Lee", npi="9000000023", email="lee@lakeside.example"
            ),
        )
        referral = people.ask(session, clinic, placed, *asked)[0]
        record_consultation(session, clinic.actor, placed.id, NOW - timedelta(days=1), NOW)
        keyed_in = Response(
            referral_id=referral.id, answers=people.answers(), strength=Strength.TWO_CHANNEL, selector=None
        )
        respond(session, clinic.actor, keyed_in, now)
        documents.add(
            session, id=RECORD, kind="receipt", content_type="application/pdf", content=b"%PDF", now=now,
            patient_id=of.id, referral_id=referral.id,
        )  # fmt: skip
        publish.receipt(session, referral.id, RECORD, now)
        start_treatment(session, clinic.actor, placed.id, of.id, now)
    with clinic.transaction() as session:
        rows = session.connection.exec_driver_sql(
            "SELECT type, id FROM resource WHERE clinic_id = %s", (clinic.id,)
        )
        return [resources.read(session, row.type, row.id).document for row in rows]


def test_what_the_main_job_writes_conforms(clinic: ClinicFixture) -> None:
    written = told(clinic)
    types = {row["resourceType"] for row in written}
    assert types >= {
        *("Patient", "Condition", "ServiceRequest", "Task", "Practitioner", "PractitionerRole", "Encounter"),
        *("Organization", "QuestionnaireResponse", "Observation", "DocumentReference", "Procedure"),
        *("Provenance", "Communication"),
    }
    for resource in written:
        assert issues_in(resource) == []
        for url in profiles_of(resource["resourceType"]):
            if url.rpartition("/")[2] not in ANOTHER_KIND:
                assert profile_issues(resource, url) == [], url
        assert decode_xml(encode_xml(resource)) == resource
