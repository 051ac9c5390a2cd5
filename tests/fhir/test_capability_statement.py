from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from referral.fhir.capability_statement import (
    ServerFacts,
    TypeSupport,
    capability_statement,
)
from referral.fhir.models import model_issues
from referral.fhir.operations import GATE
from referral.fhir.search_parameters import includes, parameters
from referral.fhir.structure import check_resource

FACTS = ServerFacts(
    base_url="https://here.example/fhir",
    canonical_base="https://referral.example/fhir",
    version="0.1.0",
    published_at=datetime(2026, 11, 25, tzinfo=UTC),
    token_url="https://here.example/oauth/token",
)
TYPES = {
    "ServiceRequest": TypeSupport(
        ("read", "vread", "search-type", "create", "update"),
        conditional=frozenset({"create"}),
        includes=includes("ServiceRequest"),
        revincludes=("Provenance:target",),
        operations=(GATE,),
    ),
    "Binary": TypeSupport(("read",)),
}


def statement(facts: ServerFacts = FACTS) -> dict[str, Any]:
    return capability_statement(facts, TYPES)


def rows() -> dict[str, dict[str, Any]]:
    return {row["type"]: row for row in statement()["rest"][0]["resource"]}


def test_the_statement_is_valid_for_us_and_for_fhir_resources() -> None:
    assert check_resource(statement()) == []
    assert model_issues(statement()) == []


def test_it_says_what_us_core_clients_look_for() -> None:
    found = statement()
    assert found["fhirVersion"] == "4.0.1"
    assert found["instantiates"] == ["http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server"]
    assert rows()["ServiceRequest"]["supportedProfile"] == [
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-servicerequest",
        "https://referral.example/fhir/StructureDefinition/infusion-order",
        "https://referral.example/fhir/StructureDefinition/recommendation-request",
    ]
    assert "supportedProfile" not in rows()["Binary"]


def test_every_search_parameter_of_the_table_is_listed_once() -> None:
    listed = {row["name"]: row["type"] for row in rows()["ServiceRequest"]["searchParam"]}
    shared = {row["name"] for row in statement()["rest"][0]["searchParam"]}
    table = parameters("ServiceRequest")
    assert {**listed, **{name: table[name].kind for name in shared}} == {
        name: found.kind for name, found in table.items()
    }
    assert "searchParam" not in rows()["Binary"]


def test_only_what_is_done_conditionally_is_said_to_be() -> None:
    assert rows()["ServiceRequest"]["conditionalCreate"] is True
    assert rows()["ServiceRequest"]["conditionalUpdate"] is False
    assert rows()["ServiceRequest"]["searchRevInclude"] == ["Provenance:target"]
    assert "ServiceRequest:subject" in rows()["ServiceRequest"]["searchInclude"]


def test_the_oauth_addresses_are_there_as_soon_as_there_are_any() -> None:
    (extension,) = statement()["rest"][0]["security"]["extension"]
    assert extension["extension"] == [{"url": "token", "valueUri": "https://here.example/oauth/token"}]
    bare = ServerFacts("https://x.example/fhir", "https://x.example/fhir", "0", FACTS.published_at)
    assert "extension" not in statement(bare)["rest"][0]["security"]
    assert check_resource(statement(bare)) == []
