"""What a code on a page says, and which steps a fax allows."""

from __future__ import annotations

import pytest

from referral.domain.credential import mint
from referral.domain.errors import TransitionRefused
from referral.domain.fax import FaxState, digits_of, page_code, require_step, selector_in


def test_the_code_of_the_form_page_names_the_letter_and_holds_no_secret() -> None:
    minted = mint()
    code = page_code(minted.selector)
    assert selector_in(code) == minted.selector
    assert minted.secret not in code
    # As many characters as a small QR code holds: it has to be read from the coarsest fax.
    assert len(code) == 20


def test_of_the_link_on_page_1_only_the_public_part_is_taken() -> None:
    minted = mint()
    assert selector_in(minted.url("https://ask.example")) == minted.selector


@pytest.mark.parametrize(
    "code",
    [
        "",
        "R:short:2",
        "R:AAAAAAAAAAAAAAAAA:2",
        "R:AAAAAAAAAAAAAAAA:1",
        " R:AAAAAAAAAAAAAAAA:2",
        "R:AAAAAAAAAAAAAAA':2",
        "R-2026-00042-AbCd:2",
        "https://ask.example/r/AAAAAAAAAAAAAAAA",
        "https://ask.example/x/r/AAAAAAAAAAAAAAAA/secret",
        "https://ask.example/verify",
        "WIFI:S:clinic;;",
    ],
)
def test_what_is_no_code_of_ours_names_nothing(code: str) -> None:
    assert selector_in(code) is None


@pytest.mark.parametrize(
    ("given", "digits"),
    [
        ("+13035550120", "3035550120"),
        ("303-555-0120", "3035550120"),
        ("1 (303) 555-0120", "3035550120"),
        ("5550120", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_numbers_are_compared_by_their_ten_digits(given: str | None, digits: str) -> None:
    assert digits_of(given) == digits


ALLOWED = {
    "assign": {FaxState.UNMATCHED},
    "dismiss": {FaxState.UNMATCHED, FaxState.UNREADABLE},
    "restore": {FaxState.DISMISSED},
    "take-off": {FaxState.MATCHED, FaxState.DIFFERS, FaxState.FILED},
    "transcribe": {FaxState.MATCHED},
    "file": {FaxState.MATCHED, FaxState.DIFFERS},
    "differ": {FaxState.MATCHED},
}


@pytest.mark.parametrize("state", FaxState)
@pytest.mark.parametrize("step", ALLOWED)
def test_a_step_is_taken_from_its_own_states_alone_and_refused_in_a_sentence(
    step: str, state: FaxState
) -> None:
    if state in ALLOWED[step]:
        require_step(step, state)
        return
    with pytest.raises(TransitionRefused, match=r"This step is not possible for this fax: \w"):
        require_step(step, state)
