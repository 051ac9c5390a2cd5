"""The CapabilityStatement: what the server can do, told from the tables that route and search.

Strict clients refuse properties they do not know: only elements of R4 are used, and no empty list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from referral.fhir.elements import instant
from referral.fhir.operations import Operation
from referral.fhir.own_profiles import profile_urls
from referral.fhir.profiles import profiles_of
from referral.fhir.publication import PUBLISHER
from referral.fhir.search_definitions import definition_of
from referral.fhir.search_parameters import SearchParameter, parameters
from referral.fhir.systems import LocalSystems

US_CORE_SERVER: Final = "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server"
_OAUTH_URIS: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_SECURITY_SERVICE: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_PATCH_FORMATS: Final = ("application/json-patch+json", "application/fhir+json", "application/fhir+xml")
_SEARCH: Final = frozenset({"search-type"})
_TOPIC: Final = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
    "capabilitystatement-subscriptiontopic-canonical"
)


@dataclass(frozen=True, slots=True)
class TypeSupport:
    """What the routes of one type do. `interactions` are codes such as read, vread, update, search-type.

    `conditional` holds create, read, update, delete as far as they are done conditionally; `topics` are the
    canonical URLs of what can be subscribed to.
    """

    interactions: tuple[str, ...]
    conditional: frozenset[str] = frozenset()
    versioning: str = "versioned"
    includes: tuple[str, ...] = ()
    revincludes: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    profiles: tuple[str, ...] | None = None
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What differs from one installation to the next; without an OAuth server its addresses are None."""

    base_url: str
    canonical_base: str
    version: str
    published_at: datetime
    token_url: str | None = None
    authorize_url: str | None = None
    introspect_url: str | None = None


def capability_statement(
    facts: ServerFacts,
    types: Mapping[str, TypeSupport],
    *,
    system_interactions: Sequence[str] = ("transaction", "batch"),
    operations: Sequence[Operation] = (),
    compartments: Sequence[str] = (),
) -> dict[str, Any]:
    """`types` by name, in the order wanted; search parameters come from their table."""
    local = LocalSystems(facts.canonical_base)
    rest: dict[str, Any] = {
        "mode": "server",
        "security": _security(facts),
        "resource": [_resource(name, support, local) for name, support in types.items()],
    }
    _put(rest, "interaction", [{"code": code} for code in system_interactions])
    if any(_SEARCH & set(support.interactions) for support in types.values()):
        _put(
            rest,
            "searchParam",
            [_parameter("Resource", row, local) for row in parameters("Resource").values()],
        )
    _put(rest, "operation", _operations(operations, local))
    _put(rest, "compartment", list(compartments))
    patches = any("patch" in support.interactions for support in types.values())
    every = [*operations, *(row for support in types.values() for row in support.operations)]
    return {
        "resourceType": "CapabilityStatement",
        "id": "server",
        "url": f"{facts.canonical_base}/metadata",
        "version": facts.version,
        "name": "ReferralServer",
        "title": "Recommendation requests before ketamine infusions",
        "status": "active",
        "date": instant(facts.published_at),
        "publisher": PUBLISHER,
        "description": "What this server does, made from the tables that it routes and searches by.",
        "kind": "instance",
        "instantiates": _instantiates(every),
        "software": {"name": "referral", "version": facts.version},
        "implementation": {"description": "Recommendation requests and the gate", "url": facts.base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        **({"patchFormat": list(_PATCH_FORMATS)} if patches else {}),
        "rest": [rest],
    }


def _instantiates(operations: Sequence[Operation]) -> list[str]:
    """US Core, and the guides that some operations are from."""
    return list(dict.fromkeys([US_CORE_SERVER, *(row.follows for row in operations if row.follows)]))


def _security(facts: ServerFacts) -> dict[str, Any]:
    security: dict[str, Any] = {
        "cors": False,
        "service": [
            {
                "coding": [
                    {"system": _SECURITY_SERVICE, "code": "SMART-on-FHIR", "display": "SMART-on-FHIR"}
                ],
                "text": "OAuth2 using SMART Backend Services",
            }
        ],
        "description": "A bearer token for everything but this statement.",
    }
    addresses = {
        "token": facts.token_url,
        "authorize": facts.authorize_url,
        "introspect": facts.introspect_url,
    }
    uris = [{"url": name, "valueUri": address} for name, address in addresses.items() if address]
    if uris:
        # Strict readers want the extension before the rest of the element.
        return {"extension": [{"url": _OAUTH_URIS, "extension": uris}], **security}
    return security


def _resource(name: str, support: TypeSupport, local: LocalSystems) -> dict[str, Any]:
    row: dict[str, Any] = {"type": name, "profile": f"http://hl7.org/fhir/StructureDefinition/{name}"}
    profiles = support.profiles
    if profiles is None:
        profiles = profiles_of(name) + profile_urls(name, local)
    if support.topics:
        # Strict readers want the extension before the rest of the element.
        row = {"extension": [{"url": _TOPIC, "valueCanonical": url} for url in support.topics], **row}
    _put(row, "supportedProfile", list(profiles))
    _put(row, "interaction", [{"code": code} for code in support.interactions])
    row["versioning"] = support.versioning
    row["readHistory"] = "vread" in support.interactions
    row["updateCreate"] = False
    row["conditionalCreate"] = "create" in support.conditional
    row["conditionalRead"] = "full-support" if "read" in support.conditional else "not-supported"
    row["conditionalUpdate"] = "update" in support.conditional
    row["conditionalDelete"] = "single" if "delete" in support.conditional else "not-supported"
    _put(row, "referencePolicy", ["literal", "logical"])
    _put(row, "searchInclude", list(support.includes))
    _put(row, "searchRevInclude", list(support.revincludes))
    if _SEARCH & set(support.interactions):
        own = [p for p in parameters(name).values() if p.name not in parameters("Resource")]
        _put(row, "searchParam", [_parameter(name, found, local) for found in own])
    _put(row, "operation", _operations(support.operations, local))
    return row


def _operations(rows: Sequence[Operation], local: LocalSystems) -> list[Any]:
    return [{"name": row.code, "definition": row.definition(local)} for row in rows]


def _parameter(type: str, found: SearchParameter, local: LocalSystems) -> dict[str, Any]:
    return {"name": found.name, "definition": definition_of(type, found.name, local), "type": found.kind}


def _put(row: dict[str, Any], name: str, values: list[Any]) -> None:
    if values:
        row[name] = values
