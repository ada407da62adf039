"""Accounts and the answers to attempts."""

from __future__ import annotations

from simulator.clients import BROWSERS
from simulator.provider import DAY_S, Provider, groups, login_of

_BROWSER = BROWSERS[0]


def test_the_provider_knows_right_wrong_and_unknown() -> None:
    """A right password opens, a wrong one fails by credentials, a login that does not exist by account."""
    provider = Provider(seed=1, accounts=10)
    account = provider.accounts[2]
    home = account.home(0.0)
    right, wrong, unknown = (
        provider.attempt(0.0, login, password, home, _BROWSER)
        for login, password in ((account.login, account.password(0.0)), (account.login, "x"), (login_of(10), "x"))
    )
    assert [event.success for event in (right, wrong, unknown)] == [True, False, False]
    assert [event.fail_type for event in (right, wrong, unknown)] == [None, "credentials", "account"]


def test_a_changed_password_turns_the_old_one_wrong() -> None:
    """From the moment of the change the old password fails, with the hash it always had."""
    provider = Provider(seed=1, accounts=10)
    account = provider.accounts[2]
    account.new_password_ts = 100.0
    before, after = (
        provider.attempt(ts, account.login, account.first_password, account.home(ts), _BROWSER) for ts in (99.0, 100.0)
    )
    assert (before.success, after.success) == (True, False)
    assert before.pwhash == after.pwhash
    assert provider.attempt(100.0, account.login, account.password(100.0), account.home(100.0), _BROWSER).success


def test_pwhash_is_four_hex_digits_of_login_and_password_under_a_key() -> None:
    """The same password of another login, or under another seed's key, has another hash."""

    def hashes(seed: int) -> list[str | None]:
        provider = Provider(seed, accounts=50)
        account = provider.accounts[0]
        return [provider.attempt(0.0, login_of(n), "same", account.home(0.0), _BROWSER).pwhash for n in range(50)]

    assert all(pwhash is not None and len(pwhash) == 4 and int(pwhash, 16) >= 0 for pwhash in hashes(1))
    assert len(set(hashes(1))) > 40
    assert hashes(1) == hashes(1)
    assert hashes(1) != hashes(2)


def test_lines_change_their_address_as_their_kind_does() -> None:
    """A daily line has a new IPv4 every day that no other customer has on that day; the others stay."""
    accounts = Provider(seed=1, accounts=3000).accounts
    moved = {line: [a.home(0.0) != a.home(DAY_S) for a in accounts if a.line == line] for line in ("static", "daily", "ipv6")}
    assert all(moved["daily"])
    assert not any(moved["static"] + moved["ipv6"])
    assert len({account.home(DAY_S).remote for account in accounts}) == len(accounts)


def test_customers_live_where_those_of_a_french_provider_do() -> None:
    """Most in France, some overseas, some next door."""
    countries = [account.access.country for account in Provider(seed=1, accounts=20_000).accounts]
    overseas = sum(country in {"GP", "MQ", "GF", "RE", "YT", "NC", "PF"} for country in countries) / len(countries)
    assert 0.90 < countries.count("FR") / len(countries) < 0.96
    assert 0.03 < overseas < 0.05


def test_logins_are_different_and_one_in_fifty_is_protected() -> None:
    """No two numbers share a login; the health group is 2 %."""
    assert len({login_of(number) for number in range(20_000)}) == 20_000
    rows = list(groups(1000))
    assert len(rows) == 20
    assert {group for _, group in rows} == {"health"}
