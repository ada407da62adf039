"""What the operator lets the service decide by itself: a TOML file, never guessed at, or what was put in force in its place.

Without a file every decision is ``shadow``: written down, never served (contract section 4). Whatever the file says, the
addresses of :data:`NEVER_BLOCK` and ranges wider than :data:`WIDEST_PREFIX` are never blocked.
"""

from __future__ import annotations

import hmac
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from models.alerts import Kind
from models.errors import InputError
from models.toml_errors import line_of_error

__all__ = ["NEVER_BLOCK", "WIDEST_PREFIX", "Budget", "Enforce", "Limits", "Mode", "Policy", "Ramp", "Scope", "network_of"]

Scope = Literal[
    "account_ip",
    "ip",
    "range",
    "account",
    "account_device",
    "range_device",
    "asn_device",
    "device",
    "account_protocol",
    "asn",
    "country",
    "protocol",
]
Mode = Literal["enforce", "shadow", "proposed"]

#: Loopback, private (RFC 1918, RFC 4193), carrier NAT (RFC 6598), link-local, multicast and unspecified addresses. The
#: documentation ranges are left out: simulated attackers live there.
NEVER_BLOCK: Final = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/127",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
)
#: Shortest prefix that may be blocked, by IP version.
WIDEST_PREFIX: Final = {4: 16, 6: 32}

Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]
_ALL: Final = 100
Percent = Annotated[int, msgspec.Meta(ge=0, le=_ALL)]


def _means(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class Enforce(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision is enforced where both its alert kind and its scope are named; empty enforces nothing.

    Where ``share_percent`` names the two, only on that share of the values: the others stay in shadow. A hash of the value, keyed
    with ``share_key``, says which: the same address stays in or out, and a greater share has the same and more.
    """

    kinds: frozenset[Kind] = frozenset()
    scopes: frozenset[Scope] = frozenset()
    share_percent: Annotated[
        dict[Kind, dict[Scope, Percent]], _means("On what part of the values, by alert kind and scope; 100 where nothing is said.")
    ] = {}
    share_key: Annotated[
        str, msgspec.Meta(max_length=64, description="Own to the site, so that nobody else can tell who is in a share.")
    ] = ""

    def share(self, kind: Kind, scope: Scope) -> int:
        """On what percent of the values decisions of ``kind`` on ``scope`` are enforced.

        >>> enforce = Enforce(kinds={"login_flood"}, scopes={"ip", "range"}, share_percent={"login_flood": {"ip": 10}})
        >>> [enforce.share(kind, scope) for kind in ("login_flood", "brute_force") for scope in ("ip", "range")]
        [10, 100, 0, 0]
        """
        return self.share_percent.get(kind, {}).get(scope, _ALL) if kind in self.kinds and scope in self.scopes else 0

    def has_in_share(self, kind: Kind, scope: Scope, value: str) -> bool:
        """Whether ``value`` is in the share of ``kind`` on ``scope``, where the two are named."""
        share = self.share_percent.get(kind, {}).get(scope, _ALL)
        if share in {0, _ALL}:
            return share == _ALL
        drawn = hmac.digest(self.share_key.encode(), value.encode("utf-8", "surrogatepass"), "sha256")
        return int.from_bytes(drawn[:8]) * _ALL < share << 64


class Ramp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a cut is opened again: each wave of accounts by ``shares_percent`` one after the other, each for ``wait_s`` at least.

    It goes one share back once, within ``wait_s``, more than ``max_entered`` accounts were newly entered, alerts named more than
    ``max_tries`` tries, or the servers behind took longer than ``max_latency_ms``; without the last, latency is not watched.

    Raises:
        ValueError: The shares do not rise to 100.
    """

    shares_percent: tuple[Positive, ...] = (1, 10, 50, 100)
    wait_s: Positive = 900
    max_entered: NotNegative = 2
    max_tries: NotNegative = 1000
    max_latency_ms: Positive | None = None

    def __post_init__(self) -> None:
        if self.shares_percent[-1:] != (100,) or sorted(set(self.shares_percent)) != list(self.shares_percent):
            raise ValueError("shares_percent rises from share to share and ends with 100")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many legitimate accounts all enforced decisions and verdicts together may touch, at the high end of what is known."""

    hour: NotNegative
    day: NotNegative


class Budget(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for everybody, by default 0.02 % of a million accounts a day; for groups, realms and access providers by AS number.

    >>> budget = Budget(by_realm={"example.org": Limits(hour=1, day=2)}, by_asn={"64500": Limits(hour=3, day=4)})
    >>> [part for part in budget.parts()], budget.parts_of("anne@example.org", (), 64501)
    (['', 'realm:example.org', 'asn:64500'], ['realm:example.org'])
    """

    hour: NotNegative = 100
    day: NotNegative = 200
    by_group: dict[str, Limits] = {}
    by_realm: dict[str, Limits] = {}
    by_asn: dict[str, Limits] = {}

    def parts(self) -> dict[str, Limits]:
        """All budgets by name: "" is everybody's, a group's is the group."""
        realms, providers = ((f"{kind}:", of) for kind, of in (("realm", self.by_realm), ("asn", self.by_asn)))
        named = {prefix + name: limits for prefix, of in (realms, providers) for name, limits in of.items()}
        return {"": self, **self.by_group, **named}

    def parts_of(self, account: str, groups: Iterable[str], asn: int) -> list[str]:
        """The names of the budgets, beside everybody's, that ``account`` is in when it comes from ``asn``."""
        mine = [group for group in groups if group in self.by_group]
        if self.by_realm and (realm := account.rpartition("@")[2]) in self.by_realm:
            mine.append(f"realm:{realm}")
        if self.by_asn and str(asn) in self.by_asn:
            mine.append(f"asn:{asn}")
        return mine


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of deciding; what each field means is said with it, and in the JSON Schema beside the example for operators.

    >>> Policy.default().mode("login_flood", "ip", "192.0.2.7")
    'shadow'
    >>> Policy.enforcing().mode("login_flood", "ip", "192.0.2.7")
    'enforce'
    """

    version: Annotated[
        str, msgspec.Meta(min_length=1, max_length=128, description="Names the policy in every decision: change it with the file.")
    ]
    enforce: Annotated[Enforce, _means("What is enforced; everything else is decided in shadow.")] = Enforce()
    enforce_delay_s: Annotated[
        int, msgspec.Meta(ge=0, description="From alert to start of a decision: what a polling bouncer needs to fetch it.")
    ] = 10
    default_duration_s: Annotated[
        int, msgspec.Meta(ge=1, description="How long a decision holds, before jitter, where duration_s says nothing.")
    ] = 4 * 3600
    duration_s: Annotated[dict[Kind, dict[Scope, Positive]], _means("How long it holds, by alert kind and scope.")] = {}
    never_block: Annotated[
        tuple[str, ...],
        _means("Own prefixes, trusted proxies, partners; beside private, loopback and carrier-NAT ranges, which always are."),
    ] = ()
    protected_groups: Annotated[
        frozenset[str], _means("Accounts of these groups are met by pairs of account and address alone.")
    ] = frozenset()
    max_legit_accounts: Annotated[
        int, msgspec.Meta(ge=0, description="A decision that may touch more legitimate accounts is only proposed.")
    ] = 3
    max_evidence_age_s: Annotated[
        int, msgspec.Meta(ge=1, description="An alert that is older when it is processed only proposes.")
    ] = 300
    budget: Annotated[
        Budget,
        _means("Legitimate accounts that all enforced decisions and verdicts together may touch; over it the breaker opens."),
    ] = Budget()
    reopening: Annotated[Ramp, _means("How what a person cut widely is opened again.")] = Ramp()
    verdict_protocols: Annotated[
        frozenset[str], _means("Attempts over these are judged one by one while a campaign runs, if enforce names campaign.")
    ] = frozenset({"imap", "pop3", "smtp", "sieve"})
    verdict_min_odds: Annotated[
        float,
        msgspec.Meta(ge=1.0, description="Refused is what is more than so many times as likely the campaign's as its owner's."),
    ] = 5.0
    verdict_action: Annotated[
        Literal["refuse", "tarpit"], _means("What becomes of it: refused, or held up for tarpit_s and let in then.")
    ] = "refuse"
    tarpit_s: Annotated[int, msgspec.Meta(ge=1, le=30, description="How long a tarpit holds an attempt up.")] = 10
    max_tarpits: Annotated[
        int,
        msgspec.Meta(ge=0, description="Held up at a time at each gate; the others are let in at once."),
    ] = 100

    def __post_init__(self) -> None:
        for text in self.never_block:
            try:
                ip_network(text)
            except ValueError as error:
                raise ValueError(f"never_block: {error}") from None

    @classmethod
    def default(cls) -> Policy:
        """What a live service does without a policy file: decide everything in shadow."""
        return cls(version="default-shadow")

    @classmethod
    def enforcing(cls) -> Policy:
        """The shipped enforcing policy, used by ``demo`` and ``replay`` where none is given."""
        return cls.parse(files("models").joinpath("policies/enforce.toml").read_bytes(), where="policies/enforce.toml")

    @classmethod
    def load(cls, path: Path) -> Policy:
        """The policy in the TOML file at ``path``.

        Raises:
            InputError: The file cannot be read, is not TOML, or has an unknown key or a wrong value.
        """
        try:
            return cls.parse(path.read_bytes(), where=str(path))
        except OSError as error:
            raise InputError(
                f"cannot read the policy: {error.strerror}", where=str(path), hint="give a readable TOML file to --policy"
            ) from None

    @classmethod
    def parse(cls, toml: bytes, *, where: str) -> Policy:
        """The policy written in ``toml``; ``where`` names its file in errors.

        Raises:
            InputError: Not TOML, an unknown key or a wrong value.
        """
        try:
            return msgspec.toml.decode(toml, type=cls)
        except UnicodeDecodeError as error:
            line, wrong = toml[: error.start].count(b"\n") + 1, str(error)
        except msgspec.DecodeError as error:
            line, wrong = line_of_error(toml.decode(), cls), str(error)
        raise InputError(f"not a valid policy: {wrong}", where=f"{where}:{line}", hint="compare it with deploy/policy/example.toml")

    @classmethod
    def schema(cls) -> bytes:
        """The JSON Schema (2020-12) of the file, for editors and checks; it is published as deploy/policy/policy.schema.json."""
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(cls)}
        for field in schema["$defs"][cls.__name__]["properties"].values():
            if isinstance(field.get("default"), list):
                field["default"].sort()  # of sets
        return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"

    def mode(self, kind: Kind, scope: Scope, value: str) -> Mode:
        """How far a decision of ``kind`` on a scope's value may go by itself."""
        enforce = self.enforce
        named = kind in enforce.kinds and scope in enforce.scopes
        return "enforce" if named and enforce.has_in_share(kind, scope, value) else "shadow"

    def duration(self, kind: Kind, scope: Scope) -> int:
        """Seconds that a decision of ``kind`` on ``scope`` holds, before jitter."""
        return self.duration_s.get(kind, {}).get(scope, self.default_duration_s)

    def may_block(self, address: str) -> bool:
        """Whether ``address`` (an IP address or a CIDR range) is outside the never-block set and not too wide.

        >>> [Policy.default().may_block(a) for a in ("203.0.113.7", "10.1.2.3", "0.0.0.0/0")]
        [True, False, False]
        """
        span = _span_of(address)
        if span.prefix < WIDEST_PREFIX[span.version]:
            return False
        starts, ends = _never_spans(self.never_block)[span.version]
        at = bisect_right(starts, span.last) - 1  # the last range that begins before the address ends
        return at < 0 or ends[at] < span.first


@lru_cache(maxsize=1 << 16)
def network_of(text: str) -> IPv4Network | IPv6Network:
    """``text`` (an address or a CIDR range) as a network.

    Raises:
        ValueError: It is neither.
    """
    return ip_network(text, strict=False)


class _Span(NamedTuple):
    """An address or a range as numbers; ``last`` is part of it."""

    version: int
    first: int
    last: int
    prefix: int


def _span_of(text: str) -> _Span:
    """``text`` (an address or a CIDR range) as numbers, ten times as fast as :mod:`ipaddress`, which reads what is unusual.

    Raises:
        ValueError: It is neither.
    """
    address, slash, length = text.partition("/")
    version, bits, family = (6, 128, AF_INET6) if ":" in address else (4, 32, AF_INET)
    try:
        packed = inet_pton(family, address)
    except OSError:
        packed = b""
    prefix = bits if not slash else int(length) if length.isdecimal() and length.isascii() else -1
    if not packed or not 0 <= prefix <= bits:
        network = network_of(text)
        return _Span(network.version, int(network.network_address), int(network.broadcast_address), network.prefixlen)
    rest = (1 << bits - prefix) - 1
    last = int.from_bytes(packed) | rest
    return _Span(version, last ^ rest, last, prefix)


@lru_cache(maxsize=64)
def _never_spans(never_block: tuple[str, ...]) -> dict[int, tuple[list[int], list[int]]]:
    """First and last numbers of the ranges never to block, by version of IP; in order, and none in another: networks nest."""
    spans: dict[int, tuple[list[int], list[int]]] = {4: ([], []), 6: ([], [])}
    for span in sorted(map(_span_of, (*NEVER_BLOCK, *never_block)), key=lambda span: (span.first, -span.last)):
        starts, ends = spans[span.version]
        if not ends or span.first > ends[-1]:
            starts.append(span.first)
            ends.append(span.last)
    return spans
