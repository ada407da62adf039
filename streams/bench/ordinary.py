"""NOT PRODUCT CODE. The comparison: the same work done the way Faust's own guide does it.

One record at a time, a table per stage, each changed row written to the table's changelog at once, one message per forwarded
attempt, offsets committed by Faust. Rows, rules and models are the product's; what differs is how records and state travel.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import faust
import msgspec

from models.accounts import AccountDirectory
from models.attempts import Resolver
from models.by_account import AccountStage
from models.by_source import SourceStage
from models.events import decode_event
from models.frames import AttemptFrame, PulseFrame, decode_attempts, decode_pulse, encode
from models.geo import Geo
from models.service import ServiceStage
from models.stage import Batch, Stage
from streams import settings, topics
from streams.settings import Settings

__all__ = ["APP", "app_for", "main"]

APP: Final = "ordinary"
#: Rows are packed when a partition has seen so many records since the last time, to bound the unpacked ones.
_PACK_EVERY: Final = 5_000
#: Faust's default is a request to the broker for each record, which is several times slower.
_LINGER_S: Final = 0.02
_encode_alert: Final = msgspec.json.Encoder().encode


def app_for(settings: Settings) -> faust.App:
    """The app with its three agents."""
    kafka = settings.kafka
    app = faust.App(
        kafka.prefix + APP,
        broker=f"kafka://{kafka.bootstrap}",
        store="memory://",
        web_enabled=False,
        topic_replication_factor=kafka.replication,
        broker_commit_interval=1.0,
        producer_linger=_LINGER_S,
    )
    resolver = Resolver(AccountDirectory(), Geo())

    def topic(name: str) -> Any:
        raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw", "value_type": bytes}
        return app.topic(topics.topic(settings, name), partitions=topics.partitions(settings, name), **raw)

    def table(name: str, partitions_of: str) -> Any:
        return app.Table(name, partitions=topics.partitions(settings, partitions_of), key_type=bytes, value_type=bytes)

    events, by_account, pulses = topic("auth.events"), topic("auth.by-account"), topic("auth.pulse")
    alerts = topic("auth.alerts")
    addresses, accounts = table("addresses", "auth.events"), table("accounts", "auth.by-account")
    scopes = table("scopes", "auth.pulse")
    sources: defaultdict[int, SourceStage] = defaultdict(SourceStage)
    owners: defaultdict[int, AccountStage] = defaultdict(AccountStage)
    service = ServiceStage()

    @app.agent(events)
    async def by_source(stream: Any) -> None:
        async for event in stream.events():
            partition, offset = event.message.partition, event.message.offset
            attempt, stage = resolver.attempt(decode_event(event.value)), sources[partition]
            outputs = stage.apply(_one(attempt, "ingest", offset, offset))
            _write(addresses, stage, attempt.address, attempt.network)
            for alert in outputs.alerts:
                await alerts.send(value=_encode_alert(alert))
            for at, forwarded in outputs.forwards:
                frame = encode(AttemptFrame(partition, [at], [forwarded]))
                await by_account.send(key=forwarded.account.encode(), value=frame)

    @app.agent(by_account)
    async def by_owner(stream: Any) -> None:
        async for event in stream.events():
            frame, stage = decode_attempts(event.value), owners[event.message.partition]
            attempt = frame.attempts[0]
            outputs = stage.apply(_one(attempt, str(frame.source_partition), frame.offsets[0], event.message.offset))
            _write(accounts, stage, attempt.account)
            for alert in outputs.alerts:
                await alerts.send(value=_encode_alert(alert))
            for _, number, pulse in outputs.pulses:
                await pulses.send(value=encode(PulseFrame(event.message.partition, number, pulse)))

    @app.agent(pulses)
    async def service_wide(stream: Any) -> None:
        async for event in stream.events():
            frame = decode_pulse(event.value)
            outputs = service.apply(_one(frame.pulse, str(frame.source_partition), frame.number, event.message.offset))
            for key, packed in service.checkpoint().rows:
                if packed:
                    scopes[key.encode()] = packed
            for alert in outputs.alerts:
                await alerts.send(value=_encode_alert(alert))

    return app


def _one(item: Any, producer: str, seq: int, offset: int) -> Batch[Any]:
    return Batch(offset, [item], [producer], [seq], [offset])


def _write(table: Any, stage: Stage[Any, Any], *keys: str) -> None:
    for key in keys:
        row = stage.hot.get(key)
        if row is not None:
            table[key.encode()] = encode(row)
    if stage.meta.applied % _PACK_EVERY == 0:
        stage.checkpoint()


class _Worker(faust.Worker):
    """Without Faust's logging, which costs a tenth of the time even where it writes nothing."""

    def _setup_logging(self) -> None:
        pass


def main() -> None:
    """Run one process, with the settings of a worker."""
    _Worker(app_for(settings.load()), quiet=True).execute_from_commandline()
