"""Alembic migrations; committed with the change that needs them, never edited afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Final

VERSIONS: Final = Path(__file__).with_name("versions")
