"""Windows security log: logons (4624, 4625), Kerberos' first step (4768, 4771) and NTLM validation (4776).

As winlogbeat, NXLog, evtx_dump and Wazuh write the events in JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streams.documents.document import OTHER, Document, Fields, Rule, Sample, any_of, codes

__all__ = ["DOCUMENT"]

#: NTSTATUS of 4625 and 4776; Kerberos result codes (RFC 4120, section 7.5.9) of 4768 and 4771, which are shorter.
_FAILURES: Final = codes(
    {
        "account": "0xC0000064 0x6",
        "credentials": "0xC000006A 0x18",
        "disabled": "0xC0000072 0xC0000193 0xC0000234 0x12",
        "expired": "0xC0000071 0xC0000224 0x17",
        "policy": "0xC000006E 0xC000006F 0xC0000070 0xC000015B 0xC0000413 0xC 0x10",
        "internal": "0xC000005E 0xC00000DC 0xC0000133 0xC000018C 0xC0000192 0xC0000225 0xC00002EE 0x25 0x1D 0x3C",
    }
)
_SECURITY: Final = any_of("microsoft-windows-security-auditing")
#: At the console, over the network, unlocking, network in clear text, remote desktop, and these with cached credentials. What the
#: system does for itself (services, batch jobs, a program run as somebody else) is no log-in.
_LOGON_TYPES: Final = any_of("2 3 7 8 10 11 12 13")
#: An NTLM validation does not say where the client is, and a logon at the console has no address.
_UNKNOWN: Final = {"remote": "0.0.0.0", "protocol": "other"}  # noqa: S104 - no address to listen on


def _rules(
    event_id: str, provider: str, time: str, computer: str, data: Callable[[str], str], *, is_local: bool = False
) -> tuple[Rule, ...]:
    """Rules for one way to write an event: where its header is, and where a field of its data is."""
    fields: Fields = {
        "ts": time,
        "login": data("TargetUserName"),
        "realm": data("TargetDomainName"),
        "remote": data("IpAddress"),
        "server": computer,
        "status": (data("SubStatus"), data("Status")),
        "logon_type": data("LogonType"),
    }
    failed = fields | {"fail_type": (data("SubStatus"), data("Status"))}

    def on(*ids: str) -> dict[str, frozenset[str] | None]:
        return {event_id: frozenset(ids), provider: _SECURITY}

    return (
        Rule(on("4624") | {data("TargetUserName"): frozenset({"anonymous logon"})}, constants={"success": None}),
        Rule(on("4624") | {data("LogonType"): _LOGON_TYPES}, fields, constants=_UNKNOWN | {"success": True}, is_local=is_local),
        Rule(
            on("4625") | {data("LogonType"): _LOGON_TYPES},
            failed,
            {"fail_type": _FAILURES},
            _UNKNOWN | {"success": False},
            is_local,
        ),
        Rule(
            on("4771"),
            failed | {"mech": event_id},
            {"fail_type": _FAILURES, "mech": {OTHER: "kerberos"}},
            _UNKNOWN | {"success": False},
            is_local,
        ),
        # A ticket that is granted is the log-in that 4624 tells of.
        Rule(
            on("4768"),
            failed | {"success": data("Status"), "mech": event_id},
            {"success": {"0x0": None, OTHER: False}, "fail_type": _FAILURES, "mech": {OTHER: "kerberos"}},
            _UNKNOWN,
            is_local,
        ),
        Rule(
            on("4776"),
            failed | {"success": data("Status"), "mech": event_id, "workstation": data("Workstation")},
            {"success": {"0x0": True, OTHER: False}, "fail_type": _FAILURES, "mech": {OTHER: "ntlm"}},
            _UNKNOWN,
            is_local,
        ),
        Rule({event_id: None, provider: _SECURITY}, constants={"success": None}),
    )


def _small(name: str) -> str:
    return f"win.eventdata.{name[0].lower()}{name[1:]}"


DOCUMENT: Final = Document(
    name="windows",
    provenance=(
        "Microsoft's 'Advanced security audit policy' pages of events 4624, 4625, 4768, 4771 and 4776 (logon types, Status and "
        "SubStatus); winlogbeat's winlog.* fields, NXLog's im_msvistalog, evtx_dump -o jsonl, Wazuh's win.* fields"
    ),
    gaps=(
        "4776 names a workstation and no address: it counts for its account alone. A log-in by NTLM is 4624 or 4625 where it was "
        "made and 4776 on the domain controller: collect 4776 only where the former are not. Tickets that are granted (4768, "
        "4769), 4648 and lock-outs (4740) are no log-ins of their own. Log-ins of computers (names ending in $) are as others. "
        "Accounts are name@other whatever their domain, which is in realm. NXLog's times are local: give --tz."
    ),
    rules=(
        *_rules(
            "winlog.event_id",
            "winlog.provider_name",
            "@timestamp",
            "winlog.computer_name",
            lambda name: f"winlog.event_data.{name}",
        ),
        *_rules("EventID", "SourceName", "EventTime", "Hostname", lambda name: name, is_local=True),
        *_rules(
            "Event.System.EventID",
            "Event.System.Provider.#attributes.Name",
            "Event.System.TimeCreated.#attributes.SystemTime",
            "Event.System.Computer",
            lambda name: f"Event.EventData.{name}",
        ),
        *_rules(
            "Event.System.EventID.#text",
            "Event.System.Provider.#attributes.Name",
            "Event.System.TimeCreated.#attributes.SystemTime",
            "Event.System.Computer",
            lambda name: f"Event.EventData.{name}",
        ),
        *_rules("win.system.eventID", "win.system.providerName", "win.system.systemTime", "win.system.computer", _small),
    ),
    samples=(
        Sample(
            {
                "@timestamp": "2022-04-12T06:00:00.123Z",
                "event": {"code": "4624", "outcome": "success", "category": ["authentication"]},
                "winlog": {
                    "event_id": 4624,
                    "provider_name": "Microsoft-Windows-Security-Auditing",
                    "computer_name": "dc1.example.org",
                    "event_data": {
                        "TargetUserName": "anna",
                        "TargetDomainName": "EXAMPLE",
                        "LogonType": "10",
                        "IpAddress": "192.0.2.10",
                    },
                },
            },
            {
                "ts": 1_649_743_200.123,
                "login": "anna",
                "realm": "EXAMPLE",
                "remote": "192.0.2.10",
                "success": True,
                "protocol": "other",
                "server": "dc1.example.org",
                "attrs": {"logon_type": "10"},
            },
        ),
        Sample(
            {
                "EventTime": "2022-04-12 06:00:01",
                "Hostname": "dc1",
                "EventID": 4625,
                "SourceName": "Microsoft-Windows-Security-Auditing",
                "TargetUserName": "bob",
                "LogonType": 3,
                "IpAddress": "::ffff:192.0.2.11",
                "Status": "0xc000006d",
                "SubStatus": "0xc000006a",
            },
            {"ts": 1_649_743_201.0, "login": "bob", "remote": "192.0.2.11", "success": False, "fail_type": "credentials"},
        ),
        Sample(
            {
                "Event": {
                    "System": {
                        "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing"}},
                        "EventID": 4771,
                        "TimeCreated": {"#attributes": {"SystemTime": "2022-04-12T06:00:02.500000Z"}},
                        "Computer": "dc1",
                    },
                    "EventData": {"TargetUserName": "bob", "IpAddress": "::ffff:192.0.2.12", "Status": "0x12"},
                }
            },
            {
                "ts": 1_649_743_202.5,
                "login": "bob",
                "remote": "192.0.2.12",
                "success": False,
                "fail_type": "disabled",
                "mech": "kerberos",
            },
        ),
        Sample(
            {
                "EventTime": "2022-04-12 06:00:02",
                "EventID": 4768,
                "SourceName": "Microsoft-Windows-Security-Auditing",
                "TargetUserName": "nobody",
                "IpAddress": "::ffff:192.0.2.13",
                "Status": "0x6",
            },
            {"login": "nobody", "remote": "192.0.2.13", "success": False, "fail_type": "account", "mech": "kerberos"},
        ),
        Sample(
            {
                "win": {
                    "system": {
                        "providerName": "Microsoft-Windows-Security-Auditing",
                        "eventID": "4776",
                        "systemTime": "2022-04-12T06:00:03.953556700Z",
                        "computer": "dc1",
                    },
                    "eventdata": {"targetUserName": "bob", "workstation": "KIOSK", "status": "0xc0000064"},
                }
            },
            {
                "login": "bob",
                "remote": "0.0.0.0",  # noqa: S104 - as above
                "success": False,
                "fail_type": "account",
                "mech": "ntlm",
                "attrs": {"status": "0xc0000064", "workstation": "KIOSK"},
            },
        ),
        Sample(
            {
                "EventTime": "2022-04-12 06:00:04",
                "EventID": 4624,
                "SourceName": "Microsoft-Windows-Security-Auditing",
                "TargetUserName": "SYSTEM",
                "LogonType": 5,
                "IpAddress": "-",
            },
            None,
        ),
    ),
)
