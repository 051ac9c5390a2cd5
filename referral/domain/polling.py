"""When a provider is asked about a message of which it has told nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

# Most reports come by themselves within this.
FIRST_ASKED: Final = timedelta(minutes=3)
# Then once a day: a fax that nobody has heard of for two weeks is not going to be heard of.
_SELDOM: Final = timedelta(hours=24)
GIVEN_UP: Final = timedelta(days=14)


def asked_again(asked: int) -> timedelta:
    """How long after the `asked`th question, counted from 1, comes the next: 6 minutes, doubling to a day."""
    doubled: int = 2 ** min(asked, 16)
    return min(FIRST_ASKED * doubled, _SELDOM)
