"""The national register of clinicians (CMS NPPES), and the words that people are found by (migration 0029).

The register is public, and the same for every clinic of the installation: it has no clinic and no fence.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from referral.storage.tables.columns import (
    clinic_column,
    column_of,
    count_column,
    metadata,
    text_column,
    time_column,
    to_clinic,
)

search_key = Table(
    "search_key",
    metadata,
    clinic_column(),
    text_column("kind"),
    text_column("id"),
    column_of("key", Text(collation="C")),
    PrimaryKeyConstraint("clinic_id", "kind", "key", "id"),
    to_clinic(),
    CheckConstraint("kind IN ('patient', 'clinician')", name="kind"),
)

npi_record = Table(
    "npi_record",
    metadata,
    text_column("npi"),
    text_column("entity"),
    text_column("family"),
    text_column("given"),
    text_column("middle"),
    text_column("credentials"),
    text_column("organization"),
    column_of("taxonomies", ARRAY(Text)),
    text_column("kind"),
    column_of("address", ARRAY(Text)),
    text_column("state"),
    text_column("phone"),
    text_column("fax"),
    column_of("last_updated", Date, nullable=True),
    column_of("deactivated_on", Date, nullable=True),
    text_column("search_name"),
    text_column("search_place"),
    column_of("as_of", Date),
    PrimaryKeyConstraint("npi"),
)

npi_key = Table(
    "npi_key",
    metadata,
    column_of("key", Text(collation="C")),
    text_column("npi"),
    PrimaryKeyConstraint("key", "npi"),
)

npi_import = Table(
    "npi_import",
    metadata,
    text_column("id"),
    text_column("file_name"),
    column_of("as_of", Date),
    Column("position", BigInteger, nullable=False, server_default=text("0")),
    count_column("scanned"),
    count_column("kept"),
    count_column("changed"),
    count_column("bad"),
    time_column("started_at"),
    time_column("finished_at", nullable=True),
    PrimaryKeyConstraint("id"),
)
