"""What a client can ask about its subscriptions: how they are, and what they have told."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Request
from starlette.responses import Response

from referral.domain.subscription import Content, SubscriptionStatus
from referral.fhir.elements import every
from referral.fhir.json import decode
from referral.fhir.problems import InvalidResource, InvalidSearch, Issue
from referral.fhir.search_query import query_pairs
from referral.fhir.subscription_notice import status_bundle
from referral.services import find_subscriptions
from referral.web.area import Area
from referral.web.fhir_client import Caller, client
from referral.web.fhir_wire import WantedDep, query_text, read_body, resource_response

router: Final = Area(prefix="/fhir", tags=["FHIR"])

Anyone = Annotated[Caller, client("any")]
_PRESENTATION: Final = frozenset({"_format", "_pretty"})
_MOST_DIGITS: Final = 15


async def asked(request: Request, _: Anyone) -> list[tuple[str, str]]:
    """The parameters of an operation, of the query and of a body of Parameters together."""
    pairs = [pair for pair in query_pairs(query_text(request)) if pair[0] not in _PRESENTATION]
    if request.method == "POST" and await request.body():
        pairs += _parameters(decode(await read_body(request)))
    return pairs


Asked = Annotated[list[tuple[str, str]], Depends(asked)]


def _parameters(document: Any) -> list[tuple[str, str]]:
    if not isinstance(document, dict) or document.get("resourceType") != "Parameters":
        raise InvalidResource(Issue("The body has to be a Parameters resource.", ("resourceType",), "value"))
    found = []
    for row in every(document, "parameter"):
        values = [value for name, value in row.items() if name.startswith("value")]
        if not isinstance(row.get("name"), str) or len(values) != 1 or not isinstance(values[0], str):
            text = "Each parameter of this operation has a name and one value of text."
            raise InvalidResource(Issue(text, ("Parameters.parameter",), "value"))
        found.append((row["name"], values[0]))
    return found


@router.get("/Subscription/$status")
@router.post("/Subscription/$status")
def read_statuses(request: Request, caller: Anyone, how: WantedDep, pairs: Asked) -> Response:
    """How the client's own subscriptions are: all, or those with an `id` or `status` that is named."""
    _only(pairs, "id", "status")
    given = {name: _split(pairs, name) for name in ("id", "status")}
    if not given["status"] <= set(SubscriptionStatus):
        raise _wrong("status", "has to be requested, active, error or off")
    with caller.transaction() as session:
        found = find_subscriptions.statuses(
            session, caller.access, caller.base_url, given["id"] or None, given["status"]
        )
    address = f"{caller.base_url}/Subscription/$status"
    query = query_text(request)
    bundle = status_bundle(found, f"{address}?{query}" if query else address, caller.now)
    return resource_response(bundle, how)


@router.get("/Subscription/{id}/$status")
@router.post("/Subscription/{id}/$status")
def read_status(caller: Anyone, how: WantedDep, pairs: Asked, id: str) -> Response:
    """How one is; the parameters of the operation mean nothing here."""
    _only(pairs, "id", "status")
    with caller.transaction() as session:
        found = find_subscriptions.status(session, caller.access, caller.base_url, id)
    bundle = status_bundle([found], f"{caller.base_url}/Subscription/{id}/$status", caller.now)
    return resource_response(bundle, how)


@router.get("/Subscription/{id}/$events")
@router.post("/Subscription/{id}/$events")
def read_events(caller: Anyone, how: WantedDep, pairs: Asked, id: str) -> Response:
    """What has happened, by number: for whoever has missed something."""
    _only(pairs, "eventsSinceNumber", "eventsUntilNumber", "content")
    values = dict(pairs)
    content = values.get("content")
    if content not in (None, "full-resource", *Content):
        raise _wrong("content", "has to be empty or id-only")
    with caller.transaction() as session:
        bundle = find_subscriptions.events(
            session,
            caller.access,
            caller.base_url,
            id,
            caller.now,
            first=_number(values, "eventsSinceNumber") or 1,
            last=_number(values, "eventsUntilNumber"),
            content=Content.EMPTY if content == Content.EMPTY else None,
        )
    return resource_response(bundle, how)


def _split(pairs: list[tuple[str, str]], name: str) -> set[str]:
    return {part for key, value in pairs if key == name for part in value.split(",") if part}


def _number(values: dict[str, str], name: str) -> int | None:
    text = values.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        raise _wrong(name, "has to be a whole number from 0")
    return int(text)


def _only(pairs: list[tuple[str, str]], *names: str) -> None:
    for name, _ in pairs:
        if name not in names:
            raise _wrong(
                ascii(name)[1:-1][:64], f"is no parameter of this operation; it takes {', '.join(names)}"
            )


def _wrong(name: str, text: str) -> InvalidSearch:
    return InvalidSearch(Issue(f"{name} {text}.", (f"http.{name}",), "value"))
