"""OCSF: the Authentication class (3002) of the Open Cybersecurity Schema Framework."""

from __future__ import annotations

from typing import Final

from models.events import FORWARDED
from streams.documents.document import Document, Rule, Sample, any_of, codes

__all__ = ["DOCUMENT"]

#: ``status_detail``; other texts are the products' own.
_FAILURES: Final = codes(
    {
        "account": "USER_DOES_NOT_EXIST",
        "credentials": "INVALID_CREDENTIALS",
        "disabled": "ACCOUNT_DISABLED ACCOUNT_LOCKED_OUT",
        "expired": "PASSWORD_EXPIRED",
    }
)
_PROTOCOLS: Final = {
    name: protocol
    for protocol, names in {
        "imap": "imap imaps imap4 143 993",
        "pop3": "pop3 pop3s pop 110 995",
        "smtp": "smtp smtps submission smtp-auth 587 465",
        "sieve": "sieve managesieve 4190",
        "http": "http https web webmail 80 443",
        "ssh": "ssh sshd 22",
        "ftp": "ftp ftps ftpd 21",
    }.items()
    for name in names.split()
}
_CLASS: Final = {"class_uid": any_of("3002")}

DOCUMENT: Final = Document(
    name="ocsf",
    provenance="OCSF 1.8.0, class Authentication [3002] with the profiles host and security_control: schema.ocsf.io/1.8.0",
    gaps=(
        "Activities other than Logon (tickets, logoff, switching) are not read. status_id other than success and failure is "
        "refused. Why it failed is read from the customary words of status_detail. The protocol is read from service.name and "
        "dst_endpoint; where they say nothing known it is other."
    ),
    rules=(
        Rule(
            _CLASS | {"activity_id": any_of("1")},
            {
                "ts": ("time", "time_dt"),
                "login": ("user.name", "user.email_addr", "user.uid"),
                "realm": "user.domain",
                "remote": "src_endpoint.ip",
                "success": "status_id",
                "fail_type": "status_detail",
                "protocol": ("service.name", "dst_endpoint.svc_name", "dst_endpoint.port"),
                "mech": "auth_protocol",
                "user_agent": "http_request.user_agent",
                "device_id": "src_endpoint.uid",
                "session_id": "session.uid",
                "server": ("dst_endpoint.hostname", "device.hostname"),
                "country": "src_endpoint.location.country",
                "asn": "src_endpoint.autonomous_system.number",
                "event_id": "metadata.uid",
                "status": "status_detail",
                FORWARDED: "http_request.x_forwarded_for",
            },
            {"success": {"1": True, "2": False}, "fail_type": _FAILURES, "protocol": _PROTOCOLS},
        ),
        Rule({"class_uid": None, "category_uid": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "class_uid": 3002,
                "category_uid": 3,
                "activity_id": 1,
                "type_uid": 300201,
                "severity_id": 1,
                "time": 1649743200123,
                "status_id": 1,
                "metadata": {"uid": "o-1", "version": "1.8.0", "product": {"name": "any"}},
                "user": {"name": "anna@example.org"},
                "src_endpoint": {"ip": "192.0.2.10"},
                "service": {"name": "IMAP"},
                "session": {"uid": "s-1"},
            },
            {
                "ts": 1_649_743_200.123,
                "login": "anna@example.org",
                "remote": "192.0.2.10",
                "success": True,
                "protocol": "imap",
                "session_id": "s-1",
                "event_id": "o-1",
            },
        ),
        Sample(
            {
                "class_uid": 3002,
                "activity_id": 1,
                "time": 1649743201000,
                "status_id": 2,
                "status_detail": "ACCOUNT_LOCKED_OUT",
                "user": {"name": "bob"},
                "src_endpoint": {"ip": "10.0.0.1"},
                "http_request": {"x_forwarded_for": ["198.51.100.9", "192.0.2.11"]},
            },
            {
                "login": "bob",
                "remote": "10.0.0.1",
                "success": False,
                "fail_type": "disabled",
                "attrs": {"status": "ACCOUNT_LOCKED_OUT", "x-forwarded-for": "198.51.100.9, 192.0.2.11"},
            },
        ),
        Sample({"class_uid": 3002, "category_uid": 3, "activity_id": 2, "time": 1649743202000, "status_id": 1}, None),
    ),
    is_common=True,
)
