"""Log lines that nobody on this project wrote: none is read wrong, and nearly all log-ins are recognised."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.truth import FAIL2BAN_SCOPE, FLOORS, SETS, WRONG, judge, read

pytestmark = pytest.mark.shared_data

#: Log-ins that each set is known to have: leaving one out is no way to recognise more.
LOGINS = {
    **{"fail2ban": 545, "crowdsec_parser": 379, "wazuh_ossec": 130, "postfix_grok": 1, "syslogng_patterndb": 32},
    "panther": 133,
}


@pytest.mark.parametrize("name", list(SETS))
def test_lines_of_others(shared_data: Path, name: str) -> None:
    """No address, account or outcome is wrong, and the share of recognised log-ins is above its floor."""
    judgement = judge(SETS[name]())
    assert [(case.line, problem) for case, problem in judgement.wrong] == []
    assert not any(result.counts[WRONG] for result in judgement.results.values())
    assert judgement.share >= FLOORS[name], [case.line for case in judgement.missed]
    assert judgement.logins >= LOGINS[name], "a log-in was left out of the judgement"


def test_what_is_out_of_scope_is_not_guessed(shared_data: Path) -> None:
    """Lines of services that are out of scope give nothing, or nothing but a log-in with the address that is expected."""
    for case in SETS["fail2ban"]():
        if case.service in FAIL2BAN_SCOPE and case.host:
            found = read(case.line)
            assert [event.remote for event in found.events if event.remote != case.host] == [], case.line
