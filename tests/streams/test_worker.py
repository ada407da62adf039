"""Workers on a real broker: equal alerts, and nothing lost or counted twice whatever happens to them."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
import pytest
from kafka import KafkaProducer

from models.alerts import Alert, Subject
from models.events import AuthEvent, decode_event, encode_event
from models.frames import PulseFrame, decode_campaign, encode
from models.pipeline import Pipeline
from models.service import ServiceStage
from simulator.scenarios import simulate
from streams import telemetry, topics
from streams.cli import main
from streams.local_kafka import LocalKafka
from streams.settings import Kafka, Settings
from streams.sources import Sources
from tests.block_service import wait_for
from tests.factories import batch_of, campaign_pulses
from tests.worker_runs import INSTANT, PARTITIONS, Run, WorkerProcess, counters, undisturbed

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

CRASHES = [
    *(
        ("by_source", step)
        for step in ("outputs sent", "outputs acknowledged", "first frame written", "frames acknowledged", "batch acknowledged")
    ),
    *(
        ("by_account", step)
        for step in ("outputs acknowledged", "first frame written", "frames acknowledged", "batch acknowledged")
    ),
]


@pytest.fixture(scope="module")
def events() -> list[AuthEvent]:
    """Two and a half hours of a provider under attack."""
    return [event for event, _ in simulate("demo", 7, accounts=600)]


@pytest.fixture(scope="module")
def calm(events: list[AuthEvent]) -> Pipeline:
    """What an undisturbed process counts."""
    return undisturbed(events)


@pytest.fixture(scope="module")
def sshd_and_simulated(events: list[AuthEvent]) -> list[AuthEvent]:
    """Real sshd lines where the data folder is beside the project, and simulated mail log-ins, in order of time."""
    found = list(events)
    log = Path(__file__).resolve().parents[3] / "shared" / "data" / "logs" / "authlog_cseanburns_2023.log"
    if log.is_file():
        with TemporaryDirectory() as directory:
            out = Path(directory) / "events.ndjson"
            assert main(["ingest", str(log), "--year", "2023", "--out", str(out)]) == 0
            found += [decode_event(line) for line in out.read_bytes().splitlines()]
    return sorted(found, key=lambda event: (event.ts, event.event_id))


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a line even where output is captured."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}")

    return write


@pytest.fixture
def run(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> Run:
    """Fresh topics on the shared broker."""
    return Run(kafka_broker, topic_prefix, tmp_path)


@contextmanager
def both_at_work(run: Run, events: Sequence[AuthEvent], where: list[str], *broker: str) -> Iterator[WorkerProcess]:
    """Two workers, of which the one that is given kills itself at the second checkpoint of a stage.

    Half of the events are there while the group still forms; the rest comes when both have partitions, so that both have work.
    """
    half = len(events) // 2
    run.produce(events[:half])
    with run.worker([*where, "2", *broker]) as crashing, run.worker() as other:
        wait_for(lambda: crashing.has_ended() or (crashing.is_ready() and other.is_ready()), "both workers are ready", 90)
        run.produce(events[half:], first_seq=half)
        yield crashing


def assert_exactly_once(run: Run, calm: Pipeline) -> None:
    """Each stage's durable state is one process's fold over its recorded input, and the counters are an undisturbed run's."""
    assert not run.logged("input.gap")
    for seed, stage in enumerate(("by_source", "by_account", "service")):
        for number, (durable, folded) in enumerate(zip(run.durable(stage), run.fold(stage, seed), strict=True)):
            assert durable.dump() == folded.dump(), f"{stage}/{number}"
    assert counters(run.durable("by_source")) == counters(calm.sources)
    assert counters(run.durable("by_account")) == counters(calm.accounts)


def test_the_worker_says_so_and_ends_where_there_are_no_topics(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> None:
    """Missing topics are one line that names them and the way out, and exit code 1."""
    settings = Settings(kafka=Kafka(bootstrap=kafka_broker, prefix=topic_prefix, partitions=PARTITIONS))
    worker = WorkerProcess(settings, tmp_path / "log")
    assert worker.process.wait(60) == 1
    assert f"no topic {topic_prefix}auth.raw" in worker.tail()
    assert "crible topics" in worker.tail()


def test_two_workers_raise_the_alerts_of_a_replay_though_one_is_late_and_the_partitions_come_shuffled(
    run: Run, sshd_and_simulated: Sequence[AuthEvent], report: Callable[[str], None]
) -> None:
    """Instant alerts are equal in id, kind and subject, live, in a replay of the events and in one of the topic."""
    replayed = {alert.alert_id: alert for alert in Pipeline(run.resolver, None, PARTITIONS).run(iter(sshd_and_simulated))}
    with run.worker(session_timeout_s=45) as prompt, run.worker(session_timeout_s=45) as late:
        prompt.wait_ready()
        late.wait_ready()
        late.send(signal.SIGSTOP)
        stopped_at = time.monotonic()
        run.produce(sshd_and_simulated, order=Random(5).sample(range(PARTITIONS), PARTITIONS))
        wait_for(lambda: time.monotonic() - stopped_at > 30, "the second worker is 30 s late", 60)
        late.send(signal.SIGCONT)
        run.wait_drained()
    live = run.alerts()
    topic = Sources([f"kafka:{topics.topic(run.settings, 'auth.events')}"], run.settings)
    from_topic = {alert.alert_id: alert for alert in Pipeline(run.resolver, None, PARTITIONS).run(iter(topic))}
    assert instant(live) == instant(replayed) == instant(from_topic)
    assert len(instant(live)) >= 20
    assert {kind for _, kind, _ in instant(live)} == INSTANT
    assert len({alert.kind for alert in live.values()}) >= 4
    scored_live, scored_replayed = ({key for key, a in found.items() if a.kind not in INSTANT} for found in (live, replayed))
    unequal = Counter((live | replayed)[key].kind for key in scored_live ^ scored_replayed)
    share = len(scored_live & scored_replayed) / len(scored_live | scored_replayed)
    both = len(scored_live | scored_replayed)
    report(f"{len(instant(live))} instant alerts equal; scored ones: {share:.2%} of {both}, but {dict(unequal)}")
    assert share >= 0.8


@pytest.mark.parametrize(("stage", "step"), CRASHES, ids=[f"{stage}, {step}" for stage, step in CRASHES])
def test_nothing_is_lost_or_counted_twice_when_a_worker_is_killed_between_two_steps_of_a_checkpoint(
    run: Run, events: list[AuthEvent], calm: Pipeline, stage: str, step: str
) -> None:
    """SIGKILL; another worker takes over."""
    with both_at_work(run, events, [stage, step]) as crashing:
        wait_for(crashing.has_ended, "the worker kills itself", 90)
        assert crashing.process.returncode == -signal.SIGKILL, crashing.tail()
        run.wait_drained()
    assert_exactly_once(run, calm)


@pytest.mark.parametrize("step", ["outputs sent", "outputs acknowledged", "first frame written"])
def test_nothing_is_lost_or_counted_twice_when_the_broker_hangs_before_the_worker_is_killed(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path, events: list[AuthEvent], calm: Pipeline, step: str
) -> None:
    """The broker is paused for the two seconds before SIGKILL, so that sends are under way when the worker dies."""
    run = Run(own_kafka.bootstrap, topic_prefix, tmp_path)
    with both_at_work(run, events, ["by_source", step], str(own_kafka.pid)) as crashing:
        wait_for(crashing.has_ended, "the worker kills itself", 90)
        assert crashing.process.returncode == -signal.SIGKILL, crashing.tail()
        run.wait_drained()
    assert_exactly_once(run, calm)


def test_nothing_is_lost_or_counted_twice_when_a_worker_is_frozen_for_a_minute_and_wakes_up(
    run: Run, events: list[AuthEvent], calm: Pipeline
) -> None:
    """SIGSTOP in the middle of its work; another takes its partitions over; after 60 s it goes on where it was."""
    half = len(events) // 2
    run.produce(events[:half])
    with run.worker() as frozen, run.worker():
        frozen.wait_ready()
        wait_for(lambda: any(state.offset > 0 for state in run.durable("by_source")), "the work has begun")
        frozen.send(signal.SIGSTOP)
        stopped_at = time.monotonic()
        wait_for(lambda: time.monotonic() - stopped_at > 60, "a minute has passed", 90)
        frozen.send(signal.SIGCONT)
        run.produce(events[half:], first_seq=half)
        run.wait_drained()
    assert_exactly_once(run, calm)


def test_nothing_is_lost_or_counted_twice_when_the_broker_restarts_under_load(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path, events: list[AuthEvent], calm: Pipeline
) -> None:
    """The broker goes down and comes back while two workers are at work."""
    run = Run(own_kafka.bootstrap, topic_prefix, tmp_path)
    run.produce(events)
    with run.worker() as first, run.worker() as second:
        first.wait_ready()
        wait_for(lambda: any(state.offset > 0 for state in run.durable("by_source")), "the work has begun")
        own_kafka.restart()
        wait_for(lambda: first.has_ended() or second.has_ended() or run.is_drained(), "the work goes on", 120)
        with run.worker():  # stands in for a supervisor: a worker that lost its broker for too long ends
            run.wait_drained()
    assert_exactly_once(run, calm)


@pytest.mark.kafka
def test_a_state_of_another_version_is_refused_in_one_line(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> None:
    """Where it is, and what to do; nothing is counted on top of what is misread. No folder of Faust's is left behind."""
    run = Run(kafka_broker, topic_prefix, tmp_path)
    spec = next(iter(run.specs.values()))
    producer = KafkaProducer(**run.settings.kafka.client_options())
    producer.send(spec.changelog, msgspec.msgpack.encode([99, "w", 1, True]), partition=0).get(timeout=20)
    producer.close()
    worker = WorkerProcess(run.settings, tmp_path / "worker.log")
    assert worker.process.wait(60) == 1
    (line,) = [line for line in worker.tail().splitlines() if line.startswith("error: ")]
    assert (
        line == f"error: {spec.changelog}/0/0: the workers' state has version 99, and this crible reads version 1; upgrade crible"
    )
    assert not list(Path.cwd().glob(f"{topic_prefix}*"))


def test_what_is_not_an_event_is_kept_as_a_dead_letter_and_the_stream_goes_on(run: Run, events: list[AuthEvent]) -> None:
    """Refused records keep their bytes and say where they were and why."""
    producer = KafkaProducer(bootstrap_servers=run.settings.kafka.bootstrap)
    topic = topics.topic(run.settings, "auth.events")
    ts_ms = int(events[0].ts * 1000)
    for value in (b"not json", b'{"login": "a", "remote": "192.0.2.1", "success": true}', encode_event(events[0])):
        producer.send(topic, value, partition=1, timestamp_ms=ts_ms).get(60)
    producer.close()
    with run.worker():
        run.wait_drained()
    dead = [record for number in range(PARTITIONS) for record in run.records(topics.topic(run.settings, "auth.dlq"), number)]
    headers = [{key: value.decode() for key, value in record.headers} for record in dead]
    assert {record.value for record in dead} == {b"not json", b'{"login": "a", "remote": "192.0.2.1", "success": true}'}
    assert {(header["dlq.topic"], header["dlq.partition"], header["dlq.offset"], header["dlq.reason"]) for header in headers} == {
        (topic, "1", "0", "not_json"),
        (topic, "1", "1", "no_ts"),
    }
    assert [state.meta.applied for state in run.durable("by_source")] == [0, 1, 0, 0]


def test_the_running_campaign_is_told_to_every_process(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a process that starts now finds on the control topic is the newest that is known; ``crible topics peek`` prints it."""
    story = campaign_pulses(3)
    producer = KafkaProducer(bootstrap_servers=run.settings.kafka.bootstrap, linger_ms=20)
    for number, pulse in enumerate(story):
        value = encode(PulseFrame(pulse.source, number, pulse))
        producer.send(topics.topic(run.settings, "auth.pulse"), value, partition=0, timestamp_ms=pulse.second * 1000)
    producer.flush()
    producer.close()
    with run.worker():
        run.wait_drained()
    expected = ServiceStage().apply(batch_of(story)).conclusions
    control = topics.topic(run.settings, "auth.control")
    found = [record for number in range(PARTITIONS) for record in run.records(control, number) if record.key == b"campaign/running"]
    assert [header for record in found for header in record.headers if header[0] == "crible-schema"] == [
        ("crible-schema", b"campaign/2")
    ] * len(found)
    told = [decode_campaign(record.value) for record in found]
    assert told
    assert told[-1] == expected[-1]
    assert all(campaign in expected for campaign in told)
    for name, value in (("", run.settings.kafka.bootstrap), ("_PREFIX", run.settings.kafka.prefix), ("_PARTITIONS", PARTITIONS)):
        monkeypatch.setenv(f"CRIBLE_KAFKA{name}", str(value))
    monkeypatch.setattr(telemetry, "configure", lambda _level: None)
    assert main(["topics", "peek", "auth.control", "--partition", str(found[-1].partition), "--last", "1000"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (newest,) = [record["value"] for record in shown if record["offset"] == found[-1].offset]
    assert (newest["campaign_id"], newest["until_ts"]) == (told[-1].campaign_id, told[-1].until_ts)
    assert newest["failing"]["counts"][2]["64502"] == told[-1].failing.counts[2][64502]


def instant(alerts: dict[str, Alert]) -> set[tuple[str, str, Subject]]:
    """What must be equal of instant alerts."""
    return {(alert.alert_id, alert.kind, alert.subject) for alert in alerts.values() if alert.kind in INSTANT}
