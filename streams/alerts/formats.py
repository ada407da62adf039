"""An alert as SOC tools read it: our own JSON, OCSF 1.8, ECS 9 or CEF; one line each, with nothing in it that a terminal acts on.

Sources: https://schema.ocsf.io/1.8.0/classes/detection_finding, https://www.elastic.co/guide/en/ecs/current,
ArcSight Common Event Format, revision 26.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final, Literal

import msgspec

from models.alerts import KINDS, Alert, Severity
from streams import __version__

__all__ = ["FORMATS", "FormatName", "printable"]

FormatName = Literal["json", "ocsf", "ecs", "cef"]

_MS_PER_S: Final = 1000
_PERCENT: Final = 100
_ATTACK_VERSION: Final = "19.1"
#: MITRE ATT&CK (enterprise 19.1): the names of the techniques that alerts carry, and their tactics.
_TECHNIQUES: Final[Mapping[str, str]] = {
    "T1078": "Valid Accounts",
    "T1110": "Brute Force",
    "T1110.001": "Password Guessing",
    "T1110.003": "Password Spraying",
    "T1110.004": "Credential Stuffing",
    "T1499": "Endpoint Denial of Service",
    "T1499.003": "Application Exhaustion Flood",
}
_TACTICS: Final[Mapping[str, tuple[str, str]]] = {
    "T1078": ("TA0001", "Initial Access"),
    "T1110": ("TA0006", "Credential Access"),
    "T1499": ("TA0040", "Impact"),
}
_OCSF_SEVERITY: Final[Mapping[Severity, int]] = {"low": 2, "medium": 3, "high": 4, "critical": 5}
_CEF_SEVERITY: Final[Mapping[Severity, int]] = {"low": 3, "medium": 5, "high": 8, "critical": 10}
_OCSF_CLASS, _OCSF_CREATE = 2004, 1
_ANALYTIC_RULE, _ANALYTIC_LEARNING = 1, 4
_CONFIDENCE_LOW, _CONFIDENCE_HIGH = 1, 3
_ECS_VERSION: Final = "9.4.0"


def printable(text: str) -> str:
    """``text`` with what cannot be seen, or moves a terminal's cursor, written as JSON writes it.

    >>> printable("a\\x1b[2J\\u202eb")
    'a\\\\u001b[2J\\\\u202eb'
    """
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def _as_json(alert: Alert) -> str:
    return _line(alert)


def _as_ocsf(alert: Alert) -> str:
    """A Detection Finding (class 2004)."""
    title = KINDS[alert.kind].title
    metadata: dict[str, Any] = {
        "version": "1.8.0",
        "product": {"name": "Crible", "vendor_name": "Crible", "version": __version__},
        "uid": alert.alert_id,
    }
    if alert.campaign_id is not None:
        metadata["correlation_uid"] = alert.campaign_id
    finding: dict[str, Any] = {
        "class_uid": _OCSF_CLASS,
        "category_uid": _OCSF_CLASS // 1000,
        "activity_id": _OCSF_CREATE,
        "type_uid": _OCSF_CLASS * 100 + _OCSF_CREATE,
        "severity_id": _OCSF_SEVERITY[alert.severity],
        "status_id": 1,  # new
        "is_alert": True,
        "confidence_id": _CONFIDENCE_LOW if alert.cold else _CONFIDENCE_HIGH,
        "time": _ms(alert.ts),
        "start_time": _ms(alert.first_ts),
        "end_time": _ms(alert.last_ts),
        "message": title,
        "metadata": metadata,
        "finding_info": {
            "uid": alert.alert_id,
            "title": title,
            "desc": _sentences(alert),
            "types": [alert.kind],
            "first_seen_time": _ms(alert.first_ts),
            "last_seen_time": _ms(alert.last_ts),
            "analytic": _ocsf_analytic(alert),
        },
        "unmapped": {
            "counts": alert.evidence.counts,
            "distinct": alert.evidence.distinct,
            "event_ids": alert.evidence.event_ids,
            "groups": alert.groups,
            "cold": alert.cold,
        },
    }
    if alert.attack is not None:
        finding["finding_info"]["attacks"] = [_ocsf_attack(alert.attack)]
    evidences = _ocsf_evidences(alert)
    if evidences:
        finding["evidences"] = evidences
    return _line(finding)


def _ocsf_analytic(alert: Alert) -> dict[str, Any]:
    if alert.model is None:
        return {"type_id": _ANALYTIC_RULE, "name": alert.kind, "uid": alert.kind}
    return {"type_id": _ANALYTIC_LEARNING, "name": alert.model.detector, "uid": alert.kind, "version": alert.model.version}


def _ocsf_attack(attack: str) -> dict[str, Any]:
    parent = attack.partition(".")[0]
    tactic_uid, tactic_name = _TACTICS[parent]
    described: dict[str, Any] = {
        "version": _ATTACK_VERSION,
        "tactic": {"uid": tactic_uid, "name": tactic_name},
        "technique": {"uid": parent, "name": _TECHNIQUES[parent]},
    }
    if attack != parent:
        described["sub_technique"] = {"uid": attack, "name": _TECHNIQUES[attack]}
    return described


def _ocsf_evidences(alert: Alert) -> list[dict[str, Any]]:
    """The subject, then the addresses with the most tries."""
    subject = alert.subject
    user = {"user": {"name": subject.account}} if subject.account is not None else {}
    sources = _sources(alert)
    if not sources and subject.asn is not None:
        sources = [f"AS{subject.asn}"]
    elif not sources and subject.country is not None:
        sources = [subject.country]
    return [{"src_endpoint": _ocsf_endpoint(alert, source)} | user for source in sources] or ([user] if user else [])


def _ocsf_endpoint(alert: Alert, source: str) -> dict[str, Any]:
    """``source`` is an address, or something wider, for which OCSF has no place but a name."""
    endpoint: dict[str, Any] = {"ip" if _is_address(source) else "name": source}
    if alert.subject.asn is not None:
        endpoint["autonomous_system"] = {"number": alert.subject.asn}
    if alert.subject.country is not None:
        endpoint["location"] = {"country": alert.subject.country}
    return endpoint


def _as_ecs(alert: Alert) -> str:
    """Elastic Common Schema."""
    subject, sources = alert.subject, _sources(alert)
    addresses = [source for source in sources if _is_address(source)]
    ecs: dict[str, Any] = {
        "@timestamp": _iso(alert.ts),
        "ecs": {"version": _ECS_VERSION},
        "message": f"{KINDS[alert.kind].title}: {_sentences(alert)}",
        "event": {
            "kind": "alert",
            "category": ["authentication"],
            "type": ["info"],
            "module": "crible",
            "dataset": "crible.alerts",
            "id": alert.alert_id,
            "action": alert.kind,
            "severity": _OCSF_SEVERITY[alert.severity],
            "risk_score": round(alert.score * _PERCENT, 1),
            "start": _iso(alert.first_ts),
            "end": _iso(alert.last_ts),
        },
        "rule": {"id": alert.kind, "name": KINDS[alert.kind].title},
        "related": {
            "ip": addresses,
            "user": [subject.account] if subject.account is not None else [],
        },
        "labels": {"cold": str(alert.cold).lower(), "campaign_id": alert.campaign_id or ""},
    }
    source: dict[str, Any] = {}
    if sources:
        source |= {"address": sources[0]} | ({"ip": sources[0]} if _is_address(sources[0]) else {})
    if subject.asn is not None:
        source["as"] = {"number": subject.asn}
    if subject.country is not None:
        source["geo"] = {"country_iso_code": subject.country}
    if source:
        ecs["source"] = source
    if subject.account is not None:
        ecs["user"] = {"name": subject.account}
    if subject.protocol is not None:
        ecs["network"] = {"protocol": subject.protocol}
    if alert.attack is not None:
        ecs["threat"] = _ecs_threat(alert.attack)
    return _line(ecs)


def _ecs_threat(attack: str) -> dict[str, Any]:
    parent = attack.partition(".")[0]
    tactic_uid, tactic_name = _TACTICS[parent]
    technique: dict[str, Any] = {"id": [parent], "name": [_TECHNIQUES[parent]]}
    if attack != parent:
        technique["subtechnique"] = {"id": [attack], "name": [_TECHNIQUES[attack]]}
    return {"framework": "MITRE ATT&CK", "tactic": {"id": [tactic_uid], "name": [tactic_name]}, "technique": technique}


def _as_cef(alert: Alert) -> str:
    """ArcSight's Common Event Format."""
    subject, sources = alert.subject, _sources(alert)
    fields: dict[str, object] = {
        "rt": _ms(alert.ts),
        "start": _ms(alert.first_ts),
        "end": _ms(alert.last_ts),
        "externalId": alert.alert_id,
        "cnt": alert.evidence.counts.get("failures", 1),
        "cat": "authentication",
        "msg": _sentences(alert),
    }
    if sources:
        fields |= _cef_source(sources[0])
    optional = {
        "duser": subject.account,
        "app": subject.protocol,
        "cs2": alert.attack,
        "cs3": alert.campaign_id,
        "cs4": ", ".join(alert.groups) or None,
    }
    labels = {"cs2": "ATT&CK technique", "cs3": "Campaign", "cs4": "Groups"}
    for name, value in optional.items():
        if value is not None:
            fields |= {name: value} | ({f"{name}Label": labels[name]} if name in labels else {})
    header = "|".join(_cef_header(part) for part in ("Crible", "crible", __version__, alert.kind, KINDS[alert.kind].title))
    extension = " ".join(f"{name}={_cef_value(str(value))}" for name, value in fields.items())
    return f"CEF:0|{header}|{_CEF_SEVERITY[alert.severity]}|{extension}"


def _cef_source(source: str) -> dict[str, object]:
    if not _is_address(source):
        return {"cs1": source, "cs1Label": "Source network"}
    return {"c6a2": source, "c6a2Label": "Source IPv6 address"} if ":" in source else {"src": source}


def _cef_header(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace("|", "\\|")


def _cef_value(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace("=", "\\=")


FORMATS: Final[Mapping[FormatName, Callable[[Alert], str]]] = {
    "json": _as_json,
    "ocsf": _as_ocsf,
    "ecs": _as_ecs,
    "cef": _as_cef,
}


def _sources(alert: Alert) -> list[str]:
    """The address or network that the alert is about, then those with the most tries."""
    own = alert.subject.ip or alert.subject.network
    return list(dict.fromkeys([*([own] if own else []), *alert.evidence.addresses]))


def _is_address(source: str) -> bool:
    try:
        ip_address(source)
    except ValueError:
        return False
    return True


def _sentences(alert: Alert) -> str:
    return "; ".join(reason.text for reason in alert.reasons)


def _ms(ts: float) -> int:
    return round(ts * _MS_PER_S)


def _iso(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(content: object) -> str:
    """JSON, of which every character can be seen: what is escaped stays the same JSON."""
    return printable(msgspec.json.encode(content).decode())
