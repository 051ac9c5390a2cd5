"""The pages about connected systems, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from referral.domain.codes import ClientKind
from referral.domain.subscription import SubscriptionStatus, Topic
from referral.services.scope_presets import scopes_of
from referral.services.smart_clients import Registered
from referral.storage.api_clients import ApiClient
from referral.storage.subscriptions import Subscription
from referral.web.form import Form
from referral.web.staff.clock import Clock
from referral.web.staff.models import Badge, Choice, Fact

_KINDS: Final = {
    ClientKind.RECORD_SYSTEM: (
        "A health record system",
        "Reads and writes what the front desk does: patients, orders, requests, answers.",
    ),
    ClientKind.REFERRALS: (
        "A program that follows requests",
        "Reads requests and who they are about, moves tasks on, is told of changes.",
    ),
    ClientKind.READER: ("A program that only reads", "Reads and exports everything, writes nothing."),
}
_WAYS: Final = {
    "url": ("Its keys stand at a URL", "The best way: the system changes its keys by itself."),
    "keys": ("A key set that was sent to me", "You give the new set here when it changes."),
    "token": (
        "A bearer token",
        "For a script or a test. Whoever has the token is let in, until you shut it out.",
    ),
}


_TOPICS: Final = {Topic.TASK: "tasks", Topic.SERVICE_REQUEST: "requests and orders", Topic.GATE: "gates"}


@dataclass(frozen=True, slots=True)
class SystemRow:
    name: str
    href: str
    way: Badge
    may: str
    used: str


@dataclass(frozen=True, slots=True)
class NewSystemPage:
    form: Form
    kinds: tuple[Choice, ...]
    ways: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class SystemAddedPage:
    """`token` is shown on this page and never again; empty for a system with keys."""

    name: str
    href: str
    token: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class SystemPage:
    name: str
    href: str
    facts: tuple[Fact, ...]
    scopes: tuple[str, ...]
    by_keys: bool
    ways: tuple[Choice, ...]
    form: Form


def system_row(client: ApiClient, clock: Clock, *, silent: bool) -> SystemRow:
    """`silent`: one of its subscriptions cannot be notified."""
    used = _used(client, clock) + (" · cannot be notified" if silent else "")
    return SystemRow(client.name, f"/systems/{client.id}", _way(client), _may(client), used)


def new_page(form: Form) -> NewSystemPage:
    """The form with what was typed."""
    kinds = [_choice(kind.value, *_KINDS[kind], form, "kind") for kind in ClientKind]
    own = _choice("own", "Something else", "The scopes that its makers name.", form, "kind")
    return NewSystemPage(form, (*kinds, own), _ways(form, *_WAYS))


def added_page(made: Registered, base_url: str) -> SystemAddedPage:
    """What its makers have to be told."""
    client = made.client
    facts = [Fact("Address of the API", f"{base_url}/fhir")]
    if client.by_keys:
        facts = [Fact("Client id", client.id), *facts, Fact("Token endpoint", f"{base_url}/fhir/oauth/token")]
    return SystemAddedPage(client.name, f"/systems/{client.id}", made.token or "", tuple(facts))


def system_page(
    client: ApiClient, clock: Clock, form: Form, followed: Iterable[Subscription] = ()
) -> SystemPage:
    """One system as it is now; `followed` are its subscriptions."""
    facts = [
        Fact("Client id", client.id),
        Fact("Signs in with", client.jwks_url or _keys(client)),
        Fact("Last used", _used(client, clock)),
    ]
    if client.created_at is not None:
        facts.append(Fact("Since", clock.moment(client.created_at).text))
    return SystemPage(
        client.name,
        f"/systems/{client.id}",
        (*facts, Fact("Let in as", _may(client)), *(_told(row, clock) for row in followed)),
        client.scopes,
        client.by_keys,
        _ways(form, "url", "keys"),
        form,
    )


def _told(row: Subscription, clock: Clock) -> Fact:
    """A subscription, and what its makers have to do where it has stopped."""
    told = f"{row.delivered} notice{'' if row.delivered == 1 else 's'} accepted"
    text = {
        SubscriptionStatus.REQUESTED: "Its first call has not been made yet",
        SubscriptionStatus.ACTIVE: told if row.tries == 0 else f"{told}; {row.error} It is tried again.",
        SubscriptionStatus.OFF: f"Ended; {told}",
        SubscriptionStatus.ERROR: f"Cannot be notified since {clock.moment(row.changed_at).text}. {row.error}"
        " Its makers have to set the subscription to requested again; nothing is lost until then.",
    }[row.status]
    return Fact(f"Is told of changes: {_TOPICS[row.topic]}", text)


def _ways(form: Form, *ways: str) -> tuple[Choice, ...]:
    return tuple(_choice(way, *_WAYS[way], form, "way") for way in ways)


def _choice(value: str, label: str, detail: str, form: Form, name: str) -> Choice:
    return Choice(value, label, detail, checked=form.value(name) == value)


def _way(client: ApiClient) -> Badge:
    if client.jwks_url is not None:
        return Badge("open", "Keys at its URL", "lock")
    if client.jwks is not None:
        return Badge("open", "Its own keys", "lock")
    return Badge("waiting", "Bearer token", "warning")


def _keys(client: ApiClient) -> str:
    if client.jwks is None:
        return "A bearer token"
    names = [str(key.get("kid")) for key in client.jwks.get("keys", []) if isinstance(key, dict)]
    return f"{'Key' if len(names) == 1 else 'Keys'} {', '.join(names)}"


def _may(client: ApiClient) -> str:
    for kind, (label, _) in _KINDS.items():
        if set(client.scopes) == set(scopes_of(kind)):
            return label
    count = len(client.scopes)
    return f"Its own list of {count} scope{'' if count == 1 else 's'}"


def _used(client: ApiClient, clock: Clock) -> str:
    return clock.moment(client.used_at).text if client.used_at else "Never"
