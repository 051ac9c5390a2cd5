"""What the type-ahead costs among 10,000 people and among 1,000,000: growth must not be felt.

Patients, clinicians of the own directory and the national register, each asked for over HTTP as the New
request page does it, with what a receptionist types: one letter after the other, two words in either order, a
date of birth, and words that nobody has together. Beside each goes the same address without words, so that
what the machine does meanwhile falls out; the figure is the ratio among many divided by the ratio among few.
`MOST=100000` makes it shorter.
"""

from __future__ import annotations

import os
import statistics
import time
import uuid
from datetime import UTC, datetime

import httpx

from bench._harness import demo_clinic, figure, running_engines, runtime_for, server
from bench._people import write_people
from bench.gate import ours as whole_service
from referral.config import Settings
from referral.domain.codes import Role
from referral.domain.credential import random_token
from referral.storage import accounts
from referral.storage.accounts import StaffUser

FEW = 10_000
MOST = int(os.environ.get("MOST", "1000000"))
ROUNDS = 30
_NAMES = ("b", "ma", "mar", "quin lin", "lin quin", "dobaba", "zosa wa", "waz mari xx", "kahal no")
TYPED = {
    "patients": (*_NAMES, "1961-03-04", "3/4/1961 ma"),
    "clinicians": (*_NAMES, "quin denver"),
    # Nobody in the directory is called so; everybody in the register is.
    "register": ("zz", "zzma", "zzquin lin", "lin zzquin", "zzma denver", "zzwaz mari xx"),
}


def signed_in(settings: Settings, clinic_id: str) -> str:
    """The cookie of somebody at the desk."""
    runtime, now, token = runtime_for(settings), datetime.now(UTC), random_token()
    user = StaffUser(
        clinic_id=clinic_id,
        id=str(uuid.uuid4()),
        email=f"{uuid.uuid4().hex}@clinic.example",
        name="Robin Desk",
        role=Role.FRONT_DESK,
        password_hash="!",
        active=True,
        failed_sign_ins=0,
        locked_until=None,
    )
    with runtime.transaction(clinic_id) as session:
        accounts.add_user(session, user)
        accounts.open_session(session, token, user, random_token(size=18), now)
    runtime.close()
    return token


def ask(client: httpx.Client, what: str, words: str) -> float:
    """Milliseconds until the answer is there."""
    begun = time.perf_counter()
    client.get(f"/lookups/{what}", params={"q": words}).raise_for_status()
    return 1000 * (time.perf_counter() - begun)


def measure(client: httpx.Client, what: str) -> float:
    """The median time of each thing that is typed, by that of the same address without words; their mean."""
    address = "clinicians" if what == "register" else what
    ratios = {}
    for words in TYPED[what]:
        pairs = [(ask(client, address, words), ask(client, address, "")) for _ in range(ROUNDS)]
        taken, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios[words] = taken / bare
        print(f"    {what:10} {words!r:16} {taken:6.1f} ms, without words {bare:5.1f} ms")
    return statistics.mean(ratios.values())


def main() -> None:
    ratios: dict[tuple[str, int], float] = {}
    with running_engines() as (engines, settings):
        clinic_id, _ = demo_clinic(settings)
        token = signed_in(settings, clinic_id)
        for first, last in ((1, FEW), (FEW + 1, MOST)):
            begun = time.perf_counter()
            write_people(engines.admin_url, clinic_id, first, last)
            print(f"among {last} of each (written in {time.perf_counter() - begun:.0f} s)")
            with server(whole_service, settings) as port:
                address = f"http://127.0.0.1:{port}"
                with httpx.Client(base_url=address, cookies={"referral_staff": token}, timeout=60) as client:
                    for what in TYPED:
                        measure(client, what)  # warms up what is read once
                        ratios[what, last] = measure(client, what)
    for what in TYPED:
        growth = ratios[what, MOST] / ratios[what, FEW]
        figure(f"typeahead-cost-of-size-{what}", growth, "<= 1.5")


if __name__ == "__main__":
    main()
