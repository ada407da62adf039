"""``docs/interfaces.md``, table by table: what the project added to the contract."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import pytest

from models import applied_policy, breaker, decisions, events, forgetting, frames, lists, notices, orders, refused, reopening
from models.alerts import Alert
from models.by_account import AccountStage
from models.by_source import SourceStage
from models.decisions import Impact
from models.orders import Audit
from models.policy import Policy, Ramp
from models.reopening import Reopening
from models.sketches import ProtocolUse, ScopeUse
from models.verdicts import Verdict
from streams import stages, watermarks
from streams.cli import COMMANDS
from streams.desk.current_policy import CurrentPolicy
from tests.factories import HOUR_S, T0, failure, raised
from tests.test_contract import GROUPS, OPTIONS

_TEXT = (Path(__file__).resolve().parents[1] / "docs/interfaces.md").read_text()
_SECTIONS = {part.partition("\n")[0]: part for part in _TEXT.split("\n## ")[1:]}


def table(section: str) -> list[list[str]]:
    """The cells of the rows of a section's table."""
    lines = [line for line in _SECTIONS[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def named(section: str) -> list[str]:
    """What the first column names, in its order."""
    return [name for cells in table(section) for name in re.findall("`([^`]+)`", cells[0])]


def fields(kind: Any) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind)]


def the_option(name: str) -> Any:
    """The option ``COMMAND --NAME``; ``None`` where there is none."""
    command, option = name.split()
    params = import_module(COMMANDS[command].module).command.params
    return next((param for param in params if option in param.opts), None)


def test_records_of_auth_control() -> None:
    """Their keys and schemas, and those alone."""
    keys = {
        orders.ORDER_PREFIX: orders.SCHEMA,
        lists.LIST_PREFIX: lists.SCHEMA,
        forgetting.FORGET_PREFIX: forgetting.SCHEMA,
        reopening.REOPENING_PREFIX: reopening.SCHEMA,
        breaker.BREAKER_KEY: breaker.SCHEMA,
        applied_policy.POLICY_KEY.partition("/")[0] + "/": applied_policy.SCHEMA,
        refused.REFUSED_PREFIX: refused.SCHEMA,
        refused.SHADOW_PREFIX: refused.SCHEMA,
        stages.CAMPAIGN_KEY.partition("/")[0] + "/": frames.CAMPAIGN_SCHEMA,
        watermarks.CONTROL_PREFIX: "",
    }
    assert {cells[0].strip(" `"): cells[1].strip(" `") for cells in table("Records of auth.control")} == keys
    assert (applied_policy.POLICY_KEY, stages.CAMPAIGN_KEY) == ("policy/current", "campaign/running")
    policy = next(cells[2] for cells in table("Records of auth.control") if cells[0] == "`policy/`")
    assert set(policy.split(": `")[1].rstrip("`").split()) == set(fields(applied_policy.AppliedPolicy))


def test_fields_of_a_reopening() -> None:
    """And of its ramp."""
    assert sorted(named("Fields of a re-opening")) == sorted(fields(Reopening))
    assert f"`{' '.join(fields(Ramp))}`" in _SECTIONS["Fields of a re-opening"]


def test_actions_of_auth_audit() -> None:
    """And the fields of a record."""
    assert sorted(named("Actions of auth.audit")) == sorted(get_args(orders.Action))
    assert fields(Audit) == ["ts", "decision_id", "action", "by", "reason", "reopening"]


def test_origins_of_decisions() -> None:
    """Two."""
    assert named("Origins of decisions") == [decisions.ORIGIN, decisions.BY_HAND]


def test_fields_added_to_the_contracts_records() -> None:
    """They are there."""
    kinds: dict[str, Any] = {"Impact": Impact, "Verdict": Verdict, "Alert": Alert}
    for name in named("Fields added to the contract's records"):
        kind, field = name.split(".")
        assert field in fields(kinds[kind])


def test_alerts_about_what_was_refused() -> None:
    """They are raised with these subjects and reasons."""
    flood = [failure(T0 + number / 100, "eve", password="same", policy_reject=True) for number in range(300)]
    spray = [failure(T0 + HOUR_S + number, f"user{number}", policy_reject=True) for number in range(10)]
    source = SourceStage()
    alerts = raised(source, flood)
    raised(source, [failure(T0 + 900 + number, f"user{number}") for number in range(10)])
    alerts += raised(source, spray) + raised(AccountStage(), [failure(T0 + number, policy_reject=True) for number in range(10)])
    told = {(("account" if alert.subject.account else "ip"), alert.reasons[0].code) for alert in alerts}
    assert told == {(cells[0].strip("`"), cells[1].strip("`")) for cells in table("Alerts about what was refused")}
    assert all(alert.cold and alert.severity == "low" and alert.subject.protocol == "imap" for alert in alerts)
    assert {reason.code for alert in alerts for reason in alert.reasons} >= {"last_evidence_h"}


def test_fields_of_auth_scopes() -> None:
    """In the order of the array."""
    assert named("Fields of auth.scopes") == fields(ScopeUse)
    assert f"`{' '.join(fields(ProtocolUse))}`" in _SECTIONS["Fields of auth.scopes"]


@pytest.mark.parametrize("name", named("Commands beside the contract's"))
def test_a_command_is_there(name: str) -> None:
    """Also as part of a group."""
    group, _, part = name.partition(" ")
    command = import_module(COMMANDS[group].module).command
    assert not part or (isinstance(command, click.Group) and part in command.commands)


@pytest.mark.parametrize("name", named("Options beside the contract's"))
def test_an_option_is_there(name: str) -> None:
    """By its name."""
    assert the_option(name) is not None


def test_all_commands_are_written_down() -> None:
    """Here or in the contract."""
    here = {name.split()[0] for name in named("Commands beside the contract's")}
    assert set(COMMANDS) <= {*OPTIONS, *GROUPS, "kafka", "bench"} | here


def test_settings_of_a_policy_for_verdicts() -> None:
    """They are keys of a policy; the actions are those that a policy may name."""
    assert set(named("Settings of a policy for verdicts")) <= set(fields(Policy))
    for action in ("refuse", "tarpit"):
        assert msgspec.convert({"version": "1", "verdict_action": action}, Policy).verdict_action == action


def test_what_ready_says_of_the_policy() -> None:
    """Each field, and where it came from."""
    described = CurrentPolicy(Policy.default()).described
    assert named("What /ready says of the policy")[:3] == list(described)
    assert described["policy_from"] == "file"


def test_reasons_for_which_ingest_refuses() -> None:
    """Each in its words."""
    assert {cells[0].strip("` "): cells[1].rstrip(" |") for cells in table("Reasons for which ingest refuses")} == events._SENTENCES
    assert set(named("Reasons for which ingest refuses")) >= set(get_args(events.Reason))


def test_notices() -> None:
    """Word for word in both languages."""
    said = {cells[0].strip("` "): (cells[1], cells[2].rstrip(" |")) for cells in table("Notices")}
    assert said == {kind: (text.en, text.fr) for kind, text in notices._TEXTS.items()}
    assert "`decision_id account ts kind text`" in _SECTIONS["Notices"]
    assert fields(notices.Notice) == ["decision_id", "account", "ts", "kind", "text"]
