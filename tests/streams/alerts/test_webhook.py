"""Alerts to a webhook: signed, sent until they are taken, and each once unless an answer got lost."""

from __future__ import annotations

import hmac
import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from models.errors import InputError
from streams.alerts import webhook
from streams.alerts.webhook import WebhookSender
from streams.local_kafka import free_port
from streams.settings import Webhook
from tests.block_service import LIMIT_S, spray, wait_for

NOW = 1_795_488_143
KEY = b"a secret of thirty-two bytes, ok"
ALERT = spray("203.0.113.7", NOW)


class Receiver:
    """A SOC's end: answers with the given codes in turn, then with 204."""

    def __init__(self, *codes: int) -> None:
        self.codes, self.requests = list(codes), list[tuple[dict[str, str], bytes]]()

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Its address."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.codes.pop(0) if receiver.codes else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}/hook"
            server.shutdown()
            thread.join(LIMIT_S)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short."""
    monkeypatch.setattr(webhook, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(webhook, "_LONGEST_PAUSE_S", 0.02)


def sender(folder: Path, url: str, secret: str | None = None) -> WebhookSender:
    file = folder / "secret"
    file.write_text(secret if secret is not None else f"whsec_{b64encode(KEY).decode()}\n")
    return WebhookSender(Webhook(url=url, secret_file=str(file)), "json", lambda: NOW)


def test_a_receiver_can_check_who_sent_it(tmp_path: Path) -> None:
    """Id, time and body are under the signature, which a receiver computes with the shared secret."""
    receiver = Receiver()
    with receiver.listening() as url:
        assert sender(tmp_path, url).send(ALERT, threading.Event())
    ((headers, body),) = receiver.requests
    assert json.loads(body)["alert_id"] == headers["webhook-id"] == ALERT.alert_id
    assert headers["content-type"] == "application/json"
    version, signed = headers["webhook-signature"].split(",")
    expected = hmac.new(KEY, f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body, "sha256").digest()
    assert (version, b64decode(signed)) == ("v1", expected)
    assert headers["webhook-timestamp"] == str(NOW)


@pytest.mark.parametrize("codes", [(503, 500, 429), (408, 502), (404,) * 7, (400, 401, 403)])
def test_sent_until_it_is_taken(tmp_path: Path, codes: tuple[int, ...]) -> None:
    """A receiver that is busy, broken or badly set up for a while gets the alert in the end, always under the same id."""
    receiver = Receiver(*codes)
    with receiver.listening() as url:
        assert sender(tmp_path, url).send(ALERT, threading.Event())
    assert len(receiver.requests) == len(codes) + 1
    assert {headers["webhook-id"] for headers, _ in receiver.requests} == {ALERT.alert_id}


def test_waits_for_a_receiver_that_is_away(tmp_path: Path) -> None:
    """Nobody listens: the alert is kept until somebody does, or the process ends."""
    stop, done = threading.Event(), list[bool]()
    waiting = sender(tmp_path, f"http://127.0.0.1:{free_port()}/")
    thread = threading.Thread(target=lambda: done.append(waiting.send(ALERT, stop)))
    thread.start()
    stop.set()
    thread.join(LIMIT_S)
    assert done == [False]


def test_what_is_refused_for_good_holds_nobody_up(tmp_path: Path) -> None:
    """An alert that is refused five times is counted and left out; the next one is sent."""
    receiver = Receiver(*[400] * 5)
    before = webhook.telemetry.ALERTS_UNDELIVERED.labels("webhook")._value.get()
    with receiver.listening() as url:
        to = sender(tmp_path, url)
        assert to.send(ALERT, threading.Event())
        assert to.send(spray("203.0.113.8", NOW), threading.Event())
    assert len(receiver.requests) == 6
    assert webhook.telemetry.ALERTS_UNDELIVERED.labels("webhook")._value.get() == before + 1


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64 at all!", "whsec_é"])
def test_a_bad_secret_ends_the_start(tmp_path: Path, secret: str) -> None:
    """Nothing is sent under a secret that is absent, short or unreadable; the error says how to make one."""
    with pytest.raises(InputError, match="secret: holds no secret of at least 24 bytes; make one: "):
        sender(tmp_path, "http://127.0.0.1:1/", secret)


@pytest.mark.parametrize(
    "url", ["http://soc.example/hook", "ftp://127.0.0.2/", "soc.example/hook", "http://127.0.0.1.soc.example/"]
)
def test_alerts_leave_this_host_encrypted(tmp_path: Path, url: str) -> None:
    """They name accounts; only on the loopback may they go over HTTP."""
    with pytest.raises(InputError, match="is no https address"):
        sender(tmp_path, url)


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    """An alert goes where the settings say and nowhere else."""
    receiver = Receiver(307)
    with receiver.listening() as url:
        stop = threading.Event()
        thread = threading.Thread(target=sender(tmp_path, url).send, args=(ALERT, stop))
        thread.start()
        wait_for(lambda: len(receiver.requests) == 2, "a second try at the same place")
        stop.set()
        thread.join(LIMIT_S)
    assert [json.loads(body)["alert_id"] for _, body in receiver.requests][:2] == [ALERT.alert_id] * 2
