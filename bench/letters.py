"""How many letters a core draws in a second, beside WeasyPrint on its own.

Measured: CPU time of this process for whole request letters (two pages, tagged PDF/UA-1), each with another
name, code and link. Ours starts from the values: checks, template, two QR codes, page count and digest are
in it. Bare WeasyPrint is given the finished HTML of the same letters, and its style sheet and fonts are
kept warm as ours are. They take turns letter by letter and in going first, so that a noisy machine and a
warm cache favour neither. The figure is the ratio of their speeds; the goal says what our checks may cost.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from referral.letters import fonts, markup
from referral.letters.content import RequestLetter
from referral.letters.render import Renderer, specimen

ROUNDS = 60


def letters(count: int) -> list[RequestLetter]:
    """Each differs from the others, so that no cache can hide work."""
    first = specimen()
    secret = "q8Jf2nV5sR7uXe1mK4pW9zB3tG6yH0cD8aL2oN5i"
    return [
        replace(
            first,
            letter_id=f"BENCH-{number:05d}",
            patient_name=f"Specimen Number {number}",
            short_code=f"K7QM-{number:04d}",
            portal_url=f"https://ask.specimen.example/r/Zk3vQ9xT1bLw{number:04d}/{secret}{number:03d}",
        )
        for number in range(count)
    ]


def bare(folder: Path, accent: str) -> Callable[[str], bytes]:
    """WeasyPrint as its manual shows it, with the font configuration and the style sheet kept."""
    from weasyprint import CSS, HTML
    from weasyprint.text.fonts import FontConfiguration

    fonts.install(folder)
    configuration = FontConfiguration()
    sheet = CSS(string=markup.stylesheet("screen", accent), font_config=configuration)

    def draw(html: str) -> bytes:
        source = HTML(string=html)
        written: bytes = source.write_pdf(
            stylesheets=[sheet], font_config=configuration, pdf_variant="pdf/ua-1"
        )
        return written

    return draw


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    ours, theirs = list[float](), list[float]()
    with TemporaryDirectory() as name:
        renderer = Renderer(Path(name))
        renderer.warm_up()
        installed = fonts.install(Path(name))
        batch = letters(rounds + 4)
        draw = bare(Path(name), batch[0].letterhead.accent)
        for number, letter in enumerate(batch):
            html = markup.letter_html(letter, installed)
            turns: list[tuple[list[float], Callable[[], object]]] = [
                (ours, partial(renderer.letter, letter)),
                (theirs, partial(draw, html)),
            ]
            for times, work in turns if number % 2 else reversed(turns):
                times.append(seconds(work))
    # The first ones warm both up.
    mine, plain = statistics.median(ours[4:]), statistics.median(theirs[4:])
    print(f"{rounds} letters each; medians of CPU time")
    print(f"ours from values: {mine * 1000:.0f} ms, {1 / mine:.1f} letters per second and core")
    print(f"bare WeasyPrint from HTML: {plain * 1000:.0f} ms, {1 / plain:.1f} letters per second and core")
    print(f"figure: letters-vs-bare-weasyprint = {plain / mine:.3f} (goal 0.9)")


if __name__ == "__main__":
    main()
