"""Detectors: how unlike the traffic learnt so far is this source, this success, this minute?

Each detector turns what it is shown into a score of 0 (ordinary) to 1 (never seen), calibrated so that a rule can state a
false-alarm rate instead of a magic threshold: of the traffic learnt, a share of at most ``1 - score`` looked as strange.

State is arrays of integers and floats; the trees are grown again from a seed. Learning takes effect at every 256th vector,
so a score never depends on how the input is cut into batches. No clock, no global random numbers.

Source: half-space trees (Tan, Ting and Liu, "Fast anomaly detection for streaming data", IJCAI 2011) behind River's
interface, and exponentially weighted mean and variance (Finch, "Incremental calculation of weighted mean and variance", 2009).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from random import Random
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from river.base import AnomalyDetector

from models.errors import CribleError, InputError
from models.ids import hash64

__all__ = ["DETECTORS", "AccountDetector", "Calibration", "Detector", "HalfSpaceForest", "RateBaseline", "SourceDetector", "Vector"]

Arrays = dict[str, NDArray[Any]]
Limits = Mapping[str, tuple[float, float]]
Vector = Sequence[float | None]

# Little-endian, so that a dump is the same on every machine.
_U2: Final = np.dtype("<u2")
_U4: Final = np.dtype("<u4")
_U8: Final = np.dtype("<u8")
_F8: Final = np.dtype("<f8")
_DTYPES: Final = {dtype.str: dtype for dtype in (_U2, _U4, _U8, _F8)}
_UINT16_MAX: Final = 65_535
_DIGEST_BYTES: Final = 8
#: Deviations above the mean that give half of the largest surprise.
_HALF_SURPRISE: Final = 4.0
_USE_LAST: Final = "use the last good snapshot"
_NOT_FINITE: Final = "a feature is NaN or infinite"
_LEAVE_OUT: Final = "leave a missing feature out"

_STRONGEST: Final = 3
#: Vectors learnt before a detector gives a score (design section 2).
MIN_HISTORY: Final = 500


class HalfSpaceForest(AnomalyDetector):
    """Half-space trees: random halvings of the feature space that count how much traffic falls where.

    Each tree halves the space ``height`` times, by a random feature each time, without looking at the data. It counts the
    vectors per leaf over a window; the counts of the last full window (the reference) give the scores, those of the current
    one (the latest) replace them when it is full. A vector is strange where the reference is thin.

    The score is a monotone function of the paper's (mass times 2 ** depth, summed over the trees): one minus its logarithm,
    relative to the largest possible. It is 1 where no tree has seen anything, so also before the first window is full. The
    logarithm is the piecewise linear one of ``frexp``, exact on every machine.

    Fails where anomalies fill a whole window (they become the reference), and between ordinary values that lie closer
    together than the last halving. The seed is no secret: who knows it can find thick leaves. A missing feature takes the
    heavier side of each split; unknown features are ignored.

    Args:
        limits: Per feature, in order, the range expected (any unit). Values outside are allowed.
        n_trees: Number of trees.
        height: Halvings per tree; a tree has ``2 ** height`` leaves.
        window_size: Vectors per window, at most 65535.
        seed: Of the splits.

    Raises:
        InputError: A parameter is out of range, or a vector holds NaN, infinity or too few values.

    >>> forest = HalfSpaceForest({"x": (0.0, 1.0)}, n_trees=5, height=5, window_size=4, seed=1)
    >>> for x in (0.50, 0.45, 0.43, 0.44):
    ...     forest.learn_one({"x": x})
    >>> [round(forest.score_one({"x": x}), 2) for x in (0.44, 0.47, 0.99)]
    [0.03, 0.08, 1.0]

    References:
        Tan, S. C., Ting, K. M. and Liu, T. F., "Fast anomaly detection for streaming data", IJCAI 2011.
    """

    def __init__(self, limits: Limits, n_trees: int = 15, height: int = 8, window_size: int = 256, seed: int = 42) -> None:
        if not limits or any(not 0 < high - low < math.inf for low, high in limits.values()):
            raise InputError("limits must name at least one feature, each with finite low < high", where="HalfSpaceForest")
        if min(n_trees, height, window_size) < 1 or window_size > _UINT16_MAX:
            raise InputError(f"n_trees, height and window_size must be 1 or more, window_size at most {_UINT16_MAX}")
        self.limits, self.n_trees, self.height, self.window_size, self.seed = limits, n_trees, height, window_size, seed
        self._trees = _grow(tuple(limits.values()), n_trees, height, seed)
        self._top = _log2(1 + (n_trees * window_size << height))
        self._latest: list[int] = []  # the leaves of the vectors in the latest window
        self._set_reference(np.zeros((n_trees, 1 << height), _U2))

    # River's interface: dicts of features.

    def score_one(self, x: Mapping[Any, float | None]) -> float:
        """The score, 0 to 1, of one dict of features; a missing one is absent or None."""
        return self.score_leaves(self.leaves([x.get(name) for name in self.limits]))

    def learn_one(self, x: Mapping[Any, float | None]) -> None:
        """Count one dict of features in the latest window."""
        self.learn_leaves(self.leaves([x.get(name) for name in self.limits]))

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {"limits": {"x": (0.0, 1.0)}}

    # Many vectors: float64[n, features], none missing, features in the order of ``limits``.

    def score_many(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The scores of ``X``, float64[n]: exactly what each row alone would get."""
        return self._score_many(self._leaves_many(self._checked(X)))

    def learn_many(self, X: NDArray[np.float64]) -> None:
        """Count the rows of ``X`` in order, exactly as one by one."""
        X = self._checked(X)
        while len(X):
            chunk, X = np.split(X, [self.window_size - self.pending])
            self.learn_leaves(self._leaves_many(chunk).ravel().tolist())

    def score_with_missing(self, vectors: Sequence[Vector]) -> tuple[list[int], NDArray[np.float64]]:
        """The leaves of checked vectors, as :meth:`learn_leaves` takes them, and their scores."""
        leaves = self._leaves_many(np.array(vectors, np.float64))  # None becomes NaN
        return leaves.ravel().tolist(), self._score_many(leaves)

    # One vector: find its leaves once, then score or learn them.

    def leaves(self, vector: Vector) -> list[int]:
        """The leaf of each tree that ``vector`` (in the order of ``limits``; None is missing) falls in."""
        self.check(vector)
        size, found = 1 << self.height, []
        for (offset, feature, threshold), heavier in zip(self._trees.walks, self._heavier, strict=True):
            node = 1
            while node < size:
                value = vector[feature[node]]
                node = 2 * node + (heavier[node] if value is None else value >= threshold[node])
            found.append(node + offset)
        return found

    def check(self, vector: Vector) -> None:
        """Raise InputError for a vector that holds NaN, infinity or too few values."""
        if len(vector) != len(self.limits):
            raise InputError(f"{len(vector)} values for {len(self.limits)} features", where="vector")
        if not all(value is None or math.isfinite(value) for value in vector):
            raise InputError(_NOT_FINITE, where="vector", hint=_LEAVE_OUT)

    def score_leaves(self, leaves: list[int]) -> float:
        """The score of a vector that falls in ``leaves``."""
        value = self._leaf_values
        return 1.0 - _log2(1.0 + sum([value[leaf] for leaf in leaves])) / self._top

    def learn_leaves(self, leaves: list[int]) -> None:
        """Count a vector that falls in ``leaves`` (or several, within one window)."""
        self._latest += leaves
        if self.pending == self.window_size:
            self._set_reference(self._counts())
            self._latest = []

    # State.

    def arrays(self) -> Arrays:
        """The state: ``reference`` and ``latest``, uint16[n_trees, 2 ** height]. Copies."""
        return {"reference": self._reference.copy(), "latest": self._counts()}

    @classmethod
    def from_arrays(cls, params: Mapping[str, Any], arrays: Arrays) -> HalfSpaceForest:
        """The forest with these constructor parameters and this state.

        Raises:
            CribleError: The arrays are not the state of such a forest.
        """
        forest = cls(**params)
        reference, latest = (_array(arrays, name, _U2, forest._reference.shape) for name in ("reference", "latest"))
        filled, pending = reference.sum(axis=1), latest.sum(axis=1)
        if filled.min() != filled.max() or filled[0] not in (0, forest.window_size):
            raise CribleError("the reference window is not full", where="reference", hint=_USE_LAST)
        if pending.min() != pending.max() or pending[0] >= forest.window_size:
            raise CribleError("the trees have counted different vectors", where="latest", hint=_USE_LAST)
        forest._latest = np.repeat(np.arange(latest.size), latest.ravel()).tolist()
        forest._set_reference(reference)
        return forest

    @property
    def pending(self) -> int:
        """Vectors in the latest window, fewer than ``window_size``."""
        return len(self._latest) // self.n_trees

    def _counts(self) -> NDArray[np.uint16]:
        counts = np.bincount(np.array(self._latest, np.int64), minlength=self._reference.size)
        return counts.reshape(self._reference.shape).astype(_U2)

    def _set_reference(self, reference: NDArray[np.uint16]) -> None:
        """Work out, once per window, what each leaf scores and the heavier side of each split."""
        size_limit = 0.1 * self.window_size  # the paper's: a node with no more than this is not divided further
        mass = reference.astype(np.int64)
        value = mass << self.height
        heavier = np.zeros(reference.shape, np.bool_)
        for depth in range(self.height - 1, -1, -1):
            left, right = mass[:, 0::2], mass[:, 1::2]
            heavier[:, 1 << depth : 2 << depth] = right > left
            mass = left + right
            leaves_below = 1 << (self.height - depth)
            thin = np.repeat(mass <= size_limit, leaves_below, axis=1)
            value = np.where(thin, np.repeat(mass << depth, leaves_below, axis=1), value)
        self.has_reference = bool(value.any())  # a first window was full, so scores mean something
        self._reference, self._leaf_value = reference, value.reshape(-1)
        # The same as lists, which one vector walks faster than arrays.
        self._leaf_values: list[int] = self._leaf_value.tolist()
        self._heavier: list[list[bool]] = heavier.tolist()
        self._heavier_side = heavier.reshape(-1)

    def _leaves_many(self, X: NDArray[np.float64]) -> NDArray[np.int64]:
        """The leaves of each row, int64[n, n_trees]."""
        trees, row = self._trees, np.arange(len(X))[:, None]
        node = np.ones((len(X), self.n_trees), np.int64)
        for _ in range(self.height):
            at = node + trees.offsets
            value = X[row, trees.feature.take(at)]
            node = 2 * node + np.where(np.isnan(value), self._heavier_side.take(at), value >= trees.threshold.take(at))
        return node + trees.offsets - (1 << self.height)

    def _score_many(self, leaves: NDArray[np.int64]) -> NDArray[np.float64]:
        mantissa, exponent = np.frexp(1.0 + self._leaf_value[leaves].sum(axis=1))
        scores: NDArray[np.float64] = 1.0 - (exponent - 2 + 2 * mantissa) / self._top
        return scores

    def _checked(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        if X.shape[1:] != (len(self.limits),):
            raise InputError(f"shape {X.shape}, not (n, {len(self.limits)})", where="vectors")
        if not np.isfinite(X).all():
            raise InputError(_NOT_FINITE, where="vectors", hint=_LEAVE_OUT)
        return X


@dataclass(frozen=True, slots=True, eq=False)
class _Trees:
    """The splits of all trees, heap order: node 1 is a root, the children of ``i`` are ``2 * i`` and ``2 * i + 1``."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    offsets: NDArray[np.int64]
    walks: list[tuple[int, list[int], list[float]]]


@lru_cache(maxsize=64)
def _grow(limits: tuple[tuple[float, float], ...], n_trees: int, height: int, seed: int) -> _Trees:
    """Grow the trees as in the paper (Algorithm 1); shared by all forests of equal parameters.

    Python's generator, not numpy's: its ``random()`` promises the same numbers in every version.
    """
    rng, size = Random(seed), 1 << height  # noqa: S311  # splits that can be grown again, not secrets
    walks = []
    for tree in range(n_trees):
        boxes, features, thresholds = {1: [_work_range(low, high, rng) for low, high in limits]}, [0] * size, [0.0] * size
        for node in range(1, size):
            box, chosen = boxes.pop(node), int(rng.random() * len(limits))
            low, high = box[chosen]
            middle = (low + high) / 2
            features[node], thresholds[node] = chosen, middle
            boxes[2 * node] = [*box[:chosen], (low, middle), *box[chosen + 1 :]]
            boxes[2 * node + 1] = [*box[:chosen], (middle, high), *box[chosen + 1 :]]
        walks.append(((tree - 1) * size, features, thresholds))
    feature = np.array([features for _, features, _ in walks], np.int64)
    threshold = np.array([thresholds for _, _, thresholds in walks], np.float64)
    return _Trees(feature, threshold, np.arange(n_trees, dtype=np.int64) * size, walks)


def _work_range(low: float, high: float, rng: Random) -> tuple[float, float]:
    """A random range that covers the limits, so that each tree halves elsewhere."""
    middle = rng.random()
    reach = 2 * max(middle, 1 - middle)
    return low + (middle - reach) * (high - low), low + (middle + reach) * (high - low)


def _log2(value: float) -> float:
    """The base-2 logarithm, linear between powers of two."""
    mantissa, exponent = math.frexp(value)
    return exponent - 2 + 2 * mantissa


class Calibration:
    """What share of the traffic learnt scored at least so high: turns a score into a p-value.

    A histogram of past scores (0 to 1) in 1,024 equal bins. Scores added wait until the next :meth:`commit`. After a quarter
    of a million scores all counts are halved, so the answer follows the traffic. The p-value counts the whole bin of the
    score and one more score than was seen, so it errs to the ordinary side and is never 0.

    >>> calibration = Calibration()
    >>> for i in range(999):
    ...     calibration.add(i / 2000)
    >>> calibration.commit()
    >>> calibration.p_value(0.0), calibration.p_value(0.9)
    (1.0, 0.001)
    """

    BINS: ClassVar[int] = 1024
    HALVE_AT: ClassVar[int] = 1 << 18

    def __init__(self) -> None:
        self._counts = np.zeros(self.BINS, _U4)
        self._pending = np.zeros(self.BINS, _U2)
        self._fold()

    def add(self, score: float) -> None:
        """Note a score of 0 to 1 for the next commit; at most 65,535 between two commits."""
        self._pending[min(int(score * self.BINS), self.BINS - 1)] += 1

    def add_many(self, scores: NDArray[np.float64]) -> None:
        """Note several at once."""
        bins = np.minimum((scores * self.BINS).astype(np.int64), self.BINS - 1)
        self._pending += np.bincount(bins, minlength=self.BINS).astype(_U2)

    def commit(self) -> None:
        """Let the scores added since the last commit count."""
        self._counts += self._pending
        self._pending[:] = 0
        if self._counts.sum() >= self.HALVE_AT:
            self._counts //= 2
        self._fold()

    def p_value(self, score: float) -> float:
        """The share of committed scores in the bin of ``score`` or above, above 0 and up to 1."""
        return self._tail[min(int(score * self.BINS), self.BINS - 1)]

    def arrays(self) -> Arrays:
        """The state: ``scores`` uint32[1024] and ``scores_pending`` uint16[1024]. Copies."""
        return {"scores": self._counts.copy(), "scores_pending": self._pending.copy()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Calibration:
        """The calibration with this state; CribleError if it is not one."""
        calibration = cls()
        calibration._counts = _array(arrays, "scores", _U4, (cls.BINS,))
        calibration._pending = _array(arrays, "scores_pending", _U2, (cls.BINS,))
        calibration._fold()
        return calibration

    def _fold(self) -> None:
        at_least = self._counts[::-1].cumsum(dtype=np.int64)[::-1]
        self._tail: list[float] = ((1 + at_least) / (1 + at_least[0])).tolist()


class Detector:
    """A half-space forest over named features, with calibrated scores: what a stage holds.

    A stage calls :meth:`observe` per vector. The score is that of the last full window of 256 vectors, so at each 256th vector
    the window, scored before it was learnt, becomes the reference and its scores join the calibration.

    ``name``, ``version`` and ``limits`` (feature names in order, with their ranges) belong to the subclass.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    limits: ClassVar[Limits]
    min_history: ClassVar[int] = MIN_HISTORY

    def __init__(self) -> None:
        self._forest = HalfSpaceForest(dict(self.limits))
        self._calibration = Calibration()
        self._waiting: list[Vector] = []
        self.learnt = 0

    def observe(self, vector: Vector, learn: bool = True) -> float | None:
        """The score of ``vector``, which is then learnt unless ``learn`` is false.

        Args:
            vector: One value per feature, in the order of ``limits``; None where it is missing.
            learn: False for traffic under attack and for what we refused (design section 4, poison-safe).

        Returns:
            0 (ordinary) to 1: one minus the share of learnt traffic at least as strange. None while cold: before
            ``min_history`` vectors have been learnt.

        Raises:
            InputError: A value is NaN or infinite, or the number of values is wrong. Nothing was learnt.
        """
        score = self.score(vector)
        if learn:
            self.learn(vector)
        return score

    def score(self, vector: Vector) -> float | None:
        """As :meth:`observe`, and nothing is learnt."""
        leaves = self._forest.leaves(vector)
        if self.learnt < self.min_history:
            return None
        return 1 - self._calibration.p_value(self._forest.score_leaves(leaves))

    def strongest(self, vector: Vector) -> list[tuple[str, float, float]]:
        """The features that make ``vector`` strange, the strongest first: name, value, and the forest's score less that without it.

        At most three, and only such as add to the score.
        """
        score = self._forest.score_leaves(self._forest.leaves(vector))
        found = []
        for place, (name, value) in enumerate(zip(self.limits, vector, strict=True)):
            if value is not None:
                without = [*vector[:place], None, *vector[place + 1 :]]
                weight = score - self._forest.score_leaves(self._forest.leaves(without))
                if weight > 0:
                    found.append((name, value, round(weight, 4)))
        return sorted(found, key=lambda feature: -feature[2])[:_STRONGEST]

    def learn(self, vector: Vector) -> None:
        """Learn ``vector``; a few dozen times as fast as a score, because whole windows are looked at together."""
        self._forest.check(vector)
        self._waiting.append(vector)
        if self._forest.pending + len(self._waiting) == self._forest.window_size:
            self._settle()

    def _settle(self) -> None:
        """Count the vectors that wait; with a full window they become the reference."""
        if not self._waiting:
            return
        leaves, scores = self._forest.score_with_missing(self._waiting)
        self._waiting = []
        if self._forest.has_reference:
            self._calibration.add_many(scores)
        self._forest.learn_leaves(leaves)
        if not self._forest.pending:
            self._calibration.commit()
            self.learnt += self._forest.window_size

    def dump(self) -> bytes:
        """The state, at most 40 kB; equal states give equal bytes."""
        self._settle()
        arrays = self._forest.arrays() | self._calibration.arrays()
        packed = [_Packed.of(*item) for item in arrays.items()]
        return _pack(_Snapshot(self.name, self.version, self.learnt, packed, list(self.limits.items())))

    @staticmethod
    def load(name: str, data: bytes) -> Detector:
        """The detector ``name`` with the state of a dump.

        Raises:
            InputError: No such detector.
            CribleError: The dump is corrupt, or of another detector or version; keep the last good one.
        """
        kind = DETECTORS.get(name)
        if kind is None or not issubclass(kind, Detector):
            raise InputError("no such detector over vectors", where=name)
        snapshot = _unpack(data, kind.name, kind.version)
        if snapshot.limits != list(kind.limits.items()):  # the same counts would be of other trees
            raise CribleError("the snapshot is of other features", where=f"detector {name}", hint=_USE_LAST)
        arrays = {packed.name: packed.array() for packed in snapshot.arrays}
        detector = kind()
        detector._forest = HalfSpaceForest.from_arrays({"limits": dict(kind.limits)}, arrays)
        detector._calibration = Calibration.from_arrays(arrays)
        detector.learnt = snapshot.learnt
        return detector


class SourceDetector(Detector):
    """Strange sources: what one address or network did over the last hour.

    Catches guessing, spraying and stuffing that stay below the thresholds of the plain rules: many accounts, few tries each,
    a share of failures or of unknown accounts that no ordinary source has.

    Fails for a source that behaves as a customer does (one try from each of very many addresses), and for a new kind of
    honest source (a fetcher, a carrier NAT) until it has been learnt.

    History: 500 vectors. Features over 1 h, in order: ``log_tries``, ``log_accounts``, ``log_good_accounts`` (log1p of
    counts), ``failure_share`` of tries, ``unknown_account_share`` of the accounts (None without ``fail_type``),
    ``log_tries_per_account`` (log1p of the ratio).

    >>> rng, detector = Random(7), SourceDetector()
    >>> for _ in range(1024):  # a household: a few tries, mostly right
    ...     tries, share = rng.randint(1, 12), rng.random() * 0.2
    ...     few = math.log1p(tries)
    ...     _ = detector.observe([few, 0.7 + rng.random(), 0.7 + rng.random(), share, None, few])
    >>> round(detector.score([7.6, 7.5, 1.1, 0.99, 0.6, 0.7]), 3)  # 2,000 tries on 1,800 accounts
    0.999

    References:
        Half-space trees, see :class:`HalfSpaceForest`. Features: Herley and Schechter, "Distinguishing attacks from
        legitimate authentication traffic at scale", NDSS 2019.
    """

    name = "source"
    version = "1"
    limits: ClassVar[Limits] = {
        "log_tries": (0.0, 10.0),
        "log_accounts": (0.0, 10.0),
        "log_good_accounts": (0.0, 10.0),
        "failure_share": (0.0, 1.0),
        "unknown_account_share": (0.0, 1.0),
        "log_tries_per_account": (0.0, 7.0),
    }


class AccountDetector(Detector):
    """Strange successes: a right password from somewhere that does not look like the owner.

    Catches a takeover: new network, country and device together, after failures from elsewhere.

    Fails for an attacker inside the owner's network and device, and for owners who travel with a new device (they score
    high: never the only evidence).

    History: 500 vectors. Features, in order: ``new_network``, ``new_asn``, ``new_country``, ``new_device`` (0 or 1; None
    where unknown), ``log_hours_since_success``, ``log_failed_guesses``, ``log_failing_addresses`` (log1p; the last two over
    24 h).

    >>> rng, detector = Random(7), AccountDetector()
    >>> for _ in range(1024):  # owners: a new network now and then
    ...     moved = float(rng.random() < 0.1)
    ...     _ = detector.observe([moved, 0.0, 0.0, 0.0, 3 * rng.random(), 0.0, 0.0])
    >>> round(detector.score([1.0, 1.0, 1.0, 1.0, 6.0, 2.0, 1.5]), 3)
    0.999

    References:
        Half-space trees, see :class:`HalfSpaceForest`. Features: Freeman et al., "Who are you? A statistical approach to
        measuring user authenticity", NDSS 2016.
    """

    name = "account"
    version = "1"
    limits: ClassVar[Limits] = {
        "new_network": (0.0, 1.0),
        "new_asn": (0.0, 1.0),
        "new_country": (0.0, 1.0),
        "new_device": (0.0, 1.0),
        "log_hours_since_success": (0.0, 10.0),
        "log_failed_guesses": (0.0, 7.0),
        "log_failing_addresses": (0.0, 7.0),
    }


class RateBaseline:
    """A minute out of line for the service: the log rate or failure share of one protocol, country, ASN or device.

    Catches a sudden rise of any keyed value above its own exponentially weighted mean, in units of its own deviation.

    Fails for an attack that grows as slowly as the day does (the mean follows, about 50 values back), for the first hour
    of a key, and for falls (one-sided: an outage is another rule's). Keys beyond 512 push out the least recently
    learnt, so do not feed it keys that an attacker can invent (user agents).

    History: 60 values of the key and 500 scored values of all keys together. One value per key and minute.
    The calibration is over all keys, so a noisy key raises the bar for every other one.

    >>> rng, baseline = Random(7), RateBaseline()
    >>> for _ in range(700):
    ...     _ = baseline.observe("rate:protocol:imap", math.log1p(rng.randint(90, 110)))
    >>> round(baseline.score("rate:protocol:imap", math.log1p(300)), 3)
    0.998
    >>> baseline.score("rate:protocol:pop3", math.log1p(300)) is None  # never seen: no opinion
    True

    References:
        Finch, T., "Incremental calculation of weighted mean and variance", University of Cambridge, 2009; the same as
        ``river.stats.EWMean`` and ``EWVar``, whose state cannot be stored.
    """

    name: ClassVar[str] = "service"
    version: ClassVar[str] = "1"
    min_history: ClassVar[int] = MIN_HISTORY
    KEY_HISTORY: ClassVar[int] = 60
    MAX_KEYS: ClassVar[int] = 512
    FADING_FACTOR: ClassVar[float] = 0.02
    #: In the value's unit; a constant value would otherwise make any change infinitely strange.
    MIN_DEVIATION: ClassVar[float] = 0.02
    #: Larger values are no log rates or shares, and their squares could overflow.
    MAX_VALUE: ClassVar[float] = 1e6
    LEARN_EVERY: ClassVar[int] = 256

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}  # by hash of the key, least recently learnt first
        self._calibration = Calibration()
        self._scored = 0

    @property
    def learnt(self) -> int:
        """Scored values that count in the calibration."""
        return self._scored - self._scored % self.LEARN_EVERY

    def observe(self, key: str, value: float, learn: bool = True) -> float | None:
        """The score of ``value`` against the past of ``key``; then it is learnt unless ``learn`` is false.

        Args:
            key: What is counted, for example ``rate:country:FR``; any length, only its hash is kept.
            value: A log rate per minute or a share.
            learn: False during a campaign (frozen baseline).

        Returns:
            0 (ordinary or low) to 1: one minus the share of learnt values at least as far above their mean. None while cold.

        Raises:
            InputError: ``value`` is NaN or infinite, or beyond a million. Nothing was learnt.
        """
        if not abs(value) <= self.MAX_VALUE:
            raise InputError(
                f"the value is NaN or infinite, or beyond {self.MAX_VALUE:,.0f}", where="RateBaseline", hint="leave it out"
            )
        hashed = hash64(key)
        track = self._tracks.get(hashed)
        raw = None if track is None or track.values < self.KEY_HISTORY else self._surprise(track, value)
        score = None if raw is None or self.learnt < self.min_history else 1 - self._calibration.p_value(raw)
        if learn:
            self._learn(hashed, track, value, raw)
        return score

    def score(self, key: str, value: float) -> float | None:
        """As :meth:`observe`, and nothing is learnt."""
        return self.observe(key, value, learn=False)

    def usual(self, key: str) -> float | None:
        """The mean of the values of ``key``, the latest weighing most; ``None`` where it has no past."""
        track = self._tracks.get(hash64(key))
        return None if track is None else track.mean

    def dump(self) -> bytes:
        """The state, at most 40 kB; equal states give equal bytes."""
        tracks = self._tracks.values()
        arrays = self._calibration.arrays()
        arrays["keys"] = np.array(list(self._tracks), _U8)
        arrays["values"] = np.array([track.values for track in tracks], _U4)
        arrays["moments"] = np.array([(track.mean, track.variance) for track in tracks], _F8).reshape(-1, 2)
        return _pack(_Snapshot(self.name, self.version, self._scored, [_Packed.of(*item) for item in arrays.items()], []))

    @classmethod
    def load(cls, name: str, data: bytes) -> RateBaseline:
        """The baseline ``name`` with the state of a dump.

        Raises:
            InputError: No such detector.
            CribleError: The dump is corrupt, or of another detector or version; keep the last good one.
        """
        if name != cls.name:
            raise InputError("no such detector over rates", where=name)
        snapshot = _unpack(data, name, cls.version)
        arrays = {packed.name: packed.array() for packed in snapshot.arrays}
        keys: list[int] = _array(arrays, "keys", _U8, (None,)).tolist()
        values: list[int] = _array(arrays, "values", _U4, (len(keys),)).tolist()
        moments: list[list[float]] = _array(arrays, "moments", _F8, (len(keys), 2)).tolist()
        if len(set(keys)) > cls.MAX_KEYS or len(set(keys)) < len(keys):
            raise CribleError("too many keys, or a key twice", where=name, hint=_USE_LAST)
        baseline = cls()
        baseline._tracks = {key: _Track(n, *pair) for key, n, pair in zip(keys, values, moments, strict=True)}
        baseline._calibration = Calibration.from_arrays(arrays)
        baseline._scored = snapshot.learnt
        return baseline

    def _surprise(self, track: _Track, value: float) -> float:
        """How many deviations above the mean, squeezed into 0..1."""
        deviations = (value - track.mean) / max(math.sqrt(track.variance), self.MIN_DEVIATION)
        return max(deviations, 0.0) / (max(deviations, 0.0) + _HALF_SURPRISE)

    def _learn(self, hashed: int, track: _Track | None, value: float, raw: float | None) -> None:
        if raw is not None:
            self._calibration.add(raw)
            self._scored += 1
            if self._scored % self.LEARN_EVERY == 0:
                self._calibration.commit()
        if track is None:
            if len(self._tracks) == self.MAX_KEYS:
                del self._tracks[next(iter(self._tracks))]
            self._tracks[hashed] = _Track(1, value, 0.0)
            return
        off = value - track.mean
        step = self.FADING_FACTOR * off
        track.mean += step
        track.variance = (1 - self.FADING_FACTOR) * (track.variance + off * step)
        track.values = min(track.values + 1, self.KEY_HISTORY)
        self._tracks[hashed] = self._tracks.pop(hashed)


@dataclass(slots=True)
class _Track:
    """The past of one key: values learnt (counted up to what is needed), weighted mean and variance."""

    values: int
    mean: float
    variance: float


#: Every detector by name. Call one to get it empty; ``load`` gives it back from a dump.
DETECTORS: Final[Mapping[str, type[Detector] | type[RateBaseline]]] = {
    kind.name: kind for kind in (SourceDetector, AccountDetector, RateBaseline)
}


# Snapshots: raw array bytes in msgpack behind a checksum. Never pickle.


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, name: str, array: NDArray[Any]) -> _Packed:
        return cls(name, array.dtype.str, array.shape, array.tobytes())

    def array(self) -> NDArray[Any]:
        if self.dtype not in _DTYPES or math.prod(self.shape) * _DTYPES[self.dtype].itemsize != len(self.data):
            raise CribleError("the bytes do not fit the shape", where=self.name, hint=_USE_LAST)
        return np.frombuffer(self.data, _DTYPES[self.dtype]).reshape(self.shape).copy()


class _Snapshot(msgspec.Struct, array_like=True, frozen=True):
    name: str
    version: str
    learnt: int
    arrays: list[_Packed]
    limits: list[tuple[str, tuple[float, float]]]


def _pack(snapshot: _Snapshot) -> bytes:
    body = msgspec.msgpack.encode(snapshot)
    return blake2b(body, digest_size=_DIGEST_BYTES).digest() + body


def _unpack(data: bytes, name: str, version: str) -> _Snapshot:
    digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if digest != blake2b(body, digest_size=_DIGEST_BYTES).digest():
        raise CribleError("the snapshot is corrupt", where=f"detector {name}", hint=_USE_LAST)
    try:
        snapshot = msgspec.msgpack.decode(body, type=_Snapshot)
    except msgspec.DecodeError as error:
        raise CribleError(f"the snapshot cannot be read ({error})", where=f"detector {name}", hint=_USE_LAST) from error
    if (snapshot.name, snapshot.version) != (name, version) or snapshot.learnt < 0:
        found = f"{snapshot.name}/{snapshot.version}"
        raise CribleError(f"the snapshot is of {found}, not {name}/{version}", where=f"detector {name}", hint=_USE_LAST)
    return snapshot


def _array(arrays: Arrays, name: str, dtype: np.dtype[Any], shape: tuple[int | None, ...]) -> NDArray[Any]:
    """A copy of ``arrays[name]``, which must have this type and shape (None: any length) and be finite."""
    array = arrays.get(name)
    if array is None or array.dtype != dtype or array.ndim != len(shape):
        raise CribleError("the array is missing or of another type", where=name, hint=_USE_LAST)
    if any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)) or not np.isfinite(array).all():
        raise CribleError(f"shape {array.shape} is not {shape}, or a value is not finite", where=name, hint=_USE_LAST)
    return array.copy()
