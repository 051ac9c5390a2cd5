"""Systems that talk to /fhir: registered with public keys or a bearer token, given new keys, removed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from referral.channels.outgoing import Outgoing
from referral.domain.audit import Action, Actor, AuditEntry
from referral.domain.codes import ClientKind
from referral.domain.credential import random_token
from referral.domain.errors import InvalidInput, Issue, NotFound
from referral.domain.outgoing_urls import UnusableUrl
from referral.fhir import permit as permits
from referral.fhir.permit import Permit
from referral.fhir.scopes import UnusableScope, granted
from referral.services.client_keys import read_jwks
from referral.services.scope_presets import check_scope, scopes_of
from referral.services.signed_tokens import read_keys
from referral.storage import api_clients, audit
from referral.storage.api_clients import ApiClient
from referral.storage.db import Session

_LONGEST_NAME: Final = 100
_MOST_SCOPES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient:
    """As typed. `jwks` is a key set as JSON, `jwks_url` where one stands; without both a token is made.

    `scopes` count where there are any, else those of its kind.
    """

    name: str
    jwks: str | None = None
    jwks_url: str | None = None
    scopes: tuple[str, ...] = ()
    kind: ClientKind = ClientKind.RECORD_SYSTEM


@dataclass(frozen=True, slots=True)
class Registered:
    """`token` is shown once and kept only as a digest; None for a client with keys."""

    client: ApiClient
    token: str | None


def register_client(
    session: Session, actor: Actor, new: NewClient, outgoing: Outgoing | None, now: datetime
) -> Registered:
    """Let a system in. Raises InvalidInput with everything that is wrong; `outgoing` judges the URL."""
    name = new.name.strip()
    issues = list(_name_issues(session, name))
    jwks, key_issues = _keys(new.jwks, new.jwks_url, outgoing)
    scopes, scope_issues = _scopes(new)
    issues += key_issues + scope_issues
    if issues:
        raise InvalidInput(*issues)
    client = ApiClient(
        clinic_id=session.clinic,
        id=str(uuid.uuid4()),
        name=name,
        scopes=scopes,
        jwks=jwks,
        jwks_url=new.jwks_url,
    )
    token = None if client.by_keys else f"rfr_{random_token()}"
    api_clients.add_client(session, client, token, now)
    detail = {"scopes": list(scopes), **_key_detail(jwks, new.jwks_url)}
    _note(session, actor, Action.CREATE, "add-client", client.id, detail)
    return Registered(client, token)


def change_keys(
    session: Session, actor: Actor, id: str, jwks: str | None, jwks_url: str | None, outgoing: Outgoing | None
) -> ApiClient:
    """Give a client other keys; what was given out for the old ones ends at once. NotFound, InvalidInput."""
    client = get_client(session, id)
    if not client.by_keys:
        text = "This client has a bearer token and no keys. Register it anew with its keys, then remove it."
        raise InvalidInput(Issue(text, ("jwks",)))
    keys, issues = _keys(jwks, jwks_url, outgoing)
    if not issues and keys is None and jwks_url is None:
        issues = [Issue("Give the new key set, or the URL where it stands.", ("jwks",), "required")]
    if issues:
        raise InvalidInput(*issues)
    api_clients.change_keys(session, client.id, keys, jwks_url)
    _note(session, actor, Action.UPDATE, "change-client-keys", client.id, _key_detail(keys, jwks_url))
    return client


def remove_client(session: Session, actor: Actor, id: str, now: datetime) -> ApiClient:
    """Let it in no more; its tokens end at once. NotFound for one that is not there."""
    client = get_client(session, id)
    api_clients.revoke(session, client.id, now)
    _note(session, actor, Action.DELETE, "remove-client", client.id, {})
    return client


def get_client(session: Session, id: str) -> ApiClient:
    """A client of the clinic that is let in, by its id; raises NotFound."""
    found = api_clients.find(session, id)
    if found is None:
        raise NotFound("There is no such client.")
    return found


def named(session: Session, name_or_id: str) -> ApiClient:
    """For the command line, where people type names; NotFound for none, InvalidInput for several."""
    wanted = name_or_id.strip()
    found = [one for one in api_clients.clients(session) if wanted in (one.name, one.id)]
    if not found:
        raise NotFound("There is no client of this name.")
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise InvalidInput(Issue(f"Several clients have this name; give one of these ids: {ids}", ("name",)))
    return found[0]


def permit_of(session: Session, client_id: str, scopes: Iterable[str] | None = None) -> Permit | None:
    """What a client may do now, for work that goes on without its token; None for one that was removed.

    `scopes` are those of the token that began the work: no more than both allow.
    """
    client = api_clients.find(session, client_id)
    if client is None:
        return None
    if scopes is None:
        return permits.permit_of(client.scopes, client.id)
    less = granted(" ".join(scopes), client.scopes)
    return permits.permit_of(tuple(str(scope) for scope in less), client.id)


def _name_issues(session: Session, name: str) -> Iterable[Issue]:
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        yield Issue(f"The client needs a name of at most {_LONGEST_NAME} characters.", ("name",))
    elif any(one.name == name for one in api_clients.clients(session)):
        yield Issue(
            "There is a client of this name. Choose another name, or remove that one first.", ("name",)
        )


def _keys(
    jwks: str | None, jwks_url: str | None, outgoing: Outgoing | None
) -> tuple[dict[str, Any] | None, list[Issue]]:
    if jwks is not None and jwks_url is not None:
        return None, [Issue("Give the key set or its URL, not both.", ("jwks_url",))]
    try:
        if jwks_url is not None and outgoing is not None:
            outgoing.check(jwks_url)
        if jwks is None:
            return None, []
        found = read_jwks(jwks)
        read_keys(found)
    except UnusableUrl as error:
        return None, [Issue(str(error), ("jwks_url",))]
    except InvalidInput as error:
        return None, list(error.issues)
    return found, []


def _scopes(new: NewClient) -> tuple[tuple[str, ...], list[Issue]]:
    if not new.scopes:
        return scopes_of(new.kind), []
    if len(new.scopes) > _MOST_SCOPES:
        return (), [Issue(f"A client has at most {_MOST_SCOPES} scopes.", ("scopes",))]
    read, issues = [], []
    for text in new.scopes:
        try:
            read.append(str(check_scope(text)))
        except UnusableScope as error:
            issues.append(Issue(str(error), ("scopes",)))
    return tuple(dict.fromkeys(read)), issues


def _key_detail(jwks: dict[str, Any] | None, jwks_url: str | None) -> dict[str, Any]:
    if jwks is not None:
        return {"keys": sorted(read_keys(jwks))}
    return {"jwks_url": jwks_url} if jwks_url else {}


def _note(
    session: Session, actor: Actor, action: Action, subtype: str, id: str, detail: dict[str, Any]
) -> None:
    entry = AuditEntry(action=action, subtype=subtype, entity=f"Client/{id}", detail=detail)
    audit.record(session, actor, entry)
