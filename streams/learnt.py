"""What the workers tell of accounts and scopes, in memory, for who decides by it and who shows what a decision would do."""

from __future__ import annotations

import threading
from contextlib import closing

from models.accounts import Groups
from models.scope_book import ScopeBook
from streams.compacted import CompactedReader
from streams.profiles import AccountProfiles
from streams.scopes import ScopeUses
from streams.settings import Settings

__all__ = ["Learnt"]


class Learnt:
    """What the workers tell of accounts and scopes, read in a thread of its own: there may be millions of profiles.

    Attributes:
        profiles: What is familiar about accounts.
        scopes: Who uses what.
        complete: All that there was has been read.
    """

    def __init__(self, settings: Settings, groups: Groups) -> None:
        self._settings = settings
        self.profiles, self.scopes, self.complete = AccountProfiles(), ScopeBook(groups), threading.Event()
        self._uses: ScopeUses | None = None
        self._looking = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Read until ``stop``."""
        with closing(CompactedReader(self._settings, "auth.profiles")) as profiles:
            while not (stop.is_set() or profiles.caught_up()):
                self.profiles.take(profiles.poll())
            self.profiles.complete.set()
            self._uses = ScopeUses(self._settings, self.scopes)
            self.complete.set()
            try:
                while not stop.is_set():
                    self.profiles.take(profiles.poll())
                    self.look_at_scopes()
            finally:
                with self._looking:
                    self._uses.close()
                    self._uses = None

    def look_at_scopes(self) -> None:
        """Take in what has been told of scopes by now; from any thread."""
        with self._looking:
            if self._uses is not None:
                self._uses.look()
