"""CDS Hooks: what a call says, checked for its form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from referral.domain.policy import Indication
from referral.fhir import request_reading as reading
from referral.fhir.condition import indications_from
from referral.fhir.elements import Resource, every, reference_id
from referral.fhir.problems import Issue, Unreadable
from referral.fhir.service_request import is_infusion_order
from referral.fhir.systems import DEFAULT, LocalSystems
from referral.fhir.treatment import is_consultation, is_harmless

HOOKS: Final = ("patient-view", "order-sign", "appointment-book", "encounter-start")
# What each hook's context must have besides userId and patientId (CDS Hooks library, versions of 2.0).
_BUNDLES: Final = {"order-sign": "draftOrders", "appointment-book": "appointments"}
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_DRAFTS: Final = ("ServiceRequest", "MedicationRequest")
_MOST_IDENTIFIERS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """One call. All resources are the client's, as it sent them.

    `drafts` are the infusions being ordered at order-sign, None on other hooks. `quiet` says that what is
    booked or begun is no infusion. `elsewhere` says that the ids are those of another FHIR server,
    `prefetched` that something of the chart was sent along.
    """

    hook: str
    patient_id: str
    drafts: tuple[Resource, ...] | None = None
    patient: Resource | None = None
    conditions: Mapping[str, Resource] = field(default_factory=dict)
    orders: tuple[Resource, ...] = ()
    quiet: bool = False
    elsewhere: bool = False
    prefetched: bool = False


def read_call(body: Mapping[str, Any], own_server: str, local: LocalSystems = DEFAULT) -> HookCall:
    """Raises Unreadable with one sentence for each thing that is missing or wrong.

    `own_server` is the address of our own /fhir: a call that names it speaks of our ids.
    """
    hook, context = _opening(body)
    patient_id, bundle, encounter_id = _context(hook, context)
    prefetch = _prefetch(body)
    patient = prefetch.get("patient")
    if patient is not None and (patient.get("resourceType"), patient.get("id")) != ("Patient", patient_id):
        refuse("prefetch.patient is not the Patient of context.patientId.", "prefetch.patient")
    encounter = prefetch.get("encounter")
    if encounter is not None and encounter.get("id") != encounter_id:
        refuse("prefetch.encounter is not the Encounter of context.encounterId.", "prefetch.encounter")
    conditions = [c for c in [*bundle, *_entries(prefetch.get("conditions"))] if _is(c, "Condition")]
    server = body.get("fhirServer")
    return HookCall(
        hook=hook,
        patient_id=patient_id,
        drafts=_infusions(bundle, context, patient_id, local) if hook == "order-sign" else None,
        patient=patient,
        conditions={str(c["id"]): c for c in conditions if c.get("id")},
        orders=tuple(o for o in _entries(prefetch.get("orders")) if _is_infusion(o, local)),
        quiet=_is_quiet(bundle, encounter, local),
        elsewhere=isinstance(server, str) and server.rstrip("/") != own_server,
        prefetched=any(value is not None for value in prefetch.values()),
    )


def _opening(body: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    hook, instance, context = body.get("hook"), body.get("hookInstance"), body.get("context")
    if hook not in HOOKS:
        refuse(f"hook has to be one of {', '.join(HOOKS)}.", "hook")
    if not isinstance(instance, str) or not instance:
        refuse("hookInstance is missing: a UUID for this call.", "hookInstance", "required")
    if not isinstance(context, Mapping):
        refuse("context is missing: an object.", "context", "required")
    server = body.get("fhirServer")
    if server is not None and not isinstance(server, str):
        refuse("fhirServer has to be a URL.", "fhirServer")
    return str(hook), context


def _context(hook: str, context: Mapping[str, Any]) -> tuple[str, list[Resource], str | None]:
    """(id of the patient, resources of the Bundle that the hook has, id of the encounter)."""
    user, patient = context.get("userId"), context.get("patientId")
    if not isinstance(user, str) or not user:
        refuse("context.userId is missing: who is working, such as Practitioner/123.", "context.userId")
    patient_id = patient.removeprefix("Patient/") if isinstance(patient, str) else ""
    if not _ID.fullmatch(patient_id):
        refuse("context.patientId is missing: the id of a Patient.", "context.patientId", "required")
    encounter = context.get("encounterId")
    if (hook == "encounter-start" and encounter is None) or not isinstance(encounter, str | None):
        refuse("context.encounterId is missing: the id of an Encounter.", "context.encounterId", "required")
    name = _BUNDLES.get(hook)
    if name is None:
        return patient_id, [], encounter and encounter.removeprefix("Encounter/")
    if not _is(context.get(name), "Bundle"):
        refuse(f"context.{name} is missing: a Bundle.", f"context.{name}", "required")
    return patient_id, _entries(context[name]), encounter


def _prefetch(body: Mapping[str, Any]) -> dict[str, Resource]:
    """What was sent along by its key; what the client could not get (null, OperationOutcome) is left out."""
    prefetch = body.get("prefetch")
    if prefetch is None:
        return {}
    if not isinstance(prefetch, Mapping) or any(
        value is not None and not isinstance(value, Mapping) for value in prefetch.values()
    ):
        refuse("prefetch has to be an object of resources.", "prefetch")
    return {
        name: dict(value)
        for name, value in prefetch.items()
        if value is not None and not _is(value, "OperationOutcome")
    }


def _is(value: object, type: str) -> bool:
    return isinstance(value, Mapping) and value.get("resourceType") == type


def _entries(bundle: object) -> list[Resource]:
    """The resources of a Bundle, in order."""
    found = (entry.get("resource") for entry in every(bundle, "entry"))
    return [dict(resource) for resource in found if isinstance(resource, Mapping)]


# ---- What is ordered, booked, begun


def _infusions(
    bundle: list[Resource], context: Mapping[str, Any], patient_id: str, local: LocalSystems
) -> tuple[Resource, ...]:
    """Ketamine among the draft orders, only the selected ones where the client says which those are."""
    selections = context.get("selections")
    chosen = {str(item) for item in selections} if isinstance(selections, list) else None
    found = []
    for draft in bundle:
        subject = reference_id(draft.get("subject"), "Patient")
        if subject not in (None, patient_id):
            refuse("context.draftOrders has an order of another patient.", "context.draftOrders")
        if _is_infusion(draft, local) and (chosen is None or _name(draft) in chosen):
            found.append(draft)
    return tuple(found)


def _name(resource: Resource) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _is_infusion(resource: Resource, local: LocalSystems) -> bool:
    """An order of ketamine, as a service or as a medication: some systems order infusions as the latter."""
    if resource.get("resourceType") not in _DRAFTS:
        return False
    if _is(resource, "MedicationRequest"):
        resource = {"resourceType": "ServiceRequest", "code": resource.get("medicationCodeableConcept")}
    return is_infusion_order(resource, local)


def _is_quiet(bundle: list[Resource], encounter: Resource | None, local: LocalSystems) -> bool:
    """True where everything booked, or the visit begun, is a consultation or does not take place."""
    seen = [item for item in bundle if _is(item, "Appointment")]
    if _is(encounter, "Encounter") and encounter is not None:
        seen.append(encounter)
    return bool(seen) and all(is_consultation(item, local) or _is_off(item) for item in seen)


def _is_off(item: Resource) -> bool:
    """Cancelled and the like; an appointment that is only proposed is being booked at this moment."""
    return item.get("status") in ("cancelled", "noshow", "entered-in-error") and is_harmless(item)


def indications_of(
    draft: Resource, conditions: Mapping[str, Resource]
) -> tuple[tuple[Indication, ...], bool]:
    """What a draft is for, and whether every reason could be read."""
    found: list[Indication] = list(reading.coded_reasons(draft))
    whole = True
    for reason in every(draft, "reasonReference"):
        condition = conditions.get(reference_id(reason, "Condition") or "")
        if condition is None:
            whole = False
        else:
            found.extend(indications_from(condition))
    return tuple({(i.system, i.code): i for i in found}.values()), whole


def business_identifiers(resource: Resource | None) -> tuple[tuple[str, str], ...]:
    """(system, value) of each identifier that has both: a value alone names nobody."""
    found = []
    for item in every(resource, "identifier"):
        system, value = item.get("system"), item.get("value")
        if isinstance(system, str) and isinstance(value, str) and system and value:
            found.append((system, value))
    return tuple(found[:_MOST_IDENTIFIERS])


def refuse(text: str, where: str, code: str = "value") -> NoReturn:
    """Raise Unreadable with one sentence about the element `where`."""
    raise Unreadable(Issue(text, (where,), code))
