"""The contract, table by table: what other programs rely on. It changes only by addition."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, get_args

import click
import msgspec
import pytest
from datasketches import compact_theta_sketch
from kafka.partitioner import murmur2
from msgspec.structs import replace

from models import alerts, by_hand, decisions, events, frames, reopening, verdicts
from models.accounts import AccountDirectory, Groups
from models.alerts import KINDS, Alert, Evidence, Kind, ModelScore, Reason, Severity, Subject, alert_id
from models.attempts import Resolver
from models.campaigns import HISTORY, Campaign, Mix
from models.changes import AccountChange
from models.decisions import Decision, Except, Impact, Interval, decision_id, refuses
from models.evaluation import GRACE_S, AccountFigures, AttemptFigures, Figures, Measure
from models.events import AuthEvent, EventIds, Refused, decode_event, device_of, encode_event
from models.geo import Geo
from models.ledger import Ledger
from models.policy import Mode, Policy, Ramp, Scope
from models.profiles import Profile
from models.reopening import Reopening
from models.scopes import SCOPE_PARTS
from models.sketches import ProtocolUse, ScopeUse, Sketch
from models.stage import Outputs, Pulse
from models.verdicts import Verdict, Verdicts
from simulator.labels import Label, encode_label
from streams import ingest, topics
from streams.cli import COMMANDS
from streams.ingest import KafkaSink, Origin
from streams.settings import Kafka, Settings
from streams.stages import stage_specs
from streams.topics import TOPICS
from tests.factories import T0, failure

NEEDED: dict[str, Any] = {"ts": T0, "login": "alice", "remote": "192.0.2.7", "success": False}

#: The optional fields of an event: (a value that is kept, one of another type, what becomes of that)
OPTIONAL: dict[str, tuple[Any, Any, Any]] = {
    "protocol": ("imap", "gopher", "other"),
    "account": ("mailbox 7", [], None),
    "realm": ("example.org", {}, None),
    "mech": ("PLAIN", [], None),
    "credential_id": ("app 1", [], None),
    "fail_type": ("credentials", "boredom", None),
    "pwhash": ("h1", [], None),
    "device_id": ("d1", [], None),
    "ja3": ("j1", [], None),
    "user_agent": ("curl", [], None),
    "policy_reject": (True, "yes", False),
    "session_id": ("s1", [], None),
    "server": ("mx1", [], None),
    "tls": (True, "yes", None),
    "country": ("FR", "France", None),
    "asn": (64500, "AS64500", None),
    "geo_build": (1_772_000_000, -1, None),
    "event_id": ("e1", [], ""),
    "attrs": ({"source": "a:1", "n": 1}, "text", None),
}
#: The options that a command takes so far, beside --json and --config, which all take.
OPTIONS = {
    "demo": "--seed --no-serve",
    "simulate": "--seed --accounts --hours --out --labels --groups",
    "ingest": "--format --out --to-kafka --errors --year --tz --at --follow --checkpoint",
    "replay": "--alerts --decisions --verdicts --account-changes --groups --policy --geo --since --until --partitions",
    "evaluate": "--events --labels --decisions --verdicts --alerts --groups --reopenings --account-changes --since --until",
    "worker": "",
    "block": "--policy",
    "gate": "--policy",
    "stop": "--all --kind --scope --reason",
    "feedback": "",
    "explain": "--alerts --decisions --events",
    "resume": "",
    "why": "--login --ip --ref",
    "appeal": "--grant --reason",
    "alerts": "--follow --format --to",
    "topics": "--prefix --retention",
}
GROUPS = {
    "policy": {"apply", "show"},
    "decisions": {"list", "add", "lift", "undo-campaign"},
    "restore": {"plan", "apply", "status", "latency"},
}


def decoded(**fields: Any) -> AuthEvent:
    """An event with these fields beside the needed ones; ``None`` leaves one out."""
    return decode_event(json.dumps({name: value for name, value in (NEEDED | fields).items() if value is not None}).encode())


class TestAuthEvent:
    """Section 1."""

    def test_the_fields(self) -> None:
        """Four are needed, the others have a default; there are no more."""
        fields = {field.name: field.required for field in msgspec.structs.fields(AuthEvent)}
        assert {name for name, required in fields.items() if required} == set(NEEDED)
        assert {name for name, required in fields.items() if not required} == set(OPTIONAL)

    @pytest.mark.parametrize("name", OPTIONAL)
    def test_an_optional_field(self, name: str) -> None:
        """A good value is kept and written again, an unusable one is dropped, and neither refuses the event."""
        good, bad, instead = OPTIONAL[name]
        assert getattr(decoded(**{name: good}), name) == good
        assert json.loads(encode_event(decoded(**{name: good})))[name] == good
        assert getattr(decoded(**{name: bad}), name) == instead

    def test_the_words(self) -> None:
        """Protocols, failure types and the schema's name."""
        assert sorted(events.PROTOCOLS) == ["ftp", "http", "imap", "mobileapi", "other", "pop3", "sieve", "smtp", "ssh"]
        assert sorted(events.FAIL_TYPES) == ["account", "credentials", "disabled", "expired", "internal", "policy", "token"]
        assert events.SCHEMA == "auth-event/1"
        assert decoded().protocol == "other"

    def test_time(self) -> None:
        """Seconds since the epoch, or RFC 3339."""
        for ts in (T0, int(T0), "2026-03-03T00:00:00Z", "2026-03-03T01:00:00.000+01:00"):
            assert decoded(ts=ts).ts == datetime(2026, 3, 3, tzinfo=UTC).timestamp() == T0

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"nonsense", "not_json"),
            (json.dumps(NEEDED | {"ts": None}).encode(), "no_ts"),
            (json.dumps(NEEDED | {"ts": "soon"}).encode(), "bad_ts"),
            (json.dumps(NEEDED | {"remote": "mail.example.org"}).encode(), "bad_remote"),
            (json.dumps(NEEDED | {"success": 1}).encode(), "no_success"),
            (json.dumps(NEEDED | {"ts": T0 + 301}).encode(), "future_ts"),
        ],
    )
    def test_what_is_refused(self, raw: bytes, reason: str) -> None:
        """Not JSON, no time, address or outcome; live, more than five minutes ahead."""
        with pytest.raises(Refused) as refusal:
            decode_event(raw, now=T0)
        assert refusal.value.reason == reason

    def test_nothing_else_is_refused(self) -> None:
        """Long text is cut and its hash appended, an unusable login becomes a hash, unknown fields are ignored."""
        assert len(decoded(user_agent="x" * 5000).user_agent or "") <= 256
        assert decoded(user_agent="x" * 5000).user_agent != decoded(user_agent="x" * 5001).user_agent
        assert decoded(login="\x00\n").login.startswith("~")
        assert decoded(login=7).login.startswith("~")
        assert decoded(later="field") == decoded()
        assert decode_event(json.dumps(NEEDED | {"ts": T0 + 300}).encode(), now=T0).ts == T0 + 300
        assert decoded(ts=T0 * 2).ts == T0 * 2  # a replay knows no future

    @pytest.mark.parametrize(
        ("remote", "address", "network"),
        [
            ("192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ],
    )
    def test_sources(self, remote: str, address: str, network: str) -> None:
        """IPv4 by address in its /24, IPv6 by /64 in its /48; an IPv4-mapped address is IPv4."""
        attempt = Resolver(AccountDirectory(), Geo()).attempt(decoded(remote=remote))
        assert (attempt.address, attempt.network) == (address, network)

    @pytest.mark.parametrize(
        ("fields", "account"),
        [
            ({"login": "Bob", "account": "Mailbox 7"}, "Mailbox 7"),
            ({"login": "boss"}, "ceo@example.org"),
            ({"login": " BOB "}, "bob@example.org"),
            ({"login": "e\u0301ric"}, "éric@example.org"),
            ({"login": "bob@example.net"}, "bob@example.net"),
            ({"login": "bob", "protocol": "mobileapi"}, "bob@example.org"),
            ({"login": "bob", "protocol": "ssh"}, "bob@ssh"),
            ({"login": "bob", "protocol": None}, "bob@other"),
            ({"login": "bob*admin"}, ""),
        ],
    )
    def test_account_keys(self, fields: dict[str, Any], account: str) -> None:
        """``account``, else the table, else the canonical login with default domain or protocol; master users are nobody."""
        directory = AccountDirectory("example.org", {"boss": "ceo@example.org"})
        assert directory.key(decoded(**{"protocol": "imap"} | fields)) == account

    def test_the_device_is_the_first_present(self) -> None:
        """Written with what it is."""
        claims = {"device_id": "d", "ja3": "j", "user_agent": "u"}
        assert device_of(decoded(**claims)) == "id:d"
        assert device_of(decoded(**claims | {"device_id": None})) == "ja3:j"
        assert device_of(decoded(user_agent="u")) == "ua:u"
        assert device_of(decoded()) == ""

    def test_event_ids(self) -> None:
        """The given id, else one of the content and of how many like it came before; file names and geo stamps play no part."""

        def assigned(*made: AuthEvent) -> list[str]:
            ids = EventIds()
            for event in made:
                ids.assign(event)
            return [event.event_id for event in made]

        assert assigned(decoded(event_id="e1")) == ["e1"]
        first, second = assigned(decoded(), decoded())
        assert first != second
        elsewhere = decoded(attrs={"source": "other:9"}, country="FR", asn=64500, geo_build=1)
        assert assigned(elsewhere, decoded()) == [first, second]
        assert assigned(decoded(attrs={"x": 1})) != [first]
        assert assigned(decoded(server="mx2")) != [first]


class TestTopics:
    """Section 2."""

    P, DAY_MS = 16, 86_400_000

    @pytest.mark.parametrize(
        ("name", "partitions", "kept_days"),
        [
            ("auth.raw", P, 7),
            ("auth.events", P, 7),
            ("auth.by-account", P, 7),
            ("auth.pulse", 1, 7),
            ("auth.alerts", 1, 30),
            ("auth.decisions", P, None),
            ("auth.account-changes", P, 365),
            ("auth.profiles", P, None),
            ("auth.control", P, None),
            ("auth.feedback", P, None),
            ("auth.notices", P, 30),
            ("auth.audit", P, 365),
            ("auth.dlq", P, 3),
        ],
    )
    def test_a_topic(self, name: str, partitions: int, kept_days: int | None) -> None:
        """Partitions and age; ``None`` is compacted. History is kept for ever, dead letters by the broker's time."""
        config = TOPICS[name].config(keep_all=False)
        assert topics.partitions(Settings(), name) == partitions
        assert config["cleanup.policy"] == ("compact" if kept_days is None else "delete")
        assert config.get("retention.ms") == (None if kept_days is None else str(kept_days * self.DAY_MS))
        assert config["message.timestamp.after.max.ms"] == str(self.DAY_MS)
        assert config["message.timestamp.type"] == ("LogAppendTime" if name == "auth.dlq" else "CreateTime")
        assert TOPICS[name].config(keep_all=True).get("retention.ms") == (None if kept_days is None else "-1")
        assert topics.topic(Settings(kafka=Kafka(prefix="april.")), name) == f"april.{name}"

    def test_scopes_are_compacted_and_bounded_by_age(self) -> None:
        """What is attacked no more is forgotten."""
        config = TOPICS["auth.scopes"].config(keep_all=False)
        assert (config["cleanup.policy"], config["retention.ms"]) == ("compact,delete", str(2 * self.DAY_MS))

    @pytest.mark.parametrize("remote", ["192.0.2.7", "2001:db8:1:2::3"])
    def test_events_are_keyed_by_network(self, remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ingest's record: key, time, schema, and where it was first written."""
        sent: list[tuple[str, dict[str, Any]]] = []

        class Producer:
            def __init__(self, **_options: object) -> None: ...

            def send(self, topic: str, value: bytes, **record: Any) -> Producer:
                sent.append((topic, record | {"value": value}))
                return self

            def add_errback(self, _function: object) -> None: ...

        monkeypatch.setattr(ingest, "KafkaProducer", Producer)
        monkeypatch.setattr(topics, "verify", lambda _settings: None)
        monkeypatch.setattr(topics, "retention_s", lambda _settings, _name: None)
        event = decoded(remote=remote)
        KafkaSink(Settings(), None).event(event, encode_event(event), Origin("a:1", "p", 7))
        ((topic, record),) = sent
        key = {"192.0.2.7": b"192.0.2.0/24", "2001:db8:1:2::3": b"2001:db8:1::/48"}[remote]
        assert (topic, record["key"], record["timestamp_ms"]) == ("auth.events", key, int(T0 * 1000))
        assert dict(record["headers"])["crible-schema"] == b"auth-event/1"
        assert {name for name, _ in record["headers"]} == {"crible-schema", "crible-producer", "crible-seq"}

    def test_internal_frames_and_alerts(self) -> None:
        """No keys: attempts go by murmur2 of their account, pulses and alerts to the only partition; times are event time."""
        spec, _, by_account, _ = stage_specs(Settings(), Resolver(AccountDirectory(), Geo()), Groups())
        attempts = [failure(T0 + number, f"user{number}") for number in range(40)]
        outputs = Outputs([an_alert()], [(number, attempt) for number, attempt in enumerate(attempts)])
        sends = spec.write(5, outputs) + by_account.write(5, Outputs([], [], [(39, 7, Pulse(int(T0), {}))]))
        assert all(send.key is None for send in sends)
        found = []
        for send in sends:
            if send.topic == "auth.by-account":
                frame = frames.decode_attempts(send.value)
                assert (send.schema, frame.source_partition) == ("attempt-frame/1", 5)
                assert send.ts == max(attempt.ts for attempt in frame.attempts)
                assert {(murmur2(attempt.account.encode()) & 0x7FFFFFFF) % 16 for attempt in frame.attempts} == {send.partition}
                found += list(zip(frame.offsets, frame.attempts, strict=True))
        assert sorted(found, key=lambda each: each[0]) == list(enumerate(attempts))
        others = {send.topic: (send.schema, send.partition, send.ts) for send in sends if send.topic != "auth.by-account"}
        assert others == {"auth.pulse": ("pulse-frame/2", 0, T0), "auth.alerts": ("alert/1", 0, T0 + 9)}

    def test_profiles_and_account_changes(self) -> None:
        """A profile is keyed by account, in the partition of that key; a change goes where the attempts on its account go."""
        _, changes_spec, by_account, _ = stage_specs(Settings(), Resolver(AccountDirectory(), Geo()), Groups())
        account = "alice@example.org"
        number = (murmur2(account.encode()) & 0x7FFFFFFF) % 16
        outputs = Outputs(profiles={account: Profile({1: 2}, {}, {"FR": 2}, {}), "gone@example.org": None})
        told, gone = by_account.write(number, outputs)
        assert (told.topic, told.key, told.schema, told.partition) == ("auth.profiles", account.encode(), "profile/1", number)
        assert (gone.key, gone.value) == (b"gone@example.org", None)
        change = AccountChange(ts=T0, account=account, change="closed", by="owner")
        (send,) = changes_spec.write(5, Outputs(forwards=[(7, change)]))
        assert (send.topic, send.key, send.schema, send.partition) == ("auth.by-account", None, "change-frame/1", number)
        assert (send.ts, frames.decode_changes(send.value or b"")) == (T0, frames.ChangeFrame(5, 7, change))

    def test_the_running_campaign_is_on_the_control_topic(self) -> None:
        """One record a batch, the newest, under one key; and the newest alert of each kind."""
        *_, service = stage_specs(Settings(), Resolver(AccountDirectory(), Geo()), Groups())
        mix = Mix(2.0, [{"imap": 2.0}, {"FR": 2.0}, {64500: 2.0}, {"ua:é": 2.0}], {"imap 6": 2.0})
        older, newer = (Campaign("c1", "credential_stuffing", T0, T0 + n, T0 + 1800, mix, 9.0, mix, mix, 60.0) for n in (1, 2))
        sends = service.write(0, Outputs([an_alert()], conclusions=[older, newer]))
        control = {send.key: send for send in sends if send.topic == "auth.control"}
        assert control.keys() == {b"service/password_spray", b"campaign/running"}
        told = control[b"campaign/running"]
        assert (told.schema, told.partition, told.ts) == ("campaign/2", None, T0 + 2)
        assert frames.decode_campaign(told.value) == newer

    def test_scopes_are_keyed_by_scope_and_value(self) -> None:
        """With a theta sketch that any DataSketches library reads."""
        source, *_ = stage_specs(Settings(), Resolver(AccountDirectory(), Geo()), Groups())
        use = ScopeUse("range", "203.0.113.0/24", T0, 40, 30, 2, Sketch.of([1, 2, 3]).dump())
        (sent,) = source.write(5, Outputs(scopes=[use]))
        assert (sent.topic, sent.key, sent.schema, sent.ts) == ("auth.scopes", b"range:203.0.113.0/24", "scope-use/1", T0)
        assert msgspec.msgpack.decode(sent.value) == ["range", "203.0.113.0/24", T0, 40, 30, 2, use.familiar, 5, 0.0, {}]
        assert compact_theta_sketch.deserialize(use.familiar).get_estimate() == 3
        nobody = Sketch.of(()).dump()
        wide = ScopeUse.of("country", "BR", T0, {"imap": ProtocolUse(9, nobody, nobody, use.familiar)}, T0 - 60)
        (sent,) = source.write(5, Outputs(scopes=[wide]))
        assert (sent.key, sent.partition) == (b"country:BR", 5)  # each partition has its own under that key
        by_protocol = {"imap": [9, nobody, nobody, use.familiar]}
        assert msgspec.msgpack.decode(sent.value) == ["country", "BR", T0, 9, 0, 0, use.familiar, 5, T0 - 60, by_protocol]


def an_alert() -> Alert:
    """An alert with everything in it."""
    subject = Subject(ip="192.0.2.7")
    return Alert(
        alert_id=alert_id("password_spray", subject, int(T0) // 3600),
        kind="password_spray",
        severity="high",
        score=0.9,
        ts=T0 + 9,
        first_ts=T0,
        last_ts=T0 + 9,
        subject=subject,
        campaign_id=None,
        reasons=[Reason("accounts_failing", "10 accounts failed", 10, 10)],
        evidence=Evidence(counts={"failures": 10}, distinct={"accounts": 10, "ok_accounts": 0}, event_ids=["e1"]),
        attack="T1110.003",
        groups=["health"],
        model=ModelScore("source", "1", 0.99),
        cold=False,
    )


class TestAlerts:
    """Section 3."""

    @pytest.mark.parametrize(
        ("kind", "technique"),
        [
            ("brute_force", "T1110.001"),
            ("password_spray", "T1110.003"),
            ("credential_stuffing", "T1110.004"),
            ("account_takeover", "T1078"),
            ("login_flood", "T1499.003"),
            ("campaign", "T1110"),  # the parent of the first three
            ("stale_password", None),
            ("token_failure", None),
            ("shared_source", None),
            ("backend_outage", None),
        ],
    )
    def test_a_kind(self, kind: Kind, technique: str | None) -> None:
        """Its ATT&CK technique; there are ten kinds."""
        assert KINDS[kind].attack == technique
        assert len(KINDS) == 10

    def test_the_fields(self) -> None:
        """Those of the alert and of its parts, as they are written."""
        written = json.loads(msgspec.json.encode(an_alert()))
        assert list(written) == [
            "alert_id", "kind", "severity", "score", "ts", "first_ts", "last_ts", "subject", "campaign_id", "reasons", "evidence",
            "attack", "groups", "model", "cold",
        ]  # fmt: skip
        case = replace(an_alert(), kind="campaign", cause="password_spray", members=["a"], exposed=["anne"], entered=[])
        assert list(json.loads(msgspec.json.encode(case)))[-4:] == ["cause", "members", "exposed", "entered"]
        assert list(written["reasons"][0]) == ["code", "text", "value", "threshold"]
        assert list(written["model"]) == ["detector", "version", "score"]
        assert set(written["evidence"]) >= {"counts", "distinct", "event_ids"}
        parts = {field.name for field in msgspec.structs.fields(Subject)}
        assert parts == {"account", "ip", "network", "asn", "country", "protocol", "device", "campaign"}
        assert get_args(Severity) == ("low", "medium", "high", "critical")
        assert alerts.SCHEMA == "alert/1"


def a_decision() -> Decision:
    """What the shipped policy makes of :func:`an_alert`."""
    (decision,) = Ledger(Policy.enforcing(), Groups()).apply(an_alert(), T0 + 9)
    return decision


class TestDecisions:
    """Section 4."""

    def test_the_fields(self) -> None:
        """Those of a decision and of its parts, as they are written."""
        written = json.loads(msgspec.json.encode(a_decision()))
        assert set(written) == {
            "decision_id", "uuid", "origin", "type", "scope", "value", "protocols", "except", "start", "until", "duration",
            "scenario", "mode", "campaign_id", "alert_ids", "reason", "policy_version", "impact", "lifted", "lifted_by",
        }  # fmt: skip
        assert set(written["impact"]) == {"attack_attempts", "attack_accounts", "legit_accounts", "by_group", "by_protocol"}
        assert {field.name for field in msgspec.structs.fields(Interval)} == {"estimate", "low", "high"}
        assert {field.name for field in msgspec.structs.fields(Impact)} == set(written["impact"])
        clause = {field.name for field in msgspec.structs.fields(Except)}
        assert clause == {"networks", "asns", "accounts", "devices", "credentials"}
        assert decisions.SCHEMA == "decision/1"

    def test_the_words(self) -> None:
        """Types, modes and scopes, and what a scope's value joins."""
        assert set(get_args(decisions.Type)) == {"ban", "guard", "tarpit", "challenge", "reset_password", "end_sessions", "notify"}
        assert set(get_args(Mode)) == {"enforce", "shadow", "proposed"}
        assert SCOPE_PARTS == {
            "account_ip": ("address", "account"),
            "ip": ("address",),
            "range": ("address",),
            "account": ("account",),
            "account_device": ("account", "device"),
            "range_device": ("address", "device"),
            "asn_device": ("asn", "device"),
            "device": ("device",),
            "account_protocol": ("account", "protocol"),
            "asn": ("asn",),
            "country": ("country",),
            "protocol": ("protocol",),
        }
        assert set(get_args(Scope)) == set(SCOPE_PARTS)

    @pytest.mark.parametrize(
        ("change", "same"),
        [
            ({"policy_version": "2"}, False),
            ({"type": "guard"}, False),
            ({"scope": "range"}, False),
            ({"value": "192.0.2.8"}, False),
            ({"protocols": ("imap",)}, False),
            ({"mode": "shadow"}, False),
            ({"start": T0}, False),
            ({"except_": (Except(asns=(64500,)),)}, False),
            ({"alert_ids": ("another",)}, False),
            ({"alert_ids": (an_alert().alert_id, "another")}, True),
            ({"until": T0 + 9000}, True),
            ({"duration": "2h"}, True),
            ({"impact": Impact(attack_attempts=0, attack_accounts=0, legit_accounts=None)}, True),
            ({"lifted": T0 + 60, "lifted_by": "anne"}, True),
        ],
    )
    def test_an_id_is_what_was_decided(self, change: dict[str, Any], same: bool) -> None:
        """Policy, type, scope, value, protocols, mode, start, exceptions and first alert; nothing else."""
        decision = a_decision()
        assert decision.decision_id == decision_id(decision)
        assert (decision_id(replace(decision, **change)) == decision.decision_id) == same

    def test_start_and_end(self) -> None:
        """It starts ten seconds after its alert and refuses what lies strictly between start and end."""
        decision = a_decision()
        assert decision.start == an_alert().ts + 10
        times = [decision.start, decision.start + 0.001, decision.until - 0.001, decision.until]
        assert [refuses(decision, failure(ts)) for ts in times] == [False, True, True, False]
        assert not refuses(replace(decision, mode="shadow"), failure(decision.start + 1))
        assert refuses(replace(decision, lifted=T0 + 60), failure(T0 + 60))
        assert not refuses(replace(decision, lifted=T0 + 60), failure(T0 + 60.001))

    def test_shadow_is_the_default(self) -> None:
        """Without a policy nothing is enforced; the shipped one for replays enforces."""
        (shadow,) = Ledger(Policy.default(), Groups()).apply(an_alert(), T0 + 9)
        assert (shadow.mode, a_decision().mode) == ("shadow", "enforce")


class TestReopening:
    """Section 4, what a person cuts widely, and its record on ``auth.control``."""

    def test_the_fields(self) -> None:
        """Those of the record, as they are written."""
        fields = {field.name: field.required for field in msgspec.structs.fields(Reopening)}
        assert {name for name, required in fields.items() if required} == {
            "decision_id", "until", "attack_since", "protected_groups", "ramp", "watched_from", "counts_from",
        }  # fmt: skip
        assert {name for name, required in fields.items() if not required} == {
            "shares", "automatic", "held", "entered", "tries", "latency_ms", "latency_ts", "ordered",
        }  # fmt: skip
        assert {field.name for field in msgspec.structs.fields(Ramp)} == {
            "shares_percent", "wait_s", "max_entered", "max_tries", "max_latency_ms",
        }  # fmt: skip
        assert (reopening.SCHEMA, reopening.REOPENING_PREFIX) == ("reopening/1", "reopening/")

    def test_the_words(self) -> None:
        """The waves in their order; the scopes that come with a re-opening; what a person may decide on, and for how long."""
        assert reopening.WAVES == ("protected", "stable", "password_changed", "rest")
        assert {"asn", "country", "protocol"} == reopening.WIDE_SCOPES
        assert set(by_hand.SCOPES) == {"account_ip", "ip", "range", "account", "account_protocol", *reopening.WIDE_SCOPES}
        assert by_hand.LONGEST_S[True] == 24 * 3600
        assert decisions.BY_HAND == "operator"


class TestVerdicts:
    """Section 4, the answers to single attempts."""

    def test_the_fields(self) -> None:
        """As they are written; what is not known is left out."""
        fields = {field.name for field in msgspec.structs.fields(Verdict)}
        assert fields == {
            "session_id",
            "account",
            "remote",
            "phase",
            "ts",
            "action",
            "reasons",
            "alert_id",
            "event_id",
            "owner",
            "asn",
        }
        written = json.loads(msgspec.json.encode(a_verdict()))
        assert set(written) == {"account", "remote", "phase", "ts", "action", "reasons", "alert_id", "event_id", "owner", "asn"}
        assert (written["account"], written["remote"], written["ts"]) == ("alice@example.org", "203.0.113.9", T0 + 60)

    def test_the_words(self) -> None:
        """Actions, phases, and over which protocols."""
        assert get_args(verdicts.Action) == ("accept", "tarpit", "challenge", "refuse")
        assert get_args(verdicts.Phase) == ("before", "after")
        assert Policy.default().verdict_protocols == Policy.enforcing().verdict_protocols == {"imap", "pop3", "smtp", "sieve"}

    def test_before_the_password_is_checked_nothing_depends_on_it(self) -> None:
        """Right or wrong, it is the same verdict."""
        assert replace(a_verdict(success=True), event_id=None) == replace(a_verdict(success=False), event_id=None)


def a_verdict(*, success: bool = True) -> Verdict:
    """On an attempt that looks like nothing but the campaign."""
    judge, failing, owners = Verdicts(Policy.enforcing(), Groups()), Mix(), Mix()
    failing.add(("imap", "BR", 64502, "ua:curl"), HISTORY, 6000)
    owners.add(("imap", "FR", 64500, "ua:mail"), HISTORY, 1000)
    judge.conclude(Campaign("c" * 32, "credential_stuffing", T0, T0, T0 + 1800, failing, 200.0, owners, owners, 1000.0))
    event = decoded(ts=T0 + 60, login="alice@example.org", remote="203.0.113.9", success=success, protocol="imap", event_id="e1")
    event.country, event.asn, event.user_agent = "BR", 64502, "curl"
    verdict = judge.judge(Resolver(AccountDirectory(), Geo()).attempt(event), HISTORY)
    assert verdict is not None
    return verdict


class TestEvaluation:
    """Section 6: the figures, as ``crible evaluate --json`` writes them."""

    def test_the_names(self) -> None:
        """Accounts by kind and in all, customers, attempts; for decisions and verdicts together, beside three cruder measures."""
        assert get_args(Measure) == ("crible", "do_nothing", "cut_foreign", "cut_pop_imap")
        customers = {f"legit_accounts_{how}" for how in ("cut", "delayed", "challenged", "reset", "touched")}
        assert {field.name for field in msgspec.structs.fields(Figures)} >= customers | {
            "protected_touched",
            "accounts",
            "attempts",
        }
        accounts = [field.name for field in msgspec.structs.fields(AccountFigures)]
        assert accounts == ["accounts_exposed", "accounts_lost", "accounts_saved"]
        assert {field.name for field in msgspec.structs.fields(AttemptFigures)} == {"attempts", "stopped", "late", "late_stopped"}

    def test_saved_is_what_is_not_lost(self) -> None:
        """1 - lost / exposed; a minute is the time that an attacker has."""
        assert AccountFigures.of(exposed=4, lost=1).accounts_saved == 1 - 1 / 4
        assert GRACE_S == 60


class TestCommands:
    """Section 5."""

    def test_the_names(self) -> None:
        """There are no others, and the main job's are there."""
        assert set(COMMANDS) <= {*OPTIONS, *GROUPS, "kafka", "bench", "forget", "policy", "promote"}
        assert set(COMMANDS) >= {*OPTIONS, "kafka", "bench"}
        assert all(entry.summary for entry in COMMANDS.values())

    @pytest.mark.parametrize("name", OPTIONS)
    def test_a_command(self, name: str) -> None:
        """Its options are there, and --json, --config and --help."""
        command: click.Command = import_module(COMMANDS[name].module).command
        known = {option for parameter in command.params for option in parameter.opts}
        assert known >= {"--json", "--config", *OPTIONS[name].split()}
        assert command.add_help_option

    @pytest.mark.parametrize("name", GROUPS)
    def test_a_group_of_commands(self, name: str) -> None:
        """Its commands are there, each with --json and --config."""
        group = import_module(COMMANDS[name].module).command
        assert isinstance(group, click.Group)
        assert set(group.commands) >= GROUPS[name]
        for command in group.commands.values():
            assert {option for parameter in command.params for option in parameter.opts} >= {"--json", "--config"}

    def test_the_brokers_commands(self) -> None:
        """Up, down and status, each with --json and --config."""
        group = import_module(COMMANDS["kafka"].module).command
        assert isinstance(group, click.Group)
        assert set(group.commands) == {"up", "down", "status"}
        for command in group.commands.values():
            assert {option for parameter in command.params for option in parameter.opts} >= {"--json", "--config"}

    def test_labels(self) -> None:
        """One object a line, without what is not known."""
        full = Label("account_takeover", "a1", "c1", "credential_stuffing", "stale_password", True, "e1")
        assert json.loads(encode_label(full)) == {
            "event_id": "e1", "label": "account_takeover", "actor": "a1", "campaign": "c1", "cause": "credential_stuffing",
            "trait": "stale_password", "password_ok": True,
        }  # fmt: skip
        assert json.loads(encode_label(Label("benign", "anne", event_id="e1"))) == {
            "event_id": "e1",
            "label": "benign",
            "actor": "anne",
        }
