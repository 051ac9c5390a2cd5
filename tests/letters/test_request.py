"""The request letter: what it says, and that it arrives readable by post, by fax and by screen reader."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from typing import get_args

import pikepdf
import pytest
import zxingcpp
from PIL import Image

from referral.domain.codes import ClinicianKind
from referral.domain.form import BY_LINK_ID, items_for
from referral.domain.language import Language
from referral.letters.content import LetterProblem
from referral.letters.markup import AT_EASE, Tight, letter_html, set_first
from referral.letters.render import Renderer, Style, _tighter
from tests.letters import pdf
from tests.letters.conftest import Draw
from tests.letters.samples import CLINIC, letter

STYLES: tuple[Style, ...] = get_args(Style)


@pytest.mark.parametrize("style", STYLES)
def test_what_goes_in_can_be_read_on_the_page(draw: Draw, style: Style) -> None:
    wanted = letter()
    shown = pdf.text(draw(wanted, style).pdf)
    for part in (
        *(
            "Maria José Nguyễn, born 1986",
            "Dear Dr. Okafor,",
            "for recurrent depression (F33.2) and named you as their",
        ),
        *("treating psychiatrist", "six infusions over three weeks, then single infusions as needed"),
        *("Attn Chidi A. Okafor, MD, personal", *wanted.recipient_lines, "R-2026-04182", "Letter HL-04182-A"),
        *("ask.harborlight.example and enter K7QM-2X4P", "fax it to 617-555-0143", "Call 617-555-0142"),
        *("Elena R. Whitcombe, MD", "Harbor Light Ketamine Clinic", "1480 Commonwealth Avenue, Suite 300"),
        *("Page 1 of 2", "Page 2 of 2"),
    ):
        assert part in shown


def test_it_says_why_by_when_how_long_and_who_decides(draw: Draw) -> None:
    shown = pdf.text(draw(letter()).pdf, page=1)
    for part in (
        *("Please answer by December 6, 2026. It takes about two minutes.", "so that follow-up is ensured"),
        *(
            "within hours to days and lasts weeks to months",
            "The decision to treat, consent and monitoring remain",
        ),
        *(
            "Approved as an anesthetic; psychiatric use is off-label. Schedule III",
            "Common effects",
            "Serious risks",
        ),
        *(
            "A physician is present throughout each infusion",
            "45 CFR 164.506(c)",
            "do not send psychotherapy notes",
        ),
    ):
        assert part in shown
    assert shown.count("•") == 3


def test_the_date_is_the_one_in_the_clinics_time_zone(draw: Draw) -> None:
    """It was written at 2:05 UTC, which is the evening before in Boston."""
    assert "November 22, 2026" in pdf.text(draw(letter()).pdf, page=1)


@pytest.mark.parametrize("kind", ClinicianKind)
def test_the_second_page_is_the_form_of_the_discipline_complete(draw: Draw, kind: ClinicianKind) -> None:
    document = draw(letter(clinician_kind=kind), "fax")
    shown = pdf.text(document.pdf, page=2)
    assert document.pages == 2
    asked = [item for item in items_for(kind) if item.on_paper]
    for item in asked:
        assert item.link_id == "decision" or item.text in shown
        for option in item.options:
            assert option.text in shown
    for item in BY_LINK_ID.values():
        assert item in asked or item.text not in shown
    boxes = sum(len(item.options) for item in asked) + 1
    assert shown.count("☐") == boxes
    assert "clearance" not in pdf.text(document.pdf).lower()


@pytest.mark.parametrize(("down", "degrees"), [(98, 0), (98, 2), (196, 0), (196, 2)])
@pytest.mark.parametrize("page", [1, 2])
def test_the_codes_are_read_from_a_fax(draw: Draw, page: int, down: int, degrees: float) -> None:
    wanted = letter()
    fax = pdf.picture(draw(wanted, "fax").pdf, page, 204, down, "-mono")
    square = fax.resize((fax.width, round(fax.height * 204 / down)), Image.Resampling.NEAREST)
    tilted = square.rotate(degrees, fillcolor=255, expand=True)
    expected = wanted.portal_url if page == 1 else wanted.page_code
    # As the product reads them: other kinds of barcodes are also seen where there are none.
    found = zxingcpp.read_barcodes(tilted, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    assert [code.text for code in found] == [expected]


@pytest.mark.parametrize("page", [1, 2])
def test_a_fax_has_neither_grey_nor_tint(draw: Draw, page: int) -> None:
    fax = pdf.picture(draw(letter(), "fax").pdf, page, 100, 100, "-aa", "no", "-aaVector", "no")
    assert {value for _, value in fax.getcolors() or ()} == {0, 255}
    header = fax.crop((0, 0, fax.width, 35))
    assert header.getextrema() == (255, 255)


@pytest.mark.parametrize("page", [1, 2])
def test_a_print_has_no_ink_where_printers_cannot_reach(draw: Draw, page: int) -> None:
    sheet = pdf.picture(draw(letter(), "print").pdf, page, 96, 96)
    inner = (6, 6, sheet.width - 6, sheet.height - 6)
    sheet.paste(255, inner)
    assert sheet.getextrema() == (255, 255)


@pytest.mark.parametrize("style", STYLES)
def test_it_is_a_sound_tagged_pdf_that_carries_nothing_else(draw: Draw, style: Style) -> None:
    document = draw(letter(), style)
    assert pdf.problems(document.pdf) == ""
    assert pdf.xmp(document.pdf)["pdf/ua"] == "1"
    assert pdf.attachments(document.pdf) == {}
    assert hashlib.sha256(document.pdf).hexdigest() == document.sha256
    for forbidden in (b"/JavaScript", b"/Launch", b"/OpenAction", b"/EmbeddedFile"):
        assert forbidden not in document.pdf


def test_the_properties_of_the_file_name_neither_patient_nor_treatment(draw: Draw) -> None:
    opened = pikepdf.open(io.BytesIO(draw(letter()).pdf))
    shown = " ".join(str(value) for value in opened.docinfo.values()) + str(opened.Root.Metadata.read_bytes())
    assert "Request R-2026-04182" in shown
    assert "Harbor Light" in shown
    assert opened.Root.Lang == "en-US"
    assert opened.Root.MarkInfo.Marked
    for hidden in ("Nguy", "Maria", "F33", "etamine"):
        assert hidden not in shown


def test_a_long_name_and_indication_still_take_two_pages(draw: Draw) -> None:
    long = letter(
        patient_name="Maximiliana Konstantina Featherstonehaugh Cholmondeley de la Fuente y Echeverría",
        indication="severe recurrent major depressive disorder without psychotic features, "
        "treatment-resistant, with generalized anxiety disorder (F33.2, F41.1)",
        planned_course="six intravenous infusions over three weeks (0.5 mg/kg over 40 minutes), then "
        "single infusions as needed at intervals of three to eight weeks, for up to six months",
        letterhead=replace(CLINIC, clinic_name="The Greater Commonwealth Center for Infusion Medicine, LLC"),
    )
    for style in STYLES:
        document = draw(long, style)
        assert document.pages == 2
        assert pdf.text(document.pdf).count(long.patient_name) == 2


def test_a_letter_that_would_take_more_pages_is_refused(draw: Draw) -> None:
    with pytest.raises(LetterProblem, match="pages instead of 2"):
        draw(letter(patient_name="W" * 120, indication="W" * 160, planned_course="W" * 200), "fax")


def test_each_clinic_has_its_colour_except_by_fax(draw: Draw) -> None:
    red = letter(letterhead=replace(CLINIC, accent="#8a1f2d"))
    assert draw(red).sha256 != draw(letter()).sha256
    by_fax = [pdf.picture(draw(one, "fax").pdf, 1, 50, 50) for one in (red, letter())]
    assert by_fax[0].tobytes() == by_fax[1].tobytes()


@pytest.mark.parametrize(
    ("pages", "parts", "tight"),
    [
        (3, (1, 3), Tight(letter=True)),
        (3, (1, 2), Tight(form=True)),
        (4, (1, 3), Tight(letter=True, form=True)),
        (2, (1,), Tight(letter=True)),
    ],
)
def test_only_the_page_that_is_too_full_is_set_smaller(
    pages: int, parts: tuple[int, ...], tight: Tight
) -> None:
    assert _tighter(AT_EASE, pages, parts) == tight
    assert _tighter(Tight(form=True), pages, parts) == replace(tight, form=True)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", ClinicianKind)
def test_a_form_is_set_at_ease_where_it_keeps_to_its_page_so(
    renderer: Renderer, language: Language, kind: ClinicianKind
) -> None:
    """What is left out is only what would have been laid out in vain."""
    asked = letter(language=language, clinician_kind=kind)
    at_ease = renderer._engine.lay(
        letter_html(asked, renderer._fonts), renderer._sheet("screen", CLINIC.accent)
    )
    form_begins = at_ease.parts[1]
    assert set_first(asked) == Tight(form=at_ease.pages > form_begins)


def test_a_full_first_page_leaves_the_form_as_it_is(renderer: Renderer, draw: Draw) -> None:
    """What makes the first page longer does not stand on the form."""
    long = letter(clinician_role="treating psychiatrist " * 5, planned_course="seven infusions " * 12)
    assert renderer._engine.lay(
        letter_html(long, renderer._fonts), renderer._sheet("screen", CLINIC.accent)
    ).parts == (1, 3)
    made = draw(long)
    assert made.pages == 2
    easy, full = (pdf.picture(one.pdf, 2, 50, 50) for one in (draw(letter()), made))
    assert easy.tobytes() == full.tobytes()
