"""Where this service may be sent by a URL that somebody else gave it: never to the inside of a network.

An address is looked at twice: as it is written, when it is accepted, and as what its name resolves to at the
moment of connecting, because a name may lead elsewhere by then (DNS rebinding).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_LENGTH: Final = 1000
_HTTPS: Final = "It has to start with https://."
# Ports below are those of mail, name and file servers; of them only the one that https has is of use.
_PORTS: Final = {"https": 443, "http": 80}
_FIRST_FREE_PORT: Final = 1024
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What browsers and resolvers read as a number: 2130706433, 0x7f.1, 0177.0.0.1 (WHATWG: "ends in a number").
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that never leave the machine or its network (RFC 6761, 6762, 8375, 9476, ICANN's .internal).
_LOCAL_NAMES: Final = ("localhost", "local", "localdomain", "internal", "home.arpa", "alt", "onion", "lan")
# IANA's special-purpose registries (RFC 6890), and what leads into them by translation.
_RESERVED_4: Final = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
            *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            *("224.0.0.0/4", "240.0.0.0/4"),
        ),
    )
)
# Of IPv6 only global unicast is reached at all; of that not Teredo and its neighbours, examples and 6to4.
_GLOBAL_6: Final = IPv6Network("2000::/3")
_RESERVED_6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)


class UnusableUrl(ValueError):
    """The sentence says what is wrong with it and is meant for whoever gave the URL."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached beside the public internet: networks by configuration, in development loopback.

    Plain http is possible in development, to loopback only.
    """

    networks: tuple[Network, ...] = ()
    development: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that was looked at. `host` is a name in lower case or an address without brackets."""

    scheme: str
    host: str
    port: int
    url: str

    @property
    def address(self) -> Address | None:
        """The address where the URL names one itself."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks with commas between them, such as `10.20.0.0/16, fd00::/8`; raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def check_url(url: str, reach: Reach) -> Target:
    """The URL taken apart; raises UnusableUrl. A name is not looked up here: see refuse_address()."""
    target = _read(url)
    if target.address is not None:
        refuse_address(target.address, target, reach)
    elif _is_local(target.host):
        if not (reach.development and target.host == "localhost"):
            raise UnusableUrl("Its host is a name of a private network.")
    elif target.scheme != "https":
        raise UnusableUrl(_HTTPS)
    return target


def _read(url: str) -> Target:
    if len(url) > MAX_LENGTH:
        raise UnusableUrl(f"It is longer than {MAX_LENGTH} characters.")
    if not url.isascii() or any(character <= " " or character in '\x7f\\"<>^`{|}' for character in url):
        raise UnusableUrl("It holds a space, a control character or one that has to be percent-encoded.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnusableUrl("It is no URL with a host and a port.") from None
    if parts.scheme not in _PORTS:
        raise UnusableUrl(_HTTPS)
    if parts.fragment or url.endswith("#"):
        raise UnusableUrl("It must have no fragment (#…): that is never sent.")
    if "@" in parts.netloc:
        raise UnusableUrl("It must not carry a user name or password; use a header for a secret.")
    target = Target(parts.scheme, _host(parts), _PORTS[parts.scheme] if port is None else port, url)
    if target.port != _PORTS["https"] and target.port < _FIRST_FREE_PORT:
        raise UnusableUrl(f"{_HTTPS} Its port has to be 443, or from {_FIRST_FREE_PORT} on.")
    return target


def _host(parts: SplitResult) -> str:
    """Raises UnusableUrl for hosts that different programs read differently."""
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        if "%" in host:
            raise UnusableUrl("Its address must not name a network interface (%…).")
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise UnusableUrl("Its host is no IPv6 address.") from None
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError:
            text = "Its host is a number that is no address of four decimal numbers, such as 203.0.113.7."
            raise UnusableUrl(text) from None
    if not host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UnusableUrl("Its host is no name of letters, digits, hyphens and dots.")
    return host


def _is_local(host: str) -> bool:
    """Names without a dot too: they are looked up in the network's own domain."""
    return "." not in host or host.endswith(tuple(f".{name}" for name in _LOCAL_NAMES))


def refuse_address(address: Address, target: Target, reach: Reach) -> None:
    """Raises UnusableUrl where this address must not be connected to for the target's URL."""
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    if target.scheme == "http":
        if not (reach.development and plain.is_loopback):
            raise UnusableUrl(_HTTPS)
        return
    if reach.development and plain.is_loopback:
        return
    if any(plain.version == network.version and plain in network for network in reach.networks):
        return
    if is_inside(plain):
        raise UnusableUrl(
            "Its host has an address that is not public; private networks have to be allowed by the operator."
        )


def is_inside(address: Address) -> bool:
    """Whether it is private, local, reserved, a translation of something else, or no single host."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _RESERVED_4)
    if address.ipv4_mapped is not None:
        return is_inside(address.ipv4_mapped)
    return address not in _GLOBAL_6 or any(address in network for network in _RESERVED_6)
