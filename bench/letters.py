"""Letters: speed beside WeasyPrint on its own, memory over many, and a batch beside letters one by one.

Speed is CPU time of this process for whole request letters (two pages, tagged PDF/UA-1), each with another
name, code and link. Bare WeasyPrint is given the finished HTML of the same letters, and its style sheet and
fonts are kept warm as ours are; both are given the same HTML, so what differs is how we drive it. They take
turns letter by letter and in going first, so that a noisy machine and a warm cache favour neither. What
checks, template and two QR codes cost besides is shown by a second figure: the same from the values.

Memory is the resident memory that a process of its own has after so many letters, beside what it had when it
was warm. All kinds of letters take turns, since a style sheet decides what is kept: WeasyPrint never frees
the font features of a line (its pull request 381), and while ours asked for one on all text a letter left
220 KB behind. Most kinds have one page, so that 2,000 letters take minutes; what was kept was kept of every
line on any page. How many letters it is to `worker_max_memory_per_child`, at which a worker's child is
renewed, is told as well.

A batch of letters on paper is one PDF of stored ones; beside it stand as many letters that are drawn anew.
Every fifth of them is drawn, and taken five times: to draw the rest would take as long again and again.

Options: rounds, letters of the memory figure, letters of the batch (40, 2000, 500). The rounds take a minute
or two, the batch one, and the 2,000 letters four on a quiet core and up to ten on a busy one.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from bench._harness import figure
from referral.channels import print_batch
from referral.domain.language import Language
from referral.letters import fonts, markup
from referral.letters.content import Letter, RequestLetter
from referral.letters.render import Renderer
from referral.letters.samples import CLINIC, KINDS, sample

ROUNDS, MANY, BATCH = 40, 2000, 500
# Of a batch one in so many is drawn.
_COPIES = 5
# Kilobytes, as in referral.workers.celery_app, which cannot be imported without a broker's settings.
_RENEWED_AT = 400_000
# So many letters are drawn before memory is looked at: caches fill, and the allocator has its arenas.
_WARM = 100


def letters(count: int) -> list[RequestLetter]:
    """Each differs from the others, so that no cache can hide work."""
    first = sample("request", CLINIC, Language.ENGLISH)
    assert isinstance(first, RequestLetter)
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


def all_kinds(count: int) -> Iterator[Letter]:
    """In turn, in English and then in Spanish, each with a number of its own."""
    samples = [sample(kind, CLINIC, language) for language in Language for kind in KINDS]
    for number in range(count):
        one = samples[number % len(samples)]
        yield replace(one, letter_id=f"BENCH-{number:05d}")


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


def compare_speed(folder: Path, rounds: int) -> tuple[float, float, float]:
    """Medians of CPU seconds: ours from HTML, ours from values, bare."""
    renderer = Renderer(folder)
    renderer.warm_up()
    installed, batch = fonts.install(folder), letters(rounds + 4)
    draw = bare(folder, batch[0].letterhead.accent)
    sheet = renderer._sheet(  # noqa: SLF001 - what is measured is the drawing alone
        "screen", batch[0].letterhead.accent
    )

    def ours(html: str) -> bytes:
        engine = renderer._engine  # noqa: SLF001 - see above
        return engine.write(engine.lay(html, sheet))

    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    for number, letter in enumerate(batch):
        html = markup.letter_html(letter, installed, tight=markup.set_first(letter))
        turns: list[Callable[[], object]] = [
            partial(ours, html),
            partial(renderer.letter, letter),
            partial(draw, html),
        ]
        for place in ((0, 1, 2), (2, 0, 1), (1, 2, 0))[number % 3]:
            times[place].append(seconds(turns[place]))
    # The first ones warm all of them up.
    mine, whole, plain = (statistics.median(one[4:]) for one in times)
    return mine, whole, plain


def resident() -> int:
    """Kilobytes of this process."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def _draw_many(folder: Path, count: int, told: Connection) -> None:
    """Tells the memory when it is warm, and after every tenth of the letters."""
    renderer, warm = Renderer(folder), min(_WARM, max(20, count // 4))
    renderer.warm_up()
    for number, letter in enumerate(all_kinds(warm + count)):
        renderer.letter(letter)
        after = number + 1 - warm
        if after == 0 or (after > 0 and after % max(1, count // 10) == 0):
            told.send(resident())
    told.close()


def measure_memory(folder: Path, count: int) -> list[int]:
    """Kilobytes when warm, then after each tenth of `count` letters, of a process of its own."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=_draw_many, args=(folder, count, theirs))
    child.start()
    theirs.close()
    seen = list[int]()
    print(f"memory in MB when warm and after each tenth of {count} letters:")
    while True:
        try:
            seen.append(ours.recv())
        except EOFError:
            break
        print(f"{seen[-1] / 1024:.0f}", end=" ", flush=True)
    print()
    child.join()
    return seen


def compare_batch(folder: Path, count: int) -> tuple[float, float]:
    """CPU seconds: one PDF of `count` stored letters, and as many letters drawn one by one."""
    renderer, drawn, apart = Renderer(folder), list[bytes](), 0.0
    renderer.warm_up()
    for letter in letters(max(1, count // _COPIES)):
        apart += seconds(lambda letter=letter: drawn.append(renderer.letter(letter, "print").pdf))  # type: ignore[misc]
    stored = drawn * _COPIES
    return seconds(lambda: print_batch.join(stored, "Batch 1")), apart * _COPIES


def main() -> None:
    given = [int(text) for text in sys.argv[1:4]]
    rounds, many, batch = given + [ROUNDS, MANY, BATCH][len(given) :]
    with TemporaryDirectory() as name:
        folder = Path(name)
        mine, whole, plain = compare_speed(folder, rounds)
        print(f"{rounds} letters each; medians of CPU time", flush=True)
        for label, one in (("ours", mine), ("ours from values", whole), ("bare WeasyPrint", plain)):
            print(f"{label}: {one * 1000:.0f} ms, {1 / one:.1f} letters per second and core", flush=True)
        figure("letters-vs-bare-weasyprint", plain / mine, "0.95")
        figure("letters-from-values-vs-bare-weasyprint", plain / whole, "0.9")
        joined, apart = compare_batch(folder, batch)
        print(f"batch of {batch}: {joined:.2f} s joined, {apart:.1f} s drawn one by one", flush=True)
        figure("letters-batch-vs-single", apart / joined, "1.5")
        tell_memory(measure_memory(folder, many), many)


def tell_memory(memory: list[int], many: int) -> None:
    warm, last = memory[0], memory[-1]
    kept = (last - warm) / many
    until = f"{(_RENEWED_AT - warm) / kept:,.0f}" if kept > 0 else "never"
    print(f"{kept:.1f} KB a letter; letters until a worker's child is renewed: {until}", flush=True)
    figure("letters-memory-growth", (last - warm) / warm, "<= 0.05")


if __name__ == "__main__":
    main()
