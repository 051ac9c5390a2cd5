"""Which codes need what."""

import pytest

from referral.domain.codes import ClinicianKind, Requirement
from referral.domain.gate import requirement_sentence, who_may_recommend
from referral.domain.npi import is_valid_npi, kind_of_taxonomy
from referral.domain.policy import ICD_10_CM, SNOMED_CT, Indication, IndicationClass, Policy

POLICY = Policy()


def icd(code: str) -> Indication:
    return Indication(ICD_10_CM, code, "x")


@pytest.mark.parametrize(
    "code",
    [
        "F31.81",
        "F32.A",
        "F33.2",
        "F34.1",
        "F39",
        "F40.10",
        "F41.1",
        "F42.2",
        "F43.12",
        "F53.0",
        "f33.2",
        " F33.2 ",
    ],
)
def test_mental_health_codes_need_a_recommendation(code: str) -> None:
    assert POLICY.classify(icd(code)) is IndicationClass.MENTAL_HEALTH
    assert POLICY.requirements((icd(code),)) == (Requirement.INITIAL_CONSULTATION, Requirement.RECOMMENDATION)


@pytest.mark.parametrize(
    "code", ["G89.21", "G89.4", "G90.511", "M79.7", "G54.6", "G50.0", "B02.22", "M54.50", "F45.42"]
)
def test_pain_codes_need_the_consultation_alone(code: str) -> None:
    assert POLICY.classify(icd(code)) is IndicationClass.PAIN
    assert POLICY.requirements((icd(code),)) == (Requirement.INITIAL_CONSULTATION,)


@pytest.mark.parametrize("code", ["F45.41", "F20.9", "Z00.00", "", "F", "XYZ", "G89.11", "R45.851"])
def test_unknown_codes_have_no_class_and_count_as_strict(code: str) -> None:
    assert POLICY.classify(icd(code)) is None
    assert Requirement.RECOMMENDATION in POLICY.requirements((icd(code),))
    assert "Not classified" in requirement_sentence((icd(code),), POLICY)


def test_the_stricter_of_two_indications_holds() -> None:
    assert Requirement.RECOMMENDATION in POLICY.requirements((icd("G89.4"), icd("F33.2")))


def test_snomed_codes_match_as_a_whole() -> None:
    assert POLICY.classify(Indication(SNOMED_CT, "370143000", "MDD")) is IndicationClass.MENTAL_HEALTH
    assert POLICY.classify(Indication(SNOMED_CT, "3701430001", "x")) is None
    assert POLICY.classify(Indication("urn:other", "F33.2", "x")) is None


def test_a_code_without_a_system_that_we_know_is_not_guessed() -> None:
    assert POLICY.classify(Indication("", "F33.2", "x")) is None


def test_the_clinic_names_three_kinds_of_clinicians() -> None:
    assert who_may_recommend(POLICY) == "psychiatrist, psychologist or family/primary care physician"


@pytest.mark.parametrize(
    ("taxonomy", "kind"),
    [
        ("2084P0800X", ClinicianKind.PSYCHIATRIST),
        ("103TC0700X", ClinicianKind.PSYCHOLOGIST),
        ("207Q00000X", ClinicianKind.PRIMARY_CARE),
        ("207R00000X", ClinicianKind.PRIMARY_CARE),
        ("207RC0000X", ClinicianKind.OTHER),
        ("2084N0400X", ClinicianKind.OTHER),
        ("363LP0808X", ClinicianKind.NURSE_PRACTITIONER),
        (None, ClinicianKind.OTHER),
    ],
)
def test_a_taxonomy_code_says_what_kind_of_clinician_it_is(taxonomy: str | None, kind: ClinicianKind) -> None:
    assert kind_of_taxonomy(taxonomy) is kind


def test_an_npi_has_ten_digits_and_a_check_digit() -> None:
    assert is_valid_npi("1234567893")  # the example of the CMS check-digit paper
    assert is_valid_npi("9000000015")
    for wrong in ("1234567890", "123456789", "12345678933", "123456789X", "", "١٢٣٤٥٦٧٨٩٣"):
        assert not is_valid_npi(wrong)
