"""The policy file: shadow by default, never-block set, and clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import InputError
from models.policy import Policy


def test_default_policy_enforces_nothing() -> None:
    """Without a policy file every kind and scope is in shadow."""
    assert Policy.default().mode("credential_stuffing", "ip") == "shadow"


def test_enforcement_needs_kind_and_scope() -> None:
    """A decision is enforced only where both its kind and its scope are named."""
    policy = Policy.parse(b'version = "1"\n[enforce]\nkinds = ["password_spray"]\nscopes = ["ip"]', where="p.toml")
    assert policy.mode("password_spray", "ip") == "enforce"
    assert policy.mode("password_spray", "range") == "shadow"
    assert policy.mode("brute_force", "ip") == "shadow"


def test_shipped_policy_enforces_every_automatic_scope_of_a_source() -> None:
    """The shipped enforcing policy acts on sources and pairs for the kinds that may block."""
    policy = Policy.enforcing()
    assert {policy.mode("credential_stuffing", scope) for scope in ("account_ip", "ip", "range", "account")} == {"enforce"}
    assert policy.mode("token_failure", "ip") == "shadow"


def test_example_file_is_a_valid_shadow_policy() -> None:
    """The example for operators loads, and begins in shadow."""
    policy = Policy.load(Path(__file__).parents[2] / "deploy" / "policy" / "example.toml")
    assert policy.mode("password_spray", "ip") == "shadow"


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


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ('version = "1"\nenforce_delay = 5', "enforce_delay"),
        ('version = "1"\n[enforce]\nkind = ["brute_force"]', "kind"),
        ('version = "1"\n[enforce]\nkinds = ["brute"]', "brute"),
        ('version = "1"\n[duration_s.login_flood]\nip = 0', "duration_s"),
        ('version = "1"\nnever_block = ["10.0.0.1/8"]', "never_block"),
        ("enforce_delay_s = 5", "version"),
        ("version = ", "p.toml"),
    ],
)
def test_wrong_policy_is_an_input_error_that_names_file_and_key(toml: str, named: str) -> None:
    """An unknown key, a wrong value or broken TOML is refused with the file and the key."""
    with pytest.raises(InputError, match=r"^p\.toml: ") as caught:
        Policy.parse(toml.encode(), where="p.toml")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_policy_file_is_an_input_error(tmp_path: Path) -> None:
    """A policy file that is not there is refused with its path."""
    with pytest.raises(InputError, match=r"absent\.toml"):
        Policy.load(tmp_path / "absent.toml")
