"""Ingest on one core: Dovecot's lines of the demo scenario into events, and beside it what others do with the same file.

Time is processor time, because what is compared are programs, not what else the machine does. fail2ban-regex and CrowdSec, where
they are installed, only match: the one with its own filter for Dovecot, which knows failures alone, the other with a parser
that reads our fields and a scenario that never happens.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final

import msgspec

from models.events import AuthEvent, encode_event
from models.geo import Geo
from simulator import simulate
from streams import local_kafka
from streams.bench.machine import calibrate, on_cores
from streams.ingest import FileSink, Ingest, Options, Summary
from streams.lines import Lines

__all__ = ["IngestFigures", "measure_ingest"]

_FLOOR: Final = 60_000
_PROTOCOLS: Final = frozenset({"imap", "pop3"})
_YEAR: Final = 2026
_PATIENCE_S: Final = 600

_CROWDSEC: Final = {
    "config.yaml": """
common: {{daemonize: false, log_media: stdout, log_level: warning}}
config_paths:
  config_dir: {directory}
  data_dir: {directory}
  simulation_path: {directory}/simulation.yaml
  hub_dir: {directory}/hub
  index_path: {directory}/hub/.index.json
crowdsec_service: {{acquisition_path: {directory}/acquis.yaml, parser_routines: 1, buckets_routines: 1, output_routines: 1}}
db_config: {{type: sqlite, db_path: {directory}/crowdsec.db}}
api:
  client: {{credentials_path: {directory}/local.yaml}}
  server: {{listen_uri: "127.0.0.1:{port}", profiles_path: {directory}/profiles.yaml}}
prometheus: {{enabled: false}}
""",
    "simulation.yaml": "simulation: off\n",
    "hub/.index.json": '{{"parsers": {{}}, "scenarios": {{}}, "collections": {{}}, "postoverflows": {{}}}}',
    "acquis.yaml": "",
    "profiles.yaml": "name: none\nfilters: ['true']\non_success: break\n",
    "local.yaml": "url: http://127.0.0.1:{port}\n",
    "patterns/none": "",
    "scenarios/never.yaml": "type: trigger\nname: bench/never\ndescription: never\nfilter: evt.Meta.log_type == 'never'\n",
    "parsers/s00-raw/syslog.yaml": r"""
name: bench/syslog
filter: evt.Line.Labels.type == 'syslog'
onsuccess: next_stage
pattern_syntax:
  BENCHTIME: '[A-Z][a-z]{{2}} +\d{{1,2}} \d\d:\d\d:\d\d'
  BENCHWORD: '[\w./-]+'
  BENCHREST: '.*'
grok:
  pattern: '^%{{BENCHTIME:timestamp}} %{{BENCHWORD:host}} %{{BENCHWORD:program}}: %{{BENCHREST:message}}'
  apply_on: Line.Raw
statics: [{{parsed: program, expression: evt.Parsed.program}}]
""",
    "parsers/s01-parse/dovecot.yaml": r"""
name: bench/dovecot
filter: evt.Parsed.program == 'dovecot'
onsuccess: next_stage
pattern_syntax: {{BENCHNAME: 'imap|pop3', BENCHUSER: '[^>]*', BENCHIP: '[0-9a-fA-F.:]+', BENCHREASON: '[^<]*'}}
nodes:
  - grok:
      pattern: '^%{{BENCHNAME:protocol}}-login: %{{BENCHREASON}}: user=<%{{BENCHUSER:user}}>, .*rip=%{{BENCHIP:source_ip}},'
      apply_on: message
statics: [{{meta: source_ip, expression: evt.Parsed.source_ip}}]
""",
}


class IngestFigures(msgspec.Struct, frozen=True):
    """Lines per second of processor time, from a file into a file: the best of ``runs``.

    ``json`` is the same log-ins as AuthEvents without an id. ``calibration_ns`` is that of the best run. What is not installed is
    null.
    """

    lines: int
    events: int
    lines_per_s: int
    runs: list[int]
    json_lines_per_s: int
    calibration_ns: float
    fail2ban_lines_per_s: int | None
    crowdsec_lines_per_s: int | None
    floor_lines_per_s: int = _FLOOR


def measure_ingest(accounts: int, hours: float, runs: int) -> IngestFigures:
    """Read the log that Dovecot would have written of the demo scenario, ``runs`` times."""
    with TemporaryDirectory() as directory, on_cores(1):
        log, events = Path(directory, "mail.log"), Path(directory, "events.ndjson")
        with log.open("wb") as log_file, events.open("wb") as events_file:
            for number, event in enumerate(_mail_log_ins(accounts, hours)):
                log_file.write(_dovecot_line(event, number))
                events_file.write(encode_event(event) + b"\n")
        read = []
        for _ in range(runs):
            calibration_ns = calibrate()
            read.append((*_ingest(log), calibration_ns))
        summary, best_s, calibration_ns = min(read, key=lambda each: each[1])
        lines = summary.lines
        return IngestFigures(
            lines=lines,
            events=summary.events,
            lines_per_s=_speed(lines, best_s),
            runs=[_speed(lines, seconds) for _, seconds, _ in read],
            json_lines_per_s=_speed(lines, min(_ingest(events)[1] for _ in range(runs))),
            calibration_ns=calibration_ns,
            fail2ban_lines_per_s=_speed_of_other(lines, _fail2ban(log)),
            crowdsec_lines_per_s=_speed_of_other(lines, _crowdsec(log)),
        )


def _mail_log_ins(accounts: int, hours: float) -> Iterator[AuthEvent]:
    for event, _ in simulate("demo", 1, accounts, hours):
        if event.protocol in _PROTOCOLS:
            event.event_id = ""
            yield event


def _dovecot_line(event: AuthEvent, number: int) -> bytes:
    time = datetime.fromtimestamp(event.ts, UTC).strftime("%b %d %H:%M:%S")
    what = "Login" if event.success else "Disconnected (auth failed, 1 attempts in 2 secs)"
    process = f", mpid={number % 32_768}" if event.success else ""
    return (
        f"{time} mx1 dovecot: {event.protocol}-login: {what}: user=<{event.login}>, method=PLAIN, rip={event.remote}, "
        f"lip=198.51.100.1{process}, TLS, session=<{number:016x}>\n"
    ).encode()


def _ingest(path: Path) -> tuple[Summary, float]:
    """What was read, and processor time."""
    with path.with_suffix(".out").open("wb") as out:
        job = Ingest(FileSink(out, None), Options(year=_YEAR), Geo(), "bench", live=False)
        started = process_time()
        job.read(Lines(str(path)))
        return job.summary, process_time() - started


def _fail2ban(path: Path) -> float | None:
    """Processor time of fail2ban-regex with its filter for Dovecot; ``None`` without fail2ban."""
    program = shutil.which("fail2ban-regex")
    return _run([program, str(path), "dovecot"]) if program else None


def _crowdsec(path: Path) -> float | None:
    """Processor time of CrowdSec reading the file once; ``None`` without CrowdSec, or where it does not take our configuration."""
    program, admin = shutil.which("crowdsec"), shutil.which("cscli")
    if not (program and admin):
        return None
    directory, port = path.parent / "crowdsec", local_kafka.free_port()
    for name, text in _CROWDSEC.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(directory=directory, port=port), "utf-8")
    config = str(directory / "config.yaml")
    password, credentials = os.urandom(16).hex(), str(directory / "local.yaml")
    if _run([admin, "-c", config, "machines", "add", "bench", "--password", password, "-f", credentials]) is None:
        return None
    return _run([program, "-c", config, "-dsn", f"file://{path}", "-type", "syslog"])


def _run(command: Sequence[str]) -> float | None:
    """Processor time of a program; ``None`` if it failed."""
    before = getrusage(RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, check=False, timeout=_PATIENCE_S)  # noqa: S603  made here
    after = getrusage(RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return seconds if done.returncode == 0 else None


def _speed(lines: int, seconds: float) -> int:
    return round(lines / seconds)


def _speed_of_other(lines: int, seconds: float | None) -> int | None:
    return None if seconds is None else _speed(lines, seconds)
