"""Account takeover: why a success is perhaps not its owner's.

A success by a source under alert; one from a new network and device right after guessing; the second of two strangers within an
hour, from different countries; one that no traveller could make. Each is a reason for an analyst; how the account stage counts what
they go by, and what becomes of it, is in :mod:`models.by_account`.

Fails where the intruder comes through the owner's own provider with the owner's own program, and where the first of two strangers
does.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import TYPE_CHECKING, Final

from models.alerts import Reason
from models.attempts import Attempt
from models.by_source import ATTACK_BITS
from models.geo import state_of
from models.profiles import device_number
from models.windows import HOUR_S, count_distinct

if TYPE_CHECKING:
    from models.by_account import AccountRow, LastSuccess

__all__ = ["takeover_reasons"]

_MINUTE_S: Final = 60
_GUESSES: Final = 5
_SECOND_STRANGER_S: Final = HOUR_S
#: A scheduled flight covers 900 km/h gate to gate at best; nearer than 500 km the geo data is too coarse.
_TRAVEL_KM_PER_H: Final = 900.0
_TRAVEL_KM: Final = 500.0


def takeover_reasons(row: AccountRow, attempt: Attempt) -> list[Reason]:
    """Why a success is perhaps not its owner's; none from a network, or an access provider and a device, that the owner uses."""
    knows_asn, knows_device = attempt.asn in row.asns, device_number(attempt.device) in row.devices
    if attempt.network in row.networks or (knows_asn and knows_device):
        return []
    reasons = []
    # Behind a shared address are customers too. Who bought mailboxes to look so is found by what his campaign looks like.
    if attempt.attack and not attempt.shared:
        kinds = [kind for kind, bit in ATTACK_BITS.items() if attempt.attack & bit]
        reasons.append(Reason("source_under_alert", f"the source is under alert for {', '.join(kinds)}", len(kinds), 1))
    if row.networks:
        reasons += _after_failures(row, attempt)
    if not attempt.shared:  # a fetcher or a cloud client logs in where the vendor is, not where the owner is
        reasons += _second_stranger(row, attempt) or _impossible_travel(row, attempt)
    return reasons


def _after_failures(row: AccountRow, attempt: Attempt) -> list[Reason]:
    """A new network and device right after guessing."""
    if device_number(attempt.device) in row.devices and attempt.asn in row.asns:
        return []
    guesses = count_distinct([cell.guesses for cell in row.recent.values() if cell.last_s > attempt.ts - HOUR_S])
    if guesses < _GUESSES:
        return []
    text = f"first success from this network, after {guesses} wrong passwords within 60 minutes"
    return [Reason("new_network_after_failures", text, guesses, _GUESSES)]


def _second_stranger(row: AccountRow, attempt: Attempt) -> list[Reason]:
    """One success that does not look like the owner's may be his, on his way; a second one from another country is not.

    Whoever finds a pair right sells it, and the buyer comes from somewhere else; what the owner does in between changes nothing.
    """
    last = row.last_stranger
    if last is None or not _is_elsewhere(row, last, attempt):
        return []
    is_browser = attempt.protocol == "http" and attempt.device.startswith("ua:")  # of which millions call themselves the same
    if device_number(attempt.device) in row.devices and not is_browser:
        return []
    gap_s = abs(attempt.ts - last.ts)
    if gap_s >= _SECOND_STRANGER_S:
        return []
    text = f"a success of a stranger in {attempt.country}, {gap_s / _MINUTE_S:.0f} minutes after one in {last.country}"
    return [Reason("second_stranger", text, gap_s, _SECOND_STRANGER_S)]


def _is_elsewhere(row: AccountRow, last: LastSuccess, attempt: Attempt) -> bool:
    """Whether an attempt is made in a country that is neither that of the last success nor one that the owner is known in."""
    if not attempt.country or not last.country or attempt.country in row.countries:
        return False
    return state_of(attempt.country) != state_of(last.country)


def _impossible_travel(row: AccountRow, attempt: Attempt) -> list[Reason]:
    """Two successes further apart than anybody travels; two countries alone are a traveller and his computer at home."""
    last = row.last_success
    if last is None or not _is_elsewhere(row, last, attempt):
        return []
    if None in (last.latitude, last.longitude, attempt.latitude, attempt.longitude):
        return []
    gap_s = abs(attempt.ts - last.ts)
    distance_km = _distance_km(last, attempt)
    speed = distance_km / max(gap_s / HOUR_S, 1 / _MINUTE_S)
    if distance_km < _TRAVEL_KM or speed < _TRAVEL_KM_PER_H:
        return []
    text = f"{distance_km:.0f} km from the success {gap_s / _MINUTE_S:.0f} minutes before, in {last.country}"
    return [Reason("impossible_travel", text, round(speed), _TRAVEL_KM_PER_H)]


def _distance_km(last: LastSuccess, attempt: Attempt) -> float:
    """Great-circle distance (haversine)."""
    lat1, lon1 = radians(last.latitude or 0.0), radians(last.longitude or 0.0)
    lat2, lon2 = radians(attempt.latitude or 0.0), radians(attempt.longitude or 0.0)
    h = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371.0 * asin(sqrt(h))
