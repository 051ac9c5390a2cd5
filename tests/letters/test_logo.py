"""A clinic's logo: cleaned and drawn in a process of its own, refused with what to do, never a way in."""

from __future__ import annotations

import io
from dataclasses import replace

import pikepdf
import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from referral.domain.errors import InvalidInput
from referral.letters import logo_child
from referral.letters.content import Logo
from referral.letters.logo import MAX_BYTES, REASONS, AcceptedLogo, accept_logo
from referral.letters.render import Renderer
from tests.letters import pdf
from tests.letters.samples import CLINIC, letter, record

HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 100 80">'
)
SHAPES = '<rect width="100" height="80" fill="#0f5257"/><path fill="#fff" d="M20 60 Q50 10 80 60 Z"/>'


def svg(more: str = "", shapes: str = SHAPES) -> bytes:
    return f"{HEAD}{more}{shapes}</svg>".encode()


def png(width: int = 600, height: int = 200, **options: object) -> bytes:
    picture = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((5, 5, height - 5, height - 5), fill=(15, 82, 87, 255))
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    return out.getvalue()


def placed(logo: AcceptedLogo) -> Logo:
    return Logo(logo.content_type, logo.content, logo.fax, logo.width, logo.height)


def alternatives(made: bytes) -> set[str]:
    """The alternative texts of everything in the file."""
    opened = pikepdf.open(io.BytesIO(made))
    return {
        str(thing["/Alt"])
        for thing in opened.objects
        if isinstance(thing, pikepdf.Dictionary) and "/Alt" in thing
    }


@pytest.fixture(scope="module")
def drawn() -> AcceptedLogo:
    """One SVG that carries everything that must not get through, around a good picture."""
    hostile = (
        "<script>alert(1)</script><title>secret title</title><metadata><x>secret data</x></metadata>"
        '<a href="javascript:alert(1)"/><rect onload="alert(1)" width="1" height="1"'
        ' style="fill:url(http://evil.example/x)"/><use href="http://evil.example/y#a"/>'
    )
    # hush takes scripts, handlers and addresses out; <a> is more than a shape, so it is left out here.
    return accept_logo(svg(hostile.replace('<a href="javascript:alert(1)"/>', "")))


def test_of_an_svg_only_shapes_and_paint_are_left(drawn: AcceptedLogo) -> None:
    clean = drawn.content.decode()
    for word in ("script", "onload", "alert", "evil", "http://e", "secret", "javascript"):
        assert word not in clean
    assert 'd="M20 60 Q50 10 80 60 Z"' in clean
    assert drawn.fax is not None
    assert Image.open(io.BytesIO(drawn.fax)).mode == "1"
    assert Image.open(io.BytesIO(drawn.picture)).size == (281, 225)


def test_of_a_picture_only_pixels_are_left() -> None:
    note = PngInfo()
    note.add_text("Comment", "secret place")
    made = accept_logo(png(4000, 1000, pnginfo=note) + b"trailing secret")
    assert b"secret" not in made.content
    assert Image.open(io.BytesIO(made.content)).size == (1200, 300)
    assert made.content_type == "image/png"


REFUSED = {
    "not-a-logo": b"GIF89a" + bytes(40),
    "too-many-pixels": png(8000, 2001),
    "too-small": png(30, 20),
    "odd-shape": png(600, 40),
    "no-size": svg().replace(b'viewBox="0 0 100 80"', b""),
    "has-text": svg("<text>Clinic</text>"),
    "has-more-than-shapes": svg('<image href="data:image/png;base64,AAAA"/>'),
    "too-many-shapes": svg('<rect width="1" height="1"/>' * 3001),
    "damaged": png()[:-200],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_letters_cannot_show_is_refused_before_it_is_drawn(reason: str) -> None:
    with pytest.raises(logo_child.Refused) as refusal:
        logo_child.cleaned(REFUSED[reason])
    assert str(refusal.value) == reason
    assert REASONS[reason].endswith(".")


@pytest.mark.parametrize(
    "style",
    [
        "@import url(http://evil.example/x);",
        "@font-face{font-family:x;src:url(data:x)}",
        ".a{fill:url(http://evil.example/x)}",
        ".a{fill:\\75rl(x)}",
    ],
)
def test_a_style_that_loads_something_is_emptied_or_refused(style: str) -> None:
    try:
        clean = logo_child.cleaned(svg(f"<style>{style}</style>"))[1].decode()
    except logo_child.Refused:
        return
    assert "@" not in clean
    assert "evil" not in clean.replace("url(#)", "")


@pytest.mark.parametrize(
    "content",
    [
        b"<svg",
        svg("<foreignObject><p>x</p></foreignObject>")[:-9],
        b'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + svg("&b;"),
        b'<svg xmlns="http://other.example/" viewBox="0 0 9 9"><rect/></svg>',
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"\xff\xd8\xff" + bytes(200),
        b"",
    ],
)
def test_junk_never_becomes_a_logo_that_says_something(content: bytes) -> None:
    try:
        clean = logo_child.cleaned(content)[1]
    except logo_child.Refused:
        return
    assert b"aaaa" not in clean


def test_a_bomb_ends_with_its_process_and_a_sentence() -> None:
    levels = "".join(f'<g id="a{n}">' + f'<use href="#a{n - 1}"/>' * 10 + "</g>" for n in range(1, 12))
    with pytest.raises(InvalidInput) as refusal:
        accept_logo(svg(f'<g id="a0"><rect width="1" height="1"/></g>{levels}'))
    assert refusal.value.issues[0].text in {REASONS["too-slow"], REASONS["damaged"]}
    with pytest.raises(InvalidInput) as refusal:
        accept_logo(bytes(MAX_BYTES + 1))
    assert refusal.value.issues[0].text == REASONS["too-many-bytes"]


def test_a_letter_shows_the_logo_and_names_it_for_a_screen_reader(
    renderer: Renderer, drawn: AcceptedLogo
) -> None:
    clinic = replace(CLINIC, logo=placed(drawn))
    made = renderer.letter(letter(letterhead=clinic)).pdf
    assert made != renderer.letter(letter()).pdf
    assert made == renderer.letter(letter(letterhead=clinic)).pdf
    corner = pdf.picture(made, 1, 100, 100).crop((90, 56, 145, 105))
    darkest, _ = corner.getextrema()
    assert darkest in range(150), "something dark stands where the logo belongs"
    assert "Logo of Harbor Light Ketamine Clinic" in alternatives(made)


def test_a_fax_has_it_in_black_and_white_or_not_at_all(renderer: Renderer, drawn: AcceptedLogo) -> None:
    clinic = replace(CLINIC, logo=placed(drawn))
    faxed = pdf.picture(renderer.letter(letter(letterhead=clinic), "fax").pdf, 1, 200, 200)
    assert set(faxed.crop((190, 120, 270, 180)).point(lambda tone: tone // 128).tobytes()) == {0, 1}
    light = replace(CLINIC, logo=replace(placed(drawn), fax=None))
    assert renderer.letter(letter(letterhead=light), "fax").pdf == renderer.letter(letter(), "fax").pdf


def test_a_record_with_a_logo_is_still_archivable(renderer: Renderer, drawn: AcceptedLogo) -> None:
    made = renderer.receipt(record(letterhead=replace(CLINIC, logo=placed(drawn)))).pdf
    assert pdf.xmp(made) == {"pdf/a": "3A", "pdf/ua": "1"}
    assert pdf.problems(made) == ""
