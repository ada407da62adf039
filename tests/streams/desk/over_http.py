"""A service's HTTP side with no network and no broker, for tests of what it answers and what it has kept."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

import httpx
from starlette.types import ASGIApp

from models.errors import CribleError

__all__ = ["OverHttp"]

Kept = TypeVar("Kept")


class OverHttp(Generic[Kept]):
    """Asked through :meth:`ask`; what is to be kept is in ``kept``, unless ``failure`` says that the broker does not take it."""

    app: ASGIApp

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.failure: CribleError | None = None
        self.is_ready = True

    def ask(self, method: str, path: str, key: str = "ops", **content: Any) -> httpx.Response:
        """Send one request with a key, and what else httpx takes."""

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://block") as client:
                return await client.request(method, path, headers={"X-Api-Key": key}, **content)

        return asyncio.run(send())

    def keep(self, each: Kept) -> None:
        """What a route calls to keep an order, an entry or a word."""
        if self.failure is not None:
            raise self.failure
        self.kept.append(each)
