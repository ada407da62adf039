"""The software that logs in, what it says about itself, and what it does when it is turned away.

IMAP clients send an ID (``device_id``), browsers a user agent, POP and SMTP clients only a TLS fingerprint (``ja3``).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple

__all__ = [
    "API_APP",
    "APPS",
    "BOT",
    "BROWSERS",
    "BRUTE_TOOL",
    "CHECKER",
    "CLOUD_SYNC",
    "CLOUD_TOKEN",
    "DESKTOPS",
    "DISGUISES",
    "FETCHER",
    "FLOOD_TOOL",
    "HEALTH",
    "MONITORS",
    "MOVING",
    "POP_BOT",
    "POP_CLIENTS",
    "READER",
    "SPRAY_TOOL",
    "SUBMISSION",
    "TOKEN_MECHS",
    "UPDATES",
    "Client",
]

#: SASL mechanisms whose secret is an OAuth token (RFC 7628, and its older form).
TOKEN_MECHS: Final = frozenset({"OAUTHBEARER", "XOAUTH2"})


class Client(NamedTuple):
    """One version of one program speaking one protocol. Turned away, it tries again after each of ``retries_s``, then gives up."""

    protocol: str
    mech: str | None = "PLAIN"
    device_id: str | None = None
    ja3: str | None = None
    user_agent: str | None = None
    credential_id: str | None = None
    retries_s: tuple[float, ...] = ()


def _ja3(program: str) -> str:
    """A made-up TLS fingerprint, the same for every copy of ``program``."""
    return blake2b(program.encode(), digest_size=16).hexdigest()


_PERSON_S: Final = (15.0, 40.0, 1800.0)  #: somebody at a browser: twice more, and once after a coffee
_APP_S: Final = (60.0, 300.0, 900.0)
_DESKTOP_S: Final = (30.0, 60.0, 120.0, 600.0)
_FETCHER_S: Final = (900.0, 3600.0)

BROWSERS: Final = tuple(
    Client("http", None, user_agent=f"Mozilla/5.0 ({system}) {engine}", retries_s=_PERSON_S)
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64", "Linux; Android 10; K")
    for engine in (
        "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
        "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36",
        "Gecko/20100101 Firefox/147.0",
    )
)
#: Mail programs on telephones by IMAP, and the provider's own app.
APPS: Final = (
    *(Client("imap", device_id=f"iPhone Mail ({build})", retries_s=_APP_S) for build in ("21G93", "22F76", "23C55", "23D8133")),
    *(Client("imap", device_id=f"com.android.email/{version}", retries_s=_APP_S) for version in ("14.1.35", "15.0.2", "15.0.9")),
    *(Client("mobileapi", user_agent=f"MailExample-App/{version}", retries_s=_APP_S) for version in ("7.3.0", "7.4.1")),
)
DESKTOPS: Final = (
    *(Client("imap", device_id=f"Thunderbird/{version}", retries_s=_DESKTOP_S) for version in ("115.16.0", "128.6.0", "140.7.1")),
    *(
        Client("imap", device_id=f"Mac OS X Mail/{version}", retries_s=_DESKTOP_S)
        for version in ("16.0 (3826.300)", "16.0 (3864.200)")
    ),
    *(Client("imap", mech="LOGIN", device_id=f"Outlook/{version}", retries_s=_DESKTOP_S) for version in ("15.0", "16.0")),
)
SUBMISSION: Final = Client("smtp", mech="LOGIN", ja3=_ja3("desktop submission"), retries_s=_DESKTOP_S)
POP_CLIENTS: Final = tuple(Client("pop3", ja3=_ja3(f"pop client {n}"), retries_s=(60.0,)) for n in range(4))
#: The practice software of health professionals: one vendor, one old TLS library, never updated. It keeps its period
#: whatever the answer, so it needs no retries.
HEALTH: Final = Client("pop3", ja3=_ja3("health practice software"))
FETCHER: Final = Client("pop3", ja3=_ja3("mail fetcher"), retries_s=_FETCHER_S)

#: A vendor that logs in for its customers, with the password they left there or with OAuth.
CLOUD_SYNC: Final = Client("imap", device_id="cloud-sync/1.0", retries_s=_FETCHER_S)
CLOUD_TOKEN: Final = CLOUD_SYNC._replace(mech="XOAUTH2", credential_id="oauth:cloud-sync")
#: An app of somebody else on a telephone, by OAuth.
API_APP: Final = Client("imap", "OAUTHBEARER", device_id="CalendarMail/3.2", credential_id="oauth:calendar-mail", retries_s=_APP_S)
#: What watches whether log-ins work.
MONITORS: Final = tuple(Client(protocol, ja3=_ja3("monitoring probe")) for protocol in ("imap", "pop3", "smtp", "http"))

#: Programs that are updated on update day, and what they become.
UPDATES: Final = {
    APPS[3]: APPS[3]._replace(device_id="iPhone Mail (23E214)"),
    APPS[6]: APPS[6]._replace(device_id="com.android.email/15.1.0"),
    DESKTOPS[2]: DESKTOPS[2]._replace(device_id="Thunderbird/140.8.0"),
}
#: Programs whose vendor moves their users to its cloud.
MOVING: Final = frozenset(DESKTOPS[5:])

#: What attackers use. A bot sends no ID at all; the reader opens mailboxes that were entered.
BRUTE_TOOL: Final = Client("pop3", ja3=_ja3("brute-force tool"))
SPRAY_TOOL: Final = Client("smtp", mech="LOGIN", ja3=_ja3("spray script"))
CHECKER: Final = Client("imap", ja3=_ja3("account checker"))
FLOOD_TOOL: Final = Client("imap", ja3=_ja3("flood script"))
BOT: Final = Client("imap")
POP_BOT: Final = Client("pop3", ja3=_ja3("pop bot"))
READER: Final = Client("imap", device_id="Thunderbird/102.15.1")
#: What an attacker calls himself when he comes back: names that customers use too.
DISGUISES: Final = (*DESKTOPS, *APPS[:7], *POP_CLIENTS, READER)
