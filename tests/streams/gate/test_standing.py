"""streams.gate.standing: who is refused follows the topics, and in doubt nobody is."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from kafka.errors import KafkaConnectionError

from models.accounts import Groups
from models.applied_policy import AppliedPolicy, encode_applied, policy_hash
from models.breaker import Breaker
from models.changes import AccountChange
from models.decisions import Decision
from models.frames import encode
from models.lists import ListEntry
from models.policy import Budget, Limits, Policy, Ramp
from models.profiles import Profile, encode_profile, network_number
from models.reopening import Register, Reopening
from models.stops import Stop, Stops
from models.verdicts import Phase
from streams.gate import standing as standing_module
from streams.gate.standing import Follower, Standing
from streams.settings import Settings
from tests.block_service import wait_for
from tests.factories import T0, ban, campaign, failure, success

ATTEMPT = failure(T0, remote="203.0.113.7")


@pytest.fixture
def standing() -> Standing:
    made = Standing(Policy.default())
    made.complete()
    return made


@pytest.fixture
def follower(standing: Standing) -> Follower:
    return Follower(Settings(), standing, lambda: T0)


def record(topic: str, key: str, value: object, schema: str | None = None) -> Any:
    """A record as kafka-python gives it; ``value`` is JSON unless it is bytes."""
    encoded = value if isinstance(value, bytes | None) else msgspec.json.encode(value)
    headers = [] if schema is None else [("crible-schema", schema.encode())]
    return SimpleNamespace(topic=topic, key=key.encode(), value=encoded, headers=headers, partition=0, offset=7)


def decided(decision: Decision, **more: Any) -> Any:
    return record("auth.decisions", decision.decision_id, decision, **more)


def entry(**fields: Any) -> ListEntry:
    return ListEntry(**({"list": "block", "address": "203.0.113.7", "ts": T0, "until": T0 + 60, "reason": "x", "by": "k"} | fields))


def test_a_decision_refuses_until_it_is_lifted(standing: Standing, follower: Follower) -> None:
    """The newest record of a decision is what holds."""
    decision = ban("203.0.113.7")
    follower.take(decided(decision, schema="decision/1"))
    refusal = standing.refusal(ATTEMPT)
    assert refusal is not None
    assert refusal.reference == decision.decision_id[:12]
    follower.take(decided(msgspec.structs.replace(decision, lifted=T0 - 1, lifted_by="anne")))
    assert standing.refusal(ATTEMPT) is None
    follower.take(decided(decision))
    follower.take(record("auth.decisions", decision.decision_id, None))
    assert standing.refusal(ATTEMPT) is None


def test_a_lifted_decision_is_over_whatever_the_leaders_clock_says(standing: Standing, follower: Follower) -> None:
    """A leader minutes ahead does not make a block last minutes longer."""
    decision = ban("203.0.113.7")
    follower.take(decided(decision))
    follower.take(decided(msgspec.structs.replace(decision, lifted=T0 + 250, lifted_by="anne")))
    assert standing.refusal(ATTEMPT) is None


def test_what_is_held_is_bounded(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader makes no more; whatever else is on the topic refuses nobody, and what ends makes room."""
    monkeypatch.setattr(standing_module, "MAX_DECISIONS", 1)
    first, second = ban("203.0.113.7", until=T0 + 1), ban("203.0.113.8")
    for decision in (first, second):
        standing.put_decision(decision.decision_id, decision, T0)
    assert (standing.refusal(ATTEMPT) is None, standing.refusal(failure(T0, remote="203.0.113.8")) is None) == (False, True)
    standing.put_decision(second.decision_id, second, T0 + 2)
    assert standing.refusal(failure(T0, remote="203.0.113.8")) is not None


def test_what_is_stopped_refuses_nobody(standing: Standing, follower: Follower) -> None:
    """A kind or a scope, and the other decision on the address still does; with everything also the lists; later all again."""
    other = ban("203.0.113.0/24", scenario="login_flood")
    follower.take(decided(ban("203.0.113.7", scenario="brute_force")))
    follower.take(decided(other))

    def stopped(**target: Any) -> Stops:
        return Stops((Stop(ts=T0, by="ops", reason="a drill", **target),))

    standing.stop(stopped(kind="brute_force"))
    refusal = standing.refusal(ATTEMPT)
    assert refusal is not None
    assert refusal.reference == other.decision_id[:12]
    standing.stop(stopped(scope="range"))
    follower.take(decided(ban("203.0.113.0/25")))
    refusal = standing.refusal(ATTEMPT)
    assert refusal is not None
    assert refusal.details["scope"] == "ip"
    standing.put_entry(entry().key, entry())
    standing.stop(stopped())
    assert standing.refusal(ATTEMPT) is None
    standing.put_entry(entry().key, None)
    standing.stop(Stops())
    assert standing.refusal(ATTEMPT) is not None


def test_ended_decisions_are_forgotten(standing: Standing) -> None:
    """A gate that runs for months does not grow: what ended goes when the next decision comes."""
    for number in range(100):
        decision = ban(f"203.0.113.{number}", until=T0 + 1)
        standing.put_decision(decision.decision_id, decision, T0)
    later = ban("198.51.100.1", start=T0, until=T0 + 60)
    standing.put_decision(later.decision_id, later, T0 + 2)
    assert len(standing._decisions._by_key) == 1
    shadow = ban("203.0.113.7", mode="shadow")
    standing.put_decision(shadow.decision_id, shadow, T0)
    assert len(standing._decisions._by_key) == 1


def test_lists_follow_the_control_topic(standing: Standing, follower: Follower) -> None:
    """Entries by their key; everything else on that topic is somebody else's."""
    listed = entry()
    follower.take(record("auth.control", "watermark/3", [1, 2.0]))
    follower.take(record("auth.control", "service/login_flood", b"\xff"))
    follower.take(record("auth.control", listed.key, listed, "list-entry/1"))
    assert standing.refusal(ATTEMPT) is not None
    assert standing.entries("block", T0) == [listed]
    follower.take(record("auth.control", listed.key, None))
    assert standing.refusal(ATTEMPT) is None


@pytest.mark.parametrize("schema", ["decision/2", "alert/1", "decision/x"])
def test_a_record_of_another_kind_takes_back_what_its_key_said(standing: Standing, follower: Follower, schema: str) -> None:
    """It may be the end of a block in words that this version does not know: in doubt nobody is refused."""
    decision = ban("203.0.113.7")
    follower.take(decided(decision))
    follower.take(decided(decision, schema=schema))
    assert standing.refusal(ATTEMPT) is None


@pytest.mark.parametrize("value", [b"nonsense", b"{}", b"\xff", b'{"list":"block"}'])
def test_a_damaged_record_takes_back_what_its_key_said(standing: Standing, follower: Follower, value: bytes) -> None:
    """For decisions and for entries of lists."""
    decision, listed = ban("203.0.113.7"), entry(address="198.51.100.1")
    follower.take(decided(decision))
    follower.take(record("auth.control", listed.key, listed))
    follower.take(record("auth.decisions", decision.decision_id, value))
    follower.take(record("auth.control", listed.key, value))
    assert standing.refusal(ATTEMPT) is None
    assert standing.refusal(failure(T0, remote="198.51.100.1")) is None


def test_what_was_cut_widely_is_opened_again(standing: Standing, follower: Follower) -> None:
    """Whom the re-opening lets in passes that decision and no other; without a re-opening nobody is refused by it."""
    standing.register = Register(Groups({"doctor@example.org": ["health"]}))
    wide, narrow = ban("BR", scope="country"), ban("203.0.113.8")
    opened = Reopening(
        decision_id=wide.decision_id,
        until=wide.until,
        attack_since=T0,
        protected_groups=("health",),
        ramp=Ramp(),
        watched_from=T0,
        counts_from=T0,
    )

    def refused(login: str, remote: str = "203.0.113.7") -> list[str]:
        refusal = standing.refusal(failure(T0, login, remote, country="BR"))
        return [] if refusal is None else [refusal.details["scope"]]

    for decision in (wide, narrow):
        follower.take(decided(decision))
    assert refused("alice") == []
    follower.take(record("auth.control", opened.key, opened, "reopening/1"))
    assert (refused("alice"), refused("doctor"), refused("doctor", "203.0.113.8")) == (["country"], [], ["ip"])
    standing.register.note(AccountChange(ts=T0 + 1, account="alice@example.org", change="password_changed", by="owner"))
    further = msgspec.structs.replace(opened, shares=(100, 100, 100, 0))
    follower.take(record("auth.control", further.key, further, "reopening/1"))
    assert (refused("alice"), refused("bob")) == ([], ["country"])
    standing.stop(Stops((Stop(ts=T0, by="ops", reason="a drill", scope="ip"),)))
    assert (refused("alice", "203.0.113.8"), refused("bob")) == ([], ["country"])
    follower.take(record("auth.control", further.key, b"nonsense"))
    assert refused("bob") == []


def test_stable_habits_are_those_of_the_profile(standing: Standing) -> None:
    """A week after the first network that the account uses; no profile, no habits."""
    day = int(T0) // 86400
    networks = {network_number("192.0.2.0/24"): day - 9, network_number("203.0.113.0/24"): day}
    standing.put_profile("alice@example.org", encode_profile(Profile(networks, {}, {}, {})))
    facts = [standing.register.facts(account).stable_since for account in ("alice@example.org", "bob@example.org")]
    assert facts == [(day - 2) * 86400.0, None]


def test_nobody_is_refused_before_everything_was_read() -> None:
    """The compacted topic still holds older states: the end of a block may come later."""
    standing = Standing(Policy.default())
    decision = ban("203.0.113.7")
    standing.put_decision(decision.decision_id, decision, T0)
    assert standing.refusal(ATTEMPT) is None
    standing.complete()
    assert standing.refusal(ATTEMPT) is not None


@pytest.mark.parametrize("error", [KafkaConnectionError(), RuntimeError("our own")])
def test_reading_that_fails_lets_everybody_in_and_begins_anew(
    standing: Standing, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever the failure; what was read before counts no more."""
    decision = ban("203.0.113.7")
    standing.put_decision(decision.decision_id, decision, T0)
    turns: list[bool] = []
    refused: list[bool] = []

    class Reader:
        def __init__(self, *_: object) -> None:
            turns.append(standing.is_ready)

        def caught_up(self) -> bool:
            return True

        def poll(self) -> list[Any]:
            if len(turns) == 1:
                raise error
            refused.append(standing.refusal(ATTEMPT) is not None)
            return [decided(decision)]

        def close(self) -> None: ...

    class Changes:
        def __init__(self, *_: object) -> None: ...

        def look(self) -> None: ...

        def caught_up(self) -> bool:
            return True

        def close(self) -> None: ...

    monkeypatch.setattr(standing_module, "CompactedReader", Reader)
    monkeypatch.setattr(standing_module, "ChangeReader", Changes)
    monkeypatch.setattr(standing_module, "_AGAIN_S", 0.01)
    stop = threading.Event()
    thread = threading.Thread(target=Follower(Settings(), standing, lambda: T0).run, args=(stop,))
    thread.start()
    wait_for(lambda: len(refused) > 2, "reading goes on")
    stop.set()
    thread.join(10)
    assert turns == [True, False]
    assert refused[:2] == [False, True]


def test_another_policy_takes_effect_where_it_stands(standing: Standing, follower: Follower) -> None:
    """Its never-block set spares at once; what cannot be understood changes nothing; reading anew goes by it still."""
    follower.take(decided(ban("203.0.113.7")))
    assert standing.refusal(ATTEMPT) is not None
    policy = Policy(version="2", never_block=("203.0.113.0/24",))
    said = AppliedPolicy(ts=T0, by="anne", reason="r", policy=policy, hash=policy_hash(policy))
    for value in (encode_applied(said), b"nonsense"):
        follower.take(record("auth.control", "policy/current", value, "policy/1"))
        assert (standing.refusal(ATTEMPT), standing.policy, follower.policy.value) == (None, policy, policy)
    standing.clear()
    standing.complete()
    follower.take(decided(ban("203.0.113.7")))
    follower.take(decided(ban("198.51.100.7")))
    assert standing.refusal(ATTEMPT) is None
    assert standing.refusal(failure(T0, remote="198.51.100.7")) is not None


# -- verdicts ------------------------------------------------------------------------------------------------------------

ONE = Limits(hour=1, day=1)
BUDGET = Budget(by_group={"staff": ONE}, by_realm={"example.org": ONE, "example.net": ONE}, by_asn={"64502": ONE, "64500": ONE})
BOT = {"remote": "203.0.113.9", "country": "BR", "asn": 64502, "user_agent": "curl"}


def judging(policy: Policy | None = None, groups: Groups | None = None) -> tuple[Standing, Follower]:
    """One that knows alice at home, and a campaign of bots."""
    standing = Standing(policy or Policy.enforcing(), groups)
    follower = Follower(Settings(), standing, lambda: T0)
    home = Profile({network_number("192.0.2.0/24"): 1}, {64500: 1}, {"FR": 1}, {})
    follower.take(record("auth.profiles", "alice@example.org", encode_profile(home), "profile/1"))
    follower.take(record("auth.control", "campaign/running", encode(campaign()), "campaign/2"))
    standing.complete()
    return standing, follower


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_stranger_who_looks_like_the_campaign_is_refused(phase: Phase) -> None:
    """Right or wrong, before and after the password is looked at; the reference is the campaign's."""
    standing, _ = judging()
    for attempt in (success(T0 + 60, **BOT), failure(T0 + 60, **BOT)):
        refusal = standing.refusal(attempt, phase)
        assert refusal is not None
        assert refusal.reference == "c" * 12
        assert (refusal.details["alert_id"], refusal.details["phase"]) == ("c" * 32, phase)


def test_the_owner_at_home_is_let_in_with_whatever_program() -> None:
    """Also a tick before the campaign's knowledge is old enough nobody is judged."""
    standing, _ = judging()
    assert standing.refusal(success(T0 + 4, **BOT)) is None
    assert standing.refusal(success(T0 + 60, **BOT | {"remote": "192.0.2.200"})) is None


def test_shadow_gives_no_verdicts_and_counts_them() -> None:
    """The default of the live services: nobody is refused, and by UTC day is told whom one would have been, each attempt once."""
    standing, _ = judging(Policy.default())
    for attempt in (success(T0 + 60, **BOT), failure(T0 + 61, **BOT), failure(T0 + 62, login="bob", **BOT)):
        assert standing.refusal(attempt) is None
    assert standing.refusal(success(T0 + 60, **BOT), "after") is None
    assert standing.refusal(success(T0 + 63, **BOT | {"remote": "192.0.2.200"})) is None
    ((key, told),) = standing.refused_anew().items()
    assert (key.startswith("refused-in-shadow/"), key.endswith(f"/{T0:.3f}")) == (True, True)
    assert (told.attempts, len(told.everybody.owners), told.since, told.last_ts) == (3, 2, T0, T0 + 62)
    standing.told({key: told})
    assert standing.refused_anew() == {}


def test_who_is_not_in_the_share_is_in_shadow() -> None:
    """At 50 % some are refused, and what is told of the others is what the rest would be."""
    policy = Policy.enforcing()
    enforce = msgspec.structs.replace(policy.enforce, share_percent={"campaign": {"account_ip": 50}})
    standing, _ = judging(msgspec.structs.replace(policy, enforce=enforce))
    refused = sum(standing.refusal(failure(T0 + 60, login=f"user{number}", **BOT)) is not None for number in range(100))
    told = {key.partition("/")[0]: slot.attempts for key, slot in standing.refused_anew().items()}
    assert 20 < refused < 80
    assert told == {"refused": refused, "refused-in-shadow": 100 - refused}


def test_an_open_breaker_ends_the_verdicts() -> None:
    """Until a person closes it; what cannot be understood is taken for closed, as the leader does."""
    standing, follower = judging()
    for breaker, refused in ((Breaker(opened=T0, reason="r"), False), (Breaker(counts_from=T0), True), (Breaker(opened=T0), False)):
        follower.take(record("auth.control", "breaker", breaker, "breaker/1"))
        assert (standing.refusal(success(T0 + 60, **BOT)) is not None) is refused
    follower.take(record("auth.control", "breaker", b"nonsense", "breaker/1"))
    assert standing.refusal(success(T0 + 60, **BOT)) is not None


def test_whom_verdicts_refuse_is_told_once() -> None:
    """By account, with the parts of the budget that it is in; neither whom a decision refuses nor who is let in."""
    policy = msgspec.structs.replace(Policy.enforcing(), budget=BUDGET)
    standing, follower = judging(policy, Groups({"alice@example.org": ["staff", "others"]}))
    follower.take(record("auth.control", "breaker", Breaker(counts_from=T0 + 2), "breaker/1"))
    follower.take(decided(ban("198.51.100.7")))
    for attempt in (success(T0 + 60, **BOT), success(T0 + 61, **BOT), failure(T0 + 62, **BOT, login="bob@example.org")):
        assert standing.refusal(attempt) is not None
    assert standing.refusal(failure(T0 + 62, remote="198.51.100.7")) is not None
    assert standing.refusal(success(T0 + 63, **BOT | {"remote": "192.0.2.200"})) is None
    ((key, told),) = standing.refused_anew().items()
    assert (key.startswith("refused/"), told.since, told.last_ts) == (True, T0 + 2, T0 + 62)
    parts = {"staff": 1, "realm:example.org": 2, "asn:64502": 2}
    assert (len(told.everybody.owners), {name: len(each.owners) for name, each in told.by_part.items()}) == (2, parts)
    assert all(0 < owner < 0.2 for owner in told.everybody.owners.values())
    standing.told({key: told})
    assert standing.refused_anew() == {}


def test_owners_whom_a_wide_cut_refuses_are_told() -> None:
    """Known by their network, wherever the geo file puts that; not who may be the attack, nor whom narrow decisions refuse."""
    standing, follower = judging(Policy.default())
    cut = ban("BR", scope="country")
    follower.take(decided(cut))
    follower.take(decided(ban("198.51.100.7")))
    opened = Reopening(
        decision_id=cut.decision_id,
        until=cut.until,
        attack_since=T0,
        protected_groups=(),
        ramp=Ramp(),
        watched_from=T0,
        counts_from=T0,
    )
    follower.take(record("auth.control", f"reopening/{cut.decision_id}", opened))
    for attempt in (
        success(T0 + 60, **BOT | {"remote": "192.0.2.200"}),
        success(T0 + 60, **BOT),
        success(T0 + 60, login="bob", **BOT),
        failure(T0 + 60, remote="198.51.100.7", country="BR"),
    ):
        assert standing.refusal(attempt) is not None
    (told,) = standing.refused_anew().values()
    assert {cut: len(sample.owners) for cut, sample in told.by_cut.items()} == {cut.decision_id: 1}
    assert told.everybody.owners == {}


def test_another_policy_begins_and_ends_verdicts() -> None:
    """The campaign and what is known of accounts stay."""
    standing, _ = judging(Policy.default())
    standing.go_by(Policy.enforcing())
    assert standing.refusal(success(T0 + 60, **BOT)) is not None
    standing.go_by(Policy.default())
    assert standing.refusal(success(T0 + 61, **BOT)) is None


def test_the_never_block_set_and_the_allow_list_get_no_verdicts() -> None:
    """Nor an attempt of which only a proxy of ours is known."""
    policy = msgspec.structs.replace(Policy.enforcing(), never_block=("203.0.113.0/24",))
    assert judging(policy)[0].refusal(success(T0 + 60, **BOT)) is None
    standing, _ = judging()
    hidden = msgspec.structs.replace(success(T0 + 60, login="newcomer", **BOT), address="", network="")
    assert standing.refusal(hidden) is None
    allowed = entry(list="allow", address="203.0.113.9")
    standing.put_entry(allowed.key, allowed)
    assert standing.refusal(success(T0 + 50, **BOT)) is None


@pytest.mark.parametrize("target", [{"kind": "campaign"}, {"scope": "account_ip"}, {}])
def test_verdicts_are_stopped_like_decisions(target: dict[str, Any]) -> None:
    """By kind, by scope, or with everything; and resumed."""
    standing, _ = judging()
    standing.stop(Stops((Stop(ts=T0, by="ops", reason="a drill", **target),)))
    assert standing.refusal(success(T0 + 60, **BOT)) is None
    standing.stop(Stops())
    assert standing.refusal(success(T0 + 60, **BOT)) is not None


@pytest.mark.parametrize(
    ("value", "schema"), [(b"\xc1", "profile/1"), (b"", None), (encode_profile(Profile({}, {}, {}, {})), "profile/2")]
)
def test_a_profile_that_cannot_be_understood_ends_the_verdicts(value: bytes, schema: str | None) -> None:
    """Its account would look like one without a past; decisions go on, and a gate that begins anew judges again."""
    standing, follower = judging()
    decision = ban("198.51.100.1")
    follower.take(decided(decision))
    follower.take(record("auth.profiles", "bob@example.org", value, schema))
    assert standing.refusal(success(T0 + 60, **BOT)) is None
    assert standing.refusal(failure(T0 + 60, remote="198.51.100.1")) is not None


@pytest.mark.parametrize(("value", "schema"), [(b"\xc1", "campaign/2"), (encode(campaign()), "campaign/3")])
def test_a_campaign_that_cannot_be_understood_is_none(value: bytes, schema: str) -> None:
    """Until the next one, a minute later."""
    standing, follower = judging()
    follower.take(record("auth.control", "campaign/running", value, schema))
    assert standing.refusal(success(T0 + 60, **BOT)) is None
    follower.take(record("auth.control", "campaign/running", encode(campaign()), "campaign/2"))
    assert standing.refusal(success(T0 + 60, **BOT)) is not None


def test_a_forgotten_account_is_a_newcomer() -> None:
    """Its profile is taken back; at its old home it is judged by what newcomers look like."""
    standing, follower = judging()
    at_home = success(T0 + 60, **BOT | {"remote": "192.0.2.200"})
    assert standing.refusal(at_home) is None
    follower.take(record("auth.profiles", "alice@example.org", None))
    assert standing.refusal(at_home) is not None


def test_of_old_campaigns_only_the_newest_is_kept_while_reading() -> None:
    """The topic may hold days of them."""
    standing = Standing(Policy.enforcing())
    for second in range(100):
        standing.put_campaign(campaign(ts=T0 + second, campaign_id=f"{second:032}"))
    standing.complete()
    refusal = standing.refusal(success(T0 + 120, **BOT))
    assert refusal is not None
    assert refusal.details["alert_id"] == f"{99:032}"
