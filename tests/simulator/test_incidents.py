"""What befalls the provider."""

from __future__ import annotations

from collections import Counter, defaultdict

from simulator import SCENARIOS
from simulator.clients import UPDATES
from simulator.timeline import Step

_JUDGED_TS = SCENARIOS["laposte-2022"].judged_ts
_RESTART_TS = _JUDGED_TS + 10.6 * 3600


def test_a_proxy_restart_brings_everybody_back_at_once(laposte: list[Step]) -> None:
    """Twenty times the usual rate for two minutes, nearly all of it good, from hundreds of accounts."""
    minutes = Counter(int((event.ts - _RESTART_TS) // 60) for event, label in laposte if label.label == "benign")
    usual = sum(minutes[minute] for minute in range(-20, 0)) / 20
    assert minutes[0] > 20 * usual
    back = [event for event, label in laposte if 0 <= event.ts - _RESTART_TS < 120 and label.label == "benign"]
    assert sum(event.success for event in back) > 0.97 * len(back)
    assert len({event.account or event.login for event in back}) > 500


def test_after_update_day_a_client_shows_its_new_version(laposte: list[Step]) -> None:
    """From half a day after it nobody shows the old one any more."""
    names = {old.device_id: new.device_id for old, new in UPDATES.items()}
    days: dict[str, set[int]] = defaultdict(set)
    for event, label in laposte:
        if label.label == "benign" and event.device_id:
            days[event.device_id].add(int((event.ts - _JUDGED_TS) // 86_400))
    for old, new in names.items():
        assert old is not None
        assert new is not None
        assert -7 in days[old]
        assert max(days[old]) <= -3
        assert min(days[new]) >= -4
        assert 0 in days[new]


def test_outages_fail_with_and_without_a_reason(laposte: list[Step]) -> None:
    """All of them in their minutes; the largest leaves nobody in, the last does not say why."""
    down = [(event, (event.ts - _JUDGED_TS) / 3600) for event, label in laposte if label.trait == "backend_outage"]
    kinds = {(event.fail_type, round(hour)) for event, hour in down}
    assert kinds == {("internal", -60), ("internal", 14), (None, 17)}
    during = [event for event, _ in laposte if 14.2 * 3600 < event.ts - _JUDGED_TS < 14.45 * 3600]
    assert len(during) > 500
    assert not any(event.success for event in during)


def test_clients_press_on_while_the_service_is_down(laposte: list[Step]) -> None:
    """There are twice as many attempts of owners as in the quarter of an hour before."""
    quarter = Counter(int((event.ts - _JUDGED_TS - 14.2 * 3600) // 900) for event, label in laposte if label.label == "benign")
    assert quarter[0] > 1.5 * quarter[-1]
