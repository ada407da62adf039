"""Accounts and the answers to attempts."""

from __future__ import annotations

from simulator.clients import API_APP, BROWSERS
from simulator.provider import DAY_S, SHARDS, TOKEN_S, Outage, Provider, groups, login_of, token

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


def test_a_token_opens_for_an_hour() -> None:
    """Then it fails by the token, whatever the password is; the event names the OAuth client."""
    provider = Provider(seed=1, accounts=10)
    account = provider.accounts[2]
    good, late = (
        provider.attempt(ts, account.login, token(1000.0), account.home(ts), API_APP)
        for ts in (1000.0 + TOKEN_S - 1, 1000.0 + TOKEN_S)
    )
    assert (good.success, good.fail_type) == (True, None)
    assert (late.success, late.fail_type) == (False, "token")
    assert good.credential_id == late.credential_id == API_APP.credential_id


def test_a_programs_own_password_opens_whatever_becomes_of_the_owners() -> None:
    """The event names it; the owner's old password is wrong by then."""
    provider = Provider(seed=1, accounts=10)
    account = provider.accounts[2]
    account.app_password, account.new_password_ts = "of the program", 100.0
    event = provider.attempt(200.0, account.login, "of the program", account.home(200.0), API_APP._replace(mech="PLAIN"))
    assert event.success
    assert event.credential_id == "app:2"
    assert provider.opens(200.0, account.login, "of the program")
    assert not provider.opens(200.0, account.login, account.first_password)


def test_an_alias_opens_the_same_mailbox_and_says_which() -> None:
    """Only where the name that was typed is not the mailbox's."""
    provider = Provider(seed=1, accounts=10)
    account = provider.accounts[2]
    provider.give_alias(account, "somebody@courrier.example")
    home, password = account.home(0.0), account.password(0.0)
    alias, own = (provider.attempt(0.0, login, password, home, _BROWSER) for login in ("somebody@courrier.example", account.login))
    assert alias.success
    assert own.success
    assert (alias.account, own.account) == (account.login, None)
    assert alias.pwhash != own.pwhash  # a pwhash covers the login as typed


def test_whether_a_password_is_right_does_not_depend_on_the_service() -> None:
    """During an outage the log-in fails, and the attacker still holds the password."""
    provider = Provider(seed=1, accounts=10)
    account = provider.accounts[2]
    provider.outages = (Outage(0.0, 10.0, SHARDS, "internal"),)
    assert provider.attempt(5.0, account.login, account.password(5.0), account.home(5.0), _BROWSER).fail_type == "internal"
    assert provider.attempt(5.0, login_of(99), "x", account.home(5.0), _BROWSER).fail_type == "internal"
    assert provider.opens(5.0, account.login, account.password(5.0))
    assert provider.attempt(10.0, account.login, account.password(10.0), account.home(10.0), _BROWSER).success


def test_a_registered_mailbox_is_no_customers() -> None:
    """It opens, and is not among the accounts."""
    provider = Provider(seed=1, accounts=10)
    mailbox = provider.register("robot@mail.example")
    assert provider.attempt(0.0, mailbox.login, mailbox.password(0.0), mailbox.home(0.0), _BROWSER).success
    assert len(provider.accounts) == 10
