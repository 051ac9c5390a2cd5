"""The columns that tables are made of, and how their constraints are called."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def clinic_column() -> Column[Any]:
    """The first column of every table."""
    return Column("clinic_id", Uuid, nullable=False)


def text_column(name: str, *, nullable: bool = False, default: str | None = None) -> Column[Any]:
    """Text of any length."""
    return Column(name, Text, nullable=nullable, server_default=default)


def time_column(name: str, *, nullable: bool = False, now: bool = False) -> Column[Any]:
    """A moment with its zone; `now` is the time of the transaction."""
    return Column(
        name, DateTime(timezone=True), nullable=nullable, server_default=func.now() if now else None
    )


def flag_column(name: str, default: str = "false") -> Column[Any]:
    """True or false, never null."""
    return Column(name, Boolean, nullable=False, server_default=text(default))


def count_column(name: str, default: int = 0) -> Column[Any]:
    """A number that starts at `default`."""
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def json_column(name: str, *, nullable: bool = False, default: str | None = None) -> Column[Any]:
    """A JSON document; `default` is JSON."""
    return Column(name, JSONB, nullable=nullable, server_default=text(f"'{default}'") if default else None)


def column_of(
    name: str, kind: type[TypeEngine[Any]] | TypeEngine[Any], *, nullable: bool = False
) -> Column[Any]:
    """Any other type."""
    return Column(name, kind, nullable=nullable)


def texts_column(name: str) -> Column[Any]:
    """A list of texts, empty at first."""
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def to_clinic() -> ForeignKeyConstraint:
    """The clinic exists."""
    return ForeignKeyConstraint(["clinic_id"], ["clinic.clinic_id"])


def to_order() -> ForeignKeyConstraint:
    """The order exists and is this patient's."""
    return ForeignKeyConstraint(
        ["clinic_id", "patient_id", "order_id"],
        ["infusion_order.clinic_id", "infusion_order.patient_id", "infusion_order.id"],
    )
