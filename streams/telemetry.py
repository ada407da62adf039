"""What the running processes say about themselves: log lines as JSON on stderr, and Prometheus metrics.

Both vocabularies are fixed here, so a misspelt name is a type error and a reader finds every name in one place. The
fields of a log line are fixed too: none of them holds text that a client sent, an address or an account, which is how
attacker's text and personal data stay out of the logs. Metric names follow https://prometheus.io/docs/practices/naming/;
labels take few values, never an address or an account.
"""

from __future__ import annotations

import logging
import sys
from traceback import extract_tb
from typing import Any, Final, Literal, TypedDict, Unpack

import structlog
from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ALERTS",
    "ALERTS_UNDELIVERED",
    "BREAKER",
    "CHECKPOINT_SECONDS",
    "DEAD_LETTERS",
    "DECISIONS_ACTIVE",
    "DECISIONS_SUSPENDED",
    "DECISIONS_WITHHELD",
    "EVENTS",
    "HTTP_REQUESTS",
    "LATE_EVENTS",
    "LEADER",
    "POINT_FAILURES",
    "POINT_TIMESTAMP_SECONDS",
    "POLICY",
    "SERVICE_ALERT_TIMESTAMP_SECONDS",
    "SPOOL_BYTES",
    "SPOOL_LOST",
    "STATE_KEYS",
    "STOPS",
    "VERDICTS",
    "WATERMARK_TIMESTAMP_SECONDS",
    "WRONG_KEYS",
    "Event",
    "Fields",
    "configure",
    "error",
    "info",
    "warning",
]

Event = Literal[
    # The process is ready for its work.
    "service.started",
    # The process ends by itself or by a signal.
    "service.stopped",
    # Settings, policy, groups or accounts were read: name, version.
    "config.loaded",
    # The policy in force is another one: version, name of the key, reason.
    "policy.changed",
    # No broker answered; tried again until `connect_timeout_s`.
    "kafka.unreachable",
    # Topics were created: topics.
    "topics.created",
    # A partition came to this process.
    "partition.assigned",
    # A partition went to another process.
    "partition.revoked",
    # A partition's state was read back from its changelog: keys, seconds.
    "state.loaded",
    # Offsets are missing in a partition's input: topic, partition, first offset, records.
    "input.gap",
    # A record is not a valid event and went to the dead letters: reason, topic, partition, offset.
    "record.refused",
    # Our own code failed on a record, which went to the dead letters: topic, partition, offset.
    "record.failed",
    # Our own code failed too often; the process stops rather than empty the topic into the dead letters.
    "dead_letters.braked",
    # A partition has input and makes no progress; the process ends.
    "partition.stalled",
    # A followed file was rotated away before all of it was read: path, offset of the first line that was not.
    "file.lost",
    # A geo file is missing, corrupt or stale; its places are unknown.
    "geo.unusable",
    # A decision was made: decision_id, kind, scope, mode.
    "decision.made",
    # A decision was lifted: decision_id, reason.
    "decision.lifted",
    # The budget on customers is spent, nothing new is enforced: decision_id, reason.
    "audit.not_kept",
    "breaker.opened",
    # A person closed the breaker.
    "breaker.closed",
    # What a decision cut is opened a step further, a step back, or to everybody: decision_id, name of the step.
    "reopening.moved",
    # A person had an account forgotten: name of the key, records.
    "account.forgotten",
    # A person stopped enforcement: kind, scope (all: every one), name of the key.
    "enforcement.stopped",
    # A person resumed enforcement: name of the key.
    "enforcement.resumed",
    # What is stopped could not be written down: a restart would not know; path.
    "stops.not_kept",
    # Decisions and lists cannot be read: nobody is refused until they are.
    "decisions.unreadable",
    # Our own code failed on an HTTP request: name of the command.
    "request.failed",
    # An address is shut out for a minute: its keys were wrong too often; service.
    "keys.shut_out",
    # The spool takes no more records, for the reason given; said once until it takes one again.
    "spool.refused",
    # A line of the spool is damaged; it went to the dead letters: path, offset.
    "spool.damaged",
    # What is in the spool cannot be sent; tried again until it can.
    "spool.stuck",
    # An alert was not taken and is sent again: alert_id, name, reason.
    "alert.delayed",
    # A receiver refuses an alert again and again; it is left out: alert_id, name.
    "alert.undelivered",
    # An enforcement point cannot be written or does not answer; it is tried again: name, reason.
    "point.failed",
    # An enforcement point that failed works again: name.
    "point.works",
    # This process now writes the decisions.
    "leader.elected",
    # A library of ours wrote a log line: library, text.
    "library.message",
]


class Fields(TypedDict, total=False):
    """Every field that a log line may have. Add here what is needed; never a client's text, an address or an account."""

    service: str
    name: str
    version: str
    broker: str
    topic: str
    topics: int
    partition: int
    offset: int
    stage: str
    reason: str
    keys: int
    rows: int
    records: int
    events: int
    seconds: float
    alert_id: str
    decision_id: str
    kind: str
    scope: str
    mode: str
    path: str


EVENTS: Final = Counter("crible_events", "Events that a stage has finished with, by outcome.", ["stage", "outcome"])
LATE_EVENTS: Final = Counter("crible_late_events", "Events that came after their window had closed.", ["stage"])
DEAD_LETTERS: Final = Counter("crible_dead_letters", "Records sent to auth.dlq.", ["stage", "reason"])
ALERTS: Final = Counter("crible_alerts", "Alerts raised.", ["kind", "severity"])
CHECKPOINT_SECONDS: Final = Histogram(
    "crible_checkpoint_seconds", "Duration of a checkpoint, first send to last acknowledgement.", ["stage"]
)
STATE_KEYS: Final = Gauge("crible_state_keys", "Addresses, accounts or scopes held in memory.", ["stage", "partition"])
WATERMARK_TIMESTAMP_SECONDS: Final = Gauge(
    "crible_watermark_timestamp_seconds", "Newest event time seen, UTC seconds.", ["stage", "partition"]
)
SERVICE_ALERT_TIMESTAMP_SECONDS: Final = Gauge(
    "crible_service_alert_timestamp_seconds", "Event time of the newest service-wide alert, UTC seconds.", ["kind"]
)
DECISIONS_ACTIVE: Final = Gauge("crible_decisions_active", "Decisions in force.", ["scope", "type", "mode"])
DECISIONS_SUSPENDED: Final = Gauge("crible_decisions_suspended", "Enforced bans that are not carried out: a person stopped them.")
STOPS: Final = Gauge("crible_stops", "Orders of the kill switch in force; 0: enforcement goes on.")
DECISIONS_WITHHELD: Final = Gauge(
    "crible_decisions_withheld", "Enforced bans that an enforcement point cannot express and is not given.", ["point", "reason"]
)
ALERTS_UNDELIVERED: Final = Counter("crible_alerts_undelivered", "Alerts that a receiver refused for good.", ["destination"])
POINT_FAILURES: Final = Counter("crible_point_failures", "Times that an enforcement point could not be told.", ["point"])
POINT_TIMESTAMP_SECONDS: Final = Gauge(
    "crible_point_timestamp_seconds", "When an enforcement point was last told, UTC seconds.", ["point"]
)
POLICY: Final = Gauge(
    "crible_policy",
    "1 for the policy in force, by where it is from: file or auth.control.",
    ["version", "hash", "source"],
)
BREAKER: Final = Gauge("crible_breaker_open", "1 while the breaker is open: nothing new is enforced until a person closes it.")
LEADER: Final = Gauge("crible_leader", "1 while this process writes the decisions, else 0.")
VERDICTS: Final = Counter("crible_verdicts", "Answers to log-in servers that asked, by action; failed is accept.", ["action"])
SPOOL_BYTES: Final = Gauge("crible_spool_bytes", "Bytes in the spool that Kafka does not have yet.")
SPOOL_LOST: Final = Counter("crible_spool_lost", "Records that the spool could not keep, by reason.", ["reason"])
HTTP_REQUESTS: Final = Counter("crible_http_requests", "Answered HTTP requests.", ["route", "code"])
WRONG_KEYS: Final = Counter("crible_wrong_keys", "Requests with a wrong key: refused, or shut_out and not looked at.", ["answer"])

_log: Final = structlog.stdlib.get_logger("crible")
_TRACE_FRAMES: Final = 10
_TEXT_LENGTH: Final = 300


def configure(level: str = "info") -> None:
    """Write log lines of ``level`` and above to stderr, one JSON object each; libraries' from ``warning`` on.

    Call once, when the process starts.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _trace_without_values,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_name_the_library, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        )
    )
    handler.addFilter(_quote_no_exception)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("crible").setLevel(level.upper())
    # Four lines for each failed attempt to connect: we say it once, as `kafka.unreachable`.
    logging.getLogger("kafka.net").setLevel(logging.CRITICAL)


def info(event: Event, **fields: Unpack[Fields]) -> None:
    """Something happened that an operator may want to see."""
    _log.info(event, **fields)


def warning(event: Event, **fields: Unpack[Fields]) -> None:
    """Something is not as it should be; the process goes on."""
    _log.warning(event, **fields)


def error(event: Event, exception: BaseException | None = None, **fields: Unpack[Fields]) -> None:
    """The process cannot do its work; ``exception`` adds its type and its place in the code, not its message."""
    _log.error(event, exc_info=exception, **fields)


def _quote_no_exception(record: logging.LogRecord) -> bool:
    """Have a library name the type of an exception that it wants to quote: what it says may be what a client sent."""
    if isinstance(record.args, tuple):
        record.args = tuple(type(arg).__name__ if isinstance(arg, BaseException) else arg for arg in record.args)
    return True


def _name_the_library(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put a foreign log line under our one event name for them; its first line, as asyncio quotes exceptions on the second."""
    record: logging.LogRecord = line["_record"]
    line.update(event="library.message", library=record.name, text=str(line["event"]).partition("\n")[0][:_TEXT_LENGTH])
    return line


def _trace_without_values(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace an exception by its type and its frames: its message may quote what a client sent."""
    exception = line.pop("exc_info", None)
    if isinstance(exception, tuple):
        exception = exception[1]
    elif exception is True:
        exception = sys.exc_info()[1]
    if isinstance(exception, BaseException):
        frames = extract_tb(exception.__traceback__)[-_TRACE_FRAMES:]
        line["exception"] = type(exception).__name__
        line["trace"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return line
