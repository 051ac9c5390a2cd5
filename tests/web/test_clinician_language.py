"""The front desk says in which language a clinician is written to; there is one truth, in their record."""

from __future__ import annotations

import pytest

from referral.domain.language import Language
from referral.domain.records import Referral
from referral.storage import audit, directory, resources
from tests.database import NOW, ClinicFixture
from tests.services import people
from tests.web.desk import Desk, OpenDesk


@pytest.fixture
def referral(clinic: ClinicFixture) -> Referral:
    with clinic.transaction() as session:
        return people.asked_once(session, clinic)


@pytest.fixture
def robin(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic)


def known(clinic: ClinicFixture, referral: Referral) -> tuple[Language | None, list[str]]:
    """As the rows have it, and as the Practitioner does."""
    with clinic.transaction() as session:
        clinician = directory.get_clinician(session, referral.clinician_id)
        person = resources.read(session, "Practitioner", clinician.practitioner_id or "").document
    codes = [spoken["coding"][0]["code"] for spoken in person.get("communication", [])]
    return clinician.language, codes


def connected_system_says(clinic: ClinicFixture, referral: Referral, *tags: str) -> None:
    spoken = [{"coding": [{"system": "urn:ietf:bcp:47", "code": tag}], "text": tag} for tag in tags]
    with clinic.transaction() as session:
        clinician = directory.get_clinician(session, referral.clinician_id)
        resources.amend(
            session, "Practitioner", clinician.practitioner_id or "", {"communication": spoken}, NOW
        )


def test_the_front_desk_chooses_and_the_record_follows(
    clinic: ClinicFixture, referral: Referral, robin: Desk
) -> None:
    page = f"/directory/{referral.clinician_id}"
    assert "English, as none is known" in robin.get(page)
    assert "The language is saved" in robin.post(f"{page}/language", language="es")
    assert known(clinic, referral) == (Language.SPANISH, ["es"])
    assert '<option value="es" selected>' in robin.page
    robin.post(f"{page}/language", language="en")
    assert known(clinic, referral) == (Language.ENGLISH, ["en", "es"])
    robin.post(f"{page}/language", language="")
    assert known(clinic, referral) == (None, [])
    with clinic.transaction() as session:
        rows = audit.find(session, entity=f"PractitionerRole/{referral.clinician_id}")
    assert [row.detail["language"] for row in rows if row.subtype == "set-language"] == ["", "en", "es"]


def test_what_a_connected_system_has_said_is_moved_and_not_lost(
    clinic: ClinicFixture, referral: Referral, robin: Desk
) -> None:
    connected_system_says(clinic, referral, "fr", "en-US", "es-PR")
    assert known(clinic, referral)[0] is Language.ENGLISH
    robin.get(f"/directory/{referral.clinician_id}")
    robin.post(f"/directory/{referral.clinician_id}/language", language="es")
    assert known(clinic, referral) == (Language.SPANISH, ["es-PR", "fr", "en-US"])
    # Said once more it is no news.
    robin.post(f"/directory/{referral.clinician_id}/language", language="es")
    robin.post(f"/directory/{referral.clinician_id}/language", language="")
    assert known(clinic, referral) == (None, ["fr"])


def test_a_language_that_is_not_spoken_here_is_refused(
    clinic: ClinicFixture, referral: Referral, robin: Desk
) -> None:
    robin.get(f"/directory/{referral.clinician_id}")
    assert "Choose a language from the list." in robin.post(
        f"/directory/{referral.clinician_id}/language", language="fr"
    )
    assert robin.status == 400
    assert known(clinic, referral) == (None, [])
