"""300 pieces of markup in every text of every letter, of the letterhead and of the record stay text."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, fields, replace
from typing import Any

import pikepdf
import pytest

from referral.domain.errors import ReferralError
from referral.domain.language import Language
from referral.letters import markup
from referral.letters.content import Letter, Letterhead, LetterProblem
from referral.letters.fonts import FontSet
from referral.letters.markup import Address, Pictures, words_html
from referral.letters.render import Renderer
from referral.letters.samples import KINDS, sample
from tests.letters import pdf
from tests.letters.payloads import MARKUP
from tests.letters.samples import CLINIC, record

Texts = dict[tuple[str, ...], int]
_LENGTHS = (4000, 1000, 500, 200, 120, 80, 60, 44, 40, 30, 24, 20, 10)
_HEAD = (*(name for name in ("clinic_name", "tagline", "telephone", "fax", "website")), "signer_name")


@dataclass(frozen=True, slots=True)
class _Tags:
    """Elements with the names of their attributes, and what addresses and styles say."""

    found: list[str]
    addresses: list[str]


def tags(html: str) -> _Tags:
    """Quoted values are left out; one that a text has broken out of would leave its rest behind."""
    seen = [re.sub(r'"[^"]*"', '""', tag) for tag in re.findall(r"<[^>]*>", html)]
    return _Tags(seen, re.findall(r'(?:href|src|style)="([^"]*)"', html))


def text_fields(value: Any) -> list[str]:
    """What a person may have written; ids of the program's own and addresses of pages are not among them."""
    own = {"portal_url", "status_url", "verify_url", "accent"}
    return [f.name for f in fields(value) if type(getattr(value, f.name)) is str and f.name not in own]


def room(value: Any) -> dict[str, int]:
    """How long a text each field takes."""
    found = {}
    for name in text_fields(value):
        for length in _LENGTHS:
            try:
                replace(value, **{name: "x" * length})
            except LetterProblem:
                continue
            found[name] = length
            break
    return found


def filled(value: Any, space: dict[str, int], payload: str) -> Any:
    return replace(value, **{name: payload[:length] for name, length in space.items()})


def drawn_words(letter: Letter) -> str:
    address = Address(letter.address, "size-10")
    return words_html(letter, mark=markup._NOTHING, address=address, pictures=Pictures())


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_written_into_a_letter_is_text(kind: str) -> None:
    plain = sample(kind, CLINIC, Language.ENGLISH)
    space, head = room(plain), room(CLINIC)
    assert len(space) >= 3
    # The same words, all of them filled in, so that what is left out when it is empty stands there.
    wanted = tags(drawn_words(filled(replace(plain, letterhead=filled(CLINIC, head, "x")), space, "x")))
    for payload in MARKUP:
        letter = filled(replace(plain, letterhead=filled(CLINIC, head, payload)), space, payload)
        found = tags(drawn_words(letter))
        assert found.found == wanted.found, payload
        assert found.addresses == wanted.addresses, payload


def test_whatever_is_written_into_a_record_is_text(renderer: Renderer) -> None:
    fonts: FontSet = renderer._fonts
    plain = record(answers=(), evidence=())
    space, head = room(plain), room(CLINIC)

    def words(text: str) -> _Tags:
        return tags(
            markup.receipt_html(
                filled(replace(plain, letterhead=filled(CLINIC, head, text)), space, text), fonts
            )
        )

    wanted = words("x")
    for payload in MARKUP[::5]:
        found = words(payload)
        assert found.found == wanted.found, payload
        assert found.addresses == wanted.addresses, payload


def printable_parts(fonts: FontSet) -> list[str]:
    return [payload for payload in MARKUP if not fonts.uncovered(payload)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_drawn_letter_loads_nothing_and_does_nothing(renderer: Renderer, kind: str) -> None:
    """Many at once, another one in each field; a refusal would say that it tried to load something."""
    parts = printable_parts(renderer._fonts)
    assert len(parts) > 250
    plain = sample(kind, CLINIC, Language.ENGLISH)
    changes: dict[str, Any] = {
        name: parts[(place * 37) % len(parts)][: min(length, 40)]
        for place, (name, length) in enumerate(room(plain).items())
    }
    head: dict[str, Any] = {
        name: parts[(place * 53 + 7) % len(parts)][:30] for place, name in enumerate(_HEAD)
    }
    made = renderer.letter(replace(plain, letterhead=replace(CLINIC, **head), **changes)).pdf
    assert pdf.attachments(made) == {}
    assert pdf.problems(made) == ""
    with pikepdf.open(io.BytesIO(made)) as opened:
        names = {name for thing in opened.objects if isinstance(thing, pikepdf.Dictionary) for name in thing}
        actions = [
            thing for thing in opened.objects if isinstance(thing, pikepdf.Dictionary) and "/URI" in thing
        ]
    assert not names & {
        "/JS",
        "/JavaScript",
        "/AA",
        "/Launch",
        "/EmbeddedFile",
        "/EF",
        "/RichMedia",
        "/OpenAction",
    }
    assert not [one for one in actions if "evil" in str(one)]


def test_a_colour_that_is_no_colour_never_reaches_a_style_sheet() -> None:
    refused = 0
    for payload in MARKUP:
        with pytest.raises(ReferralError, match=r"color|accent"):
            Letterhead(**{f.name: getattr(CLINIC, f.name) for f in fields(CLINIC)} | {"accent": payload})
        refused += 1
    assert refused == 300
    assert re.fullmatch(r"#[0-9a-f]{6}", CLINIC.accent)
