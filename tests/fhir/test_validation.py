from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral.fhir.definitions import MESSAGE_TYPES, SERVED_TYPES, shape_row
from referral.fhir.invariants import RULES, rule
from referral.fhir.json import decode, encode
from referral.fhir.models import model_issues
from referral.fhir.problems import InvalidResource
from referral.fhir.search_parameters import extract
from referral.fhir.structure import MAX_ISSUES, check_resource
from referral.fhir.validation import issues_in, validate
from tests.fhir import examples
from tests.fhir.damage import mutated
from tests.fhir.faults import CODES, CONTAINED, INVARIANTS, ORDER, STRUCTURE, TARGETS, made, order
from tests.fhir.refusals import refusal_of


@pytest.mark.parametrize("name", examples.names())
def test_hl7s_examples_are_valid_and_come_back_as_they_were(name: str) -> None:
    resource = examples.example(name)
    issues = issues_in(resource)
    assert bool(issues) is (name in examples.NOT_R4), issues
    assert encode(decode(examples.raw(name))) == examples.raw(name)
    assert resource == examples.example(name), "validation changes nothing"


def test_every_type_that_has_an_example_is_covered() -> None:
    covered = {name.split("/")[0] for name in examples.names()}
    assert len(covered & SERVED_TYPES) == len(SERVED_TYPES), SERVED_TYPES - covered


def refused(resource: Any) -> set[tuple[str, str]]:
    """(expression, code) of every issue."""
    with pytest.raises(InvalidResource) as caught:
        validate(resource)
    assert all(issue.text.endswith(".") for issue in caught.value.issues)
    return {(issue.expression[0], issue.code) for issue in caught.value.issues}


@pytest.mark.parametrize(("resource", "expression", "code"), STRUCTURE)
def test_a_fault_of_structure_is_named_where_it_is(resource: Any, expression: str, code: str) -> None:
    assert refused(resource) == {(expression, code)}


@pytest.mark.parametrize(("resource", "expression"), CODES)
def test_a_code_outside_its_required_value_set_is_refused(resource: Any, expression: str) -> None:
    assert refused(resource) == {(expression, "code-invalid")}


@pytest.mark.parametrize(("resource", "expression"), TARGETS)
def test_a_reference_may_only_point_where_its_element_allows(resource: Any, expression: str) -> None:
    assert refused(resource) == {(expression, "value")}


@pytest.mark.parametrize(("resource", "expression"), INVARIANTS)
def test_a_broken_invariant_is_refused(resource: Any, expression: str) -> None:
    assert refused(resource) == {(expression, "invariant")}


@pytest.mark.parametrize(
    "resource",
    [
        order(_status={"extension": [{"url": "http://x", "valueCode": "unknown"}]}),
        {
            **{k: v for k, v in ORDER.items() if k != "status"},
            "_status": {"extension": [{"url": "http://x", "valueCode": "unknown"}]},
        },
        made(
            "Patient",
            _birthDate={"extension": [{"url": "http://x", "valueDateTime": "2026-03-01T10:00:00+01:00"}]},
        ),
        made("Patient", name=[{"given": ["Ana", None], "_given": [None, {"id": "x"}]}]),
        order(contained=[CONTAINED], subject={"reference": "#p"}),
        order(contained=[{"resourceType": "Device", "id": "d"}], requester={"reference": "#d"}),
        order(subject={"reference": "Patient/1/_history/2"}),
        order(subject={"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}),
        order(subject={"reference": "https://ehr.example/fhir/Patient/1", "type": "Patient"}),
        order(subject={"identifier": {"value": "1"}, "type": "Patient"}),
        order(subject={"display": "somebody"}),
        order(authoredOn="2016-12-31T23:59:60Z"),
        order(code={"text": "x", "coding": [{"display": "no code"}]}),
        made("Condition", clinicalStatus={"text": "worse"}),
        made("Appointment", start=None, end=None, status="waitlist"),
    ],
)
def test_what_fhir_allows_is_taken(resource: Any) -> None:
    assert issues_in(resource) == []
    assert refusal_of(lambda: validate(resource)) == ()


def test_all_faults_are_told_at_once() -> None:
    found = refused(order(status="bogus", foo=1, subject={"reference": "Task/1"}, category=[]))
    assert len(found) == 4


def test_a_flood_of_faults_is_cut() -> None:
    assert len(issues_in(order(note=[{"text": ""}] * 500))) == MAX_ISSUES


@pytest.mark.parametrize(
    "bundle_entry",
    [
        {"resource": {"resourceType": "Transport", "status": "x"}},
        {"resource": {"resourceType": ["x"]}},
        {"resource": {}},
    ],
)
def test_an_unknown_type_inside_a_bundle_is_named(bundle_entry: dict[str, Any]) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [bundle_entry]}
    assert {expression for expression, _ in refused(bundle)} == {"Bundle.entry[0].resource.resourceType"}


def test_a_contained_resource_of_a_type_that_only_r4_has_is_refused_plainly() -> None:
    old = {"resourceType": "MedicinalProduct", "id": "m", "name": [{"productName": "x"}]}
    found = refused(order(contained=[old], supportingInfo=[{"reference": "#m"}]))
    assert found == {("ServiceRequest", "not-supported")}


# Shapes of definitions that we publish but do not take from clients in their full depth.
UNCHECKED = {
    "ElementDefinition": {
        "eld-2",
        "eld-5",
        "eld-6",
        "eld-7",
        "eld-8",
        "eld-11",
        "eld-13",
        "eld-14",
        "eld-15",
        "eld-16",
        "eld-18",
        "eld-19",
        "eld-22",
        "eld-3",
    },
    "ElementDefinition.binding": {"eld-12"},
    "ElementDefinition.slicing": {"eld-1"},
    "ElementDefinition.type": {"eld-4", "eld-17"},
    "StructureDefinition": {"sdf-1", "sdf-15a", "sdf-15", "sdf-19", "sdf-21", "sdf-22"},
    "StructureDefinition.differential": {"sdf-20", "sdf-8a"},
    "StructureDefinition.snapshot": {"sdf-3", "sdf-8", "sdf-8b", "sdf-10"},
}


def test_every_invariant_of_a_served_type_is_checked() -> None:
    seen: set[str] = set()
    waiting = sorted(SERVED_TYPES | MESSAGE_TYPES | {"CapabilityStatement"})
    while waiting:
        name = waiting.pop()
        row = shape_row(name)
        if row is not None and name not in seen:
            seen.add(name)
            waiting += [element.type for element in row.elements.values()]
            missing = {key for key in row.rules if rule(name, key) is None}
            assert missing == UNCHECKED.get(name, set()), name
    for shape, key in RULES:
        row = shape_row(shape)
        assert row is not None, shape
        assert key in row.rules, f"{shape} has no {key}"


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_damaged_resources_are_refused_or_taken_and_nothing_else(seed: int) -> None:
    resource = mutated(seed)
    assert all(issue.expression for issue in refusal_of(lambda: validate(resource)))
    extract(resource)


def test_our_walk_finds_whatever_the_models_of_fhir_resources_find() -> None:
    missed = []
    for seed in range(400):
        resource = mutated(seed)
        if (
            not check_resource(resource)
            and resource["resourceType"] in SERVED_TYPES
            and model_issues(resource)
        ):
            missed.append(seed)
    assert missed == []


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats()
        | st.text(max_size=5)
        | st.sampled_from(["Patient", "#a", "Task/1"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["resourceType", "contained", "id", "meta", "name", "text", "extension"]),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_anything_at_all_is_refused_or_taken(value: Any) -> None:
    issues = refusal_of(lambda: validate(value))
    assert all(issue.text.endswith(".") and issue.code for issue in issues)
    if not issues:
        assert value["resourceType"] in SERVED_TYPES | MESSAGE_TYPES
