"""Where an attacker works from and what his tool says it is; what he does when that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Final, Protocol

from simulator.clients import DISGUISES, Client
from simulator.networks import Source

__all__ = ["Bots", "Cover", "Desk", "Pool", "RandomPool"]

_OPEN_BOTS: Final = 200  #: bots that a botnet uses at the same time


@dataclass(slots=True)
class Desk:
    """One address in use, the client's name that is used with it, and how often it was refused."""

    source: Source
    client: Client
    refusals: int = 0


class Cover(Protocol):
    """Gives the place of each next attempt."""

    def next(self, ts: float) -> Desk:
        """Where the attempt at ``ts`` is made from, and with what."""
        ...

    def refused(self, desk: Desk) -> None:
        """The attempt from ``desk`` was refused."""
        ...


class Pool:
    """A fixed number of addresses in turn; one that was refused ``patience`` times is given up for a fresh one.

    Args:
        fresh: Addresses to take, endless.
        size: How many are in use at a time.
        client: The attacker's tool. On a fresh address that replaces a refused one it calls itself something else.
        patience: Refusals until an address is given up.
        draw: Random numbers for the other names.
    """

    def __init__(self, fresh: Iterator[Source], size: int, client: Client, patience: int, draw: Random) -> None:
        self._fresh, self._patience, self._draw = fresh, patience, draw
        self._desks = [Desk(next(fresh), client) for _ in range(size)]
        self._in_turn = cycle(self._desks)

    def next(self, _ts: float) -> Desk:
        """See :class:`Cover`."""
        return next(self._in_turn)

    def refused(self, desk: Desk) -> None:
        """See :class:`Cover`."""
        desk.refusals += 1
        if desk.refusals >= self._patience:
            desk.source, desk.client, desk.refusals = next(self._fresh), self._draw.choice(DISGUISES), 0


class RandomPool(Pool):
    """The same, in no order."""

    def next(self, _ts: float) -> Desk:
        """See :class:`Cover`."""
        return self._draw.choice(self._desks)


class Bots:
    """Infected home computers, one to ``most_tries`` attempts each: one that has done them is replaced by a fresh one.

    Args:
        fresh: Their addresses, endless.
        client: What they say they are.
        most_tries: Attempts of a bot.
        draw: Random numbers.
    """

    def __init__(self, fresh: Iterator[Source], client: Client, most_tries: int, draw: Random) -> None:
        self._fresh, self._draw, self.client, self._most_tries = fresh, draw, client, most_tries
        self._open: list[tuple[Source, int]] = []  # taken when the attack begins
        self._used = 0

    def _bot(self) -> tuple[Source, int]:
        return next(self._fresh), self._draw.randint(1, self._most_tries)

    def next(self, _ts: float) -> Desk:
        """See :class:`Cover`."""
        if self._open:
            source, tries_left = self._open[self._used]
            self._open[self._used] = (source, tries_left - 1) if tries_left > 1 else self._bot()
        else:
            self._open = [self._bot() for _ in range(_OPEN_BOTS)]
        self._used = self._draw.randrange(_OPEN_BOTS)
        return Desk(self._open[self._used][0], self.client)

    def refused(self, _desk: Desk) -> None:
        """A bot that is refused has done its tries, and the botnet calls itself something else for a while."""
        self.client = self._draw.choice(DISGUISES)
        self._open[self._used] = (self._open[self._used][0], 1)
