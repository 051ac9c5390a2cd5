"""What an import of the national register costs: rows a second on one core, and the memory of the process.

A million invented people in the exact layout of CMS (`MOST=200000` makes it shorter); first only those of one
state, as most clinics do it, then everybody, then the same file once more, which changes nothing.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench._harness import figure, running_engines
from tests.nppes import write_crowd

MOST = int(os.environ.get("MOST", "1000000"))


def _import(path: Path, environment: dict[str, str], *options: str) -> tuple[float, float, str]:
    """(seconds by the clock, seconds of our own processor time, what it said)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    command = [sys.executable, "-m", "referral.cli", "import-nppes", str(path), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    took = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout.strip()


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, running_engines() as (_, settings):
        path = write_crowd(Path(directory) / "npidata_pfile_20050523-20261108.csv", MOST)
        print(f"{MOST} rows, {path.stat().st_size / 1e6:.0f} MB")
        environment = {**os.environ, **settings.as_environment()}
        rates = {}
        runs = {
            "one-state": ("--state", "CO"),
            "everybody": (),
            "once-more": ("--again",),
        }
        for name, options in runs.items():
            took, ours, said = _import(path, environment, *options)
            rates[name] = MOST / took
            rates[f"{name}-alone"] = MOST / ours
            print(f"  {name}: {took:.1f} s, of it {ours:.1f} s in our own process. {said}")
        figure("nppes-rows-a-second-one-state", rates["one-state"], ">= 50000")
        # What the reading alone takes of one core, start of the program included; the rest is PostgreSQL's.
        figure("nppes-rows-a-core-second-one-state", rates["one-state-alone"], ">= 50000")
        figure("nppes-rows-a-core-second-everybody", rates["everybody-alone"], ">= 50000")
        figure("nppes-rows-a-second-everybody", rates["everybody"], "told")
        figure("nppes-rows-a-second-once-more", rates["once-more"], "told")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        figure("nppes-memory-mb", peak, "<= 200")


if __name__ == "__main__":
    main()
