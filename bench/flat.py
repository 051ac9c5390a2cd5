"""What a gate read and a start cost among 10,000 orders and among 1,000,000: growth must not be felt.

Both are measured against a bare endpoint whose table stays the same, so that what the machine does meanwhile
falls out; the figure is the ratio among few orders divided by the ratio among many. `MOST=200000` makes it
shorter.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator

from sqlalchemy import create_engine, text

from bench._harness import Request, compare, demo_clinic, figure, get, running_engines, server
from bench._orders import write_orders
from bench.gate import ours as whole_service
from bench.start import bare, gate, metadata, starts

FEW = 10_000
MOST = int(os.environ.get("MOST", "1000000"))
SAMPLE = 2_000


def reads(token: str, last: int) -> Iterator[Request]:
    """Orders from everywhere, so that pages are not all in the cache already."""
    chosen = random.sample(range(1, last + 1), SAMPLE)
    return itertools.cycle(
        [get(f"/fhir/ServiceRequest/bench-{n}/$gate", Authorization=f"Bearer {token}") for n in chosen]
    )


def main() -> None:
    ratios: dict[tuple[str, int], float] = {}
    with running_engines() as (engines, settings):
        clinic_id, token = demo_clinic(settings)
        admin = create_engine(engines.admin_url)
        metadata.create_all(admin)
        with admin.begin() as connection:
            connection.execute(text("GRANT ALL ON bare_start TO referral_app"))
        for first, last in ((1, FEW), (FEW + 1, MOST)):
            write_orders(engines.admin_url, clinic_id, first, last)
            with server(bare, settings) as bare_port:
                with server(whole_service, settings) as our_port:
                    print(f"gate read among {last} orders")
                    ours = (our_port, reads(token, last))
                    ratios["read", last] = compare(ours, (bare_port, starts()), rounds=3)[2]
                with server(gate, settings) as our_port:
                    print(f"gate_start() among {last} orders")
                    ours = (our_port, starts(last))
                    ratios["start", last] = compare(ours, (bare_port, starts()), rounds=3)[2]
    for what in ("read", "start"):
        figure(f"gate-{what}-cost-of-size", ratios[what, FEW] / ratios[what, MOST], "1.2 at most")


if __name__ == "__main__":
    main()
