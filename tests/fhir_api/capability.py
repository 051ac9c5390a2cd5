"""A clinic with a resource for each search parameter, made out of the CapabilityStatement that is tried."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import select

from referral.fhir.definitions import METADATA_TYPES
from referral.fhir.subscription import OWNER
from referral.storage import resources
from referral.storage.tables import api_client
from tests.database import NOW
from tests.fhir_api import specimens
from tests.fhir_api.client import FhirClient, Json
from tests.fhir_api.people import Referred
from tests.fhir_api.specimens import Definition

# Their resources are not in the store: the program's own, and the audit trail.
NOT_STORED = {*METADATA_TYPES, "AuditEvent"}


@dataclass
class World:
    """One clinic with a request, and one resource for each search parameter; made once for all tests here."""

    fhir: FhirClient
    referred: Referred
    statement: Json
    rows: dict[str, Json]
    # (type, parameter) → id of its specimen and how its value is asked for.
    specimens: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    # The definitions that the server publishes itself, by their canonical URL.
    own: dict[str, Definition] = field(default_factory=dict)
    # type → a resource without values.
    bare: dict[str, str] = field(default_factory=dict)

    @property
    def rest(self) -> Json:
        rest: Json = self.statement["rest"][0]
        return rest

    def does(self, type: str) -> set[str]:
        return {row["code"] for row in self.rows[type]["interaction"]}

    def parameters(self, type: str) -> Iterator[Json]:
        yield from self.rest["searchParam"]
        yield from self.rows[type].get("searchParam", ())


def answers(fhir: FhirClient, *urls: str) -> Iterator[tuple[str, Json]]:
    """Searches in batches, with what came back: the resource, or the OperationOutcome."""
    for start in range(0, len(urls), 200):
        entries = [{"request": {"method": "GET", "url": url}} for url in urls[start : start + 200]]
        answer = fhir.post("", {"resourceType": "Bundle", "type": "batch", "entry": entries})
        assert answer.status == 200, answer.body
        for url, entry in zip(urls[start:], answer.body["entry"], strict=False):
            yield url, entry.get("resource") or entry["response"]["outcome"]


def plant(world: World) -> None:
    """Straight into the store: a specimen holds one element and would not be taken for valid."""
    documents: list[Json] = []
    stored = [type for type in world.rows if type not in NOT_STORED]
    for type in stored:
        world.bare[type] = f"bare-{type}"
        documents.append({"resourceType": type, "id": world.bare[type]})
        for parameter in world.parameters(type):
            made = specimen(world, type, parameter)
            if made is not None:
                document, asked = made
                world.specimens[type, parameter["name"]] = (document["id"], asked)
                documents += [document, specimens.another(document)]
    keep(world, documents)


def keep(world: World, documents: list[Json]) -> None:
    """Into the store as they are, a Subscription as the client's own: each sees its own alone."""
    with world.fhir.clinic.transaction() as session:
        client_id = session.connection.scalar(select(api_client.c.id))
        for document in documents:
            if document["resourceType"] == "Subscription":
                meta = document.get("meta") or {}
                own = {"system": OWNER, "code": client_id}
                document["meta"] = {**meta, "tag": [*meta.get("tag", []), own]}
        resources.create(session, documents, NOW)


def specimen(world: World, type: str, parameter: Json) -> tuple[Json, str] | None:
    name = parameter["name"]
    document: Json = {"resourceType": type, "id": f"s-{type}-{name.replace('_', 'all-')}"[:64]}
    if (type, name) in BY_HAND or ("", name) in BY_HAND:
        more, asked = BY_HAND.get((type, name)) or BY_HAND["", name]
        return {**document, **copy.deepcopy(more)}, asked.format(id=document["id"])
    found = definition_of(world, parameter)
    if found.kind == "composite":
        return composite(world, type, document, found)
    if found.kind not in specimens.VALUES:
        return None
    for place in specimens.places(type, found.kind, found.expression):
        made, asked = specimens.value(place, found.kind, target(world, found, place.target))
        specimens.put(document, type, place.steps, made)
        return document, asked
    return None


def target(world: World, found: Definition, wanted: str | None) -> str:
    """A reference to a bare resource of a type that the parameter may name and that is served."""
    served = [type for type in (found.targets or ("Patient",)) if type in world.rows]
    type = wanted or ("Patient" if "Patient" in served else (served or ["Device"])[0])
    return f"{type}/bare-{type}"


def definition_of(world: World, parameter: Json) -> Definition:
    """R4's, or the one that the server publishes itself."""
    url = parameter["definition"]
    known = specimens.definitions().get(url) or world.own.get(url)
    if known is None:
        (published,) = world.fhir.get(f"SearchParameter?url={url}").resources
        assert published["code"] == parameter["name"]
        known = world.own[url] = specimens.definition(published)
    return known


def composite(world: World, type: str, document: Json, found: Definition) -> tuple[Json, str] | None:
    """Both halves in one element, and the two values with a dollar sign between them."""
    base = found.expression.split("|")[0].strip()
    asked = []
    for url, expression in found.components:
        part = specimens.definitions()[url]
        for alternative in expression.split("|"):
            whole = f"{base}.{alternative.strip().replace('%resource.', '').replace(f'{type}.', '')}"
            places = list(specimens.places(type, part.kind, whole))
            if places:
                made, text = specimens.value(places[0], part.kind, target(world, part, None))
                specimens.put(document, type, places[0].steps, made)
                asked.append(text)
                break
    return (document, "$".join(asked)) if len(asked) == len(found.components) else None


# Both specimens have them alike.
SHARED_BY_BOTH = ("_lastUpdated=", "near=")
_TAG = {"system": specimens.SYSTEM, "code": "amber"}
# Where the expression is no path. An empty type stands for every type.
BY_HAND: dict[tuple[str, str], tuple[Json, str]] = {
    ("", "_id"): ({}, "{id}"),
    ("", "_lastUpdated"): ({}, "ge2026-11-03T17:00:00Z&_id={id}"),
    ("", "_tag"): ({"meta": {"tag": [_TAG]}}, f"{specimens.SYSTEM}|amber"),
    ("", "_security"): ({"meta": {"security": [_TAG]}}, f"{specimens.SYSTEM}|amber"),
    ("", "_profile"): ({"meta": {"profile": [specimens.URL]}}, specimens.URL),
    ("", "_source"): ({"meta": {"source": specimens.URL}}, specimens.URL),
    ("Patient", "deceased"): ({"deceasedBoolean": True}, "true"),
    ("Location", "near"): (
        {"position": {"latitude": Decimal("42.25"), "longitude": Decimal("-83.69")}},
        "42.26|-83.7|10|km",
    ),
    # In HL7's definition the components name each other's element; the order is that of the expressions.
    ("DocumentReference", "relationship"): (
        {
            "relatesTo": [
                {"code": "amber", "target": {"reference": "DocumentReference/bare-DocumentReference"}}
            ]
        },
        "amber$DocumentReference/bare-DocumentReference",
    ),
}
