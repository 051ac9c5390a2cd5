"""Lists of text reach PostgreSQL as they are, whatever is in them."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from referral.domain.errors import InvalidInput
from referral.storage.db import Database

_BACK = text("SELECT value FROM unnest(CAST(:values AS text[])) WITH ORDINALITY AS v (value, n) ORDER BY n")
_ODD = ["", "NULL", "null", "a,b", "{a}", " a ", "\u2003", "José 王 عبد", "'", "%s", "\n", "a"]
_ESCAPED = ['"', '","', "\\", '\\"', 'a"b', "\\N"]


def read_back(database: Database, values: list[str | None]) -> list[str | None]:
    with database.transaction() as session:
        return list(session.connection.scalars(_BACK, {"values": values}))


@pytest.mark.parametrize(
    "values", [[], _ODD, _ESCAPED, [*_ODD, *_ESCAPED], [*_ODD, None], ["a\\", "b"], ['"', '"']]
)
def test_every_list_of_texts_comes_back_as_it_was(database: Database, values: list[str | None]) -> None:
    assert read_back(database, values) == values


def test_what_no_database_takes_is_refused_in_words(database: Database) -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        read_back(database, ["a", "b\0c"])
