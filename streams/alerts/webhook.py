"""Alerts to a webhook, signed so that its receiver knows who sent what, and sent until it is taken.

Headers and signature are those of Standard Webhooks (https://www.standardwebhooks.com): ``webhook-id`` is the alert's id, equal at
each try, so that a receiver can drop what comes twice; ``webhook-signature`` is a keyed hash of id, time and body.
"""

from __future__ import annotations

import hmac
import time
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Final
from urllib.parse import urlsplit

import httpx

from models.alerts import Alert
from models.errors import InputError
from streams import telemetry
from streams.alerts.formats import FORMATS, FormatName
from streams.settings import Webhook

__all__ = ["WebhookSender", "signature"]

_LIMIT_S: Final = 15
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
#: Codes that speak of the alert; every other one (no such page, not allowed) is put right by somebody, and until then it waits.
_OF_THE_ALERT: Final = frozenset(
    {
        httpx.codes.BAD_REQUEST,
        httpx.codes.REQUEST_ENTITY_TOO_LARGE,
        httpx.codes.UNSUPPORTED_MEDIA_TYPE,
        httpx.codes.UNPROCESSABLE_ENTITY,
    }
)
#: A receiver that says that an alert is wrong is asked so often, in case it is not the alert.
_MAX_REFUSALS: Final = 5
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - not a secret, but what one begins with
_LEAST_SECRET_BYTES: Final = 24
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_TYPES: Final[dict[FormatName, str]] = {"cef": "text/plain; charset=utf-8"}


class WebhookSender:
    """Posts alerts to one address.

    Args:
        settings: Where, and the file with the secret: ``whsec_`` and Base64, as the standard has it.
        form: How an alert is written.
        clock: The present, UTC seconds.

    Raises:
        InputError: There is no usable secret, or alerts would go over the network unencrypted.
    """

    def __init__(self, settings: Webhook, form: FormatName, clock: Callable[[], float] = time.time) -> None:
        url = urlsplit(settings.url)
        if url.scheme != "https" and url.hostname not in _LOOPBACK:
            raise InputError(
                "is no https address: alerts name accounts", where=settings.url, hint="give alerts.webhook an https url"
            )
        self._url, self._form, self._clock = settings.url, form, clock
        self._key = _key(settings.secret_file)

    def send(self, alert: Alert, stop: Event) -> bool:
        """Post ``alert`` until it is taken; whether it was done with when ``stop`` came.

        An alert that the receiver refuses five times is left out, which is counted and logged with its id.
        """
        body, pause_s, refusals = FORMATS[self._form](alert).encode(), _FIRST_PAUSE_S, 0
        while not stop.is_set():
            reason = self._post(alert.alert_id, body)
            if reason is None:
                return True
            refusals += reason == "refused"
            if refusals == _MAX_REFUSALS:
                telemetry.ALERTS_UNDELIVERED.labels("webhook").inc()
                telemetry.error("alert.undelivered", alert_id=alert.alert_id, name="webhook")
                return True
            telemetry.warning("alert.delayed", alert_id=alert.alert_id, name="webhook", reason=reason)
            stop.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return False

    def _post(self, identifier: str, body: bytes) -> str | None:
        """Why the alert was not taken, in a word; ``None`` where it was."""
        now = int(self._clock())
        headers = {
            "Content-Type": _TYPES.get(self._form, "application/json"),
            "webhook-id": identifier,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self._key, identifier, now, body),
        }
        try:
            answer = httpx.post(self._url, content=body, headers=headers, timeout=_LIMIT_S, trust_env=False)
        except httpx.HTTPError as error:
            return type(error).__name__
        if answer.is_success:
            return None
        return "refused" if answer.status_code in _OF_THE_ALERT else f"status {answer.status_code}"


def signature(key: bytes, identifier: str, ts: int, body: bytes) -> str:
    """The header ``webhook-signature``.

    >>> signature(b"k" * 24, "a562", 1_700_000_000, b"{}")
    'v1,cc0OBqznaN5PXLYT/W06OViVJHRbSj9sVdQDWFmpZco='
    """
    signed = hmac.digest(key, f"{identifier}.{ts}.".encode() + body, "sha256")
    return f"v1,{b64encode(signed).decode()}"


def _key(file: str) -> bytes:
    try:
        key = b64decode(Path(file).read_text("ascii").strip().removeprefix(_SECRET_PREFIX), validate=True)
    except (OSError, UnicodeDecodeError, NotBase64):
        key = b""
    if len(key) < _LEAST_SECRET_BYTES:
        raise InputError(
            f"holds no secret of at least {_LEAST_SECRET_BYTES} bytes",
            where=file,
            hint="make one: printf 'whsec_%s' \"$(head -c 32 /dev/urandom | base64)\"",
        )
    return key
