"""Hypothesis: the same examples in every run, and no deadline that a busy machine would miss."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
