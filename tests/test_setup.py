"""The set-up script and the files it reads."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from tests.processes import ROOT

LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
NPM_LOCK = ROOT / "tests" / "clients" / "package-lock.json"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("setup_script", str(ROOT / "scripts" / "setup"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def checkout(data_dir: Path) -> Path:
    """What the script needs of a checkout, in a place that everybody may read, and no programs on PATH."""
    data_dir.chmod(0o755)
    copy = data_dir / "checkout"
    (copy / "scripts").mkdir(parents=True)
    (data_dir / "programs").mkdir()
    shutil.copytree(NPM_LOCK.parent, copy / "tests" / "clients", ignore=shutil.ignore_patterns("*.py"))
    shutil.copy(ROOT / "scripts" / "setup", copy / "scripts")
    for name in ("pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, copy)
    return copy


def program(checkout: Path, name: str, text: str) -> None:
    """Put a stand-in for one of Debian's programs on the script's PATH."""
    path = checkout.parent / "programs" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def set_up(checkout: Path, *arguments: str, as_user: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["/usr/bin/python3", str(checkout / "scripts" / "setup"), *arguments]
    if as_user:
        user = pwd.getpwnam(as_user)
        change = ["/usr/bin/setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        command = [*change, *command]
    return subprocess.run(
        command,
        env={"PATH": str(checkout.parent / "programs")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_by_hash_and_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "index-url" not in text
    for block in re.split(r"\n(?=[a-z0-9])", text.strip()):
        assert re.match(r"[\w.\[\]-]+==\S+", block), block
        assert "--hash=sha256:" in block, block


def test_the_npm_lock_pins_every_package_by_hash_and_names_no_host() -> None:
    text = NPM_LOCK.read_text()
    assert "://" not in text
    assert "resolved" not in text
    packages = json.loads(text)["packages"]
    declared = json.loads((NPM_LOCK.parent / "package.json").read_text())["dependencies"]
    assert packages.pop("")["dependencies"] == declared
    assert {f"node_modules/{name}" for name in declared} <= set(packages)
    for name, package in packages.items():
        assert re.fullmatch(r"sha512-[\w+/]+==", package["integrity"]), name
        assert re.fullmatch(r"[\d.]+", package["version"]), name


def test_what_npm_cannot_install_is_said_in_one_sentence(
    checkout: Path, script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the real npm, and a registry at a port where nothing listens."""
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "lib").symlink_to(ROOT / ".venv" / "lib")
    places = {"ROOT": checkout, "VENV": checkout / ".venv", "NPM_HOME": checkout / ".venv" / "npm"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in places.items():
            patch.setattr(script, name, value)
        for name, text in (("registry", "http://127.0.0.1:1/"), ("fetch_retries", "0")):
            patch.setenv(f"npm_config_{name}", text)
        patch.setenv("npm_config_cache", str(checkout / "cache"))
        with pytest.raises(SystemExit):
            script.install_npm_client()
    said = capsys.readouterr().err
    assert "ECONNREFUSED" in said
    assert said.splitlines()[-1].startswith("npm could not install the test client of tests/clients/")


def test_the_locks_hold_every_dependency_that_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    development = project["optional-dependencies"]["dev"]
    for lock, declared in (
        ("requirements.lock", project["dependencies"]),
        ("requirements-dev.lock", [*project["dependencies"], *development]),
    ):
        locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), flags=re.MULTILINE))
        names = {re.split(r"[\[<>=; ]", requirement)[0].replace(".", "-").lower() for requirement in declared}
        assert names - locked == set()


def test_the_service_runs_on_the_run_lock_alone() -> None:
    """What only tests need is hidden, and then everything is imported, also what others import late."""
    named = [
        set(re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), flags=re.MULTILINE))
        for lock in ("requirements-dev.lock", "requirements.lock")
    ]
    program = textwrap.dedent("""
        import importlib, importlib.metadata, pkgutil, sys
        hidden = set(sys.argv[1:])
        def plain(name): return name.lower().replace("_", "-").replace(".", "-")
        owners = importlib.metadata.packages_distributions()
        modules = {m for m, dists in owners.items() if {plain(d) for d in dists} <= hidden}
        class Hide:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in modules:
                    raise ModuleNotFoundError(f"{name} is for tests only", name=name)
        sys.meta_path.insert(0, Hide())
        import referral
        for found in pkgutil.walk_packages(referral.__path__, "referral."):
            if ".migrations." not in found.name:
                importlib.import_module(found.name)
        from referral.workers.celery_app import app
        app.connection_for_write().transport_cls
        for late in (
            "kombu.transport.redis", "celery.apps.worker", "celery.apps.beat", "celery.concurrency.prefork",
            "uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl", "weasyprint",
        ):
            importlib.import_module(late)
        assert "pytest" in modules
        print("complete")
    """)
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [sys.executable, "-c", program, *(named[0] - named[1])],
            env={"PATH": os.environ["PATH"], "REFERRAL_DATA_DIR": directory},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout == "complete\n", done.stderr[-2000:]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_is_told_in_one_sentence_what_to_install(checkout: Path) -> None:
    program(checkout, "dpkg-query", "echo zlib1g installed")
    done = set_up(checkout, "--tests", as_user="nobody")
    assert done.returncode == 1
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith(
        "Please install these first: sudo apt-get install --no-install-recommends python3-venv"
    )
    assert {"chromium-headless-shell", "qpdf", "libpango-1.0-0"} < set(sentence.split())
    assert "zlib1g" not in sentence.split()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install packages")
def test_root_installs_only_what_is_missing(checkout: Path, script: ModuleType) -> None:
    present = [name for name in script.RUN_PACKAGES if name != "fonts-noto-cjk"]
    program(checkout, "dpkg-query", "".join(f"echo {name} installed; " for name in present))
    program(checkout, "apt-get", f'echo "$@" >> {checkout}/apt.log; test "$1" != install')
    done = set_up(checkout)
    assert done.returncode == 1  # the stand-in refuses to install, and nothing is done after that
    assert not (checkout / ".venv").exists()
    assert "This command failed: apt-get install" in done.stderr
    assert (checkout / "apt.log").read_text().splitlines() == [
        "update -q",
        "install -y -q --no-install-recommends fonts-noto-cjk",
    ]


def test_a_second_time_nothing_is_done_until_a_lock_changes(checkout: Path, script: ModuleType) -> None:
    program(checkout, "dpkg-query", "echo asked >&2; exit 1")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "referral"):
        (checkout / ".venv" / "bin" / name).touch()
    (checkout / ".venv" / "setup-stamp").write_text("\n".join(script.stamp(kind) for kind in (False, True)))
    for arguments in ((), ("--tests",)):
        done = set_up(checkout, *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("\n")
    program(checkout, "apt-get", "exit 1")
    assert "Setting up" in set_up(checkout).stderr


def test_uv_is_told_which_indexes_pip_uses(script: ModuleType) -> None:
    pip = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pip"]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("UV_DEFAULT_INDEX", raising=False)
        patch.setenv("PIP_INDEX_URL", "https://packages.example/simple")
        assert script.uv_environment(pip)["UV_DEFAULT_INDEX"] == "https://packages.example/simple"
        patch.setenv("UV_DEFAULT_INDEX", "https://other.example/simple")
        assert script.uv_environment(pip)["UV_DEFAULT_INDEX"] == "https://other.example/simple"


def test_make_help_names_every_target_that_people_use() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"help", "run", "test", "lint", "bench", "soak"} <= {
        line.split()[0] for line in listed.splitlines()
    }


def test_ci_runs_lint_and_tests_and_nothing_else() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "make lint test" in (ROOT / ".ci" / "run").read_text()
