"""The server as other systems meet it: HTTP on a free port over the test's database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from referral.services.judge_recommendation import confirm_by_phone
from tests.database import NOW, ClinicFixture
from tests.fhir_api.client import FhirClient, Json, connect
from tests.fhir_api.people import condition, order, patient, practitioner, request, role, transaction
from tests.web.portal_case import serve


@dataclass(frozen=True, slots=True)
class Server:
    """`base` is the FHIR base URL."""

    base: str
    token: str
    clinic: ClinicFixture

    def confirm(self, request_id: str) -> None:
        """A person of the clinic calls back: an answer that a system sent does not count before."""
        with self.clinic.transaction() as session:
            confirm_by_phone(
                session,
                self.clinic.actor,
                request_id,
                spoke_with="Reception",
                called_number="303-555-0120",
                now=NOW,
            )


def initiation() -> Json:
    """One transaction: patient, diagnosis, clinician and role, the infusion order, the request."""
    return transaction(
        who=patient(),
        why=condition("who"),
        doctor=practitioner(),
        seat=role("doctor"),
        placed=order("who", "why"),
        asked=request("who", "seat", basedOn=[{"reference": "placed"}]),
    )


@pytest.fixture
def server(clinic: ClinicFixture) -> Iterator[Server]:
    fhir: FhirClient = connect(clinic)
    with serve(fhir.app) as address:
        yield Server(f"{address}/fhir", fhir.token, clinic)
