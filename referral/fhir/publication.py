"""What every resource that this server publishes says of itself: version, date, publisher."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

# When the texts of what is published were last changed; a new text is a new program.
PUBLISHED_AT: Final = datetime(2026, 11, 26, tzinfo=UTC)
VERSION: Final = "1.0.0"
PUBLISHER: Final = "referral"


def publication() -> dict[str, Any]:
    """The elements that conformance resources share."""
    return {
        "version": VERSION,
        "status": "active",
        "experimental": False,
        "date": PUBLISHED_AT.date().isoformat(),
        "publisher": PUBLISHER,
    }
