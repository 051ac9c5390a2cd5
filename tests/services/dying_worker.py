"""A worker in a process of its own, so that a test can kill it in the middle of a call."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from referral.bootstrap import build_runtime
from referral.config import Settings
from referral.services.deliver_messages import Delivery, deliver_due


class _Nothing:
    """Everything has been drawn before."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"this worker draws nothing, and was asked for {name}")


def main() -> None:
    """Deliver what is due: settings, clinic and time are in the first argument, as JSON."""
    given = json.loads(sys.argv[1])
    made = build_runtime(Settings(**given["settings"]), pool_size=4)
    now = datetime.fromisoformat(given["now"])
    delivery = Delivery(
        database=made.database,
        channels=made.channels,
        renderer=_Nothing(),
        base_url=made.settings.base_url,
        now=lambda: now,
    )
    deliver_due(delivery, given["clinic"])


if __name__ == "__main__":
    main()
