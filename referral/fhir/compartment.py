"""The patient compartment of R4, as search parameters: what belongs to a patient's record, and when it was.

R4 leaves Task out; we add it by `patient`, since the work on a request is part of the record. Patient.link is
left out: it names another record of the same person, which is read by itself.
"""

from __future__ import annotations

from typing import Final

DEFINITION: Final = "http://hl7.org/fhir/CompartmentDefinition/patient"
# A resource belongs to the patient whom one of these parameters names.
PATIENT_COMPARTMENT: Final[dict[str, tuple[str, ...]]] = {
    "AdverseEvent": ("subject",),
    "Appointment": ("actor",),
    "CareTeam": ("patient", "participant"),
    "Communication": ("subject", "sender", "recipient"),
    "CommunicationRequest": ("subject", "sender", "recipient", "requester"),
    "Condition": ("patient", "asserter"),
    "Consent": ("patient",),
    "DetectedIssue": ("patient",),
    "DocumentReference": ("subject", "author"),
    "Encounter": ("patient",),
    "Flag": ("patient",),
    "MedicationAdministration": ("patient", "performer", "subject"),
    "Observation": ("subject", "performer"),
    "Procedure": ("patient", "performer"),
    "Provenance": ("patient",),
    "QuestionnaireResponse": ("subject", "author"),
    "ServiceRequest": ("subject", "performer"),
    "Task": ("patient",),
}
# When the care was that a resource tells of; what has none of them is always within the time asked for.
CARE_DATES: Final[dict[str, tuple[str, ...]]] = {
    "AdverseEvent": ("date",),
    "Appointment": ("date",),
    "CareTeam": ("date",),
    "Communication": ("sent", "received"),
    "CommunicationRequest": ("occurrence", "authored"),
    "Condition": ("onset-date", "abatement-date", "recorded-date"),
    "Consent": ("date", "period"),
    "DetectedIssue": ("identified",),
    "DocumentReference": ("period", "date"),
    "Encounter": ("date",),
    "Flag": ("date",),
    "MedicationAdministration": ("effective-time",),
    "Observation": ("date",),
    "Procedure": ("date",),
    "Provenance": ("when", "recorded"),
    "QuestionnaireResponse": ("authored",),
    "ServiceRequest": ("occurrence", "authored"),
    "Task": ("period", "authored-on", "modified"),
}
# People, places and forms that a record refers to: they come along with it, and what they refer to as well.
REFERRED_TYPES: Final = (
    "Endpoint", "Location", "Organization", "Practitioner", "PractitionerRole", "Questionnaire",
)  # fmt: skip
EVERYTHING_TYPES: Final = ("Patient", *PATIENT_COMPARTMENT, *REFERRED_TYPES)
