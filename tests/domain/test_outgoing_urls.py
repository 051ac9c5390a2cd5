"""Which URLs are called, and which addresses behind their names."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from referral.domain.outgoing_urls import (
    Reach,
    Target,
    UnusableUrl,
    check_url,
    is_inside,
    read_networks,
    refuse_address,
)

PUBLIC = Reach()
DEVELOPMENT = Reach(development=True)
SOMEWHERE = Target("https", "hooks.example.org", 443, "https://hooks.example.org/")


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://hooks.example.org/fhir?x=1", "hooks.example.org", 443),
        ("https://HOOKS.example.org:8443/", "hooks.example.org", 8443),
        ("https://8.8.8.8/hook", "8.8.8.8", 443),
        ("https://[2600:1901::1]:9443/hook", "2600:1901::1", 9443),
        ("https://xn--mnchen-3ya.example.org/", "xn--mnchen-3ya.example.org", 443),
    ],
)
def test_a_public_https_address_is_taken(url: str, host: str, port: int) -> None:
    target = check_url(url, PUBLIC)
    assert (target.host, target.port, target.url) == (host, port, url)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://hooks.example.org/", "https"),
        ("http://hooks.example.org:8080/", "https"),
        ("http://127.0.0.1:8080/", "https"),
        ("ftp://hooks.example.org/", "https"),
        ("file:///etc/passwd", "https"),
        ("mailto:someone@hooks.example.org", "https"),
        ("//hooks.example.org/", "https"),
        ("https://", "name"),
        ("https:///path", "name"),
        ("https://user:secret@hooks.example.org/", "user name"),
        ("https://token@hooks.example.org/", "user name"),
        ("https://hooks.example.org@127.0.0.1/", "user name"),
        ("https://hooks.example.org:22/", "port"),
        ("https://hooks.example.org:25/", "port"),
        ("https://hooks.example.org:80/", "port"),
        ("https://hooks.example.org:0/", "port"),
        ("https://hooks.example.org:99999/", "port"),
        ("https://hooks.example.org:x/", "port"),
        ("https://hooks.example.org/#secret", "fragment"),
        ("https://hooks.example.org/#", "fragment"),
        ("https://hooks.example.org/a b", "space"),
        ("https://hooks.example.org/\r\nHost: x", "space"),
        ("https://hooks.example.org\\@127.0.0.1/", "percent-encoded"),
        ("https://hooks。example.org/", "percent-encoded"),
        ("https://hooks.example.org/" + "a" * 1000, "longer"),
        ("https://%31%32%37.0.0.1/", "number"),
        ("https://hooks..example.org/", "name"),
        ("https://hooks.example.org./", "name"),
        ("https://-hooks.example.org/", "name"),
        # Loopback, private, link-local, metadata, in every spelling that some program understands.
        ("https://localhost/", "private"),
        ("https://localhost:8443/", "private"),
        ("https://api.localhost/", "private"),
        ("https://db/", "private"),
        ("https://printer.local/", "private"),
        ("https://metadata.google.internal/", "private"),
        ("https://127.0.0.1/", "public"),
        ("https://127.1.2.3/", "public"),
        ("https://0.0.0.0/", "public"),
        ("https://10.1.2.3/", "public"),
        ("https://100.64.0.1/", "public"),
        ("https://172.16.0.1/", "public"),
        ("https://192.168.1.1/", "public"),
        ("https://169.254.169.254/latest/meta-data", "public"),
        ("https://198.18.0.1/", "public"),
        ("https://224.0.0.1/", "public"),
        ("https://255.255.255.255/", "public"),
        ("https://2130706433/", "number"),
        ("https://0x7f000001/", "number"),
        ("https://0x7f.0.0.1/", "number"),
        ("https://0177.0.0.1/", "number"),
        ("https://127.1/", "number"),
        ("https://127.0.0.01/", "number"),
        ("https://127.0.0.0x1/", "number"),
        ("https://1.2.3.4.5/", "number"),
        ("https://127.0.0.1./", "name"),
        ("https://[::]/", "public"),
        ("https://[::1]/", "public"),
        ("https://[::ffff:127.0.0.1]/", "public"),
        ("https://[::ffff:a9fe:a9fe]/", "public"),
        ("https://[::127.0.0.1]/", "public"),
        ("https://[64:ff9b::10.0.0.1]/", "public"),
        ("https://[64:ff9b:1::1]/", "public"),
        ("https://[2002:7f00:1::]/", "public"),
        ("https://[2001:0:4136:e378::1]/", "public"),
        ("https://[2001:db8::1]/", "public"),
        ("https://[fc00::1]/", "public"),
        ("https://[fd12:3456::1]/", "public"),
        ("https://[fe80::1]/", "public"),
        ("https://[fec0::1]/", "public"),
        ("https://[ff02::1]/", "public"),
        ("https://[fe80::1%25eth0]/", "interface"),
        ("https://[::1/", "URL"),
        ("https://[v1.x]/", ""),
    ],
)
def test_everything_else_is_refused_in_a_sentence(url: str, word: str) -> None:
    with pytest.raises(UnusableUrl) as refused:
        check_url(url, PUBLIC)
    assert word in str(refused.value)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/h", "http://localhost:8080/h", "http://[::1]:8080/h", "https://127.0.0.1:8443/"],
)
def test_development_reaches_loopback(url: str) -> None:
    assert check_url(url, DEVELOPMENT).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1:8080/",
        "http://hooks.example.org:8080/",
        "https://10.0.0.1/",
        "https://db/",
        "http://0.0.0.0:8080/",
    ],
)
def test_development_reaches_nothing_else(url: str) -> None:
    with pytest.raises(UnusableUrl):
        check_url(url, DEVELOPMENT)


def test_networks_are_opened_by_configuration_for_https_alone() -> None:
    reach = Reach(read_networks("10.20.0.0/16, fd00::/8"))
    assert check_url("https://10.20.3.4/", reach).host == "10.20.3.4"
    assert check_url("https://[fd12::1]/", reach).host == "fd12::1"
    assert check_url("https://[::ffff:10.20.3.4]/", reach).host == "::ffff:a14:304"
    for url in ("https://10.21.0.1/", "http://10.20.3.4:8080/", "https://127.0.0.1/", "https://[fe80::1]/"):
        with pytest.raises(UnusableUrl):
            check_url(url, reach)
    with pytest.raises(ValueError, match="host bits"):
        read_networks("10.20.0.1/16")


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1"]
)
def test_a_name_that_leads_inside_is_refused_when_it_is_connected_to(text: str) -> None:
    with pytest.raises(UnusableUrl, match="not public"):
        refuse_address(ip_address(text), SOMEWHERE, PUBLIC)


def test_a_name_that_leads_outside_is_connected_to() -> None:
    refuse_address(ip_address("8.8.8.8"), SOMEWHERE, PUBLIC)
    refuse_address(ip_address("2600:1901::1"), SOMEWHERE, PUBLIC)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
@example(ip_address("::ffff:8.8.8.8"))
@example(ip_address("::ffff:10.0.0.1"))
def test_whatever_python_knows_to_be_private_is_inside(address: object) -> None:
    """Python's own registry is older than ours and knows fewer; nothing it knows may be missing here."""
    known = ip_address(str(address))
    known = getattr(known, "ipv4_mapped", None) or known  # such a one is what it stands for
    if (
        known.is_private
        or known.is_multicast
        or known.is_loopback
        or known.is_link_local
        or known.is_reserved
    ):
        assert is_inside(known)


@given(st.text(max_size=60))
def test_no_text_makes_it_stumble(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}/x", f"https://[{text}]/"):
        try:
            check_url(url, PUBLIC)
        except UnusableUrl:
            continue
