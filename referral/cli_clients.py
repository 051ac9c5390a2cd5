"""The commands that keep the systems that talk to /fhir."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from referral.attach import attached, fail
from referral.cli_accounts import ClinicOption, enter
from referral.domain.codes import ClientKind

if TYPE_CHECKING:
    from referral.bootstrap import Runtime
    from referral.domain.audit import Actor
    from referral.storage.db import Session

client = typer.Typer(
    name="client", help="Systems that talk to /fhir and /cds-services.", no_args_is_help=True
)

_LARGEST_JWKS = 100_001
JwksOption = Annotated[Path | None, typer.Option(help="A file with its public keys (JWKS).")]
JwksUrlOption = Annotated[str | None, typer.Option(help="The https URL where its public keys stand.")]
NameArgument = Annotated[str, typer.Argument(help="Its name, or its id.")]


@client.command("add")
def add_client(
    name: str,
    jwks: JwksOption = None,
    jwks_url: JwksUrlOption = None,
    kind: Annotated[ClientKind, typer.Option(help="What it is for.")] = ClientKind.RECORD_SYSTEM,
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope such as system/Task.rus; instead of --kind.")
    ] = None,
    clinic: ClinicOption = None,
) -> None:
    """Register a system: with keys, and print its client id; without, and print a bearer token, once."""
    keys = _file(jwks)
    with _working(clinic) as (runtime, session, actor):
        from referral.services.smart_clients import NewClient, register_client

        new = NewClient(name=name, jwks=keys, jwks_url=jwks_url, scopes=tuple(scope or ()), kind=kind)
        made = register_client(session, actor, new, runtime.outgoing, runtime.now())
    typer.echo(made.token or made.client.id)


@client.command("list")
def list_clients(clinic: ClinicOption = None) -> None:
    """Name, client id, how it signs in, when it was last here, and its scopes; one on a line."""
    with _working(clinic) as (_, session, _actor):
        from referral.storage import api_clients

        found = api_clients.clients(session)
    for one in found:
        way = one.jwks_url or (" ".join(_kids(one.jwks)) if one.jwks else "bearer token")
        used = one.used_at.isoformat(timespec="minutes") if one.used_at else "never"
        typer.echo("\t".join((one.name, one.id, way, used, " ".join(one.scopes))))


@client.command("keys")
def change_client_keys(
    name: NameArgument,
    jwks: JwksOption = None,
    jwks_url: JwksUrlOption = None,
    clinic: ClinicOption = None,
) -> None:
    """Give a system other keys; tokens that it got with the old ones end at once."""
    keys = _file(jwks)
    with _working(clinic) as (runtime, session, actor):
        from referral.services.smart_clients import change_keys, named

        change_keys(session, actor, named(session, name).id, keys, jwks_url, runtime.outgoing)
    typer.echo("Changed.")


@client.command("remove")
def remove_client(name: NameArgument, clinic: ClinicOption = None) -> None:
    """Shut a system out, at once and for good."""
    with _working(clinic) as (runtime, session, actor):
        from referral.services.smart_clients import named
        from referral.services.smart_clients import remove_client as remove

        remove(session, actor, named(session, name).id, runtime.now())
    typer.echo("Removed.")


@contextmanager
def _working(clinic: str | None) -> Iterator[tuple[Runtime, Session, Actor]]:
    with attached() as settings:
        from referral.bootstrap import build_runtime

        runtime = build_runtime(settings)
        try:
            with runtime.transaction() as session:
                yield runtime, session, enter(session, clinic)
        finally:
            runtime.close()


def _file(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_bytes()[:_LARGEST_JWKS].decode("utf-8")
    except (OSError, UnicodeDecodeError):
        fail(f"Cannot read {path} as text.", 1)


def _kids(jwks: dict[str, object]) -> list[str]:
    keys = jwks.get("keys")
    return [str(key.get("kid")) for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
