"""streams.gate.answers: what Dovecot and weakforced's clients get, and what becomes of what they say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.accounts import AccountDirectory
from models.addresses import Proxies
from models.attempts import Resolver
from models.by_source import SourceStage
from models.changes import AccountChange
from models.decisions import Decision
from models.events import AuthEvent, decode_event
from models.geo import Geo, Place
from models.lists import ListEntry
from models.policy import Policy
from models.profiles import Profile, encode_profile, network_number
from streams import telemetry
from streams.gate.answers import Answers, Failure, Sessions
from streams.gate.spool import NotSpooled, Spooled
from streams.gate.standing import Standing
from tests.factories import T0, ban, campaign, raised

#: What Dovecot 2.3.19 sends with deploy/dovecot/crible-2.3.conf.
ASKED = {
    "account": "bob@example.org",
    "device_id": "",
    "login": "bob@example.org",
    "mech": "PLAIN",
    "protocol": "imap",
    "pwhash": "0ee0",
    "realm": "example.org",
    "remote": "203.0.113.7",
    "server": "mx1",
    "session_id": "a/bC",
    "tls": False,
}
REPORTED = ASKED | {"success": False, "policy_reject": False}


class Gate:
    """The answers without HTTP and without a disk; ``now`` is a clock that a test turns."""

    def __init__(
        self, *decisions: Decision, policy: Policy | None = None, geo: Geo | None = None, trusted: Iterable[str] = ()
    ) -> None:
        self.now = T0
        policy = policy or Policy.default()
        self.standing = Standing(policy)
        for decision in decisions:
            self.standing.put_decision(decision.decision_id, decision, T0)
        self.standing.complete()
        self.spooled: list[Spooled] = []
        self.refusal: NotSpooled | None = None
        resolver = Resolver(AccountDirectory("example.org"), geo or Geo())
        self.answers = Answers(resolver, Proxies(trusted), self.standing, self.put, lambda: self.now)

    async def put(self, record: Spooled) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.spooled.append(record)

    def post(self, command: str, body: object = None, method: Any = "POST") -> dict[str, Any]:
        """The JSON that is answered; a refusal is raised."""
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = asyncio.run(self.answers.commands[method, command](encoded, "wforce"))  # type: ignore[arg-type]
        assert reply.status == 200
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    def get(self, command: str) -> dict[str, Any]:
        return self.post(command, method="GET")

    def refused(self, command: str, body: object) -> tuple[int, str]:
        """Status and reason of a command that is not carried out."""
        with pytest.raises(Failure) as failure:
            self.post(command, body)
        answer = json.loads(failure.value.reply.body)
        assert answer["status"] == "failure"
        return failure.value.reply.status, answer["reason"]

    def event(self, **fields: Any) -> AuthEvent:
        """The event that becomes of a report."""
        assert self.post("report", REPORTED | fields) == {"status": "ok"}
        return decode_event(self.spooled[-1].value or b"")


# -- allow ---------------------------------------------------------------------------------------------------------------


def test_who_is_not_blocked_is_let_in() -> None:
    """A JSON number, which is what Dovecot reads, and weakforced's other fields."""
    assert Gate(ban("203.0.113.8")).post("allow", ASKED) == {"status": 0, "msg": "", "r_attrs": {}}


@pytest.mark.parametrize(
    ("protocol", "code"),
    [("imap", "[UNAVAILABLE] "), ("pop3", "[SYS/TEMP] "), ("pop", "[SYS/TEMP] "), ("smtp", ""), ("http", "")],
)
def test_who_is_blocked_is_told_a_temporary_code_with_a_reference(protocol: str, code: str) -> None:
    """Before the password is checked; the reference is the beginning of the decision's id, and nothing says why."""
    decision = ban("203.0.113.7")
    answer = Gate(decision).post("allow", ASKED | {"protocol": protocol})
    assert answer["status"] == -1
    reference = decision.decision_id[:12]
    assert answer["msg"] == f"{code}Log-in is not possible at the moment, please try again later. Reference: {reference}"
    assert answer["r_attrs"] == {"decision_id": decision.decision_id, "scenario": "password_spray", "scope": "ip"}


def test_after_a_right_password_nothing_is_said() -> None:
    """A block that begins between Dovecot's two questions is told in Dovecot's words for a wrong password."""
    gate = Gate(ban("203.0.113.7", start=T0))
    assert gate.post("allow", ASKED)["status"] == 0
    gate.now = T0 + 1
    assert gate.post("allow", ASKED)["msg"] == ""
    assert "Reference" in gate.post("allow", ASKED | {"session_id": "another"})["msg"]
    gate.post("report", REPORTED)  # the attempt is over: the next one in this connection begins anew
    assert "Reference" in gate.post("allow", ASKED)["msg"]


def test_only_what_is_enforced_refuses() -> None:
    """Shadow, proposals, notices, other accounts, exceptions and the never-block set let in."""
    for decision in (
        ban("203.0.113.7", mode="shadow"),
        ban("203.0.113.7", mode="proposed"),
        ban("203.0.113.7|bob@example.org", scope="account_ip", type="notify"),
        ban("203.0.113.7|alice@example.org", scope="account_ip"),
        ban("203.0.113.7", protocols=("pop3",)),
        ban("203.0.113.7", until=T0),
    ):
        assert Gate(decision).post("allow", ASKED)["status"] == 0
    assert Gate(ban("203.0.113.7|bob@example.org", scope="account_ip")).post("allow", ASKED)["status"] == -1
    assert Gate(ban("203.0.113.0/24")).post("allow", ASKED)["status"] == -1
    never = Policy(version="1", never_block=("203.0.113.0/25",))
    assert Gate(ban("203.0.113.7"), policy=never).post("allow", ASKED)["status"] == 0


def test_accounts_of_decisions_are_found_by_any_name() -> None:
    """A name without domain, in capitals, is the account that its decision names."""
    gate = Gate(ban("203.0.113.7|bob@example.org", scope="account_ip"))
    assert gate.post("allow", ASKED | {"login": "BOB", "account": "bob", "realm": ""})["status"] == -1
    assert gate.post("allow", ASKED | {"login": "shop", "account": "bob@example.org"})["status"] == -1
    assert gate.post("allow", ASKED | {"login": "shop", "account": "shop@example.org"})["status"] == 0


def test_the_client_behind_a_proxy_is_judged() -> None:
    """The first hop from our side that is not ours; what a client claims beyond it, or without a proxy, gets nobody refused."""
    gate = Gate(ban("203.0.113.7"), ban("10.9.9.9|bob@example.org", scope="account_ip"), trusted=["10.0.0.0/8"])
    behind = ASKED | {"remote": "10.0.0.1", "session_id": ""}
    assert gate.post("allow", behind | {"attrs": {"x-forwarded-for": "198.51.100.1, 203.0.113.7"}})["status"] == -1
    assert gate.post("allow", behind | {"attrs": {"x-forwarded-for": "203.0.113.7, 198.51.100.1"}})["status"] == 0
    assert gate.post("allow", ASKED | {"remote": "198.51.100.1", "attrs": {"x-forwarded-for": "203.0.113.7"}})["status"] == 0
    assert gate.post("allow", behind)["status"] == 0
    gate.post("addBLEntry", {"login": "bob", "expire_secs": 60, "reason": "x"})
    assert gate.post("allow", behind)["status"] == -1


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'{"remote":""}', b'{"remote":"mx1","login":"x"}', b"[" * 5000])
def test_what_cannot_be_understood_is_let_in(body: bytes) -> None:
    """doveadm has no address, an attacker any login name; nobody is locked out by that."""
    assert Gate(ban("203.0.113.7")).post("allow", body) == {"status": 0, "msg": "", "r_attrs": {}}


@pytest.mark.parametrize("login", [b'"\\ud800"', b'"\xff\xfe"', b"7", b'"' + b"x" * 5000 + b'"', b'""', b'"a\\u0000b\\u001b[31m"'])
def test_hostile_names_are_answered(login: bytes) -> None:
    """Whatever the login name is, the address is judged."""
    body = b'{"login":%b,"remote":"203.0.113.7","protocol":"imap"}' % login
    assert Gate(ban("203.0.113.7")).post("allow", body)["status"] == -1
    assert Gate().post("allow", body)["status"] == 0


# -- report --------------------------------------------------------------------------------------------------------------


def test_a_report_becomes_an_event() -> None:
    """With everything that Dovecot says, the gate's time, an id, and without what Dovecot does not know."""
    gate = Gate()
    gate.now = T0 + 0.5
    event = gate.event()
    assert msgspec.to_builtins(event) == {
        "ts": T0 + 0.5,
        "login": "bob@example.org",
        "remote": "203.0.113.7",
        "success": False,
        "protocol": "imap",
        "realm": "example.org",
        "mech": "PLAIN",
        "pwhash": "0ee0",
        "session_id": "a/bC",
        "server": "mx1",
        "tls": False,
        "event_id": event.event_id,
    }
    assert len(event.event_id) == 32
    assert gate.event(policy_reject=True).policy_reject


def test_an_event_is_keyed_as_ingest_keys_it() -> None:
    """By source network, so that an address and its network are counted in one place."""
    gate = Gate()
    for remote, network in (("203.0.113.7", "203.0.113.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48")):
        event = gate.event(remote=remote)
        record = gate.spooled[-1]
        assert (record.topic, record.schema, record.key, record.ts) == ("auth.events", "auth-event/1", network, event.ts)


def test_reports_in_other_words() -> None:
    """weakforced's names of protocols and place of the fingerprint, 2.4's failure types, our own fields."""
    gate = Gate()
    assert gate.event(protocol="pop").protocol == "pop3"
    assert gate.event(protocol="submission").protocol == "smtp"
    assert gate.event(protocol="managesieve").protocol == "sieve"
    assert gate.event(protocol="doveadm").protocol == "other"
    assert gate.event(fail_type="").fail_type is None
    assert gate.event(fail_type="account").fail_type == "account"
    event = gate.event(attrs={"ja3": "e7d705", "cos": ["a", "b"]}, user_agent="K-9")
    assert (event.ja3, event.user_agent, event.attrs) == ("e7d705", "K-9", {"cos": '["a","b"]'})
    assert gate.event(ts=1.0).ts == T0  # the clock is ours
    assert gate.event(event_id="e1").event_id == "e1"


def test_a_report_behind_a_proxy_names_the_client() -> None:
    """As ingest does: the client's address, or that it is not known, and then no place."""
    geo = Geo()
    geo.build = 1
    gate = Gate(trusted=["10.0.0.0/8"], geo=geo)
    event = gate.event(remote="10.0.0.1", attrs={"x-forwarded-for": "203.0.113.7"})
    assert (event.remote, (event.attrs or {})["peer"], event.geo_build) == ("203.0.113.7", "10.0.0.1", 1)
    assert gate.spooled[-1].key == "203.0.113.0/24"
    event = gate.event(remote="127.0.0.1")
    assert (event.remote, event.attrs, event.geo_build) == ("127.0.0.1", {"address_unknown": True}, None)


def test_an_account_is_kept_where_the_server_resolved_one() -> None:
    """Dovecot repeats the login as account where it has no other; then our own rules resolve it, as for log lines."""
    gate = Gate()
    assert gate.event(login="Bob", account="bob").account is None
    assert gate.event(login="shop", account="bob@example.org").account == "bob@example.org"


def test_two_equal_reports_are_two_events() -> None:
    """In the same instant too: their ids differ."""
    gate = Gate()
    assert gate.event().event_id != gate.event().event_id


def test_a_geo_file_stamps_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """With country, operator and build, unless the report says."""
    geo = Geo()
    geo.build = 1_772_000_000
    monkeypatch.setattr(geo, "place", lambda _event: Place("FR", 64500, None, None))
    event = Gate(geo=geo).event()
    assert (event.country, event.asn, event.geo_build) == ("FR", 64500, 1_772_000_000)
    assert Gate(geo=geo).event(country="DE", asn=1).country == "DE"
    assert Gate().event().geo_build is None


@pytest.mark.parametrize(
    ("body", "reason", "why"),
    [
        (b"nonsense", "not_json", "line is not JSON"),
        (json.dumps(ASKED).encode(), "no_success", "'success' is not true or false"),
        (json.dumps(REPORTED | {"remote": "mx1"}).encode(), "bad_remote", "'remote' is not an IP address"),
    ],
)
def test_a_report_that_is_none_goes_to_the_dead_letters(body: bytes, reason: str, why: str) -> None:
    """As it came, with the reason, and the client is told."""
    gate = Gate()
    assert gate.refused("report", body) == (400, why)
    (record,) = gate.spooled
    assert (record.topic, record.value) == ("auth.dlq", body)
    assert record.headers == {"dlq.source": "report", "dlq.stage": "gate", "dlq.reason": reason, "dlq.error": "Refused"}


def test_a_full_spool_is_said_and_counted() -> None:
    """503, which Dovecot takes for no answer; allow goes on."""
    gate = Gate(ban("203.0.113.7"))
    before = lost("full")
    gate.refusal = NotSpooled("full")
    assert gate.refused("report", REPORTED) == (503, "the spool did not take a record: full")
    assert lost("full") == before + 1
    assert gate.post("allow", ASKED)["status"] == -1
    gate.refusal = None
    assert gate.event().login == "bob@example.org"


def lost(reason: str) -> float:
    return telemetry.SPOOL_LOST.labels(reason)._value.get()


# -- verdicts ------------------------------------------------------------------------------------------------------------


class UnderAttack(Gate):
    """A gate at which a campaign runs; its bots come from Brazil with one program."""

    def __init__(self, **policy: Any) -> None:
        super().__init__(policy=msgspec.structs.replace(Policy.enforcing(), **policy))
        self.standing.put_campaign(campaign())
        home = Profile({network_number("192.0.2.0/24"): 1}, {64500: 1}, {"FR": 1}, {})
        self.standing.put_profile("bob@example.org", encode_profile(home))
        self.now = T0 + 60


BOT = ASKED | {"country": "BR", "asn": 64502, "user_agent": "curl"}


@pytest.mark.parametrize(("protocol", "code"), [("imap", "[UNAVAILABLE] "), ("pop3", "[SYS/TEMP] ")])
def test_a_verdict_before_the_check_is_told_like_a_decision(protocol: str, code: str) -> None:
    """A temporary code and the campaign's reference, and nothing about the password, of which the gate does not know."""
    answer = UnderAttack().post("allow", BOT | {"protocol": protocol})
    text = f"{code}Log-in is not possible at the moment, please try again later. Reference: {'c' * 12}"
    assert (answer["status"], answer["msg"]) == (-1, text)
    assert answer["r_attrs"]["phase"] == "before"


def test_a_verdict_after_a_right_password_leaves_the_words_to_the_server() -> None:
    """It is asked again in one session, and says what it says to a wrong password; the campaign was told in between."""
    gate = UnderAttack()
    gate.now = T0 + 4
    assert gate.post("allow", BOT)["status"] == 0
    gate.now = T0 + 6
    answer = gate.post("allow", BOT)
    assert (answer["status"], answer["msg"], answer["r_attrs"]["phase"]) == (-1, "", "after")


def test_a_tarpit_holds_up_so_many_at_a_time_and_lets_in_the_others() -> None:
    """Each takes up a connection of the log-in server; who has been let go makes room."""
    gate = UnderAttack(verdict_action="tarpit", tarpit_s=7, max_tarpits=2)
    told = [gate.post("allow", BOT | {"session_id": str(number)})["status"] for number in range(4)]
    gate.now += 6.9
    told.append(gate.post("allow", BOT)["status"])
    gate.now += 0.2
    told.append(gate.post("allow", BOT)["status"])
    assert told == [7, 7, 0, 0, 0, 7]
    assert gate.post("allow", BOT | {"remote": "192.0.2.99"})["status"] == 0
    assert UnderAttack(verdict_action="tarpit", max_tarpits=0).post("allow", BOT)["status"] == 0


def test_the_owner_at_home_and_other_protocols_are_let_in() -> None:
    """Webmail is always open."""
    assert UnderAttack().post("allow", BOT | {"remote": "192.0.2.99"})["status"] == 0
    assert UnderAttack().post("allow", BOT | {"protocol": "http"})["status"] == 0


def test_a_claimed_address_gets_nobody_blocked() -> None:
    """What stands before the client's own address is his claim: a victim's address in it is not the event's, nor the alert's."""
    gate = Gate(trusted=["10.0.0.0/8"])
    victim, attacker = "198.51.100.7", "203.0.113.66"
    resolver, attempts = Resolver(AccountDirectory("example.org"), Geo()), []
    for number in range(60):
        remote, claim = ("10.0.0.1", f"{victim}, {attacker}") if number % 2 else (attacker, victim)
        who = {"login": f"user{number}", "account": "", "pwhash": f"{number}", "session_id": f"{number}"}
        attempts.append(resolver.attempt(gate.event(remote=remote, attrs={"X-Forwarded-For": claim}, **who)))
    assert {attempt.address for attempt in attempts} == {attacker}
    alerts = raised(SourceStage(), attempts)
    assert alerts
    assert {alert.subject.ip for alert in alerts} == {attacker}


# -- lists ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "refused", "let_in"),
    [
        ({"ip": "203.0.113.7"}, {}, {"remote": "203.0.113.8"}),
        ({"netmask": "203.0.112.0/22"}, {"remote": "203.0.115.1"}, {"remote": "203.0.116.1"}),
        ({"ip": "2001:db8:1:2::3"}, {"remote": "2001:db8:1:2::9"}, {"remote": "2001:db8:1:3::3"}),
        ({"login": "Bob"}, {"remote": "198.51.100.1"}, {"login": "alice", "account": ""}),
        ({"ip": "203.0.113.7", "login": "bob"}, {}, {"remote": "203.0.113.8"}),
    ],
)
def test_the_block_list(target: dict[str, str], refused: dict[str, str], let_in: dict[str, str]) -> None:
    """An entry refuses by address, range, account, or both, at once, and until it ends or is deleted."""
    gate = Gate()
    assert gate.post("addBLEntry", target | {"expire_secs": 60, "reason": "too many"}) == {"status": "ok"}
    answer = gate.post("allow", ASKED | refused)
    assert answer["status"] == -1
    assert (answer["r_attrs"]["blacklisted"], answer["r_attrs"]["reason"]) == ("1", "too many")
    assert gate.post("allow", ASKED | {"session_id": "2"} | let_in)["status"] == 0
    gate.now = T0 + 60
    assert gate.post("allow", ASKED | refused)["status"] == 0
    gate.now = T0
    assert gate.post("delBLEntry", target) == {"status": "ok"}
    assert gate.post("allow", ASKED | refused)["status"] == 0


def test_an_entry_goes_to_every_gate() -> None:
    """On auth.control, by a key that a later order for the same target has too; deleting leaves a tombstone."""
    gate = Gate()
    gate.post("addBLEntry", {"ip": "203.0.113.7", "login": "bob", "expire_secs": 60, "reason": "x"})
    gate.post("delBLEntry", {"ip": "203.0.113.7", "login": "bob@example.org"})
    added, deleted = gate.spooled
    assert added.topic == deleted.topic == "auth.control"
    assert added.key == deleted.key == "list/block/203.0.113.7|bob@example.org"
    assert msgspec.json.decode(added.value or b"", type=ListEntry) == ListEntry(
        list="block", address="203.0.113.7", account="bob@example.org", ts=T0, until=T0 + 60, reason="x", by="wforce"
    )
    assert deleted.value is None


def test_the_lists_are_shown_as_weakforced_shows_them() -> None:
    """Entries in force, with their end."""
    gate = Gate()
    assert gate.get("getBL") == {"bl_entries": []}
    gate.post("addBLEntry", {"netmask": "203.0.113.0/24", "expire_secs": 60, "reason": "a"})
    gate.post("addBLEntry", {"login": "bob", "expire_secs": 60, "reason": "b"})
    gate.post("addBLEntry", {"ip": "203.0.113.7", "login": "bob", "expire_secs": 1, "reason": "c"})
    gate.post("addWLEntry", {"ip": "203.0.113.7", "login": "bob", "expire_secs": 60, "reason": "d"})
    gate.now = T0 + 1
    end = "2026-Mar-03 00:01:00"
    assert gate.get("getBL") == {
        "bl_entries": [
            {"ip": "203.0.113.0/24", "expiration": end, "reason": "a"},
            {"login": "bob@example.org", "expiration": end, "reason": "b"},
        ]
    }
    assert gate.get("getWL") == {"wl_entries": [{"iplogin": "203.0.113.7:bob@example.org", "expiration": end, "reason": "d"}]}


def test_the_allow_list_wins() -> None:
    """Over a decision and over the block list."""
    gate = Gate(ban("203.0.113.7"))
    gate.post("addBLEntry", {"ip": "203.0.113.7", "expire_secs": 60, "reason": "x"})
    gate.post("addWLEntry", {"login": "bob", "expire_secs": 60, "reason": "x"})
    assert gate.post("allow", ASKED)["status"] == 0
    assert gate.post("allow", ASKED | {"login": "alice", "account": ""})["status"] == -1
    gate.post("delWLEntry", {"login": "bob"})
    assert gate.post("allow", ASKED)["status"] == -1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"ip": "10.1.2.3"}, "never-block"),
        ({"netmask": "203.0.0.0/8"}, "too wide"),
        ({"ip": "mx1"}, "not an IP address"),
        ({"ip": "203.0.113.7", "netmask": "203.0.113.0/24"}, "mutually exclusive"),
        ({"ja3": "e7d705"}, "the client's own claim"),
        ({}, "one of ip, netmask and login is needed"),
        ({"ip": "203.0.113.7", "expire_secs": 0}, "expire_secs"),
        ({"ip": "203.0.113.7", "expire_secs": 10**9}, "expire_secs"),
        ({"ip": "203.0.113.7", "reason": "x" * 1000}, "reason"),
        ({"ip": ["203.0.113.7"]}, "ip"),
    ],
)
def test_an_entry_that_cannot_be(body: dict[str, object], reason: str) -> None:
    """Never-block addresses, wide ranges, claims of the client, and entries without an end are refused."""
    gate = Gate()
    status, why = gate.refused("addBLEntry", {"expire_secs": 60, "reason": "x"} | body)
    assert status == 400
    assert reason in why
    assert gate.spooled == []


def test_a_block_list_of_accounts_spares_the_never_block_set() -> None:
    """As decisions do: no address of it is refused, whatever the account."""
    gate = Gate()
    gate.post("addBLEntry", {"login": "bob", "expire_secs": 60, "reason": "x"})
    assert gate.post("allow", ASKED | {"remote": "10.1.2.3"})["status"] == 0


def test_lists_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the bound an entry is refused; what ended long ago makes room, on the topic too."""
    monkeypatch.setattr("models.lists.MAX_ENTRIES", 2)
    monkeypatch.setattr("streams.gate.answers.MAX_ENTRIES", 2)
    gate = Gate()
    entry = {"expire_secs": 60, "reason": "x"}
    gate.post("addBLEntry", entry | {"login": "a"})
    gate.post("addBLEntry", entry | {"login": "b"})
    assert gate.refused("addBLEntry", entry | {"login": "c"}) == (400, "the list has 2 entries already")
    gate.post("addWLEntry", entry | {"login": "c"})
    gate.now = T0 + 2 * 3600
    gate.spooled.clear()
    gate.post("addBLEntry", entry | {"login": "d"})
    assert sorted(record.key for record in gate.spooled if record.value is None and record.key) == [
        "list/allow/|c@example.org",
        "list/block/|a@example.org",
        "list/block/|b@example.org",
    ]


# -- reset, ping, stats --------------------------------------------------------------------------------------------------


def test_reset_is_an_account_change() -> None:
    """The account has a new password, support says, and the block list forgets it."""
    gate = Gate()
    gate.post("addBLEntry", {"login": "bob", "expire_secs": 60, "reason": "x"})
    assert gate.post("reset", {"login": "Bob"}) == {"status": "ok"}
    assert gate.post("allow", ASKED)["status"] == 0
    *_, change = gate.spooled
    assert (change.topic, change.schema, change.key, change.ts) == (
        "auth.account-changes",
        "account-change/1",
        "bob@example.org",
        T0,
    )
    expected = AccountChange(ts=T0, account="bob@example.org", change="password_changed", by="support")
    assert msgspec.json.decode(change.value or b"", type=AccountChange) == expected


def test_reset_can_say_more() -> None:
    """Where from, and what else happened to the account."""
    gate = Gate()
    gate.post("reset", {"login": "bob", "ip": "::ffff:203.0.113.7", "change": "credential_revoked", "by": "owner"})
    change = msgspec.json.decode(gate.spooled[-1].value or b"", type=AccountChange)
    assert (change.change, change.by, change.remote) == ("credential_revoked", "owner", "203.0.113.7")
    assert gate.refused("reset", {"login": "bob", "change": "reborn"})[0] == 400


def test_reset_of_an_address_changes_no_account() -> None:
    """Only its entry goes."""
    gate = Gate()
    gate.post("addBLEntry", {"ip": "203.0.113.7", "expire_secs": 60, "reason": "x"})
    assert gate.post("reset", {"ip": "203.0.113.7"}) == {"status": "ok"}
    assert gate.post("allow", ASKED)["status"] == 0
    assert {record.topic for record in gate.spooled} == {"auth.control"}
    assert gate.refused("reset", {}) == (400, "one of ip, netmask and login is needed")


def test_ping_and_stats() -> None:
    """weakforced's fields, with this process's figures."""
    gate = Gate(ban("203.0.113.8"))
    gate.post("allow", ASKED)
    gate.post("allow", ASKED | {"remote": "203.0.113.8"})
    gate.post("report", REPORTED)
    assert gate.get("ping") == {"status": "ok"}
    stats = gate.get("stats")
    assert (stats["reports"], stats["allows"], stats["denieds"]) == (1, 2, 1)
    assert set(stats) == {
        "reports", "allows", "denieds", "user-msec", "sys-msec", "uptime", "perfstats", "commandstats", "customstats",
    }  # fmt: skip


def test_remembered_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgotten first: it would then be told a code with a reference, at worst."""
    monkeypatch.setattr("streams.gate.answers._MAX_SESSIONS", 2)
    sessions = Sessions()
    for session in ("a", "b", "c"):
        sessions.accept(session)
    assert [sessions.password_was_right(session) for session in ("a", "b", "c", None, "")] == [False, True, True, False, False]


def test_the_shipped_settings_send_what_the_gate_reads() -> None:
    """Every attribute in deploy/dovecot is a field of an event, and both versions send all that Dovecot knows."""
    folder = Path(__file__).resolve().parents[3] / "deploy" / "dovecot"
    old = (folder / "crible-2.3.conf").read_text("utf-8")
    (line,) = (line for line in old.splitlines() if line.startswith("auth_policy_request_attributes"))
    sent = {word.partition("=")[0] for word in line.partition("= ")[2].split()}
    new = (folder / "crible-2.4.conf").read_text("utf-8").partition("auth_policy_request_attributes {")[2].partition("\n}\n")[0]
    sent_by_new = {line.split("=")[0].strip(" #") for line in new.splitlines() if " = " in line}
    fields = {field.name for field in msgspec.structs.fields(AuthEvent)}
    assert sent == set(REPORTED) - {"success", "policy_reject", "tls"}  # which Dovecot adds by itself
    assert sent_by_new == sent | {"fail_type", "ja3", "credential_id"}
    assert sent | sent_by_new <= fields
