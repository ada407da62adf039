"""The policy in force over HTTP, and orders to change it. Every request needs a key with ``operator``.

* ``GET /v1/desk/policy``: what is in force, since when and because of whom.
* ``POST /v1/desk/policy`` ``{"policy", "replaces", "reason"}``: 202 with its hash once the order is on ``auth.control``; the leader
  carries it out. ``replaces`` is the hash of the applied policy whose place it takes, "" where that is a file's.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.applied_policy import PolicyChange, objection, policy_hash
from models.orders import Order
from models.policy import Policy
from models.stops import Reason
from streams.desk.admission import Admission, answer, body_as, give
from streams.desk.current_policy import CurrentPolicy

__all__ = ["Accepted", "InForce", "policy_routes"]


class InForce(msgspec.Struct):
    """``policy``, its hash, and who put it in force, when (UTC seconds) and why; without ``ts`` it is the service's file's."""

    policy: Policy
    hash: str
    ts: float | None = None
    by: str = ""
    reason: str = ""


class Accepted(msgspec.Struct):
    """The hash of the policy that was ordered."""

    hash: str


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    policy: Policy
    reason: Reason
    replaces: str = ""


class _Policies:
    def __init__(self, admission: Admission, current: CurrentPolicy, send_order: Callable[[Order], None]) -> None:
        self._admission, self._current, self._send_order = admission, current, send_order

    async def show(self, request: Request) -> Response:
        self._admission.operator_once_read(request)
        applied = self._current.applied
        if applied is None:
            return answer(InForce(self._current.value, self._current.hash))
        return answer(InForce(applied.policy, applied.hash, applied.ts, applied.by, applied.reason))

    async def change(self, request: Request) -> Response:
        by = self._admission.operator_once_read(request)
        asked = await body_as(request, _Asked)
        change = PolicyChange(policy=asked.policy, replaces=asked.replaces)
        try:
            hashed, why = policy_hash(asked.policy), objection(change, self._current.applied, self._current.value)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        if why is not None:
            raise HTTPException(409, why)
        await give(self._send_order, Order(ts=self._admission.clock(), by=by, reason=asked.reason, policy=change))
        return answer(Accepted(hashed), 202)


def policy_routes(admission: Admission, current: CurrentPolicy, send_order: Callable[[Order], None]) -> list[Route]:
    """The routes of the module's text.

    Args:
        admission: Keys with ``operator`` may ask.
        current: The policy in force.
        send_order: Returns when the order is kept; it runs in a thread and raises ``CribleError``.
    """
    policies = _Policies(admission, current, send_order)
    return [
        Route("/v1/desk/policy", policies.show, methods=["GET"]),
        Route("/v1/desk/policy", policies.change, methods=["POST"]),
    ]
