"""Every operation that is served: routes, CapabilityStatement and OperationDefinitions share this table.

To serve another: write its row, add it to OPERATIONS, and give it a route. tests/fhir_api/test_capability.py
compares the rows with the routes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from referral.fhir.publication import publication
from referral.fhir.systems import DEFAULT, LocalSystems

# In `types`: every type that is served.
EVERY_TYPE: Final = "Resource"
GET_AND_POST: Final = frozenset({"GET", "POST"})
_BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/"
_BULK: Final = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `most` is a number or `*`; without `type` it has `parts` instead."""

    name: str
    text: str
    type: str | None = None
    least: int = 0
    most: str = "1"
    use: str = "out"
    parts: tuple[Parameter, ...] = ()

    def to_fhir(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "name": self.name,
            "use": self.use,
            "min": self.least,
            "max": self.most,
            "documentation": self.text,
        }
        if self.type:
            row["type"] = self.type
        if self.parts:
            row["part"] = [part.to_fhir() for part in self.parts]
        return row


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `code` is its name without the dollar sign, `id` that of its OperationDefinition here.

    `system`, `type` and `instance` are the levels at which there is a route; `methods` those it takes. `base`
    is the canonical URL of somebody else's definition that this one follows, and `complete` whether all of
    that is done: then the CapabilityStatement names it, and else ours, as R4 wants it. `follows` is the
    CapabilityStatement of a guide that the server follows because of it.
    """

    code: str
    id: str
    title: str
    text: str
    types: tuple[str, ...] = ()
    system: bool = False
    type: bool = False
    instance: bool = False
    affects_state: bool = False
    methods: frozenset[str] = GET_AND_POST
    base: str | None = None
    complete: bool = False
    follows: str | None = None
    parameters: tuple[Parameter, ...] = ()

    def url(self, local: LocalSystems = DEFAULT) -> str:
        """The canonical URL of the definition that is published here."""
        return f"{local.base}/OperationDefinition/{self.id}"

    def definition(self, local: LocalSystems = DEFAULT) -> str:
        """The canonical URL that the CapabilityStatement names."""
        return self.base if self.base and self.complete else self.url(local)

    def to_fhir(self, local: LocalSystems = DEFAULT) -> dict[str, Any]:
        """The OperationDefinition."""
        words = "".join(part.capitalize() for part in self.id.split("-"))
        made: dict[str, Any] = {
            "resourceType": "OperationDefinition",
            "id": self.id,
            "url": self.url(local),
            "name": words,
            "title": self.title,
            "kind": "operation",
            "description": self.text,
            "affectsState": self.affects_state,
            "code": self.code,
            "system": self.system,
            "type": self.type,
            "instance": self.instance,
            **publication(),
        }
        if self.base:
            made["base"] = self.base
        if self.types:
            made["resource"] = list(self.types)
        if self.parameters:
            made["parameter"] = [parameter.to_fhir() for parameter in self.parameters]
        return made


GATE: Final = Operation(
    "gate",
    "gate",
    "May this infusion order be treated?",
    "On a ServiceRequest that is an infusion order: whether treatment may start, and if not, why. Changes"
    " nothing and is advice as of a time; the service asks again when treatment is started.",
    types=("ServiceRequest",),
    instance=True,
    parameters=(
        Parameter("open", "Whether treatment may start", "boolean", 1),
        Parameter("asOf", "The time of this advice", "instant", 1),
        Parameter("reason", "One sentence for each requirement that is not met", "string", most="*"),
        Parameter(
            "requirement",
            "Each requirement of the clinic",
            most="*",
            parts=(
                Parameter("code", "initial-consultation or recommendation", "code", 1),
                Parameter("satisfied", "Whether it is met", "boolean", 1),
                Parameter("by", "What met it: an Encounter, or the Observation of a decision", "Reference"),
                Parameter("validUntil", "Until when what met it counts", "dateTime"),
            ),
        ),
        Parameter(
            "override",
            "Emergency access in force: open for one start",
            parts=(
                Parameter("validUntil", "Until when one start may use it", "dateTime", 1),
                Parameter("remark", "What is still missing, in a sentence", "string", 1),
            ),
        ),
    ),
)
VALIDATE: Final = Operation(
    "validate",
    "validate",
    "Would this resource be accepted?",
    "Holds a resource against R4, the profiles that it claims and those that are asked for, and answers"
    " with an OperationOutcome. Stores nothing.",
    types=(EVERY_TYPE,),
    type=True,
    instance=True,
    base="http://hl7.org/fhir/OperationDefinition/Resource-validate",
    complete=True,
    parameters=(
        Parameter("resource", "What is to be checked; without it, what is stored", "Resource", use="in"),
        Parameter("mode", "create, update, delete or profile", "code", use="in"),
        Parameter("profile", "The canonical URL of a profile to check against", "uri", use="in"),
        Parameter("return", "What is wrong, or that nothing is", "OperationOutcome", 1),
    ),
)
EVERYTHING: Final = Operation(
    "everything",
    "patient-everything",
    "Everything about a patient",
    "The resources of the patient's compartment, their Tasks, and what they refer to, as a searchset.",
    types=("Patient",),
    instance=True,
    base="http://hl7.org/fhir/OperationDefinition/Patient-everything",
    parameters=(
        Parameter("start", "Only what concerns the time from this day on", "date", use="in"),
        Parameter("end", "Only what concerns the time until this day", "date", use="in"),
        Parameter("_since", "Only what was changed since", "instant", use="in"),
        Parameter("_type", "Only these types", "code", most="*", use="in"),
        Parameter("_count", "How many to a page", "integer", use="in"),
        Parameter("return", "A searchset", "Bundle", 1),
    ),
)
DOCREF: Final = Operation(
    "docref",
    "docref",
    "The documents of a patient",
    "The DocumentReferences of a patient, as US Core wants it; no document is made on demand.",
    types=("DocumentReference",),
    type=True,
    base="http://hl7.org/fhir/us/core/OperationDefinition/docref",
    complete=True,
    parameters=(
        Parameter("patient", "The id of the patient", "id", 1, use="in"),
        Parameter("start", "Only documents of the time from then on", "dateTime", use="in"),
        Parameter("end", "Only documents of the time until then", "dateTime", use="in"),
        Parameter("type", "Only documents of this type", "CodeableConcept", use="in"),
        Parameter("on-demand", "Nothing is made on demand", "boolean", use="in"),
        Parameter("profile", "Only documents of this profile", "canonical", most="*", use="in"),
        Parameter("return", "A searchset of DocumentReferences", "Bundle", 1),
    ),
)
POPULATE: Final = Operation(
    "populate",
    "populate",
    "A form with what is known already",
    "A QuestionnaireResponse to the form, filled in as far as this server knows the answers.",
    types=("Questionnaire",),
    type=True,
    instance=True,
    base="http://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-populate",
    parameters=(
        Parameter("canonical", "The form, where the path does not name it", "canonical", use="in"),
        Parameter("questionnaire", "The form itself", "Questionnaire", use="in"),
        Parameter("questionnaireRef", "The form by reference", "Reference", use="in"),
        Parameter("subject", "The patient", "Reference", 1, use="in"),
        Parameter(
            "context",
            "The request that is to be answered, or its Task; else the only one that is open",
            most="*",
            use="in",
            parts=(
                Parameter("name", "Its name in the form", "string", 1, use="in"),
                Parameter("content", "What it is", "Reference", 1, use="in"),
            ),
        ),
        Parameter("local", "What this server knows is always used", "boolean", use="in"),
        Parameter("response", "The form as far as it is filled in", "QuestionnaireResponse", 1),
        Parameter("issues", "What could not be filled in", "OperationOutcome"),
    ),
)
EVALUATE_MEASURE: Final = Operation(
    "evaluate-measure",
    "evaluate-measure",
    "What a measure came to",
    "Counts one of the measures of this server over a period, of all patients together, and answers with its"
    " MeasureReport. CMS50 is counted over the calendar year of the end. Stores nothing. Needs scopes to read"
    " Measure, and every ServiceRequest, Task and Procedure.",
    types=("Measure",),
    type=True,
    instance=True,
    base="http://hl7.org/fhir/OperationDefinition/Measure-evaluate-measure",
    parameters=(
        Parameter("periodStart", "The first day that counts, where the clinic is", "date", 1, use="in"),
        Parameter("periodEnd", "The last day that counts", "date", 1, use="in"),
        Parameter("measure", "The measure, where the path does not name it: id or URL", "string", use="in"),
        Parameter("reportType", "population, which is what is counted", "code", use="in"),
        Parameter("return", "What was counted", "MeasureReport", 1),
    ),
)
_EXPORT_PARAMETERS: Final = (
    Parameter("_outputFormat", "application/fhir+ndjson, which is what is written", "string", use="in"),
    Parameter("_since", "Only what was changed after this moment", "instant", use="in"),
    Parameter("_type", "Only these types, with commas between", "string", most="*", use="in"),
    Parameter(
        "_elements",
        "Only these elements, such as Patient.name, with commas between; required ones stay",
        "string",
        most="*",
        use="in",
    ),
)
EXPORT: Final = Operation(
    "export",
    "export",
    "Everything, in bulk",
    "Starts an export of every resource that the client may read into NDJSON files; its progress is at"
    " Content-Location. Needs Prefer: respond-async. AuditEvent and Subscription are left out.",
    system=True,
    base=f"{_BULK}export",
    follows="http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data",
    parameters=_EXPORT_PARAMETERS,
)
PATIENT_EXPORT: Final = Operation(
    "export",
    "patient-export",
    "Everything about all patients, in bulk",
    "Starts an export of what belongs to patients, as far as the client may read it; otherwise as the export"
    " of everything.",
    types=("Patient",),
    type=True,
    base=f"{_BULK}patient-export",
    parameters=(
        *_EXPORT_PARAMETERS,
        Parameter("patient", "By POST: only these patients", "Reference", most="*", use="in"),
    ),
)
SUBSCRIPTION_STATUS: Final = Operation(
    "status",
    "subscription-status",
    "How a subscription is doing",
    "Its status, how many events it had, and the last error; of those that the client has made.",
    types=("Subscription",),
    type=True,
    instance=True,
    base=f"{_BACKPORT}backport-subscription-status",
    complete=True,
    follows="http://hl7.org/fhir/uv/subscriptions-backport/CapabilityStatement/backport-subscription-server-r4",
    parameters=(
        Parameter("id", "At the type: only these subscriptions", "id", most="*", use="in"),
        Parameter("status", "At the type: only those in these states", "code", most="*", use="in"),
        Parameter("return", "A searchset of statuses", "Bundle", 1),
    ),
)
SUBSCRIPTION_EVENTS: Final = Operation(
    "events",
    "subscription-events",
    "What a subscription has told",
    "The events of a subscription by number, delivered or not, 100 at a time; kept for 30 days.",
    types=("Subscription",),
    instance=True,
    base=f"{_BACKPORT}backport-subscription-events",
    complete=True,
    parameters=(
        Parameter("eventsSinceNumber", "The first event that is wanted", "string", use="in"),
        Parameter("eventsUntilNumber", "The last event that is wanted", "string", use="in"),
        Parameter("content", "empty, or else id-only as far as the subscription goes", "code", use="in"),
        Parameter("return", "A notification", "Bundle", 1),
    ),
)

# Those that have a route. Nothing else is said to be there.
OPERATIONS: Final[tuple[Operation, ...]] = (
    GATE,
    EVERYTHING,
    DOCREF,
    POPULATE,
    EVALUATE_MEASURE,
    VALIDATE,
    EXPORT,
    PATIENT_EXPORT,
    SUBSCRIPTION_STATUS,
    SUBSCRIPTION_EVENTS,
)


def on_system() -> tuple[Operation, ...]:
    """The operations that are called on the base URL alone."""
    return tuple(row for row in OPERATIONS if row.system)


def of_type(type: str) -> tuple[Operation, ...]:
    """The operations of a type and of its instances."""
    return tuple(row for row in OPERATIONS if EVERY_TYPE in row.types or type in row.types)
