from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.definitions import SERVED_TYPES
from referral.fhir.index_values import INDEXERS, MAX_KEY, IndexEntry, fold, unpaired
from referral.fhir.intervals import END
from referral.fhir.search_parameters import (
    KEPT_BY_THE_STORE,
    extract,
    includes,
    parameter,
    parameters,
    revincludes,
)
from tests.fhir import examples


def found(resource: dict[str, Any], name: str) -> list[IndexEntry]:
    return [entry for entry in extract(resource) if entry.parameter == name]


def values(resource: dict[str, Any], name: str) -> set[tuple[str | None, str | None]]:
    return {(entry.system, entry.value) for entry in found(resource, name)}


ORDER: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "id": "s1",
    "meta": {
        "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-servicerequest"],
        "tag": [{"system": "http://t", "code": "x"}],
    },
    "identifier": [{"system": "http://i", "value": "R-1"}, {"value": "only"}],
    "status": "active",
    "intent": "order",
    "category": [{"coding": [{"system": "http://c", "code": "a"}, {"code": "b"}]}, {"text": "no code"}],
    "subject": {"reference": "Patient/p1/_history/3"},
    "requester": {"identifier": {"system": "http://npi", "value": "9"}},
    "performer": [{"reference": "https://ehr.example/fhir/Practitioner/7"}, {"reference": "#c"}],
    "authoredOn": "2026-03",
    "occurrencePeriod": {"start": "2026-03-01"},
    "instantiatesCanonical": ["http://x/plan|2"],
}


def test_tokens_are_indexed_with_their_system() -> None:
    assert values(ORDER, "identifier") == {("http://i", "R-1"), (None, "only")}
    assert values(ORDER, "category") == {("http://c", "a"), (None, "b")}
    assert values(ORDER, "status") == {("http://hl7.org/fhir/request-status", "active")}
    assert values(ORDER, "_tag") == {("http://t", "x")}


def test_references_are_indexed_without_version_and_with_their_identifier() -> None:
    assert values(ORDER, "subject") == values(ORDER, "patient") == {(None, "Patient/p1")}
    assert values(ORDER, "requester") == set()
    assert values(ORDER, "requester:identifier") == {("http://npi", "9")}
    assert values(ORDER, "performer") == {(None, "https://ehr.example/fhir/Practitioner/7")}
    assert values(ORDER, "instantiates-canonical") == {(None, "http://x/plan|2"), (None, "http://x/plan")}


def test_dates_are_indexed_as_intervals_whatever_their_type() -> None:
    (authored,) = found(ORDER, "authored")
    assert (authored.low, authored.high) == (
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
    )
    (occurrence,) = found(ORDER, "occurrence")
    assert (occurrence.low, occurrence.high) == (datetime(2026, 3, 1, tzinfo=UTC), END)


def test_a_patient_parameter_holds_patients_only() -> None:
    device = {**ORDER, "subject": {"reference": "Device/d1"}}
    assert values(device, "subject") == {(None, "Device/d1")}
    assert values(device, "patient") == set()
    by_type = {**ORDER, "subject": {"identifier": {"value": "1"}, "type": "Group"}}
    assert values(by_type, "patient:identifier") == set()
    assert values(by_type, "subject:identifier") == {(None, "1")}


def test_texts_are_folded_and_kept_as_written() -> None:
    patient = {
        "resourceType": "Patient",
        "name": [{"family": "Müller-Lüdenscheidt", "given": ["Zoë", "ÅSA"]}],
        "address": [{"line": ["Straße 1"], "city": "São  Paulo"}],
    }
    assert values(patient, "family") == {("Müller-Lüdenscheidt", "muller-ludenscheidt")}
    assert values(patient, "given") == {("Zoë", "zoe"), ("ÅSA", "asa")}
    assert {value for _, value in values(patient, "name")} == {"muller-ludenscheidt", "zoe", "asa"}
    assert {value for _, value in values(patient, "address")} == {"strasse 1", "sao paulo"}


def test_telephone_and_mail_are_told_apart() -> None:
    patient = {
        "resourceType": "Patient",
        "telecom": [{"system": "phone", "value": "555 0100"}, {"system": "email", "value": "A@Mail.Example"}],
    }
    assert values(patient, "phone") == {("phone", "555 0100")}
    assert values(patient, "email") == {("email", "a@mail.example")}
    assert len(found(patient, "telecom")) == 2


def test_deceased_is_true_with_a_date_as_well() -> None:
    assert values({"resourceType": "Patient", "deceasedDateTime": "2026"}, "deceased") == {(None, "true")}
    assert values({"resourceType": "Patient", "deceasedBoolean": False}, "deceased") == {(None, "false")}
    assert len(found({"resourceType": "Patient", "deceasedDateTime": "2026"}, "death-date")) == 1


def test_quantities_keep_their_number_and_unit() -> None:
    observation = {
        "resourceType": "Observation",
        "valueQuantity": {
            "value": Decimal("1.50"),
            "unit": "mg",
            "system": "http://unitsofmeasure.org",
            "code": "mg",
        },
    }
    (entry,) = found(observation, "value-quantity")
    assert entry == IndexEntry("value-quantity", "http://unitsofmeasure.org", "mg", number=Decimal("1.50"))


def test_our_own_parameters_are_there() -> None:
    task = {
        "resourceType": "Task",
        "restriction": {"period": {"end": "2026-03-01"}},
        "output": [{"type": {"text": "x"}, "valueReference": {"reference": "Observation/o1"}}],
    }
    assert len(found(task, "due")) == 1
    assert values(task, "output") == {(None, "Observation/o1")}
    assert parameter("ServiceRequest", "supporting-info") is not None


@pytest.mark.parametrize("name", examples.names())
def test_hl7s_examples_are_found_by_what_they_say(name: str) -> None:
    resource = examples.example(name)
    entries = extract(resource)
    known = parameters(resource["resourceType"])
    assert len(entries) == len(set(entries))
    for entry in entries:
        name, _, part = entry.parameter.partition(":")
        assert name in known
        assert part in {"", "identifier", "text", "of-type"}
        assert entry.parameter not in KEPT_BY_THE_STORE
        assert entry.low is None or (entry.high is not None and entry.low < entry.high)
        most = 2 * MAX_KEY + 1 if known[name].components else MAX_KEY
        assert len(entry.value or "") <= most
        assert len(entry.system or "") <= most


@pytest.mark.parametrize("resource_type", sorted(SERVED_TYPES))
def test_every_path_of_the_table_is_understood(resource_type: str) -> None:
    assert "_id" in parameters(resource_type)
    assert extract({"resourceType": resource_type}) == []
    for entry in parameters(resource_type).values():
        assert all(part.kind in INDEXERS for part in entry.components or (entry,))
        assert entry.paths


# What US Core demands, and what SDOHCC polls by.
@pytest.mark.parametrize(
    ("resource_type", "names"),
    [
        ("Patient", "_id identifier name birthdate gender family given"),
        ("ServiceRequest", "patient _id category code authored status"),
        ("Condition", "patient category clinical-status code onset-date"),
        ("CareTeam", "patient status"),
        ("Procedure", "patient date status code"),
        ("DocumentReference", "patient _id type category date status period"),
        ("QuestionnaireResponse", "patient _id authored status questionnaire"),
        ("Organization", "name address"),
        ("Practitioner", "name identifier"),
        ("PractitionerRole", "practitioner specialty"),
        ("Task", "_id _lastUpdated code owner patient requester status focus output due"),
        ("Provenance", "target agent recorded patient"),
        ("AuditEvent", "patient date agent entity type"),
    ],
)
def test_the_parameters_that_clients_rely_on_are_there(resource_type: str, names: str) -> None:
    assert set(names.split()) <= set(parameters(resource_type))


@given(st.text(max_size=600))
def test_folding_is_stable(text: str) -> None:
    once = fold(text)
    assert len(once) <= MAX_KEY
    assert fold(once) == once or not once.isprintable() or len(once) == MAX_KEY


# R4's parameters that are not served, and why.
NOT_SERVED = {
    "_text": "searches narratives: no full-text index",
    "_content": "searches whole resources: no full-text index",
    "_list": "Lists are not served",
    "_filter": "a language of its own; R4 leaves it to the server",
    "_query": "no named queries are defined here",
    "_type": "searches go to one type",
    "_has": "a form of its own: tests/fhir_api/test_search_reach.py",
}


def test_every_parameter_of_r4_for_the_types_served_is_there_or_has_a_reason() -> None:
    kinds: dict[tuple[str, str], str] = {}
    for row in examples.search_parameters():
        for base in row["base"]:
            if base in SERVED_TYPES or base == "Resource":
                kinds[base, row["code"]] = row["type"]
    assert len(kinds) > 500
    ours = {
        (base, name): row.kind
        for base in (*SERVED_TYPES, "Resource")
        for name, row in parameters(base).items()
    }
    gaps = {key: kind for key, kind in kinds.items() if ours.get(key) != kind}
    assert {code for _, code in gaps} == set(NOT_SERVED)
    assert {base for base, _ in gaps} == {"Resource"}
    own = {key for key in ours if key not in kinds and not key[1].startswith("_")}
    assert own == {("Task", "due"), ("Task", "output"), ("ServiceRequest", "supporting-info")}


def test_pairs_hold_two_values_of_one_element() -> None:
    panel = {
        "resourceType": "Observation",
        "code": {"coding": [{"code": "panel"}]},
        "component": [
            {"code": {"coding": [{"system": "s", "code": "a"}]}, "valueQuantity": {"value": 1, "unit": "g"}},
            {"code": {"coding": [{"code": "b"}]}, "valueQuantity": {"value": 2}},
        ],
    }
    pairs = {
        (entry.system, entry.value, entry.number) for entry in found(panel, "component-code-value-quantity")
    }
    assert pairs == {("s\x1f", "a\x1fg", Decimal(1)), ("\x1f", "b\x1f", Decimal(2))}
    assert found(panel, "code-value-quantity") == []
    one, two = unpaired(found(panel, "combo-code-value-quantity")[0])
    assert (one.system, one.value, two.value, two.number) == ("s", "a", "g", Decimal(1))


def test_what_is_written_beside_codes_is_found_as_text() -> None:
    order = {
        **ORDER,
        "code": {"text": "Infusion", "coding": [{"code": "x", "display": "Intravenöse Infusion"}]},
        "identifier": [{"value": "7", "type": {"text": "Chart", "coding": [{"system": "t", "code": "MR"}]}}],
    }
    assert {value for _, value in values(order, "code:text")} == {"infusion", "intravenose infusion"}
    assert {value for _, value in values(order, "identifier:text")} == {"chart"}
    assert values(order, "identifier:of-type") == {("t", "MR|7")}


def test_includes_are_references_to_what_is_stored() -> None:
    assert "Task:focus" in includes("Task")
    assert "QuestionnaireResponse:questionnaire" not in includes("QuestionnaireResponse")
    assert "Provenance:target" in revincludes("Patient")
    assert "Task:owner" not in revincludes("Encounter")
    assert includes("AuditEvent") == revincludes("Subscription") == ()
    assert not any(row.startswith(("AuditEvent:", "Subscription:")) for row in revincludes("Patient"))
