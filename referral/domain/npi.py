"""National Provider Identifiers and what a NUCC taxonomy code makes of a clinician."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from referral.domain.codes import ClinicianKind

# What a digit adds where the Luhn formula doubles it, by its character.
_DOUBLED: Final = bytes(sum(divmod(2 * (code - 48), 10)) if 48 <= code <= 57 else 0 for code in range(256))
# The prefix 80840 stands before every NPI and adds this; the five digits that are not doubled are characters.
_PREFIX: Final = 24 - 5 * 48


def is_valid_npi(value: str) -> bool:
    """Ten digits with a Luhn check digit over 80840 + NPI (45 CFR 162.406, ISO standard US health prefix)."""
    if len(value) != 10 or not (value.isascii() and value.isdigit()):
        return False
    digits = value.encode("ascii")
    return (_PREFIX + sum(digits[1::2]) + sum(digits[::2].translate(_DOUBLED))) % 10 == 0


# NUCC Health Care Provider Taxonomy. Prefixes, longest first; which kinds may recommend is clinic policy.
_KIND_BY_TAXONOMY: Final = {
    "2084P08": ClinicianKind.PSYCHIATRIST,
    "2084F0202X": ClinicianKind.PSYCHIATRIST,
    "2084P0015X": ClinicianKind.PSYCHIATRIST,
    "2084B0040X": ClinicianKind.PSYCHIATRIST,
    "103G": ClinicianKind.PSYCHOLOGIST,
    "103T": ClinicianKind.PSYCHOLOGIST,
    "207Q": ClinicianKind.PRIMARY_CARE,
    "207R00000X": ClinicianKind.PRIMARY_CARE,
    "208D00000X": ClinicianKind.PRIMARY_CARE,
    "363A": ClinicianKind.PHYSICIAN_ASSISTANT,
    "363L": ClinicianKind.NURSE_PRACTITIONER,
    "1041": ClinicianKind.SOCIAL_WORKER,
}


def kind_of_taxonomy(code: str | None) -> ClinicianKind:
    """Longest matching prefix; an unknown or missing code is OTHER, which no default policy accepts."""
    if not code:
        return ClinicianKind.OTHER
    for length in range(len(code), 3, -1):
        kind = _KIND_BY_TAXONOMY.get(code[:length])
        if kind:
            return kind
    return ClinicianKind.OTHER


def deciding_taxonomy(codes: Sequence[str]) -> str | None:
    """Which of somebody's codes says what kind of clinician they are: the first that we know a kind for.

    `codes` has the primary one first. Where we know none, the primary one; None for none at all.
    """
    known = (code for code in codes if kind_of_taxonomy(code) is not ClinicianKind.OTHER)
    return next(known, codes[0] if codes else None)


KIND_LABEL: Final = {
    ClinicianKind.PSYCHIATRIST: "psychiatrist",
    ClinicianKind.PSYCHOLOGIST: "psychologist",
    ClinicianKind.PRIMARY_CARE: "family/primary care physician",
    ClinicianKind.NURSE_PRACTITIONER: "nurse practitioner",
    ClinicianKind.PHYSICIAN_ASSISTANT: "physician assistant",
    ClinicianKind.SOCIAL_WORKER: "clinical social worker",
    ClinicianKind.OTHER: "other clinician",
}
