"""What a service answers to support, over HTTP. Every request needs a key with ``support`` or ``operator``.

* ``GET /v1/why?login=&ip=&ref=`` says who is refused and until when: ``{"answers", "nothing"?}``, in English and French.
* ``POST /v1/desk/appeals`` ``{"ref", "grant_s", "reason", "ip"?, "login"?}`` lets somebody in for a while: 202 with the entry of
  the allow list that does it. Log-in servers follow it at once; the leader lifts what it speaks against.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.attempts import Resolver
from models.decisions import Decision, parts_of
from models.events import AuthEvent
from models.geo import UNKNOWN
from models.ids import reference
from models.lists import ListEntry, listed_address
from models.references import PastDecisions
from models.stops import Reason
from models.verdicts import SUBJECT
from models.why import NOTHING, Answer, Asked, Sentences, State, answers, of_ended, of_verdicts
from streams.desk.admission import Admission, answer, body_as, give
from streams.desk.orders import ControlView
from streams.settings import ApiKey

__all__ = ["MAX_GRANT_S", "Why", "support_routes"]

#: Longer than a week is not for support to grant.
MAX_GRANT_S: Final = 7 * 86400


class Why(msgspec.Struct, omit_defaults=True):
    """What refuses, what is enforced first; ``nothing`` where there is none."""

    answers: list[Answer]
    nothing: Sentences | None = None


class _Appeal(msgspec.Struct, forbid_unknown_fields=True):
    ref: str
    grant_s: Annotated[int, msgspec.Meta(ge=60, le=MAX_GRANT_S)]
    reason: Reason
    ip: str = ""
    login: str = ""


class _Support:
    def __init__(
        self,
        admission: Admission,
        resolver: Resolver,
        view: ControlView,
        send_entry: Callable[[ListEntry], None],
        lets_in: Callable[[Decision, str], bool],
        past: PastDecisions,
    ) -> None:
        self._admission, self._store, self._clock = admission, admission.store, admission.clock
        self._resolver, self._view = resolver, view
        self._send_entry, self._lets_in, self._past = send_entry, lets_in, past

    async def why(self, request: Request) -> Response:
        key = self._admission.support_once_read(request)
        asked = self._asked(**{name: request.query_params.get(name, "") for name in ("ref", "ip", "login")})
        if asked == Asked():
            raise HTTPException(400, "one of login, ip and ref is needed")
        found = await asyncio.to_thread(self._answers, asked, key) + self._ended(asked, key)
        return answer(Why(found, None if found else NOTHING))

    async def appeal(self, request: Request) -> Response:
        key = self._admission.support_once_read(request)
        entry = await asyncio.to_thread(self._entry, await body_as(request, _Appeal), key)
        await give(self._send_entry, entry)
        return answer(entry, 202)

    def _answers(self, asked: Asked, key: ApiKey) -> list[Answer]:
        """What meets whom is asked about, as far as it is for ``key``: accounts of other realms are not."""
        now, stops = self._clock(), self._store.stops
        held = self._store.all(
            now,
            lambda each: (
                key.may_see(parts_of(each.scope, each.value).get("account", ""))
                and not (asked.account and self._lets_in(each, asked.account))
            ),
        )
        suspended = {decision.decision_id for decision in held if stops.suspend(decision.scenario, decision.scope)}
        entries = [entry for entry in self._view.block_list if now < entry.until and key.may_see(entry.account)]
        verdicts = of_verdicts(asked.ref, list(self._view.attacks.values()), now, self._state_of_verdicts())
        return answers(asked, held, entries, suspended) + verdicts

    def _ended(self, asked: Asked, key: ApiKey) -> list[Answer]:
        """What a reference meant that a client was told before."""
        decision = self._past.ended(asked.ref, self._clock())
        if decision is None or not key.may_see(parts_of(decision.scope, decision.value).get("account", "")):
            return []
        return [of_ended(decision)]

    def _state_of_verdicts(self) -> State:
        given = self._view.gives_verdicts
        if given is None:
            return "not enforced"
        return "enforced" if given and not self._store.stops.suspend(*SUBJECT) else "suspended"

    def _entry(self, appeal: _Appeal, key: ApiKey) -> ListEntry:
        """Who is let in: the address and account of what refused, and where it names none, those that the appeal does.

        Raises:
            HTTPException: Nothing with this reference holds, or nobody in particular would be let in, or others than ``key`` may.
        """
        given = self._asked("", appeal.ip, appeal.login)
        address, account = self._target(appeal.ref, key)
        if appeal.ref in map(reference, self._view.attacks) and not (given.address and given.account):
            raise HTTPException(400, "a verdict is about one account at one address: name the customer's ip and login")
        address, account = address or given.address, account or given.account
        if key.realms and not account:
            raise HTTPException(403, "this key lets in accounts of its realms only: name the customer's login")
        if not key.may_see(account):
            raise HTTPException(403, "the account is of another realm")
        if not address:
            raise HTTPException(400, "this refuses an account or a provider, not one address: name the customer's ip")
        now = self._clock()
        entry = ListEntry(
            list="allow", address=address, account=account, ts=now, until=now + appeal.grant_s, reason=appeal.reason, by=key.name
        )
        if not self._view.has_room(entry, now):
            raise HTTPException(409, "the allow list is full: nobody can be let in before an entry has ended or was removed")
        return entry

    def _target(self, ref: str, key: ApiKey) -> tuple[str, str]:
        found = self._answers(Asked(ref=ref), key)
        if not ref or not found:
            raise HTTPException(404, "nothing with this reference holds")
        for decision in self._store.all(self._clock(), lambda decision: decision.decision_id == found[0].decision_id):
            parts = parts_of(decision.scope, decision.value)
            return parts.get("address", ""), parts.get("account", "")
        entry = next((entry for entry in self._view.block_list if entry.reference == ref), None)
        return (entry.address, entry.account) if entry is not None else ("", "")

    def _asked(self, ref: str, ip: str, login: str) -> Asked:
        try:
            address = listed_address(ip) if ip else ""
        except ValueError:
            raise HTTPException(400, "ip is not an IP address") from None
        place = self._resolver.geo.place(AuthEvent(ts=0, login="", remote=ip.partition("/")[0], success=False)) if ip else UNKNOWN
        account = self._resolver.accounts.resolve(login) if login else ""
        return Asked(ref=ref, address=address, account=account, country=place.country, asn=place.asn)


def support_routes(
    admission: Admission,
    resolver: Resolver,
    view: ControlView,
    send_entry: Callable[[ListEntry], None],
    lets_in: Callable[[Decision, str], bool],
    past: PastDecisions,
) -> list[Route]:
    """The routes of the module's text.

    Args:
        admission: Keys with ``support`` or ``operator`` may ask.
        resolver: Knows which account a login opens, and where an address is.
        view: People's lists, the policy and the breaker, and which campaigns verdicts were about.
        send_entry: Returns when an entry of the allow list is kept; it runs in a thread and raises ``CribleError``.
        lets_in: Whether an account passes a decision, because what that cut is being opened again.
        past: Decisions that have ended.
    """
    support = _Support(admission, resolver, view, send_entry, lets_in, past)
    return [
        Route("/v1/why", support.why, methods=["GET"]),
        Route("/v1/desk/appeals", support.appeal, methods=["POST"]),
    ]
