"""The US Core profiles that are checked here, as rows: what each asks for beyond R4.

Read off HL7/US-Core 6.1.0, input/resources-yaml/StructureDefinition-us-core-*.yml and its value sets. What is
only "must support" is not checked: it binds systems, not resources. Of value sets that list codes out of a
licensed code system, such as CPT or all diagnoses of SNOMED CT, only the system is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from referral.fhir import us_core_rules as rules
from referral.fhir.systems import (
    BCP_47,
    CONDITION_CATEGORY,
    ICD_10_CM,
    LOINC,
    NUCC,
    PROVENANCE_AGENT,
    SNOMED_CT,
)

US_CORE: Final = "http://hl7.org/fhir/us/core/StructureDefinition/"
US_CORE_VERSION: Final = "6.1.0"

# A rule yields (where it is broken, how the sentence ends).
Rule = Callable[[dict[str, Any]], Iterator[tuple[str, str]]]
# The codes of a value set by their system; None for every code of it.
Codes = Mapping[str, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class Binding:
    """The value set of a coded element. `wanted` names it in a sentence.

    Required: one of its codes has to be there. Extensible: where codes are given, one of it is expected, and
    its absence a warning, since whether a code of the set would fit is for people to say.
    """

    path: str
    codes: Codes
    wanted: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """At least one element at `path` has to carry a code of these, and at most `most` may."""

    path: str
    codes: Codes
    wanted: str
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """`required` are paths from the type: each parent that is there has to have the last step.

    `most` says how often an element may be there, where that is less than in R4.
    """

    name: str
    type: str
    required: tuple[str, ...] = ()
    most: Mapping[str, int] | None = None
    slices: tuple[Slice, ...] = ()
    bindings: tuple[Binding, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def url(self) -> str:
        return US_CORE + self.name


_CPT: Final = "http://www.ama-assn.org/go/cpt"
_CORE_CATEGORY: Final = "http://hl7.org/fhir/us/core/CodeSystem/condition-category"
_CORE_AGENT: Final = "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type"
_NULL: Final = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"

_DIAGNOSES: Final[Codes] = {SNOMED_CT: None, ICD_10_CM: None, "http://hl7.org/fhir/sid/icd-9-cm": None}
_DIAGNOSIS: Final = "SNOMED CT or ICD-10-CM"
_PROCEDURES: Final[Codes] = {
    SNOMED_CT: None,
    _CPT: None,
    LOINC: None,
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": None,
    "http://www.cms.gov/Medicare/Coding/ICD10": None,
    "http://www.ada.org/cdt": None,
}
_PROCEDURE: Final = "SNOMED CT, CPT, HCPCS, ICD-10-PCS, CDT or LOINC"
# VSAC 2.16.840.1.113762.1.4.1099.30.
_CARE_TEAM: Final[Codes] = {SNOMED_CT: None, NUCC: None}
_PROBLEMS: Final[Codes] = {
    CONDITION_CATEGORY: frozenset({"problem-list-item"}),
    _CORE_CATEGORY: frozenset({"health-concern"}),
}

_ROWS: Final = (
    Profile(
        "us-core-patient",
        "Patient",
        required=(
            *("identifier", "identifier.system", "identifier.value", "name", "gender"),
            *("telecom.system", "telecom.value"),
        ),
        bindings=(Binding("communication.language", {BCP_47: None}, "a language of BCP 47"),),
        rules=(rules.names, rules.race, rules.ethnicity, rules.birth_sex, rules.states),
    ),
    Profile(
        "us-core-practitioner",
        "Practitioner",
        required=("identifier", "identifier.system", "identifier.value", "name", "name.family"),
        most={"address.line": 4},
        rules=(rules.npi, rules.states),
    ),
    Profile(
        "us-core-practitionerrole",
        "PractitionerRole",
        required=("telecom.system", "telecom.value"),
        bindings=(
            Binding("code", _CARE_TEAM, "SNOMED CT or NUCC"),
            Binding("specialty", {NUCC: None, SNOMED_CT: None}, "NUCC or SNOMED CT"),
        ),
        rules=(rules.role_of_somebody, rules.can_be_reached),
    ),
    Profile(
        "us-core-organization",
        "Organization",
        required=("active", "name"),
        most={"address.line": 4},
        rules=(rules.npi, rules.clia, rules.naic, rules.states),
    ),
    Profile("us-core-location", "Location", required=("name",), rules=(rules.states,)),
    Profile(
        "us-core-careteam",
        "CareTeam",
        required=("subject", "participant", "participant.role", "participant.member"),
        most={"participant.role": 1},
        bindings=(Binding("participant.role", _CARE_TEAM, "SNOMED CT or NUCC"),),
    ),
    Profile(
        "us-core-condition-problems-health-concerns",
        "Condition",
        required=("category", "code"),
        slices=(Slice("category", _PROBLEMS, "problem-list-item or health-concern"),),
        bindings=(Binding("code", _DIAGNOSES, _DIAGNOSIS),),
    ),
    Profile(
        "us-core-condition-encounter-diagnosis",
        "Condition",
        required=("category", "code"),
        slices=(
            Slice(
                "category",
                {CONDITION_CATEGORY: frozenset({"encounter-diagnosis"})},
                "encounter-diagnosis",
                most=1,
            ),
        ),
        bindings=(Binding("code", _DIAGNOSES, _DIAGNOSIS),),
    ),
    Profile(
        "us-core-encounter",
        "Encounter",
        required=("type", "subject", "identifier.system", "identifier.value"),
        bindings=(Binding("type", {SNOMED_CT: None, _CPT: None}, "SNOMED CT or CPT"),),
    ),
    Profile(
        "us-core-servicerequest",
        "ServiceRequest",
        required=("code",),
        bindings=(
            Binding("code", _PROCEDURES, _PROCEDURE),
            Binding("reasonCode", _DIAGNOSES, _DIAGNOSIS),
        ),
    ),
    Profile("us-core-questionnaireresponse", "QuestionnaireResponse", required=("subject",)),
    Profile(
        "us-core-documentreference",
        "DocumentReference",
        required=("type", "category", "subject"),
        most={"context.encounter": 1},
        bindings=(
            Binding("type", {LOINC: None, _NULL: frozenset({"UNK"})}, "LOINC", required=True),
        ),
        rules=(rules.attachments,),
    ),
    Profile(
        "us-core-procedure",
        "Procedure",
        required=("code",),
        bindings=(Binding("code", _PROCEDURES, _PROCEDURE),),
        rules=(rules.performed,),
    ),
    Profile(
        "us-core-provenance",
        "Provenance",
        bindings=(
            Binding(
                "agent.type",
                {PROVENANCE_AGENT: None, _CORE_AGENT: None},
                "the participant types of Provenance",
            ),
        ),
        rules=(rules.on_behalf_of,),
    ),
)  # fmt: skip

PROFILES: Final[dict[str, Profile]] = {row.url: row for row in _ROWS}


def profiles_of(type: str) -> tuple[str, ...]:
    """The canonical URLs of the profiles of one type, in the order of the table."""
    return tuple(row.url for row in _ROWS if row.type == type)


def find_profile(canonical: str) -> Profile | None:
    """The profile that a canonical names: in any version's name only 6.1.0, None for all that is unknown."""
    url, _, version = canonical.partition("|")
    return PROFILES.get(url) if version in ("", US_CORE_VERSION) else None
