"""Drills: what an attacker, or our own mistake, could make of the rules. Each must hit nobody, or open the breaker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from models.accounts import AccountDirectory, Groups
from models.attempts import Resolver
from models.decisions import DecisionIndex, Ledger
from models.events import AuthEvent
from models.geo import Geo
from models.pipeline import Pipeline
from models.policy import Policy
from models.usage import UsageBook
from models.verdicts import Verdicts
from simulator import groups, simulate
from tests.factories import DAY_S, T0

_ACCOUNTS = 800
#: What acts on an address alone, or a pair; anything else is wide.
_NARROW = {"ip", "account_ip", "account", "range"}


class Drill:
    """Events through detection and decisions; ``refused`` are good log-ins that a decision or a verdict met, by account."""

    def __init__(self, events: Iterable[AuthEvent], resolver: Resolver | None = None, members: Groups | None = None) -> None:
        self.policy, members = Policy.enforcing(), members or Groups()
        self.usage = UsageBook(members)
        self.resolver = resolver or Resolver(AccountDirectory("example.org"), Geo())
        self.ledger = Ledger(self.policy, members, usage=self.usage.users)
        judge = Verdicts(self.policy, members)
        pipeline = Pipeline(self.resolver, members, 4, judge, self.usage)
        self.events = list(events)
        self.alerts = list(self._run(pipeline))
        index = DecisionIndex(self.policy)
        for decision in self.ledger:
            index.put(decision)
        met = {verdict.event_id for verdict in pipeline.verdicts}
        attempts = [self.resolver.attempt(event) for event in self.events if event.success]
        self.refused = {each.account for each in attempts if each.event_id in met or index.refusing(each)}

    def _run(self, pipeline: Pipeline) -> Iterator[str]:
        for alert in pipeline.run(iter(self.events)):
            self.ledger.apply(alert, alert.ts)
            yield alert.kind

    def enforced(self) -> set[tuple[str, str]]:
        return {(decision.scope, decision.value) for decision in self.ledger if decision.mode == "enforce"}


def event(ts: float, login: str, remote: str, success: bool = True, **fields: object) -> AuthEvent:
    given = {"protocol": "imap", "mech": "PLAIN", "country": "FR", "asn": 64500, "user_agent": "Thunderbird"} | fields
    fail = {} if success else {"fail_type": "credentials", "pwhash": f"{ts}{login}"}
    made = AuthEvent(ts=ts, login=login, remote=remote, success=success, **(given | fail))  # type: ignore[arg-type]
    made.event_id = f"{ts}/{login}/{remote}"
    return made


def at_home(days: int, customers: int, remote: str = "192.0.2.7") -> list[AuthEvent]:
    """Everybody logs in each hour, from one address."""
    return [
        event(T0 + day * DAY_S + hour * 3600 + number, f"customer{number}", remote)
        for day in range(days)
        for hour in range(8, 20)
        for number in range(customers)
    ]


def test_geo_file_shifted_by_a_row_hits_nobody_or_opens_the_breaker() -> None:
    """From noon on each address has the country and the ASN of the next row."""
    events = [each for each, _ in simulate("quiet", seed=3, accounts=_ACCOUNTS)]
    rows = sorted({(each.country, each.asn) for each in events if each.asn})
    following = dict(zip(rows, rows[1:] + rows[:1], strict=True))
    noon = (events[0].ts + events[-1].ts) / 2
    for each in events:
        if each.ts > noon and each.asn:
            each.country, each.asn = following[each.country, each.asn]
    members = Groups({login: [group] for login, group in groups(_ACCOUNTS)})
    drill = Drill(events, Resolver(AccountDirectory(), Geo()), members)
    assert {scope for scope, _ in drill.enforced()} <= _NARROW
    assert drill.ledger.breaker.opened is not None or len(drill.refused) <= drill.policy.budget.hour // 10


def test_nat_with_failures_is_not_blocked() -> None:
    """Somebody behind the address of two hundred customers fails at sixty accounts: the block is proposed, with its cost."""
    noon = T0 + DAY_S + 12 * 3600
    attack = [event(noon + number, f"stranger{number}", "192.0.2.7", success=False) for number in range(60)]
    drill = Drill(sorted([*at_home(2, 200), *attack], key=lambda each: each.ts))
    proposed = [decision for decision in drill.ledger if decision.value == "192.0.2.7"]
    assert {decision.mode for decision in proposed} == {"proposed"}
    legit = proposed[0].impact.legit_accounts
    assert legit is not None
    assert (legit.low, legit.estimate, legit.high) == (200, 200, 200)
    assert drill.refused == set()


def test_victims_address_spoofed_with_failures_does_not_lock_the_victim_out() -> None:
    """A hundred wrong passwords at one mailbox, from twenty addresses: its owner still gets in from home, and from the road."""
    evening = T0 + 9 * DAY_S + 18 * 3600
    guesses = [event(evening + number, "customer0", f"203.0.113.{number % 20}", success=False) for number in range(100)]
    later = [event(evening + 200, "customer0", "192.0.2.7"), event(evening + 300, "customer0", "198.51.100.9")]
    drill = Drill(sorted([*at_home(9, 3), *guesses, *later], key=lambda each: each.ts))
    assert "brute_force" in drill.alerts
    assert drill.refused == set()
    assert {scope for scope, _ in drill.enforced()} <= {"account_ip"}


def test_forty_aliases_of_one_mailbox_are_one_account() -> None:
    """A program that tries the old password of forty aliases is no spray, and a block of it would hit one account."""
    directory = AccountDirectory("example.org", {f"alias{number}@example.org": "box@example.org" for number in range(40)})
    noon = T0 + DAY_S + 12 * 3600
    old = [event(noon + number, f"alias{number}", "192.0.2.9", success=False) for number in range(40)]
    good = [event(T0 + 3600 * hour, f"alias{hour}", "192.0.2.9") for hour in range(24)]
    drill = Drill([*good, *old], Resolver(directory, Geo()))
    assert not {"password_spray", "credential_stuffing"} & set(drill.alerts)
    assert drill.usage.users("ip", "192.0.2.9", noon).familiar.interval().high == 1
    assert drill.refused == set()


def test_breaker_opens_when_many_small_decisions_add_up() -> None:
    """Two customers behind each of two hundred offices that are attacked: each is allowed, all of them are not."""
    made = []
    for office in range(200):
        address = f"203.0.{office}.1"
        made += [event(T0 + 60 * office + number, f"c{office}-{number}", address) for number in range(2)]
        made += [
            event(T0 + 13000 + 10 * office + number / 10, f"s{office}-{number}", address, success=False) for number in range(30)
        ]
    drill = Drill(sorted(made, key=lambda each: each.ts))
    assert drill.ledger.breaker.opened is not None
    assert "accounts within an hour, 100 allowed" in drill.ledger.breaker.reason
    lately = [each for each in drill.ledger if each.mode == "enforce" and each.start > drill.ledger.breaker.opened - 590]
    assert all(each.lifted_by == "breaker" for each in lately)
