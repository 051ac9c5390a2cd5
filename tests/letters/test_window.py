"""Only the address shows through the window of a #10 envelope, wherever the sheet has slid."""

from __future__ import annotations

import pytest

from referral.letters.content import LetterProblem
from tests.letters import pdf
from tests.letters.conftest import Draw
from tests.letters.pdf import Box
from tests.letters.samples import letter

# A #10 envelope, one window of 4.5 by 1.125 in, 0.875 in from the left and 0.5 in from the bottom; the sheet
# is folded in three and has 1 in of play sideways and 0.458 in upwards. In inches on the sheet:
SHOWS_SOMETIMES = Box(-0.125, 2.042, 5.375, 3.625)
SHOWS_ALWAYS = Box(0.875, 2.5, 4.375, 3.167)

USUAL = ("Beacon Hill Psychiatry Associates", "22 Myrtle Street, Floor 2", "Boston, MA 02114-1931")
ADDRESSES = {
    "short": ("Fax 617-555-0188",),
    "usual": USUAL,
    "four lines": (
        "Beacon Hill Psychiatry",
        "Outpatient Clinic",
        "22 Myrtle Street, Floor 2",
        "Boston, MA 02114",
    ),
    "long lines": (
        "The Massachusetts Example Hospital Department of Psychiatry",
        "55 Fruit Street, Wang Building 812",
        "Boston, MA 02114-2696",
    ),
    "wide letters": ("WWWWWWWWWWWWWWW WWWWWWWWWWW", "22 Myrtle Street, Floor 2", "Boston, MA 02114-1931"),
}


def window_faults(document: bytes, address: tuple[str, ...]) -> list[str]:
    showing = [
        (word, box)
        for word, box in pdf.words(document, 1)
        if box.left < SHOWS_SOMETIMES.right
        and box.right > SHOWS_SOMETIMES.left
        and box.top < SHOWS_SOMETIMES.bottom
        and box.bottom > SHOWS_SOMETIMES.top
    ]
    # A box is the font's full line height, so a little above and below is not ink.
    faults = [
        f"{word} can slide out of the window"
        for word, box in showing
        if box.left < SHOWS_ALWAYS.left
        or box.right > SHOWS_ALWAYS.right
        or box.top < SHOWS_ALWAYS.top - 0.02
        or box.bottom > SHOWS_ALWAYS.bottom + 0.03
    ]
    seen, wanted = [word for word, _ in showing], " ".join(address).split()
    return faults if seen == wanted else [*faults, f"the window shows {seen}"]


@pytest.mark.parametrize("style", ["screen", "print"])
@pytest.mark.parametrize("lines", ADDRESSES.values(), ids=ADDRESSES)
def test_the_window_shows_the_whole_address_and_nothing_else(
    draw: Draw, lines: tuple[str, ...], style: str
) -> None:
    wanted = letter(recipient_lines=lines)
    document = draw(wanted, "print" if style == "print" else "screen")
    assert window_faults(document.pdf, wanted.address) == []


def test_the_check_would_notice_a_stray_word(draw: Draw) -> None:
    wanted = letter()
    document = draw(wanted, "print")
    assert window_faults(document.pdf, wanted.address[1:]) != []


def test_the_clinician_stands_in_the_address_once() -> None:
    wanted = letter(recipient_lines=("chidi a. okafor, md", *USUAL))
    assert wanted.address == ("Attn Chidi A. Okafor, MD, personal", *USUAL)


@pytest.mark.parametrize(
    "lines",
    [
        ("x" * 70, "Boston"),
        ("Street", "Floor", "Building", "Campus", "Town"),
        ("W" * 30 + " " + "W" * 30, *USUAL),
    ],
    ids=["one endless word", "six lines", "five lines too wide"],
)
def test_an_address_that_does_not_fit_is_refused_without_being_quoted(
    draw: Draw, lines: tuple[str, ...]
) -> None:
    with pytest.raises(LetterProblem, match="recipient_lines does not fit") as refusal:
        draw(letter(recipient_lines=lines))
    assert not any(line in str(refusal.value) for line in lines)


def test_a_letter_without_an_address_is_refused() -> None:
    with pytest.raises(LetterProblem, match="recipient_lines is empty"):
        letter(recipient_lines=("\u202e", " "))
