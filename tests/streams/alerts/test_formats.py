"""Every alert in every format: valid by the published schema, complete, and harmless to whoever displays it."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from models.alerts import KINDS, Alert, Evidence, Kind, ModelScore, Reason, Subject, alert_id
from models.pseudonyms import Pseudonyms
from streams.alerts.formats import FORMATS, FormatName

TS = 1_795_488_143.25
SUBJECTS = {
    "address": Subject(ip="203.0.113.7"),
    "IPv6 network": Subject(ip="2001:db8:1:2::/64"),
    "account": Subject(account="alice@example.org"),
    "account and network": Subject(account="alice@example.org", network="203.0.113.0/24", protocol="imap"),
    "operator": Subject(asn=64500, country="FR", device="id:x"),
    "campaign": Subject(campaign="c" * 32),
    "service": Subject(protocol="imap"),
}
NASTY = 'a|b=c\\d"e\nf\r\x1b[2J\x9b1m\u202e\u2028\0<script>é漢'


def alert(kind: Kind = "password_spray", subject: Subject = SUBJECTS["address"], **changes: Any) -> Alert:
    fields: dict[str, Any] = {
        "alert_id": alert_id(kind, subject, 1),
        "kind": kind,
        "severity": "high",
        "score": 0.875,
        "ts": TS,
        "first_ts": TS - 100,
        "last_ts": TS - 1,
        "subject": subject,
        "reasons": [Reason("accounts", "30 accounts in 10 min", 30, 10), Reason("share", "all of them failed", 1.0, 0.8)],
        "evidence": Evidence(counts={"failures": 40}, distinct={"accounts": 30}, addresses=["203.0.113.9"], event_ids=["e1"]),
        "attack": KINDS[kind].attack,
        "groups": ["health"],
    }
    return Alert(**(fields | changes))


@pytest.fixture(scope="module")
def ocsf() -> Draft202012Validator:
    """The published schema of a Detection Finding, 1.8.0."""
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.8.0")).get_class_schema("detection_finding")
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("kind", get_args(Kind))
def test_ocsf_is_valid(ocsf: Draft202012Validator, kind: Kind, name: str) -> None:
    """Each kind about each sort of subject is a Detection Finding by the published schema, without unknown attributes."""
    for each in (
        alert(kind, SUBJECTS[name]),
        alert(kind, SUBJECTS[name], reasons=[], evidence=Evidence(), groups=[], cold=True),
        alert(kind, SUBJECTS[name], campaign_id="c" * 32, model=ModelScore("source_forest", "1", 0.9), severity="low"),
    ):
        finding = json.loads(FORMATS["ocsf"](each))
        assert [error.message for error in ocsf.iter_errors(finding)] == []


def test_the_schema_does_refuse(ocsf: Draft202012Validator) -> None:
    """The validation is one: a missing or unknown attribute, or a wrong type, is found."""
    finding = json.loads(FORMATS["ocsf"](alert()))
    assert not ocsf.is_valid({name: value for name, value in finding.items() if name != "metadata"})
    assert not ocsf.is_valid(finding | {"time": "now"})
    assert not ocsf.is_valid(finding | {"nonsense": 1})
    assert not ocsf.is_valid(finding | {"severity_id": 7})


def test_ocsf_says_what_the_alert_says() -> None:
    """Ids, times, technique, source and user are where OCSF has them."""
    both = Subject(account="alice@example.org", ip="203.0.113.7", asn=64500, country="FR")
    finding = json.loads(FORMATS["ocsf"](alert(subject=both, campaign_id="c" * 32)))
    assert (finding["class_uid"], finding["type_uid"], finding["severity_id"], finding["time"]) == (2004, 200401, 4, 1795488143250)
    assert (finding["start_time"], finding["end_time"]) == (1795488043250, 1795488142250)
    assert finding["finding_info"]["uid"] == finding["metadata"]["uid"] == alert_id("password_spray", both, 1)
    assert finding["metadata"]["correlation_uid"] == "c" * 32
    (attack,) = finding["finding_info"]["attacks"]
    assert (attack["tactic"]["uid"], attack["technique"]["uid"], attack["sub_technique"]["uid"]) == ("TA0006", "T1110", "T1110.003")
    first, second = finding["evidences"]
    assert first["user"] == {"name": "alice@example.org"}
    assert first["src_endpoint"] == {
        "ip": "203.0.113.7",
        "autonomous_system": {"number": 64500},
        "location": {"country": "FR"},
    }
    assert second["src_endpoint"]["ip"] == "203.0.113.9"
    assert finding["unmapped"]["counts"] == {"failures": 40}


def test_ecs_says_what_the_alert_says() -> None:
    """The fields of ECS that a detection rule or a dashboard looks at."""
    both = Subject(account="alice@example.org", ip="203.0.113.7", protocol="imap", asn=64500, country="FR")
    ecs = json.loads(FORMATS["ecs"](alert(subject=both)))
    assert ecs["@timestamp"] == "2026-11-24T02:42:23.250Z"
    assert ecs["event"] | {"kind": "alert", "category": ["authentication"], "risk_score": 87.5} == ecs["event"]
    assert ecs["event"]["id"] == alert_id("password_spray", both, 1)
    assert ecs["source"] == {
        "address": "203.0.113.7",
        "ip": "203.0.113.7",
        "as": {"number": 64500},
        "geo": {"country_iso_code": "FR"},
    }
    assert ecs["related"] == {"ip": ["203.0.113.7", "203.0.113.9"], "user": ["alice@example.org"]}
    assert ecs["threat"]["technique"]["subtechnique"]["id"] == ["T1110.003"]
    assert ecs["user"]["name"] == "alice@example.org"


def parse_cef(line: str) -> tuple[list[str], dict[str, str]]:
    """Header fields and extension of a CEF line, unescaped."""
    *header, extension = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    fields = re.findall(r"(\w+)=((?:\\.|[^\\=])*?)(?= \w+=|$)", extension)
    return header, {name: re.sub(r"\\(.)", r"\1", value) for name, value in fields}


def test_cef_says_what_the_alert_says() -> None:
    """Header and extension, with the source in the field of its version."""
    header, fields = parse_cef(FORMATS["cef"](alert(subject=SUBJECTS["account and network"])))
    assert header[:3] == ["CEF:0", "Crible", "crible"]
    assert header[4:] == ["password_spray", "Few tries on each of many accounts", "8"]
    assert fields["rt"] == "1795488143250"
    assert (fields["duser"], fields["app"], fields["cs1"], fields["cnt"]) == ("alice@example.org", "imap", "203.0.113.0/24", "40")
    assert fields["msg"] == "30 accounts in 10 min; all of them failed"
    assert parse_cef(FORMATS["cef"](alert()))[1]["src"] == "203.0.113.7"
    assert parse_cef(FORMATS["cef"](alert(subject=Subject(ip="2001:db8::5"))))[1]["c6a2"] == "2001:db8::5"


@pytest.mark.parametrize("form", FORMATS)
def test_attackers_text_stays_text(form: FormatName) -> None:
    """A name full of separators, line ends and terminal commands makes no second line, field or command."""
    nasty = alert(subject=Subject(account=NASTY, ip="203.0.113.7"), groups=[NASTY])
    line = FORMATS[form](nasty)
    assert line.isprintable()
    if form == "cef":
        header, fields = parse_cef(line)
        assert len(header) == 7
        assert fields["duser"].startswith('a|b=c\\d"e\\nf\\r\\u001b[2J\\u009b1m\\u202e\\u2028\\u0000<script>é漢')
        assert set(fields) == set(parse_cef(FORMATS[form](alert(subject=SUBJECTS["account"], groups=["x"])))[1])
    else:
        user = {
            "json": lambda read: read["subject"]["account"],
            "ocsf": lambda read: read["evidences"][0]["user"]["name"],
            "ecs": lambda read: read["user"]["name"],
        }[form]
        assert user(json.loads(line)) == NASTY


def test_every_technique_has_its_names() -> None:
    """No kind of alert carries a technique that cannot be named."""
    for kind in get_args(Kind):
        json.loads(FORMATS["ocsf"](alert(kind)))
        json.loads(FORMATS["ecs"](alert(kind)))


@pytest.mark.parametrize("name", SUBJECTS)
def test_pseudonyms_are_valid_too(ocsf: Draft202012Validator, name: str) -> None:
    """An address that is none goes where a name may stand, in every format."""
    hidden = Pseudonyms(b"k" * 32).alert(alert(subject=SUBJECTS[name]))
    ocsf.validate(json.loads(FORMATS["ocsf"](hidden)))
    ecs = json.loads(FORMATS["ecs"](hidden))
    assert ecs["related"]["ip"] == []
    assert ecs["source"]["address"].startswith("address-")
    assert "cs1=address-" in FORMATS["cef"](hidden)
    assert not [form for form in get_args(FormatName) if "203.0.113" in FORMATS[form](hidden)]
