"""Alerts to a syslog server: RFC 5424 messages over UDP, TCP (RFC 6587, octet counting) or TLS (RFC 5425).

Syslog acknowledges nothing: over UDP a message can be lost at any time, over TCP those that were under way when the connection
broke. Where every alert has to arrive, use the webhook.
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from threading import Event
from typing import Final
from urllib.parse import urlsplit

from models.alerts import Alert, Severity
from models.errors import InputError
from streams import telemetry
from streams.alerts.formats import FORMATS, FormatName
from streams.settings import Syslog

__all__ = ["SyslogSender", "message"]

_LIMIT_S: Final = 15
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_PORTS: Final = {"udp": 514, "tcp": 601, "tls": 6514}
#: Facility 10, security and authorisation.
_FACILITY: Final = 10 << 3
_SEVERITY: Final[dict[Severity, int]] = {"low": 5, "medium": 4, "high": 3, "critical": 2}
_MAX_DATAGRAM_BYTES: Final = 65_000


class SyslogSender:
    """Sends alerts to one server.

    Args:
        settings: ``udp://``, ``tcp://`` or ``tls://``, host and port.
        form: How an alert is written.

    Raises:
        InputError: The address is none.
    """

    def __init__(self, settings: Syslog, form: FormatName) -> None:
        url = urlsplit(settings.url)
        if url.scheme not in _PORTS or not url.hostname:
            raise InputError("is no address of a syslog server", where=settings.url, hint="write tls://host:6514, tcp:// or udp://")
        self._scheme, self._address, self._form = url.scheme, (url.hostname, url.port or _PORTS[url.scheme]), form
        self._connection: socket.socket | None = None

    def send(self, alert: Alert, stop: Event) -> bool:
        """Send ``alert`` until the connection takes it; whether it was done with when ``stop`` came."""
        content, pause_s = message(alert, FORMATS[self._form](alert)), _FIRST_PAUSE_S
        while not stop.is_set():
            try:
                self._write(content)
            except OSError as error:
                self.close()
                telemetry.warning("alert.delayed", alert_id=alert.alert_id, name="syslog", reason=type(error).__name__)
                stop.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return True
        return False

    def close(self) -> None:
        """Leave the server."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _write(self, content: bytes) -> None:
        if self._connection is not None and self._scheme != "udp" and _was_closed(self._connection):
            self.close()
        if self._connection is None:
            self._connection = self._connected()
        if self._scheme == "udp":
            self._connection.send(content[:_MAX_DATAGRAM_BYTES])
        else:
            self._connection.sendall(b"%d " % len(content) + content)

    def _connected(self) -> socket.socket:
        if self._scheme == "udp":
            family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
            connection = socket.socket(family, kind, protocol)
            connection.connect(address)
            return connection
        connection = socket.create_connection(self._address, _LIMIT_S)
        if self._scheme == "tcp":
            return connection
        return ssl.create_default_context().wrap_socket(connection, server_hostname=self._address[0])


def message(alert: Alert, text: str) -> bytes:
    """``text`` about ``alert`` as a syslog message."""
    at = datetime.fromtimestamp(alert.ts, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"<{_FACILITY + _SEVERITY[alert.severity]}>1 {at} {_host()} crible - {alert.kind} - {text}".encode()


def _host() -> str:
    """This host's name as RFC 5424 takes it: visible ASCII."""
    name = "".join(char for char in socket.gethostname() if "!" <= char <= "~")
    return name[:255] or "-"


def _was_closed(connection: socket.socket) -> bool:
    """Whether the server has hung up; it has nothing to say, so anything but silence is an end."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(_LIMIT_S)
