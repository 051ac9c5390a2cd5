"""The pages of the letterhead and of samples: form, logo, preview, saving, history, and who may."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from referral.domain.codes import Role
from referral.domain.outgoing import MessageKind
from referral.letters.sample_record import RECORD
from referral.letters.samples import KINDS
from referral.services.letter_content import letterhead_of
from referral.storage import audit, clinics, letterheads
from referral.storage.clinics import Clinic
from referral.web.staff.letters_view import LETTERS
from tests.database import ClinicFixture
from tests.web.desk import Desk, OpenDesk

EDIT, PREVIEW, SAVE = ("/settings/letterhead/edit", "/settings/letterhead/preview", "/settings/letterhead")
TYPED = {
    "clinic_name": "Harbor Light Ketamine Clinic",
    "tagline": "Care with your own doctor",
    "neutral_name": "Harbor Light",
    "address": "1480 Example Avenue\r\n\r\nDenver,   CO 80205",
    "telephone": "303-555-0142",
    "fax": "303-555-0143",
    "website": "harborlight.example",
    "signer_name": "José Łukasz Nguyễn, MD",
    "signer_title": "Medical Director",
    "accent": "#7A1F5C",
}


@pytest.fixture
def ada(clinic: ClinicFixture, open_desk: OpenDesk) -> Desk:
    return open_desk(clinic, Role.ADMIN)


def current(clinic: ClinicFixture) -> Clinic:
    with clinic.transaction() as session:
        return clinics.current(session)


def picture() -> bytes:
    made = Image.new("RGB", (300, 100), "white")
    ImageDraw.Draw(made).ellipse((5, 5, 95, 95), fill=(122, 31, 92))
    out = io.BytesIO()
    made.save(out, "PNG")
    return out.getvalue()


def preview(desk: Desk, file: bytes | None = None, **changes: Any) -> str:
    """From the form, with a file as a browser sends one."""
    data = {**desk.hidden(), **TYPED, **changes}
    files = {"logo_file": ("logo.png", file, "image/png")} if file else {"logo_file": ("", b"", "")}
    return desk._shown(desk.client.post(PREVIEW, data=data, files=files))


def test_a_new_letterhead_is_previewed_saved_and_in_force_for_letters_and_mails(
    clinic: ClinicFixture, ada: Desk
) -> None:
    ada.get(EDIT)
    said = preview(ada, picture())
    assert ada.status == 200
    for sentence in (
        "Neutral sender’s name: “Harbor Light”",
        "A logo was added.",
        "“#7a1f5c”, was “#0f5257”",
    ):
        assert sentence in said
    assert current(clinic).letterhead["accent"] == "#0f5257", "a preview changes nothing"
    _looks_like_it(ada)
    ada.post(SAVE)
    assert (ada.path, "The letterhead is saved" in ada.text) == (SAVE, True)
    kept = letterhead_of(current(clinic))
    assert (kept.clinic_name, kept.neutral_name) == ("Harbor Light Ketamine Clinic", "Harbor Light")
    assert kept.address_lines == ("1480 Example Avenue", "Denver, CO 80205")
    assert kept.logo is not None
    assert "Version 2" in ada.text
    assert "Robin Desk" in ada.text
    with clinic.transaction() as session:
        (entry,) = [row for row in audit.find(session) if row.subtype == "letterhead-change"]
        assert entry.detail == {"version": 2, "changed": 6}
    messages = ada.get("/settings/letters")
    assert messages.count("Harbor Light") >= 2 * len(MessageKind)


def _looks_like_it(ada: Desk) -> None:
    """The preview's own picture is drawn with the draft, in a process of its own."""
    (address,) = {part for part in ada.page.split('"') if "look.png" in part and "style=fax" in part}
    shown = ada.client.get(address.replace("&amp;", "&"))
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    drawn = Image.open(io.BytesIO(shown.content))
    assert drawn.size == (850, 1100)
    assert {colour for _, colour in drawn.convert("RGB").getcolors(10_000) or ()} >= {(0, 0, 0)}
    refused = ada.client.get("/settings/letterhead/look.png?clinic_name=x")
    assert refused.status_code == 400


def test_what_cannot_be_used_is_said_at_its_field_and_nothing_is_lost(
    clinic: ClinicFixture, ada: Desk
) -> None:
    ada.get(EDIT)
    said = preview(
        ada,
        b"GIF89a",
        clinic_name="x" * 61,
        neutral_name="Ketamine Harbor",
        address="a\nb\nc\nd",
        telephone="call us",
        accent="#ffff00",
        signer_name="😀",
        tagline="kept as it was typed",
    )
    assert ada.status == 400
    for sentence in (
        "There is room for 60 characters.",
        "This name says what the clinic treats.",
        "There is room for 3 lines.",
        "Write a number with its area code",
        "This color is too light",
        "the fonts of letters do not have it",
        "Choose a PNG, a JPEG or an SVG file.",
    ):
        assert sentence in said
    assert 'value="kept as it was typed"' in ada.page
    ada.post(SAVE, {**TYPED, "accent": "red", "version": "1"})
    assert ada.status == 400
    ada.post(SAVE, {**TYPED, "logo": "0" * 64, "version": "1"})
    assert "Choose the logo again" in ada.text
    assert current(clinic).letterhead["tagline"] == ""


def test_the_second_of_two_is_told_what_changed(
    clinic: ClinicFixture, ada: Desk, open_desk: OpenDesk
) -> None:
    other = open_desk(clinic, Role.ADMIN)
    other.get(EDIT)
    ada.get(EDIT)
    ada.post(SAVE, TYPED)
    assert ada.path == SAVE
    for path in (PREVIEW, SAVE):
        other.get(EDIT)
        other.page = other.page.replace('name="version" value="2"', 'name="version" value="1"')
        said = other.post(path, {**TYPED, "tagline": "mine"})
        assert other.status == 412
        assert "Signed by: “José Łukasz Nguyễn, MD”" in said
        assert 'value="mine"' in other.page
    assert current(clinic).letterhead["tagline"] == TYPED["tagline"]
    with clinic.transaction() as session:
        assert letterheads.newest_version(session) == 2


def test_only_the_administrator_changes_it_and_everybody_may_look(
    clinic: ClinicFixture, open_desk: OpenDesk
) -> None:
    for role in (Role.FRONT_DESK, Role.MEDICAL_DIRECTOR, Role.AUDITOR):
        desk = open_desk(clinic, role)
        desk.get(SAVE)
        assert desk.status == 200
        assert "Change the letterhead" not in desk.text
        desk.get(EDIT)
        assert desk.status == 403


def test_every_kind_of_letter_and_message_has_its_sample(clinic: ClinicFixture, open_desk: OpenDesk) -> None:
    assert set(LETTERS) == {*KINDS, RECORD}
    desk = open_desk(clinic)
    said = desk.get("/settings/letters?language=es&style=fax")
    for kind in LETTERS:
        assert f"/settings/letters/{kind}.pdf?language=es&amp;style=" in desk.page
    for kind in MessageKind:
        assert f'id="message-{kind}"' in desk.page
    assert "7 de diciembre" in said
    _is_drawn(desk.client)
    assert desk.client.get("/settings/letters/nothing.pdf").status_code == 404
    assert desk.client.get("/settings/letters/request.exe").status_code == 404


def _is_drawn(client: httpx.Client) -> None:
    """All of them in one go, in the language and style that were asked for."""
    for kind in LETTERS:
        answer = client.get(f"/settings/letters/{kind}.pdf?language=es&style=fax")
        assert (answer.status_code, kind, answer.content[:5]) == (200, kind, b"%PDF-")
        assert answer.headers["content-disposition"] == f'inline; filename="sample-{kind}.pdf"'
    seen = client.get("/settings/letters/request.png?language=es&style=fax")
    assert Image.open(io.BytesIO(seen.content)).size == (850, 1100)
