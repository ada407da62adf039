"""The policy file: shadow by default, never-block set, and clear errors."""

from __future__ import annotations

import json
import tomllib
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InputError
from models.policy import NEVER_BLOCK, Policy, Scope


def test_default_policy_enforces_nothing() -> None:
    """Without a policy file every kind and scope is in shadow."""
    assert Policy.default().mode("credential_stuffing", "ip", "203.0.113.7") == "shadow"


def test_enforcement_needs_kind_and_scope() -> None:
    """A decision is enforced only where both its kind and its scope are named."""
    policy = Policy.parse(b'version = "1"\n[enforce]\nkinds = ["password_spray"]\nscopes = ["ip"]', where="p.toml")
    assert policy.mode("password_spray", "ip", "203.0.113.7") == "enforce"
    assert policy.mode("password_spray", "range", "203.0.113.7") == "shadow"
    assert policy.mode("brute_force", "ip", "203.0.113.7") == "shadow"


SHARED = """version = "1"
[enforce]
kinds = ["password_spray"]
scopes = ["ip", "range"]
share_percent.password_spray.ip = %d
"""


def enforced(percent: int, scope: Scope = "ip", key: str = "") -> set[int]:
    """Of 20,000 addresses those that a share enforces."""
    policy = Policy.parse((SHARED % percent + f'share_key = "{key}"').encode(), where="p.toml")
    return {n for n in range(20_000) if policy.mode("password_spray", scope, f"203.{n >> 8}.{n & 255}.7") == "enforce"}


def test_a_share_enforces_some_and_a_greater_one_the_same_and_more() -> None:
    """1 in 10 in 100 %, each of about its size; what no share names is enforced whole."""
    shares = [enforced(percent) for percent in (0, 1, 10, 100)]
    assert all(less < more for less, more in pairwise(shares))
    assert [len(share) for share in shares] == [0, pytest.approx(200, abs=60), pytest.approx(2000, abs=180), 20_000]
    assert len(enforced(1, "range")) == 20_000
    assert enforced(10) == enforced(10) != enforced(10, key="ours")


def test_a_share_is_a_percentage() -> None:
    """From 0 to 100."""
    with pytest.raises(InputError, match=r"^p\.toml:5: .*share_percent"):
        Policy.parse((SHARED % 101).encode(), where="p.toml")


def test_shipped_policy_enforces_every_automatic_scope_of_a_source() -> None:
    """The shipped enforcing policy acts on sources and pairs for the kinds that may block."""
    policy = Policy.enforcing()
    assert {policy.mode("credential_stuffing", scope, "203.0.113.7") for scope in ("account_ip", "ip", "range", "account")} == {
        "enforce"
    }
    assert policy.mode("token_failure", "ip", "203.0.113.7") == "shadow"


def test_example_file_is_a_valid_shadow_policy() -> None:
    """The example for operators loads, and begins in shadow."""
    policy = Policy.load(Path(__file__).parents[2] / "deploy" / "policy" / "example.toml")
    assert policy.mode("password_spray", "ip", "203.0.113.7") == "shadow"


def test_duration_is_by_kind_and_scope() -> None:
    """A duration given for one kind and scope leaves the others at the default."""
    policy = Policy.parse(b'version = "1"\n[duration_s.login_flood]\nip = 60', where="p.toml")
    assert policy.duration("login_flood", "ip") == 60
    assert policy.duration("login_flood", "range") == policy.default_duration_s


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.20.30.40",
        "172.31.0.1",
        "192.168.1.0/24",
        "100.64.0.1",
        "169.254.1.1",
        "224.0.0.1",
        "::1/128",
        "::/64",
        "fe80::/64",
        "fd00:1:2:3::/64",
        "ff02::/64",
        "0.0.0.0/0",
        "203.0.0.0/15",
        "2001:db8::/31",
    ],
)
def test_private_and_wide_ranges_are_never_blocked(address: str) -> None:
    """Private space, carrier NAT, loopback and whatever overlaps them or is too wide cannot be blocked."""
    assert not Policy.enforcing().may_block(address)


@pytest.mark.parametrize("address", ["203.0.113.7", "198.51.100.0/24", "2001:db8:1:2::/64", "2001:db8:1::/48"])
def test_other_addresses_may_be_blocked(address: str) -> None:
    """Ordinary addresses, the documentation ranges among them, may be blocked."""
    assert Policy.enforcing().may_block(address)


def test_never_block_adds_own_prefixes() -> None:
    """A range that overlaps an own prefix is not blocked either."""
    policy = Policy(version="1", never_block=("203.0.113.7/32",))
    assert not policy.may_block("203.0.113.0/24")
    assert policy.may_block("203.0.113.8")


_v4 = st.ip_addresses(v=4).map(int)
_v6 = st.ip_addresses(v=6).map(int)


@given(
    st.one_of(
        st.tuples(st.just(IPv4Network), _v4, st.integers(16, 32)), st.tuples(st.just(IPv6Network), _v6, st.integers(32, 128))
    ),
    st.lists(st.tuples(_v4, st.integers(4, 32)), max_size=5),
)
def test_never_block_set_is_what_overlaps_one_of_its_ranges(asked: Any, own: list[tuple[int, int]]) -> None:
    """Found by bisection is what comparing with every range finds."""
    version, number, prefix = asked
    network = version((number, prefix), strict=False)
    ranges = [str(IPv4Network(each, strict=False)) for each in own]
    never = [ip_network(text) for text in (*NEVER_BLOCK, *ranges)]
    overlaps = any(each.version == network.version and each.overlaps(network) for each in never)
    assert Policy(version="1", never_block=tuple(ranges)).may_block(str(network)) is not overlaps


@pytest.mark.parametrize("text", ["203.0.113", "203.0.113.7/33", "203.0.113.7/-1", "2001:db8::/129", "anne", "", "203.0.113.7/"])
def test_what_is_no_address_is_an_error_and_no_answer(text: str) -> None:
    """Neither an address nor a range: refused, never taken for something that may be blocked."""
    with pytest.raises(ValueError, match="not appear to be"):
        Policy.enforcing().may_block(text)


@pytest.mark.parametrize(
    ("toml", "line", "named"),
    [
        ('version = "1"\nenforce_delay = 5', 2, "enforce_delay"),
        ('version = "1"\n[enforce]\nscopes = []\nkind = ["brute_force"]', 4, "kind"),
        ('version = "1"\n[enforce]\nkinds = [\n  "campaign",\n  "brute",\n]', 5, "brute"),
        ('version = "1"\n[duration_s.login_flood]\nrange = 5\nip = 0', 4, "duration_s"),
        ('version = "1"\n\n[duration_s.login]\nip = 1', 3, "login"),
        ('version = "1"\n# ours\nnever_block = ["192.0.2.0/24", "10.0.0.1/8"]', 3, "never_block"),
        ('version = "1"\n[budget.by_group.health]\nhour = 1', 2, "day"),
        ('version = "1"\nbudget = { hour = -1, day = 2 }', 2, "budget"),
        ("enforce_delay_s = 5", 1, "version"),
        ('# a comment\nversion = "1"\nversion = ', 3, "p.toml"),
        ('version = "1"\n\xff', 2, "p.toml"),
    ],
)
def test_wrong_policy_is_an_input_error_that_names_file_line_and_key(toml: str, line: int, named: str) -> None:
    """An unknown key, a wrong value or broken TOML is refused with the file, the line and the key."""
    with pytest.raises(InputError, match=rf"^p\.toml:{line}: ") as caught:
        Policy.parse(toml.encode("latin-1"), where="p.toml")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_schema_is_published_and_takes_the_shipped_files() -> None:
    """What stands beside the example is made from the code, says what every field means and what holds without it."""
    folder = Path(__file__).parents[2] / "deploy" / "policy"
    published = (folder / "policy.schema.json").read_bytes()
    assert published == Policy.schema()
    schema = json.loads(published)
    fields = schema["$defs"]["Policy"]["properties"]
    assert all("description" in field for field in fields.values())
    assert {name for name, field in fields.items() if "default" not in field} == {"version"}
    for file in (folder / "example.toml", folder.parents[1] / "models" / "policies" / "enforce.toml"):
        jsonschema.validate(tomllib.loads(file.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"version": "1", "enforce": {"kinds": ["brute"]}}, schema)


def test_missing_policy_file_is_an_input_error(tmp_path: Path) -> None:
    """A policy file that is not there is refused with its path."""
    with pytest.raises(InputError, match=r"absent\.toml"):
        Policy.load(tmp_path / "absent.toml")
