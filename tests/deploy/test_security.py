"""The table of purposes and retention is complete and true."""

from __future__ import annotations

import re
from pathlib import Path

from streams.topics import TOPICS, Topic

DOC = Path(__file__).resolve().parents[2] / "deploy" / "security.md"


def test_every_topic_has_a_purpose_and_an_end() -> None:
    """With its time as the topic is created, and whether it names accounts."""
    rows = re.findall(r"^\| `(auth\.[a-z-]+)` \| (.+?) \| (yes|no) \| (.+?) \|$", DOC.read_text(), re.MULTILINE)
    assert [name for name, *_ in rows] == list(TOPICS)
    for name, purpose, names_accounts, kept in rows:
        assert len(purpose) > 20
        assert (names_accounts == "yes") == TOPICS[name].names_accounts, name
        assert kept == f"{(TOPICS[name].kept_s or 0) // 86400} days" or is_kept_by_key(TOPICS[name]), name


def is_kept_by_key(topic: Topic) -> bool:
    """Whether age alone removes nothing."""
    return topic.kept_s is None


def test_what_is_taken_back_leaves_the_disks() -> None:
    """Kafka would otherwise compact when there is enough to compact, and a small topic never."""
    for topic in TOPICS.values():
        lag_ms = topic.config(keep_all=False).get("max.compaction.lag.ms")
        assert (lag_ms == "86400000") == topic.compacted, topic.name
