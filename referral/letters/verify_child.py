"""Checks the seal of a file in a process of its own: whoever uploads it chooses the bytes.

A length in four bytes, that many bytes of JSON (`roots` in PEM and `now`), then the file on standard input; a
line of JSON on standard output. It ends at its limits of memory and time, and holds no key.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
from datetime import datetime
from typing import Any, Final

MEMORY: Final = 1024 * 1024 * 1024
CPU_SECONDS: Final = 15


def limit() -> None:
    """Whatever the file does, it ends with this process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def check(pdf: bytes, roots: list[str], now: datetime) -> dict[str, Any]:
    """Under which root (its place or None) the file is sealed, whether it is unchanged, and since when."""
    from referral.letters.seal_key import carries

    for place, root in enumerate(roots):
        if not carries(pdf, root.encode()):
            continue
        from referral.letters.seal import verify

        report = verify(pdf, root.encode(), now)
        signed = report.signed_at.isoformat() if report.signed_at else None
        return {"root": place, "good": report.good, "signed_at": signed}
    return {"root": None, "good": False, "signed_at": None}


def main() -> None:
    """See above."""
    limit()
    given = sys.stdin.buffer.read()
    (length,) = struct.unpack(">I", given[:4])
    asked = json.loads(given[4 : 4 + length])
    found = check(given[4 + length :], asked["roots"], datetime.fromisoformat(asked["now"]))
    sys.stdout.write(json.dumps(found))
