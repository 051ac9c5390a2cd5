"""Mail that came back, for counting it and for taking it once."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, Table

from referral.storage.tables.columns import metadata, text_column, time_column

# Of the whole installation: most of it belongs to no clinic, and a digest says nothing about anybody.
returned_mail = Table(
    "returned_mail",
    metadata,
    text_column("digest"),
    text_column("outcome"),
    time_column("received_at"),
    PrimaryKeyConstraint("digest"),
    CheckConstraint(
        "outcome IN ('failed', 'delivered', 'delayed', 'nothing', 'automatic-reply', 'forged', 'unknown',"
        " 'odd')",
        name="outcome",
    ),
    Index(None, "received_at"),
)
