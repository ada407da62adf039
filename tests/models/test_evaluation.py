"""models.evaluation: every figure of contract section 6 on cases small enough to count by hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest

from models.accounts import Groups
from models.attempts import Attempt, Fail
from models.decisions import Decision, Except, Impact
from models.evaluation import AccountFigures, AttemptFigures, Effect, Evaluation, Figures, evaluate
from models.policy import Policy

T0 = 1_772_524_800.0
ATTACKER, OTHER_ATTACKER, HOME = "203.0.113.7", "203.0.113.8", "192.0.2.1"
POLICY = Policy(version="test", protected_groups=frozenset({"health"}))


class Truth(NamedTuple):
    """A label."""

    label: str
    actor: str
    password_ok: bool | None = None


Step = tuple[Attempt, Truth]


def attempt(ts: float, account: str, address: str, *, success: bool, protocol: str = "imap", country: str = "FR") -> Attempt:
    fail = Fail.NONE if success else Fail.CREDENTIALS
    network = address.rpartition(".")[0] + ".0/24"
    where = (country, 64512, None, None)
    return Attempt(T0 + ts, account, address, network, success, fail, protocol, 1, 1, "", *where, False, True, f"e{ts}")


def attack(
    ts: float,
    account: str,
    *,
    ok: bool = False,
    address: str = ATTACKER,
    kind: str = "credential_stuffing",
    actor: str = "stuffing",
) -> Step:
    return attempt(ts, account, address, success=ok, country="BR"), Truth(kind, actor, ok)


def owner(ts: float, account: str, *, ok: bool = True, protocol: str = "imap", country: str = "FR", address: str = HOME) -> Step:
    return attempt(ts, account, address, success=ok, protocol=protocol, country=country), Truth("benign", account)


def ban(start: float, until: float = 1e6, value: str = ATTACKER, **changes: Any) -> Decision:
    made = Decision(
        decision_id=f"ban {value}",
        uuid="",
        origin="crible",
        type="ban",
        scope="ip",
        value=value,
        start=T0 + start,
        until=T0 + until,
        duration="",
        scenario="credential_stuffing",
        mode="enforce",
        alert_ids=("a",),
        reason="",
        policy_version="test",
        impact=Impact(attack_attempts=0, attack_accounts=0, legit_accounts=None),
    )
    return msgspec.structs.replace(made, **changes)


def judged(steps: list[Step], *decisions: Decision, groups: Groups | None = None) -> Evaluation:
    return evaluate(steps, decisions, POLICY, groups or Groups())


def crible(steps: list[Step], *decisions: Decision, groups: Groups | None = None) -> Figures:
    return judged(steps, *decisions, groups=groups).measures["crible"]


def test_attempts_are_stopped_strictly_between_start_and_until() -> None:
    """At start and at until an attempt still passes; late ones are those over 60 s after the actor's first."""
    steps = [attack(ts, f"a{ts}") for ts in (0, 10, 11, 60, 61, 99, 100)]
    figures = crible(steps, ban(10, 100))
    assert figures.attempts["credential_stuffing"] == AttemptFigures(attempts=7, stopped=4, late=3, late_stopped=2)


def test_lateness_goes_by_actor_over_all_addresses() -> None:
    """A fresh address gives an attacker no new first attempt; another actor has a first of its own."""
    steps = [attack(0, "a"), attack(61, "b", address=OTHER_ATTACKER), attack(61, "c", address=OTHER_ATTACKER, actor="other")]
    assert crible(steps).attempts["all"] == AttemptFigures(attempts=3, stopped=0, late=1, late_stopped=0)


def test_floods_are_counted_apart() -> None:
    """A flood has its own line and is in no sum of attempts."""
    steps = [attack(0, "a"), *(attack(ts, "a", kind="login_flood", actor="flood") for ts in range(1, 101))]
    attempts = crible(steps, ban(0)).attempts
    assert attempts["login_flood"] == AttemptFigures(attempts=100, stopped=100, late=39, late_stopped=39)
    assert attempts["all"] == attempts["credential_stuffing"] == AttemptFigures(attempts=1, stopped=0, late=0, late_stopped=0)


def test_an_account_is_lost_by_one_accepted_attempt() -> None:
    """Exposed: the right password was presented. One that was refused every time is saved; wrong passwords expose nobody."""
    steps = [attack(0, "early", ok=True), attack(20, "early", ok=True), attack(30, "saved", ok=True), attack(40, "tried")]
    accounts = crible(steps, ban(10)).accounts
    assert accounts == {kind: AccountFigures.of(exposed=2, lost=1) for kind in ("credential_stuffing", "all")}
    assert accounts["all"].saved == pytest.approx(0.5)


def test_accounts_are_summed_as_a_union() -> None:
    """An account met by stuffing and then by a takeover is one account; lost by either, it is lost."""
    steps = [
        attack(20, "a", ok=True),
        attack(30, "a", ok=True, address=OTHER_ATTACKER, kind="account_takeover", actor="stuffing/takeover-1"),
    ]
    accounts = crible(steps, ban(10)).accounts
    assert accounts["credential_stuffing"] == AccountFigures.of(exposed=1, lost=0)
    assert accounts["account_takeover"] == accounts["all"] == AccountFigures.of(exposed=1, lost=1)


def test_nobody_exposed_is_no_share() -> None:
    """Without an exposed account there is nothing to save, which is not the same as saving nothing."""
    assert crible([attack(0, "a")]).accounts["all"].saved is None


def test_a_customer_is_touched_by_a_refused_good_login() -> None:
    """A refused wrong password touches nobody, and an account counts once."""
    steps = [owner(20, "twice", address=ATTACKER), owner(30, "twice", address=ATTACKER), owner(40, "elsewhere")]
    steps.append(owner(50, "mistyped", address=ATTACKER, ok=False))
    figures = crible(steps, ban(10))
    assert (figures.legit_accounts, figures.legit_accounts_touched, figures.protected_touched) == (2, 1, 0)


def test_protected_accounts_are_counted_apart() -> None:
    """Only members of a group that the policy protects count."""
    groups = Groups({"doctor": ["health"], "clerk": ["staff"]})
    steps = [owner(20, account, address=ATTACKER) for account in ("doctor", "clerk", "anne")]
    figures = crible(steps, ban(10), groups=groups)
    assert (figures.legit_accounts_touched, figures.protected_touched) == (3, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "shadow"},
        {"mode": "proposed"},
        {"type": "notify"},
        {"lifted": T0 + 15, "lifted_by": "person"},
        {"protocols": ("pop3",)},
        {"except_": (Except(networks=("203.0.113.0/24",)),)},
        {"value": "10.0.0.1"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_not_enforced_stops_nothing(changes: dict[str, Any]) -> None:
    """Each condition of the contract's paragraph, and the never-block set, holds here too."""
    address = str(changes.get("value", ATTACKER))
    assert crible([attack(20, "a", address=address)], ban(10, **changes)).attempts["all"].stopped == 0


def test_crude_measures_start_with_the_attack() -> None:
    """Before the first attack attempt they cut nobody; our own decisions are judged from the beginning."""
    steps = [owner(0, "a", country="DE"), attack(10, "x"), owner(20, "b", country="DE")]
    evaluation = judged(steps, ban(-10, value=HOME))
    assert evaluation.measures["cut_foreign"].legit_accounts_touched == 1
    assert evaluation.measures["crible"].legit_accounts_touched == 2


def test_doing_nothing_loses_every_exposed_account() -> None:
    """The attack goes through and no customer is cut, whatever was decided."""
    figures = judged([attack(20, "a", ok=True), owner(30, "b")], ban(10)).measures["do_nothing"]
    assert figures.accounts["all"] == AccountFigures.of(exposed=1, lost=1)
    assert (figures.attempts["all"].stopped, figures.legit_accounts_touched) == (0, 0)


def test_cutting_foreign_addresses_cuts_overseas_france() -> None:
    """A naive rule knows only FR; an address of unknown place passes."""
    steps = [attack(0, "x", ok=True), *(owner(20, country, country=country) for country in ("FR", "RE", "DE", ""))]
    figures = judged(steps).measures["cut_foreign"]
    assert figures.accounts["all"] == AccountFigures.of(exposed=1, lost=0)
    assert (figures.legit_accounts, figures.legit_accounts_touched) == (4, 2)


def test_cutting_pop_and_imap_leaves_the_webmail() -> None:
    """The other protocols stay open, to attackers too."""
    smtp_attack = (attempt(5, "y", ATTACKER, success=True, protocol="smtp", country="BR"), Truth("password_spray", "spray", True))
    steps = [attack(0, "x", ok=True), smtp_attack, *(owner(20, name, protocol=name) for name in ("imap", "pop3", "http", "smtp"))]
    figures = judged(steps).measures["cut_pop_imap"]
    assert figures.accounts["all"] == AccountFigures.of(exposed=2, lost=1)
    assert (figures.attempts["all"].stopped, figures.legit_accounts_touched) == (1, 2)


def test_effects_say_which_decision_did_what() -> None:
    """Each refused attempt counts for one decision; a decision that refused nothing has no effect."""
    steps = [attack(20, "a"), attack(30, "b"), owner(40, "c", address=ATTACKER), attack(50, "d", address=OTHER_ATTACKER)]
    effects = judged(steps, ban(10), ban(10, value=OTHER_ATTACKER), ban(10, value="203.0.113.9")).effects
    assert effects == {f"ban {ATTACKER}": Effect(2, 1), f"ban {OTHER_ATTACKER}": Effect(1, 0)}


def test_without_events_all_figures_are_zero() -> None:
    """Nothing happened, nothing is divided by it."""
    figures = crible([])
    assert (figures.attempts, figures.accounts) == ({"all": AttemptFigures(0, 0, 0, 0)}, {"all": AccountFigures.of(0, 0)})
