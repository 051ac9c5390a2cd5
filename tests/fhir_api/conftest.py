"""A FHIR client of a new clinic, over the real application and database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.database import ClinicFixture, Clock
from tests.fhir_api.client import FhirClient, connect
from tests.fhir_api.exporting import Bulk
from tests.fhir_api.people import Referred
from tests.web.client import application


@pytest.fixture
def fhir(clinic: ClinicFixture) -> FhirClient:
    return connect(clinic)


@pytest.fixture
def other_fhir(other_clinic: ClinicFixture) -> FhirClient:
    return connect(other_clinic)


@pytest.fixture
def referred(fhir: FhirClient) -> Referred:
    return Referred(fhir)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(clinic: ClinicFixture, clock: Clock) -> FhirClient:
    """A client of an application that goes by `clock`."""
    return replace(connect(clinic), app=application(clinic, clock))


@pytest.fixture
def bulk(fhir: FhirClient) -> Bulk:
    return Bulk(fhir)
