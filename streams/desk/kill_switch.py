"""What is stopped, in a file beside the service, so that a restart leaves it stopped whether there is a broker or not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from models.alerts import Kind
from models.errors import CribleError, InputError
from models.orders import Audit
from models.policy import Scope
from models.stops import NO_STOPS, SCHEMA, Reason, Stop, Stops
from streams import telemetry
from streams.enforcement.files import replace_file

__all__ = ["KillSwitch", "Stopped"]

_ALL: Final = "all"


class Stopped(msgspec.Struct):
    """What is stopped now, and whether the service would know after a restart."""

    stopped: list[str]
    kept: bool


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /v1/stops``."""

    reason: Reason
    kind: Kind | None = None
    scope: Scope | None = None


class _File(msgspec.Struct):
    schema: str
    stops: tuple[Stop, ...]


class KillSwitch:
    """Stops and resumes what ``listeners`` carry out, and remembers it in ``file``; safe to use from several threads.

    Args:
        file: Need not exist.
        listeners: Told what is stopped, at once and whenever it changes.
        note: Told who ordered what, for ``auth.audit``, once it holds; must not wait for the broker.

    Raises:
        InputError: The file is there and cannot be understood: whether something is stopped is not guessed.
    """

    def __init__(
        self, file: Path, listeners: Sequence[Callable[[Stops], None]], note: Callable[[Audit], None] = lambda _note: None
    ) -> None:
        self._file, self._listeners, self._note = file, listeners, note
        self._lock = threading.Lock()
        self._stops = _read(file)
        self._tell()

    def stop(self, body: bytes, by: str, now: float) -> Stopped:
        """Stop what ``body`` (JSON: ``reason``, and ``kind`` or ``scope``) names, first in memory, then on disk.

        Raises:
            InputError: It names nothing that there is.
        """
        try:
            stop = Stop(ts=now, by=by, **msgspec.structs.asdict(msgspec.json.decode(body, type=_Asked)))
        except (msgspec.DecodeError, UnicodeError, ValueError) as error:
            raise InputError(str(error)) from None
        with self._lock:
            kept = self._set(self._stops.with_stop(stop))
            telemetry.warning("enforcement.stopped", kind=stop.kind or _ALL, scope=stop.scope or _ALL, name=by)
            self._note(Audit(ts=now, decision_id=f"stop/{stop.target}", action="stop", by=by, reason=stop.reason))
            return Stopped(self._stops.targets, kept)

    def resume(self, by: str, now: float) -> Stopped:
        """Carry everything out again."""
        with self._lock:
            stopped = ", ".join(self._stops.targets) or "nothing"
            kept = self._set(NO_STOPS)
            telemetry.warning("enforcement.resumed", name=by)
            self._note(Audit(ts=now, decision_id="stop", action="resume", by=by, reason=f"stopped was {stopped}"))
            return Stopped(self._stops.targets, kept)

    @property
    def targets(self) -> list[str]:
        """What is stopped, in words."""
        return self._stops.targets

    def _set(self, stops: Stops) -> bool:
        self._stops = stops
        self._tell()
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._file, msgspec.json.encode(_File(SCHEMA, stops.stops)).decode() + "\n")
        except (CribleError, OSError) as error:
            telemetry.error("stops.not_kept", error, path=str(self._file))
            return False
        return True

    def _tell(self) -> None:
        for listener in self._listeners:
            listener(self._stops)
        telemetry.STOPS.set(len(self._stops.stops))


def _read(file: Path) -> Stops:
    hint = "mend it, or remove it to enforce everything again"
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=_File)
    except FileNotFoundError:
        return NO_STOPS
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file), hint=hint) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InputError(f"not a file of stops: {error}", where=str(file), hint=hint) from None
    if kept.schema != SCHEMA:
        raise InputError(f"its schema is {kept.schema}, not {SCHEMA}", where=str(file), hint="upgrade crible")
    return Stops(kept.stops)
