"""The bell between the database and the workers."""

from __future__ import annotations

import threading
import time
from queue import Queue

from referral.embedded import Engines
from referral.storage.bell import listen
from tests.database import ClinicFixture
from tests.services.sending import asked

CHANNEL = "referral_due"


def test_the_bell_rings_at_once_and_a_storm_of_messages_is_few_rings(
    engines: Engines, clinic: ClinicFixture
) -> None:
    rings: Queue[bool] = Queue()
    stop = threading.Event()

    def hear() -> None:
        for rang in listen(engines.app_url, CHANNEL, 0.2, together=1.0):
            if stop.is_set():
                return
            rings.put(rang)

    listener = threading.Thread(target=hear)
    listener.start()
    assert rings.get(timeout=10) is True  # whatever was written before anybody listened
    while rings.get(timeout=10):
        continue  # until it is quiet, whatever the tests before have left
    started = time.monotonic()
    for _ in range(8):
        asked(clinic)
    took = time.monotonic() - started
    heard: list[bool] = []
    while True not in heard or heard[-2:] != [False, False]:
        heard.append(rings.get(timeout=10))
    stop.set()
    listener.join()
    assert 1 <= heard.count(True) <= 2 + took
    assert heard.count(True) < 8


def test_silence_is_told(engines: Engines, clinic: ClinicFixture) -> None:
    assert clinic.id
    bell = listen(engines.app_url, "nobody_rings_here", 0.05)
    assert [next(bell) for _ in range(3)] == [True, False, False]
    bell.close()  # type: ignore[attr-defined]
