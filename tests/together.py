"""Several at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError

from referral.domain.errors import ReferralError


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each returned, or the refusal that it met."""
    barrier, results = threading.Barrier(len(works)), [None] * len(works)

    def run(place: int, work: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[place] = work()
        except (ReferralError, DBAPIError) as error:
            results[place] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
