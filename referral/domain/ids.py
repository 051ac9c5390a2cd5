"""Ids as they come back to us in addresses."""

from __future__ import annotations

import uuid


def is_uuid(text: str) -> bool:
    """In the spelling in which we give it away, and no other."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
