"""models.profiles: what gates know of accounts is what the account stage knows."""

from __future__ import annotations

from itertools import product
from random import Random

import msgspec
import pytest

from models.by_account import AccountRow, AccountStage, familiarity
from models.profiles import Profile, Profiles, encode_profile, familiarity_of, protocol_bit
from models.stage import Outputs
from tests.factories import DAY_S, T0, batch_of, copies, failure, success, traffic

ALICE = "alice@example.org"
FULL = Profile(
    {number << 24: 20_000 for number in range(8)},
    dict.fromkeys(range(4_200_000_000, 4_200_000_008), 20_000),
    dict.fromkeys(["AA", "BB", "CC", "DD", "EE", "FF", "GG", "HH"], 20_000),
    dict.fromkeys(range(1 << 31, (1 << 31) + 8), 20_000),
    511,
    dict.fromkeys(range((1 << 16) - 6, 1 << 16), 20_000),
    dict.fromkeys(range((1 << 64) - 8, 1 << 64), 20_000),
)


def published(stage: AccountStage, seed: int, attempts: int = 3000, days: float = 4) -> Outputs:
    """All that a busy few days lead to, in batches of any size."""
    draw, items, merged = Random(seed), copies(traffic(seed, attempts, hours=24 * days)), Outputs()
    while items:
        size = draw.randint(1, 400)
        outputs = stage.apply(batch_of(items[:size], stage.offset + 1))
        merged.profiles |= outputs.profiles
        items = items[size:]
    return merged


@pytest.mark.parametrize("seed", range(3))
def test_a_gate_knows_of_every_attempt_what_the_account_stage_knows(seed: int) -> None:
    """Anybody's attempt on anybody's account, on the days on which it was learnt and later."""
    stage, gate = AccountStage(), Profiles()
    for account, profile in published(stage, seed).profiles.items():
        gate.put(account, None if profile is None else encode_profile(profile))
    stage.checkpoint()
    told = []
    for attempt in traffic(seed + 100, 300):
        for day, account in product((0.0, 1.0, 9.0), (attempt.account, f"user{seed}@example.org")):
            asked = msgspec.structs.replace(attempt, ts=attempt.ts + day * DAY_S, account=account)
            known = familiarity(stage.peek(account) or AccountRow(), asked)
            assert familiarity_of(gate.find(account), asked) == known
            told.append(known)
    assert len(set(told)) > 5


def test_only_what_is_new_is_published() -> None:
    """A client that polls is not, nor the same home on the next day; another network, device or protocol is."""
    stage = AccountStage()

    def says(ts: float, **fields: object) -> list[str]:
        return list(stage.apply(batch_of([success(ts, **fields)], stage.offset + 1)).profiles)

    assert says(T0) == [ALICE]
    assert says(T0 + 60) == []
    assert says(T0 + DAY_S) == []
    assert says(T0 + DAY_S + 60, remote="198.51.100.1") == [ALICE]
    assert says(T0 + DAY_S + 70, remote="198.51.100.1", user_agent="K-9") == [ALICE]
    assert says(T0 + DAY_S + 80, remote="198.51.100.1", user_agent="K-9", protocol="smtp") == [ALICE]
    assert stage.apply(batch_of([failure(T0 + DAY_S + 90, remote="203.0.113.1")], stage.offset + 1)).profiles == {}


def test_a_profile_says_what_and_since_when() -> None:
    """In days; a network by its number."""
    stage = AccountStage()
    first = success(T0, country="FR", asn=64500)
    second = success(T0 + DAY_S, remote="2001:db8:1::7", country="DE", asn=64501, protocol="pop3")
    profile = stage.apply(batch_of([first, second])).profiles[ALICE]
    day = int(T0) // DAY_S
    assert profile == Profile(
        {0xC00002: day, 0x20010DB80001: day + 1}, {64500: day, 64501: day + 1}, {"FR": day, "DE": day + 1}, {}, 3
    )


def said_by(number: int) -> dict[str, str]:
    """A device and a credential."""
    return {"user_agent": f"{number}", "credential_id": f"cert {number}"}


def test_a_profile_is_bounded() -> None:
    """Whatever an account does; the largest is taken, a larger one is not."""
    stage = AccountStage()
    places = [
        success(T0 + n * 60, remote=f"203.0.{n}.1", country=f"{chr(65 + n % 26)}A", asn=4_200_000_000 + n, **said_by(n))
        for n in range(200)
    ]
    profile = stage.apply(batch_of(places)).profiles[ALICE]
    assert profile is not None
    assert max(len(encode_profile(profile)), len(encode_profile(FULL))) < 400
    Profiles().put(ALICE, encode_profile(FULL))
    wide = Profile(dict.fromkeys(range(1 << 40, (1 << 40) + 60), 20_000), {}, {}, {})
    with pytest.raises(msgspec.DecodeError, match="too long"):
        Profiles().put(ALICE, encode_profile(wide))


def test_what_is_no_profile_is_refused_and_changes_nothing() -> None:
    """The caller says so, and decides."""
    profiles = Profiles()
    profiles.put(ALICE, encode_profile(FULL))
    for packed in (b"", b"\xc1", b"[]", encode_profile(FULL)[:-1]):
        with pytest.raises(msgspec.DecodeError):
            profiles.put(ALICE, packed)
    assert profiles.find(ALICE) == FULL


def test_the_newest_profile_of_each_of_many_accounts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """In few arrays, so that each holds many of all lengths; what is taken back is gone."""
    monkeypatch.setattr("models.profiles._BUCKETS", 7)
    profiles, draw, expected = Profiles(), Random(1), {}
    for turn in range(2000):
        account = f"user{draw.randrange(300)}"
        if draw.random() < 0.2:
            profiles.put(account, None)
            expected.pop(account, None)
        else:
            networks = dict.fromkeys(range(draw.randrange(9)), turn)
            expected[account] = Profile(networks, {}, {"FR": turn}, {}, protocol_bit("imap"))
            profiles.put(account, encode_profile(expected[account]))
    assert {f"user{n}": found for n in range(300) if (found := profiles.find(f"user{n}"))} == expected
    assert len(profiles) == len(expected)
