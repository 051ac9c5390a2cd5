"""The design system: colours that can be read, classes that exist and are used, a page that shows them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from referral.domain.codes import Role
from referral.web.assets import STATIC
from referral.web.pages import TEMPLATES
from referral.web.staff.tokens import PAIRS, contrast, tokens
from tests.database import ClinicFixture
from tests.web.desk import OpenDesk

_SHEETS: Final = {
    path.name: re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for path in sorted(STATIC.glob("*.css"))
}
_CLASS: Final = re.compile(r"\.([a-z][\w-]*)(?=[^{}]*\{)")


def defined() -> set[str]:
    return {name for sheet in _SHEETS.values() for name in _CLASS.findall(sheet)}


def pages() -> dict[Path, str]:
    """The templates that use the style sheets; letters have their own."""
    found = [path for path in TEMPLATES.rglob("*.html.j2") if path.parent.name != "letters"]
    return {path: path.read_text(encoding="utf-8") for path in found}


def drawers() -> str:
    """Everything that can name a class."""
    code = [*STATIC.parent.rglob("*.py"), *STATIC.glob("*.js")]
    return "\n".join([*pages().values(), *(path.read_text(encoding="utf-8") for path in code)])


def test_the_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#777777") == pytest.approx(4.478, abs=0.001)
    assert contrast("#123456", "#123456") == pytest.approx(1)


@pytest.mark.parametrize("dark", [False, True])
def test_every_colour_can_be_read_on_every_ground_that_it_stands_on(dark: bool) -> None:
    values = tokens()[dark]
    weak = [
        (pair.meaning, round(found, 2))
        for pair in PAIRS
        if (found := contrast(values[pair.ink], values[pair.ground])) < pair.least
    ]
    assert weak == []


def test_colours_stand_in_the_tokens_alone_and_every_token_is_used() -> None:
    for name, sheet in _SHEETS.items():
        if name != "tokens.css":
            assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*[;}])", sheet) == [], name
    used = set(re.findall(r"var\(--([\w-]+)\)", "".join(_SHEETS.values())))
    assert used - set(tokens()[0]) == set()
    # The scale of distances is whole, whatever is used of it today.
    assert {name for name in tokens()[0] if not name.startswith("space-")} - used == set()


def test_every_class_of_the_style_sheets_is_used() -> None:
    text = drawers()
    said = set(re.findall(r"[a-z][\w-]*", text))
    # `badge--{{ state }}`: the state is named somewhere else.
    drawn = set(re.findall(r"([a-z][\w-]*)--[{']", text))
    unused = set()
    for name in defined() - said:
        stem, _, state = name.partition("--")
        if stem not in drawn or state not in text:
            unused.add(name)
    assert unused == set()


def test_every_class_of_a_page_is_in_a_style_sheet() -> None:
    known, missing = defined(), set()
    for path, text in pages().items():
        for found in re.findall(r'class="([^"]*)"', text):
            words = re.sub(r"\{\{.*?\}\}", "{}", re.sub(r"\{%.*?%\}", " ", found)).split()
            missing |= {(path.name, word) for word in words if "{}" not in word and word not in known}
    assert missing == set()


def test_the_design_page_draws_every_shared_macro_for_everybody(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    shown = (TEMPLATES / "staff" / "design.html.j2").read_text(encoding="utf-8")
    for file, name in (("components.html.j2", "c"), ("staff/list_parts.html.j2", "lists")):
        text = (TEMPLATES / file).read_text(encoding="utf-8")
        for macro in re.findall(r"\{% macro ([a-z]\w+)\(", text):
            within = re.search(rf"\{{\{{ {macro}\(|\{{\{{\s*{macro}\(", text)
            assert f"{name}.{macro}(" in shown or within, macro
    for role in Role:
        robin = open_desk(clinic, role)
        text = robin.get("/design")
        assert robin.status == 200
        assert "Too little" not in text
        assert "4.5" in text
    assert robin.page.count('<svg class="swatch"') == 2 * len(PAIRS)
    assert robin.get("/")
    assert 'href="/design"' in robin.page
