"""CDS Hooks: cards that say, when it matters, whether an infusion may be given and what is missing."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from referral.domain.errors import NotFound
from referral.fhir.cds_card import HOOKS, SERVICE_ID, Link, cards, discovery
from referral.fhir.json import decode, encode
from referral.fhir.problems import Issue, Unreadable
from referral.services.advise import advise, note_feedback
from referral.web.dependencies import public
from referral.web.fhir_client import Caller, client
from referral.web.fhir_wire import BodyDep

router: Final = APIRouter(prefix="/cds-services", tags=["CDS Hooks"])

Adviser = Annotated[Caller, client("any")]
_MOST_CARDS: Final = 10


@router.get("", dependencies=[public("says which hooks are answered, nothing about anybody")])
def discover() -> Response:
    """The services that an EHR may call."""
    return _json(discovery())


@router.post("/{service}")
def call(caller: Adviser, raw: BodyDep, service: str) -> Response:
    """Cards about the infusion orders in use of the patient in the context; none with nothing to say."""
    _require_service(service)
    body = decode(raw)
    hook, patient_id = _hook(body), _patient(body)
    caller.require("ServiceRequest", "r")
    with caller.transaction() as session:
        advice = advise(session, caller.actor, patient_id, hook, caller.now)
    base = caller.runtime.settings.base_url
    found: list[dict[str, Any]] = []
    for order, decision in advice:
        link = Link("Ask for a recommendation", f"{base}/orders/{order['id']}")
        found += cards(decision, hook=hook, order=order, link=link)["cards"]
    return _json({"cards": found[:_MOST_CARDS]})


@router.post("/{service}/feedback")
def take_feedback(caller: Adviser, raw: BodyDep, service: str) -> Response:
    """What became of cards: kept in the audit trail."""
    _require_service(service)
    given = decode(raw).get("feedback")
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise Unreadable(Issue("feedback has to be a list of objects.", ("feedback",), "structure"))
    with caller.transaction() as session:
        note_feedback(session, caller.actor, given[:100])
    return _json({})


def _require_service(service: str) -> None:
    if service != SERVICE_ID:
        raise NotFound(f"There is no service {service[:64]}; see /cds-services.")


def _hook(body: dict[str, Any]) -> str:
    hook, instance = body.get("hook"), body.get("hookInstance")
    if hook not in HOOKS:
        raise Unreadable(Issue(f"hook has to be one of {', '.join(HOOKS)}.", ("hook",), "value"))
    if not isinstance(instance, str) or not instance:
        raise Unreadable(Issue("hookInstance is missing.", ("hookInstance",), "required"))
    return str(hook)


def _patient(body: dict[str, Any]) -> str:
    context = body.get("context")
    patient_id = context.get("patientId") if isinstance(context, dict) else None
    if not isinstance(patient_id, str) or not patient_id:
        raise Unreadable(Issue("context.patientId is missing.", ("context.patientId",), "required"))
    return patient_id.removeprefix("Patient/")


def _json(content: Any) -> Response:
    return Response(encode(content), media_type="application/json")
