"""Prints ICD-10-CM as `code, tab, description, tab, other names`, one leaf code a line.

A program of its own: the library builds the whole tree, which takes over a second and 150 MB that the web
process then neither waits for nor keeps.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

# A hundred thousand codes take two seconds; whoever waits longer is better told so.
_PATIENCE: Final = 60


def read_codes() -> list[tuple[str, str, str]]:
    """(code, description, other names) of every code that a patient can have, in the order of the book."""
    command = [sys.executable, "-m", "referral.services.icd_10_cm"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=_PATIENCE, check=True)
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return [(code, description, others) for code, description, others in rows]


def _print_codes() -> None:
    import simple_icd_10_cm as book

    for code in book.get_all_codes(True):
        if book.is_leaf(code):
            texts = (code, book.get_description(code), "; ".join(book.get_inclusion_term(code)))
            sys.stdout.write("\t".join(" ".join(text.split()) for text in texts) + "\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a real stream has it
    _print_codes()
