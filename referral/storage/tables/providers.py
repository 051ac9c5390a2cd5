"""Providers of channels, as all workers see them (migration 0015).

Of the whole installation: a provider that does not answer answers no clinic. Nothing here is about a person.
"""

from __future__ import annotations

from sqlalchemy import Float, PrimaryKeyConstraint, Table

from referral.storage.tables.columns import (
    column_of,
    count_column,
    json_column,
    metadata,
    text_column,
    time_column,
)

provider = Table(
    "provider",
    metadata,
    text_column("name"),
    count_column("failures"),
    count_column("rests"),
    time_column("rests_until", nullable=True),
    text_column("last_error", nullable=True),
    column_of("allowance", Float),
    time_column("counted_at", nullable=True),
    time_column("failing_since", nullable=True),
    json_column("uses", default="{}"),
    PrimaryKeyConstraint("name"),
)
