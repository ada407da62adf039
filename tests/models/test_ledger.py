"""The ledger: narrowest decisions, stable ids, and everything that an alert must not be able to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models import ledger as ledger_module
from models.accounts import Groups
from models.alerts import Alert, Evidence, Kind, Reason, Subject, alert_id
from models.decisions import (
    BY_HAND,
    DAY_S,
    KEEP_S,
    Decision,
    Except,
    Impact,
    Interval,
    decision_id,
    refuses,
)
from models.ids import hash32, hash64
from models.ledger import Ledger
from models.policy import Budget, Limits, Policy
from models.presence import Presence, presence_alert
from models.profiles import Profile, network_number
from models.refused import Tally
from models.usage import Exact, Users, UsersOf
from tests.factories import ban
from tests.models.test_decisions import make_attempt

T0 = 1_699_999_200.0  # a full UTC hour
ALICE = "alice@example.org"
HOME = Except(networks=("192.0.2.0/24",), accounts=(ALICE,))
TODAY = int(T0) // 86_400
PHONE, LAPTOP, OAUTH_CLIENT = hash32("ua:Phone/1"), hash32("ua:Mail/1"), hash64("oauth-client")
#: Her network since a month, one since today; her provider, her devices and credentials, one of them since today.
AT_HOME = Profile(
    networks={network_number("192.0.2.0/24"): TODAY - 30, network_number("203.0.113.0/24"): TODAY},
    asns={64500: TODAY - 30, 64511: TODAY},
    countries={"FR": TODAY - 30},
    devices={PHONE: TODAY - 9, LAPTOP: TODAY - 1, hash32("ua:New/1"): TODAY},
    credentials={hash64("cert"): TODAY - 9, OAUTH_CLIENT: TODAY - 9, hash64("new-cert"): TODAY},
)
ALWAYS = Policy.enforcing()


def make_alert(
    kind: Kind,
    *,
    ts: float = T0,
    counts: dict[str, int] | None = None,
    distinct: dict[str, int] | None = None,
    addresses: list[str] | None = None,
    cold: bool = False,
    groups: list[str] | None = None,
    **subject: Any,
) -> Alert:
    about = Subject(**subject)
    return Alert(
        alert_id=alert_id(kind, about, int(ts) // 3600),
        kind=kind,
        severity="high",
        score=1.0,
        ts=ts,
        first_ts=ts - 60,
        last_ts=ts,
        subject=about,
        reasons=[Reason("code", "a reason")],
        evidence=Evidence(counts=counts or {"failures": 40}, distinct=distinct or {}, addresses=addresses or []),
        groups=groups or [],
        cold=cold,
    )


def spray(ip: str = "203.0.113.7", ok_accounts: int = 0, ts: float = T0, **more: Any) -> Alert:
    return make_alert("password_spray", ip=ip, ts=ts, distinct={"accounts": 30, "ok_accounts": ok_accounts}, **more)


def guessing(addresses: Iterable[str], listed: int, ts: float = T0, account: str = ALICE, **more: Any) -> Alert:
    counts = {"failures": 100, "failures_from_listed": listed}
    return make_alert("brute_force", account=account, ts=ts, counts=counts, addresses=list(addresses), **more)


def ledger(policy: Policy = ALWAYS, groups: dict[str, list[str]] | None = None, profile: Profile | None = AT_HOME) -> Ledger:
    return Ledger(policy, Groups(groups), lambda account: profile if account == ALICE else None)


def apply(book: Ledger, alert: Alert) -> list[Decision]:
    return book.apply(alert, alert.ts)


def summary(made: Iterable[Decision]) -> list[tuple[str, str, str, str]]:
    return [(d.type, d.scope, d.value, d.mode) for d in made]


# -- kinds to decisions ------------------------------------------------------------------------------------------------


def test_a_token_that_fails_notifies_and_exempts_nothing() -> None:
    """The device's owner is told; guessing is cut off as if nothing had been."""
    book = ledger()
    made = apply(book, make_alert("token_failure", account=ALICE, device="ua:Mail|1"))
    assert summary(made) == [("notify", "account_device", f"{ALICE}|ua:Mail%7C1", "shadow")]
    assert summary(apply(book, guessing(["203.0.113.7"], listed=100))) == [("ban", "account_ip", f"203.0.113.7|{ALICE}", "enforce")]


@pytest.mark.parametrize("subject", [{"ip": "203.0.113.7"}, {"network": "203.0.113.0/24"}])
def test_a_shared_source_is_not_cut_off_by_itself(subject: dict[str, str]) -> None:
    """Whatever the policy allows: what is done there by itself is done by pair."""
    alert = make_alert("password_spray", distinct={"accounts": 50, "ok_accounts": 0}, **subject)
    told = msgspec.structs.replace(alert, reasons=[*alert.reasons, Reason("shared_source", "used by many", 5, 3)])
    assert [decision.mode for decision in apply(ledger(), alert)] == ["enforce"]
    assert [decision.mode for decision in apply(ledger(), told)] == ["proposed"]


def test_a_campaign_proposes_containment() -> None:
    """A new password where the attacker holds the right one, and sessions ended where he got in; all for a person to do."""
    alert = msgspec.structs.replace(make_alert("campaign", campaign="c"), campaign_id="c", exposed=[ALICE, "bob"], entered=["bob"])
    made = apply(ledger(), alert)
    assert summary(made) == [
        ("reset_password", "account", ALICE, "proposed"),
        ("end_sessions", "account", "bob", "proposed"),
        ("reset_password", "account", "bob", "proposed"),
    ]
    assert {decision.campaign_id for decision in made} == {"c"}


def test_guessing_from_few_addresses_cuts_only_the_pairs() -> None:
    """Where the listed addresses hold 80 % of the failures, each gets a ban for this account alone."""
    made = apply(ledger(), guessing(["203.0.113.7", "198.51.100.9"], listed=80))
    assert summary(made) == [
        ("ban", "account_ip", f"203.0.113.7|{ALICE}", "enforce"),
        ("ban", "account_ip", f"198.51.100.9|{ALICE}", "enforce"),
    ]


def test_guessing_from_many_addresses_never_does_more_than_guard() -> None:
    """Failures alone guard an account, with its owner excepted and webmail left open."""
    (made,) = apply(ledger(), guessing(["203.0.113.7"], listed=79))
    assert summary([made]) == [("guard", "account", ALICE, "enforce")]
    assert made.except_[0] == HOME
    assert "http" not in made.protocols
    assert made.protocols


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"address": "192.0.2.9", "asn": 0, "device": ""}, False),
        ({"address": "2001:db8:9:1::/64", "device": "ua:Phone/1"}, False),
        ({"address": "198.51.100.9", "device": "ua:Mail/1"}, True),
        ({"address": "198.51.100.9", "device": "ua:Phone/1", "asn": 64511}, True),
        ({"address": "198.51.100.9", "device": "ua:New/1"}, True),
        ({"address": "203.0.113.9", "device": "ua:Tool/1", "asn": 64511}, True),
        ({"address": "198.51.100.9", "protocol": "http"}, False),
        ({"address": "198.51.100.9", "asn": 64502, "credential": "cert"}, False),
        ({"address": "198.51.100.9", "credential": "new-cert"}, True),
        ({"address": "198.51.100.9", "credential": "oauth-client"}, True),
    ],
)
def test_guard_lets_the_owner_in_and_nobody_else(fields: dict[str, Any], refused: bool) -> None:
    """From a known network; by webmail; from a known provider with a known device, or with a credential, that no stranger shows."""
    alert = guessing(["203.0.113.7"], listed=10)
    (made,) = apply(ledger(), replace(alert, evidence=replace(alert.evidence, copied=[LAPTOP, OAUTH_CLIENT])))
    assert made.mode == "enforce"
    assert refuses(made, make_attempt(ts=T0 + 100, **fields)) is refused


def test_guard_that_would_lock_the_owner_out_is_only_proposed() -> None:
    """Nothing known about the owner: no automatic guard."""
    (made,) = apply(ledger(), guessing(["203.0.113.7"], listed=10, account="bob@example.org"))
    assert summary([made]) == [("guard", "account", "bob@example.org", "proposed")]


@pytest.mark.parametrize("kind", ["password_spray", "credential_stuffing", "login_flood"])
def test_source_attacks_block_the_address(kind: Kind) -> None:
    """An IPv4 source is blocked as an address, with the impact from the alert's evidence."""
    (made,) = apply(ledger(), make_alert(kind, ip="203.0.113.7", distinct={"accounts": 30, "ok_accounts": 2}))
    assert summary([made]) == [("ban", "ip", "203.0.113.7", "enforce")]
    assert msgspec.to_builtins(made.impact) == {
        "attack_attempts": 40,
        "attack_accounts": 30,
        "legit_accounts": {"estimate": 2, "low": 2, "high": 2},
        "by_group": {},
        "by_protocol": {},
    }


def test_ipv6_source_is_a_range() -> None:
    """Every IPv6 source is a range, its /64."""
    (made,) = apply(ledger(), spray(ip="2001:db8:1:2::/64"))
    assert summary([made]) == [("ban", "range", "2001:db8:1:2::/64", "enforce")]


def test_ipv6_pair_keeps_its_prefix() -> None:
    """A pair ban of an IPv6 source covers the /64 and nothing else."""
    (made,) = apply(ledger(), guessing(["2001:db8:1:2::/64"], listed=100))
    assert refuses(made, make_attempt(address="2001:db8:1:2::/64"))
    assert not refuses(made, make_attempt(address="2001:db8:1:3::/64"))


def test_network_subject_is_a_range() -> None:
    """An attack spread over a network blocks the network."""
    alert = make_alert("password_spray", network="203.0.113.0/24", distinct={"accounts": 30, "ok_accounts": 0})
    assert summary(apply(ledger(), alert)) == [("ban", "range", "203.0.113.0/24", "enforce")]


def test_takeover_cuts_the_pair_and_proposes_the_rest() -> None:
    """A takeover is answered by a pair ban; ending sessions and a new password wait for a person."""
    alert = make_alert("account_takeover", account=ALICE, ip="203.0.113.7")
    assert summary(apply(ledger(), alert)) == [
        ("ban", "account_ip", f"203.0.113.7|{ALICE}", "enforce"),
        ("end_sessions", "account", ALICE, "proposed"),
        ("reset_password", "account", ALICE, "proposed"),
    ]


@pytest.mark.parametrize("subject", [{"asn": 64500}, {"country": "FR"}, {"protocol": "imap"}])
def test_service_wide_scopes_are_left_to_a_person(subject: dict[str, Any]) -> None:
    """ASN, country and protocol are never decided, and not proposed either."""
    assert apply(ledger(), make_alert("login_flood", **subject)) == []


@pytest.mark.parametrize(
    ("subject", "scope", "value"),
    [({"device": "ua:A|B"}, "device", "ua:A%7CB"), ({"device": "ja3:1", "asn": 64500}, "asn_device", "64500|ja3:1")],
)
def test_what_a_client_says_is_only_proposed(subject: dict[str, Any], scope: str, value: str) -> None:
    """Device scopes are proposals."""
    assert summary(apply(ledger(), make_alert("login_flood", **subject))) == [("ban", scope, value, "proposed")]


@pytest.mark.parametrize("kind", ["campaign", "shared_source", "backend_outage"])
def test_other_kinds_decide_nothing(kind: Kind) -> None:
    """Kinds that are not attacks, and a campaign that has got into no account, decide nothing."""
    assert apply(ledger(), make_alert(kind, ip="203.0.113.7", account=ALICE)) == []


# -- restraint ---------------------------------------------------------------------------------------------------------


def test_default_policy_decides_in_shadow() -> None:
    """Without an enforcing policy decisions are written in shadow and refuse nobody."""
    (made,) = apply(ledger(Policy.default()), spray())
    assert made.mode == "shadow"
    assert made.simulated
    assert not refuses(made, make_attempt())


def test_cold_alert_decides_nothing() -> None:
    """An alert raised with too little history never decides."""
    assert apply(ledger(), spray(cold=True)) == []


def test_stale_evidence_only_proposes() -> None:
    """An alert older than five minutes when processed only proposes; a fresher one acts."""
    assert summary(ledger().apply(spray(), T0 + 301)) == [("ban", "ip", "203.0.113.7", "proposed")]
    assert summary(ledger().apply(spray(), T0 + 300)) == [("ban", "ip", "203.0.113.7", "enforce")]


def test_stale_evidence_leaves_an_enforced_decision_alone() -> None:
    """A late alert neither lifts nor extends what is enforced."""
    book = ledger()
    (made,) = apply(book, spray())
    assert book.apply(spray(ts=T0 + 3600), T0 + 3600 + 301) == []
    assert book.active(T0 + 4000) == [made]


def test_many_legitimate_accounts_make_it_a_proposal() -> None:
    """Above the policy's limit of legitimate accounts a block is only proposed."""
    assert [d.mode for d in apply(ledger(), spray(ok_accounts=3))] == ["enforce"]
    assert [d.mode for d in apply(ledger(), spray(ok_accounts=4))] == ["proposed"]


def test_estimated_impact_has_an_interval() -> None:
    """From 64 accounts up the count is a sketch's, so its interval is two standard errors wide."""
    (made,) = apply(ledger(), spray(ok_accounts=1000))
    legit = made.impact.legit_accounts
    assert legit is not None
    assert (legit.low, legit.estimate, legit.high) == (745, 1000, 1255)


def test_uncounted_impact_is_only_proposed() -> None:
    """Where nobody counted the legitimate accounts, nothing is blocked by itself."""
    (made,) = apply(ledger(), make_alert("password_spray", ip="203.0.113.7", distinct={"accounts": 30}))
    assert made.mode == "proposed"
    assert made.impact.legit_accounts is None


@pytest.mark.parametrize("ip", ["10.0.0.7", "127.0.0.1", "100.64.3.4", "fd00:1:2:3::/64"])
def test_never_block_set_holds_at_creation(ip: str) -> None:
    """No decision is made about an address of the never-block set, for the account pair neither."""
    assert apply(ledger(), spray(ip=ip)) == []
    assert apply(ledger(), guessing([ip], listed=100)) == []


def test_protected_account_is_met_by_pairs_only() -> None:
    """Guessing at a protected account from many addresses is narrowed to the listed pairs."""
    book = ledger(groups={ALICE: ["health"]})
    assert summary(apply(book, guessing(["203.0.113.7"], listed=10))) == [("ban", "account_ip", f"203.0.113.7|{ALICE}", "enforce")]


def test_source_used_by_a_protected_group_is_only_proposed() -> None:
    """One protected account behind an address keeps the address from being blocked by itself."""
    (made,) = apply(Ledger(ALWAYS, Groups(), usage=used_by(health={ALICE})), spray())
    assert made.mode == "proposed"
    assert made.impact.by_group == {"health": 1}


def used_by(familiar: Iterable[str] = (), doubtful: Iterable[str] = (), health: Iterable[str] = ()) -> UsersOf:
    """Every source is used by these accounts."""
    everybody = Exact(frozenset(familiar) | frozenset(health))
    users = Users(
        everybody, Exact(frozenset(doubtful)), {"health": Exact(frozenset(health))} if health else {}, {"imap": everybody}
    )
    return lambda _scope, _value, _now: users


def test_impact_is_of_who_uses_the_source() -> None:
    """Rather than of what the alert knows, where somebody keeps count."""
    (made,) = apply(Ledger(ALWAYS, Groups(), usage=used_by("ab", "xyz")), spray(ok_accounts=7))
    assert msgspec.to_builtins(made.impact) == {
        "attack_attempts": 40,
        "attack_accounts": 30,
        "legit_accounts": {"estimate": 2, "low": 2, "high": 5},
        "by_group": {},
        "by_protocol": {"imap": 2},
    }
    assert made.mode == "proposed"


def test_nobody_looks_ahead() -> None:
    """Who uses a source is asked as of the alert: what a replay has read beyond that depends on how it reads."""
    asked = list[float]()

    def usage(_scope: str, _value: str, now: float) -> Users:
        asked.append(now)
        return Users(Exact(frozenset("a")), Exact())

    apply(Ledger(ALWAYS, Groups(), usage=usage), spray(ts=T0))
    assert set(asked) == {T0}


# -- the budget --------------------------------------------------------------------------------------------------------


def frugal(hour: int = 3, day: int = 6, **by_group: Limits) -> Policy:
    return replace(ALWAYS, budget=Budget(hour=hour, day=day, by_group=by_group))


def users_of(book: dict[str, str]) -> UsersOf:
    """Who uses which address."""
    return lambda _scope, value, _now: Users(Exact(frozenset(book.get(value, ""))), Exact())


def test_budget_is_on_the_union() -> None:
    """Two addresses with the same users cost what one does; a third user more opens the breaker."""
    where = {"203.0.113.1": "abc", "203.0.113.2": "abc", "203.0.113.3": "ad"}
    book = Ledger(frugal(hour=3), Groups(), usage=users_of(where))
    first, second = ((apply(book, spray(address)))[0] for address in list(where)[:2])
    assert (first.mode, second.mode, book.breaker.opened) == ("enforce", "enforce", None)
    apply(book, spray("203.0.113.3"))
    assert book.breaker.opened == T0
    assert book.breaker.reason == "4 accounts within an hour, 3 allowed"


def test_open_breaker_takes_back_the_last_ten_minutes() -> None:
    """What was enforced then goes on in shadow under ids of its own; what is older stays; what is new is proposed."""
    where = {"203.0.113.1": "a", "203.0.113.2": "bc", "203.0.113.3": "d", "203.0.113.4": ""}
    book = Ledger(frugal(hour=3), Groups(), usage=users_of(where))
    (old,) = apply(book, spray("203.0.113.1", ts=T0 - 601))
    (young,) = apply(book, spray("203.0.113.2", ts=T0 - 300))
    made = apply(book, spray("203.0.113.3", ts=T0))
    now = {decision.value: decision.mode for decision in book.active(T0)}
    assert now == {"203.0.113.1": "enforce", "203.0.113.2": "shadow", "203.0.113.3": "shadow"}
    assert {d.value for d in made if d.lifted_by == "breaker"} == {young.value, "203.0.113.3"}
    assert old in book.active(T0)
    assert all(d.decision_id == decision_id(d) for d in made)
    assert [d.mode for d in apply(book, spray("203.0.113.4", ts=T0 + 1))] == ["proposed"]


def test_open_breaker_lets_what_holds_go_on() -> None:
    """An older decision is extended by the next alert as ever."""
    book = Ledger(frugal(hour=3), Groups(), usage=users_of({"203.0.113.1": "a", "203.0.113.2": "bcd"}))
    (old,) = apply(book, spray("203.0.113.1", ts=T0 - 1000))
    apply(book, spray("203.0.113.2"))
    assert book.breaker.opened is not None
    (extended,) = apply(book, spray("203.0.113.1", ts=T0 + 3600))
    assert (extended.decision_id, extended.mode, extended.until > old.until) == (old.decision_id, "enforce", True)


def test_a_person_closes_the_breaker() -> None:
    """Time does not; what was decided before does not count any more."""
    book = Ledger(frugal(hour=3), Groups(), usage=users_of({"203.0.113.1": "abc", "203.0.113.2": "de", "203.0.113.3": "fg"}))
    apply(book, spray("203.0.113.1", ts=T0 - 1000))
    apply(book, spray("203.0.113.2"))
    assert [d.mode for d in apply(book, spray("203.0.113.3", ts=T0 + 50 * 3600))] == ["proposed"]
    assert book.close_breaker(T0 + 50 * 3600).opened == T0
    assert [d.mode for d in apply(book, spray("203.0.113.2", ts=T0 + 51 * 3600))] == ["enforce"]
    assert book.breaker.opened is None


def test_protected_groups_have_a_budget_of_their_own() -> None:
    """One account of the group is too much where none is allowed, though it is met by a pair alone."""
    book = Ledger(frugal(hour=100, day=100, health=Limits(hour=0, day=0)), Groups({ALICE: ["health"]}))
    takeover = make_alert("account_takeover", account=ALICE, ip="203.0.113.7")
    assert [d.mode for d in apply(book, takeover) if d.type == "ban"] == ["enforce", "enforce", "shadow"]
    assert book.breaker.reason == "1 accounts of the group health within an hour, 0 allowed"


def cut_of(expected: Interval | None, refused: int, ts: float = T0) -> tuple[Ledger, Decision, list[Decision]]:
    """Brazil, cut by a person who was told of ``expected`` customers; a gate tells that it has refused ``refused`` of them."""
    book, tally = ledger(), Tally("gate")
    impact = Impact(attack_attempts=0, attack_accounts=0, legit_accounts=expected)
    decision = ban("BR", T0 - 60, T0 + 3600, scope="country", origin=BY_HAND, impact=impact)
    book.load(decision.decision_id, decision)
    for number in range(refused):
        tally.note_cut(f"user{number}", decision.decision_id, ts, counts_from=0.0)
    return book, decision, book.count_refused(tally.changed(), ts)


@pytest.mark.parametrize(
    ("expected", "refused", "opens"),
    [
        (Interval(5, 0, 10), 110, False),
        (Interval(5, 0, 10), 111, True),
        (None, 100, False),
        (None, 101, True),
        (Interval(900, 900, 1000), 1200, False),
        (Interval(900, 900, 1000), 2500, True),
    ],
)
def test_a_cut_that_refuses_many_more_than_was_told_opens_the_breaker(expected: Interval | None, refused: int, opens: bool) -> None:
    """Half as many again, or the budget of an hour; what nobody counted may touch no more than the budget."""
    book, decision, changed = cut_of(expected, refused)
    assert (book.breaker.opened, bool(changed)) == ((T0, True) if opens else (None, False))
    if opens:
        assert book.breaker.decision_id == decision.decision_id
        assert [(each.mode, each.lifted_by) for each in changed] == [("enforce", "breaker"), ("shadow", None)]
        assert "accounts refused by the cut of country BR" in book.breaker.reason


def test_a_cut_that_has_ended_opens_nothing() -> None:
    """What it refused was an hour ago."""
    assert cut_of(None, 500, ts=T0 + 2 * 3600)[0].breaker.opened is None


def test_expected_lock_outs_of_guard_are_in_the_budget() -> None:
    """Each may lock its owner out: three of them are more than two."""
    book = Ledger(frugal(hour=2), Groups(), lambda _account: AT_HOME)
    for number in range(3):
        assert book.breaker.opened is None
        apply(book, guessing(["203.0.113.7"], listed=10, account=f"user{number}@example.org"))
    assert book.breaker.reason == "3 accounts within an hour, 2 allowed"


def test_budget_of_a_day_outlasts_the_hour() -> None:
    """What ended hours ago counts for the day, not for the hour."""
    where = {f"203.0.113.{n}": f"{'abcdefg'[n]}" for n in range(7)}
    short = replace(frugal(hour=1, day=3), default_duration_s=60)
    book = Ledger(short, Groups(), usage=users_of(where))
    modes = [apply(book, spray(address, ts=T0 + 2 * 3600 * n))[0].mode for n, address in enumerate(where)]
    assert modes[:4] == ["enforce"] * 4
    assert book.breaker.reason == "4 accounts within a day, 3 allowed"


def test_victims_address_spoofed_with_failures_costs_the_victim_nothing() -> None:
    """Ten thousand wrong passwords at one mailbox: pairs on addresses that are not the owner's, no budget spent."""
    book = Ledger(frugal(hour=0, day=0), Groups())
    for hour in range(24):
        apply(book, guessing([f"203.0.113.{hour}"], listed=100, ts=T0 + 3600 * hour))
    assert book.breaker.opened is None
    assert {(d.scope, d.impact.legit_accounts.high) for d in book if d.impact.legit_accounts} == {("account_ip", 0)}


# -- old passwords -----------------------------------------------------------------------------------------------------


def stale_password(ts: float = T0) -> Alert:
    return make_alert("stale_password", account=ALICE, network="203.0.113.0/24", ts=ts)


def test_stale_password_exempts_its_pair() -> None:
    """After a stale_password alert the account and network pair is left out of decisions; other networks are not."""
    book = ledger()
    assert summary(apply(book, stale_password())) == [("notify", "account_ip", f"203.0.113.0/24|{ALICE}", "enforce")]
    made = apply(book, guessing(["203.0.113.7", "198.51.100.9"], listed=100, ts=T0 + 60))
    assert [d.value for d in made] == [f"198.51.100.9|{ALICE}"]
    (guard,) = apply(book, guessing(["203.0.113.7"], listed=10, ts=T0 + 3600))
    assert not refuses(guard, make_attempt(ts=T0 + 3700))
    assert refuses(guard, make_attempt(ts=T0 + 3700, address="198.51.100.9", device="ua:Tool/1"))


def test_stale_password_lifts_a_ban_on_its_pair() -> None:
    """A ban that hit the owner's old password is lifted as soon as that is known."""
    book = ledger()
    apply(book, guessing(["203.0.113.7"], listed=100))
    lifted, notice = apply(book, stale_password(T0 + 60))
    assert (lifted.value, lifted.lifted) == (f"203.0.113.7|{ALICE}", T0 + 60)
    assert notice.type == "notify"


def test_exemption_ends_with_its_notice() -> None:
    """The exemption holds as long as the notice, and survives a rebuild from records."""
    book = ledger()
    (notice,) = apply(book, stale_password())
    rebuilt = ledger()
    rebuilt.load(notice.decision_id, notice)
    assert apply(rebuilt, guessing(["203.0.113.7"], listed=100, ts=notice.until - 1)) == []
    assert len(apply(rebuilt, guessing(["203.0.113.7"], listed=100, ts=notice.until + 3600))) == 1


# -- ids, extension, life ----------------------------------------------------------------------------------------------


def test_id_follows_from_the_fields() -> None:
    """The id is the hash of the contract's parts, and the uuid is the id in RFC 9562 form."""
    (made,) = apply(ledger(), spray())
    assert made.decision_id == decision_id(made)
    assert made.decision_id == "506c6cef8b921c418c72aae667b3208b"
    assert UUID(made.uuid).version == 8
    assert UUID(made.uuid).variant == "specified in RFC 4122"


def test_record_has_the_contracts_fields() -> None:
    """The JSON record has exactly the fields that the contract lists."""
    (made,) = apply(ledger(), guessing(["203.0.113.7"], listed=10))
    record = msgspec.json.decode(msgspec.json.encode(made))
    assert set(record) == {
        *("decision_id", "uuid", "origin", "type", "scope", "value", "protocols", "except", "start", "until", "duration"),
        *("scenario", "mode", "campaign_id", "alert_ids", "reason", "policy_version", "impact", "lifted", "lifted_by"),
    }
    assert record["except"][:1] == [{"networks": ["192.0.2.0/24"], "accounts": [ALICE]}]
    assert set(record["impact"]) == {"attack_attempts", "attack_accounts", "legit_accounts", "by_group", "by_protocol"}


def test_same_alerts_give_the_same_records() -> None:
    """Two ledgers fed with the same alerts write the same bytes."""
    alerts = [spray(), guessing(["203.0.113.7"], listed=100, ts=T0 + 60), spray(ts=T0 + 3600)]
    one, two = ledger(), ledger()
    assert [msgspec.json.encode(apply(one, a)) for a in alerts] == [msgspec.json.encode(apply(two, a)) for a in alerts]


def test_start_and_end() -> None:
    """A decision starts ten seconds after its alert and ends within 20 % of its duration, by a draw that differs by id."""
    book = ledger()
    made = [apply(book, spray(ip=f"203.0.113.{i}"))[0] for i in range(50)]
    lengths = {d.until - d.start for d in made}
    assert {d.start for d in made} == {T0 + 10}
    assert 0.8 * 14400 <= min(lengths) < 0.9 * 14400
    assert 1.1 * 14400 < max(lengths) <= 1.2 * 14400


def test_next_hour_extends_the_same_decision() -> None:
    """A continuing attack moves the end of its decision and keeps its id and start."""
    book = ledger()
    (first,) = apply(book, spray())
    (second,) = apply(book, spray(ts=T0 + 3600))
    assert second.decision_id == first.decision_id == decision_id(second)
    assert second.until - first.until == 3600
    assert second.start == first.start
    assert len(second.alert_ids) == 2
    assert second.duration == ledger_module.go_duration(second.until - second.start)


def present(ts: float, evidence_h: int | None, **subject: Any) -> Alert:
    """Everything is refused, ``evidence_h`` hours after what was not."""
    seen = Presence()
    seen.count(int(ts), 1, "203.0.113.7")
    kind: Kind = "password_spray" if "ip" in subject else "brute_force"
    return presence_alert(kind, Subject(**subject, protocol="imap"), seen, Reason("code", "a reason"), "event", evidence_h)


def test_presence_keeps_a_running_block_alive() -> None:
    """Who is still there is refused on, as if he had attacked again; the record gets a new end and nothing else."""
    book = ledger()
    (first,) = apply(book, spray())
    (held,) = apply(book, present(T0 + 7200, 2, ip="203.0.113.7"))
    assert held.until - first.until == 7200
    assert replace(held, until=first.until, duration=first.duration) == first


def test_presence_alone_keeps_it_alive_for_a_day() -> None:
    """Counted from the end of the hour of what was last not refused."""
    book = ledger()
    apply(book, spray())
    ends = [decision.until for hour in range(1, 40) for decision in apply(book, present(T0 + hour * 3600, hour, ip="203.0.113.7"))]
    assert max(ends) == T0 + 3600 + 86_400


@pytest.mark.parametrize("evidence_h", [None, 25])
def test_presence_without_evidence_prolongs_nothing(evidence_h: int | None) -> None:
    """What a campaign's verdicts refuse needs no block of its own."""
    book = ledger()
    apply(book, spray())
    assert apply(book, present(T0 + 3600, evidence_h, ip="203.0.113.7")) == []


@pytest.mark.parametrize("lifted", [True, False])
def test_presence_revives_no_block(lifted: bool) -> None:
    """Neither one that a person lifted nor one that has ended."""
    book = ledger()
    (first,) = apply(book, spray())
    if lifted:
        book.lift(first.decision_id, T0 + 60, "anne")
    later = T0 + 120 if lifted else first.until
    assert apply(book, present(later, 1, ip="203.0.113.7")) == []


def test_presence_of_guessing_keeps_guard_and_pairs_alive() -> None:
    """Both are what a guessed account has against it."""
    guarded, cut = ledger(), ledger()
    apply(guarded, guessing(["203.0.113.7"], listed=10))
    apply(cut, guessing(["203.0.113.7"], listed=90))
    for book, scope in ((guarded, "account"), (cut, "account_ip")):
        assert scope in {decision.scope for decision in apply(book, present(T0 + 3600, 1, account=ALICE))}


def test_alert_after_the_end_makes_a_new_decision() -> None:
    """Once a decision has ended it stays on record as it was."""
    book = ledger()
    (first,) = apply(book, spray())
    (second,) = apply(book, spray(ts=first.until))
    assert second.decision_id != first.decision_id
    assert first in list(book)


@pytest.mark.parametrize(("after_s", "times"), [(0, 2), (600, 2), (601, 1)])
def test_who_attacks_again_on_probation_is_refused_twice_as_long(after_s: float, times: int) -> None:
    """Within ten minutes after the end; the alert rests on what was not refused, so on fresh evidence."""
    book = ledger()
    (first,) = apply(book, spray(ts=T0))
    (second,) = apply(book, spray(ts=first.until + after_s))
    nominal = Policy.enforcing().duration("password_spray", "ip")
    assert 0.8 * times <= (second.until - second.start) / nominal <= 1.2 * times
    assert second.decision_id != first.decision_id


def test_who_needs_a_week_to_be_noticed_is_refused_for_a_day() -> None:
    """He comes every few hours; what holds for a few would be over by then."""
    slow = replace(spray(), reasons=[Reason("accounts_failing_slowly", "20 accounts within 7 days", 20, 20)])
    (made,) = apply(ledger(), slow)
    assert 0.8 * 86_400 <= made.until - made.start <= 1.2 * 86_400


def test_what_a_person_lifted_leaves_no_probation() -> None:
    """It was wrong, as far as anybody knows."""
    book = ledger()
    (first,) = apply(book, spray(ts=T0))
    book.lift(first.decision_id, first.until - 60, "anne")
    (second,) = apply(book, spray(ts=first.until + 60))
    assert (second.until - second.start) / Policy.enforcing().duration("password_spray", "ip") <= 1.2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(0, 9)), max_size=40))
def test_only_five_fields_of_a_decision_ever_change(steps: list[tuple[int, int, int]]) -> None:
    """Its end, which only moves on and only before it has passed, what it may touch, its alerts, and that it was lifted."""
    book, states, now = ledger(), dict[str, Decision](), T0
    for minutes, what, high in steps:
        now += 600 * minutes
        if what == 3 and states:
            changed = book.lift(sorted(states)[high % len(states)], now, "anne")
        else:
            changed = apply(book, spray(f"203.0.113.{what}", ok_accounts=high, ts=now))
        for after in changed:
            before = states.get(after.decision_id, after)
            may = {"until", "duration", "impact", "alert_ids", "lifted", "lifted_by"}
            assert {name for name in after.__struct_fields__ if getattr(before, name) != getattr(after, name)} <= may
            assert before.lifted is None
            assert after.until >= before.until
            assert before.until > now or after is before
            states[after.decision_id] = after


def test_repeated_alert_changes_nothing() -> None:
    """An alert delivered twice is applied once, after a lift too."""
    book = ledger()
    (made,) = apply(book, spray())
    assert apply(book, spray()) == []
    book.lift(made.decision_id, T0 + 20, "person")
    assert apply(book, spray()) == []


def test_change_of_mode_lifts_and_makes_a_new_decision() -> None:
    """When legitimate accounts appear, the enforced decision is lifted and a proposal takes its place."""
    book = ledger()
    (enforced,) = apply(book, spray())
    lifted, proposed = apply(book, spray(ts=T0 + 3600, ok_accounts=50))
    assert (lifted.decision_id, lifted.lifted) == (enforced.decision_id, T0 + 3600)
    assert lifted.lifted_by == f"alert:{proposed.alert_ids[0]}"
    assert proposed.mode == "proposed"
    assert refuses(lifted, make_attempt(ts=T0 + 3600))
    assert not refuses(lifted, make_attempt(ts=T0 + 3601))


def test_lift_works_once() -> None:
    """Lifting stops a decision; lifting again, or something unknown, does nothing."""
    book = ledger()
    (made,) = apply(book, spray())
    (lifted,) = book.lift(made.decision_id, T0 + 30, "person")
    assert (lifted.lifted, lifted.lifted_by) == (T0 + 30, "person")
    assert book.lift(made.decision_id, T0 + 40, "person") == []
    assert book.lift("0" * 32, T0 + 40, "person") == []
    assert book.active(T0 + 30) == []


def test_ledger_is_rebuilt_from_its_records() -> None:
    """The last record of each id is enough to go on as before."""
    book = ledger()
    records = [d for alert in (spray(), spray(ts=T0 + 3600), guessing(["203.0.113.7"], 100)) for d in apply(book, alert)]
    rebuilt = ledger()
    for record in {d.decision_id: d for d in records}.values():
        rebuilt.load(record.decision_id, msgspec.json.decode(msgspec.json.encode(record), type=Decision))
    by_id = {d.decision_id: d for d in book}
    assert {d.decision_id: d for d in rebuilt} == by_id
    again = spray(ts=T0 + 7200)
    assert apply(rebuilt, spray()) == []
    assert apply(rebuilt, again) == apply(book, again)


@pytest.mark.parametrize("policy", [ALWAYS, Policy.default()], ids=["enforce", "shadow"])
def test_tombstones_come_thirty_days_after_the_end(policy: Policy) -> None:
    """A decision is forgotten 30 days after it ended, extensions counted, and only once; one in shadow as well."""
    book = ledger(policy)
    (first,) = apply(book, spray())
    assert first.mode == ("enforce" if policy is ALWAYS else "shadow")
    (extended,) = apply(book, spray(ts=T0 + 3600))
    assert book.expired(first.until + KEEP_S) == []
    assert book.expired(extended.until + KEEP_S) == [first.decision_id]
    assert book.expired(extended.until + KEEP_S + DAY_S) == []
    assert len(book) == 0
    assert len(apply(book, spray())) == 1


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full ledger makes no new decisions while all hold, and gives up the ended ones first."""
    monkeypatch.setattr(ledger_module, "MAX_DECISIONS", 3)
    book = ledger()
    made = [apply(book, spray(ip=f"203.0.113.{i}")) for i in range(4)]
    assert [len(m) for m in made] == [1, 1, 1, 0]
    assert book.not_made == 1
    assert book.expired(T0 + 60) == []
    ended_first = min(book, key=lambda d: d.end)
    assert book.expired(ended_first.end) == [ended_first.decision_id]
    assert len(apply(book, spray(ip="203.0.113.9", ts=T0 + 3600))) == 1
