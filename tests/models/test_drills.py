"""Drills: what an attacker, or our own mistake, could make of the rules. Each must hit nobody, or open the breaker.

They are those of issue 5, in its order; those of processes that are killed or cut off are in ``tests/streams/test_drills.py``, and
the one on a doctor's mailbox runs through the topics and a gate in ``tests/streams/test_guard.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from models.accounts import AccountDirectory, Groups
from models.attempts import Resolver
from models.closed_loop import ClosedLoop
from models.decision_index import DecisionIndex
from models.events import AuthEvent
from models.geo import Geo
from models.ledger import Ledger
from models.pipeline import Pipeline
from models.policy import Policy
from models.usage import UsageBook
from models.verdicts import Verdicts
from simulator import groups, simulate
from simulator.clients import HEALTH
from tests.factories import DAY_S, T0

_ACCOUNTS = 800
EVENING = T0 + 9 * DAY_S + 18 * 3600
#: Of what comes after the guesses at the guarded mailbox.
REFUSED = {"a bot with his IMAP ID", "a bot at his carrier with the copied program"}
#: What acts on an address alone, or a pair; anything else is wide.
_NARROW = {"ip", "account_ip", "account", "range"}


class Drill:
    """Events through detection and decisions; ``refused`` are good log-ins that a decision or a verdict met, by account."""

    def __init__(self, events: Iterable[AuthEvent], resolver: Resolver | None = None, members: Groups | None = None) -> None:
        self.policy, members = Policy.enforcing(), members or Groups()
        self.usage = UsageBook(members)
        self.resolver = resolver or Resolver(AccountDirectory("example.org"), Geo())
        judge = Verdicts(self.policy, members)
        pipeline = Pipeline(self.resolver, members, 4, judge, self.usage)
        self.ledger = Ledger(self.policy, members, profiles=pipeline.profile, usage=self.usage.users)
        self.events = list(events)
        self.alerts = list(self._run(pipeline))
        index = DecisionIndex(self.policy)
        for decision in self.ledger:
            index.put(decision)
        met = {verdict.event_id for verdict in pipeline.verdicts}
        attempts = [self.resolver.attempt(event) for event in self.events if event.success]
        refused = [each for each in attempts if each.event_id in met or index.refusing(each)]
        self.refused, self.refused_ids = {each.account for each in refused}, {each.event_id for each in refused}

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


def test_failures_spoofed_against_a_doctor_leave_him_all_his_ways_in() -> None:
    """A hundred wrong passwords at one mailbox, from twenty addresses that show his own program, do nothing but what pairs do.

    Of the addresses with the most failures: he is in a protected group, which is met by nothing else.
    """
    doctor = "customer0"
    guesses = [event(EVENING + number, doctor, f"203.0.113.{number % 20}", success=False) for number in range(100)]
    later = [event(EVENING + 200, doctor, "192.0.2.7"), event(EVENING + 300, doctor, "198.51.100.9")]
    in_time = sorted([*at_home(9, 3), *guesses, *later], key=lambda each: each.ts)
    drill = Drill(in_time, members=Groups({"customer0@example.org": ["health"]}))
    assert "brute_force" in drill.alerts
    assert drill.refused == set()
    assert {scope for scope, _ in drill.enforced()} <= {"account_ip"}


def guarded_mailbox() -> list[AuthEvent]:
    """Nine days at home and on the road, then a hundred guesses at one mailbox from as many networks, and five right passwords.

    The guesses show the program that is used at home; the bot that gets the password shows the telephone's too.
    """
    phone, certificate = {"user_agent": "iOS Mail", "asn": 64501}, {"credential_id": "SHA256:his"}
    road = [event(T0 + day * DAY_S + 70_000, "customer0", f"2001:db8:{day}:1::7", **phone, **certificate) for day in range(9)]
    guesses = [event(EVENING + number, "customer0", f"203.{number}.113.7", False, asn=64666, country="XX") for number in range(100)]
    after = {
        "at home": event(EVENING + 300, "customer0", "192.0.2.7", user_agent="a new program"),
        "on his phone": event(EVENING + 310, "customer0", "2001:db8:3:9::7", **phone),
        "on a new /64 of his own carrier": event(EVENING + 320, "customer0", "2001:db8:77:1::7", **phone),
        "abroad with his certificate": event(EVENING + 325, "customer0", "198.18.5.7", asn=64503, country="DE", **certificate),
        "webmail": event(EVENING + 330, "customer0", "198.51.100.9", protocol="http", user_agent="a browser", asn=64502),
        "a bot with his IMAP ID": event(EVENING + 340, "customer0", "203.7.113.9", **phone | {"asn": 64666}),
        "a bot at his carrier with the copied program": event(EVENING + 350, "customer0", "198.51.100.77", asn=64501),
    }
    for name, each in after.items():
        each.event_id = name
    return sorted([*at_home(9, 3), *road, *guesses, *after.values()], key=lambda each: each.ts)


def test_guard_lets_the_owner_in_and_the_bot_not() -> None:
    """At home, on his phone, on a new /64 of his carrier, abroad with his certificate, by webmail; not with his IMAP ID."""
    drill = Drill(guarded_mailbox())
    guard = next(decision for decision in drill.ledger if decision.type == "guard" and decision.mode == "enforce")
    assert guard.value == "customer0@example.org"
    assert drill.refused_ids == REFUSED


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


def test_copied_fingerprint_of_the_protected_group_refuses_none_of_it() -> None:
    """The incident, whose copycat shows the protected group's own program: none of the group is refused, in a closed loop."""
    members = Groups({login: [group] for login, group in groups(1500)})
    policy = Policy.enforcing()
    pipeline = Pipeline(Resolver(AccountDirectory(), Geo()), members, 4, Verdicts(policy, members))
    loop = ClosedLoop(pipeline, policy, members)
    copied, refused = 0, set[str]()
    for each, label in simulate("laposte-2022", 2, accounts=1500, hours=4 * 24, refused=loop.refuses):
        loop.saw(each)
        copied += each.ja3 == HEALTH.ja3 and label.label != "benign"
        if each.policy_reject and label.label == "benign":
            refused.add(loop.pipeline.resolver.attempt(each).account)
    assert copied > 50
    assert {account for account in refused if members.of(account)} == set()


def test_geo_file_shifted_by_a_row_changes_nothing_for_customers() -> None:
    """Each address has the country and the ASN of the next row from the third day of the incident on, in a closed loop.

    A good many attempts are refused, and next to no customer: accounts know networks. Where people cut by country the wrong file
    does hit customers, and the breaker opens: ``tests/streams/test_geo_drill.py``.
    """
    policy, members = Policy.enforcing(), Groups({login: [group] for login, group in groups(_ACCOUNTS)})
    loop = ClosedLoop(Pipeline(Resolver(AccountDirectory(), Geo()), members, 4, Verdicts(policy, members)), policy, members)
    rows, following, shifted_from = set[tuple[str, int]](), dict[tuple[str, int], tuple[str, int]](), None
    customers, stopped, shifted = set[str](), 0, 0

    def refuses(each: AuthEvent) -> bool:
        nonlocal shifted_from, shifted
        shifted_from = shifted_from or each.ts + 2 * DAY_S
        if each.country and each.asn and each.ts < shifted_from:
            rows.add((each.country, each.asn))
        elif each.country and each.asn:
            in_order = sorted(rows)
            following.update({} if following else zip(in_order, in_order[1:] + in_order[:1], strict=True))
            each.country, each.asn = following.get((each.country, each.asn), (each.country, each.asn))
            shifted += 1
        return loop.refuses(each)

    for each, label in simulate("laposte-2022", 2, accounts=_ACCOUNTS, hours=4 * 24, refused=refuses):
        loop.saw(each)
        if each.policy_reject and each.ts > (shifted_from or 0.0):
            stopped += label.label != "benign"
            customers |= {each.login} if label.label == "benign" else set()
    assert shifted > 10_000
    assert stopped > 5_000
    assert len(customers) <= policy.budget.hour // 50
    assert {decision.scope for decision in loop.ledger if decision.mode == "enforce"} <= _NARROW


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
