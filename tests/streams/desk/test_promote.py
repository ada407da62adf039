"""``crible promote``: the lines to write where all is well, and the reasons where it is not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.applied_policy import policy_hash
from models.decisions import DAY_S
from models.policy import Policy
from models.refused import Tally
from streams import cli, topics
from streams.desk.policies import Accepted, InForce
from streams.writing import TopicWriter, Written
from tests.block_service import Topics
from tests.factories import T0, ban

CALL = ["promote", "--kind", "password_spray", "--scope", "ip"]
VERDICTS = ["promote", "--kind", "campaign", "--scope", "account_ip"]


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text('version = "1"\n[enforce]\nkinds = ["password_spray"]\nscopes = ["account_ip"]\n')
    return file


def replayed(tmp_path: Path, days: float) -> Path:
    """What a replay wrote of so many days."""
    file = tmp_path / "decisions.ndjson"
    made = [ban(f"203.0.113.{number}", start=T0 + days * DAY_S * number / 2) for number in range(3)]
    file.write_bytes(b"".join(msgspec.json.encode(decision) + b"\n" for decision in made))
    return file


def test_two_weeks_are_enough(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What would have been done, and the lines that do it; as JSON too."""
    call = [*CALL, "--policy", str(policy), "--decisions", str(replayed(tmp_path, 14))]
    assert cli.main(call) == 0
    said = capsys.readouterr().out
    assert "password_spray on ip, 0 % enforced: 3 decisions in 14.0 days would have stopped 3 attempts" in said
    lines = '[enforce]\nkinds = ["password_spray"]\nscopes = ["account_ip", "ip"]\nshare_percent.password_spray.ip = 1\n'
    assert said.endswith(lines)
    assert cli.main([*call, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["would_have_done"][0]["decisions"], told["next_share"], told["policy"][0]) == (3, 1, "[enforce]")
    policy.write_text(f'version = "1"\n{lines}')  # one after the other, to all of them
    for share in (10, 100):
        assert cli.main([*call, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["next_share"] == share
        policy.write_text("\n".join(['version = "1"', *told["policy"]]))
    assert cli.main(call) == 2
    assert "enforced already" in capsys.readouterr().err


class Services:
    """What the services answer about their policy."""

    def __init__(self, policy: Policy) -> None:
        self.in_force, self.ordered = InForce(policy, policy_hash(policy)), list[dict[str, Any]]()

    def policy(self) -> InForce:
        return self.in_force

    def apply_policy(self, asked: dict[str, Any]) -> Accepted:
        self.ordered.append(asked)
        policy = msgspec.convert(asked["policy"], Policy)
        self.in_force = InForce(policy, policy_hash(policy), T0, "ops", asked["reason"])
        return Accepted(self.in_force.hash)


def test_the_next_share_is_put_in_force(
    tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what the services go by, not from a file, one step at a time, and only where nothing speaks against it."""
    services = Services(Policy.load(policy))
    monkeypatch.setattr("streams.desk.promote.DeskClient", lambda _settings: services)
    call = [*CALL, "--decisions", str(replayed(tmp_path, 14)), "--apply", "two weeks", "--yes"]
    for share in (1, 10, 100):
        assert cli.main(call) == 0
        assert services.in_force.policy.enforce.share("password_spray", "ip") == share
        assert f"1+password_spray.ip.{share} is in force" in capsys.readouterr().out
    assert [(asked["reason"], bool(asked["replaces"])) for asked in services.ordered] == [
        ("two weeks", False),
        ("two weeks", True),
        ("two weeks", True),
    ]
    assert cli.main(call) == 2
    services = Services(Policy.load(policy))
    assert cli.main([*CALL, "--decisions", str(replayed(tmp_path, 13)), "--apply", "r", "--yes"]) == 1
    assert services.ordered == []


def test_less_is_refused(tmp_path: Path, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason, and no lines."""
    assert cli.main([*CALL, "--policy", str(policy), "--decisions", str(replayed(tmp_path, 13))]) == 1
    out, err = capsys.readouterr()
    assert "[enforce]" not in out
    assert err == "error: not to be enforced yet: password_spray on ip: 13.0 days in shadow, 14 are needed\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["promote", "--kind", "password_spray", "--scope", "account_ip"], "is enforced already"),
        ([*CALL, "--apply", "r"], "--apply changes the policy in force"),
        ([*VERDICTS, "--decisions", "/nowhere"], "/nowhere: verdicts are in no file of decisions"),
        ([*CALL, "--decisions", "/nowhere"], "/nowhere: cannot be read: No such file"),
        ([*CALL[:3], "--scope", "moon"], "'moon' is not one of"),
    ],
)
def test_a_wrong_call_is_exit_2(policy: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    """One line."""
    assert cli.main([*arguments, "--policy", str(policy)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.kafka
def test_it_goes_by_what_was_decided(
    kafka_broker: str, topic_prefix: str, policy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest state of each on the topic; a forgotten one is none."""
    channel = Topics(kafka_broker, topic_prefix)
    kafka, now = channel.settings.kafka, time.time()
    for name, value in (("BOOTSTRAP", kafka.bootstrap), ("PREFIX", kafka.prefix), ("PARTITIONS", str(kafka.partitions))):
        monkeypatch.setenv(f"CRIBLE_KAFKA_{name}", value)
    kept, gone = (ban(f"203.0.113.{number}", start=now - 15 * DAY_S, until=now, mode="shadow") for number in (1, 2))
    writer = TopicWriter(channel.settings, "auth.decisions", "decision/1")
    for decision in (kept, gone, msgspec.structs.replace(kept, until=now + 60)):
        writer.send([Written(decision.decision_id, msgspec.json.encode(decision), now)])
    writer._started().send(topics.topic(channel.settings, "auth.decisions"), key=gone.decision_id.encode(), value=None).get(10)
    writer.close()
    tally, writer = Tally("gate", in_shadow=True), TopicWriter(channel.settings, "auth.control", "refused/1")
    for number in range(7):
        tally.note(f"user{number}", (), 0.01, now - 15 * DAY_S, counts_from=0.0)
        writer.send([Written(key, msgspec.msgpack.encode(told), now) for key, told in tally.changed().items()])
    writer.send([Written("refused-in-shadow/gate/2", b"nonsense", now), Written("breaker", b"{}", now)])
    writer.close()
    channel.close()
    assert cli.main([*CALL, "--policy", str(policy)]) == 0
    assert "password_spray on ip, 0 % enforced: 1 decisions in 15.0 days" in capsys.readouterr().out
    assert cli.main([*VERDICTS, "--policy", str(policy)]) == 0
    said = capsys.readouterr().out
    assert "verdicts, 0 % enforced: in 15.0 days they would have refused 7 attempts, and hit at most 1 customers" in said
    assert 'kinds = ["campaign", "password_spray"]' in said
    assert "share_percent.campaign.account_ip = 1" in said
