"""streams.sources: past events from files and topics, in order, with bounded memory."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random

import pytest
import zstandard
from kafka import KafkaProducer

from models.addresses import locate
from models.errors import CribleError, InputError
from models.events import AuthEvent, encode_event
from models.partition import partitions_of
from streams import topics
from streams.settings import Kafka, Settings
from streams.sources import DISORDER_S, Sources

T0 = 1_772_496_000.0


def event(ts: float, login: str = "alice", **fields: object) -> AuthEvent:
    """A failure with an id of its own."""
    return AuthEvent(ts=ts, login=login, remote="192.0.2.7", success=False, event_id=f"{login} {ts}", **fields)  # type: ignore[arg-type]


def lines(events: Iterable[AuthEvent]) -> bytes:
    """NDJSON."""
    return b"".join(encode_event(each) + b"\n" for each in events)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Write a file and return its name."""

    def write(name: str, content: bytes | Iterable[AuthEvent]) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else lines(content))
        return str(path)

    return write


def read(names: str | Sequence[str], since: float | None = None, until: float | None = None) -> tuple[list[AuthEvent], Sources]:
    """What the sources hold, and the sources after that."""
    sources = Sources([names] if isinstance(names, str) else names, Settings(), since, until)
    return list(sources), sources


class TestFiles:
    """NDJSON files, packed or not, and standard input."""

    def test_events_come_in_order(self, file: Callable[..., str]) -> None:
        """By time, then by id, whatever their order in the file."""
        events = [event(T0 + Random(n).random() * 250, f"user{n}") for n in range(200)] + [event(T0 + 5, name) for name in "cab"]
        found, sources = read(file("e", events))
        assert found == sorted(events, key=lambda each: (each.ts, each.event_id))
        assert (sources.read, sources.refused.total(), sources.first_refused) == (203, 0, "")

    def test_several_files_are_merged(self, file: Callable[..., str]) -> None:
        """As if they were one; a record that is in two of them counts once."""
        events = [event(T0 + number, f"user{number}") for number in range(100)]
        names = [file("a", events[::2]), file("b.gz", gzip.compress(lines(events[1::2]))), file("c", events[40:60])]
        found, sources = read(names)
        assert (found, sources.read) == (events, 100)

    @pytest.mark.parametrize("name", ["e", "e.gz", "e.zst", "-"])
    def test_packed_files_and_standard_input(self, name: str, file: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
        """The same events come out of each."""
        events = [event(T0), event(T0 + 1)]
        raw = lines(events)
        if name == "-":
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        else:
            packed = {"e": raw, "e.gz": gzip.compress(raw), "e.zst": zstandard.compress(raw)}[name]
            name = file(name, packed)
        assert read(name)[0] == events

    def test_since_and_until(self, file: Callable[..., str]) -> None:
        """``since`` belongs to what is read, ``until`` does not."""
        name = file("e", [event(T0 + number) for number in range(10)])
        found, sources = read(name, T0 + 3, T0 + 6)
        assert [each.ts - T0 for each in found] == [3, 4, 5]
        assert sources.read == 3

    def test_refused_lines_are_counted_and_the_first_is_named(self, file: Callable[..., str]) -> None:
        """What is no event is left out, and the rest goes on; empty lines are nothing."""
        good = encode_event(event(T0))
        name = file("e", b"\n".join([good, b"", b"nonsense", b'{"login": "x"}', b"[]", encode_event(event(T0 + 1)), b""]))
        found, sources = read(name)
        assert [each.ts for each in found] == [T0, T0 + 1]
        assert sources.refused == {"not_json": 1, "no_ts": 1, "not_an_object": 1}
        assert sources.first_refused == f"{name}:3: not_json"

    def test_events_without_ids_get_them(self, file: Callable[..., str]) -> None:
        """Two equal lines are two attempts, and the ids are the same every time."""
        line = b'{"ts": 1772496000, "login": "alice", "remote": "192.0.2.7", "success": false}\n'
        name = file("e", line * 2)
        (first, _), (second, _) = read(name), read(name)
        assert first == second
        assert len({each.event_id for each in first} - {""}) == 2

    def test_disorder_within_a_long_file(self, file: Callable[..., str]) -> None:
        """Fifty thousand events, each up to five minutes late, over two hours: in order, and in parts."""
        draw = Random(1)
        events = [event(T0 + number * 0.15, str(number)) for number in range(50_000)]
        late = sorted(events, key=lambda each: each.ts + draw.random() * DISORDER_S)
        sources = iter(Sources([file("e", late)], Settings()))
        found = [next(sources) for _ in range(1000)]
        found += sources
        assert found == events

    def test_a_file_that_is_not_in_order(self, file: Callable[..., str]) -> None:
        """It is refused with the way out rather than replayed wrongly."""
        events = [event(T0 + number, "x") for number in range(30_000)] + [event(T0, "early")]
        name = file("e", events)
        with pytest.raises(InputError, match=r"more than 300 s older .* sort the events by ts first") as error:
            read(name)
        assert error.value.where == name

    @pytest.mark.parametrize("content", [None, b"damaged"])
    def test_a_file_that_cannot_be_read(self, content: bytes | None, file: Callable[..., str], tmp_path: Path) -> None:
        """Missing or damaged: one line with its name."""
        name = str(tmp_path / "none.gz") if content is None else file("e.gz", content)
        with pytest.raises(InputError, match=r"\.gz"):
            read(name)

    def test_empty_files(self, file: Callable[..., str]) -> None:
        """No events, no error."""
        assert read([file("a", b""), file("b", b"")])[0] == []


@pytest.mark.kafka
class TestTopics:
    """A topic on a real broker."""

    @pytest.fixture
    def settings(self, kafka_broker: str, topic_prefix: str) -> Settings:
        """Topics for history, of four partitions."""
        settings = Settings(kafka=Kafka(bootstrap=kafka_broker, prefix=topic_prefix, partitions=4, connect_timeout_s=20))
        topics.create(settings, keep_all=True)
        return settings

    def send(self, settings: Settings, events: Iterable[AuthEvent], values: Iterable[bytes] = ()) -> None:
        """Write events as ingest does, and other values."""
        producer = KafkaProducer(**settings.kafka.client_options(), enable_idempotence=True)
        name = settings.kafka.prefix + "auth.events"
        for each in events:
            key = locate(each.remote).network
            (partition,) = partitions_of([key], settings.kafka.partitions)
            producer.send(name, encode_event(each), key=key.encode(), partition=partition, timestamp_ms=int(each.ts * 1000))
        for value in values:
            producer.send(name, value, partition=0, timestamp_ms=int(T0 * 1000))
        producer.flush()
        producer.close()

    def events(self, number: int) -> list[AuthEvent]:
        """Events of many networks, one a second, in order."""
        made = [event(T0 + n, f"user{n}") for n in range(number)]
        for n, each in enumerate(made):
            each.remote = f"10.{n % 50}.0.1"
        return made

    def read(self, settings: Settings, since: float | None = None, until: float | None = None) -> tuple[list[AuthEvent], Sources]:
        sources = Sources([f"kafka:{settings.kafka.prefix}auth.events"], settings, since, until)
        return list(sources), sources

    def test_partitions_are_merged_and_since_and_until_hold(self, settings: Settings) -> None:
        """In order over all partitions; the second time the same."""
        events = self.events(2_000)
        self.send(settings, events)
        assert self.read(settings)[0] == events
        found, sources = self.read(settings, T0 + 1500, T0 + 1600)
        assert found == events[1500:1600]
        assert sources.read == 100
        assert self.read(settings, since=T0 + 10_000)[0] == []

    def test_what_was_sent_twice_counts_once(self, settings: Settings) -> None:
        """An ingest that was repeated after a crash leaves two records of each event."""
        events = self.events(300)
        self.send(settings, [*events, *events[100:250]])
        found, sources = self.read(settings)
        assert (found, sources.read) == (events, 300)

    def test_records_that_are_no_events(self, settings: Settings) -> None:
        """They are left out; topic, partition and offset of the first are named."""
        self.send(settings, self.events(10), [b"nonsense", b""])
        found, sources = self.read(settings)
        assert len(found) == 10
        assert sources.refused.total() == 2
        assert sources.first_refused.startswith(f"{settings.kafka.prefix}auth.events/0/")

    def test_an_empty_topic(self, settings: Settings) -> None:
        """Nothing comes, at once."""
        assert self.read(settings)[0] == []

    def test_no_such_topic(self, settings: Settings) -> None:
        """One line that says so, and no topic is made."""
        with pytest.raises(InputError, match="no topic nonsense"):
            list(Sources(["kafka:nonsense"], settings))

    def test_no_broker(self) -> None:
        """The job fails after the time to connect."""
        settings = Settings(kafka=Kafka(bootstrap="127.0.0.1:9", connect_timeout_s=0.5))
        with pytest.raises(CribleError, match=r"127\.0\.0\.1:9: no Kafka broker answered"):
            list(Sources(["kafka:auth.events"], settings))
