"""models.orders: what people order is done to what holds, and noted."""

from __future__ import annotations

import msgspec

from models.accounts import AccountDirectory, Groups
from models.applied_policy import PolicyChange, policy_hash
from models.breaker import Breaker
from models.by_hand import Asked, made_by_hand, reopening_of
from models.decisions import Decision, join_value
from models.ledger import Ledger
from models.lists import ListEntry, Lists
from models.orders import Order, carry_out, let_in, note_made, note_moves
from models.policy import Policy
from models.reopening import Reopenings, Step
from tests.block_service import spray
from tests.factories import T0, ban

ADDRESS = "203.0.113.7"


def ledger_of(*decisions: Decision) -> Ledger:
    ledger = Ledger(Policy.enforcing(), Groups())
    for decision in decisions:
        ledger.load(decision.decision_id, decision)
    return ledger


def allowed(**fields: object) -> ListEntry:
    return ListEntry(**({"list": "allow", "ts": T0, "until": T0 + 600, "reason": "our office", "by": "anne"} | fields))


def test_an_order_lifts_what_it_means_once() -> None:
    """With who ordered it and why; carried out again it finds nothing."""
    one, other = ban(ADDRESS, campaign_id="c"), ban("203.0.113.8")
    ledger, order = ledger_of(one, other), Order(ts=T0, by="anne", reason="a drill", campaign_id="c")
    lifted, notes = carry_out(order, ledger, Reopenings(), T0)
    assert [(each.decision_id, each.lifted, each.lifted_by) for each in lifted] == [(one.decision_id, T0, "anne")]
    assert [(note.decision_id, note.action, note.by, note.reason) for note in notes] == [
        (one.decision_id, "lift", "anne", "a drill")
    ]
    assert carry_out(order, ledger, Reopenings(), T0 + 1) == ([], [])


def cut(scope: str = "country", value: str = "BR") -> Decision:
    asked = Asked(scope=scope, value=value, for_s=3600, reason="a botnet")  # type: ignore[arg-type]
    return made_by_hand(asked, "anne", T0, Policy.enforcing(), AccountDirectory("example.org"))


def test_a_decision_by_hand_is_made_with_its_reopening() -> None:
    """Once, with a note; a step of the re-opening is noted too, and one that cannot be taken."""
    ledger, reopenings, decision = ledger_of(), Reopenings(), cut()
    order = Order(ts=T0, by="anne", reason="r", decision=decision, reopening=reopening_of(decision, ledger.policy, T0))
    made, notes = carry_out(order, ledger, reopenings, T0)
    assert (made, ledger.active(T0), list(reopenings.take_changed())) == ([decision], [decision], [decision.decision_id])
    steps = [Order(ts=T0, by="bob", reason="r", step=Step(decision_id=decision.decision_id, wave=wave)) for wave in (3, 2)]
    for step in steps:
        changed, more = carry_out(step, ledger, reopenings, T0 + 1)
        assert changed == []
        notes += more
    notes += note_moves(reopenings.turn(T0 + 2, detecting=True), T0 + 2)
    assert [(note.action, note.by) for note in notes] == [("add", "anne"), ("refuse", "bob"), ("reopen", "bob")]
    assert {note.decision_id for note in notes} == {decision.decision_id}


def test_what_speaks_against_a_decision_by_now_is_told() -> None:
    """The leader does not make it, and says why."""
    lists = Lists()
    lists.put(allowed(address=ADDRESS))
    ledger = Ledger(Policy.enforcing(), Groups(), spared=lists.spares)
    made, (note,) = carry_out(Order(ts=T0, by="anne", reason="r", decision=cut("ip", ADDRESS)), ledger, Reopenings(), T0)
    assert (made, len(ledger), note.action) == ([], 0, "refuse")
    assert note.reason == "the allow list lets in whom this refuses: r"


def test_alerts_leave_what_a_person_decided_as_it_is() -> None:
    """They make their own decision beside it, and neither extend nor end the person's."""
    by_hand = msgspec.structs.replace(cut("ip", ADDRESS), scenario="password_spray")
    ledger = ledger_of(by_hand)
    (own,) = ledger.apply(spray(ADDRESS, T0), T0)
    assert ledger.active(T0) == [by_hand, own]
    shadow = Ledger(Policy.default(), Groups())
    shadow.load(by_hand.decision_id, by_hand)
    shadow.apply(spray(ADDRESS, T0), T0)
    assert by_hand in shadow.active(T0)


def test_closing_the_breaker_is_noted_on_what_opened_it() -> None:
    """It lifts nothing; what was decided before counts no more."""
    ledger = ledger_of()
    ledger.breaker = Breaker(opened=T0 - 60, decision_id="d", reason="too many")
    lifted, (note,) = carry_out(Order(ts=T0, by="anne", reason="looked at", breaker="close"), ledger, Reopenings(), T0)
    assert (lifted, ledger.breaker) == ([], Breaker(counts_from=T0))
    assert (note.decision_id, note.action, note.by, note.reason) == ("d", "close_breaker", "anne", "looked at")


def test_a_policy_holds_from_the_next_alert_on() -> None:
    """What was decided stays as it is until its next alert; the version is in every decision."""
    ledger = Ledger(Policy(version="shadow"), Groups())
    (shadow,) = ledger.apply(spray(ADDRESS, T0), T0)
    enforcing = msgspec.structs.replace(Policy.enforcing(), version="enforce")
    order = Order(ts=T0, by="anne", reason="a drill", policy=PolicyChange(policy=enforcing))
    changed, (note,) = carry_out(order, ledger, Reopenings(), T0 + 1)
    assert (changed, note.decision_id, note.action, note.by) == ([], "policy/current", "apply", "anne")
    assert note.reason == f"enforce ({policy_hash(enforcing)}): a drill"
    assert ledger.active(T0 + 1) == [shadow]
    (other,) = ledger.apply(spray("203.0.113.8", T0 + 2), T0 + 2)
    lifted, enforced = ledger.apply(spray(ADDRESS, T0 + 3600, hour=1), T0 + 3600)
    assert [(each.mode, each.policy_version) for each in (other, lifted, enforced)] == [
        ("enforce", "enforce"),
        ("shadow", "shadow"),
        ("enforce", "enforce"),
    ]


def test_a_policy_that_was_overtaken_is_refused() -> None:
    """Of two in place of the same one the first is carried out; the note says why the other was not."""
    ledger = ledger_of()
    one, other = (Order(ts=T0, by=by, reason="r", policy=PolicyChange(policy=Policy(version=by))) for by in ("anne", "bob"))
    assert one.key != other.key
    assert [carry_out(order, ledger, Reopenings(), T0)[1][0].action for order in (one, other)] == ["apply", "refuse"]
    assert (ledger.policy.version, ledger.applied is not None) == ("anne", True)


def test_letting_in_lifts_what_would_refuse() -> None:
    """The address itself, ranges around it, pairs on it; not what is elsewhere, nor what refuses nobody."""
    meant = [ban(ADDRESS), ban("203.0.113.0/24"), ban(join_value(ADDRESS, "a@example.org"), scope="account_ip")]
    others = [ban("198.51.100.1"), ban(ADDRESS, mode="shadow"), ban("a@example.org", scope="account", type="guard")]
    lifted, notes = let_in(allowed(address=ADDRESS), ledger_of(*meant, *others), T0)
    assert {each.decision_id for each in lifted} == {each.decision_id for each in meant}
    assert {note.reason for note in notes} == {"our office"}


def test_letting_an_account_in_leaves_the_address_blocked() -> None:
    """Log-in servers, who know the account, let it in; others at the address stay out."""
    pair = ban(join_value(ADDRESS, "a@example.org"), scope="account_ip")
    lifted, _ = let_in(allowed(address=ADDRESS, account="a@example.org"), ledger_of(pair, ban(ADDRESS)), T0)
    assert [each.decision_id for each in lifted] == [pair.decision_id]


def test_an_entry_that_has_ended_lifts_nothing() -> None:
    """It may still lie on the topic."""
    assert let_in(allowed(address=ADDRESS, until=T0), ledger_of(ban(ADDRESS)), T0) == ([], [])


def test_who_was_let_in_is_not_refused_anew() -> None:
    """While the entry holds, alerts only propose; after it they are enforced again."""
    lists = Lists()
    lists.put(allowed(address="203.0.113.0/28", until=T0 + 600))
    ledger = Ledger(Policy.enforcing(), Groups(), spared=lists.spares)
    modes = [[each.mode for each in ledger.apply(spray(ADDRESS, ts, hour), ts)] for hour, ts in enumerate((T0, T0 + 601))]
    assert modes == [["proposed"], ["proposed", "enforce"]]
    assert [each.mode for each in ledger.active(T0 + 700)] == ["enforce"]


def test_what_alerts_do_is_noted_without_whom_it_is_about() -> None:
    """Made and lifted, not extended; ``auth.audit`` names no account."""
    made = ban("203.0.113.7|alice@example.org", scope="account_ip")
    extended = msgspec.structs.replace(made, alert_ids=("a", "b"))
    lifted = msgspec.structs.replace(made, lifted=T0, lifted_by="breaker")
    notes = note_made([made, extended, lifted], T0)
    assert [(note.decision_id, note.action, note.by, note.reason) for note in notes] == [
        (made.decision_id, "decide", "crible", "enforce ban on account_ip: password_spray"),
        (made.decision_id, "lift", "crible", "breaker"),
    ]
