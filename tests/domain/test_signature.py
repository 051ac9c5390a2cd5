"""What the clinic fills in of a signature."""

from __future__ import annotations

from dataclasses import replace

import pytest

from referral.domain.codes import ClinicianKind
from referral.domain.form import BY_LINK_ID
from referral.domain.records import Clinician
from referral.domain.signature import signature_of

_LEE = Clinician(
    id="role-1",
    name="Sam Lee",
    kind=ClinicianKind.SOCIAL_WORKER,
    time_zone="America/Denver",
    credentials="LCSW",
    npi="9000000015",
    address=("7 Example Lane", "Denver, CO 80202"),
)


def test_it_says_as_whom_somebody_signs_and_where_they_are_licensed() -> None:
    assert signature_of(_LEE) == {
        "signer-name": "Sam Lee",
        "signer-credentials": "LCSW",
        "signer-role": "social-worker",
        "signer-license-state": "CO",
        "signer-npi": "9000000015",
    }


@pytest.mark.parametrize("address", [(), ("7 Example Lane", "Toronto ON"), ("Larimer Ct",)])
def test_what_is_not_known_is_left_to_whoever_signs(address: tuple[str, ...]) -> None:
    filled = signature_of(replace(_LEE, address=address, npi=None, credentials=""))
    assert filled.keys() == {"signer-name", "signer-role"}


def test_every_kind_of_clinician_is_a_role_that_can_be_chosen() -> None:
    assert {option.code for option in BY_LINK_ID["signer-role"].options} == set(ClinicianKind)
