"""Profiles and extensions of ours, as StructureDefinitions: the shapes in which this service writes.

What clients send is not held to them: R4's rules and the gate decide what is taken.
"""

from __future__ import annotations

from typing import Any, Final

from referral.fhir.publication import publication
from referral.fhir.systems import DEFAULT, STATUS_REASON, TASK_CODE, LocalSystems

Element = dict[str, Any]
_R4: Final = "http://hl7.org/fhir/StructureDefinition/"
# The profiles of each type, by id.
PROFILES: Final[dict[str, tuple[str, ...]]] = {
    "ServiceRequest": ("infusion-order", "recommendation-request"),
    "Task": ("recommendation-task",),
    "Observation": ("recommendation-decision",),
    "QuestionnaireResponse": ("recommendation-answer",),
}


# Extensions of a course of treatment: id, where it stands, type, what it says.
_OF_COURSE: Final = (
    ("candidacy", "Encounter", "CodeableConcept", "Whether the patient is a candidate for infusions"),
    ("candidacy-reason", "Encounter", "CodeableConcept", "Why the patient is no candidate, or not yet"),
    ("risks-discussed", "Encounter", "boolean", "The risks were discussed"),
    ("benefits-discussed", "Encounter", "boolean", "The benefits were discussed"),
    ("self-pay-notice", "Encounter", "boolean", "The notice that insurance may not pay was given"),
    ("physician-present", "Procedure", "boolean", "The supervising physician is present"),
    ("discharge-criteria-met", "Procedure", "boolean", "The patient met the criteria for discharge"),
    ("ride-home", "Procedure", "boolean", "Somebody takes the patient home"),
    ("session-phase", "Observation", "code", "Before, during or after the infusion"),
    ("dose-per-weight", "MedicationAdministration.dosage", "Quantity", "The dose per kilogram"),
)


def structure_definitions(local: LocalSystems = DEFAULT) -> list[dict[str, Any]]:
    """Every StructureDefinition that is published here."""
    return [
        _infusion_order(local),
        _recommendation_request(local),
        _recommendation_task(local),
        _decision(local),
        _answer(local),
        _extension(
            local, "planned-sessions", "ServiceRequest", "positiveInt", "How many infusions are planned"
        ),
        _extension(
            local, "booking-release-at", "Appointment", "instant", "Until when a tentative booking is held"
        ),
        *(_extension(local, *row) for row in _OF_COURSE),
        _error_mark(local),
        _extension(
            local, "asked-of", "Questionnaire.item", "code", "A kind of clinician that is asked this question"
        ),
    ]


def profile_urls(type: str, local: LocalSystems = DEFAULT) -> tuple[str, ...]:
    """The canonical URLs of our profiles of a type."""
    return tuple(local.extension(name) for name in PROFILES.get(type, ()))


# ---- The profiles


def _infusion_order(local: LocalSystems) -> dict[str, Any]:
    return _profile(
        local,
        "infusion-order",
        "Infusion order",
        "A ServiceRequest that orders ketamine infusions. It is on-hold until every requirement is met;"
        " $gate says what is missing.",
        [
            _element("ServiceRequest"),
            *_sliced_extensions(
                "ServiceRequest",
                statusReason=STATUS_REASON,
                plannedSessions=local.extension("planned-sessions"),
            ),
            _element("ServiceRequest.status", short="on-hold while the gate is closed"),
            _element("ServiceRequest.intent", fixedCode="order"),
            *_category(local, "infusion-order"),
            _element("ServiceRequest.code", min=1, **_pattern(local, "request-code", "ketamine-infusion")),
            _reference("ServiceRequest.subject", "Patient"),
            _element("ServiceRequest.authoredOn", min=1),
        ],
    )


def _recommendation_request(local: LocalSystems) -> dict[str, Any]:
    return _profile(
        local,
        "recommendation-request",
        "Recommendation request",
        "A ServiceRequest that asks one clinician whether ketamine infusions are recommended. Requests to"
        " several clinicians share a requisition; any one positive, valid answer satisfies.",
        [
            _element("ServiceRequest"),
            _element("ServiceRequest.identifier", min=1),
            _element("ServiceRequest.requisition", min=1),
            _element("ServiceRequest.intent", fixedCode="order"),
            *_category(local, "recommendation-request"),
            _element(
                "ServiceRequest.code", min=1, **_pattern(local, "request-code", "ketamine-recommendation")
            ),
            _reference("ServiceRequest.subject", "Patient"),
            _element(
                "ServiceRequest.occurrence[x]",
                min=1,
                type=[{"code": "Period"}],
                short="Its end is the day by which the answer is needed",
            ),
            _element("ServiceRequest.authoredOn", min=1),
            _element(
                "ServiceRequest.performerType",
                short="What kind of clinician is asked",
                **_binding(local, "eligible-clinician-kind", "preferred"),
            ),
            _reference("ServiceRequest.performer", "PractitionerRole", min=1, max="1"),
            _element(
                "ServiceRequest.supportingInfo", min=1, short="The infusion order, and what supports it"
            ),
        ],
    )


def _recommendation_task(local: LocalSystems) -> dict[str, Any]:
    fulfill = {"coding": [{"system": TASK_CODE, "code": "fulfill"}]}
    return _profile(
        local,
        "recommendation-task",
        "Task of a recommendation request",
        "The coordination of one request (Task-C). `received` says that the clinician's identity was proven.",
        [
            _element("Task"),
            _element("Task.identifier", min=1),
            _reference("Task.basedOn", "ServiceRequest", min=1, max="1"),
            _element("Task.statusReason", **_binding(local, "task-status-reason", "extensible")),
            _element("Task.businessStatus", **_binding(local, "task-business-status", "required")),
            _element("Task.intent", fixedCode="order"),
            _element("Task.code", min=1, patternCodeableConcept=fulfill),
            _reference("Task.focus", "ServiceRequest", min=1),
            _reference("Task.for", "Patient", min=1),
            _element("Task.authoredOn", min=1),
            _element("Task.lastModified", min=1),
            _reference("Task.owner", "PractitionerRole", min=1),
            _element("Task.restriction", min=1),
            _element("Task.restriction.period", min=1, short="Its end is when the answer is due"),
        ],
    )


def _decision(local: LocalSystems) -> dict[str, Any]:
    return _profile(
        local,
        "recommendation-decision",
        "Decision of the clinician",
        "The decision of the clinician who was asked, readable without the form; red flags are components,"
        " conditions a note.",
        [
            _element("Observation"),
            _reference("Observation.basedOn", "ServiceRequest", min=1, max="1"),
            _element("Observation.code", **_pattern(local, "observation-code", "recommendation-decision")),
            _reference("Observation.subject", "Patient", min=1),
            _element("Observation.effective[x]", min=1, type=[{"code": "dateTime"}]),
            _reference("Observation.performer", "PractitionerRole", min=1, max="1"),
            _element(
                "Observation.value[x]",
                min=1,
                type=[{"code": "CodeableConcept"}],
                **_binding(local, "decision", "required"),
            ),
            _reference("Observation.derivedFrom", "QuestionnaireResponse", min=1, max="1"),
            _element("Observation.component.code", **_pattern(local, "observation-code", "red-flag")),
            _element(
                "Observation.component.value[x]",
                min=1,
                type=[{"code": "CodeableConcept"}],
                **_binding(local, "red-flag", "required"),
            ),
        ],
    )


def _answer(local: LocalSystems) -> dict[str, Any]:
    return _profile(
        local,
        "recommendation-answer",
        "Answer to a recommendation request",
        "The filled-in form. `source` is the clinician whose answer it is, `author` who keyed it in.",
        [
            _element("QuestionnaireResponse"),
            _reference("QuestionnaireResponse.basedOn", "ServiceRequest", min=1, max="1"),
            _element("QuestionnaireResponse.questionnaire", min=1),
            _reference("QuestionnaireResponse.subject", "Patient", min=1),
            _element("QuestionnaireResponse.authored", min=1),
            _element("QuestionnaireResponse.author", min=1),
            _element("QuestionnaireResponse.source", min=1),
            _element("QuestionnaireResponse.item", min=1),
        ],
    )


# ---- What they are made of


def _profile(local: LocalSystems, id: str, title: str, text: str, elements: list[Element]) -> dict[str, Any]:
    type = elements[0]["path"]
    return {
        "resourceType": "StructureDefinition",
        "id": id,
        "url": local.extension(id),
        "name": "".join(part.capitalize() for part in id.split("-")),
        "title": title,
        "description": text,
        **publication(),
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": False,
        "type": type,
        "baseDefinition": f"{_R4}{type}",
        "derivation": "constraint",
        "differential": {"element": elements},
    }


def _extension(local: LocalSystems, id: str, on: str, type: str, text: str) -> dict[str, Any]:
    url = local.extension(id)
    made = _profile(
        local,
        id,
        text,
        f"{text}.",
        [
            _element("Extension", short=text),
            _element("Extension.extension", max="0"),
            _element("Extension.url", fixedUri=url),
            _element("Extension.value[x]", min=1, type=[{"code": type}]),
        ],
    )
    return {**made, "kind": "complex-type", "context": [{"type": "element", "expression": on}]}


def _error_mark(local: LocalSystems) -> dict[str, Any]:
    """R4 gives an AdverseEvent no status: this modifier says that it was recorded by mistake."""
    text = "This was recorded by mistake"
    made = _extension(local, "entered-in-error", "AdverseEvent", "boolean", text)
    rows = [dict(row) for row in made["differential"]["element"]]
    for row in rows:
        if row["path"] == "Extension":
            row |= {"isModifier": True, "isModifierReason": "What is an error has not happened."}
    return {**made, "differential": {"element": rows}}


def _element(path: str, *, id: str | None = None, **rules: Any) -> Element:
    return {"id": id or path, "path": path, **rules}


def _reference(path: str, target: str, **rules: Any) -> Element:
    return _element(path, type=[{"code": "Reference", "targetProfile": [f"{_R4}{target}"]}], **rules)


def _pattern(local: LocalSystems, system: str, code: str) -> dict[str, Any]:
    return {"patternCodeableConcept": {"coding": [{"system": local.system(system), "code": code}]}}


def _binding(local: LocalSystems, name: str, strength: str) -> dict[str, Any]:
    return {"binding": {"strength": strength, "valueSet": local.value_set(name)}}


def _category(local: LocalSystems, code: str) -> list[Element]:
    """One category is ours; others may stand beside it."""
    path = "ServiceRequest.category"
    slicing = {"discriminator": [{"type": "pattern", "path": "$this"}], "rules": "open"}
    pattern = _pattern(local, "request-category", code)
    return [
        _element(path, slicing=slicing, min=1),
        _element(path, id=f"{path}:kind", sliceName="kind", min=1, max="1", **pattern),
    ]


def _sliced_extensions(type: str, **urls: str) -> list[Element]:
    path = f"{type}.extension"
    slicing = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    return [
        _element(path, slicing=slicing),
        *(
            _element(
                path,
                id=f"{path}:{name}",
                sliceName=name,
                min=0,
                max="1",
                type=[{"code": "Extension", "profile": [url]}],
            )
            for name, url in urls.items()
        ),
    ]
