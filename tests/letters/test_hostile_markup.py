"""Should markup get past the escaping one day, the engine still loads nothing from anywhere."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from referral.letters.content import LetterProblem
from referral.letters.render import Renderer

CASES = {
    "link attachment": '<link rel=attachment href="{file}"><p>x',
    "anchor attachment": '<p><a rel=attachment href="{file}">x</a>',
    "base and relative link": '<base href="{folder}/"><link rel=attachment href="secret.txt"><p>x',
    "image from a file": '<img src="{file}">',
    "image from the net": '<img src="{web}/img">',
    "redirect to a file": '<link rel=attachment href="{web}/redirect"><p>x',
    "css import": "<style>@import url({file})</style><p>x",
    "css background": '<p style="background:url({web}/background)">x',
    "font face": '<style>@font-face{{font-family:q;src:url({web}/font)}}</style><p style="font-family:q">x',
    "image inside inline svg": '<svg width=9 height=9><image href="{web}/svg" width=9 height=9 /></svg>',
    "object": '<object data="{file}"></object>',
    "linked stylesheet": '<link rel=stylesheet href="{web}/css"><p>x',
    "data": '<img src="data:image/svg+xml,<svg/>">',
}


@dataclass(frozen=True, slots=True)
class Bait:
    secret: Path
    web: str
    asked: list[str]


@pytest.fixture
def bait(data_dir: Path) -> Iterator[Bait]:
    """A file and a server of our own that hostile markup may try to reach."""
    secret, asked = data_dir / "secret.txt", list[str]()
    secret.write_text("secret")

    class Target(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302 if self.path == "/redirect" else 200)
            if self.path == "/redirect":
                self.send_header("Location", secret.as_uri())
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Bait(secret, f"http://127.0.0.1:{server.server_port}", asked)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("markup", CASES.values(), ids=CASES)
def test_nothing_is_loaded_and_the_letter_is_refused(renderer: Renderer, bait: Bait, markup: str) -> None:
    engine = renderer._engine
    body = markup.format(file=bait.secret.as_uri(), folder=bait.secret.parent.as_uri(), web=bait.web)
    page = f"<html lang=en><title>x</title>{body}"
    with pytest.raises(LetterProblem) as refusal:
        engine.write(engine.lay(page, engine.stylesheet("")))
    assert "self-contained" in str(refusal.value)
    assert bait.asked == []


def test_a_style_sheet_loads_nothing_either(renderer: Renderer, bait: Bait) -> None:
    with pytest.raises(LetterProblem):
        renderer._engine.stylesheet(f"@import url({bait.web}/css);")
    assert bait.asked == []


def test_after_a_refusal_the_next_letter_is_drawn(renderer: Renderer) -> None:
    engine = renderer._engine
    sheet = engine.stylesheet("")
    with pytest.raises(LetterProblem):
        engine.lay("<img src='file:///etc/hostname'>", sheet)
    laid = engine.lay("<html lang=en><title>x</title><h1>x</h1>", sheet)
    assert engine.write(laid).startswith(b"%PDF-")
    assert laid.pages == 1
