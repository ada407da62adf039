"""What the gate answers to each command: Dovecot's ``auth_policy`` and weakforced's, in weakforced's JSON.

    report                               -> spool -> auth.events
    allow                                <- decisions, lists, and verdicts on strangers; who is in doubt is let in
    addBLEntry delBLEntry addWLEntry …   -> spool -> auth.control, which every gate reads
    reset                                -> spool -> auth.account-changes

The lists are orders of people: an entry refuses, or lets in, at every gate, and leaves ``auth.decisions`` alone, which only the
leader of the blocking service writes. Source: https://doc.dovecot.org/main/core/config/auth/policy.html, what Dovecot 2.3.19 and
2.4.4 do, and weakforced's API (docs/swagger/wforce_api.7.yml).
"""

from __future__ import annotations

import resource
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from models import changes, events, lists
from models.accounts import fold
from models.addresses import Proxies, locate, normalise
from models.attempts import Resolver
from models.changes import AccountChange, By, Change
from models.events import (
    ADDRESS_UNKNOWN,
    MAX_LINE_BYTES,
    AuthEvent,
    EventIds,
    Refused,
    decode_fields,
    encode_event,
    event_from_fields,
    set_client,
)
from models.lists import MAX_ENTRIES, ListEntry, ListName, listed_address
from streams import telemetry
from streams.gate.spool import NotSpooled, Spooled
from streams.gate.standing import Refusal, Standing, expiration

__all__ = ["ACCEPT", "FAILED", "Answers", "Failure", "Method", "Reply", "Sessions"]

_STAGE: Final = "gate"
_MAX_SESSIONS: Final = 1 << 16
_MAX_LISTED_S: Final = 366 * 86_400
_MAX_REASON: Final = 256
#: Long enough that no other gate is just about to make the same entry anew.
_FORGOTTEN_S: Final = 3600
#: What Dovecot and weakforced's clients call a protocol, where it is not our name.
_PROTOCOLS: Final[Mapping[Any, str]] = {"pop": "pop3", "submission": "smtp", "managesieve": "sieve"}
#: A temporary code, the same for right and wrong passwords (RFC 5530, RFC 3206).
_CODES: Final[Mapping[str, str]] = {"imap": "[UNAVAILABLE] ", "pop3": "[SYS/TEMP] "}

Put = Callable[[Spooled], Awaitable[None]]
Method = Literal["GET", "POST"]
AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)

_encode: Final = msgspec.json.Encoder().encode
_ACCEPTED, _REFUSED, _DELAYED, FAILED = (telemetry.VERDICTS.labels(action) for action in ("accept", "refuse", "tarpit", "failed"))
_SPOOLED: Final = telemetry.EVENTS.labels(_STAGE, "spooled")


class Reply(NamedTuple):
    """An HTTP status and a JSON body."""

    status: int
    body: bytes


#: Dovecot takes anything but a JSON number for an error.
ACCEPT: Final = Reply(200, b'{"status":0,"msg":"","r_attrs":{}}')
_OK: Final = Reply(200, b'{"status":"ok"}')


class Failure(Exception):
    """A command that is not carried out; ``reply`` says why in weakforced's form."""

    def __init__(self, status: int, reason: str) -> None:
        self.reply = Reply(status, _encode({"status": "failure", "reason": reason}))
        super().__init__(reason)


class _Target(msgspec.Struct, frozen=True):
    """Whom a command is about."""

    ip: str | None = None
    netmask: str | None = None
    login: str | None = None
    ja3: str | None = None


class _NewEntry(_Target, frozen=True, kw_only=True):
    """``addBLEntry`` and ``addWLEntry``."""

    expire_secs: Annotated[int, msgspec.Meta(ge=1, le=_MAX_LISTED_S)]
    reason: Annotated[str, msgspec.Meta(max_length=_MAX_REASON)]


class _Reset(_Target, frozen=True, kw_only=True):
    """``reset``; the last two are ours, for who resets for another reason than a new password."""

    change: Change = "password_changed"
    by: By = "support"


class Sessions:
    """The log-in sessions whose first question was answered with yes.

    Dovecot asks before the password is checked, and in the same words after a right one; it reports at the end. So who asks again
    has the right password.
    """

    def __init__(self) -> None:
        self._accepted: OrderedDict[str, None] = OrderedDict()

    def accept(self, session: str | None) -> None:
        """The question was answered with yes."""
        if session:
            self._accepted[session] = None
            if len(self._accepted) > _MAX_SESSIONS:
                self._accepted.popitem(last=False)

    def password_was_right(self, session: str | None) -> bool:
        """Whether a question that comes now follows a right password."""
        return session in self._accepted

    def end(self, session: str | None) -> None:
        """The attempt was reported."""
        if session:
            self._accepted.pop(session, None)


class Answers:
    """See the module's text.

    Args:
        resolver: Account keys and places.
        proxies: Our own machines that speak for clients.
        standing: Whom to refuse; the never-block set of its policy holds for the block list too.
        put: Returns when a record for Kafka is on the disk, or raises :class:`NotSpooled`.
        clock: The present, UTC seconds.

    Attributes:
        commands: By method and name: a function of the body and the name of the client's key.
    """

    def __init__(self, resolver: Resolver, proxies: Proxies, standing: Standing, put: Put, clock: Callable[[], float]) -> None:
        self._resolver, self._proxies, self._standing, self._clock = resolver, proxies, standing, clock
        self._put_in_spool = put
        self._spool_refuses = ""
        self._ids, self._sessions = EventIds(), Sessions()
        self._tarpits: deque[float] = deque()  # when they end; all are of one length
        self._started_at = time.monotonic()
        self._counts: Counter[str] = Counter()
        self.commands: dict[tuple[Method, str], Callable[[bytes, str], Awaitable[Reply]]] = {
            ("POST", "report"): self._report,
            ("POST", "allow"): self._allow,
            ("POST", "reset"): self._reset,
            ("GET", "ping"): self._ping,
            ("GET", "stats"): self._stats,
            ("GET", "getBL"): lambda _body, _client: self._get("block", "bl_entries"),
            ("GET", "getWL"): lambda _body, _client: self._get("allow", "wl_entries"),
            ("POST", "addBLEntry"): lambda body, client: self._add("block", body, client),
            ("POST", "addWLEntry"): lambda body, client: self._add("allow", body, client),
            ("POST", "delBLEntry"): lambda body, _client: self._delete("block", body),
            ("POST", "delWLEntry"): lambda body, _client: self._delete("allow", body),
        }

    # -- log-ins -------------------------------------------------------------------------------------------------------

    async def _allow(self, body: bytes, _client: str) -> Reply:
        try:
            return self._verdict(body)
        except Refused:  # no client address: doveadm, or a broken client
            FAILED.inc()
            return ACCEPT

    def _verdict(self, body: bytes) -> Reply:
        event = self._event(body, success=True, event_id="asked")  # nothing is decided by these two, and nothing is counted
        self._counts["allow"] += 1
        password_was_right = self._sessions.password_was_right(event.session_id)
        refusal = self._standing.refusal(self._resolver.attempt(event), "after" if password_was_right else "before")
        if refusal is None or refusal.delay_s:
            self._sessions.accept(event.session_id)
            if refusal is not None and self._may_delay(refusal.delay_s):
                _DELAYED.inc()  # a positive status: so many seconds the server waits before it goes on
                return Reply(200, _encode({"status": refusal.delay_s, "msg": "", "r_attrs": refusal.details}))
            _ACCEPTED.inc()
            return ACCEPT
        self._counts["allow_denied"] += 1
        _REFUSED.inc()
        # After a right password the client must hear what it hears after a wrong one, so the server says that itself.
        text = "" if password_was_right else _told(event.protocol, refusal)
        return Reply(200, _encode({"status": -1, "msg": text, "r_attrs": refusal.details}))

    def _may_delay(self, delay_s: int) -> bool:
        """Whether one more log-in may be held up; if so it is counted until its end."""
        now = self._clock()
        while self._tarpits and self._tarpits[0] <= now:
            self._tarpits.popleft()
        if len(self._tarpits) >= self._standing.policy.max_tarpits:
            return False
        self._tarpits.append(now + delay_s)
        return True

    async def _report(self, body: bytes, _client: str) -> Reply:
        self._counts["report"] += 1
        try:
            event = self._event(body)
            if not (event.attrs and event.attrs.get(ADDRESS_UNKNOWN)):
                self._resolver.geo.stamp(event)
            self._ids.assign(event)
            encoded = encode_event(event)
            if len(encoded) > MAX_LINE_BYTES:
                raise Refused("too_long")
        except Refused as refusal:
            await self._bury(body, refusal)
            raise Failure(400, str(refusal)) from None
        self._sessions.end(event.session_id)
        network = locate(event.remote).network
        await self._put(Spooled(topic="auth.events", schema=events.SCHEMA, value=encoded, key=network, ts=event.ts))
        _SPOOLED.inc()
        return _OK

    def _event(self, body: bytes, **more: object) -> AuthEvent:
        """What a request says about a log-in, made now.

        Raises:
            Refused: No address, or no outcome.
        """
        # Dovecot sends "" for what it does not know.
        fields = {name: value for name, value in decode_fields(body).items() if value != "" or name == "login"} | more
        fields["ts"] = self._clock()
        if fields.get("protocol") in _PROTOCOLS:
            fields["protocol"] = _PROTOCOLS[fields["protocol"]]
        attrs = fields.get("attrs")
        if isinstance(attrs, dict) and "ja3" in attrs:  # where weakforced looks for it
            fields = {"ja3": attrs["ja3"], **fields, "attrs": {name: value for name, value in attrs.items() if name != "ja3"}}
        event = event_from_fields(fields)
        set_client(event, self._proxies)
        if event.account is not None and fold(event.account) == fold(event.login):
            event.account = None  # the server has resolved nothing: our own rules do
        return event

    async def _bury(self, body: bytes, refusal: Refused) -> None:
        telemetry.DEAD_LETTERS.labels(_STAGE, refusal.reason).inc()
        about = {"dlq.source": "report", "dlq.stage": _STAGE, "dlq.reason": refusal.reason, "dlq.error": type(refusal).__name__}
        await self._put(Spooled(topic="auth.dlq", schema="dead-letter/1", value=body, headers=about))

    # -- people's orders -----------------------------------------------------------------------------------------------

    async def _add(self, name: ListName, body: bytes, client: str) -> Reply:
        wanted, now = _read(body, _NewEntry), self._clock()
        address, account = self._target(wanted)
        if name == "block" and address and not self._standing.policy.may_block(address):
            raise Failure(400, "the address is in the never-block set, or the range is too wide")
        for ended in self._standing.ended_entries(now - _FORGOTTEN_S):  # so that the topic does not grow for ever
            await self._order(ended, None)
        entry = ListEntry(
            list=name,
            address=address,
            account=account,
            ts=now,
            until=now + wanted.expire_secs,
            reason=wanted.reason,
            by=client,
        )
        if not self._standing.has_room(entry, now):
            raise Failure(400, f"the list has {MAX_ENTRIES} entries already")
        await self._order(entry.key, entry)
        return _OK

    async def _delete(self, name: ListName, body: bytes) -> Reply:
        address, account = self._target(_read(body, _Target))
        await self._order(lists.key_of(name, address, account), None)
        return _OK

    async def _reset(self, body: bytes, _client: str) -> Reply:
        """Take what is about this address or account from the block list, and say that the account has changed."""
        wanted = _read(body, _Reset)
        address, account = self._target(wanted)
        await self._order(lists.key_of("block", address, account), None)
        if account:
            remote = normalise(wanted.ip) if wanted.ip else None
            change = AccountChange(ts=self._clock(), account=account, change=wanted.change, by=wanted.by, remote=remote)
            await self._put(
                Spooled(topic="auth.account-changes", schema=changes.SCHEMA, value=_encode(change), key=account, ts=change.ts)
            )
        return _OK

    async def _get(self, name: ListName, title: str) -> Reply:
        shown = []
        for entry in self._standing.entries(name, self._clock()):
            kind = "iplogin" if entry.address and entry.account else "ip" if entry.address else "login"
            key = ":".join(part for part in (entry.address, entry.account) if part)
            shown.append({kind: key, "expiration": expiration(entry.until), "reason": entry.reason})
        return Reply(200, _encode({title: shown}))

    def _target(self, target: _Target) -> tuple[str, str]:
        """The address or range, and the account; one of them may be "".

        Raises:
            Failure: Neither is given, or it is none.
        """
        if target.ja3:
            raise Failure(400, "a fingerprint is the client's own claim: name an address or a login")
        if target.ip and target.netmask:
            raise Failure(400, "ip and netmask are mutually exclusive")
        text = target.netmask or target.ip or ""
        try:
            address = listed_address(text) if text else ""
        except ValueError:
            raise Failure(400, "not an IP address or network") from None
        account = self._resolver.accounts.resolve(target.login) if target.login else ""
        if not (address or account):
            raise Failure(400, "one of ip, netmask and login is needed")
        return address, account

    async def _order(self, key: str, entry: ListEntry | None) -> None:
        """To every gate by ``auth.control``, and to this one at once."""
        value = None if entry is None else _encode(entry)
        await self._put(Spooled(topic="auth.control", schema=lists.SCHEMA, value=value, key=key, ts=self._clock()))
        self._standing.put_entry(key, entry)

    # -- the rest ------------------------------------------------------------------------------------------------------

    async def _ping(self, _body: bytes, _client: str) -> Reply:
        return _OK

    async def _stats(self, _body: bytes, _client: str) -> Reply:
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures = {
            "reports": self._counts["report"],
            "allows": self._counts["allow"],
            "denieds": self._counts["allow_denied"],
            "user-msec": round(used.ru_utime * 1000),
            "sys-msec": round(used.ru_stime * 1000),
            "uptime": int(time.monotonic() - self._started_at),
            "perfstats": {},
            "commandstats": dict(self._counts),
            "customstats": {},
        }
        return Reply(200, _encode(figures))

    async def _put(self, record: Spooled) -> None:
        """Return when a record is on the disk.

        Raises:
            Failure: It is not; that is counted, and said once.
        """
        try:
            await self._put_in_spool(record)
        except NotSpooled as refusal:
            telemetry.SPOOL_LOST.labels(refusal.reason).inc()
            if self._spool_refuses != refusal.reason:
                telemetry.error("spool.refused", reason=refusal.reason)
            self._spool_refuses = refusal.reason
            raise Failure(503, str(refusal)) from None
        self._spool_refuses = ""


def _told(protocol: str, refusal: Refusal) -> str:
    """What the refused client reads."""
    return f"{_CODES.get(protocol, '')}Log-in is not possible at the moment, please try again later. Reference: {refusal.reference}"


def _read(body: bytes, kind: type[AnyStruct]) -> AnyStruct:
    """The body of a command.

    Raises:
        Failure: It is not what the command takes.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Failure(400, str(error)) from None
