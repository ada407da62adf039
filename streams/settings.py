"""Typed settings: a TOML file, then ``CRIBLE_<SECTION>_<FIELD>`` variables over it.

This module is the only reader of the environment. Units are in the names of the fields. In a variable a list or table is
written as JSON: ``CRIBLE_GEO_DATABASE='["city.mmdb", "asn.mmdb"]'``. ``CRIBLE_KAFKA`` is short for
``CRIBLE_KAFKA_BOOTSTRAP``. Variables that name no section are not ours and are left alone.
"""

from __future__ import annotations

import os
import ssl
import tomllib
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from models.accounts import fold
from models.addresses import Proxies
from models.errors import InputError

__all__ = [
    "Accounts",
    "Alerts",
    "ApiKey",
    "Block",
    "CrowdSec",
    "Desk",
    "EnforcementPoint",
    "Gate",
    "GateKey",
    "Geo",
    "Groups",
    "HaProxy",
    "Ingest",
    "Kafka",
    "Nftables",
    "Nginx",
    "PlainList",
    "PostfixPolicy",
    "Realm",
    "Settings",
    "Syslog",
    "Telemetry",
    "Tls",
    "Webhook",
    "Worker",
    "load",
]

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]
Command = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

_SHORT_FORMS: Final = {"CRIBLE_KAFKA": ("kafka", "bootstrap")}


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all sections share: frozen, and an unknown key is an error."""


class Kafka(_Section, frozen=True):
    """Where the broker is and how the topics are cut.

    ``bootstrap`` is ``host:port`` or several joined with commas. ``partitions`` is the P of the contract; it never
    changes for topics that exist. ``sasl_password_file`` holds the password alone, so that no dump of the settings shows it.
    """

    bootstrap: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1:9092"
    prefix: Annotated[str, msgspec.Meta(pattern="^[a-zA-Z0-9._-]*$", max_length=100)] = ""
    partitions: Positive = 16
    replication: Positive = 1
    connect_timeout_s: Seconds = 60
    group: str = "crible"
    session_timeout_s: Seconds = 10
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password_file: str | None = None
    ssl_cafile: str | None = None

    def client_options(self) -> dict[str, Any]:
        """The keyword arguments with which every kafka-python client reaches the broker.

        Raises:
            InputError: SASL is asked for without a user name, or the password file cannot be read.

        >>> Kafka(bootstrap="a:9092,b:9092").client_options()
        {'bootstrap_servers': ['a:9092', 'b:9092'], 'security_protocol': 'PLAINTEXT'}
        """
        options: dict[str, Any] = {
            "bootstrap_servers": [server.strip() for server in self.bootstrap.split(",")],
            "security_protocol": self.security_protocol,
        }
        if self.ssl_cafile is not None:
            options["ssl_cafile"] = self.ssl_cafile
        if self.security_protocol.startswith("SASL"):
            if self.sasl_username is None or self.sasl_password_file is None:
                raise InputError(f"{self.security_protocol} needs kafka.sasl_username and kafka.sasl_password_file")
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = _read(self.sasl_password_file).strip()
        return options

    def async_client_options(self) -> dict[str, Any]:
        """The same for every aiokafka client, which wants a TLS context instead of a file.

        Raises:
            InputError: As :meth:`client_options`, or the CA file cannot be read.
        """
        options = self.client_options()
        ca_file = options.pop("ssl_cafile", None)
        if self.security_protocol.endswith("SSL"):
            try:
                options["ssl_context"] = ssl.create_default_context(cafile=ca_file)
            except OSError as error:
                raise InputError(f"cannot be read ({error.strerror})", where=str(ca_file), hint="set kafka.ssl_cafile") from None
        return options


class Worker(_Section, frozen=True):
    """The Faust stages; ``host`` and ``port`` serve ``/ready`` and ``/metrics``.

    A checkpoint is written every ``checkpoint_interval_s`` or ``checkpoint_events``, whichever comes first. A partition
    that has input but makes no progress for ``stall_timeout_s`` ends the process. ``skew_limit_s`` is how far, in event
    time, a partition may run ahead of the slowest one. ``max_keys`` bounds the addresses, and the accounts, that all
    workers together remember; the least remarkable ones go first.
    """

    checkpoint_interval_s: Seconds = 0.5
    checkpoint_events: Positive = 5000
    stall_timeout_s: Seconds = 60
    skew_limit_s: Seconds = 300
    max_keys: Positive = 4_000_000
    host: str = "127.0.0.1"
    port: Port = 8081


class Tls(_Section, frozen=True):
    """How a service speaks HTTPS: files in PEM with its certificate, those that vouch for it after it, and its private key."""

    certificate: str
    key: str

    def context(self) -> ssl.SSLContext:
        """For a server.

        Raises:
            InputError: The files cannot be read, are none, or do not fit together; the key has a pass phrase.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")  # otherwise it asks at the terminal
        except OSError as error:  # ssl.SSLError is one
            said = getattr(error, "reason", None) or error.strerror
            raise InputError(
                f"cannot be used for TLS: {said}",
                where=f"{self.certificate}, {self.key}",
                hint="give a certificate and its key, both in PEM, the key without a pass phrase",
            ) from None
        return context


class ApiKey(_Section, frozen=True):
    """One client of the blocking service: its name, and the SHA-256 of its key in hex (the key itself is not stored).

    A key has one role. Without any it reads the list, and ``addresses_only`` is for bouncers that ignore the mask of a range:
    they get IPv4 addresses only, ranges down to /24 as their addresses. One with ``account_changes`` writes what happened to
    accounts. One with ``support`` may ask why somebody is refused, and let him in for a while, where it names ``realms`` only
    about accounts of these domains. One with ``operator`` may do all but write account changes: stop enforcement, see every
    decision, lift some.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    sha256: Sha256
    addresses_only: bool = False
    account_changes: bool = False
    operator: bool = False
    support: bool = False
    realms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.realms and (self.operator or not self.support):
            raise ValueError("realms are for a key with support alone")

    @property
    def reads_list(self) -> bool:
        """Whether the block list is for this key."""
        return self.operator or not (self.account_changes or self.support)

    def may_see(self, account: str) -> bool:
        """Whether what is known of an account (a key; "" is nobody's) is for this key.

        >>> ApiKey(name="desk", sha256="0" * 64, support=True, realms=("example.org",)).may_see("a@example.net")
        False
        """
        return not self.realms or not account or account.rpartition("@")[2] in map(fold, self.realms)


class PlainList(_Section, frozen=True, tag_field="kind", tag="list"):
    """A list ``file``, without what ends within ``min_remaining_s``: the time after which its reader reads again."""

    file: str
    min_remaining_s: NotNegative = 0


class HaProxy(_Section, frozen=True, tag_field="kind", tag="haproxy"):
    """A map ``file`` of HAProxy, named as in its configuration, and its runtime ``socket`` (level admin)."""

    file: str
    socket: str


class Nginx(_Section, frozen=True, tag_field="kind", tag="nginx"):
    """A ``file`` for nginx's ``geo``; ``reload`` is run after each change, without a shell."""

    file: str
    reload: Command = ("nginx", "-s", "reload")


class Nftables(_Section, frozen=True, tag_field="kind", tag="nftables"):
    """nftables: ``command`` is run without a shell and reads the transaction."""

    command: Command = ("nft", "-f", "-")


class PostfixPolicy(_Section, frozen=True, tag_field="kind", tag="postfix"):
    """Where Postfix asks (``check_policy_service inet:HOST:PORT``)."""

    host: str = "127.0.0.1"
    port: Port = 10040


class CrowdSec(_Section, frozen=True, tag_field="kind", tag="crowdsec"):
    """The local API of a CrowdSec, to which decisions are pushed as the machine ``machine_id``."""

    url: str
    machine_id: str
    password_file: str


EnforcementPoint = PlainList | HaProxy | Nginx | Nftables | PostfixPolicy | CrowdSec


class Block(_Section, frozen=True):
    """The blocking service; without ``policy`` its default policy (mode ``shadow``) holds.

    Each of ``points`` is a table ``[[block.points]]`` with its ``kind``. ``stops`` is the file that remembers what ``crible stop``
    stopped.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    tls: Tls | None = None
    api_keys: list[ApiKey] = []
    policy: str | None = None
    points: list[EnforcementPoint] = []
    stops: Annotated[str, msgspec.Meta(min_length=1)] = "/var/lib/crible/block/stops.json"


class GateKey(_Section, frozen=True):
    """One client of the gate: its name, and the SHA-256 of its key. With ``log_ins_only`` it asks and reports, no more.

    Only a key with ``operator`` may stop enforcement.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    sha256: Sha256
    log_ins_only: bool = False
    operator: bool = False


class Gate(_Section, frozen=True):
    """The HTTP service for Dovecot and for clients of weakforced; ``port`` is weakforced's.

    What it is told is kept in the directory ``spool``, in at most ``spool_bytes``, until Kafka has it. Several gates need several
    directories. Its never-block set is that of ``block.policy``, its trusted proxies are ``ingest``'s.
    """

    host: str = "127.0.0.1"
    port: Port = 8084
    tls: Tls | None = None
    api_keys: list[GateKey] = []
    spool: Annotated[str, msgspec.Meta(min_length=1)] = "/var/lib/crible/gate"
    spool_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 1 << 30


class Desk(_Section, frozen=True):
    """Where ``crible stop``, ``resume``, ``decisions``, ``policy``, ``why`` and ``appeal`` ask: the URLs of every ``crible block``
    and of every ``crible gate``.

    ``key_file`` holds an operator's key alone, which all of them know; one of support's is enough for ``why`` and ``appeal``.
    ``ca_file``: who vouches for their certificates, where it is not one of the system's authorities.
    """

    services: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("http://127.0.0.1:8080",)
    gates: tuple[str, ...] = ()
    key_file: str | None = None
    ca_file: str | None = None


class Ingest(_Section, frozen=True):
    """``producer`` names this ingest in every record; two that run at once need two names (duplicates go by it).

    ``trusted_proxies`` are addresses and ranges of machines of ours that speak for clients: webmails, reverse proxies, load
    balancers. What they say about the client's address is believed, and their own address is nobody's. Loopback always is one.
    """

    producer: Annotated[str, msgspec.Meta(min_length=1)] = "ingest"
    trusted_proxies: list[str] = []

    def __post_init__(self) -> None:
        Proxies(self.trusted_proxies)


class Geo(_Section, frozen=True):
    """``database``: paths of ``.mmdb`` files, asked in this order; empty means that places are unknown."""

    database: list[str] = []


class Realm(_Section, frozen=True):
    """How log-in names of one domain open its mailboxes: see :class:`models.accounts.Realm`."""

    aliases: list[str] = []
    tag_separator: str = ""
    ignore_dots: bool = False


class Accounts(_Section, frozen=True):
    """``file``: the table ``login,account,realm``; ``default_domain`` completes log-ins that have none.

    ``realms`` are rules by main domain, such as ``[accounts.realms."example.org"]``.
    """

    file: str | None = None
    default_domain: str | None = None
    realms: dict[str, Realm] = {}

    def __post_init__(self) -> None:
        domains = [fold(domain) for main, realm in self.realms.items() for domain in (main, *realm.aliases)]
        twice = next((domain for domain, number in Counter(domains).items() if number > 1), None)
        if twice:
            raise ValueError(f"realms: {twice} is named twice")


class Groups(_Section, frozen=True):
    """``file``: the table ``login,group``."""

    file: str | None = None


class Webhook(_Section, frozen=True):
    """An https ``url`` that takes alerts, and the file with the secret that signs them (Standard Webhooks)."""

    url: str
    secret_file: str


class Syslog(_Section, frozen=True):
    """A syslog server: ``tls://host:port``, ``tcp://…`` or ``udp://…``."""

    url: str


class Alerts(_Section, frozen=True):
    """Where ``crible alerts --to webhook`` and ``--to syslog`` send.

    With ``pseudonym_key_file`` (at least 32 random characters) both send pseudonyms instead of accounts, addresses and devices.
    """

    webhook: Webhook | None = None
    syslog: Syslog | None = None
    pseudonym_key_file: str | None = None


class Telemetry(_Section, frozen=True):
    """``level``: the least severe log line that is written."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(_Section, frozen=True):
    """Everything that can be set; each field is a section of the TOML file.

    >>> Settings().kafka.bootstrap
    '127.0.0.1:9092'
    """

    kafka: Kafka = Kafka()
    worker: Worker = Worker()
    block: Block = Block()
    gate: Gate = Gate()
    desk: Desk = Desk()
    ingest: Ingest = Ingest()
    geo: Geo = Geo()
    accounts: Accounts = Accounts()
    groups: Groups = Groups()
    alerts: Alerts = Alerts()
    telemetry: Telemetry = Telemetry()

    def with_prefix(self, prefix: str) -> Settings:
        """The same settings with another prefix for the topics.

        Raises:
            InputError: Kafka allows no such topic name.

        >>> Settings().with_prefix("april.").kafka.prefix
        'april.'
        """
        return _convert(_merge(msgspec.to_builtins(self), {"kafka": {"prefix": prefix}}), "--prefix", strict=True)


_SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {field.name: field.type for field in msgspec.structs.fields(Settings)}


def load(config: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of ``config`` (none: the defaults) under the variables of ``environ`` (none: the process's).

    Raises:
        InputError: The file cannot be read or is not TOML, a key is unknown, or a value does not fit.

    >>> load(environ={"CRIBLE_KAFKA": "broker:9092", "CRIBLE_WORKER_PORT": "9000"}).worker.port
    9000
    >>> load(environ={"CRIBLE_KAFKA_PARTITION": "4"})
    Traceback (most recent call last):
    models.errors.InputError: environment: unknown key CRIBLE_KAFKA_PARTITION; did you mean CRIBLE_KAFKA_PARTITIONS?
    """
    settings = Settings() if config is None else _convert(_file_values(config), str(config), strict=True)
    overrides = _environment_values(os.environ if environ is None else environ)
    # A file has types of its own; a variable is always text.
    return _convert(_merge(msgspec.to_builtins(settings), overrides), "environment", strict=False)


def _file_values(config: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(_read(str(config)))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}", where=str(config)) from error
    for section, fields in values.items():
        _known(section, _SECTIONS, str(config))
        if isinstance(fields, dict):
            names = [f"{section}.{name}" for name in _fields(section)]
            for field in fields:
                _known(f"{section}.{field}", names, str(config))
    return values


def _environment_values(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for short, (section, field) in _SHORT_FORMS.items():
        if short in environ:
            values.setdefault(section, {})[field] = environ[short]
    for variable, text in environ.items():
        section, _, field = variable.removeprefix("CRIBLE_").lower().partition("_")
        if variable.startswith("CRIBLE_") and section in _SECTIONS and variable not in _SHORT_FORMS:
            _known(variable, [f"CRIBLE_{section}_{name}".upper() for name in _fields(section)], "environment")
            values.setdefault(section, {})[field] = _json(variable, text) if text.startswith(("[", "{")) else text
    return values


def _json(variable: str, text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InputError(f"{variable} is not JSON: {error}", where="environment") from error


def _merge(values: dict[str, dict[str, Any]], overrides: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {section: fields | overrides.get(section, {}) for section, fields in values.items()}


def _convert(values: dict[str, Any], where: str, *, strict: bool) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=strict)
    except msgspec.ValidationError as error:
        raise InputError(str(error).replace("$.", ""), where=where, hint="streams/settings.py lists the fields") from error


def _known(key: str, names: Mapping[str, object] | list[str], where: str) -> None:
    if key not in names:
        near = get_close_matches(key, names, n=1, cutoff=0.0)[0]
        raise InputError(f"unknown key {key}", where=where, hint=f"did you mean {near}?")


def _fields(section: str) -> tuple[str, ...]:
    return _SECTIONS[section].__struct_fields__


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error.strerror if isinstance(error, OSError) else 'not UTF-8'}", where=path) from error
