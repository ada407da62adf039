"""ECS: events of the category ``authentication`` in the Elastic Common Schema, as Beats and Elastic Agent write them."""

from __future__ import annotations

from typing import Final

from models.events import FORWARDED
from streams.documents.document import Document, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_PROTOCOLS: Final = {
    name: protocol
    for protocol, names in {
        "imap": "imap imaps imap-login",
        "pop3": "pop3 pop3s pop3-login",
        "smtp": "smtp smtps submission submission-login",
        "sieve": "sieve managesieve managesieve-login",
        "http": "http https webmail okta azure google_workspace o365 keycloak auth0",
        "ssh": "ssh sshd ssh_login sshd-session",
        "ftp": "ftp ftps vsftpd proftpd",
    }.items()
    for name in names.split()
}
_AUTHENTICATION: Final = {"event.category": any_of("authentication")}

DOCUMENT: Final = Document(
    name="ecs",
    provenance="Elastic Common Schema 9.4, event.category authentication: event.outcome, source.*, user.*, user_agent.*",
    gaps=(
        "An outcome of unknown is refused. event.reason is free text, so why it failed is not known. The protocol is read from "
        "network.protocol, event.module, event.action and process.name; where they say nothing known it is other. user.name is "
        "taken before user.email."
    ),
    rules=(
        Rule(_AUTHENTICATION | {"event.type": any_of("end change creation deletion")}, constants={"success": None}),
        Rule(
            _AUTHENTICATION | {"event.outcome": None},
            {
                "ts": "@timestamp",
                "login": ("user.name", "user.email", "user.id"),
                "realm": "user.domain",
                "remote": ("source.ip", "client.ip", "source.address"),
                "success": "event.outcome",
                "protocol": ("network.protocol", "event.module", "event.action", "process.name"),
                "user_agent": "user_agent.original",
                "ja3": "tls.client.ja3",
                "server": "host.name",
                "country": "source.geo.country_iso_code",
                "asn": "source.as.number",
                "event_id": "event.id",
                "reason": "event.reason",
                FORWARDED: "http.request.headers.x-forwarded-for",
            },
            {"success": {"success": True, "failure": False}, "protocol": _PROTOCOLS},
        ),
        Rule(_AUTHENTICATION, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "@timestamp": "2022-04-12T06:00:00.123Z",
                "event": {
                    "category": ["authentication"],
                    "type": ["start"],
                    "outcome": "success",
                    "id": "x-1",
                    "action": "ssh_login",
                },
                "user": {"name": "anna"},
                "source": {"ip": "192.0.2.10", "geo": {"country_iso_code": "FR"}, "as": {"number": 64500}},
                "host": {"name": "gw"},
            },
            {
                "ts": 1_649_743_200.123,
                "login": "anna",
                "remote": "192.0.2.10",
                "success": True,
                "protocol": "ssh",
                "server": "gw",
                "country": "FR",
                "asn": 64500,
                "event_id": "x-1",
            },
        ),
        Sample(
            {
                "@timestamp": "2022-04-12T08:00:01.000+0200",
                "event.category": "authentication",
                "event.outcome": "failure",
                "event.reason": "bad password",
                "user.email": "bob@example.org",
                "source.ip": "2001:db8::7",
                "network.protocol": "imap",
            },
            {
                "ts": 1_649_743_201.0,
                "login": "bob@example.org",
                "remote": "2001:db8::7",
                "success": False,
                "protocol": "imap",
                "attrs": {"reason": "bad password"},
            },
        ),
        Sample(
            {
                "@timestamp": "2022-04-12T06:00:02Z",
                "event": {"category": ["authentication"], "type": ["end"], "outcome": "success", "action": "logged-out"},
                "user": {"name": "anna"},
            },
            None,
        ),
    ),
    is_common=True,
)
