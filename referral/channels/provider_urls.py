"""Accounts with providers of SMS and fax, each written as one address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from referral.channels.base import UnusableAddress
from referral.channels.numbers import e164

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
TWILIO: Final = "twilio+https://SID:TOKEN@api.twilio.com?from=%2B15550100"
SINCH: Final = "sinch+https://KEY:SECRET@fax.api.sinch.com/v3/projects/ID?secret=…"
# What may stand after the question mark, by the kind of provider.
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "twilio": frozenset({"from", "service", "account", "secret", "idempotent"}),
    "sinch": frozenset({"from", "header", "secret", "signed", "idempotent"}),
}
_SWITCHES: Final = {"yes": True, "no": False}
_SHORTEST_SECRET: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`base` has no slash at its end."""

    base: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    """`kind` is the shape that its API has; `secret` is what its webhooks are checked with, "" for none.

    `is_plain`: without encryption, to a provider on this machine.
    """

    kind: str
    account: Account
    is_plain: bool
    secret: str = field(repr=False, default="")
    options: Mapping[str, str] = field(default_factory=dict)

    def switch(self, name: str, default: bool) -> bool:
        return _SWITCHES.get(self.options.get(name, ""), default)


def read_sms_url(text: str) -> ProviderAccount:
    """Raises ValueError with a sentence that does not repeat the address, which holds a secret."""
    read = _read(text, "twilio", TWILIO)
    if ("from" in read.options) == ("service" in read.options):
        raise ValueError("must name who sends: ?from=%2B15550100 or ?service=MG…, and not both")
    if not read.options.get("service", "MG").startswith("MG"):
        raise ValueError("has a service that is no messaging service: its id begins with MG")
    return read


def read_fax_url(text: str) -> ProviderAccount:
    """As read_sms_url(). Without a secret nobody who calls is believed: the provider is asked instead."""
    read = _read(text, "sinch", SINCH)
    if not urlsplit(read.account.base).path.startswith("/v3/projects/"):
        raise ValueError(f"must have the project in its path: {SINCH}")
    if len(read.options.get("header", "")) > 50:
        raise ValueError("has a header of more than 50 characters, which is what fits on a page")
    return read


def _read(text: str, kind: str, example: str) -> ProviderAccount:
    parts, port = _parts(text, example)
    given, _, transport = parts.scheme.partition("+")
    if given != kind or transport not in ("https", "http") or not parts.hostname:
        raise ValueError(f"must look like {example}")
    if not parts.username or not parts.password:
        raise ValueError(f"must have the account's name and secret before the @: {example}")
    if transport == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError(f"must use {kind}+https; http is for a provider on this machine only")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _check_options(options, kind)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    base = f"{transport}://{host}{port}{parts.path.rstrip('/')}"
    user, password = unquote(parts.username), unquote(parts.password)
    # Twilio signs with the token of the account, which is its password as well.
    secret = options.pop("secret", password if kind == "twilio" else "")
    account = Account(base=base, user=user, password=password)
    return ProviderAccount(
        kind=kind, account=account, is_plain=transport == "http", secret=secret, options=options
    )


def _parts(text: str, example: str) -> tuple[SplitResult, str]:
    """(the parts, the port as it is written or "")."""
    try:
        parts = urlsplit(text)
        return parts, f":{parts.port}" if parts.port else ""
    except ValueError:
        raise ValueError(f"must look like {example}") from None


def _check_options(options: dict[str, str], kind: str) -> None:
    if unknown := sorted(set(options) - _OPTIONS[kind]):
        known = ", ".join(sorted(_OPTIONS[kind]))
        raise ValueError(f"has options that are not known ({', '.join(unknown)}); there are {known}")
    if any(not value.isprintable() or not value for value in options.values()):
        raise ValueError("has an option that is empty or holds a control character")
    for name in ("signed", "idempotent"):
        if options.get(name, "yes") not in _SWITCHES:
            raise ValueError(f"must say yes or no for {name}")
    if len(options.get("secret", "x" * _SHORTEST_SECRET)) < _SHORTEST_SECRET:
        raise ValueError(f"has a secret of fewer than {_SHORTEST_SECRET} characters, which can be guessed")
    if "from" in options:
        try:
            options["from"] = e164(options["from"])
        except UnusableAddress:
            raise ValueError("has a number after from= that cannot be dialled (+ is written %2B)") from None
