"""Postfix: answers its ``check_policy_service`` from the decisions, for as long as Crible runs.

The one point that knows the account, so it also carries out decisions about an account from an address. Postfix asks over
TCP, several questions one after the other on a connection, each a block of ``name=value`` lines that an empty line ends.
What it does where nobody answers is in its own settings (``default_action``).
Source: https://www.postfix.org/SMTPD_POLICY_README.html
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from models.attempts import Resolver
from models.decision_index import DecisionIndex
from models.decisions import Decision
from models.events import AuthEvent
from models.ids import reference
from models.policy import Policy
from streams.enforcement.express import Point

__all__ = ["PostfixPoint"]

_MAX_CONNECTIONS: Final = 500
_MAX_REQUEST_BYTES: Final = 1 << 14
#: Postfix closes a connection after 300 s without a question.
_IDLE_S: Final = 330
_STOP_POLL_S: Final = 0.2
_PASSES: Final = "action=DUNNO\n\n"


class PostfixPoint:
    """Answers Postfix; ``apply`` replaces what it answers from.

    Args:
        policy: The one in force; its never-block set is checked at every answer.
        resolver: Turns the name that the client has logged in with into an account.
        clock: The present, UTC seconds.
    """

    name: Final[Point] = "postfix"
    pause_s: Final = 1.0

    def __init__(self, policy: Callable[[], Policy], resolver: Resolver, clock: Callable[[], float]) -> None:
        self._policy, self._resolver, self._clock = policy, resolver, clock
        self._index = DecisionIndex(policy())
        self._open = 0

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        """Answer from ``decisions`` from now on."""
        index = DecisionIndex(self._policy())
        for decision in decisions:
            index.put(decision)
        self._index = index

    def serve(self, listening: socket.socket, stop: threading.Event) -> None:
        """Answer on ``listening`` until ``stop``."""
        asyncio.run(self._serve(listening, stop))

    async def _serve(self, listening: socket.socket, stop: threading.Event) -> None:
        server = await asyncio.start_server(self._converse, sock=listening, limit=_MAX_REQUEST_BYTES)
        while not stop.is_set():
            await asyncio.sleep(_STOP_POLL_S)
        server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the questions of one connection; on trouble close it without an answer, as Postfix wants it."""
        self._open += 1
        try:
            while self._open <= _MAX_CONNECTIONS:
                async with asyncio.timeout(_IDLE_S):
                    question = await reader.readuntil(b"\n\n")
                    writer.write(self.answer(_attributes(question)).encode())
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # cancelled: the service ends
        finally:
            self._open -= 1
            writer.close()

    def answer(self, attributes: Mapping[str, str]) -> str:
        """What Postfix is told about a question: nothing against the client, or a temporary refusal with a reference.

        An address that is none, such as ``unknown``, passes.
        """
        now = self._clock()
        asked = AuthEvent(
            ts=now,
            login=attributes.get("sasl_username", ""),
            remote=attributes.get("client_address", ""),
            success=True,
            protocol="smtp",
        )
        try:
            attempt = self._resolver.attempt(asked)
        except ValueError:
            return _PASSES
        decision = self._index.refusing(attempt)
        if decision is None:
            return _PASSES
        return f"action=421 4.7.0 Service unavailable, reference {reference(decision.decision_id)}\n\n"


def _attributes(question: bytes) -> dict[str, str]:
    lines = question.decode("utf-8", "replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
