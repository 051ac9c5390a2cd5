"""What only the owner of a database can do: for invented people, on the embedded default."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool


@contextmanager
def dating_back(owner_url: str, clinic_id: str) -> Iterator[Callable[[str, datetime], None]]:
    """Gives a function that moves a start (by id) to an earlier time.

    The gate took the database's time when it let it begin, and looks at it once more now. The application's
    own role has no right to do this.
    """
    engine = create_engine(owner_url, poolclass=NullPool)
    with engine.connect() as owner:

        def date_back(start_id: str, at: datetime) -> None:
            with owner.begin():
                values = {"clinic": clinic_id, "id": start_id, "at": at}
                owner.execute(text("SELECT set_config('referral.clinic_id', :clinic, true)"), values)
                owner.execute(
                    text(
                        "UPDATE treatment_start SET started_at = :at WHERE clinic_id = :clinic AND id = :id"
                    ),
                    values,
                )

        yield date_back
    engine.dispose()
