"""The address plan."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from models.addresses import locate, normalise
from simulator.networks import (
    ACCESS,
    BOTS,
    HOLIDAY,
    HOSTING,
    MOBILE,
    bot,
    carrier_nat,
    cloud,
    fetcher,
    home_line,
    hosting,
    monitor,
    neighbour,
    office,
    relatives,
    utc_offset_h,
    vpn,
)
from simulator.provider import Provider
from simulator.timeline import Step

_NEVER_BLOCKED = [ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")]
_FICTIONAL = [
    ip_network(text)
    for text in ("240.0.0.0/4", "198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
_MOST_SLOTS = 2_048_000


def test_all_addresses_are_fictional_and_may_be_blocked(demo: list[Step]) -> None:
    """Nothing comes from private or shared space, nor from an address that somebody could own."""
    for address in {ip_address(event.remote) for event, _ in demo}:
        assert any(address in network for network in _FICTIONAL)
        assert not any(address in network for network in _NEVER_BLOCKED)


def test_addresses_are_written_in_the_normal_form(demo: list[Step]) -> None:
    """Reading an event does not rewrite its address."""
    assert all(normalise(event.remote) == event.remote for event, _ in demo)


def test_pools_do_not_overlap() -> None:
    """First and last address of every pool lie in order, IPv4 and IPv6."""
    pools = (*ACCESS, *MOBILE, *HOLIDAY, *HOSTING, *BOTS)
    ends = [int(ip_address(pool.ipv4(slot).remote)) for pool in pools for slot in (0, _MOST_SLOTS - 1)]
    assert ends == sorted(set(ends))
    assert ends[-1] < int(ip_address("255.0.0.0"))
    sites = [locate(pool.ipv6(link, 0).remote).network for pool in pools for link in (0, 0xFFFF)]
    assert len(set(sites)) == len(sites)


def test_pools_start_again_when_they_are_used_up() -> None:
    """There are two million IPv4 addresses and sixteen million IPv6 links in a pool."""
    assert ACCESS[3].ipv4(_MOST_SLOTS) == ACCESS[3].ipv4(0)
    assert ACCESS[3].ipv6(256 * 0xFFFF, 0) == ACCESS[3].ipv6(0, 0)


def test_rented_servers_of_campaigns_never_share_a_network() -> None:
    """Two campaigns can be told apart by /24."""
    networks = [{locate(hosting(campaign, number).remote).network for number in range(200)} for campaign in range(20)]
    assert len(set().union(*networks)) == sum(map(len, networks))


def test_bots_are_scattered() -> None:
    """Ten thousand bots have ten thousand addresses, nearly each in its own /24."""
    bots = [bot(1, number).remote for number in range(10_000)]
    assert len(set(bots)) == len(bots)
    assert len({locate(remote).network for remote in bots}) > 0.9 * len(bots)


def test_shared_addresses_are_marked() -> None:
    """A carrier NAT, an office, the fetcher, a cloud and a VPN stand for many accounts; a line at home and a robot do not."""
    assert carrier_nat(MOBILE[0], 0).shared
    assert office(0).shared
    assert fetcher(0).shared
    assert cloud(0).shared
    assert vpn(0).shared
    assert not monitor(0).shared
    assert not ACCESS[0].ipv4(0).shared


def test_the_incident_uses_fictional_addresses_only(laposte: list[Step]) -> None:
    """The clouds, the robots and the VPN too; and every address is written in the normal form."""
    remotes = {event.remote for event, _ in laposte}
    for address in map(ip_address, remotes):
        assert any(address in network for network in _FICTIONAL)
        assert not any(address in network for network in _NEVER_BLOCKED)
    assert all(normalise(remote) == remote for remote in remotes)


def test_nobodys_line_is_given_twice() -> None:
    """Customers, their relatives and the neighbours whom a proxy seller sells never have one address, on any day."""
    lines: dict[str, set[str]] = {
        "static": {home_line(ACCESS[0], customer, None).remote for customer in range(5000)},
        "daily": {home_line(ACCESS[0], customer, 7919 * 19_000).remote for customer in range(5000)},
        "relatives": {relatives(customer).remote for customer in range(5000)},
        "neighbours": {neighbour(number).remote for number in range(5000)},
        "ipv6": {account.home(0.0).remote for account in Provider(1, 5000).accounts if account.line == "ipv6"},
    }
    assert sum(map(len, lines.values())) == len(set().union(*lines.values()))
    assert 0.3 < sum(":" in remote for remote in lines["neighbours"]) / 5000 < 0.36


def test_summer_time_moves_europe_only() -> None:
    """An hour there, nothing overseas."""
    assert utc_offset_h("FR", summer=True) - utc_offset_h("FR", summer=False) == 1
    assert utc_offset_h("GP", summer=True) == utc_offset_h("GP", summer=False) == -4
