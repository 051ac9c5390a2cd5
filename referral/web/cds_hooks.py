"""CDS Hooks 2.0: cards that say, when it matters, whether an infusion may be given and what is missing."""

from __future__ import annotations

from typing import Annotated, Any, Final

from starlette.responses import Response

from referral.domain.errors import Forbidden, NotFound
from referral.fhir.cds_card import SERVICE_ID, discovery
from referral.fhir.cds_feedback import read_feedback
from referral.fhir.cds_request import read_call
from referral.fhir.json import decode, encode
from referral.services.advise import advise, take_feedback
from referral.web.area import Area
from referral.web.cds_client import cds_client
from referral.web.dependencies import public
from referral.web.fhir_client import Caller
from referral.web.fhir_wire import BodyDep

router: Final = Area(prefix="/cds-services", tags=["CDS Hooks"])

Adviser = Annotated[Caller, cds_client()]


@router.get("", dependencies=[public("says which hooks are answered, nothing about anybody")])
def discover() -> Response:
    """The services that an EHR may call."""
    return _json(discovery())


@router.post("/{service}")
def call(caller: Adviser, raw: BodyDep, service: str) -> Response:
    """Cards about the patient's infusion orders whose gate is closed; none with nothing to say."""
    _require_service(service)
    _require_orders(caller)
    read = read_call(decode(raw), caller.base_url)
    base_url = caller.runtime.settings.base_url
    with caller.transaction() as session:
        cards = advise(session, caller.actor, read, base_url, caller.now)
    return _json({"cards": cards})


@router.post("/{service}/feedback")
def feedback(caller: Adviser, raw: BodyDep, service: str) -> Response:
    """What became of cards: kept for the order's page, and in the audit trail by its codes."""
    _require_service(service)
    _require_orders(caller)
    given = read_feedback(decode(raw))
    with caller.transaction() as session:
        take_feedback(session, caller.actor, given, caller.now)
    return _json({})


def _require_service(service: str) -> None:
    if service != SERVICE_ID:
        raise NotFound(f"There is no service {service[:64]}; see /cds-services.")


def _require_orders(caller: Caller) -> None:
    """Cards are about all orders of a patient, so a restricted client gets none."""
    caller.require("ServiceRequest", "r")
    if not caller.permit.is_whole("ServiceRequest", "r"):
        raise Forbidden("CDS Hooks needs system/ServiceRequest.r without a restriction.")


def _json(content: Any) -> Response:
    return Response(encode(content), media_type="application/json")
