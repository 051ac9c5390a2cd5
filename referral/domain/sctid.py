"""SNOMED CT identifiers: 6 to 18 digits, of which the last checks the others (Verhoeff, dihedral group D5).

Source: SNOMED International, Release File Specification, "SCTID".
"""

from __future__ import annotations

from typing import Final

_STEP: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _permutations() -> tuple[tuple[int, ...], ...]:
    rows = [tuple(range(10))]
    for _ in range(7):
        rows.append(tuple(_STEP[digit] for digit in rows[-1]))
    return tuple(rows)


_PERMUTED: Final = _permutations()


def _times(a: int, b: int) -> int:
    """The product of two elements of D5: 0 to 4 turn, 5 to 9 mirror."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5


def is_valid_sctid(value: str) -> bool:
    """True for 6 to 18 ASCII digits without a leading zero whose check digit is right."""
    if not (6 <= len(value) <= 18 and value.isascii() and value.isdecimal() and value[0] != "0"):
        return False
    check = 0
    for place, digit in enumerate(reversed(value)):
        check = _times(check, _PERMUTED[place % 8][int(digit)])
    return check == 0
