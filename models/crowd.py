"""A crowd: far more owners at once than usual, as after the restart of a proxy."""

from __future__ import annotations

from math import exp, sqrt
from typing import Final

__all__ = ["Crowd"]

#: A crowd is seen at once where it is great and within seconds where it is not, against what the last half hour had.
_NOW_S: Final = (1.0, 20.0)
_USUAL_S: Final = 1_800.0


class Crowd:
    """How many come who fit their accounts, beside the usual: after a proxy's restart everybody comes back at once.

    Among so many more owners are so many more who look like strangers, while the campaign goes on as before. The usual is what the
    last half hour had, in which a crowd counts as if it had been none.

    >>> crowd = Crowd()
    >>> for n in range(3_600):
    ...     crowd.note(n)
    >>> crowd.times_the_usual(3_600)
    1.0
    >>> for n in range(600):
    ...     crowd.note(3_600 + n / 60)
    >>> round(crowd.times_the_usual(3_610))
    53
    """

    def __init__(self) -> None:
        self._begin_ts: float | None = None
        self._ts = 0.0
        self._now = [0.0 for _ in _NOW_S]  #: fading sums, over :data:`_NOW_S` and :data:`_USUAL_S`
        self._usual = 0.0

    def note(self, ts: float) -> None:
        """Somebody came; what comes late counts as now."""
        if self._begin_ts is None:
            self._begin_ts = self._ts = ts
        times = self.times_the_usual(ts)  # lets both sums fade
        self._usual += 1.0 / times
        self._now = [now + 1.0 for now in self._now]

    def times_the_usual(self, ts: float) -> float:
        """The rate by now in usual rates, from 1 on; what may be chance, three standard deviations and three more, is left out."""
        if self._begin_ts is None:
            return 1.0
        if ts > self._ts:
            self._now = [now * exp((self._ts - ts) / now_s) for now, now_s in zip(self._now, _NOW_S, strict=True)]
            self._usual *= exp((self._ts - ts) / _USUAL_S)
            self._ts = ts
        past_s = self._ts - self._begin_ts
        if past_s <= _NOW_S[-1]:
            return 1.0
        per_s = self._usual / (_USUAL_S * (1.0 - exp(-past_s / _USUAL_S)))
        return max(1.0, *[_times(now, per_s * now_s) for now, now_s in zip(self._now, _NOW_S, strict=True)])


def _times(now: float, usual: float) -> float:
    return (now - 3.0 * sqrt(usual) - 3.0) / max(usual, 1.0)
