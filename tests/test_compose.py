"""docker-compose.yml: valid, closed, and its commands run."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import jsonschema
import pytest
import redis
import yaml

from referral.embedded import Engines
from tests.processes import ROOT, eventually, running

SECRETS = {
    "POSTGRES_PASSWORD": "for-this-test-only",
    "REFERRAL_APP_PASSWORD": "for-this-test-too",
    "REFERRAL_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as Compose reads it, with its variables filled in."""
    text = (ROOT / "docker-compose.yml").read_text()

    def value(found: re.Match[str]) -> str:
        name, _, rest = found[1].partition(":")
        if rest == "?":
            return SECRETS[name]
        return rest.removeprefix("-")

    document: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{([^}]+)\}", value, text))
    return document


@pytest.fixture
def engines_for_compose(data_dir: Path) -> Iterator[Engines]:
    with Engines(data_dir / "servers") as started:
        yield started


def schema() -> dict[str, Any]:
    """The Compose specification, as Docker's own package carries it; the package itself is not imported."""
    package = importlib.util.find_spec("compose")
    assert package is not None
    assert package.submodule_search_locations
    path = Path(package.submodule_search_locations[0]) / "config" / "compose_spec.json"
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_it_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    specification = jsonschema.Draft201909Validator(schema())
    specification.validate(compose)
    with pytest.raises(jsonschema.ValidationError):  # it does look inside services
        specification.validate({"services": {"api": {"comand": []}}})


def test_every_service_comes_back_and_none_is_root(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"api", "worker", "beat", "postgres", "redis"} <= set(services)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "USER referral" in dockerfile
    for name, service in services.items():
        assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")
        assert "build" in service or service["user"] != "root"
    for name in ("api", "worker", "postgres", "redis"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"


def test_who_takes_in_mail_puts_it_where_the_worker_looks_and_sees_nothing_else(
    compose: dict[str, Any], data_dir: Path
) -> None:
    """A container shares files by its mounts; here both find the same folder below their data directories."""
    services = compose["services"]
    (mount,) = services["inbound-mail"]["volumes"]
    assert mount in services["worker"]["volumes"]
    assert mount.partition(":")[0] in compose["volumes"]
    folder = Path(mount.partition(":")[2])
    assert f" {folder}\n" in (ROOT / "Dockerfile").read_text()
    given = {
        **{name: text or "" for name, text in services["inbound-mail"]["environment"].items()},
        "REFERRAL_SMTP_URL": "smtps://desk:word@mail.example",
        "REFERRAL_MAIL_FROM": "desk@clinic.example",
        "REFERRAL_DATA_DIR": str(data_dir),
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given["REFERRAL_BOUNCE_LISTEN"] = f"127.0.0.1:{port}"
    program, *arguments = services["inbound-mail"]["command"]
    assert program == "referral"
    with running(["-m", "referral.cli", *arguments], data_dir, given):
        assert eventually(lambda: _greeting(port).startswith("220"))
        assert (data_dir / folder.name).is_dir()


def _greeting(port: int) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            return connection.recv(200).decode()
    except ConnectionRefusedError:
        return ""


def test_secrets_have_no_default(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in SECRETS:
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert uses
        assert set(uses) == {":?"}


def test_the_image_has_the_libraries_that_set_up_installs() -> None:
    script = (ROOT / "scripts" / "setup").read_text()
    dockerfile = (ROOT / "Dockerfile").read_text()
    for package in re.findall(r'"((?:lib|fonts-)[a-z0-9.-]+)"', script):
        assert package in dockerfile
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, flags=re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split())


def test_its_commands_run_as_plain_processes(
    compose: dict[str, Any], engines_for_compose: Engines, data_dir: Path
) -> None:
    engines = engines_for_compose
    services = compose["services"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def environment(name: str) -> Mapping[str, str]:
        """As in the file, with our servers in the place of its hosts."""
        host = engines.app_url.partition("?")[2]
        given = {}
        for key, text in services[name]["environment"].items():
            here = re.sub(r"@postgres/(\w+)", rf"@/\1?{host}", text or "")
            given[key] = here.replace("redis://redis:6379/0", engines.redis_url)
        private = data_dir / name
        private.mkdir(exist_ok=True)
        return {**given, "REFERRAL_DATA_DIR": str(private), "REFERRAL_PORT": str(port)}

    def command(name: str) -> list[str]:
        program, *arguments = services[name]["command"]
        assert program == "referral"
        return ["-m", "referral.cli", *arguments]

    def check(name: str) -> bool:
        """Run the service's own health check here."""
        _, program, *arguments = services[name]["healthcheck"]["test"]
        arguments = [argument.replace(":8000/", f":{port}/") for argument in arguments]
        start = [sys.executable] if program == "python" else [str(Path(sys.executable).with_name(program))]
        done = subprocess.run(
            [*start, *arguments], env=dict(environment(name)), cwd=ROOT, capture_output=True, check=False
        )
        return done.returncode == 0

    with running(command("migrate"), data_dir / "servers", environment("migrate")) as migrate:
        assert migrate.process.wait(60) == 0, migrate.stderr.read_text()
    with ExitStack() as stack, redis.Redis.from_url(engines.redis_url) as queue:
        started = {}
        for name in ("beat", "api"):
            given = environment(name)
            started[name] = stack.enter_context(running(command(name), data_dir / name, given))
        eventually(lambda: queue.llen("referral"), 60)  # beat asks for work that nobody does yet
        given = environment("worker")
        started["worker"] = stack.enter_context(running(command("worker"), data_dir / "worker", given))
        eventually(lambda: queue.llen("referral") == 0, 60)
        assert eventually(lambda: check("worker"))
        assert eventually(lambda: check("api"))
        with urlopen(f"http://127.0.0.1:{port}/fhir/metadata", timeout=10) as answer:
            assert json.load(answer)["resourceType"] == "CapabilityStatement"
        for program in started.values():
            program.stop()
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/health/live", timeout=1)
