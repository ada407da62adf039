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
from models.forgetting import Forget, names
from models.lists import ListEntry
from streams.desk.admission import Admission, answer, body_as, give

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
        admission: Admission,
        accounts: AccountDirectory,
        entries: Callable[[], Sequence[ListEntry]],
        send: Callable[[Forget], None],
    ) -> None:
        self._admission, self._store, self._clock = admission, admission.store, admission.clock
        self._accounts, self._entries, self._send = accounts, entries, send

    async def remembered(self, request: Request) -> Response:
        self._admission.operator_once_read(request)
        return await self._answer(self._account(request.query_params.get("login", "")), 200)

    async def forget(self, request: Request) -> Response:
        by = self._admission.operator_once_read(request)
        account = self._account((await body_as(request, _Forget)).login)
        remembered = await self._answer(account, 202)
        await give(self._send, Forget(ts=self._clock(), by=by, account=account))
        return remembered

    async def _answer(self, account: str, status: int) -> Response:
        now = self._clock()
        held = await asyncio.to_thread(self._store.all, now, lambda decision: names(decision, account))
        entries = [entry for entry in self._entries() if entry.account == account and now < entry.until]
        return answer(Remembered(account, len(held) + len(entries)), status)

    def _account(self, login: str) -> str:
        account = self._accounts.resolve(login) if login else None
        if not account:
            raise HTTPException(400, "a login is needed")
        return account


def forgetting_routes(
    admission: Admission,
    accounts: AccountDirectory,
    entries: Callable[[], Sequence[ListEntry]],
    send: Callable[[Forget], None],
) -> list[Route]:
    """The routes of the module's text.

    Args:
        admission: Keys with ``operator`` may ask.
        accounts: Knows which account a login opens.
        entries: Those of people's block list.
        send: Returns when the order is kept; it runs in a thread and raises ``CribleError``.
    """
    forgetting = _Forgetting(admission, accounts, entries, send)
    return [
        Route("/v1/desk/forgotten", forgetting.remembered, methods=["GET"]),
        Route("/v1/desk/forgotten", forgetting.forget, methods=["POST"]),
    ]
