"""A real CrowdSec takes our decisions and gives them to its own bouncers; a block appears there, acts and ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.errors import CribleError, InputError
from streams.enforcement.crowdsec import CrowdSecPoint
from streams.enforcement.feeder import Feeder
from streams.local_kafka import free_port
from streams.settings import CrowdSec
from streams.store import DecisionStore
from tests.block_service import wait_for
from tests.contract.test_firewall_bouncer import CONFIG
from tests.enforcing import (
    ATTACKER,
    CUSTOMER,
    IN_RANGE,
    RANGE,
    RANGE_6,
    Namespace,
    decision,
    feeder_of,
    lifted,
    need,
    running,
)

PORT, API_PORT = 143, 8080
DROPPED_S = 0.5
PASSWORD, BOUNCER_KEY = "a password for the test", "a key for the test"
SETTINGS = """
common: {{daemonize: false, log_media: stdout, log_level: info, working_dir: .}}
config_paths:
  config_dir: {folder}
  data_dir: {folder}
  simulation_path: {folder}/simulation.yaml
  hub_dir: {folder}
  index_path: {folder}/index.json
  notification_dir: {folder}
  plugin_dir: {folder}
db_config: {{type: sqlite, db_path: {folder}/crowdsec.db, use_wal: true}}
api:
  client: {{credentials_path: {folder}/local.yaml}}
  server:
    log_level: info
    listen_uri: 127.0.0.1:{port}
    profiles_path: {folder}/profiles.yaml
    console_path: {folder}/console.yaml
prometheus: {{enabled: false}}
"""


def settings(folder: Path, port: int) -> CrowdSec:
    (folder / "password").write_text(f"{PASSWORD}\n")
    return CrowdSec(url=f"http://127.0.0.1:{port}", machine_id="crible", password_file=str(folder / "password"))


class Api:
    """CrowdSec's side, as a bouncer sees it."""

    def __init__(self, namespace: Namespace, port: int, folder: Path) -> None:
        self.namespace, self.port, self.folder = namespace, port, folder

    def get(self, path: str) -> Any:
        """What a bouncer is answered."""
        url, headers = f"http://127.0.0.1:{self.port}{path}", {"X-Api-Key": BOUNCER_KEY}
        return self.namespace.inside(lambda: httpx.get(url, headers=headers, timeout=20).json())

    def held(self) -> dict[str, str]:
        """Values of what holds, with their remaining time."""
        return {each["value"]: each["duration"] for each in self.get("/v1/decisions") or []}

    def cscli(self, *arguments: str) -> None:
        """An operator's command."""
        subprocess.run(["cscli", "-c", str(self.folder / "config.yaml"), *arguments], check=True, capture_output=True)


@contextmanager
def crowdsec(namespace: Namespace, folder: Path, port: int = API_PORT) -> Iterator[Api]:
    """CrowdSec's local API with a machine for us and a bouncer."""
    (folder / "config.yaml").write_text(SETTINGS.format(folder=folder, port=port))
    (folder / "simulation.yaml").write_text("simulation: off\n")
    (folder / "profiles.yaml").write_text('name: none\nfilters: ["false"]\n')
    (folder / "local.yaml").write_text(f"url: http://127.0.0.1:{port}\nlogin: x\npassword: x\n")
    api = Api(namespace, port, folder)
    if not (folder / "crowdsec.db").exists():
        api.cscli("machines", "add", "crible", "--password", PASSWORD, "--file", str(folder / "local.yaml"))
        api.cscli("bouncers", "add", "test", "--key", BOUNCER_KEY)
    command = namespace.command("crowdsec", "-c", str(folder / "config.yaml"), "-no-cs")
    with running(command, folder / "log"):

        def answers() -> bool:
            try:
                return api.get("/v1/decisions") is None or True
            except httpx.TransportError:
                return False

        wait_for(answers, f"CrowdSec; it said {(folder / 'log').read_text()}")
        yield api


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Skips where CrowdSec is missing."""
    need("crowdsec", "cscli")
    return tmp_path


def fed(namespace: Namespace, point: CrowdSecPoint) -> tuple[Feeder, DecisionStore]:
    """A feeder that works inside the namespace."""
    feeder, store = feeder_of(point)
    step = feeder.step
    feeder.step = lambda: namespace.inside(step)  # type: ignore[method-assign]
    return feeder, store


def test_a_block_acts_and_ends_through_its_own_bouncer(namespace: Namespace, folder: Path) -> None:
    """What we push, CrowdSec's firewall bouncer drops; what we lift, it accepts again; an operator's own ban stays."""
    need("crowdsec-firewall-bouncer")
    feeder, store = fed(namespace, CrowdSecPoint(settings(folder, API_PORT)))
    (folder / "bouncer.yaml").write_text(CONFIG.format(folder=folder, port=API_PORT, key=BOUNCER_KEY))
    held = decision(ATTACKER)
    with crowdsec(namespace, folder) as api, namespace.mail_server(PORT):
        namespace.run("cscli", "-c", str(folder / "config.yaml"), "decisions", "add", "--ip", IN_RANGE)
        with running(namespace.command("crowdsec-firewall-bouncer", "-c", str(folder / "bouncer.yaml")), folder / "fw"):
            sources = (CUSTOMER, ATTACKER, IN_RANGE)

            def seen() -> list[bool]:
                return [namespace.accepts(source, PORT, DROPPED_S) for source in sources]

            wait_for(lambda: seen() == [True, True, False], "the operator's own ban")
            store.put(held)
            feeder.step()
            wait_for(lambda: seen() == [True, False, False], f"ours; it said {(folder / 'fw').read_text()}")
            store.put(lifted(held, time.time()))
            feeder.step()
            wait_for(lambda: seen() == [True, True, False], "the end")
            assert set(api.held()) == {IN_RANGE}


def test_an_extended_block_comes_back_at_its_bouncer(namespace: Namespace, folder: Path) -> None:
    """The bouncer lets go of an extended block at its first end, and is then made to take it again."""
    need("crowdsec-firewall-bouncer")
    point = CrowdSecPoint(settings(folder, API_PORT))
    (folder / "bouncer.yaml").write_text(CONFIG.format(folder=folder, port=API_PORT, key=BOUNCER_KEY))
    until = time.time() + 6

    def refused() -> bool:
        return not namespace.accepts(ATTACKER, PORT, DROPPED_S)

    def apply(end: float) -> None:
        namespace.inside(lambda: point.apply([decision(ATTACKER, until=end)], time.time()))

    with crowdsec(namespace, folder) as api, namespace.mail_server(PORT):
        apply(until)
        with running(namespace.command("crowdsec-firewall-bouncer", "-c", str(folder / "bouncer.yaml")), folder / "fw"):
            wait_for(refused, "the block")
            apply(until + 3600)
            wait_for(lambda: not refused(), "the first end")

            def told_again() -> bool:
                apply(until + 3600)
                return refused()

            wait_for(told_again, "the block again")
        assert len(api.get("/v1/decisions?origins=crible")) == 1


def test_pushed_decisions_are_what_bouncers_read(namespace: Namespace, folder: Path) -> None:
    """Origin, type, scope, scenario and end arrive as they are; more of them than fit into one request, too."""
    feeder, store = fed(namespace, CrowdSecPoint(settings(folder, API_PORT)))
    until = time.time() + 3600
    for value in (f"{ATTACKER}/32", RANGE, RANGE_6, *(f"11.0.{n // 250}.{n % 250}" for n in range(250))):
        store.put(decision(value, until=until))
    with crowdsec(namespace, folder) as api:
        feeder.step()
        served = {each["value"]: each for each in api.get("/v1/decisions/stream?startup=true")["new"]}
    assert len(served) == 253
    expected = {"origin": "crible", "type": "ban", "scenario": "crible/password_spray"}
    for value, scope in ((ATTACKER, "Ip"), (RANGE, "Range"), (RANGE_6, "Range")):
        assert served[value].items() >= {**expected, "scope": scope}.items()
        assert served[value]["duration"].startswith("59m5")


def test_what_others_change_is_put_right(namespace: Namespace, folder: Path) -> None:
    """Deleted decisions come back, extended ones last longer, a second Crible makes nothing twice, and nobody else's go."""
    until, now = time.time() + 600, time.time()
    point, other = (CrowdSecPoint(settings(folder, API_PORT)) for _ in range(2))
    both = [decision(ATTACKER, until=until), decision(RANGE, until=until)]

    def apply(to: CrowdSecPoint, decisions: list[Any], at: float) -> None:
        namespace.inside(lambda: to.apply(decisions, at))

    with crowdsec(namespace, folder) as api:
        apply(point, both, now)
        apply(other, both, now)
        assert len(api.get("/v1/decisions?origins=crible")) == 2
        namespace.run("cscli", "-c", str(folder / "config.yaml"), "decisions", "delete", "--ip", ATTACKER)
        assert set(api.held()) == {RANGE}
        apply(point, both, now + 61)
        assert set(api.held()) == {ATTACKER, RANGE}
        apply(point, [decision(RANGE, until=until + 7200)], now + 62)
        assert [(value, left[:2]) for value, left in api.held().items()] == [(RANGE, "2h")]
        apply(other, [], now + 200)
        assert api.held() == {}


def test_a_restarted_crowdsec_is_logged_into_again(namespace: Namespace, folder: Path) -> None:
    """While it is away the error says so; afterwards the decisions are there, with their own ends."""
    feeder, store = fed(namespace, CrowdSecPoint(settings(folder, API_PORT)))
    with crowdsec(namespace, folder) as api:
        feeder.step()
        assert api.held() == {}
    store.put(decision(ATTACKER))
    feeder.step()
    with crowdsec(namespace, folder) as api:
        feeder.step()
        assert set(api.held()) == {ATTACKER}


def test_a_wrong_password_is_an_error(namespace: Namespace, folder: Path) -> None:
    """Refused credentials are told with the address of the API, and without the password."""
    given = settings(folder, API_PORT)
    (folder / "password").write_text("another one")
    point = CrowdSecPoint(given)
    with crowdsec(namespace, folder), pytest.raises(CribleError, match=r"8080: CrowdSec does not take decisions: .*401") as failure:
        namespace.inside(lambda: point.apply([], time.time()))
    assert "another one" not in str(failure.value)


def test_what_crowdsec_allows_is_not_posted_over_and_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that CrowdSec takes and does not keep, being on its allow list, is posted once a minute and no more."""
    posted: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            posted.append(request.url.path)
        return httpx.Response(200, text="null")

    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **options: client(**options, transport=httpx.MockTransport(answer)))
    point, now = CrowdSecPoint(settings(tmp_path, 1)), time.time()
    for later in (0, 1, 2, 59):
        point.apply([decision(ATTACKER)], now + later)
    assert posted == ["/v1/alerts"]
    point.apply([decision(ATTACKER)], now + 121)
    assert posted == ["/v1/alerts"] * 2


def test_nobody_there(tmp_path: Path) -> None:
    """An API that does not listen is an error; an absent password file ends the start."""
    with pytest.raises(CribleError, match="CrowdSec does not take decisions"):
        CrowdSecPoint(settings(tmp_path, free_port())).apply([], time.time())
    with pytest.raises(InputError, match="none: cannot be read"):
        CrowdSecPoint(CrowdSec(url="http://127.0.0.1:1", machine_id="crible", password_file=str(tmp_path / "none")))
