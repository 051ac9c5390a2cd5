"""The OpenAPI description: what FastAPI sees in the routes, and what FHIR says about them.

Types, methods and media types come from the tables that route, as in the CapabilityStatement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from referral.fhir.json_patch import MEDIA_TYPE as JSON_PATCH
from referral.services.interactions import INTERACTIONS
from referral.web.fhir_wire import FHIR_JSON, FHIR_XML

Json = dict[str, Any]

_PREFIX: Final = "/fhir"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
# (path below /fhir, method) → the interaction whose types the path takes.
_INTERACTION: Final = {
    ("/{type}", "get"): "search-type",
    ("/{type}", "post"): "create",
    ("/{type}", "put"): "update",
    ("/{type}", "patch"): "patch",
    ("/{type}/_search", "post"): "search-type",
    ("/{type}/_history", "get"): "history-type",
    ("/{type}/{id}", "get"): "read",
    ("/{type}/{id}", "put"): "update",
    ("/{type}/{id}", "patch"): "patch",
    ("/{type}/{id}", "delete"): "delete",
    ("/{type}/{id}/_history", "get"): "history-instance",
    ("/{type}/{id}/_history/{version}", "get"): "vread",
}
_SCHEMAS: Final[Json] = {
    "Resource": {
        "type": "object",
        "description": "A FHIR R4 resource; https://hl7.org/fhir/R4 has the elements of each type.",
        "required": ["resourceType"],
        "properties": {"resourceType": {"type": "string"}, "id": {"type": "string"}},
    },
    "Bundle": {
        "type": "object",
        "required": ["resourceType", "type"],
        "properties": {
            "resourceType": {"const": "Bundle"},
            "type": {"type": "string"},
            "total": {"type": "integer", "minimum": 0},
            "link": {"type": "array", "items": {"type": "object", "required": ["relation", "url"]}},
            "entry": {"type": "array", "items": {"type": "object"}},
        },
    },
    "Parameters": {
        "type": "object",
        "required": ["resourceType"],
        "properties": {
            "resourceType": {"const": "Parameters"},
            "parameter": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        },
    },
    "OperationOutcome": {
        "type": "object",
        "required": ["resourceType", "issue"],
        "properties": {
            "resourceType": {"const": "OperationOutcome"},
            "issue": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["severity", "code", "details"],
                    "properties": {
                        "severity": {"enum": ["fatal", "error", "warning", "information"]},
                        "code": {"type": "string"},
                        "details": {"type": "object", "required": ["text"]},
                        "expression": {"type": "array", "items": {"type": "string"}},
                    },
                },
            },
        },
    },
    "JSONPatch": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["op", "path"],
            "properties": {
                "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
                "path": {"type": "string"},
                "from": {"type": "string"},
                "value": {},
            },
        },
    },
}
_QUERY: Final = {
    "_format": "Wins over Accept: json or xml, or a media type.",
    "_pretty": "true: with line breaks.",
}
_SEARCH: Final = {
    "_count": "How many to a page, at most 200; 0 for the total alone.",
    "_sort": "Search parameters with commas between; a minus sign turns the order round.",
    "_include": "Type:parameter: what matches refer to comes along.",
    "_revinclude": "Type:parameter: what refers to matches comes along.",
    "_lastUpdated": "A date, with a prefix such as ge.",
    "_id": "Ids, with commas between.",
    "_total": "none, estimate or accurate.",
    "_summary": "true, text, data, count or false.",
    "_elements": "Names of elements, with commas between.",
}
_HISTORY: Final = {"_count": _SEARCH["_count"], "_since": "Only versions since then.", "_at": "As of then."}
_PREFER: Final = ("Prefer", "return=minimal, representation or OperationOutcome; handling=strict or lenient")
_IF_MATCH: Final = ("If-Match", 'Only over this version: W/"3".')


def describe(app: FastAPI) -> None:
    """Have `app.openapi()` say the whole of it."""
    plain = app.openapi

    def described() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = complete(plain())
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def complete(found: Json) -> Json:
    """What FastAPI made, with the FHIR routes told in full."""
    components = found.setdefault("components", {})
    schemas = {name: row for name, row in components.get("schemas", {}).items() if name not in _FASTAPIS}
    components["schemas"] = {**schemas, **_SCHEMAS}
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "SMART Backend Services, or a client token",
        }
    }
    for path, methods in found["paths"].items():
        for method in [name for name in methods if name in _METHODS]:
            if _types(path.removeprefix(_PREFIX), method):
                _tell(path, method, methods[method])
            else:
                # A route that refuses, whatever the type.
                del methods[method]
    return found


def _types(below: str, method: str) -> list[str]:
    """The types that a path with `{type}` takes."""
    interaction = _INTERACTION.get((below, method))
    return [type for type, does in INTERACTIONS.items() if not interaction or interaction in does]


_FASTAPIS: Final = frozenset({"HTTPValidationError", "ValidationError"})


def _tell(path: str, method: str, operation: Json) -> None:
    responses = operation["responses"]
    # A refusal is an OperationOutcome, and 422 is for what FHIR calls a business rule.
    responses.pop("422", None)
    responses["default"] = {
        "description": "A refusal: an OperationOutcome with severity, code, expression and a sentence",
        "content": {FHIR_JSON: {"schema": _ref("OperationOutcome")}},
    }
    if not path.startswith(_PREFIX):
        return
    below = path.removeprefix(_PREFIX)
    if below in _OAUTH:
        operation.update(_OAUTH[below])
        return
    responses["default"]["content"][FHIR_XML] = {"schema": {"type": "string"}}
    if path != "/fhir/metadata":
        operation["security"] = [{"bearer": []}]
    for parameter in operation.get("parameters", ()):
        parameter["schema"].update(_of_path(parameter["name"], below, method))
    operation.setdefault("parameters", []).extend(_more_parameters(below, method))
    body = _body(below, method)
    if body:
        operation["requestBody"] = body
    responses.pop("200", None)
    responses.update(_answers(below, method))


def _of_path(name: str, below: str, method: str) -> Json:
    if name == "type":
        return {"enum": _types(below, method)}
    if name == "version":
        return {"pattern": "^[0-9]{1,9}$"}
    return {"pattern": r"^[A-Za-z0-9\-.]{1,64}$"} if name == "id" else {}


def _more_parameters(below: str, method: str) -> Iterator[Json]:
    query = dict(_QUERY)
    headers: list[tuple[str, str]] = []
    if "_history" in below and method == "get" and "{version}" not in below:
        query |= _HISTORY
    elif below == "/{type}" and method == "get":
        query |= _SEARCH
    if below == "/{type}" and method == "post":
        headers.append(("If-None-Exist", "A search: create only where nothing matches it."))
    if method in ("put", "patch"):
        headers.append(_IF_MATCH)
    if method in ("post", "put", "patch"):
        headers.append(_PREFER)
    if below == "/{type}/{id}" and method == "get":
        headers.append(("If-None-Match", "304 for the version that the client has."))
    for name, text in query.items():
        yield _parameter("query", name, text)
    for name, text in headers:
        yield _parameter("header", name, text)


# What a parameter can be, where it is not any text.
_VALUES: Final[dict[str, Json]] = {
    "_format": {"enum": ["json", "xml", FHIR_JSON, FHIR_XML]},
    "_pretty": {"enum": ["true", "false"]},
    "_count": {"pattern": "^[0-9]{1,6}$"},
    "_total": {"enum": ["none", "estimate", "accurate"]},
    "_summary": {"enum": ["true", "text", "data", "count", "false"]},
    "If-Match": {"pattern": '^W/"[0-9]{1,9}"$'},
    "If-None-Match": {"pattern": '^W/"[0-9]{1,9}"$'},
}


def _parameter(where: str, name: str, text: str) -> Json:
    schema = {"type": "string", **_VALUES.get(name, {})}
    return {"name": name, "in": where, "required": False, "description": text, "schema": schema}


def _body(below: str, method: str) -> Json | None:
    if method not in ("post", "put", "patch"):
        return None
    if re.search(r"/\$[^/]+$", below):
        return {"required": False, "content": _content("Resource" if "$validate" in below else "Parameters")}
    if below.endswith("_search"):
        fields = {"type": "object", "additionalProperties": {"type": "string"}}
        return {"required": False, "content": {"application/x-www-form-urlencoded": {"schema": fields}}}
    if method == "patch":
        content = {JSON_PATCH: {"schema": _ref("JSONPatch")}, **_content("Parameters")}
        return {"required": True, "content": content}
    return {"required": True, "content": _content("Bundle" if below == "" else "Resource")}


def _content(schema: str) -> Json:
    return {FHIR_JSON: {"schema": _ref(schema)}, FHIR_XML: {"schema": {"type": "string"}}}


def _ref(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _answers(below: str, method: str) -> Json:
    if below in _OTHERWISE:
        return _OTHERWISE[below]
    content = _content("Bundle" if _is_bundle(below, method) else "Resource")
    if below == "/{type}/{id}" and method == "get":
        # The bytes of a Binary go out under their own type.
        content["*/*"] = {}
    done: Json = {"description": "Done", "content": content}
    answers: Json = {"200": done}
    if below == "/{type}" and method in ("post", "put"):
        answers["201"] = {**done, "description": "Created; Location says where"}
    if below == "/{type}/{id}" and method == "get":
        answers["304"] = {"description": "The client has this version"}
    return answers


def _is_bundle(below: str, method: str) -> bool:
    if "$" in below or "{version}" in below:
        return False
    if re.fullmatch(r"/Patient/\{id\}/\w+", below):
        return True
    return below == "" or "_history" in below or "_search" in below or (below, method) == ("/{type}", "get")


_TOLD: Final[Json] = {"content": {"application/json": {}}}
_ERRORS: Final[Json] = {"description": "A refusal as OAuth has it: error and error_description", **_TOLD}


def _form(*fields: str) -> Json:
    schema = {
        "type": "object",
        "properties": {field: {"type": "string"} for field in fields},
        "required": [fields[0]],
    }
    return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}


# OAuth speaks its own language (RFC 6749, 7523, 7662).
_OAUTH: Final[dict[str, Json]] = {
    "/oauth/token": {
        "requestBody": _form("grant_type", "client_assertion_type", "client_assertion", "scope"),
        "responses": {"200": {"description": "An access token", **_TOLD}, "default": _ERRORS},
    },
    "/oauth/introspect": {
        "security": [{"bearer": []}],
        "requestBody": _form("token"),
        "responses": {
            "200": {"description": "Whether the token is active, and whose it is", **_TOLD},
            "default": {
                "description": "A refusal: of OAuth, or an OperationOutcome where the caller is not known",
                "content": {"application/json": {}, FHIR_JSON: {}, FHIR_XML: {}},
            },
        },
    },
    "/.well-known/smart-configuration": {
        "responses": {"200": {"description": "Where tokens are given", **_TOLD}, "default": _ERRORS}
    },
}
_STARTED: Final[Json] = {"202": {"description": "Begun; Content-Location says where its status is"}}
# Bulk Data answers in its own way.
_OTHERWISE: Final[dict[str, Json]] = {
    "/$export": _STARTED,
    "/Patient/$export": _STARTED,
    "/export-status/{id}": {
        "200": {"description": "Done: the files", "content": {"application/json": {}}},
        "202": {"description": "Still running, or cancelled"},
    },
    "/export-files/{id}/{number}.ndjson": {
        "200": {"description": "One resource a line", "content": {"application/fhir+ndjson": {}}}
    },
}
