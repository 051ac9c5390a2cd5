"""A process that draws letters does not grow with each."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from referral.letters.content import Manifest, ManifestRow
from referral.letters.render import Renderer
from tests.letters import golden
from tests.letters.conftest import Draw, Drawn


def test_no_letter_asks_for_font_features(renderer: Renderer, drawn: Drawn, draw: Draw) -> None:
    """WeasyPrint never frees the lists of them that it makes for every line (its pull request 381).

    With one feature on all text a letter left 170 to 220 KB behind, and list markers of their own 10 to 15.
    What has ever been asked for is in the font configuration that all letters share.
    """
    for one in golden.wanted():
        drawn(*one)
    for record in golden.records().values():
        draw(record)
    row = ManifestRow(place=1, recipient="Dr. Mary Lamb", postal_code="02114", request_number="R-1", sheets=1)
    list_on_top = Manifest(
        number=7,
        clinic_name="Harbor Light",
        made_at=datetime(2026, 11, 23, tzinfo=UTC),
        time_zone=ZoneInfo("America/New_York"),
        rows=(row,),
    )
    assert renderer.manifest(list_on_top).pages == 1
    fonts = renderer._engine._fonts
    assert fonts.strut_layouts
    assert fonts.font_features == {}
