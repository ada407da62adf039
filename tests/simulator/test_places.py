"""Where somebody is."""

from __future__ import annotations

from random import Random

from simulator.habits import Habits
from simulator.networks import HOLIDAY, MOBILE
from simulator.places import Places
from simulator.provider import DAY_S, Provider

_ACCOUNTS = Provider(seed=1, accounts=3000).accounts


def test_somebody_on_a_trip_is_abroad_until_it_ends() -> None:
    """Before leaving and after at most ten days he is at home."""
    places, account = Places(Habits(), 3000), _ACCOUNTS[3]
    places.travel(account, 1000.0, Random(1))
    assert places.away(account, 999.0) is None
    hotel = places.away(account, 1000.0)
    assert hotel is not None
    assert hotel.country in {network.country for network in HOLIDAY}
    assert places.away(account, 1000.0 + 10 * DAY_S) is None


def test_most_spend_their_holidays_in_the_country() -> None:
    """A third goes abroad, the others have a line in France that is not theirs."""
    places, draw = Places(Habits(), 3000), Random(1)
    where = []
    for account in _ACCOUNTS:
        places.holiday(account, 0.0, draw)
        source = places.away(account, 1.0)
        assert source is not None
        assert source != account.home(1.0)
        where.append(source)
    assert 0.28 < sum(source.country != "FR" for source in where) / 3000 < 0.38
    assert len({source.remote for source in where}) > 2990


def test_some_are_always_behind_a_vpn_whose_exit_changes_daily() -> None:
    """Four in a thousand, from a shared address."""
    places = Places(Habits(vpn_share=0.004), 3000)
    hidden = [account for account in _ACCOUNTS if places.away(account, 0.0)]
    assert len(hidden) == 12
    exits = [places.away(hidden[0], day * DAY_S) for day in range(3)]
    assert len(set(exits)) == 3
    assert all(source is not None and source.shared for source in exits)


def test_telephones_behind_nats_share_few_addresses() -> None:
    """As many telephones to an address as asked for, on average."""
    habits = Habits(phone_share=1.0, away_share=1.0, nat_share=1.0, phones_per_nat=250)
    places, draw = Places(habits, 3000), Random(1)
    nats = {places.of_phone(account, 0.0, draw).remote for account in _ACCOUNTS}
    assert len(nats) == 3000 / 250
    assert {places.any_nat(draw).remote for _ in range(500)} == nats


def test_other_telephones_have_a_new_link_at_each_attach() -> None:
    """Within one attach the /64 stays; in ten attaches there are ten."""
    habits = Habits(away_share=1.0, nat_share=0.0, attach_s=3600.0)
    places, draw, account = Places(habits, 3000), Random(1), _ACCOUNTS[4]
    sources = [places.of_phone(account, hour * 3600.0, draw) for hour in range(10)]
    assert len({source.remote for source in sources}) == 10
    assert {source.asn for source in sources} <= {network.asn for network in MOBILE}
    assert places.of_phone(account, 100.0, draw) == places.of_phone(account, 200.0, draw)
