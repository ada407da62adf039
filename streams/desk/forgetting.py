"""What a service answers to ``crible forget``, over HTTP, with a key of an operator.

* ``POST /v1/desk/forgotten`` ``{"login"}``: 202 with ``{"account", "held"}`` once the order is on ``auth.control``; the leader
  carries it out. ``held`` is how many decisions and entries of the block list name the account and have not ended.
* ``GET /v1/desk/forgotten?login=``: the same, and orders nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.accounts import AccountDirectory
from models.errors import CribleError
from models.forgetting import Forget, names
from models.lists import ListEntry
from streams.desk.routes import operator_of
from streams.serve import bounded_body
from streams.settings import ApiKey
from streams.store import DecisionStore

__all__ = ["Remembered", "forgetting_routes"]


class Remembered(msgspec.Struct):
    """How many decisions and entries name ``account`` and have not ended."""

    account: str
    held: int


class _Forget(msgspec.Struct, forbid_unknown_fields=True):
    login: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class _Forgetting:
    def __init__(
        self,
        store: DecisionStore,
        keys: Sequence[ApiKey],
        clock: Callable[[], float],
        ready: Callable[[], bool],
        accounts: AccountDirectory,
        entries: Callable[[], Sequence[ListEntry]],
        send: Callable[[Forget], None],
    ) -> None:
        self._store, self._keys, self._clock, self._ready = store, keys, clock, ready
        self._accounts, self._entries, self._send = accounts, entries, send

    async def remembered(self, request: Request) -> Response:
        self._operator(request)
        return await self._answer(self._account(request.query_params.get("login", "")), 200)

    async def forget(self, request: Request) -> Response:
        by = self._operator(request)
        body = await bounded_body(request)
        try:
            asked = msgspec.json.decode(body, type=_Forget)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise HTTPException(400, str(error)) from None
        account = self._account(asked.login)
        answer = await self._answer(account, 202)
        try:
            await asyncio.to_thread(self._send, Forget(ts=self._clock(), by=by, account=account))
        except CribleError as error:
            raise HTTPException(503, error.what) from None
        return answer

    async def _answer(self, account: str, status: int) -> Response:
        now = self._clock()
        held = await asyncio.to_thread(self._store.all, now, lambda decision: names(decision, account))
        entries = [entry for entry in self._entries() if entry.account == account and now < entry.until]
        content = msgspec.json.encode(Remembered(account, len(held) + len(entries)))
        return Response(content, status, media_type="application/json")

    def _account(self, login: str) -> str:
        account = self._accounts.resolve(login) if login else None
        if not account:
            raise HTTPException(400, "a login is needed")
        return account

    def _operator(self, request: Request) -> str:
        """The name of the key.

        Raises:
            HTTPException: 403, it is unknown or no operator's; 503, the decisions are still being read.
        """
        by = operator_of(self._keys, request)
        if not self._ready():
            raise HTTPException(503, "the decisions are still being read")
        return by


def forgetting_routes(
    store: DecisionStore,
    keys: Sequence[ApiKey],
    clock: Callable[[], float],
    ready: Callable[[], bool],
    accounts: AccountDirectory,
    entries: Callable[[], Sequence[ListEntry]],
    send: Callable[[Forget], None],
) -> list[Route]:
    """The routes of the module's text.

    Args:
        store: The decisions.
        keys: Those with ``operator`` may ask.
        clock: The present, UTC seconds.
        ready: Whether the store is complete.
        accounts: Knows which account a login opens.
        entries: Those of people's block list.
        send: Returns when the order is kept; it runs in a thread and raises ``CribleError``.
    """
    forgetting = _Forgetting(store, keys, clock, ready, accounts, entries, send)
    return [
        Route("/v1/desk/forgotten", forgetting.remembered, methods=["GET"]),
        Route("/v1/desk/forgotten", forgetting.forget, methods=["POST"]),
    ]
