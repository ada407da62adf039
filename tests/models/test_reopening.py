"""models.reopening: who is let in again, in which order, and what takes a step back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from models.accounts import Groups
from models.alerts import Alert, Evidence, Kind, Subject, alert_id
from models.changes import AccountChange
from models.policy import Ramp
from models.reopening import WAVES, Facts, Move, Register, Reopening, Reopenings, Step
from tests.factories import DAY_S, T0

RAMP = Ramp(wait_s=600, max_entered=1, max_tries=100)
ACCOUNTS = [f"user{number}@example.org" for number in range(20_000)]


def reopening(**changes: Any) -> Reopening:
    fields: dict[str, Any] = {"decision_id": "d", "until": T0 + DAY_S, "attack_since": T0 - 3600, "protected_groups": ("health",)}
    return Reopening(**(fields | {"ramp": RAMP, "watched_from": T0, "counts_from": T0} | changes))


def held(**changes: Any) -> Reopenings:
    made = Reopenings()
    made.begin(reopening(**changes))
    made.take_changed()
    return made


def state(reopenings: Reopenings) -> Reopening:
    """What was written last."""
    found = reopenings._held["d"]
    assert msgspec.json.decode(msgspec.json.encode(found), type=Reopening) == found
    return found


def alert(kind: Kind, ts: float, account: str | None = None, tries: int = 0, **fields: Any) -> Alert:
    subject = Subject(account=account) if account else Subject(ip="203.0.113.7")
    return Alert(
        alert_id=alert_id(kind, subject, int(ts)),
        kind=kind,
        severity="high",
        score=1.0,
        ts=ts,
        first_ts=ts,
        last_ts=ts,
        subject=subject,
        evidence=Evidence(counts={"failures": tries}),
        **fields,
    )


def step(wave: int | None = None, **fields: Any) -> Step:
    return Step(decision_id="d", wave=wave, **fields)


def turn(reopenings: Reopenings, after_s: float, *, detecting: bool = True) -> list[Move]:
    return reopenings.turn(T0 + after_s, detecting=detecting)


@pytest.mark.parametrize(
    ("facts", "wave"),
    [
        (Facts(("health",)), "protected"),
        (Facts(("staff", "health"), T0 - DAY_S, T0), "protected"),
        (Facts(("staff",), T0 - DAY_S, T0), "stable"),
        (Facts((), T0 - 3600, None), "rest"),
        (Facts((), None, T0 - 3600), "password_changed"),
        (Facts((), None, T0 - 3601), "rest"),
        (Facts(), "rest"),
    ],
)
def test_an_account_is_in_the_first_wave_that_it_belongs_to(facts: Facts, wave: str) -> None:
    """Habits count from before the attack, passwords from its beginning on."""
    assert WAVES[reopening().wave_of(facts)] == wave


def test_a_share_lets_in_as_many_accounts_and_always_the_same() -> None:
    """A greater share lets in those of the smaller, and another decision others."""
    let_in = [
        {account for account in ACCOUNTS if reopening(shares=(100, 100, 100, share)).admits(account, Facts())}
        for share in (0, 1, 10, 50, 100)
    ]
    assert [len(each) / 200 for each in let_in] == pytest.approx([0, 1, 10, 50, 100], rel=0.1)
    assert (let_in[0], len(let_in[-1])) == (set(), len(ACCOUNTS))
    assert all(less < more for less, more in pairwise(let_in))
    others = {account for account in ACCOUNTS if reopening(decision_id="e", shares=(100, 0, 0, 10)).admits(account, Facts())}
    assert len(others & let_in[2]) < 400


def test_waves_open_one_after_the_other() -> None:
    """From the protected groups alone to everybody, each wave by the shares of the policy."""
    at, seen = reopening(), []
    while (further := at.forward()) is not None:
        at = further
        seen.append(at.shares)
    assert seen[:5] == [(100, 1, 0, 0), (100, 10, 0, 0), (100, 50, 0, 0), (100, 100, 0, 0), (100, 100, 1, 0)]
    assert (len(seen), seen[-1]) == (12, (100, 100, 100, 100))
    back = [at]
    while (less := back[-1].back()) is not None:
        back.append(less)
    assert [each.shares for each in back] == [*reversed(seen), (100, 0, 0, 0)]


def test_it_goes_on_by_itself_while_the_gates_let_it() -> None:
    """After each wait a share, then the decision is to be lifted, and the re-opening is gone."""
    reopenings = held(automatic=True)
    assert turn(reopenings, 599) == []
    moves = [move for number in range(1, 15) for move in turn(reopenings, 600 * number)]
    assert [move.action for move in moves] == ["reopen"] * 12 + ["reopened"]
    said = "wave 2 (stable) 0 % -> 1 %: for 600 s 0 accounts entered, 0 tries"
    assert moves[0] == Move("d", "reopen", "crible", said, reopening(shares=(100, 1, 0, 0), automatic=True, watched_from=T0 + 600))
    assert [move.after is None for move in moves] == [False] * 12 + [True]
    assert (len(reopenings), reopenings.take_changed()) == (0, {"d": None})


def test_without_being_told_to_it_stays_as_it_is() -> None:
    """A cut is opened by a person, or by a person's word that it may go on by itself."""
    reopenings = held()
    assert [turn(reopenings, 600 * number) for number in range(1, 4)] == [[], [], []]
    assert state(reopenings).shares == (100, 0, 0, 0)


def test_nobody_who_counts_is_no_good_sign() -> None:
    """Without workers there are no alerts; the next step waits for them."""
    reopenings = held(automatic=True)
    assert turn(reopenings, 700, detecting=False) == []
    assert (state(reopenings).waits_for(T0 + 700, detecting=False) or "").startswith("workers")
    assert len(turn(reopenings, 701)) == 1


@pytest.mark.parametrize(
    ("alerts", "why"),
    [
        ([alert("account_takeover", T0 + 1, "a"), alert("account_takeover", T0 + 2, "b")], "2 accounts newly entered"),
        ([alert("brute_force", T0 + 1, "a", 60), alert("credential_stuffing", T0 + 2, tries=41)], "alerts name 101 tries"),
        ([alert("account_takeover", T0 + 1, "a"), alert("account_takeover", T0 + 2, "a")], None),
        ([alert("account_takeover", T0 - 1, account) for account in "abc"], None),
        ([alert("account_takeover", T0 + 1, account, cold=True) for account in "abc"], None),
        ([alert("password_spray", T0 + 1, tries=100), alert("login_flood", T0 + 2, tries=5000)], None),
    ],
)
def test_a_gate_takes_the_last_step_back(alerts: list[Alert], why: str | None) -> None:
    """More accounts entered, or tries, than the policy allows: one share less, and it goes on by order only.

    An account counts once, what was before the step does not count, nor does a cold alert, nor a flood's requests.
    """
    reopenings = held(shares=(100, 100, 10, 0), automatic=True)
    for each in alerts:
        reopenings.note_alert(each)
    moves = turn(reopenings, 5)
    if why is None:
        assert (moves, state(reopenings).shares) == ([], (100, 100, 10, 0))
        return
    (move,) = moves
    assert (move.action, why in move.reason) == ("roll_back", True)
    after = state(reopenings)
    assert (after.shares, after.automatic, after.entered, after.tries) == ((100, 100, 1, 0), False, (), 0)
    assert why in (after.held or "")
    assert turn(reopenings, 700) == []
    reopenings.step(step(automatic=True), "anne", "it was a drill", T0 + 800)
    assert [move.reason for move in turn(reopenings, 1400)] == [
        "wave 3 (password_changed) 1 % -> 10 %: for 600 s 0 accounts entered, 0 tries"
    ]


def test_an_alert_counts_though_it_comes_after_the_next_step() -> None:
    """It tells of what happened before; one about what happened before a step back does not take another one back."""
    reopenings = held(shares=(100, 10, 0, 0), automatic=True)
    assert [move.action for move in turn(reopenings, 600)] == ["reopen"]
    for account in "ab":
        reopenings.note_alert(alert("account_takeover", T0 + 599, account))
    assert [move.reason.partition(":")[0] for move in turn(reopenings, 601)] == ["wave 2 (stable) 50 % -> 10 %"]
    for account in "cd":
        reopenings.note_alert(alert("account_takeover", T0 + 600.5, account))
    assert turn(reopenings, 602) == []
    for account in "ef":
        reopenings.note_alert(alert("account_takeover", T0 + 601.5, account))
    assert [move.reason.partition(":")[0] for move in turn(reopenings, 603)] == ["wave 2 (stable) 10 % -> 1 %"]


def test_the_protected_wave_never_closes_by_itself() -> None:
    """While the attack goes on, gates are violated from the start: the rest stays shut, and it waits until it is quiet."""
    reopenings = held(shares=(100, 1, 0, 0), automatic=True)
    for after_s in (1, 700, 1400, 2100):
        reopenings.note_alert(alert("brute_force", T0 + after_s, "a", 5000))
        turn(reopenings, after_s + 1)
        if after_s == 1:
            reopenings.step(step(automatic=True), "anne", "again", T0 + 3)
    assert state(reopenings).shares == (100, 0, 0, 0)
    assert [move.action for move in turn(reopenings, 2800)] == ["reopen"]
    assert state(reopenings).shares == (100, 1, 0, 0)


def test_a_person_may_close_what_no_gate_does() -> None:
    """A protected group that turns out to be entered, for instance."""
    reopenings = held()
    reopenings.step(step(1, share=0), "anne", "an intruder among them", T0 + 1)
    assert not state(reopenings).admits("doctor", Facts(("health",)))


def test_latency_is_a_gate_once_the_policy_has_one() -> None:
    """Too slow is a step back; nothing told since the last step is a reason to wait."""
    ramp = msgspec.structs.replace(RAMP, max_latency_ms=500)
    reopenings = held(ramp=ramp, automatic=True, shares=(100, 10, 0, 0))
    assert turn(reopenings, 600) == []
    assert "latency" in (state(reopenings).waits_for(T0 + 600, detecting=True) or "")
    reopenings.note_latency(80, T0 + 601)
    assert [move.action for move in turn(reopenings, 602)] == ["reopen"]
    reopenings.note_latency(501, T0 + 700)
    (move,) = turn(reopenings, 701)
    assert move.reason == "wave 2 (stable) 50 % -> 10 %: the servers behind take 501 ms, more than 500"
    assert turn(reopenings, 702) == []
    unwatched = held(shares=(100, 10, 0, 0))
    unwatched.note_latency(60_000, T0 + 1)
    assert turn(unwatched, 2) == []


def test_a_person_opens_waves_in_order() -> None:
    """Not the third before the second; any share of the next, less of what is open, and the gates count anew from there."""
    reopenings = held()
    with pytest.raises(ValueError, match="one before wave 3 is not open yet"):
        reopenings.step(step(3), "anne", "r", T0)
    with pytest.raises(ValueError, match="no such re-opening"):
        reopenings.step(Step(decision_id="e", wave=2), "anne", "r", T0)
    move = reopenings.step(step(2), "anne", "quiet", T0 + 5)
    assert move == Move("d", "reopen", "anne", "wave 2 (stable) 0 % -> 100 %: quiet", state(reopenings))
    reopenings.step(step(3, share=35), "anne", "quiet", T0 + 6)
    assert (state(reopenings).shares, state(reopenings).watched_from) == ((100, 100, 35, 0), T0 + 6)
    reopenings.note_alert(alert("brute_force", T0 + 7, "a", 101))
    turn(reopenings, 8)
    assert state(reopenings).shares == (100, 100, 10, 0)
    reopenings.step(step(2, share=50), "anne", "less", T0 + 9)
    assert state(reopenings).shares == (100, 50, 10, 0)


@pytest.mark.parametrize("fields", [{}, {"wave": 2, "automatic": True}, {"wave": 0}, {"wave": 2, "share": 101}])
def test_a_step_says_one_thing(fields: dict[str, Any]) -> None:
    """A wave and a share there is, or whether it goes on by itself."""
    with pytest.raises(ValueError, match=r"step|wave"):
        Step(decision_id="d", **fields)


def test_another_leader_goes_on_where_this_one_was() -> None:
    """Everything is in the records: what the gates have seen, and since when."""
    first = held(automatic=True, shares=(100, 10, 0, 0))
    first.note_alert(alert("account_takeover", T0 + 1, "a"))
    (written,) = first.take_changed().values()
    second = Reopenings()
    second.load("d", msgspec.json.decode(msgspec.json.encode(written), type=Reopening))
    second.note_alert(alert("account_takeover", T0 + 2, "b"))
    assert [move.action for move in turn(second, 3)] == ["roll_back"]


def test_what_has_ended_is_let_go() -> None:
    """With the decision's end, and with its lifting."""
    for end in ("time", "lifted"):
        reopenings = held()
        if end == "lifted":
            reopenings.end("d")
        turn(reopenings, DAY_S if end == "time" else 1)
        assert (len(reopenings), reopenings.take_changed(), reopenings.take_changed()) == (0, {"d": None}, {})


def test_the_register_knows_groups_and_passwords() -> None:
    """The newest change counts; nobody is counted where nobody knows."""
    register = Register(Groups({"doctor": ["health"], "nurse": ["health", "staff"], "clerk": ["staff"]}))
    for ts, account, change in ((T0, "a", "password_changed"), (T0 - 9999, "a", "password_changed"), (T0, "b", "created")):
        register.note(AccountChange(ts=ts, account=account, change=change, by="owner"))  # type: ignore[arg-type]
    assert register.facts("doctor") == Facts(("health",), None, None)
    assert (register.facts("a").password_changed, register.facts("b").password_changed) == (T0, None)
    assert register.count(reopening()) == (2, None, 1, None)


def test_a_ramp_rises_to_everybody() -> None:
    """A policy whose last share is less would never open all."""
    for shares in ((), (10, 50), (50, 10, 100), (10, 10, 100)):
        with pytest.raises(ValueError, match="rises"):
            Ramp(shares_percent=shares)
