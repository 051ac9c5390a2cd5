"""Prints ICD-10-CM as `code, tab, description, tab, what is searched`, one leaf code a line.

A program of its own: the library builds the whole tree, which takes over a second and 150 MB that the web
process then neither waits for nor keeps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Final

from referral.domain.folding import folded

# A hundred thousand codes take two seconds; whoever waits longer is better told so.
_PATIENCE: Final = 60


def read_codes() -> Iterator[tuple[str, str, str]]:
    """(code, description, all its wording as it is compared) of every code that a patient can have.

    In the order of the book, as the program prints it: none of it is kept twice.
    """
    command = [sys.executable, "-m", "referral.services.icd_10_cm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as child:
        impatience = threading.Timer(_PATIENCE, child.kill)
        impatience.start()
        try:
            for line in child.stdout or ():
                code, description, searched = line.rstrip("\n").split("\t")
                yield code, description, searched
        finally:
            impatience.cancel()
    if child.returncode != 0:
        raise subprocess.CalledProcessError(child.returncode, command)


def _print_codes() -> None:
    import simple_icd_10_cm as book

    for code in book.get_all_codes(True):
        if book.is_leaf(code):
            description, others = book.get_description(code), "; ".join(book.get_inclusion_term(code))
            texts = (code, description, folded(f"{code} {description}; {others}"))
            sys.stdout.write("\t".join(" ".join(text.split()) for text in texts) + "\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a real stream has it
    try:
        _print_codes()
    except BrokenPipeError:
        # Whoever asked has ended meanwhile.
        os._exit(1)
