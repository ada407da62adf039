"""Addresses: one text form each, and the units that are counted and blocked."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis.strategies import ip_addresses, lists, text

from models.addresses import Proxies, locate, normalise


@given(ip_addresses(v=4))
def test_ipv4_is_counted_by_address_in_its_24(address: object) -> None:
    """An IPv4 address is its own source and its network is the /24."""
    text = str(address)
    assert locate(text) == (text, str(ip_network(f"{text}/24", strict=False)))


@given(ip_addresses(v=6))
def test_ipv6_is_counted_by_64_in_its_48(address: object) -> None:
    """An IPv6 address is counted as its /64 in its /48, unless it is a mapped IPv4 address."""
    text = str(address)
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is None:
        source = locate(text)
        assert ip_network(source.address) == ip_network(f"{text}/64", strict=False)
        assert ip_network(source.network) == ip_network(f"{text}/48", strict=False)
    else:
        assert locate(text).address == str(mapped)


@given(ip_addresses())
def test_normal_form_is_stable_and_the_same_address(address: object) -> None:
    """Normalising keeps the address and does nothing the second time."""
    once = normalise(str(address))
    assert normalise(once) == once
    assert ip_address(once) == (getattr(address, "ipv4_mapped", None) or address)


def test_mapped_addresses_share_the_ipv4_source() -> None:
    """However an IPv4-mapped address is written, it is the IPv4 address."""
    forms = ["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:c000:207", "0:0:0:0:0:ffff:192.0.2.7", "::ffff:192.0.2.7%eth0"]
    assert {locate(form) for form in forms} == {("192.0.2.7", "192.0.2.0/24")}


NO_ADDRESSES = [
    *["", " ", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "1.2.3.4:25", "1.2.3.4\0"],
    *["[::1]", ":::", "1::2::3", "::%" + "x" * 80, "\u0661.2.3.4", "\ud800:"],
]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_other_text_is_no_address(text: str) -> None:
    """Names, ports, brackets, spaces and foreign digits are refused."""
    with pytest.raises(ValueError, match=r"address|null|surrogates"):
        locate(text)


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.9"], "203.0.113.5"),
        ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["198.51.100.9", "192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["198.51.100.9", "192.0.2.7", "2001:db8:ffff::9", "127.0.0.1"], "192.0.2.7"),
        ("10.0.0.1", [' "[2001:db8::7]:4711"'], "2001:db8::7"),
        ("10.0.0.1", ["::ffff:192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7:4711"], "192.0.2.7"),
        ("10.0.0.1", [], None),
        ("10.0.0.1", ["10.0.0.2"], None),
        ("10.0.0.1", ["192.0.2.7", "unknown"], None),
        ("10.0.0.1", ["192.0.2.7", ""], None),
        ("127.0.0.1", [], None),
        ("::1", [], None),
        ("0.0.0.0", [], None),
    ],
)
def test_the_client_is_the_first_hop_that_is_not_ours(remote: str, forwarded: list[str], client: str | None) -> None:
    """Hops are walked from our side; what a stranger claims beyond himself is ignored."""
    assert Proxies(["10.0.0.0/8", "2001:db8:ffff::/48"]).client(remote, forwarded) == client


def test_only_loopback_is_trusted_by_default() -> None:
    """Without a setting no address is anybody's proxy but our own machine."""
    assert Proxies().client("10.0.0.1", ["192.0.2.7"]) == "10.0.0.1"
    assert Proxies().client("127.0.0.1", ["192.0.2.7"]) == "192.0.2.7"


@given(ip_addresses(), lists(ip_addresses().map(str) | text(max_size=40), max_size=5))
def test_a_stranger_is_always_the_client(address: object, claims: list[str]) -> None:
    """Whatever stands in the header, somebody who is not trusted is counted himself."""
    stranger = normalise(str(address))
    assume(Proxies().client(stranger) is not None)
    assert Proxies(["10.0.0.0/8"]).client("10.0.0.1", [*claims, stranger]) in {stranger, None}
    assert Proxies().client(stranger, claims) == stranger


@given(text(max_size=300))
def test_any_text_may_stand_for_a_hop(hop: str) -> None:
    """What is no address ends the walk and raises nothing."""
    client = Proxies(["10.0.0.0/8"]).client("10.0.0.1", [hop])
    assert client is None or normalise(client) == client


def test_what_is_no_network_is_no_proxy() -> None:
    """A wrong setting is an error."""
    with pytest.raises(ValueError, match=r"10\.0\.0\.300"):
        Proxies(["10.0.0.300"])
