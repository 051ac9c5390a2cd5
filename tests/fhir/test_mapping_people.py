"""Patients and clinicians: what we write, and what we make of what other systems write."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from referral.domain.codes import Channel, ClinicianKind
from referral.domain.records import Patient
from referral.fhir import patient, practitioner
from referral.fhir.systems import DEFAULT, NUCC, US_CORE_DIRECT, US_NPI, LocalSystems
from tests.fhir.examples import example
from tests.fhir.mapping_samples import CLINICIAN, NPI, PATIENT, assert_valid


def test_a_patient_comes_back_as_it_was_written() -> None:
    written = patient.to_fhir(PATIENT)
    assert_valid(written)
    assert patient.from_fhir(written) == PATIENT


def test_a_patient_with_nothing_but_a_name_is_valid() -> None:
    bare = Patient(id="p2", family="Quill", given="")
    written = patient.to_fhir(bare)
    assert_valid(written)
    assert patient.from_fhir(written) == bare


def test_the_canonical_base_is_configurable() -> None:
    written = patient.to_fhir(PATIENT, local=LocalSystems("https://clinic.example/fhir/"))
    assert written["identifier"] == [
        {"system": "https://clinic.example/fhir/identifier/patient", "value": "p1"}
    ]


@pytest.mark.parametrize(
    ("names", "family", "given"),
    [
        ([{"use": "old", "family": "Former"}, {"family": "Quill", "given": ["Wren"]}], "Quill", "Wren"),
        (
            [
                {"use": "usual", "family": "Quill"},
                {"use": "official", "family": "Quill-Vane", "given": ["W", "A"]},
            ],
            "Quill-Vane",
            "W A",
        ),
        ([{"use": "maiden", "family": "Before"}, {"use": "nickname", "family": "Q"}], "Q", ""),
        ([{"text": "Wren Ada Quill"}], "Quill", "Wren Ada"),
        ([{"text": "Quill, Wren Ada"}], "Quill", "Wren Ada"),
        ([{"text": "Quill"}], "Quill", ""),
        ([{"given": ["Wren"]}], "", "Wren"),
        ([{"use": "old", "family": "Only"}], "Only", ""),
        ([{"given": [None, "Wren"], "family": " Quill "}], "Quill", "Wren"),
        ([], "", ""),
    ],
)
def test_the_best_of_several_names_is_used(names: list[dict[str, Any]], family: str, given: str) -> None:
    read = patient.from_fhir({"resourceType": "Patient", "id": "p", "name": names})
    assert (read.family, read.given) == (family, given)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1980-02-03", date(1980, 2, 3)),
        ("1980-02", None),
        ("1980", None),
        ("19800203", None),
        ("1980-02-31", None),
        (None, None),
    ],
)
def test_only_a_full_date_of_birth_counts(written: str | None, read: date | None) -> None:
    assert patient.from_fhir({"id": "p", "birthDate": written}).birth_date == read


def test_telecom_follows_rank_and_never_what_is_no_longer_used() -> None:
    read = patient.from_fhir(
        {
            "id": "p",
            "telecom": [
                {"system": "phone", "value": "+12025550100", "use": "old", "rank": 1},
                {"system": "phone", "value": "+12025550101", "use": "work"},
                {"system": "phone", "value": "+12025550102", "use": "mobile"},
                {"system": "email", "value": "second@quill.example", "rank": 2},
                {"system": "email", "value": "first@quill.example", "rank": 1},
                {"system": "pager", "value": "7"},
            ],
        }
    )
    assert (read.telephone, read.email) == ("+12025550102", "first@quill.example")


def test_the_preferred_language_wins_and_a_bcp_47_code_over_any_other() -> None:
    spanish = {"coding": [{"system": "urn:x", "code": "spa"}, {"system": "urn:ietf:bcp:47", "code": "es"}]}
    english = {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}
    read = patient.from_fhir(
        {"id": "p", "communication": [{"language": english}, {"language": spanish, "preferred": True}]}
    )
    assert read.language == "es"


def test_hl7s_example_patient_is_understood() -> None:
    read = patient.from_fhir(example("Patient"))
    assert read.id
    assert read.name


@pytest.mark.parametrize("what", [practitioner.practitioner, practitioner.role, practitioner.organization])
@pytest.mark.parametrize(
    "clinician",
    [
        CLINICIAN,
        replace(CLINICIAN, npi=None, taxonomy=None, credentials="", practice="", address=(), contacts=()),
    ],
)
def test_a_clinician_is_written_as_valid_resources(what: Any, clinician: Any) -> None:
    assert_valid(what(clinician))


@pytest.mark.parametrize(
    ("tags", "language"), [(["es-MX", "en"], "es"), (["fr", "en-US"], "en"), (["vi"], None), ([], None)]
)
def test_a_clinician_reads_the_first_language_that_is_spoken_here(
    tags: list[str], language: str | None
) -> None:
    spoken = [{"coding": [{"system": "urn:ietf:bcp:47", "code": tag}]} for tag in tags]
    person = {"resourceType": "Practitioner", "id": "p", "communication": spoken}
    read = practitioner.clinician_from_fhir({"id": "r"}, person, None, time_zone="America/Denver")
    assert read.language == language


def test_a_clinician_comes_back_as_written_but_for_the_ids_of_contacts() -> None:
    read = practitioner.clinician_from_fhir(
        practitioner.role(CLINICIAN),
        practitioner.practitioner(CLINICIAN),
        practitioner.organization(CLINICIAN),
        time_zone="America/New_York",
    )
    assert [(c.channel, c.address) for c in read.contacts] == [
        (c.channel, c.address) for c in CLINICIAN.contacts
    ]
    assert replace(read, contacts=()) == replace(CLINICIAN, contacts=())


def test_reading_again_gives_contacts_the_same_ids() -> None:
    role = practitioner.role(CLINICIAN)
    first, second = (
        practitioner.clinician_from_fhir(role, None, None, time_zone="UTC").contacts for _ in range(2)
    )
    assert first == second
    assert len({contact.id for contact in first}) == 2


def test_missing_address_contacts_and_codes_are_tolerated() -> None:
    read = practitioner.clinician_from_fhir(
        {
            "resourceType": "PractitionerRole",
            "id": "r",
            "practitioner": {"reference": "Practitioner/x", "display": "Dr Ana Lee"},
            "organization": {"display": "Harbour Psychiatry"},
        },
        None,
        None,
        time_zone="America/Chicago",
    )
    assert (read.name, read.practice, read.practitioner_id) == ("Dr Ana Lee", "Harbour Psychiatry", "x")
    assert (read.kind, read.npi, read.taxonomy) == (ClinicianKind.OTHER, None, None)
    assert (read.address, read.contacts, read.time_zone) == ((), (), "America/Chicago")


def _codes(*codes: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"coding": [{"system": system, "code": code}]} for system, code in codes]


SNOMED = "http://snomed.info/sct"


@pytest.mark.parametrize(
    ("specialty", "code", "qualification", "taxonomy", "kind"),
    [
        ([(NUCC, "2084P0800X")], [], [], "2084P0800X", ClinicianKind.PSYCHIATRIST),
        ([], [(NUCC, "103tc0700x")], [], "103TC0700X", ClinicianKind.PSYCHOLOGIST),
        (
            [],
            [],
            [("urn:oid:2.16.840.1.113883.6.101", "207Q00000X")],
            "207Q00000X",
            ClinicianKind.PRIMARY_CARE,
        ),
        ([(SNOMED, "394587001")], [], [], None, ClinicianKind.PSYCHIATRIST),
        ([(SNOMED, "419772000")], [], [], None, ClinicianKind.PRIMARY_CARE),
        # The licence wins over the field of work, whichever comes first.
        (
            [(NUCC, "2084P0800X"), (SNOMED, "394587001")],
            [],
            [(NUCC, "363LP0808X")],
            "363LP0808X",
            ClinicianKind.NURSE_PRACTITIONER,
        ),
        # A taxonomy code that fits nobody is not overruled by a looser SNOMED code.
        ([(NUCC, "332B00000X"), (SNOMED, "394587001")], [], [], "332B00000X", ClinicianKind.OTHER),
        ([(NUCC, "332B00000X")], [(NUCC, "2084P0800X")], [], "2084P0800X", ClinicianKind.PSYCHIATRIST),
        ([], [], [], None, ClinicianKind.OTHER),
    ],
)
def test_the_kind_of_clinician_is_read_from_taxonomy_first(
    specialty: Any, code: Any, qualification: Any, taxonomy: str | None, kind: ClinicianKind
) -> None:
    role = {"id": "r", "specialty": _codes(*specialty), "code": _codes(*code)}
    person = {"id": "x", "qualification": [{"code": concept} for concept in _codes(*qualification)]}
    read = practitioner.clinician_from_fhir(role, person, None, time_zone="UTC")
    assert (read.taxonomy, read.kind) == (taxonomy, kind)


@pytest.mark.parametrize(
    ("identifiers", "npi"),
    [
        ([{"system": US_NPI, "value": NPI}], NPI),
        ([{"system": "urn:oid:2.16.840.1.113883.4.6", "value": NPI}], NPI),
        ([{"system": US_NPI, "value": "1"}, {"system": US_NPI, "value": NPI}], NPI),
        ([{"system": US_NPI, "value": "123"}], "123"),
        ([{"system": "urn:other", "value": NPI}], None),
        ([{"system": US_NPI}], None),
    ],
)
def test_the_npi_is_found_and_a_wrong_one_is_left_for_the_caller_to_refuse(
    identifiers: list[dict[str, str]], npi: str | None
) -> None:
    read = practitioner.clinician_from_fhir({"id": "r"}, {"identifier": identifiers}, None, time_zone="UTC")
    assert read.npi == npi


def test_contacts_come_from_the_role_first_and_only_once() -> None:
    fax = {"system": "fax", "value": "tel:+14105550101"}
    read = practitioner.clinician_from_fhir(
        {"id": "r", "telecom": [fax]},
        {
            "telecom": [
                {"system": "email", "value": "HOME@lee.example", "use": "home"},
                {"system": "email", "value": "mailto:ana@harbour.example", "use": "work"},
                {"system": "phone", "value": "+14105550102", "use": "old"},
                {"system": "sms", "value": "+14105550103"},
                {"system": "email", "value": "not an address"},
                {"system": "url", "value": "https://harbour.example"},
            ]
        },
        {
            "telecom": [
                {"system": "fax", "value": "+14105550101"},
                {"system": "phone", "value": "+14105550104"},
            ]
        },
        time_zone="UTC",
    )
    assert [(c.channel, c.address) for c in read.contacts] == [
        (Channel.FAX, "+14105550101"),
        (Channel.EMAIL, "ana@harbour.example"),
        (Channel.SMS, "+14105550103"),
        (Channel.EMAIL, "home@lee.example"),
        (Channel.PHONE, "+14105550104"),
    ]


def test_a_direct_address_is_not_taken_for_e_mail() -> None:
    direct = {
        "system": "email",
        "value": "ana@direct.harbour.example",
        "extension": [{"url": US_CORE_DIRECT, "valueBoolean": True}],
    }
    assert not practitioner.clinician_from_fhir(
        {"id": "r", "telecom": [direct]}, None, None, time_zone="UTC"
    ).contacts


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        (
            {
                "line": ["1 Test St"],
                "city": "Baltimore",
                "state": "MD",
                "postalCode": "21201",
                "country": "USA",
            },
            ("1 Test St", "Baltimore, MD 21201"),
        ),
        ({"line": ["1 Test St"], "city": "Toronto", "country": "Canada"}, ("1 Test St", "Toronto", "Canada")),
        ({"text": "1 Test St\nBaltimore, MD 21201"}, ("1 Test St", "Baltimore, MD 21201")),
        ({"city": "Baltimore", "postalCode": "21201"}, ("Baltimore, 21201",)),
        ({"use": "old", "line": ["Gone"]}, ()),
        ({"country": "US"}, ()),
    ],
)
def test_an_address_becomes_letter_lines(address: dict[str, Any], lines: tuple[str, ...]) -> None:
    read = practitioner.clinician_from_fhir({"id": "r"}, {"address": [address]}, None, time_zone="UTC")
    assert read.address == lines


def test_the_practice_is_written_to_before_anybodys_home() -> None:
    home = {"use": "home", "line": ["9 Private Lane"]}
    read = practitioner.clinician_from_fhir(
        {"id": "r"}, {"address": [home]}, {"address": [{"line": ["1 Practice Way"]}]}, time_zone="UTC"
    )
    assert read.address == ("1 Practice Way",)


def test_hl7s_example_clinician_is_understood() -> None:
    read = practitioner.clinician_from_fhir(
        example("PractitionerRole"), example("Practitioner"), example("Organization"), time_zone="UTC"
    )
    assert read.id
    assert read.name
    assert read.practice


def test_staff_are_referred_to_by_identifier_only() -> None:
    assert DEFAULT.staff("u1") == {
        "type": "Practitioner",
        "identifier": {"system": "https://referral.example/fhir/identifier/staff-user", "value": "u1"},
    }
