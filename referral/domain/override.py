"""Emergency access to treatment without the recommendation, given by two people (safety.md 2).

What may be overridden: a missing recommendation and nothing else. Without the initial consultation nobody at
the clinic has seen the patient; an indication that nobody has classified may be one that ketamine harms; an
order that is not in use was taken back by somebody. These stay closed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

# A request that nobody has decided, and an approval that nobody has used, are worth nothing after an hour.
DECIDE_WITHIN: Final = timedelta(minutes=60)
USE_WITHIN: Final = timedelta(minutes=60)
# How long a password that was given again counts.
REAUTHENTICATE_WITHIN: Final = timedelta(minutes=5)
REVIEW_WITHIN: Final = timedelta(hours=72)
LEAST_WORDS: Final = 30


def tidy(words: str) -> str:
    """Spaces and line ends as one space: thirty characters are thirty that say something."""
    return " ".join(words.split())


def enough(words: str) -> bool:
    """Whether a reason has at least 30 characters."""
    return len(tidy(words)) >= LEAST_WORDS
