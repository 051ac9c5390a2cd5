"""The FHIR R4 API: what HTTP says, handed to the services; nothing is read before the caller is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from referral.domain.errors import NotFound, NotSupported
from referral.domain.gate import decide
from referral.domain.policy import Policy
from referral.fhir import gate
from referral.fhir.bundle import split_url
from referral.fhir.json import decode
from referral.fhir.problems import InvalidResource, Issue, Unreadable
from referral.fhir.reference_targets import relative_references
from referral.fhir.search_query import query_pairs
from referral.services import interactions, search_resources, write_resources
from referral.services.methods import methods_of
from referral.services.take_subscription import delete_subscription
from referral.services.write_bundle import bare
from referral.storage import clinics
from referral.storage.joint_reads import AskedGate, AskedResource
from referral.storage.orders import FactsOfOrder
from referral.storage.resources import Stored
from referral.web.area import Area
from referral.web.dependencies import marked
from referral.web.fhir_batch import carry_out_bundle
from referral.web.fhir_client import NO_OPERATION, Caller, client
from referral.web.fhir_names import ONE_RESOURCE, ONE_TYPE
from referral.web.fhir_search import Part, history_bundle, part_of, read_query, search_bundle
from referral.web.fhir_wire import (
    AS_IT_IS,
    BodyDep,
    FormDep,
    PatchDep,
    Wanted,
    WantedDep,
    asked_in_form,
    content_response,
    header_text,
    is_known,
    number_of_version,
    query_text,
    read_body,
    resource_response,
    stored_response,
    version_headers,
    version_in,
    wanted,
    written_response,
)
from referral.web.together import Together

router: Final = Area(prefix="/fhir", tags=["FHIR"])
# What systems call in bulk is tried before all other routes: reads, of the gate above all, and creates.
frequent: Final = Area(prefix="/fhir", tags=["FHIR"])
BASE_TAKES: Final = "at the base, which takes Bundles by POST; /fhir/metadata says what this server does"


@dataclass(frozen=True, slots=True)
class Sent:
    """A body, who sends it, and how they want to be answered."""

    caller: Caller
    how: Wanted
    raw: bytes


def sent(interaction: str) -> Any:
    """As client(): one dependency instead of three, for what is written in bulk; nothing is read before."""
    admit = client(interaction).dependency

    async def read(request: Request) -> Sent:
        caller = await admit(request)
        return Sent(caller, await wanted(request), await read_body(request))

    return marked(read, admit.access_policy)


Reader = Annotated[Caller, client("r")]
Searcher = Annotated[Caller, client("s")]
Created = Annotated[Sent, sent("c")]
Bundled = Annotated[Sent, sent("any")]
Updater = Annotated[Caller, client("u")]
Anyone = Annotated[Caller, client("any")]


# ---- The gate


async def read_gate(request: Request, caller: Anyone, how: WantedDep, id: str) -> Response:
    """Whether treatment may start under this order, and if not, why: advice as of now; changes nothing."""
    caller.require("ServiceRequest", "r")
    if not caller.permit.is_whole("ServiceRequest", "r"):
        await run_in_threadpool(_require_sight, caller, id)
    together: Together[AskedGate, FactsOfOrder | None] = request.app.state.gate_reads
    found = await together.read(AskedGate(caller.actor, id, caller.token))
    if found is None:
        text = f"There is no infusion order with id {id[:64]}; a request names its order in basedOn."
        raise NotFound(text)
    if found.policy_version is None:
        raise NotFound("This clinic has no policy; its gate is closed.")
    policy = clinics.kept_policy(caller.actor.clinic_id, found.policy_version)
    if policy is None:
        policy = await run_in_threadpool(_read_policy, caller, found.policy_version)
    return resource_response(gate.parameters(decide(found.facts, policy, caller.now)), how)


def _require_sight(caller: Caller, id: str) -> None:
    with caller.transaction() as session:
        search_resources.require_sight(session, caller.access, "ServiceRequest", id)


def _read_policy(caller: Caller, version: int) -> Policy:
    with caller.transaction() as session:
        return clinics.policy_of(session, version)[0]


# ---- Bundles


@router.post("")
@router.post("/", include_in_schema=False)
def post_bundle(request: Request, sent: Bundled) -> Response:
    """A batch, or a transaction that is done as a whole or not at all."""
    bundle = _read(sent.raw, sent.caller)
    return resource_response(carry_out_bundle(request, sent.caller, sent.how, bundle), sent.how)


# ---- Search


@router.get("/_history")
def read_history_of_all(request: Request, caller: Anyone, how: WantedDep) -> Response:
    """The versions of all resources of the types that the client may search, newest first."""
    return _history(request, caller, how, None, None)


@router.get("/{type}")
def search(request: Request, caller: Searcher, how: WantedDep, type: str) -> Response:
    """Search by what stands behind the question mark."""
    return _search(caller, how, type, query_text(request))


@router.post("/{type}/_search")
def search_by_form(request: Request, caller: Searcher, how: WantedDep, form: FormDep, type: str) -> Response:
    """The same with the parameters in the body, so that they stand in no log."""
    how = how if "_format" in request.query_params else asked_in_form(how, form)
    return _search(caller, how, type, "&".join(part for part in (query_text(request), form) if part))


def _search(caller: Caller, how: Wanted, type: str, text: str) -> Response:
    interactions.require(type, "search-type")
    query = read_query(caller, type, text, strict=how.strict)
    with caller.transaction() as session:
        bundle = search_bundle(session, caller, query)
    return resource_response(bundle, how)


@router.get("/{type}/_history")
def read_history_of_type(request: Request, caller: Searcher, how: WantedDep, type: str) -> Response:
    """The versions of all resources of a type, newest first."""
    return _history(request, caller, how, type, None)


def _history(request: Request, caller: Caller, how: Wanted, type: str | None, id: str | None) -> Response:
    text = query_text(request)
    with caller.transaction() as session:
        bundle = history_bundle(session, caller, type, id, text, strict=how.strict)
    return resource_response(bundle, how)


# ---- One resource


@router.post("/{type}")
def create(request: Request, sent: Created, type: str) -> Response:
    """Create; with If-None-Exist only where nothing matches it."""
    caller = sent.caller
    document = _read_resource(sent.raw, caller, type, "create")
    _refuse_query(query_text(request), type)
    condition = header_text(request, "if-none-exist")
    with caller.transaction() as session:
        if condition is None:
            written = write_resources.create_resource(session, caller.access, document, caller.now)
        else:
            query = read_query(caller, type, bare(condition), strict=True)
            written = write_resources.create_unless(session, caller.access, document, query, caller.now)
    return written_response(written, sent.how, caller.base_url)


def _refuse_query(text: str, type: str) -> None:
    """Some clients send a condition in this way; ignored, it would make a second resource."""
    if {name for name, _ in query_pairs(text)} - {"_format", "_pretty"}:
        said = f"A create takes no query; put a condition into If-None-Exist, or search at {type}/_search."
        raise Unreadable(Issue(said, ("http.query",), "invalid"))


@router.put("/{type}")
def update_by_condition(
    request: Request, caller: Updater, how: WantedDep, raw: BodyDep, type: str
) -> Response:
    """Update the one resource that the query finds, or create it."""
    document = _read_resource(raw, caller, type, "update")
    expected = version_in(request.headers.get("if-match"))
    query = read_query(caller, type, query_text(request), strict=True)
    with caller.transaction() as session:
        written = write_resources.update_matching(
            session, caller.access, document, query, caller.now, expected=expected
        )
    told = how if written.created else _told(caller, how, written.stored)
    return written_response(written, told, caller.base_url)


@router.get("/{type}/{id}")
async def read(request: Request, caller: Reader, how: WantedDep, type: str, id: str) -> Response:
    """The current version, or 304 for one that the client has."""
    text = query_text(request)
    part = part_of(caller, type, text) if text else Part()
    stored = await _current(request, caller, type, id)
    if text or how.is_xml:  # worked out anew, which may take its time
        return await run_in_threadpool(_told_one, request, caller, how, stored, part)
    return _told_one(request, caller, how, stored, part)


def _told_one(request: Request, caller: Caller, how: Wanted, stored: Stored, part: Part) -> Response:
    if how.media_type == AS_IT_IS:
        return content_response(stored)
    if is_known(stored, request.headers.get("if-none-match"), request.headers.get("if-modified-since")):
        return Response(b"", 304, version_headers(stored, caller.base_url))
    return stored_response(stored, how, caller.base_url, part.of(stored))


async def _current(request: Request, caller: Caller, type: str, id: str) -> Stored:
    """Together with other reads where scopes reach all of the type; else, and what is not found, alone."""
    if type not in search_resources.READ_ALONE and caller.permit.is_whole(type, "r"):
        together: Together[AskedResource, Stored | None] = request.app.state.resource_reads
        found = await together.read(AskedResource(caller.actor, type, id, caller.token))
        if found is not None:
            return found
    return await run_in_threadpool(_read_alone, caller, type, id)


def _read_alone(caller: Caller, type: str, id: str) -> Stored:
    with caller.transaction() as session:
        return search_resources.read_resource(session, caller.access, type, id)


# In the order in which they are tried.
frequent.add_api_route(ONE_TYPE, create, methods=["POST"], include_in_schema=False)
frequent.add_api_route("", post_bundle, methods=["POST"], include_in_schema=False)
frequent.add_api_route(ONE_RESOURCE, read, include_in_schema=False)
for method in ("GET", "POST"):
    frequent.add_api_route("/ServiceRequest/{id}/$gate", read_gate, methods=[method])


@router.put("/{type}/{id}")
def update(request: Request, caller: Updater, how: WantedDep, raw: BodyDep, type: str, id: str) -> Response:
    """Write the next version; with If-Match only over the version that it names."""
    document = _read_resource(raw, caller, type, "update")
    expected = version_in(request.headers.get("if-match"))
    with caller.transaction() as session:
        written = write_resources.update_resource(
            session, caller.access, id, document, caller.now, expected=expected
        )
    return written_response(written, _told(caller, how, written.stored), caller.base_url)


@router.patch("/{type}")
def patch_by_condition(
    request: Request, caller: Updater, how: WantedDep, read: PatchDep, type: str
) -> Response:
    """Patch the one resource that the query finds."""
    interactions.require(type, "patch")
    patch, expected = read(), version_in(request.headers.get("if-match"))
    query = read_query(caller, type, query_text(request), strict=True)
    with caller.transaction() as session:
        written = write_resources.patch_matching(
            session, caller.access, patch, query, caller.now, expected=expected, base_url=caller.base_url
        )
    return written_response(written, _told(caller, how, written.stored), caller.base_url)


@router.patch("/{type}/{id}")
def patch(request: Request, caller: Updater, how: WantedDep, read: PatchDep, type: str, id: str) -> Response:
    """Change parts of a resource; with If-Match only of the version that it names."""
    interactions.require(type, "patch")
    patch, expected = read(), version_in(request.headers.get("if-match"))
    with caller.transaction() as session:
        written = write_resources.patch_resource(
            session, caller.access, type, id, patch, caller.now, expected=expected, base_url=caller.base_url
        )
    return written_response(written, _told(caller, how, written.stored), caller.base_url)


@router.get("/{type}/{id}/_history")
def read_history(request: Request, caller: Reader, how: WantedDep, type: str, id: str) -> Response:
    """Its versions, newest first."""
    return _history(request, caller, how, type, id)


@router.get("/{type}/{id}/_history/{version}")
def read_version(
    request: Request, caller: Reader, how: WantedDep, type: str, id: str, version: str
) -> Response:
    """One version."""
    part = part_of(caller, type, query_text(request))
    number = number_of_version(version)
    with caller.transaction() as session:
        stored = search_resources.read_version(session, caller.access, type, id, number)
    return stored_response(stored, how, caller.base_url, part.of(stored))


def _told(caller: Caller, how: Wanted, stored: Stored) -> Wanted:
    """Who may change a resource and not read it is not shown what it holds."""
    return how if caller.permit.allows(stored, "r") else replace(how, returns="minimal")


# ---- What cannot be done


@router.delete("/{type}/{id}")
def delete(caller: Anyone, type: str, id: str) -> Response:
    """No record of anybody is deleted, what is wrong is marked entered-in-error; a subscription is."""
    interactions.require(type, "delete")
    with caller.transaction() as session:
        delete_subscription(session, caller.access, id, caller.now)
    return Response(b"", 204)


@router.options("", include_in_schema=False)
@router.options("/{rest:path}", include_in_schema=False)
def options(request: Request, caller: Anyone) -> Response:  # noqa: ARG001 - for its policy
    """Which methods an address takes."""
    allowed = methods_of(request.url.path.removeprefix(router.prefix))
    if not allowed:
        raise NotFound("There is nothing at this address.")
    return Response(b"", 204, {"Allow": ", ".join(allowed)})


@router.api_route("", methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False)
@router.api_route(
    "/{rest:path}",
    methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    include_in_schema=False,
)
def anything_else(request: Request, caller: Anyone, rest: str = "") -> Response:  # noqa: ARG001 - its policy
    """Whatever no route takes is answered only to a known client."""
    type = split_url(rest)[0].split("/")[0]
    if not methods_of(rest) and rest:
        interactions.require(type, "delete" if request.method == "DELETE" else "read")
        if "$" in rest:
            raise NotFound(NO_OPERATION)
    where = "here; see /fhir/metadata for what this server does" if rest else BASE_TAKES
    raise NotSupported(f"{request.method} cannot be done {where}.")


# ---- Bodies


def _read(raw: bytes, caller: Caller) -> dict[str, Any]:
    """A JSON object; references that name this server by its address become relative."""
    document = decode(raw)
    here = caller.base_url
    return relative_references(document, here) if f"{here}/".encode() in raw else document


def _read_resource(raw: bytes, caller: Caller, type: str, interaction: str) -> dict[str, Any]:
    interactions.require(type, interaction)
    document = _read(raw, caller)
    if document.get("resourceType") != type:
        text = f"resourceType has to be {type}, as the URL says."
        raise InvalidResource(Issue(text, ("resourceType",), "value"))
    return document
