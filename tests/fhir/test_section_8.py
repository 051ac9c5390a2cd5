"""Section 8 of the FHIR reference, rule by rule: required bindings, reference targets, invariants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from referral.fhir.definitions import MESSAGE_TYPES, SERVED_TYPES, ElementRow, resource_types, shape_row
from referral.fhir.invariants import RULES
from referral.fhir.invariants.wording import WORDING
from referral.fhir.structure import MAX_ISSUES, check_resource
from referral.fhir.validation import issues_in
from tests.fhir.faults import CODES, CONTAINED, INVARIANTS, TARGETS, made, order
from tests.fhir.rule_faults import BROKEN

Json = dict[str, Any]

_EVENT: Final = "preparation in-progress not-done on-hold stopped completed entered-in-error unknown"
_REQUEST: Final = "draft active on-hold revoked completed entered-in-error unknown"
_OBSERVATION: Final = "registered preliminary final amended corrected cancelled entered-in-error unknown"
_PRIORITY: Final = "routine urgent asap stat"
_PUBLICATION: Final = "draft active retired unknown"
_PLAN: Final = "original-order reflex-order filler-order instance-order option"
BINDINGS: Final = {
    "ServiceRequest.status": _REQUEST,
    "CommunicationRequest.status": _REQUEST,
    "ServiceRequest.intent": f"proposal plan directive order {_PLAN}",
    "Task.intent": f"unknown proposal plan order {_PLAN}",
    "ServiceRequest.priority": _PRIORITY,
    "Task.priority": _PRIORITY,
    "CommunicationRequest.priority": _PRIORITY,
    "Task.status": "draft requested received accepted rejected ready cancelled in-progress on-hold failed"
    " completed entered-in-error",
    "Communication.status": _EVENT,
    "Procedure.status": _EVENT,
    "MedicationAdministration.status": "in-progress not-done on-hold completed entered-in-error stopped"
    " unknown",
    "Encounter.status": "planned arrived triaged in-progress onleave finished cancelled entered-in-error"
    " unknown",
    "QuestionnaireResponse.status": "in-progress completed amended entered-in-error stopped",
    "Observation.status": _OBSERVATION,
    "DetectedIssue.status": _OBSERVATION,
    "DetectedIssue.severity": "high moderate low",
    "Flag.status": "active inactive entered-in-error",
    "CareTeam.status": "proposed active suspended inactive entered-in-error",
    "DocumentReference.status": "current superseded entered-in-error",
    "DocumentReference.docStatus": "preliminary final amended entered-in-error",
    "DocumentReference.relatesTo.code": "replaces transforms signs appends",
    "Consent.status": "draft proposed active rejected inactive entered-in-error",
    "Consent.provision.type": "deny permit",
    "Consent.provision.data.meaning": "instance related dependents authoredby",
    "Appointment.status": "proposed pending booked arrived fulfilled cancelled noshow entered-in-error"
    " checked-in waitlist",
    "Appointment.participant.status": "accepted declined tentative needs-action",
    "Appointment.participant.required": "required optional information-only",
    "Condition.clinicalStatus": "active recurrence relapse inactive remission resolved",
    "Condition.verificationStatus": "unconfirmed provisional differential confirmed refuted entered-in-error",
    "Endpoint.status": "active suspended error off entered-in-error test",
    "Location.status": "active suspended inactive",
    "Location.mode": "instance kind",
    "Subscription.status": "requested active error off",
    "Subscription.channel.type": "rest-hook websocket email sms message",
    "Questionnaire.status": _PUBLICATION,
    "ValueSet.status": _PUBLICATION,
    "Patient.gender": "male female other unknown",
    "Practitioner.gender": "male female other unknown",
    "Patient.link.type": "replaced-by replaces refer seealso",
    "Provenance.entity.role": "derivation revision quotation source removal",
    "AuditEvent.action": "C R U D E",
    "AuditEvent.outcome": "0 4 8 12",
    "AuditEvent.agent.network.type": "1 2 3 4 5",
    "Questionnaire.item.type": "group display question boolean decimal integer date dateTime time string"
    " text url choice open-choice attachment reference quantity",
    "Questionnaire.item.enableWhen.operator": "exists = != > < >= <=",
    "Questionnaire.item.enableBehavior": "all any",
}
_SYSTEMS: Final = {
    "Condition.clinicalStatus": "http://terminology.hl7.org/CodeSystem/condition-clinical",
    "Condition.verificationStatus": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
}


def planted(path: str, value: Any) -> Json:
    """A resource with nothing but `value` at the path, in lists where R4 has lists."""
    type, *steps = path.split(".")
    resource: Json = {"resourceType": type}
    holder, shape = resource, type
    for step in steps:
        row = shape_row(shape)
        assert row is not None, path
        element = row.elements[step]
        made: Any = value if step == steps[-1] else {}
        holder[step] = [made] if element.many else made
        holder, shape = made, element.type
    return resource


def found(path: str, value: Any) -> set[str]:
    """The codes of the issues at the path; the rest of the resource is not there, and that is noted too."""
    issues = check_resource(planted(path, value))
    shown = path.removesuffix("Reference") if _is_choice(path) else path
    wanted = {path, f"{path}.coding", f"{shown}.reference"}
    plain = [(re.sub(r"\[[0-9]+\]", "", issue.expression[0]), issue.code) for issue in issues]
    return {code for where, code in plain if where in wanted}


def _is_choice(path: str) -> bool:
    above, _, last = path.rpartition(".")
    row = shape_row(above)
    return row is not None and row.elements[last].choice is not None


@pytest.mark.parametrize("path", BINDINGS)
def test_a_required_binding_holds(path: str) -> None:
    def coded(code: str) -> Any:
        system = _SYSTEMS.get(path)
        return {"coding": [{"system": system, "code": code}]} if system else code

    for code in BINDINGS[path].split():
        assert found(path, coded(code)) == set(), code
    for code in ("bogus", BINDINGS[path].split()[0].upper() + "x"):
        assert found(path, coded(code)) == {"code-invalid"}


# ---- Reference targets


def references(type: str) -> Iterator[tuple[str, ElementRow]]:
    """Every Reference of a type, with its path; what repeats inside itself is followed once."""
    waiting, seen = [(type, type)], set()
    while waiting:
        path, shape = waiting.pop()
        row = shape_row(shape)
        if row is None or (shape in seen):
            continue
        seen.add(shape)
        for name, element in row.elements.items():
            if element.type == "Reference":
                yield f"{path}.{name}", element
            elif element.type.startswith(f"{type}."):
                waiting.append((f"{path}.{name}", element.type))


@pytest.mark.parametrize("type", sorted(SERVED_TYPES))
def test_a_reference_may_point_at_its_targets_and_at_nothing_else(type: str) -> None:
    for path, element in references(type):
        allowed = set(element.extra) if isinstance(element.extra, list) else set(resource_types())
        for target in sorted(resource_types()):
            code = {"value"} if target not in allowed else set()
            assert found(path, {"reference": f"{target}/1"}) == code, (path, target)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("ServiceRequest.basedOn", "CarePlan ServiceRequest MedicationRequest"),
        (
            "ServiceRequest.requester",
            "Practitioner PractitionerRole Organization Patient RelatedPerson Device",
        ),
        ("ServiceRequest.reasonReference", "Condition Observation DiagnosticReport DocumentReference"),
        ("QuestionnaireResponse.source", "Patient Practitioner PractitionerRole RelatedPerson"),
        ("QuestionnaireResponse.basedOn", "CarePlan ServiceRequest"),
        ("Procedure.basedOn", "CarePlan ServiceRequest"),
        ("Appointment.basedOn", "ServiceRequest"),
        ("Encounter.basedOn", "ServiceRequest"),
        ("DetectedIssue.mitigation.author", "Practitioner PractitionerRole"),
        ("DocumentReference.custodian", "Organization"),
    ],
)
def test_the_targets_that_bite_are_those_of_the_specification(path: str, allowed: str) -> None:
    """Read off R4 a second time, so that the table does not vouch for itself."""
    assert set(dict(references(path.split(".", maxsplit=1)[0]))[path].extra or ()) == set(allowed.split())


# ---- Invariants

LISTED: Final = frozenset((
    "inv-1", "prr-1", "qrs-1", "ctm-1", "ppc-1", "ppc-2", "ppc-3", "ppc-4", "ppc-5", "app-1", "app-2",
    "app-3", "app-4", "obs-3", "obs-6", "obs-7", "con-1", "con-2", "con-4", "con-5", "mad-1", "sev-1",
    "pat-1", "org-1", "org-2", "org-3", "que-1", "que-2", "que-3", "que-4", "que-5", "que-6", "que-7",
    "que-8", "que-9", "que-10", "que-11", "que-12", "que-13", "bdl-1", "bdl-2", "bdl-3", "bdl-4", "bdl-5",
    "bdl-7", "bdl-8", "bdl-9", "bdl-10", "bdl-11", "bdl-12", "csd-1", "vsd-1", "vsd-2", "vsd-3", "vsd-6",
    "vsd-9", "vsd-10", "spd-1", "spd-2", "opd-1", "opd-2", "opd-3", "ele-1", "ext-1", "ref-1", "dom-2",
    "dom-3", "dom-4", "dom-5", "per-1", "cpt-2", "att-1", "qty-3", "rng-2", "rat-1", "tim-1", "tim-2",
    "tim-4", "tim-5", "tim-6", "tim-7", "tim-8", "tim-9", "tim-10",
))  # fmt: skip
_KEY: Final = re.compile(r"\b[a-z]{3}-[0-9]+\b")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_invariant_is_named_by_its_key_where_it_is(name: str) -> None:
    resource, expression = BROKEN[name]
    (issue,) = issues_in(resource)
    assert (issue.expression, issue.code) == ((expression,), "invariant")
    assert name.split(maxsplit=1)[0] in issue.text


def test_every_invariant_that_is_listed_is_broken_by_a_test() -> None:
    told = {key for resource, _ in INVARIANTS for i in issues_in(resource) for key in _KEY.findall(i.text)}
    assert LISTED - told - {name.split()[0] for name in BROKEN} == set()


def test_how_many_seeded_faults_are_caught() -> None:
    """All: each fault of the tables is found by the walk, and none is left to the models."""
    seeded = [*(row[0] for row in CODES), *(row[0] for row in TARGETS), *(row[0] for row in INVARIANTS)]
    seeded += [resource for resource, _ in BROKEN.values()]
    assert len(seeded) > 120
    assert all(check_resource(resource) for resource in seeded)
    assert {resource["resourceType"] for resource in seeded} <= SERVED_TYPES | MESSAGE_TYPES


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (order(priorty="stat"), "is not an element of ServiceRequest (did you mean priority?)."),
        (order(priority="Urgent"), "one of asap, routine, stat, urgent (did you mean urgent?)."),
        ({"resourceType": "Pateint"}, "is not a resource type of FHIR R4 (did you mean Patient?)."),
        ({"status": "active"}, "resourceType is missing; it says what kind of resource this is."),
        ({"resourceType": "Task", "intent": "order"}, "Task.status is missing, and a Task needs it."),
        (order(note=["x"]), "has to be an object: an Annotation."),
        (
            made("Condition", clinicalStatus={"coding": [{"code": "active"}]}),
            "The code active is there, but with no system.",
        ),
        (
            made("Condition", clinicalStatus={"coding": [{"system": "urn:x", "code": "active"}]}),
            "The code active is there, but with the system urn:x.",
        ),
        (order(contained=[CONTAINED]), "point at it with #p."),
    ],
)
def test_a_refusal_says_what_to_do(resource: Json, said: str) -> None:
    assert said in " ".join(issue.text for issue in issues_in(resource))


def test_our_own_wordings_are_of_rules_that_there_are() -> None:
    assert WORDING.keys() <= RULES.keys()
    assert all(not text.endswith(".") for text in WORDING.values())


@pytest.mark.parametrize(
    "resource",
    [
        order(**{f"prioritys{n}": 1 for n in range(40_000)}),
        order(contained=[{"resourceType": "Pateint"}] * 40_000),
        order(note=[{"text": "x", "tme": 1}] * 40_000),
    ],
    ids=["names", "types", "nested"],
)
def test_hints_are_worked_out_for_what_is_told_alone(resource: Json) -> None:
    """Otherwise each of these would take a minute."""
    assert len(issues_in(resource)) == MAX_ISSUES
