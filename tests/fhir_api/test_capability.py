"""Every row of the CapabilityStatement is tried, and nothing is done that does not stand in it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from referral.fhir.compartment import DEFINITION, PATIENT_COMPARTMENT
from referral.fhir.definitions import resource_types
from referral.fhir.operations import OPERATIONS
from referral.storage.db import Database
from tests.database import make_clinic
from tests.fhir import examples
from tests.fhir_api import specimens
from tests.fhir_api.capability import NOT_STORED, SHARED_BY_BOTH, World, answers, definition_of, keep, plant
from tests.fhir_api.client import Json, connect
from tests.fhir_api.people import Referred, patient
from tests.fhir_api.subscribing import subscription
from tests.test_rules import routes

# Addresses of the FHIR API that R4's CapabilityStatement has no element for.
BESIDE = re.compile(r"/fhir/(metadata|\.well-known/smart-configuration|oauth/\w+|export-\w+/.*)")
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def world(database: Database) -> World:
    fhir = connect(make_clinic(database))
    referred = Referred(fhir)
    statement = fhir.call("GET", "/fhir/metadata", Authorization="").body
    rows = {row["type"]: row for row in statement["rest"][0]["resource"]}
    made = World(fhir, referred, statement, rows)
    plant(made)
    return made


# ---- What it says of itself


def test_the_statement_is_read_by_a_strict_client(world: World) -> None:
    from fhirclient.models.capabilitystatement import CapabilityStatement

    # Raises for a property that is unknown, of a wrong type, or missing.
    read = CapabilityStatement(world.statement)
    assert [row.type for row in read.rest[0].resource] == list(world.rows)


def test_the_statement_says_who_it_is_and_what_it_follows(world: World) -> None:
    found = world.statement
    assert (found["kind"], found["fhirVersion"], found["status"]) == ("instance", "4.0.1", "active")
    assert found["implementation"]["url"] == "http://testserver/fhir"
    assert "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server" in found["instantiates"]
    assert {"version", "publisher", "description", "date", "software"} <= found.keys()
    service = world.rest["security"]["service"][0]["coding"][0]
    assert service["code"] == "SMART-on-FHIR"


def test_topics_of_subscriptions_are_named_and_published(world: World) -> None:
    topics = [row["valueCanonical"] for row in world.rows["Subscription"]["extension"]]
    assert len(topics) == 3
    for url in topics:
        (found,) = world.fhir.get(f"Basic?identifier=urn:ietf:rfc:3986|{url}").resources
        assert found["code"]["coding"][0]["code"] == "SubscriptionTopic"
    assert world.rows["Subscription"]["supportedProfile"][0].endswith("/backport-subscription")
    guides = ("bulkdata/CapabilityStatement/bulk-data", "backport-subscription-server-r4")
    uris = world.rest["security"]["extension"][0]["extension"]
    assert {row["url"] for row in uris} == {"token", "introspect"}
    for guide in guides:
        assert [url for url in world.statement["instantiates"] if url.endswith(guide)], guide


def test_no_page_of_another_origin_may_call_as_the_statement_says(world: World) -> None:
    assert world.rest["security"]["cors"] is False
    for method in ("GET", "OPTIONS"):
        answer = world.fhir.call(
            method,
            "/fhir/metadata",
            Origin="https://elsewhere.example",
            Access_Control_Request_Method="GET",
        )
        assert "access-control-allow-origin" not in answer.headers


def test_every_format_that_is_offered_is_spoken(world: World) -> None:
    for name in world.statement["format"]:
        for path in ("metadata", world.referred.patient):
            answer = world.fhir.get(f"{path}?_format={quote(name)}", Accept="*/*")
            assert answer.status == 200, name
            assert name.split("/")[-1].split("+")[-1] in answer.headers["content-type"]
    for name in ("ttl", "ndjson", "html"):
        assert world.fhir.get(f"metadata?_format={name}").status == 406


# ---- Interactions


def in_store(world: World, type: str) -> Json:
    """A resource of the type that the API gives out, as it gives it out."""
    found = world.fhir.get(f"{type}?_count=1").resources
    assert found, type
    return found[0]


def test_every_type_is_read_in_every_way_that_it_says(world: World) -> None:
    for type, row in world.rows.items():
        does, sample = world.does(type), in_store(world, type)
        path = f"{type}/{sample['id']}"
        version = sample["meta"]["versionId"]
        for code, where in {
            "read": path,
            "vread": f"{path}/_history/{version}",
            "history-instance": f"{path}/_history",
            "history-type": f"{type}/_history",
            "search-type": f"{type}?_id={sample['id']}",
        }.items():
            answer = world.fhir.get(where)
            assert answer.status == (200 if code in does else 405), (type, code)
        read = world.fhir.get(path)
        assert read.body == sample
        assert row["readHistory"] is ("vread" in does)
        assert world.fhir.call("POST", f"/fhir/{type}/_search", b"_count=1", **FORM).status == 200
        if row["conditionalRead"] == "full-support":
            assert world.fhir.get(path, If_None_Match=read.headers["etag"]).status == 304, type
            assert world.fhir.get(path, If_Modified_Since=read.headers["last-modified"]).status == 304, type
            assert world.fhir.get(path, If_None_Match='W/"999"').status == 200, type


def valid(world: World, type: str) -> Json:
    """What a client may send: an example of HL7's, or what the workflow takes."""
    made: Json = copy.deepcopy(VALID[type](world) if type in VALID else examples.example(type))
    return {name: value for name, value in made.items() if name not in ("id", "meta")}


def _under_the_order(type: str, **more: Any) -> Any:
    def make(world: World) -> Json:
        order, patient = world.referred.order, world.referred.patient
        return {
            "resourceType": type,
            "subject": {"reference": patient},
            "basedOn": [{"reference": order}],
            **more,
        }

    return make


def _administration(world: World) -> Json:
    made = examples.example("MedicationAdministration")
    return {**made, "status": "not-done", "statusReason": [{"text": "Waits"}]}


VALID: Mapping[str, Any] = {
    "Procedure": _under_the_order("Procedure", status="preparation"),
    "MedicationAdministration": _administration,
    # HL7's example asks for changes by a search, not by a topic.
    "Subscription": lambda _: subscription("https://hooks.example.org/fhir"),
}


def test_every_type_is_written_in_every_way_that_it_says(world: World) -> None:
    for type, row in world.rows.items():
        does = world.does(type)
        sent = valid(world, type) if "create" in does else {"resourceType": type}
        made = world.fhir.post(type, sent)
        if "create" not in does:
            assert made.status == 405, type
            assert not row["conditionalCreate"]
            sample = in_store(world, type)
            assert world.fhir.put(f"{type}/{sample['id']}", sample).status == 405, type
            continue
        assert made.status == 201, (type, made.body)
        path = f"{type}/{made.id}"
        assert_updates(world, type, path)
        assert_patches(world, type, path)
        deleted = world.fhir.call("DELETE", f"/fhir/{path}")
        assert deleted.status == (204 if "delete" in does else 405), type
        assert world.fhir.get(path).status == (404 if "delete" in does else 200)
        assert (
            world.fhir.put(f"{type}/chosen-by-client", {**made.body, "id": "chosen-by-client"}).status == 405
        )
        assert row["updateCreate"] is False


def assert_updates(world: World, type: str, path: str) -> None:
    read = world.fhir.get(path)
    answer = world.fhir.put(path, tagged(read.body, "u"), If_Match=read.headers["etag"])
    assert answer.status == (200 if "update" in world.does(type) else 405), (type, answer.body)
    if answer.status == 200:
        assert int(answer.body["meta"]["versionId"]) > int(read.body["meta"]["versionId"])
        stale = world.fhir.put(path, tagged(read.body, "v"), If_Match=read.headers["etag"])
        assert stale.status == 412, type
        versions = world.fhir.get(f"{path}/_history").resources
        assert len({row["meta"]["versionId"] for row in versions}) > 1


def assert_patches(world: World, type: str, path: str) -> None:
    json_patch = b'[{"op": "add", "path": "/meta/tag", "value": [{"code": "p"}]}]'
    parts = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": f"{type}.meta"},
        {"name": "name", "valueString": "tag"},
        {"name": "value", "valueCoding": {"code": "q"}},
    ]
    path_patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    expected = 200 if "patch" in world.does(type) else 405
    kinds = world.statement["patchFormat"]
    for kind in kinds:
        body = json_patch if kind == "application/json-patch+json" else path_patch
        if "xml" in kind:
            continue  # tests/fhir_api/test_xml.py
        answer = world.fhir.call("PATCH", f"/fhir/{path}", body, Content_Type=kind)
        assert answer.status == expected, (type, kind, answer.body)
    assert {"application/json-patch+json", "application/fhir+json"} <= set(kinds)


def tagged(document: Json, code: str) -> Json:
    return {
        **document,
        "meta": {**document.get("meta", {}), "tag": [{"system": specimens.SYSTEM, "code": code}]},
    }


def test_conditions_are_kept_where_they_are_said_to_be(world: World) -> None:
    """By a tag, which every type has."""
    condition = f"_tag={specimens.SYSTEM}|once"
    for type, row in world.rows.items():
        if "create" not in world.does(type):
            assert not row["conditionalCreate"]
            assert not row["conditionalUpdate"]
            continue
        sent = tagged(valid(world, type), "once")
        first, again = (world.fhir.post(type, sent, If_None_Exist=condition) for _ in range(2))
        assert row["conditionalCreate"] is True
        assert (first.status, again.status) == (201, 200), (type, first.body)
        assert again.id == first.id
        current = {
            name: value for name, value in world.fhir.get(f"{type}/{first.id}").body.items() if name != "id"
        }
        changed = world.fhir.put(f"{type}?{condition}", current)
        assert changed.status == (200 if row["conditionalUpdate"] else 405), (type, changed.body)
        assert row["conditionalDelete"] == "not-supported" or "delete" in world.does(type)


def test_what_is_done_with_everything_is_what_is_said(world: World) -> None:
    codes = {row["code"] for row in world.rest["interaction"]}
    for code in ("batch", "transaction"):
        answer = world.fhir.post("", {"resourceType": "Bundle", "type": code, "entry": []})
        assert answer.status == (200 if code in codes else 405)
        assert answer.body["type"] == f"{code}-response"
    for code, where in {
        "history-system": "/fhir/_history",
        "search-system": "/fhir?_type=Patient&_count=1",
    }.items():
        assert world.fhir.call("GET", where).status == (200 if code in codes else 405), code
    assert codes <= {"batch", "transaction", "history-system", "search-system"}


# ---- Search


def test_every_search_parameter_finds_what_has_the_value_and_nothing_else(world: World) -> None:
    """Of each parameter there are two specimens with different values, and a resource without any."""
    asked: dict[str, tuple[str, str]] = {}
    left_out = []
    stored = [type for type in world.rows if type not in NOT_STORED]
    for type in stored:
        # What every type has is tried on some.
        rows = world.parameters(type) if type in stored[:3] else world.rows[type].get("searchParam", ())
        for name in (row["name"] for row in rows):
            if (type, name) not in world.specimens:
                left_out.append((type, name))
                continue
            id, value = world.specimens[type, name]
            asked[f"{type}?_count=200&{name}={quote(value, safe='|/$&=:')}"] = (type, id)
    assert left_out == []
    wrong = []
    for url, found in answers(world.fhir, *asked):
        type, id = asked[url]
        ids = {row["resource"].get("id") for row in found.get("entry", ())}
        another = "" if any(name in url for name in SHARED_BY_BOTH) else f"o{id[1:]}"
        if found["resourceType"] != "Bundle" or id not in ids or {another, world.bare[type]} & ids:
            wrong.append((url, found.get("issue"), len(ids)))
    assert not wrong, "\n".join(map(str, wrong))
    assert len(asked) > 400


def test_every_parameter_of_what_is_not_stored_finds_what_it_should(world: World, database: Database) -> None:
    """Values read out of the resources that are there, along R4's expressions."""
    asked: dict[str, tuple[str, bool]] = {}
    # The audit trail of a clinic in which little has happened.
    quiet = connect(make_clinic(database))
    assert quiet.create(patient())
    for type in (type for type in world.rows if type in NOT_STORED):
        there = quiet.get(f"{type}?_count=200").resources
        for parameter in world.parameters(type):
            for id, value in observed(world, type, parameter, there):
                asked[f"{type}?_count=200&{parameter['name']}={quote(value, safe='|/:')}"] = (id, True)
            other = specimens.OTHER.get(parameter["type"], "violet$1")
            asked[f"{type}?_count=200&{parameter['name']}={quote(other, safe='|$')}"] = ("", False)
    wrong = []
    for url, found in answers(quiet, *asked):
        id, wanted = asked[url]
        ids = [row["resource"].get("id") for row in found.get("entry", ())]
        if found["resourceType"] != "Bundle" or (id not in ids if wanted else ids):
            wrong.append((url, found.get("issue"), ids[:3]))
    assert not wrong, "\n".join(map(str, wrong))
    assert sum(wanted for _, wanted in asked.values()) > 30


def observed(world: World, type: str, parameter: Json, there: list[Json]) -> Iterator[tuple[str, str]]:
    """One resource with the parameter, if any has it."""
    if parameter["name"] == "_id":
        yield there[0]["id"], there[0]["id"]
        return
    found = definition_of(world, parameter)
    if found.kind not in specimens.VALUES or parameter["name"].startswith("_"):
        return
    for place in specimens.places(type, found.kind, found.expression):
        for row in there:
            for value in specimens.read(row, place.steps):
                text = specimens.asked_for(place.datatype, found.kind, value)
                if text and (place.target is None or text.startswith(place.target)):
                    yield row["id"], text
                    return


def test_every_include_brings_what_is_referred_to(world: World) -> None:
    asked: dict[str, set[str]] = {}
    for type, row in world.rows.items():
        for include in row.get("searchInclude", ()):
            name = include.partition(":")[2]
            id, reference = world.specimens[type, name]
            asked[f"{type}?_id={id}&_include={include}"] = {reference}
    wrong = missing(world, asked)
    assert not wrong, "\n".join(map(str, wrong))
    assert len(asked) > 100


def test_every_revinclude_brings_what_refers_to_it(world: World) -> None:
    """A reference of its own for each parameter and each type that may be named; several to a search."""
    documents: list[Json] = []
    asked: dict[str, set[str]] = {}
    for type, row in world.rows.items():
        of_type = row.get("searchRevInclude", [])
        for start in range(0, len(of_type), 30):
            some = of_type[start : start + 30]
            url = "&".join([f"{type}?_id={world.bare[type]}", *(f"_revinclude={name}" for name in some)])
            made = [referring(world, name, f"{type}/{world.bare[type]}") for name in some]
            asked[url] = {f"{document['resourceType']}/{document['id']}" for document in made}
            documents += made
    keep(world, documents)
    wrong = missing(world, asked)
    assert not wrong, "\n".join(map(str, wrong))
    assert len(documents) > 500


def referring(world: World, revinclude: str, reference: str) -> Json:
    source, name = revinclude.split(":")
    parameter = next(row for row in world.parameters(source) if row["name"] == name)
    wanted = (None, reference.partition("/")[0])
    places = specimens.places(source, "reference", definition_of(world, parameter).expression)
    place = next(found for found in places if found.target in wanted and found.datatype == "Reference")
    document = {"resourceType": source, "id": f"r-{name}-{reference.replace('/', '-')}"[:64]}
    specimens.put(document, source, place.steps, {"reference": reference})
    return document


def missing(world: World, asked: dict[str, set[str]]) -> list[Any]:
    wrong = []
    for url, found in answers(world.fhir, *asked):
        brought = {
            f"{row['resource']['resourceType']}/{row['resource'].get('id')}"
            for row in found.get("entry", ())
            if row["search"]["mode"] == "include"
        }
        if asked[url] - brought:
            wrong.append((url, asked[url] - brought, found.get("issue"), sorted(brought)[:3]))
    return wrong


# ---- Operations


def test_every_operation_has_its_definition_and_its_route(world: World) -> None:
    stated = {
        (type, row["name"], row["definition"])
        for type, resource in world.rows.items()
        for row in resource.get("operation", ())
    } | {("", row["name"], row["definition"]) for row in world.rest.get("operation", ())}
    published = world.fhir.get("OperationDefinition?_count=200").resources
    for definition in published:
        types = definition.get("resource", [""])
        named = definition.get("base", definition["url"])
        for type in types if "Resource" not in types else world.rows:
            urls = {url for at, name, url in stated if (at, name) == (type, definition["code"])}
            assert urls & {named, definition["url"]}, (type, definition["code"])
    assert {name for _, name, _ in stated} == {row["code"] for row in published}


def operation_routes(world: World) -> set[tuple[str, str, str, str]]:
    """(type or empty, level, name, method) of every route with a dollar sign."""
    found = set()
    for route in routes(world.fhir.app):
        match = re.fullmatch(
            r"/fhir(?:/(?P<type>[^/]+))?(?P<id>/\{[^/]+\})?/\$(?P<name>[\w-]+)", route.path or ""
        )
        if match is None:
            assert "$" not in (route.path or ""), route.path
            continue
        level = "instance" if match["id"] else "type" if match["type"] else "system"
        type = match["type"] or ""
        for method in route.methods or ():
            found.add(("Resource" if type.startswith("{") else type, level, match["name"], method))
    return found


def test_operations_in_the_table_and_routes_are_the_same(world: World) -> None:
    table = {
        (type, level, row.code, method)
        for row in OPERATIONS
        for level, on in (("system", row.system), ("type", row.type), ("instance", row.instance))
        if on
        for type in ([""] if level == "system" else row.types)
        for method in row.methods
    }
    assert operation_routes(world) == table


def test_every_operation_is_answered_at_each_of_its_levels(world: World) -> None:
    """Whatever it says to an empty call: it is there, and refuses like everything else."""
    called = 0
    for row in OPERATIONS:
        for type in world.rows if "Resource" in row.types else row.types or ("",):
            for level, on in (("system", row.system), ("type", row.type), ("instance", row.instance)):
                if not on:
                    continue
                steps = [] if level == "system" else [type]
                steps += [instance_of(world, type)] if level == "instance" else []
                where = "/".join(["/fhir", *steps, f"${row.code}"])
                for method in sorted(row.methods):
                    body = {"resourceType": "Parameters"} if method == "POST" else None
                    answer = world.fhir.call(method, where, body)
                    assert answer.status not in (404, 405), where
                    assert answer.status < 500, (where, answer.body)
                    called += 1
    assert called > 1
    gate = world.fhir.call("POST", f"/fhir/{world.referred.order}/$gate", {"resourceType": "Parameters"})
    assert gate.body["resourceType"] == "Parameters"


def instance_of(world: World, type: str) -> str:
    if type == "ServiceRequest":
        return world.referred.order.partition("/")[2]
    if type == "Subscription":
        return str(world.fhir.create(valid(world, type))["id"])
    return str(in_store(world, type)["id"])


# ---- The other way round


def test_no_route_does_what_the_statement_does_not_say(world: World) -> None:
    known = {
        ("", "POST"), ("/", "POST"), ("/{type}", "GET"), ("/{type}", "POST"), ("/{type}", "PUT"),
        ("/{type}", "PATCH"), ("/{type}/_search", "POST"), ("/{type}/_history", "GET"), ("/_history", "GET"),
        ("/{type}/{id}", "GET"), ("/{type}/{id}", "PUT"), ("/{type}/{id}", "PATCH"),
        ("/{type}/{id}", "DELETE"),
        ("/{type}/{id}/_history", "GET"), ("/{type}/{id}/_history/{version}", "GET"),
        *((f"/Patient/{{id}}/{type}", "GET") for type in PATIENT_COMPARTMENT),
    }  # fmt: skip
    assert world.rest["compartment"] == [DEFINITION]
    for route in routes(world.fhir.app):
        path = re.sub(r":\w+\}", "}", route.path or "").removeprefix("/fhir")
        if (
            path == route.path
            or "$" in path
            or BESIDE.fullmatch(str(route.path))
            or "anything_else" in str(route.name)
        ):
            continue
        for method in route.methods or ():
            if method not in ("OPTIONS", "HEAD"):
                assert (path, method) in known, (path, method)


def test_what_is_not_said_is_refused_in_fhirs_own_words(world: World) -> None:
    for type in sorted(resource_types() - world.rows.keys()):
        assert world.fhir.get(type).status == 404, type
        assert world.fhir.get(f"{type}/1").status == 404, type
    answers = [
        world.fhir.post("Medication", {"resourceType": "Medication"}),
        world.fhir.get("$nothing"),
        world.fhir.get("Patient/$nothing"),
        world.fhir.get(f"{world.referred.patient}/$nothing"),
        world.fhir.get("_nothing"),
        world.fhir.get("Patient/1/2/3"),
        world.fhir.call("PUT", "/fhir", {}),
        world.fhir.call("DELETE", "/fhir/Patient"),
        world.fhir.call("TRACE", "/fhir/Patient"),
    ]
    for answer in answers:
        assert answer.status in (404, 405), answer.body
        assert answer.text
