"""Systems that talk to /fhir, the access tokens that they were given, and assertions that were used up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, null, or_, select, text, update

from referral.domain.credential import digest
from referral.domain.errors import SignInRequired
from referral.storage.db import Session
from referral.storage.tables import api_client, api_token

# How often the last use of a bearer token is written: often enough for people, seldom enough to be free.
_NOTE_EVERY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiClient:
    """A system. It signs in by its keys, `jwks` or what stands at `jwks_url`; by a bearer token without both.

    `scopes` are SMART v2 scopes.
    """

    clinic_id: str
    id: str
    name: str
    scopes: tuple[str, ...]
    jwks: dict[str, Any] | None = None
    jwks_url: str | None = None
    created_at: datetime | None = None
    used_at: datetime | None = None

    @property
    def by_keys(self) -> bool:
        return self.jwks is not None or self.jwks_url is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What a bearer token stands for; `expires_at` is None for one that lasts until it is revoked."""

    clinic_id: str
    client_id: str
    scopes: tuple[str, ...]
    token_digest: bytes
    issued_at: datetime | None = None
    expires_at: datetime | None = None


_FIELDS: Final = tuple(ApiClient.__slots__)
COLUMNS: Final = tuple(api_client.c[name] for name in _FIELDS)


def to_client(row: Any) -> ApiClient:
    """From COLUMNS in their order."""
    values = dict(zip(_FIELDS, row, strict=True))
    values |= {"clinic_id": str(values["clinic_id"]), "scopes": tuple(values["scopes"])}
    return ApiClient(**values)


def add_client(session: Session, client: ApiClient, token: str | None, now: datetime) -> None:
    """Register a client. Only the digest of its bearer `token` is kept; None for one with keys."""
    values = {name: getattr(client, name) for name in _FIELDS if name not in ("created_at", "used_at")}
    # A document that is absent is NULL, not the JSON null.
    given = {name: value for name, value in values.items() if value is not None}
    given |= {"scopes": list(client.scopes), "created_at": now}
    session.connection.execute(
        insert(api_client).inline(), given | ({"token_digest": digest(token)} if token else {})
    )


def clients(session: Session) -> list[ApiClient]:
    """Those of the clinic that are let in, by name."""
    rows = session.connection.execute(
        select(*COLUMNS)
        .where(api_client.c.clinic_id == session.clinic, api_client.c.revoked_at.is_(None))
        .order_by(api_client.c.name, api_client.c.created_at, api_client.c.id)
    )
    return [to_client(row) for row in rows]


def find(session: Session, id: str, *, lock: bool = False) -> ApiClient | None:
    """One of the clinic that is let in; with `lock` its keys stay as they are until the transaction ends.

    The lock is that of a change, since whoever takes it notes the use: two with a shared one would wait for
    each other.
    """
    statement = select(*COLUMNS).where(
        api_client.c.clinic_id == session.clinic, api_client.c.id == id, api_client.c.revoked_at.is_(None)
    )
    row = session.connection.execute(
        statement.with_for_update(key_share=True) if lock else statement
    ).one_or_none()
    return to_client(row) if row else None


def find_by_id(session: Session, id: str) -> ApiClient | None:
    """The client with keys that this id names, of whichever clinic; enters that clinic."""
    session.show_key(f"client/{id}")
    row = session.connection.execute(
        select(*COLUMNS).where(
            api_client.c.id == id, api_client.c.token_digest.is_(None), api_client.c.revoked_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    found = to_client(row)
    session.enter_clinic(found.clinic_id)
    return found


def change_keys(session: Session, id: str, jwks: dict[str, Any] | None, jwks_url: str | None) -> None:
    """Exactly one of the two; the tokens that were given for the old keys end."""
    values = {"jwks": jwks if jwks is not None else null(), "jwks_url": jwks_url}
    session.connection.execute(
        update(api_client)
        .where(api_client.c.clinic_id == session.clinic, api_client.c.id == id)
        .values(values)
    )
    _end_tokens(session, id)


def revoke(session: Session, id: str, now: datetime) -> None:
    """Not let in any more, from this moment on; the row stays, because the audit trail names it."""
    session.connection.execute(
        update(api_client)
        .where(
            api_client.c.clinic_id == session.clinic, api_client.c.id == id, api_client.c.revoked_at.is_(None)
        )
        .values(revoked_at=now)
    )
    _end_tokens(session, id)


def _end_tokens(session: Session, client_id: str) -> None:
    session.connection.execute(
        delete(api_token).where(api_token.c.clinic_id == session.clinic, api_token.c.client_id == client_id)
    )


def note_use(session: Session, id: str, now: datetime) -> None:
    """When it was last here; written now and then only."""
    session.connection.execute(
        update(api_client)
        .where(
            api_client.c.clinic_id == session.clinic,
            api_client.c.id == id,
            api_client.c.revoked_at.is_(None),
            or_(api_client.c.used_at.is_(None), api_client.c.used_at < now - _NOTE_EVERY),
        )
        .values(used_at=now)
    )


# ---- Tokens


def add_token(session: Session, token: str, given: Admitted) -> None:
    """Remember an access token by its digest."""
    values = {
        "clinic_id": given.clinic_id,
        "token_digest": digest(token),
        "client_id": given.client_id,
        "scopes": list(given.scopes),
        "issued_at": given.issued_at,
        "expires_at": given.expires_at,
    }
    session.connection.execute(insert(api_token).inline(), values)


def find_admitted(session: Session, token: str) -> Admitted | None:
    """What this token stands for, of whichever clinic, while its client is let in; enters that clinic.

    The caller looks at `expires_at`.
    """
    key = digest(token)
    session.show_key(key.hex())
    given = session.connection.execute(select(api_token).where(api_token.c.token_digest == key)).one_or_none()
    if given is not None:
        session.enter_clinic(str(given.clinic_id))
        if find(session, given.client_id) is None:
            return None
        return Admitted(
            clinic_id=str(given.clinic_id),
            client_id=given.client_id,
            scopes=tuple(given.scopes),
            token_digest=key,
            issued_at=given.issued_at,
            expires_at=given.expires_at,
        )
    own = session.connection.execute(
        select(api_client.c.clinic_id, api_client.c.id, api_client.c.scopes, api_client.c.created_at).where(
            api_client.c.token_digest == key, api_client.c.revoked_at.is_(None)
        )
    ).one_or_none()
    if own is None:
        return None
    session.enter_clinic(str(own.clinic_id))
    return Admitted(
        clinic_id=str(own.clinic_id),
        client_id=own.id,
        scopes=tuple(own.scopes),
        token_digest=key,
        issued_at=own.created_at,
    )


# As the driver takes it: it begins every request of a client.
_ENTER: Final = "SELECT api_enter(CAST(%(clinic)s AS uuid), %(client)s, %(token)s)"


def enter(session: Session, clinic_id: str, client_id: str, token_digest: bytes) -> None:
    """Enter the clinic of a client; raises SignInRequired where its token was taken back a moment ago."""
    parameters = {"clinic": clinic_id, "client": client_id, "token": token_digest}
    if not session.connection.exec_driver_sql(_ENTER, parameters).scalar():
        raise SignInRequired("This bearer token is not known, or it was revoked.")
    session.clinic_id = clinic_id


_USE: Final = text("SELECT api_use_assertion(CAST(:clinic AS uuid), :client, :jti, :expires_at)")


def use_assertion(connection: Connection, client: ApiClient, jti_digest: bytes, expires_at: datetime) -> bool:
    """False where it was used before; one statement of its own (see Database.statement).

    So a call that fails afterwards has used its assertion up all the same.
    """
    first: bool = connection.scalar(
        _USE,
        {"clinic": client.clinic_id, "client": client.id, "jti": jti_digest, "expires_at": expires_at},
    )
    return first


_FORGET: Final = text("SELECT api_forget(CAST(:clinic AS uuid), :before)")


def forget(session: Session, before: datetime) -> int:
    """Tokens and assertions that ran out before, and an hour ago at least; returns how many."""
    return int(session.connection.scalar(_FORGET, {"clinic": session.clinic, "before": before}) or 0)
