"""The state of one stage for one partition, behind the batch interface that every stage has.

``apply(batch) -> outputs`` is the hot path, and ``take(item)`` that of replays, which never go back. Everything else exists so that
the counters survive: rows changed since the last checkpoint go out with :meth:`Stage.checkpoint`, come back with
:meth:`Stage.restore`, and the number of rows is bounded.

A row lives in one of two forms. Cold, it is packed bytes (MessagePack), a few hundred bytes per account. Touched since the last
checkpoint, it is hot: a plain object in ``hot``, packed again at the next checkpoint. Packing is lossless, so *when* checkpoints
happen changes nothing, nor does how the input is cut into batches; rows hold lists and dicts, which keep their order, and no
sets. Housekeeping happens at fixed counts of applied attempts, for
the same reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from zlib import crc32

import msgspec

from models.alerts import Alert
from models.attempts import Attempt
from models.campaigns import Campaign, Carried
from models.profiles import Profile
from models.sketches import ScopeUse

__all__ = ["SLICES", "Batch", "Checkpoint", "Hit", "NoRow", "Note", "Outputs", "Pulse", "SeenAs", "Stage"]

#: Rows are kept in this many slices by a hash of their key: the unit of housekeeping and of the rolling snapshot.
SLICES: Final = 64
#: One slice is swept every so many applied items.
_SWEEP_EVERY: Final = 4096
#: Producers remembered per partition for duplicate removal; the longest silent one is forgotten first.
_MAX_PRODUCERS: Final = 1024

Row = TypeVar("Row", bound=msgspec.Struct)
Item = TypeVar("Item")

_encoder = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class Batch(Generic[Item]):
    """What the records of one partition up to ``offset`` hold, in order; the four lists are parallel, one entry per item.

    ``producers`` and ``seqs`` identify where an item was first written; an item whose ``seq`` is not above the highest seen from
    its producer is a duplicate. ``offsets`` are those of the records that carried the items.
    """

    offset: int
    items: list[Item] = field(default_factory=list)
    producers: list[str] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def add(self, item: Item, producer: str, seq: int, offset: int) -> None:
        """Append one item."""
        self.items.append(item)
        self.producers.append(producer)
        self.seqs.append(seq)
        self.offsets.append(offset)


#: What an attempt carries (see ``models.campaigns``), its outcome, and what its account knows of it.
SeenAs = tuple[str, str, int, str, int, int]


class Hit(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A right password of a stranger or newcomer, from a network where the account has had no success yet."""

    account: str
    ts: float
    outcome: int
    carried: Carried
    known: int


class Note(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An alert on an attack, and the attempt that led to it."""

    alert_id: str
    kind: str
    account: str
    address: str
    carried: Carried


class Pulse(msgspec.Struct, array_like=True):
    """What one account partition saw from ``second`` on; at ``until_ts`` it came to something later.

    ``source`` is the partition, set by who carries the pulse. ``hits`` and ``notes`` are bounded as its
    attempts are.
    """

    second: int
    counts: dict[SeenAs, int]
    source: int = 0
    until_ts: float = 0.0
    hits: list[Hit] = []
    notes: list[Note] = []


class NoRow(msgspec.Struct, array_like=True):
    """The row of a stage that keeps nothing by key."""


@dataclass(slots=True)
class Outputs:
    """What a batch led to, in input order.

    ``forwards`` carry the offset they stem from, ``pulses`` the offset at which they closed and a number that grows with each of
    the partition, ``strangers`` what the account knows of an attempt that does not look like its owner's, ``owners_ts`` when the
    others were; ``profiles`` are those that changed, ``None`` where the account is forgotten: of a batch, once it is done, from the
    accounts in ``reprofiled``, as nobody asks for those of a single attempt; ``conclusions`` are the service-wide
    stage's, for everybody; ``scopes`` say who uses what is under attack.
    """

    alerts: list[Alert] = field(default_factory=list)
    forwards: list[tuple[int, Any]] = field(default_factory=list)
    pulses: list[tuple[int, int, Pulse]] = field(default_factory=list)
    strangers: list[tuple[Attempt, int]] = field(default_factory=list)
    owners_ts: list[float] = field(default_factory=list)
    reprofiled: dict[str, None] = field(default_factory=dict)
    profiles: dict[str, Profile | None] = field(default_factory=dict)
    conclusions: list[Campaign] = field(default_factory=list)
    scopes: list[ScopeUse] = field(default_factory=list)


class Checkpoint(msgspec.Struct, array_like=True):
    """One consistent cut: the rows changed since the last one (``None``: forgotten) and everything that is not a row."""

    offset: int
    meta: bytes
    rows: list[tuple[str, bytes | None]]


class Meta(msgspec.Struct, array_like=True):
    """What a partition knows besides its rows."""

    applied: int = 0
    newest_ts: float = 0.0
    late_events: int = 0
    duplicates: int = 0
    seen: dict[str, int] = {}
    extra: bytes = b""


class Stage(ABC, Generic[Row, Item]):
    """State of one partition of a stage.

    Subclasses say what the row of a key is (``row_type``), fold one item into the state (``_fold``) and judge rows for housekeeping
    (``_expired``, ``_remarkable``).

    Args:
        max_rows: Rows kept at most. Over it the least remarkable are forgotten first, never one that is alerting.
    """

    def __init__(self, max_rows: int) -> None:
        self.max_rows = max_rows
        self.offset = -1
        self.meta = Meta()
        self.hot: dict[str, Row] = {}
        self._cold: list[dict[str, bytes]] = [{} for _ in range(SLICES)]
        self._forgotten: dict[str, bytes] = {}
        self._since_checkpoint: list[Batch[Item]] = []
        self._saved = (self.offset, _encoder.encode(self.meta))
        self._decoders: dict[type[Row], Callable[[bytes], Row]] = {}

    # -- the hot path ------------------------------------------------------------------------------------------------

    def apply(self, batch: Batch[Item]) -> Outputs:
        """Fold a batch into the state; completes, or raises and leaves the state as it was."""
        try:
            outputs = self._apply(batch)
        except Exception:
            self._rewind()
            raise
        self._since_checkpoint.append(batch)
        return outputs

    def _apply(self, batch: Batch[Item]) -> Outputs:
        outputs, meta, seen, fold = Outputs(), self.meta, self.meta.seen, self._fold
        current, highest = None, -1
        for item, producer, seq, offset in zip(batch.items, batch.producers, batch.seqs, batch.offsets, strict=True):
            if producer is not current and producer != current:
                highest = self._recall(producer)
                current = producer
            if seq <= highest:
                meta.duplicates += 1
                continue
            seen[producer] = highest = seq
            fold(item, offset, outputs)
            meta.applied += 1
            if not meta.applied % _SWEEP_EVERY:
                self._sweep(meta.applied // _SWEEP_EVERY % SLICES, outputs)
        self.offset = batch.offset
        return outputs

    def take(self, item: Item, offset: int, outputs: Outputs) -> None:
        """Fold one item that is no duplicate. Cheaper than a batch, and not to be undone: who calls this ends where it raises."""
        meta = self.meta
        self._fold(item, offset, outputs)
        meta.applied += 1
        if not meta.applied % _SWEEP_EVERY:
            self._sweep(meta.applied // _SWEEP_EVERY % SLICES, outputs)
        self.offset = offset

    def _recall(self, producer: str) -> int:
        """The highest ``seq`` seen from ``producer``, which becomes the youngest; the longest silent one makes room."""
        seen = self.meta.seen
        seen[producer] = seen.pop(producer, -1)
        if len(seen) > _MAX_PRODUCERS:
            del seen[next(iter(seen))]
        return seen[producer]

    def row(self, key: str) -> Row:
        """The row of ``key``, hot from now on; a new one where there is none."""
        row = self.hot.get(key)
        if row is None:
            cold = self._cold[crc32(key.encode()) % SLICES]
            packed = cold.get(key)
            if packed:
                row = self._decode(key, packed)
            else:
                row = self.row_type(key)()
                cold[key] = b""
            self.hot[key] = row
        return row

    def peek(self, key: str) -> Row | None:
        """The row of ``key`` to look at, not to change."""
        row = self.hot.get(key)
        if row is None:
            packed = self._slice(key).get(key)
            row = self._decode(key, packed) if packed else None
        return row

    def _decode(self, key: str, packed: bytes) -> Row:
        row_type = self.row_type(key)
        decode = self._decoders.get(row_type)
        if decode is None:
            decode = self._decoders[row_type] = msgspec.msgpack.Decoder(row_type).decode
        return decode(packed)

    @staticmethod
    @abstractmethod
    def row_type(key: str) -> type[Row]:
        """The type of the row of ``key``."""

    @abstractmethod
    def _fold(self, item: Item, offset: int, outputs: Outputs) -> None: ...

    def _rewind(self) -> None:
        """Back to the last checkpoint, then forward again through what had been applied since."""
        for key in self.hot:
            self._slice(key).pop(key, None) if not self._slice(key).get(key) else None
        self.hot.clear()
        for key, packed in self._forgotten.items():
            if packed:
                self._slice(key)[key] = packed
        self._forgotten.clear()
        self.offset, meta = self._saved
        self._load_meta(meta)
        for batch in self._since_checkpoint:
            self._apply(batch)

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """Pack what changed since the last checkpoint."""
        rows: list[tuple[str, bytes | None]] = [(key, None) for key in self._forgotten if key not in self.hot]
        for key, row in self.hot.items():
            packed = _encoder.encode(row)
            self._slice(key)[key] = packed
            rows.append((key, packed))
        self.hot.clear()
        self._forgotten.clear()
        self._since_checkpoint.clear()
        meta = self._dump_meta()
        self._saved = (self.offset, meta)
        return Checkpoint(self.offset, meta, rows)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over a later checkpoint of the same partition."""
        for key, packed in checkpoint.rows:
            if packed is None:
                self._slice(key).pop(key, None)
            else:
                self._slice(key)[key] = packed
        self.offset = checkpoint.offset
        self._saved = (checkpoint.offset, checkpoint.meta)

    def restored(self) -> None:
        """Call once after the last :meth:`restore`."""
        self._load_meta(self._saved[1])

    def slice_rows(self, index: int) -> list[tuple[str, bytes | None]]:
        """All rows of a slice as of the last checkpoint, for the rolling snapshot."""
        return [(key, packed) for key, packed in self._cold[index].items() if packed]

    def dump(self) -> bytes:
        """The whole state, canonical: equal states give equal bytes. Checkpoints first."""
        self.checkpoint()
        return _encoder.encode([self.offset, self._saved[1], sorted(self.rows())])

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """All rows as of the last checkpoint."""
        for cold in self._cold:
            yield from ((key, packed) for key, packed in cold.items() if packed)

    def __len__(self) -> int:
        return sum(map(len, self._cold))

    def _slice(self, key: str) -> dict[str, bytes]:
        return self._cold[crc32(key.encode()) % SLICES]

    def _dump_meta(self) -> bytes:
        self.meta.extra = self._dump_extra()
        return _encoder.encode(self.meta)

    def _load_meta(self, packed: bytes) -> None:
        self.meta = msgspec.msgpack.decode(packed, type=Meta)
        self._load_extra(self.meta.extra)

    def _dump_extra(self) -> bytes:
        return b""

    def _load_extra(self, packed: bytes) -> None:
        """Subclasses with state besides rows take it back here; ``b""`` means a fresh start."""

    # -- bounded size ------------------------------------------------------------------------------------------------

    def _sweep(self, index: int, outputs: Outputs) -> None:
        """Forget what has expired in one slice, then the least remarkable rows over the bound."""
        cold = self._cold[index]
        kept: list[tuple[tuple[float, ...], str]] = []
        for key in list(cold):
            row = self.hot.get(key) or self._decode(key, cold[key])
            if self._expired(row):
                self._forget(key, outputs)
            elif len(cold) * SLICES > self.max_rows and not self._alerting(row):
                kept.append((self._remarkable(row), key))
        surplus = len(cold) - self.max_rows // SLICES
        for _, key in sorted(kept)[: max(surplus, 0)]:
            self._forget(key, outputs)

    def _forget(self, key: str, outputs: Outputs) -> None:
        self._forgotten.setdefault(key, self._slice(key).pop(key))
        self.hot.pop(key, None)

    @abstractmethod
    def _expired(self, row: Row) -> bool: ...

    @abstractmethod
    def _alerting(self, row: Row) -> bool: ...

    @abstractmethod
    def _remarkable(self, row: Row) -> tuple[float, ...]: ...
