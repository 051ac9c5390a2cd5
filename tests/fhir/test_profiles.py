"""US Core 6.1.0 and our own profiles: what conforms is left alone, and each rule is broken once."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral.domain.errors import InvalidInput
from referral.fhir.definitions import shape_row
from referral.fhir.own_profile_checks import own_profile
from referral.fhir.own_profiles import PROFILES as OWN
from referral.fhir.own_profiles import profile_urls
from referral.fhir.profile_checks import claim_issues, is_known, profile_issues
from referral.fhir.profiles import PROFILES, US_CORE, profiles_of
from referral.fhir.structure import MAX_ISSUES
from referral.fhir.systems import BASE, SNOMED_CT
from referral.fhir.validation import issues_in, report, require_profiles
from tests.fhir.damage import mutated
from tests.fhir.profile_faults import (
    DIAGNOSIS,
    FAULTS,
    FINE,
    GOOD,
    PROBLEM,
    SOMEBODY,
    WARNINGS,
    Json,
    but,
    coded,
)


@pytest.mark.parametrize(("name", "changes"), [*((name, {}) for name in GOOD), *FINE])
def test_what_conforms_is_left_alone(name: str, changes: Json) -> None:
    resource = but(name, **changes)
    assert issues_in(resource) == []
    assert profile_issues(resource, US_CORE + name) == []


@pytest.mark.parametrize(("name", "changes", "expression", "code"), FAULTS)
def test_a_broken_rule_of_us_core_is_named_where_it_is(
    name: str, changes: Json, expression: str, code: str
) -> None:
    resource = but(name, **changes)
    assert issues_in(resource) == [], "R4 itself allows it"
    found = profile_issues(resource, f"{US_CORE}{name}|6.1.0")
    assert [(i.expression, i.code, i.severity) for i in found] == [((expression,), code, "error")]
    assert found[0].text.startswith(expression)
    assert found[0].text.endswith(".")


@pytest.mark.parametrize(("name", "changes", "expression"), WARNINGS)
def test_a_code_outside_an_extensible_value_set_is_a_warning(
    name: str, changes: Json, expression: str
) -> None:
    resource = but(name, **changes)
    found = profile_issues(resource, US_CORE + name)
    assert [(i.expression, i.code, i.severity) for i in found] == [((expression,), "code-invalid", "warning")]
    require_profiles({**resource, "meta": {"profile": [US_CORE + name]}})


def test_every_required_element_of_the_table_is_missing_in_a_fault() -> None:
    paths = {(row.name, f"{row.type}.{path}") for row in PROFILES.values() for path in row.required}
    told = {(name, _plain(expression)) for name, _, expression, _ in FAULTS}
    # R4 itself wants the system of a telecom (cpt-2). The others are rows that a fault of the same path in
    # another profile breaks in the same way.
    assert paths - told == {
        ("us-core-patient", "Patient.telecom.system"),
        ("us-core-practitionerrole", "PractitionerRole.telecom.system"),
        ("us-core-practitioner", "Practitioner.identifier.system"),
        ("us-core-practitioner", "Practitioner.name"),
        ("us-core-encounter", "Encounter.identifier.value"),
        (DIAGNOSIS, "Condition.code"),
    }
    assert GOOD.keys() == {row.name for row in PROFILES.values()}


def _plain(expression: str) -> str:
    return re.sub(r"\[[0-9]+\]", "", expression)


def test_paths_of_the_table_are_elements_of_r4() -> None:
    for profile in PROFILES.values():
        rows = [*profile.required, *(profile.most or {}), *(b.path for b in profile.bindings)]
        for path in [*rows, *(s.path for s in profile.slices)]:
            shape = profile.type
            for step in path.split("."):
                row = shape_row(shape)
                assert row is not None, path
                shape = row.elements[step].type


def test_a_claim_is_held_against_its_profile_and_an_unknown_one_is_left_alone() -> None:
    patient = but("us-core-patient", gender=None)
    for claims, broken in (
        ([f"{US_CORE}us-core-patient"], True),
        ([f"{US_CORE}us-core-patient|6.1.0"], True),
        ([f"{US_CORE}us-core-patient|7.0.0"], False),
        (["https://ehr.example/StructureDefinition/own"], False),
        ([f"{US_CORE}us-core-organization"], True),
        (["http://hl7.org/fhir/StructureDefinition/Patient"], False),
        (["http://hl7.org/fhir/StructureDefinition/Task"], True),
        ([], False),
    ):
        claiming = {**patient, "meta": {"profile": claims}} if claims else patient
        if broken:
            with pytest.raises(InvalidInput):
                require_profiles(claiming)
        else:
            require_profiles(claiming)
        remarks = [issue for issue in report(claiming) if issue.severity == "information"]
        assert len(remarks) == sum(not is_known(canonical) for canonical in claims)


def test_a_problem_without_clinical_status_is_warned_of() -> None:
    (warning,) = report(but(PROBLEM, clinicalStatus=None))
    assert (warning.severity, warning.expression) == ("warning", ("Condition.clinicalStatus",))
    assert "con-3" in warning.text


def test_a_flood_of_faults_and_of_claims_is_cut_and_errors_come_first() -> None:
    states = [{"state": "Colorado"}] * 5000
    claims = [f"{US_CORE}us-core-patient", *(f"https://x.example/{n}" for n in range(5000))] * 2
    flood = {**but("us-core-patient", gender=None, address=states), "meta": {"profile": claims}}
    told = report(flood)
    assert len(told) == MAX_ISSUES
    assert [issue.severity for issue in told[:2]] == ["error", "warning"]
    with pytest.raises(InvalidInput) as caught:
        require_profiles({**flood, "identifier": [{"value": "1"}] * 5000})
    assert len(caught.value.issues) == MAX_ISSUES


# ---- Ours


REQUEST: Json = {
    "resourceType": "ServiceRequest",
    "identifier": [{"value": "1"}],
    "requisition": {"value": "2"},
    "status": "active",
    "intent": "order",
    "category": [coded(f"{BASE}/CodeSystem/request-category", "recommendation-request")],
    "code": coded(f"{BASE}/CodeSystem/request-code", "ketamine-recommendation"),
    "subject": SOMEBODY,
    "occurrencePeriod": {"end": "2026-03-01"},
    "authoredOn": "2026-02-01",
    "performer": [{"reference": "PractitionerRole/1"}],
    "supportingInfo": [{"reference": "ServiceRequest/1"}],
}
OF_REQUEST = f"{BASE}/StructureDefinition/recommendation-request"


@pytest.mark.parametrize(
    ("changes", "expression", "code"),
    [
        ({}, None, ""),
        ({"requisition": None}, "ServiceRequest.requisition", "required"),
        ({"occurrencePeriod": None}, "ServiceRequest.occurrence", "required"),
        ({"intent": "plan"}, "ServiceRequest.intent", "value"),
        ({"category": [{"text": "x"}]}, "ServiceRequest.category", "required"),
        ({"code": coded(SNOMED_CT, "1")}, "ServiceRequest.code", "value"),
        ({"subject": {"reference": "Group/1"}}, "ServiceRequest.subject", "value"),
        ({"performer": [{"reference": "PractitionerRole/1"}] * 2}, "ServiceRequest.performer", "structure"),
    ],
)
def test_a_profile_of_ours_is_read_as_it_is_published(
    changes: Json, expression: str | None, code: str
) -> None:
    resource = {key: value for key, value in {**REQUEST, **changes}.items() if value is not None}
    found = profile_issues(resource, OF_REQUEST)
    assert [(i.expression[0], i.code) for i in found] == ([(expression, code)] if expression else [])
    assert all(i.text.endswith("as Recommendation request says.") for i in found)


def test_required_bindings_of_ours_are_held() -> None:
    task = {"resourceType": "Task", "status": "requested", "intent": "order", "businessStatus": {"text": "x"}}
    found = profile_issues(task, f"{BASE}/StructureDefinition/recommendation-task")
    assert "Task.businessStatus" in [issue.expression[0] for issue in found]


def test_all_our_profiles_are_known() -> None:
    for type in OWN:
        for url in profile_urls(type):
            profile = own_profile(url)
            assert profile is not None
            assert is_known(f"{url}|{profile['version']}")
            assert not is_known(f"{url}|0")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_r4_allows_can_be_held_against_any_profile(seed: int) -> None:
    resource = mutated(seed)
    if issues_in(resource):
        return
    type = resource["resourceType"]
    for url in (*profiles_of(type), *profile_urls(type)):
        assert all(i.text.endswith(".") and i.expression for i in profile_issues(resource, url))
    claim_issues(resource)
