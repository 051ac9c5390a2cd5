"""Invariants that R4 words for its own editors, said to whoever has to mend a resource."""

from __future__ import annotations

from typing import Final

_SCOPE: Final = "a Consent of this scope has to name the patient"

# By shape and key, as in RULES; whatever is not here is said in R4's own words.
WORDING: Final[dict[tuple[str, str], str]] = {
    ("Appointment", "app-2"): "give start and end, or neither",
    ("Appointment", "app-3"): "start and end may be left out only while status is proposed, cancelled or"
    " waitlist",
    ("AuditEvent.entity", "sev-1"): "give name or query, not both",
    ("Bundle", "bdl-1"): "total is only for a searchset or a history",
    ("Bundle", "bdl-2"): "entry.search is only for a searchset",
    (
        "Bundle",
        "bdl-3",
    ): "every entry of a batch, transaction or history needs a request, and no other has one",
    ("Bundle", "bdl-4"): "every entry of a batch-response, transaction-response or history needs a response,"
    " and no other has one",
    ("Bundle", "bdl-7"): "two entries have the same fullUrl; give each its own",
    ("Bundle.entry", "bdl-5"): "the entry needs a resource, a request or a response",
    ("Bundle.entry", "bdl-8"): "fullUrl may not name a version; leave /_history/… out",
    ("Condition", "con-4"): "a condition with abatement[x] has to be inactive, resolved or remission",
    ("Condition", "con-5"): "leave clinicalStatus out where verificationStatus is entered-in-error",
    ("Consent", "ppc-1"): "a Consent needs policy or policyRule",
    ("Consent", "ppc-2"): _SCOPE,
    ("Consent", "ppc-3"): _SCOPE,
    ("Consent", "ppc-4"): _SCOPE,
    ("Consent", "ppc-5"): _SCOPE,
    ("ContactPoint", "cpt-2"): "say with system what kind of value it is: phone, fax, email, sms, url, pager"
    " or other",
    ("Extension", "ext-1"): "an extension has either a value[x] or extensions of its own",
    ("MedicationAdministration.dosage", "mad-1"): "a dosage needs dose or rate[x]",
    ("Parameters.parameter", "inv-1"): "a parameter has one of value[x], resource and part",
    ("Period", "per-1"): "start has to be before end",
    ("Quantity", "qty-3"): "a unit given as code needs its system, such as http://unitsofmeasure.org",
    ("QuestionnaireResponse.item", "qrs-1"): "items stand below the item or below its answers, not both",
    ("Range", "rng-2"): "low has to be below high",
    ("Task", "inv-1"): "lastModified may not be before authoredOn",
    ("Timing.repeat", "tim-1"): "a duration needs its durationUnit",
    ("Timing.repeat", "tim-2"): "a period needs its periodUnit",
    ("TriggerDefinition", "trd-2"): "a condition needs data beside it",
    ("ValueSet.expansion.contains", "vsd-9"): "what is not abstract needs a code",
    ("ValueSet.expansion.contains", "vsd-10"): "a code needs its system",
}
