"""The CapabilityStatement, made from the tables that route and search; nobody has to sign in for it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from referral import __version__
from referral.fhir import compartment
from referral.fhir.capability_statement import (
    ServerFacts,
    TypeSupport,
    capability_statement,
)
from referral.fhir.operations import of_type, on_system
from referral.fhir.publication import PUBLISHED_AT
from referral.fhir.search_parameters import includes, revincludes
from referral.fhir.subscription import PROFILE as BACKPORT_PROFILE
from referral.fhir.subscription_topics import TOPICS
from referral.fhir.systems import BASE
from referral.services.interactions import INTERACTIONS, SYSTEM_INTERACTIONS
from referral.web.area import Area
from referral.web.dependencies import public
from referral.web.fhir_client import base_url_of
from referral.web.fhir_oauth import INTROSPECTION_PATH, TOKEN_PATH
from referral.web.fhir_wire import WantedDep, resource_response

router: Final = Area(prefix="/fhir", tags=["FHIR"])


@router.get("/metadata", dependencies=[public("says what the server can do, nothing about anybody")])
def metadata(request: Request, how: WantedDep) -> Response:
    """The CapabilityStatement."""
    return resource_response(_statement(facts_of(request)), how)


def facts_of(request: Request) -> ServerFacts:
    """What this installation is, under the address by which it was called."""
    here: str = request.app.state.runtime.settings.base_url
    return ServerFacts(
        base_url_of(request),
        BASE,
        __version__,
        PUBLISHED_AT,
        # As smart-configuration has them: an assertion is signed for this address and for no other.
        token_url=f"{here}{TOKEN_PATH}",
        introspect_url=f"{here}{INTROSPECTION_PATH}",
    )


# Few, since whoever calls chooses the Host header.
@lru_cache(maxsize=4)
def _statement(facts: ServerFacts) -> dict[str, Any]:
    return capability_statement(
        facts,
        {type: _type_support(type, does) for type, does in INTERACTIONS.items()},
        system_interactions=SYSTEM_INTERACTIONS,
        operations=on_system(),
        compartments=(compartment.DEFINITION,),
    )


def _type_support(type: str, does: tuple[str, ...]) -> TypeSupport:
    subscribed = type == "Subscription"
    return TypeSupport(
        interactions=does,
        conditional=frozenset({"create", "read", "update"} & set(does)),
        includes=includes(type),
        revincludes=revincludes(type),
        operations=of_type(type),
        profiles=(BACKPORT_PROFILE,) if subscribed else None,
        topics=tuple(topic.url() for topic in TOPICS.values()) if subscribed else (),
    )
