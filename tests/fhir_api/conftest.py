"""A FHIR client of a new clinic, over the real application and database."""

from __future__ import annotations

import pytest

from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient, connect


@pytest.fixture
def fhir(clinic: ClinicFixture) -> FhirClient:
    return connect(clinic)


@pytest.fixture
def other_fhir(other_clinic: ClinicFixture) -> FhirClient:
    return connect(other_clinic)
