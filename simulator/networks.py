"""Where attempts come from: access providers, carrier NATs, offices, clouds, hosting and bots.

All addresses are fictional: documentation and benchmarking space (RFC 5737, RFC 2544, RFC 3849) and, where more is
needed, reserved 240.0.0.0/4. AS numbers are from the private range of RFC 6996. Nothing here is private or
carrier-grade-NAT space in the sense of RFC 1918 and RFC 6598, which is never blocked.

    240.0.0.0/4        a /11 for each Network      2001:db8::/32   a /40 for each Network
    198.18.0.0/16      carrier NAT, a /24 for each operator
    198.19.0.0/16      offices, one address each   192.0.2.0/24    the mail fetcher
    198.51.100.0/24    the cloud-sync vendor       203.0.113.0/24  monitoring robots, exits of a VPN
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "ACCESS",
    "ACCESS_SHARES",
    "BOTS",
    "HOLIDAY",
    "HOSTING",
    "MOBILE",
    "Network",
    "Source",
    "bot",
    "carrier_nat",
    "cloud",
    "fetcher",
    "home_line",
    "hosting",
    "monitor",
    "neighbour",
    "office",
    "relatives",
    "utc_offset_h",
    "vpn",
]

_HOSTS: Final = 250  #: usable addresses of a /24: .1 to .250
_BLOCKS: Final = 1 << 13  #: /24s of a Network
_SITES: Final = 1 << 8  #: /48s of a Network
_SUBNETS: Final = 0xFFFF  #: /64s of a /48, numbered from 1
_SCATTER: Final = 7919  #: a prime that divides neither _HOSTS nor _BLOCKS: successive slots land in other /24s
_CAMPAIGN_SLOTS: Final = 256 * _HOSTS  #: hosting addresses set apart for one campaign
_SERVER_SPACING: Final = 125  #: slots between two rented servers


class Source(NamedTuple):
    """One client address, with what a geo file would say about it; ``shared``: many accounts use it at once."""

    remote: str
    country: str
    asn: int
    shared: bool = False


class Network(NamedTuple):
    """An address pool with one country and one ASN; ``number`` is its place in the address plan."""

    number: int
    asn: int
    country: str

    def ipv4(self, slot: int) -> Source:
        """The ``slot``-th IPv4 address; neighbouring slots share a /24. Wraps after two million."""
        block, host = divmod(slot % (_HOSTS * _BLOCKS), _HOSTS)
        second = (self.number & 7) << 5 | block >> 8
        return Source(f"{240 + (self.number >> 3)}.{second}.{block & 255}.{host + 1}", self.country, self.asn)

    def ipv6(self, link: int, host: int) -> Source:
        """An address in the ``link``-th /64, 65,535 of them to a /48. Wraps after 16 million."""
        block, subnet = divmod(link % (_SUBNETS * _SITES), _SUBNETS)
        remote = f"2001:db8:{self.number << 8 | block:x}:{subnet + 1:x}::{host % _SUBNETS + 1:x}"
        return Source(remote, self.country, self.asn)


#: Country, ASN and share in percent of the accounts, by access provider: France, overseas France, neighbours.
_ACCESS_TABLE: Final = (
    ("FR", 64512, 34.0),
    ("FR", 64513, 25.0),
    ("FR", 64514, 19.0),
    ("FR", 64515, 15.0),
    ("GP", 64520, 0.9),
    ("MQ", 64520, 0.8),
    ("GF", 64520, 0.4),
    ("RE", 64521, 1.3),
    ("YT", 64521, 0.2),
    ("NC", 64522, 0.2),
    ("PF", 64522, 0.2),
    ("BE", 64530, 0.8),
    ("CH", 64531, 0.5),
    ("DE", 64532, 0.5),
    ("ES", 64533, 0.4),
    ("IT", 64534, 0.3),
    ("LU", 64535, 0.2),
    ("GB", 64536, 0.3),
)
#: Hours to add to UTC for local time in winter.
_UTC_OFFSET_H: Final = {
    "FR": 1, "GP": -4, "MQ": -4, "GF": -3, "RE": 4, "YT": 3, "NC": 11, "PF": -10,
    "BE": 1, "CH": 1, "DE": 1, "ES": 1, "IT": 1, "LU": 1, "GB": 0,
}  # fmt: skip
_SUMMER_TIME: Final = frozenset({"FR", "BE", "CH", "DE", "ES", "IT", "LU", "GB"})

ACCESS: Final = tuple(Network(number, asn, country) for number, (country, asn, _) in enumerate(_ACCESS_TABLE))
ACCESS_SHARES: Final = tuple(share for _, _, share in _ACCESS_TABLE)
MOBILE: Final = tuple(Network(32 + n, 64540 + n, "FR") for n in range(3))
#: Hotels and roaming partners, for owners who travel.
HOLIDAY: Final = tuple(Network(40 + n, 64550 + n, country) for n, country in enumerate(("PT", "MA", "US", "TH", "GR", "CA")))
HOSTING: Final = tuple(Network(48 + n, 64560 + n, country) for n, country in enumerate(("NL", "US", "RO")))
#: Home networks whose infected machines make up botnets; far from every customer, so a takeover from here is foreign.
BOTS: Final = tuple(
    Network(56 + n, 64570 + n, country) for n, country in enumerate(("BR", "VN", "IN", "ID", "TR", "UA", "MX", "PK", "TH", "EG"))
)
_BUSINESS_ASN: Final = 64516
_FETCHER_ASN: Final = 64590
_CLOUD_ASN: Final = 64591
_MONITOR_ASN: Final = 64592
_VPN_ASN: Final = 64593
_CLOUD_HOSTS: Final = 40
_MONITOR_SITES: Final = (("FR", 1), ("DE", 2), ("US", 3))
_VPN_EXITS: Final = 20
_FIRST_VPN_EXIT: Final = 128
#: Slots of an access provider: of every four the first two are a customer's lines, so that nobody's is given twice.
_SLOTS_PER_CUSTOMER: Final = 4
_NEIGHBOUR_SLOT: Final = 2
_RELATIVES_SLOT: Final = 3
_HOME_COUNTRY_PROVIDERS: Final = 4
#: IPv6 links of those who are no customers lie behind the customers'.
_NEIGHBOURS_PER_IPV6: Final = 3
_FIRST_NEIGHBOUR_LINK: Final = 8_000_000
_NEIGHBOUR_LINKS: Final = 11


def utc_offset_h(country: str, *, summer: bool) -> int:
    """Hours to add to UTC for local time in ``country``; ``summer``: daylight saving is on where there is any.

    >>> utc_offset_h("FR", summer=True), utc_offset_h("RE", summer=True)
    (2, 4)
    """
    return _UTC_OFFSET_H[country] + (summer and country in _SUMMER_TIME)


def home_line(access: Network, customer: int, moved: int | None) -> Source:
    """The IPv4 address of a customer's line: his for years, or today's, by how many customers the addresses have ``moved`` on."""
    if moved is None:
        return access.ipv4(customer * _SLOTS_PER_CUSTOMER)
    return access.ipv4((customer + moved) * _SLOTS_PER_CUSTOMER + 1)


def neighbour(number: int) -> Source:
    """A line in France that is no customer's: every third one IPv6, the others in the same /24s as customers' lines."""
    place, provider = divmod(number, _HOME_COUNTRY_PROVIDERS)
    if place % _NEIGHBOURS_PER_IPV6 == 0:
        return ACCESS[provider].ipv6(_FIRST_NEIGHBOUR_LINK + place * _NEIGHBOUR_LINKS, number)
    return ACCESS[provider].ipv4(place * _SLOTS_PER_CUSTOMER + _NEIGHBOUR_SLOT)


def relatives(customer: int) -> Source:
    """The line in France where a customer stays on holiday."""
    place, provider = divmod(customer, _HOME_COUNTRY_PROVIDERS)
    return ACCESS[provider].ipv4(place * _SLOTS_PER_CUSTOMER + _RELATIVES_SLOT)


def carrier_nat(operator: Network, number: int) -> Source:
    """The ``number``-th public address behind which a mobile operator hides its IPv4 customers."""
    return Source(f"198.18.{operator.number}.{number % _HOSTS + 1}", operator.country, operator.asn, shared=True)


def office(number: int) -> Source:
    """The one public address of a company."""
    block, host = divmod(number, _HOSTS)
    return Source(f"198.19.{block & 255}.{host + 1}", "FR", _BUSINESS_ASN, shared=True)


def fetcher(number: int) -> Source:
    """A machine of the mail fetcher: another provider that collects its customers' mail here by POP."""
    return Source(f"192.0.2.{number % _HOSTS + 1}", "US", _FETCHER_ASN, shared=True)


def cloud(customer: int) -> Source:
    """The machine of the cloud-sync vendor that serves a customer."""
    return Source(f"198.51.100.{customer % _CLOUD_HOSTS + 1}", "IE", _CLOUD_ASN, shared=True)


def monitor(number: int) -> Source:
    """The machine of the ``number``-th monitoring site."""
    country, host = _MONITOR_SITES[number % len(_MONITOR_SITES)]
    return Source(f"203.0.113.{host}", country, _MONITOR_ASN)


def vpn(number: int) -> Source:
    """An exit of a commercial VPN that some customers use, and some attackers."""
    return Source(f"203.0.113.{_FIRST_VPN_EXIT + number % _VPN_EXITS}", "NL", _VPN_ASN, shared=True)


def hosting(campaign: int, number: int) -> Source:
    """The ``number``-th rented server of a campaign, two to a /24; up to 1,536 each, no two campaigns share a /24."""
    place = number // len(HOSTING)
    return HOSTING[number % len(HOSTING)].ipv4(campaign * _CAMPAIGN_SLOTS + place * _SERVER_SPACING)


def bot(campaign: int, number: int) -> Source:
    """The ``number``-th infected machine of a campaign, each in another /24 as far as there are enough."""
    return BOTS[number % len(BOTS)].ipv4(campaign * _CAMPAIGN_SLOTS + number // len(BOTS) * _SCATTER)
