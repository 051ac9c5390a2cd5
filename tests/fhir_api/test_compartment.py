"""Search within a patient's compartment: what belongs to the record by any of R4's parameters."""

from __future__ import annotations

from tests.database import ClinicFixture
from tests.fhir_api.client import FhirClient
from tests.fhir_api.people import Referred, condition, patient
from tests.fhir_api.test_access import limited
from tests.fhir_api.test_search import ids, link


def test_a_compartment_holds_what_is_about_the_patient_and_what_the_patient_did(fhir: FhirClient) -> None:
    me, other = (f"Patient/{fhir.create(patient())['id']}" for _ in range(2))
    about = fhir.create(condition(me))["id"]
    said = fhir.create(condition(other, asserter={"reference": me}))["id"]
    fhir.create(condition(other))
    assert sorted(ids(fhir.get(f"{me}/Condition"))) == sorted([about, said])
    assert ids(fhir.get(f"{me}/Condition?subject={me}")) == [about]
    first = fhir.get(f"{me}/Condition?_count=1&_sort=_id&code=F33.2")
    url = link(first, "next", f"{me}/Condition")
    assert url is not None
    second = fhir.call("GET", url)
    assert sorted(ids(first) + ids(second)) == sorted([about, said])
    again = link(first, "self", f"{me}/Condition")
    assert again is not None
    assert ids(fhir.call("GET", again)) == ids(first)


def test_a_compartment_is_as_far_away_as_its_patient(
    clinic: ClinicFixture, fhir: FhirClient, other_fhir: FhirClient
) -> None:
    referred = Referred(fhir)
    where = f"{referred.patient}/Condition"
    assert ids(fhir.get(where)) == [referred.condition.removeprefix("Condition/")]
    assert other_fhir.get(where).status == 404
    assert fhir.get("Patient/nobody/Condition").status == 404
    # That there is nothing is told of the patient, too.
    assert ids(fhir.get(f"{referred.patient}/CareTeam")) == []
    looks = fhir.get(f"AuditEvent?patient={referred.patient}&action=E").resources
    assert len(looks) == 2
    assert limited(clinic, fhir, "system/Condition.rs").get(where).status == 403
    assert limited(clinic, fhir, "system/Patient.rs").get(where).status == 403
    men = limited(clinic, fhir, "system/Patient.rs?gender=male", "system/Condition.rs")
    assert men.get(where).status == men.get("Patient/nobody/Condition").status == 404
    assert fhir.get(f"{referred.patient}/Practitioner").status == 405
    assert fhir.get(f"{where}?shoesize=43", Prefer="handling=strict").status == 400


def test_the_statement_tells_of_it(fhir: FhirClient) -> None:
    rest = fhir.get("metadata").body["rest"][0]
    assert rest["compartment"] == ["http://hl7.org/fhir/CompartmentDefinition/patient"]
    allowed = fhir.call("OPTIONS", "/fhir/Patient/1/Task").headers["allow"]
    assert allowed == "GET, HEAD, OPTIONS"
