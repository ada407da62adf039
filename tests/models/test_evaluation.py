"""models.evaluation: every figure of contract section 6 on cases small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from models.accounts import Groups
from models.attempts import Attempt, Fail
from models.decisions import Decision, Except, Impact
from models.evaluation import AccountFigures, AttemptFigures, DecisionTime, Effect, Evaluation, Figures, Judge
from models.policy import Policy
from models.verdicts import Action

T0 = 1_772_524_800.0
ATTACKER, OTHER_ATTACKER, HOME = "203.0.113.7", "203.0.113.8", "192.0.2.1"
POLICY = Policy(version="test", protected_groups=frozenset({"health"}))
#: What makes a customer wait, and where it is counted.
WAITING = [("tarpit", "legit_accounts_delayed"), ("challenge", "legit_accounts_challenged")]


class Truth(NamedTuple):
    """A label."""

    label: str
    actor: str
    password_ok: bool | None = None
    cause: str | None = None
    trait: str | None = None


#: An attempt, its truth, and what a waiting client was answered.
Step = tuple[Attempt, Truth, Action]


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
    return attempt(ts, account, address, success=ok, country="BR"), Truth(kind, actor, ok), "accept"


def owner(ts: float, account: str, *, ok: bool = True, protocol: str = "imap", country: str = "FR", address: str = HOME) -> Step:
    return attempt(ts, account, address, success=ok, protocol=protocol, country=country), Truth("benign", account), "accept"


def answered(step: Step, action: Action) -> Step:
    """The same attempt with a verdict."""
    return (*step[:2], action)


def turned_away(step: Step) -> Step:
    """The same attempt, refused when it was made: of its password only the label still tells."""
    made, truth, action = step
    refused = msgspec.structs.replace(made, success=False, fail=int(Fail.POLICY), policy_reject=True)
    return refused, truth._replace(password_ok=made.success), action


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


def judge(steps: list[Step], *decisions: Decision, groups: Groups | None = None, **times: float) -> Judge:
    made = Judge(decisions, POLICY, groups or Groups(), **times)
    for each in steps:
        made.add(*each)
    return made


def judged(steps: list[Step], *decisions: Decision, groups: Groups | None = None, **times: float) -> Evaluation:
    return judge(steps, *decisions, groups=groups, **times).evaluation()


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
    assert accounts["all"].accounts_saved == pytest.approx(0.5)


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
    assert crible([attack(0, "a")]).accounts["all"].accounts_saved is None


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
    made = attempt(5, "y", ATTACKER, success=True, protocol="smtp", country="BR")
    by_smtp: Step = (made, Truth("password_spray", "spray", True), "accept")
    steps = [attack(0, "x", ok=True), by_smtp, *(owner(20, name, protocol=name) for name in ("imap", "pop3", "http", "smtp"))]
    figures = judged(steps).measures["cut_pop_imap"]
    assert figures.accounts["all"] == AccountFigures.of(exposed=2, lost=1)
    assert (figures.attempts["all"].stopped, figures.legit_accounts_touched) == (1, 2)


def test_effects_say_which_decision_did_what() -> None:
    """Each refused attempt counts for one decision; a decision that refused nothing has no effect."""
    steps = [attack(20, "a"), attack(30, "b"), owner(40, "c", address=ATTACKER), attack(50, "d", address=OTHER_ATTACKER)]
    effects = judge(steps, ban(10), ban(10, value=OTHER_ATTACKER), ban(10, value="203.0.113.9")).effects()
    assert effects == {f"ban {ATTACKER}": Effect(2, 1), f"ban {OTHER_ATTACKER}": Effect(1, 0)}


def test_an_attempt_that_two_decisions_refuse_counts_for_the_one_that_began_first() -> None:
    """Whatever order they are read in."""
    steps, early, late = [attack(30, "a")], ban(10), ban(20, value="203.0.113.0/24", scope="range")
    for decisions in ((early, late), (late, early)):
        assert judge(steps, *decisions).effects() == {early.decision_id: Effect(1, 0)}


class TestVerdicts:
    """What waiting clients were answered counts with the decisions."""

    def test_a_refusal_stops_and_cuts(self) -> None:
        """An attack is stopped and its account saved; an owner is cut."""
        steps = [answered(attack(10, "a", ok=True), "refuse"), answered(owner(20, "b"), "refuse"), owner(30, "c")]
        figures = crible(steps)
        assert figures.attempts["all"].stopped == 1
        assert figures.accounts["all"] == AccountFigures.of(exposed=1, lost=0)
        assert (figures.legit_accounts, figures.legit_accounts_cut, figures.legit_accounts_touched) == (2, 1, 1)

    @pytest.mark.parametrize(("action", "field"), WAITING)
    def test_delay_and_challenge_touch_but_stop_nothing(self, action: Action, field: str) -> None:
        """Nobody knows what would have come of them, so an attacker counts as let in."""
        figures = crible([answered(attack(10, "a", ok=True), action), answered(owner(20, "b"), action)])
        assert (figures.attempts["all"].stopped, figures.accounts["all"].accounts_lost) == (0, 1)
        assert (getattr(figures, field), figures.legit_accounts_cut, figures.legit_accounts_touched) == (1, 0, 1)

    def test_of_several_answers_a_customer_is_touched_once(self) -> None:
        """Each figure counts accounts; the sum is their union."""
        figures = crible([answered(owner(20, "b"), action) for action in ("tarpit", "challenge", "refuse", "accept")])
        assert figures.legit_accounts_cut == figures.legit_accounts_delayed == figures.legit_accounts_challenged == 1
        assert figures.legit_accounts_touched == figures.legit_accounts == 1


class TestDecisionsThatRefuseNobody:
    """Tar pits, challenges, and passwords that must be changed."""

    @pytest.mark.parametrize(("kind", "field"), WAITING)
    def test_those_who_wait_are_touched(self, kind: str, field: str) -> None:
        """While it holds."""
        figures = crible([owner(5, "a"), owner(20, "b")], ban(10, value=HOME, type=kind))
        assert (getattr(figures, field), figures.legit_accounts_touched, figures.legit_accounts_cut) == (1, 1, 0)

    @pytest.mark.parametrize(("changes", "reset"), [({}, 1), ({"mode": "proposed"}, 0), ({"until": T0 - 5, "start": T0 - 10}, 0)])
    def test_a_new_password_touches_its_customer(self, changes: dict[str, Any], reset: int) -> None:
        """If it is enforced, within the judged time; an account without a good log-in is no customer."""
        resets = (ban(5, scope="account", value=account, type="reset_password") for account in ("a", "nobody"))
        figures = crible([owner(0, "a"), owner(10, "b")], *(msgspec.structs.replace(each, **changes) for each in resets))
        assert (figures.legit_accounts_reset, figures.legit_accounts_touched) == (reset, reset)


class TestClosedLoop:
    """Events of a simulation in which people were refused while it ran."""

    def test_what_was_refused_counts_as_refused(self) -> None:
        """Also where no decision and no verdict at hand says so: the attacker did not get in, the customer was cut."""
        steps = [attack(0, "a"), turned_away(attack(10, "b", ok=True)), turned_away(owner(20, "c")), owner(30, "d")]
        figures = crible(steps)
        assert figures.attempts["all"] == AttemptFigures(attempts=2, stopped=1, late=0, late_stopped=0)
        assert figures.accounts["all"] == AccountFigures.of(exposed=1, lost=0)
        assert (figures.legit_accounts, figures.legit_accounts_touched) == (2, 1)

    def test_a_refused_wrong_password_is_no_good_login(self) -> None:
        """The customer who mistyped lost nothing."""
        figures = crible([turned_away(owner(20, "c", ok=False)), owner(30, "d")])
        assert (figures.legit_accounts, figures.legit_accounts_touched) == (1, 0)

    def test_the_cruder_ways_let_in_what_they_do_not_meet(self) -> None:
        """Doing nothing would have lost what the loop refused, and touched nobody."""
        steps = [turned_away(attack(10, "b", ok=True)), turned_away(owner(20, "c"))]
        measures = judged(steps).measures
        assert measures["do_nothing"].accounts["all"] == AccountFigures.of(exposed=1, lost=1)
        assert measures["do_nothing"].legit_accounts_touched == 0
        assert measures["cut_foreign"].accounts["all"] == AccountFigures.of(exposed=1, lost=0)
        assert measures["cut_pop_imap"].legit_accounts_touched == 1

    def test_a_right_password_that_failed_for_another_reason_loses_nothing(self) -> None:
        """A backend that was down let nobody in, whatever anybody would have done."""
        made, truth, action = attack(10, "a", ok=True)
        failed = msgspec.structs.replace(made, success=False, fail=int(Fail.INTERNAL))
        measures = judged([(failed, truth, action)]).measures
        assert {each.accounts["all"] for each in measures.values()} == {AccountFigures.of(exposed=1, lost=0)}

    def test_a_mailbox_of_the_attackers_own_exposes_nobody(self) -> None:
        """His good log-ins there are attempts of his, and no more."""
        made, truth, action = attack(10, "own", ok=True)
        figures = crible([(made, truth._replace(password_ok=None), action)])
        assert figures.accounts["all"].accounts_exposed == 0
        assert figures.attempts["all"].attempts == 1


class TestJudgedTime:
    """``since`` and ``until``."""

    def test_history_is_not_counted(self) -> None:
        """But who came first when is known from it, so the judged attempts of an old attacker are late ones."""
        evaluation = judged([attack(0, "a"), owner(5, "b"), attack(100, "c"), owner(110, "d")], since=T0 + 90, until=T0 + 200)
        assert evaluation.measures["crible"].attempts["all"] == AttemptFigures(attempts=1, stopped=0, late=1, late_stopped=0)
        assert (evaluation.measures["crible"].legit_accounts, evaluation.attempts) == (1, 2)
        assert (evaluation.start_ts, evaluation.end_ts) == (T0 + 90, T0 + 200)

    def test_without_it_is_what_there_is(self) -> None:
        """From the first attempt to the last."""
        evaluation = judged([attack(3, "a"), owner(70, "b")])
        assert (evaluation.start_ts, evaluation.end_ts) == (T0 + 3, T0 + 70)


class TestTimeToDecision:
    """From an actor's first attempt to the first decision about him, by kind."""

    def time(self, steps: list[Step], *decisions: Decision) -> DecisionTime:
        """Judged over 1,000 s."""
        return judged(steps, *decisions, since=T0, until=T0 + 1000).time_to_decision["credential_stuffing"]

    def test_it_ends_at_the_start_of_the_decision(self) -> None:
        """One that the attempts before it led to counts, though none of them was refused."""
        assert self.time([attack(0, "a"), attack(30, "b")], ban(40)) == DecisionTime(1, 40.0, 40.0, 0, 0.0)

    def test_a_refusal_ends_it_as_well(self) -> None:
        """A verdict, or the loop."""
        assert self.time([attack(0, "a"), answered(attack(25, "b"), "refuse")]).p50_s == 25.0
        assert self.time([attack(0, "a"), turned_away(attack(35, "b"))]).p50_s == 35.0

    def test_undecided_actors_count_with_the_whole_time(self) -> None:
        """By nearest rank; the share that was never decided about stands beside."""
        steps = [attack(0, "a"), attack(10, "b", address=OTHER_ATTACKER, actor="other")]
        assert self.time(steps, ban(40)) == DecisionTime(2, 40.0, 1000.0, 1, 0.5)

    def test_who_came_before_the_judged_time_counts_from_then(self) -> None:
        """Decided or not, a long time is not made short by looking late."""
        steps = [attack(-5000, "a"), attack(10, "b")]
        assert self.time(steps).p50_s == 6000.0
        assert self.time(steps, ban(20)).p50_s == 5020.0

    @pytest.mark.parametrize(
        "changes", [{"mode": "shadow"}, {"type": "notify"}, {"value": OTHER_ATTACKER}, {"start": T0 + 90_000, "until": T0 + 99_000}]
    )
    def test_what_is_not_about_him_decides_nothing(self, changes: dict[str, Any]) -> None:
        """Not enforced, no block, another address, or a day and more after his last attempt."""
        assert self.time([attack(0, "a")], msgspec.structs.replace(ban(40), **changes)).undecided == 1


def test_without_events_all_figures_are_zero() -> None:
    """Nothing happened, nothing is divided by it."""
    figures = crible([])
    assert (figures.attempts, figures.accounts) == ({"all": AttemptFigures(0, 0, 0, 0)}, {"all": AccountFigures.of(0, 0)})


def test_whom_a_reopening_let_in_counts_as_accepted() -> None:
    """What was cut widely refuses whom no wave lets in at that time; for the others it does nothing, attackers included."""
    wide = ban(-60, scope="country", value="BR", scenario="campaign")
    let_in = {"doctor@example.org"}
    steps = [
        (attempt(ts, account, "198.51.100.7", success=True, country="BR"), Truth("benign", account), "accept")
        for ts, account in ((0, "doctor@example.org"), (1, "alice@example.org"))
    ]
    stolen = attempt(2, "doctor@example.org", "198.51.100.9", success=True, country="BR")
    steps += [(stolen, Truth("credential_stuffing", "botnet", password_ok=True), "accept")]

    def figures(lets_in: Callable[[Decision, Attempt], bool]) -> Figures:
        made = Judge([wide], POLICY, Groups(), lets_in=lets_in)
        for each in steps:
            made.add(*each)
        return made.evaluation().measures["crible"]

    nobody = figures(lambda _decision, _attempt: False)
    some = figures(lambda decision, made: decision is wide and made.account in let_in)
    assert (nobody.legit_accounts_cut, nobody.attempts["all"].stopped) == (2, 1)
    assert (some.legit_accounts_cut, some.attempts["all"].stopped) == (1, 0)
