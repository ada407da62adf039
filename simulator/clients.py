"""The software that logs in, and what it says about itself.

IMAP clients send an ID (``device_id``), browsers a user agent, POP and SMTP clients only a TLS fingerprint (``ja3``).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple

__all__ = [
    "APPS",
    "BOT",
    "BROWSERS",
    "BRUTE_TOOL",
    "CHECKER",
    "DESKTOPS",
    "FETCHER",
    "FLOOD_TOOL",
    "HEALTH",
    "POP_CLIENTS",
    "READER",
    "SPRAY_TOOL",
    "SUBMISSION",
    "Client",
]


class Client(NamedTuple):
    """One version of one program speaking one protocol."""

    protocol: str
    mech: str | None = "PLAIN"
    device_id: str | None = None
    ja3: str | None = None
    user_agent: str | None = None


def _ja3(program: str) -> str:
    """A made-up TLS fingerprint, the same for every copy of ``program``."""
    return blake2b(program.encode(), digest_size=16).hexdigest()


BROWSERS: Final = tuple(
    Client("http", None, user_agent=f"Mozilla/5.0 ({system}) {engine}")
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64", "Linux; Android 10; K")
    for engine in (
        "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
        "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36",
        "Gecko/20100101 Firefox/147.0",
    )
)
#: Mail programs on telephones by IMAP, and the provider's own app.
APPS: Final = (
    *(Client("imap", device_id=f"iPhone Mail ({build})") for build in ("21G93", "22F76", "23C55", "23D8133")),
    *(Client("imap", device_id=f"com.android.email/{version}") for version in ("14.1.35", "15.0.2", "15.0.9")),
    *(Client("mobileapi", user_agent=f"MailExample-App/{version}") for version in ("7.3.0", "7.4.1")),
)
DESKTOPS: Final = (
    *(Client("imap", device_id=f"Thunderbird/{version}") for version in ("115.16.0", "128.6.0", "140.7.1")),
    *(Client("imap", device_id=f"Mac OS X Mail/{version}") for version in ("16.0 (3826.300)", "16.0 (3864.200)")),
    *(Client("imap", mech="LOGIN", device_id=f"Outlook/{version}") for version in ("15.0", "16.0")),
)
SUBMISSION: Final = Client("smtp", mech="LOGIN", ja3=_ja3("desktop submission"))
POP_CLIENTS: Final = tuple(Client("pop3", ja3=_ja3(f"pop client {n}")) for n in range(4))
#: The practice software of health professionals: one vendor, one old TLS library, never updated.
HEALTH: Final = Client("pop3", ja3=_ja3("health practice software"))
FETCHER: Final = Client("pop3", ja3=_ja3("mail fetcher"))

#: What attackers use. A bot sends no ID at all; the reader opens mailboxes that were entered.
BRUTE_TOOL: Final = Client("pop3", ja3=_ja3("brute-force tool"))
SPRAY_TOOL: Final = Client("smtp", mech="LOGIN", ja3=_ja3("spray script"))
CHECKER: Final = Client("imap", ja3=_ja3("account checker"))
FLOOD_TOOL: Final = Client("imap", ja3=_ja3("flood script"))
BOT: Final = Client("imap")
READER: Final = Client("imap", device_id="Thunderbird/102.15.1")
