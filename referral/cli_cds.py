"""The commands that keep the trust list of CDS Hooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from referral.attach import attached, fail
from referral.cli_accounts import ClinicOption, enter

cds_client = typer.Typer(
    name="cds-client", help="Systems whose signed tokens are believed at /cds-services.", no_args_is_help=True
)
_LARGEST_JWKS = 100_000


@cds_client.command("add")
def add_cds_client(
    name: str,
    issuer: Annotated[str, typer.Option(help="The iss of its tokens, an https URL.")],
    jwks: Annotated[Path, typer.Option(help="A file with its public keys (JWKS).")],
    tenant: Annotated[str, typer.Option(help="The tenant of its tokens, where they name one.")] = "",
    jwks_url: Annotated[
        str | None, typer.Option(help="The jku that its tokens may name; compared, never fetched.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="The origin of browser pages that call by themselves.")
    ] = None,
    clinic: ClinicOption = None,
) -> None:
    """Put a system on the trust list of a clinic."""
    try:
        keys = jwks.read_bytes()[:_LARGEST_JWKS].decode("utf-8")
    except (OSError, UnicodeDecodeError):
        fail(f"Cannot read {jwks} as text.", 1)
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.services.trust_cds_clients import NewCdsClient, trust_client

        new = NewCdsClient(
            name=name,
            issuer=issuer,
            jwks=keys,
            tenant=tenant,
            jwks_url=jwks_url,
            origins=tuple(origin or ()),
        )
        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            trust_client(session, enter(session, clinic), new, runtime.now())
        runtime.close()
    typer.echo("Added.")


@cds_client.command("list")
def list_cds_clients(clinic: ClinicOption = None) -> None:
    """The trust list of a clinic: name, issuer, tenant, names of the keys, origins."""
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.storage import cds

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            enter(session, clinic)
            found = cds.clients(session)
        runtime.close()
    for client in found:
        keys = " ".join(key["kid"] for key in client.jwks["keys"])
        typer.echo("\t".join((client.name, client.issuer, client.tenant, keys, " ".join(client.origins))))


@cds_client.command("remove")
def remove_cds_client(name: str, clinic: ClinicOption = None) -> None:
    """Take a system off the trust list; what it has answered stays."""
    with attached() as settings:
        from referral.bootstrap import build_runtime
        from referral.services.trust_cds_clients import distrust_client

        runtime = build_runtime(settings)
        with runtime.transaction() as session:
            distrust_client(session, enter(session, clinic), name, runtime.now())
        runtime.close()
    typer.echo("Removed.")
