"""models.orders: what people order is done to what holds, and noted."""

from __future__ import annotations

from models.accounts import Groups
from models.breaker import Breaker
from models.decisions import Decision, Ledger, join_value
from models.lists import ListEntry, Lists
from models.orders import Order, carry_out, let_in
from models.policy import Policy
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
    lifted, notes = carry_out(order, ledger, T0)
    assert [(each.decision_id, each.lifted, each.lifted_by) for each in lifted] == [(one.decision_id, T0, "anne")]
    assert [(note.decision_id, note.action, note.by, note.reason) for note in notes] == [
        (one.decision_id, "lift", "anne", "a drill")
    ]
    assert carry_out(order, ledger, T0 + 1) == ([], [])


def test_closing_the_breaker_is_noted_on_what_opened_it() -> None:
    """It lifts nothing; what was decided before counts no more."""
    ledger = ledger_of()
    ledger.breaker = Breaker(opened=T0 - 60, decision_id="d", reason="too many")
    lifted, (note,) = carry_out(Order(ts=T0, by="anne", reason="looked at", breaker="close"), ledger, T0)
    assert (lifted, ledger.breaker) == ([], Breaker(counts_from=T0))
    assert (note.decision_id, note.action, note.by, note.reason) == ("d", "close_breaker", "anne", "looked at")


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
