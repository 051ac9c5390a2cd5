"""The trust list of CDS Hooks: which systems may call, by the public keys that were registered for them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.errors import InvalidInput, Issue, NotFound
from referral.services.signed_tokens import read_keys
from referral.storage import audit, cds
from referral.storage.cds import CdsClient
from referral.storage.db import Session

_LONGEST: Final = 500
_ORIGIN: Final = re.compile(
    r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCdsClient:
    """As typed. `issuer` is the iss of its tokens, `tenant` theirs where one issuer serves several clinics.

    `jwks_url` is the jku that its tokens may name; it is compared, never fetched. `origins` are those of
    browser pages that call by themselves; none for a server.
    """

    name: str
    issuer: str
    jwks: str
    tenant: str = ""
    jwks_url: str | None = None
    origins: tuple[str, ...] = ()


def trust_client(session: Session, actor: Actor, new: NewCdsClient, now: datetime) -> CdsClient:
    """Put a system on the clinic's trust list.

    Raises InvalidInput with everything that is wrong, and DuplicateRequest for an issuer that is on a list.
    """
    issues = list(_issues(new))
    keys: dict[str, Any] = {}
    try:
        keys = json.loads(new.jwks)
        read_keys(keys)
    except InvalidInput as error:
        issues += error.issues
    except (ValueError, RecursionError):
        issues.append(Issue("The JWKS is not JSON.", ("jwks",)))
    names = {client.name for client in cds.clients(session)}
    if new.name.strip() in names:
        issues.append(Issue("There is a client of this name; remove it first.", ("name",)))
    if issues:
        raise InvalidInput(*issues)
    client = CdsClient(
        clinic_id=session.clinic,
        id=str(uuid.uuid4()),
        name=new.name.strip(),
        issuer=new.issuer,
        tenant=new.tenant,
        jwks=keys,
        jwks_url=new.jwks_url,
        origins=new.origins,
    )
    cds.add_client(session, client, now)
    entry = AuditEntry(
        action=Action.CREATE,
        subtype="trust-cds-client",
        entity=f"Client/{client.id}",
        detail={"issuer": client.issuer, "keys": sorted(read_keys(keys)), "origins": list(client.origins)},
    )
    audit.record(session, actor, entry)
    return client


def distrust_client(session: Session, actor: Actor, name: str, now: datetime) -> None:
    """Take the client of this name off the list; raises NotFound. Believed for some seconds more at most."""
    found = next((client for client in cds.clients(session) if client.name == name.strip()), None)
    if found is None:
        raise NotFound("There is no client of this name on the trust list.")
    cds.remove_client(session, found.id, now)
    entry = AuditEntry(action=Action.DELETE, subtype="distrust-cds-client", entity=f"Client/{found.id}")
    audit.record(session, actor, entry)


def _issues(new: NewCdsClient) -> Iterable[Issue]:
    if not new.name.strip() or len(new.name) > 100:
        yield Issue("The client needs a name of at most 100 characters.", ("name",))
    if not _is_url(new.issuer):
        yield Issue("The issuer is an https URL, exactly as in the iss of its tokens.", ("issuer",))
    if new.jwks_url is not None and not _is_url(new.jwks_url):
        yield Issue("The JWKS URL is an https URL, exactly as in the jku of its tokens.", ("jwks_url",))
    # The tenant goes into a key with a space before it.
    if len(new.tenant) > _LONGEST or " " in new.tenant or not new.tenant.isprintable():
        yield Issue("The tenant has no spaces and at most 500 characters.", ("tenant",))
    for origin in new.origins:
        if not _ORIGIN.fullmatch(origin):
            yield Issue("An origin is https://HOST or https://HOST:PORT, without a path.", ("origin",))


def _is_url(text: str) -> bool:
    """What a token can name exactly: no spaces, and https where it is not this machine."""
    parts = urlsplit(text)
    local = parts.hostname in ("localhost", "127.0.0.1")
    usable = text.isprintable() and " " not in text and len(text) <= _LONGEST
    return usable and bool(parts.hostname) and parts.scheme in (("https", "http") if local else ("https",))
