"""What every route of the desk stands on: who is answered, from when on, and how bodies are read and orders given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from models.errors import CribleError
from streams.serve import bounded_body, find_key
from streams.settings import ApiKey
from streams.store import DecisionStore

__all__ = ["Admission", "answer", "body_as", "give"]

Form = TypeVar("Form")
Kept = TypeVar("Kept")


class Admission(NamedTuple):
    """The decisions, the keys that are known, the present in UTC seconds, and whether the store is complete."""

    store: DecisionStore
    keys: Sequence[ApiKey]
    clock: Callable[[], float]
    ready: Callable[[], bool]

    def operator(self, request: Request) -> str:
        """The name of the key that a request came with.

        Raises:
            HTTPException: 403, it is unknown or no operator's.
        """
        key = self._key(request)
        if not key.operator:
            raise HTTPException(403, "access forbidden")
        return key.name

    def operator_once_read(self, request: Request) -> str:
        """The same, for what needs the decisions.

        Raises:
            HTTPException: 403, it is unknown or no operator's; 503, the decisions are still being read.
        """
        by = self.operator(request)
        self._need_all()
        return by

    def support_once_read(self, request: Request) -> ApiKey:
        """The key, where it is one of support's or an operator's.

        Raises:
            HTTPException: 403, it is unknown or neither's; 503, the decisions are still being read.
        """
        key = self._key(request)
        if not (key.support or key.operator):
            raise HTTPException(403, "access forbidden")
        self._need_all()
        return key

    def analyst(self, request: Request) -> str:
        """The name of the key, where it may judge alerts.

        Raises:
            HTTPException: 403, it is unknown, not for this, or for some realms only: an id does not say whose alert it is.
        """
        key = self._key(request)
        if not (key.operator or (key.support and not key.realms)):
            raise HTTPException(403, "access forbidden")
        return key.name

    def _key(self, request: Request) -> ApiKey:
        return find_key(self.keys, request.headers.get("x-api-key", ""))

    def _need_all(self) -> None:
        if not self.ready():
            raise HTTPException(503, "the decisions are still being read")


async def body_as(request: Request, form: type[Form]) -> Form:
    """The body.

    Raises:
        HTTPException: 400, it is no ``form``; 413 and 408 where it is too long or does not come in time.
    """
    body = await bounded_body(request)
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise HTTPException(400, str(error)) from None


async def give(send: Callable[[Kept], None], order: Kept) -> None:
    """Return when ``order`` is kept; ``send`` runs in a thread.

    Raises:
        HTTPException: 503, it is not.
    """
    try:
        await asyncio.to_thread(send, order)
    except CribleError as error:
        raise HTTPException(503, error.what) from None


def answer(content: msgspec.Struct, status: int = 200) -> Response:
    """``content`` as JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")
