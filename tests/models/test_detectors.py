"""models/detectors.py: half-space forest, calibration, the detectors and their snapshots."""

from __future__ import annotations

import math
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from river import stats

from models.detectors import DETECTORS, AccountDetector, Calibration, Detector, HalfSpaceForest, RateBaseline, SourceDetector
from models.errors import CribleError, InputError
from models.ids import hash64

LIMITS = {"a": (0.0, 1.0), "b": (-5.0, 5.0), "c": (0.0, 10.0)}


#: An hour of stuffing: 2,000 tries on 1,800 accounts, nearly all wrong.
_STUFFING = {"log_tries": 7.6, "log_accounts": 7.5, "log_good_accounts": 1.1, "failure_share": 0.99, "unknown_account_share": 0.6}
STUFFING = [_STUFFING.get(name, 0.7) for name in SourceDetector.limits]


def ordinary(n: int, seed: int = 1) -> NDArray[np.float64]:
    """``n`` vectors of LIMITS around the lower third of each range."""
    return np.random.default_rng(seed).beta(2, 5, (n, 3)) * [1.0, 10.0, 10.0] - [0.0, 5.0, 0.0]


def learnt_forest(n: int = 700, **params: int) -> HalfSpaceForest:
    """A forest that has learnt ``n`` ordinary vectors."""
    forest = HalfSpaceForest(LIMITS, **params)
    forest.learn_many(ordinary(n))
    return forest


def warm_source(n: int = 1100) -> tuple[SourceDetector, list[list[float]]]:
    """A source detector that has observed ``n`` vectors, and more vectors like them."""
    spans = [high for _, high in SourceDetector.limits.values()]
    vectors = (np.random.default_rng(3).beta(2, 8, (n + 600, len(spans))) * spans).tolist()
    detector = SourceDetector()
    for vector in vectors[:n]:
        detector.observe(vector)
    return detector, vectors[n:]


def sealed(body: bytes) -> bytes:
    """A snapshot with this body and a right checksum."""
    return blake2b(body, digest_size=8).digest() + body


class TestHalfSpaceForest:
    """The trees against the paper's definition, and against themselves in other batch sizes."""

    def test_counts_and_scores_as_the_paper_defines(self) -> None:
        """The score is the log-scaled sum of mass * 2 ** depth at the first thin node, walked node by node."""
        forest = learnt_forest(256, n_trees=4, height=5)
        vectors = ordinary(256)

        def box_of(tree: int, node: int) -> NDArray[np.bool_]:
            inside = np.ones(len(vectors), bool)
            while node > 1:
                parent, right = divmod(node, 2)
                values = vectors[:, forest._trees.feature[tree, parent]]
                inside &= (values >= forest._trees.threshold[tree, parent]) == bool(right)
                node = parent
            return inside

        for x in ordinary(20, seed=9):
            total = 0
            for tree in range(4):
                node, depth = 1, 0
                while depth < 5 and box_of(tree, node).sum() > 25.6:
                    node = 2 * node + int(x[forest._trees.feature[tree, node]] >= forest._trees.threshold[tree, node])
                    depth += 1
                total += int(box_of(tree, node).sum()) << depth
            mantissa, exponent = math.frexp(1 + total)
            top_mantissa, top_exponent = math.frexp(1 + 4 * 256 * 32)
            expected = 1 - (exponent - 2 + 2 * mantissa) / (top_exponent - 2 + 2 * top_mantissa)
            assert expected == forest.score_many(x[None])[0]

    def test_thresholds_halve_ranges_that_cover_the_limits(self) -> None:
        """Every root splits inside the limits of its feature, and trees differ."""
        trees = learnt_forest()._trees
        roots = [(int(trees.feature[t, 1]), float(trees.threshold[t, 1])) for t in range(15)]
        low_high = list(LIMITS.values())
        assert all(low_high[feature][0] <= threshold <= low_high[feature][1] for feature, threshold in roots)
        assert len(set(roots)) == 15

    def test_rows_score_as_the_batch(self) -> None:
        """One by one, many at once and as dicts: bit-equal scores."""
        forest, rows = learnt_forest(), ordinary(300, seed=2)
        many = forest.score_many(rows)
        assert [forest.score_leaves(forest.leaves(row)) for row in rows.tolist()] == many.tolist()
        assert [forest.score_one(dict(zip(LIMITS, row, strict=True))) for row in rows.tolist()] == many.tolist()
        assert many.dtype == np.float64
        assert many.min() >= 0
        assert many.max() <= 1

    def test_a_value_on_a_threshold_goes_right(self) -> None:
        """Row by row as in the batch, also exactly on the splits."""
        forest = HalfSpaceForest({"x": (0.0, 1.0)}, n_trees=2, height=4)
        rows = forest._trees.threshold[:, 1:].reshape(-1, 1)
        assert [forest.leaves(row) for row in rows.tolist()] == forest._leaves_many(rows).tolist()
        root = float(forest._trees.threshold[0, 1])
        assert forest.leaves([root])[0] == 8
        assert forest.leaves([math.nextafter(root, -1.0)])[0] == 7

    @pytest.mark.parametrize("batch", [1, 7, 256, 1000])
    def test_batch_size_of_learning_does_not_matter(self, batch: int) -> None:
        """Learning in pieces of any size leaves the same state."""
        rows, forest = ordinary(1000), HalfSpaceForest(LIMITS)
        for start in range(0, len(rows), batch):
            forest.learn_many(rows[start : start + batch])
        expected = HalfSpaceForest(LIMITS)
        for row in rows.tolist():
            expected.learn_one(dict(zip(LIMITS, row, strict=True)))
        for name, array in expected.arrays().items():
            assert np.array_equal(array, forest.arrays()[name]), name
        assert forest.pending == 1000 % 256

    def test_never_seen_is_one(self) -> None:
        """Before the first window everything is new; afterwards what lies far outside is stranger than all that was learnt."""
        assert HalfSpaceForest(LIMITS).score_one({"a": 0.1}) == 1.0
        forest = HalfSpaceForest({"x": (0.0, 1.0)})
        forest.learn_many(np.full((256, 1), 0.25))
        assert forest.score_many(np.array([[0.25], [90.0], [-90.0]])).tolist() == [forest.score_one({"x": 0.25}), 1.0, 1.0]
        assert learnt_forest().score_one({"a": 90.0, "b": 90.0, "c": 90.0}) > learnt_forest().score_many(ordinary(700)).max()

    def test_a_missing_feature_takes_the_heavier_side(self) -> None:
        """A vector without one value is about as ordinary as its present values."""
        forest = learnt_forest()
        typical = dict(zip(LIMITS, np.median(ordinary(700), axis=0).tolist(), strict=True))
        without = {name: value for name, value in typical.items() if name != "b"}
        assert abs(forest.score_one(without) - forest.score_one(typical)) < 0.1
        assert forest.score_one(without | {"b": None}) == forest.score_one(without)
        assert forest.score_one(typical | {"new": 5.0}) == forest.score_one(typical)

    def test_rebuilt_from_parameters_and_arrays(self) -> None:
        """The trees come back from the seed, the counts from the arrays."""
        forest = learnt_forest(seed=5)
        rebuilt = HalfSpaceForest.from_arrays({"limits": LIMITS, "seed": 5}, forest.arrays())
        more = ordinary(400, seed=4)
        for each in (forest, rebuilt):
            each.learn_many(more)
        assert forest.score_many(more).tolist() == rebuilt.score_many(more).tolist()
        assert {"reference", "latest"} == set(forest.arrays())

    @pytest.mark.parametrize("spoil", ["missing", "dtype", "shape", "uneven", "half_full"])
    def test_arrays_that_are_no_state_are_refused(self, spoil: str) -> None:
        """Arrays that no forest can have are a CribleError that says which."""
        arrays = learnt_forest().arrays()
        if spoil == "missing":
            del arrays["latest"]
        elif spoil == "dtype":
            arrays["latest"] = arrays["latest"].astype(np.float64)
        elif spoil == "shape":
            arrays["latest"] = arrays["latest"][:3]
        elif spoil == "uneven":
            arrays["latest"][0, 0] += 1
        else:
            arrays["reference"] = arrays["latest"]
        with pytest.raises(CribleError, match=r"reference|latest"):
            HalfSpaceForest.from_arrays({"limits": LIMITS}, arrays)

    def test_bad_parameters_and_vectors_are_refused(self) -> None:
        """Wrong numbers, NaN and infinity are an InputError, and nothing is learnt."""
        for limits, window_size in (
            ({}, 256),
            ({"x": (0.0, math.inf)}, 256),
            ({"x": (1.0, 1.0)}, 256),
            (LIMITS, 65_536),
            (LIMITS, 0),
        ):
            with pytest.raises(InputError):
                HalfSpaceForest(limits, window_size=window_size)
        forest = learnt_forest()
        before = forest.pending
        for bad in (math.nan, math.inf, -math.inf):
            with pytest.raises(InputError, match="NaN or infinite"):
                forest.learn_one({"a": bad})
            with pytest.raises(InputError, match="NaN or infinite"):
                forest.learn_many(np.array([[0.0, 0.0, bad]]))
        with pytest.raises(InputError, match="2 values for 3"):
            forest.leaves([1.0, 2.0])
        with pytest.raises(InputError, match="shape"):
            forest.score_many(np.zeros((4, 2)))
        assert forest.pending == before

    def test_same_numbers_in_another_process(self) -> None:
        """Trees and scores are the same in a fresh interpreter with another hash seed."""
        code = (
            "import numpy as np; from models.detectors import HalfSpaceForest;"
            "f = HalfSpaceForest({'x': (0., 1.), 'y': (0., 1.)}); g = np.arange(600.).reshape(300, 2) / 600;"
            "f.learn_many(g); print([s.hex() for s in f.score_many(g[:40] * 3).tolist()])"
        )
        outputs = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
            for seed in ("1", "2")
        }
        assert len(outputs) == 1
        assert "0x" in outputs.pop()

    def test_pinned_numbers(self) -> None:
        """A change to how trees grow must raise the detectors' versions: dumps would mean something else."""
        forest = HalfSpaceForest({"x": (0.0, 1.0), "y": (0.0, 1.0)})
        forest.learn_many(np.arange(512.0).reshape(256, 2) / 512)
        pinned = [0.180718650509, 0.424405519075, 0.488551542793]
        assert [round(s, 12) for s in forest.score_many(np.array([[0.5, 0.5], [0.1, 0.9], [0.9, 0.2]])).tolist()] == pinned


class TestCalibration:
    """A score's p-value is a share of what was learnt."""

    def test_states_the_share_at_least_so_high(self) -> None:
        """Ten in a thousand scored 0.8: p is (10 + 1) / (1000 + 1)."""
        calibration = Calibration()
        for i in range(1000):
            calibration.add(0.8 if i < 10 else 0.2)
        assert calibration.p_value(0.5) == 1.0, "not committed yet"
        calibration.commit()
        assert calibration.p_value(0.8) == pytest.approx(11 / 1001)
        assert calibration.p_value(0.5) == calibration.p_value(0.8)
        assert calibration.p_value(0.9) == pytest.approx(1 / 1001)
        assert calibration.p_value(0.0) == 1.0
        assert calibration.p_value(1.0) == calibration.p_value(0.9)

    def test_follows_the_traffic(self) -> None:
        """Counts are halved, so an old level fades and the histogram stays bounded."""
        calibration = Calibration()
        for score in (0.9, 0.1, 0.1, 0.1):
            for _ in range(3 * 512):
                for _ in range(64):
                    calibration.add(score)
                calibration.commit()
        assert calibration.p_value(0.9) < 0.2
        assert calibration.arrays()["scores"].sum() <= Calibration.HALVE_AT

    def test_false_alarms_keep_the_stated_rate(self) -> None:
        """On fresh traffic of the same kind, at most about one in twenty has p <= 0.05, and not far fewer."""
        detector, rest = warm_source(4096)
        alarms = sum((detector.score(vector) or 0.0) >= 0.95 for vector in rest)
        assert 0.01 <= alarms / len(rest) <= 0.09


class TestDetector:
    """Cold start, prequential windows, poison safety and snapshots."""

    def test_cold_until_enough_is_learnt(self) -> None:
        """No score before the second window (512 >= 500 vectors), a score from the next vector on."""
        detector, _ = warm_source(0)
        _, vectors = warm_source(1100)
        scores = [detector.observe(vector) for vector in vectors[:513]]
        assert scores[:512] == [None] * 512
        assert scores[512] is not None
        assert detector.learnt == 512

    def test_scores_change_only_at_every_256th_vector(self) -> None:
        """Within a window the score of a vector stays; a window is scored before it is learnt."""
        detector, rest = warm_source(512)
        probe = rest[0]
        before = detector.score(probe)
        for vector in rest[:255]:
            detector.observe([2 * value for value in vector])
            assert detector.score(probe) == before
        detector.observe(rest[255])
        assert detector.score(probe) != before

    def test_what_is_not_learnt_leaves_no_trace(self) -> None:
        """observe(learn=False) and score() change nothing, however often."""
        detector, rest = warm_source()
        before = detector.dump()
        for vector in rest:
            assert detector.observe(vector, learn=False) == detector.score(vector)
        assert detector.dump() == before

    def test_attack_stands_out(self) -> None:
        """An hour of stuffing scores above what one ordinary source in a hundred reaches."""
        detector, rest = warm_source(2048)
        attack = detector.score(STUFFING)
        assert attack is not None
        assert attack >= 0.99
        assert np.median([detector.score(vector) for vector in rest]) < 0.9

    def test_learning_from_an_attack_would_hide_it(self) -> None:
        """Why learn=False exists: a learnt window of attack becomes the reference."""
        learning, _ = warm_source()
        attack = STUFFING
        safe = Detector.load("source", learning.dump())
        for _ in range(1024):
            learning.observe(attack)
            safe.observe(attack, learn=False)
        poisoned, kept = learning.score(attack), safe.score(attack)
        assert poisoned is not None
        assert kept is not None
        assert poisoned < 0.5
        assert kept >= 0.99

    @pytest.mark.parametrize("spoil", ["empty", "cut", "flipped", "other", "older", "other_features", "not_msgpack", "wrong_shape"])
    def test_a_bad_snapshot_is_one_clear_error(self, spoil: str) -> None:
        """Corrupt, foreign and older snapshots say which detector and what to do."""
        good = warm_source()[0].dump()
        snapshot = msgspec.msgpack.decode(good[8:])
        if spoil == "older":
            snapshot[1] = "0"
        if spoil == "other_features":
            snapshot[4].pop()
        if spoil == "wrong_shape":
            snapshot[3][0][2] = [1, 3840]
        data = {
            "empty": b"",
            "cut": good[:-1],
            "flipped": good[:5000] + bytes([good[5000] ^ 1]) + good[5001:],
            "other": AccountDetector().dump(),
            "older": sealed(msgspec.msgpack.encode(snapshot)),
            "other_features": sealed(msgspec.msgpack.encode(snapshot)),
            "not_msgpack": sealed(b"\xc1"),
            "wrong_shape": sealed(msgspec.msgpack.encode(snapshot)),
        }[spoil]
        with pytest.raises(CribleError, match="use the last good snapshot") as caught:
            Detector.load("source", data)
        assert "\n" not in str(caught.value)

    def test_unknown_detectors_are_an_input_error(self) -> None:
        """Names that are no detector of this kind."""
        with pytest.raises(InputError, match="nobody"):
            Detector.load("nobody", b"")
        with pytest.raises(InputError, match="service"):
            Detector.load("service", b"")
        with pytest.raises(InputError, match="source"):
            RateBaseline.load("source", b"")


class TestRateBaseline:
    """Exponentially weighted statistics per key."""

    def test_same_moments_as_river(self) -> None:
        """Mean and variance are those of river.stats.EWMean and EWVar."""
        rng, baseline = Random(5), RateBaseline()
        mean, variance = stats.EWMean(baseline.FADING_FACTOR), stats.EWVar(baseline.FADING_FACTOR)
        for _ in range(500):
            value = rng.gauss(3.0, 0.5)
            baseline.observe("k", value)
            mean.update(value)
            variance.update(value)
        (track,) = baseline._tracks.values()
        assert track.mean == pytest.approx(mean.get(), rel=1e-9)
        assert track.variance == pytest.approx(variance.get(), rel=1e-6)

    def test_one_sided(self) -> None:
        """A rise scores high, a fall and the mean score as ordinary as can be."""
        rng, baseline = Random(5), RateBaseline()
        for _ in range(1000):
            baseline.observe("k", rng.gauss(3.0, 0.1))
        rise, fall = baseline.score("k", 4.5), baseline.score("k", 1.5)
        assert rise is not None
        assert rise > 0.99
        assert fall == 0.0

    def test_evicts_the_least_recently_learnt(self) -> None:
        """Key 513 pushes out the key that was learnt longest ago; scoring does not refresh."""
        baseline = RateBaseline()
        for i in range(512):
            baseline.observe(f"k{i}", 1.0)
        baseline.observe("k0", 1.0)
        baseline.score("k1", 1.0)
        baseline.observe("new", 1.0)
        hashes = [hash64(name) for name in ("k0", "k1", "k2", "new")]
        assert [h in baseline._tracks for h in hashes] == [True, False, True, True]
        assert len(baseline._tracks) == 512

    def test_a_key_needs_its_own_history(self) -> None:
        """A new key has no score, however much the others have learnt."""
        rng, baseline = Random(5), RateBaseline()
        for _ in range(700):
            baseline.observe("old", rng.gauss(3.0, 0.1))
        scores = [baseline.observe("young", rng.gauss(3.0, 0.1)) for _ in range(61)]
        assert scores[:60] == [None] * 60
        assert scores[60] is not None

    @pytest.mark.parametrize("spoil", ["twice", "uneven"])
    def test_impossible_tables_are_refused(self, spoil: str) -> None:
        """A key twice, or rows of unequal length."""
        baseline = RateBaseline()
        for key in "ab":
            baseline.observe(key, 1.0)
        snapshot = msgspec.msgpack.decode(baseline.dump()[8:])
        rows = {row[0]: row for row in snapshot[3]}
        if spoil == "twice":
            rows["keys"][3] = rows["keys"][3][:8] * 2
        else:
            rows["keys"][2:] = [[1], rows["keys"][3][:8]]
        with pytest.raises(CribleError, match="use the last good snapshot"):
            RateBaseline.load("service", sealed(msgspec.msgpack.encode(snapshot)))


def test_registry_names_each_detector_once() -> None:
    """Names are the keys, and each detector states version, history and documentation."""
    assert {"source": SourceDetector, "account": AccountDetector, "service": RateBaseline} == dict(DETECTORS)
    for name, kind in DETECTORS.items():
        assert kind.name == name
        assert kind.version
        assert kind.min_history >= 500
        for word in ("Catches", "Fails", "History", "References", ">>>"):
            assert word in (kind.__doc__ or ""), (name, word)
