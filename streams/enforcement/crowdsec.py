"""An existing CrowdSec: our decisions are pushed into its local API, and its own bouncers carry them out.

Crible logs in as a machine (``cscli machines add crible``) and keeps the decisions of origin ``crible`` there equal to its
own: what is missing is posted, what should not be there is deleted. It looks at what is there before it writes, so a
restart on either side, or a second Crible that pushes too, makes nothing twice for long.
Source: CrowdSec 1.4.6, https://crowdsecurity.github.io/api_doc/lapi/ (tag watchers). A decision there ends its duration
after the alert's ``stop_at``, not after it came in, so ends are absolute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import msgspec

from models.decisions import ORIGIN, Decision, go_duration
from models.errors import CribleError, InputError
from models.policy import network_of
from streams.enforcement.blocks import Block, blocks
from streams.enforcement.express import Point
from streams.settings import CrowdSec

__all__ = ["CrowdSecPoint"]

_LIMIT_S: Final = 30
#: What is there is looked at again after so long, in case somebody else has changed it.
_AGAIN_S: Final = 60
_POSTED_AT_ONCE: Final = 100
#: Durations are written in whole seconds.
_SAME_END_S: Final = 2
_SECONDS_OF: Final[Mapping[str, float]] = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION: Final = re.compile(r"([0-9.]+)(h|ms|us|µs|ns|m|s)")


class _There(NamedTuple):
    """A decision of ours that CrowdSec has: its number there, and when it ends."""

    number: int
    until: float


class _LoginAnswer(msgspec.Struct):
    token: str


class _HeldDecision(msgspec.Struct):
    id: int
    origin: str
    value: str
    duration: str


class _HeldAlert(msgspec.Struct):
    decisions: list[_HeldDecision] | None = None


class CrowdSecPoint:
    """Keeps our decisions in a CrowdSec.

    Raises:
        InputError: The password file cannot be read.
    """

    name: Final[Point] = "crowdsec"
    pause_s: Final = 1.0

    def __init__(self, settings: CrowdSec) -> None:
        self._settings = settings
        try:
            self._password = Path(settings.password_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise InputError("cannot be read", where=settings.password_file, hint="put the machine's password there") from None
        self._authorization = "Bearer none"
        self._there: dict[str, list[_There]] = {}
        self._again_new_at: dict[str, float] = {}
        self._refused: set[str] = set()
        self._again_at = 0.0

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        """Post and delete until CrowdSec has ``decisions`` and no others of ours.

        Raises:
            CribleError: CrowdSec does not answer, or refuses; it is looked at again the next time.
        """
        try:
            # Without the environment: a proxy meant for the internet is no way to the local API.
            with httpx.Client(base_url=self._settings.url, timeout=_LIMIT_S, trust_env=False) as client:
                if now >= self._again_at:
                    self._there, self._refused = self._look(client, now), set()
                self._make_equal(client, decisions, now)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            self._again_at = 0.0
            said = str(error).partition("\n")[0]
            raise CribleError(f"CrowdSec does not take decisions: {said}", where=self._settings.url) from error

    def _make_equal(self, client: httpx.Client, decisions: Sequence[Decision], now: float) -> None:
        wanted = {block.text: block for block in blocks(decisions)}
        self._again_new_at = {value: at for value, at in self._again_new_at.items() if value in wanted}
        decision_on = {network_of(each.value): each for each in sorted(decisions, key=lambda each: each.until)}
        kept: set[str] = set()
        surplus: list[int] = []
        for value, there in self._there.items():
            for each in there:
                if value in wanted and value not in kept and self._is_right(value, each, wanted[value].until, now):
                    kept.add(value)
                elif each.until > now:
                    surplus.append(each.number)
        missing = [block for value, block in wanted.items() if value not in kept | self._refused and block.until - now > 1]
        if missing or surplus:
            self._again_at = 0.0  # until what follows is done, what is there is not known
            for start in range(0, len(missing), _POSTED_AT_ONCE):
                posted = missing[start : start + _POSTED_AT_ONCE]
                alerts = [_alert(block, decision_on[block.network], now) for block in posted]
                self._asked(client, "POST", "v1/alerts", alerts)
            for number in surplus:
                self._asked(client, "DELETE", f"v1/decisions/{number}")
            self._there = self._look(client, now)
            # What CrowdSec took and does not have is on its allow list: not again before the next look.
            self._refused |= {block.text for block in missing} - set(self._there)

    def _is_right(self, value: str, there: _There, until: float, now: float) -> bool:
        """Whether a decision there is to stay as it is.

        One that ends too early is replaced at once, and again at that early end: crowdsec-firewall-bouncer ignores what is
        already in its set and CrowdSec hides the deletion from it, so only then does it take the longer one.
        """
        if abs(there.until - until) > _SAME_END_S:
            if there.until < until:
                self._again_new_at[value] = there.until
            return False
        if now > self._again_new_at.get(value, now):
            del self._again_new_at[value]
            return False
        return True

    def _look(self, client: httpx.Client, now: float) -> dict[str, list[_There]]:
        """Our decisions that hold there, by value."""
        query = f"v1/alerts?origin={ORIGIN}&has_active_decision=true&limit=0"
        there: dict[str, list[_There]] = {}
        for alert in msgspec.json.decode(self._asked(client, "GET", query), type=list[_HeldAlert] | None) or ():
            for held in alert.decisions or ():
                until = now + _seconds(held.duration)
                if held.origin == ORIGIN and until > now:
                    there.setdefault(held.value, []).append(_There(held.id, until))
        self._again_at = now + _AGAIN_S
        return there

    def _asked(self, client: httpx.Client, method: str, path: str, content: object = None) -> bytes:
        """CrowdSec's answer; logs in where the last log-in holds no more."""
        body = msgspec.json.encode(content) if content is not None else None
        answer = client.request(method, path, content=body, headers={"Authorization": self._authorization})
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            self._log_in(client)
            answer = client.request(method, path, content=body, headers={"Authorization": self._authorization})
        gone = method == "DELETE" and b"doesn't exist" in answer.content  # 500 in CrowdSec 1.4
        if not gone:
            answer.raise_for_status()
        return answer.content

    def _log_in(self, client: httpx.Client) -> None:
        body = {"machine_id": self._settings.machine_id, "password": self._password, "scenarios": []}
        answer = client.post("v1/watchers/login", content=msgspec.json.encode(body))
        answer.raise_for_status()
        self._authorization = f"Bearer {msgspec.json.decode(answer.content, type=_LoginAnswer).token}"


def _alert(block: Block, decision: Decision, now: float) -> dict[str, Any]:
    """``decision`` as CrowdSec takes it: in an alert of its own, which an analyst sees in ``cscli alerts list``."""
    scope = "Range" if "/" in block.text else "Ip"
    scenario, at = f"{ORIGIN}/{decision.scenario}", datetime.fromtimestamp(now, UTC).isoformat()
    return {
        "scenario": scenario,
        "scenario_hash": "",
        "scenario_version": "",
        "message": f"{decision.reason} ({ORIGIN} {decision.decision_id})",
        "events_count": max(decision.impact.attack_attempts, 1),
        "start_at": at,
        "stop_at": at,
        "capacity": 0,
        "leakspeed": "0",
        "simulated": False,
        "events": [],
        "source": {"scope": scope, "value": block.text},
        "decisions": [
            {
                "origin": ORIGIN,
                "type": decision.type,
                "scope": scope,
                "value": block.text,
                "duration": go_duration(block.until - now),
                "scenario": scenario,
            }
        ],
    }


def _seconds(duration: str) -> float:
    """A Go duration in seconds.

    >>> _seconds("1h0m0.5s"), _seconds("-2m")
    (3600.5, -120.0)
    """
    size = sum(float(number) * _SECONDS_OF[unit] for number, unit in _DURATION.findall(duration))
    return -size if duration.startswith("-") else size
