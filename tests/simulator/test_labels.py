"""Labels as the contract's section 5 has them."""

from __future__ import annotations

import json

from simulator.labels import encode_label
from simulator.timeline import Step

_FIELDS = {"event_id", "label", "actor", "campaign", "cause", "trait", "password_ok"}
_KINDS = {"benign", "brute_force", "password_spray", "credential_stuffing", "account_takeover", "login_flood"}


def test_written_labels_have_the_fields_and_values_of_the_contract(demo: list[Step]) -> None:
    """Each line holds the three needed fields and no others than the contract's; all six labels occur."""
    lines = [json.loads(encode_label(label)) for _, label in demo]
    assert all({"event_id", "label", "actor"} <= set(line) <= _FIELDS for line in lines)
    assert {line["label"] for line in lines} == _KINDS
    assert {line.get("trait") for line in lines} == {None, "stale_password", "shared_source"}


def test_every_event_has_its_own_label(demo: list[Step]) -> None:
    """Event and label carry the same id, and no id occurs twice."""
    assert all(event.event_id == label.event_id for event, label in demo)
    assert len({event.event_id for event, _ in demo}) == len(demo)


def test_attacks_say_whose_campaign_they_are_and_whether_the_password_was_right(demo: list[Step]) -> None:
    """Campaign, cause and password_ok are set on attacks and on nothing else."""
    for event, label in demo:
        if label.label == "benign":
            assert (label.campaign, label.cause, label.password_ok) == (None, None, None)
        else:
            assert label.campaign is not None
            assert label.cause is not None
            assert label.password_ok == event.success
            assert label.trait is None


def test_the_incidents_labels_say_what_each_attack_is(laposte: list[Step]) -> None:
    """Campaign by campaign: the label, whether somebody enters afterwards, and the trait of every benign surprise."""
    found: dict[str, set[str]] = {}
    for event, label in laposte:
        if label.label == "benign":
            assert (label.campaign, label.cause) == (None, None)
            assert label.password_ok is None
            continue
        assert label.campaign is not None
        name = label.campaign.rstrip("-0123456789")
        found.setdefault(name, set()).add(label.label)
        assert label.cause == ("credential_stuffing" if label.label == "account_takeover" else label.label)
        assert not (event.success and label.password_ok is False)
    stuffing, entered = {"credential_stuffing"}, {"credential_stuffing", "account_takeover"}
    assert found == {
        "botnet": entered,
        "residential": entered,
        "hosted": entered,
        "copycat": entered,
        "pop-botnet": entered,
        "verified-pairs": entered,
        "fresh-leak": entered,
        "posed-fetcher": entered,
        "slow-training": found["slow-training"],
        "spray": {"password_spray"},
        "slow-spray": {"password_spray"},
        "framed-nat": {"password_spray"},
        "framed-practices": {"brute_force"},
        "brute-force": {"brute_force"},
        "distributed-brute-force": {"brute_force"},
        "flood": {"login_flood"},
    }
    assert found["slow-training"] in (stuffing, entered)
    assert {label.trait for _, label in laposte} == {None, "stale_password", "shared_source", "backend_outage"}
