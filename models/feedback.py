"""Analysts' feedback: was an alert worth a look? A record of ``auth.feedback``, keyed by the alert's id.

Of an alert that is judged again the last word counts.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from models.stops import MAX_REASON

__all__ = ["SCHEMA", "Judgement", "Word"]

SCHEMA: Final = "feedback/1"

Word = Literal["true_positive", "false_positive"]


class Judgement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the key ``by`` said of an alert at ``ts``, UTC seconds, and perhaps why."""

    alert_id: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    judgement: Word
    ts: float
    by: str
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] = ""
