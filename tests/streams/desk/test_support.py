"""What support is answered over HTTP, and that nobody else is."""

from __future__ import annotations

from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from models.accounts import AccountDirectory
from models.alerts import Alert, Subject, alert_id
from models.attempts import Resolver
from models.breaker import Breaker
from models.decisions import join_value
from models.errors import CribleError
from models.geo import Geo
from models.lists import MAX_ENTRIES, ListEntry
from models.policy import Policy
from models.references import KNOWN_S, PastDecisions
from models.stops import Stop, Stops
from streams.desk import orders as orders_module
from streams.desk.admission import Admission
from streams.desk.current_policy import CurrentPolicy
from streams.desk.orders import ControlView
from streams.desk.support import MAX_GRANT_S, support_routes
from streams.serve import create_app
from streams.settings import ApiKey, Settings
from streams.store import DecisionStore
from tests.factories import DAY_S, T0, ban, campaign
from tests.streams.desk.over_http import OverHttp

KEYS = [
    ApiKey(name="desk", sha256=sha256(b"desk").hexdigest(), support=True),
    ApiKey(name="ops", sha256=sha256(b"ops").hexdigest(), operator=True),
    ApiKey(name="bouncer", sha256=sha256(b"bouncer").hexdigest()),
    ApiKey(name="org", sha256=sha256(b"org").hexdigest(), support=True, realms=("Example.org",)),
    ApiKey(name="net", sha256=sha256(b"net").hexdigest(), support=True, realms=("example.net",)),
]
ADDRESS, ALICE, DOCTOR = "203.0.113.7", "alice@example.org", "doctor@example.org"


class Service(OverHttp[ListEntry]):
    """The HTTP side with a pair, a guard and an entry of the block list."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.view = ControlView(Settings(), CurrentPolicy(Policy.enforcing()))
        self.store = store = DecisionStore(Policy.default())
        self.past = PastDecisions()
        self.pair = ban(join_value(ADDRESS, ALICE), scope="account_ip")
        self.guard = ban(ALICE, scope="account", type="guard", until=T0 + 60)
        self.listed = ListEntry(list="block", address="198.51.100.1", ts=T0, until=T0 + 60, reason="a thief", by="anne")
        for decision in (self.pair, self.guard):
            store.put(decision)
        resolver = Resolver(AccountDirectory("example.org"), Geo())
        common = Admission(store, KEYS, lambda: self.now, lambda: self.is_ready)
        self.view.block_list = [self.listed]
        routes = support_routes(common, resolver, self.view, self.keep, lambda _decision, account: account == DOCTOR, self.past)
        self.app = create_app(*common, more_routes=routes)

    def appeal(self, **fields: Any) -> httpx.Response:
        return self.ask("POST", "/v1/desk/appeals", "desk", json={"grant_s": 3600, "reason": "a customer"} | fields)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.mark.parametrize(("key", "status"), [("desk", 200), ("ops", 200), ("bouncer", 403), ("wrong", 403), ("", 403)])
def test_only_support_and_operators_are_answered(service: Service, key: str, status: int) -> None:
    """A key that may read the block list learns nothing about a customer."""
    assert service.ask("GET", f"/v1/why?login={ALICE}", key).status_code == status


def test_why_resolves_the_login(service: Service) -> None:
    """As typed, as the events' are."""
    told = service.ask("GET", "/v1/why?login=Alice").json()
    assert [answer["decision_id"] for answer in told["answers"]] == [service.pair.decision_id, service.guard.decision_id]
    assert set(told["answers"][0]["customer"]) == {"en", "fr"}


def test_nothing_is_an_answer_too(service: Service) -> None:
    """In both languages."""
    told = service.ask("GET", "/v1/why?login=bob").json()
    assert (told["answers"], set(told["nothing"])) == ([], {"en", "fr"})


@pytest.mark.parametrize("query", ["", "?ip=here", "?user=alice"])
def test_a_question_about_nobody_is_refused(service: Service, query: str) -> None:
    """One of the three, and an address that is one."""
    assert service.ask("GET", f"/v1/why{query}").status_code == 400


def test_a_service_that_still_reads_says_so(service: Service) -> None:
    """It does not say that nobody is refused."""
    service.is_ready = False
    assert service.ask("GET", "/v1/why?login=alice").status_code == 503


def test_an_appeal_lets_in_whom_the_decision_refuses(service: Service) -> None:
    """The pair of a pair; with who granted it and until when."""
    answer = service.appeal(ref=service.pair.decision_id[:12])
    assert answer.status_code == 202
    (entry,) = service.kept
    assert (entry.list, entry.address, entry.account, entry.until) == ("allow", ADDRESS, ALICE, T0 + 3600)
    assert (entry.by, entry.reason) == ("desk", "a customer")


def test_an_appeal_against_a_list_names_the_same_target(service: Service) -> None:
    """The reference is that of the entry."""
    assert service.appeal(ref=service.listed.reference).status_code == 202
    assert (service.kept[0].address, service.kept[0].account) == ("198.51.100.1", "")


def test_an_appeal_that_would_open_an_account_to_everybody_needs_an_address(service: Service) -> None:
    """Guard keeps attackers out of the account: only the customer's address is let in."""
    ref = service.guard.decision_id[:12]
    assert service.appeal(ref=ref).status_code == 400
    assert service.appeal(ref=ref, ip="192.0.2.9").status_code == 202
    assert [(entry.address, entry.account) for entry in service.kept] == [("192.0.2.9", ALICE)]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"ref": "0" * 12}, 404),
        ({"ref": ""}, 404),
        ({"grant_s": 59}, 400),
        ({"grant_s": MAX_GRANT_S + 1}, 400),
        ({"reason": ""}, 400),
        ({"ip": "here"}, 400),
        ({"forever": True}, 400),
    ],
)
def test_a_wrong_appeal_lets_nobody_in(service: Service, fields: dict[str, Any], status: int) -> None:
    """Unknown references, no reason, no end within a week."""
    answer = service.appeal(**({"ref": service.pair.decision_id[:12]} | fields))
    assert (answer.status_code, service.kept) == (status, [])


def test_a_full_list_is_said(service: Service) -> None:
    """Nobody would follow an entry that is left out, so none is sent."""
    service.view.block_list = [replace(service.listed, list="allow", address=f"2001:db8:0:{n:x}::/64") for n in range(MAX_ENTRIES)]
    answer = service.appeal(ref=service.pair.decision_id[:12])
    assert (answer.status_code, "the allow list is full" in answer.json()["message"], service.kept) == (409, True, [])


def test_a_broker_that_is_away_is_said(service: Service) -> None:
    """The appeal is to be made again."""
    service.failure = CribleError("the broker did not take a record")
    assert service.appeal(ref=service.pair.decision_id[:12]).status_code == 503


def test_whom_a_reopening_lets_in_is_not_refused(service: Service) -> None:
    """A cut country is told about everybody who may come from there, except those who are let in again."""
    service.store.put(ban("BR", scope="country"))
    told = {login: service.ask("GET", f"/v1/why?login={login}").json()["answers"] for login in ("bob", "doctor")}
    assert {login: len(answers) for login, answers in told.items()} == {"bob": 1, "doctor": 0}
    assert "from the country BR" in told["bob"][0]["support"]["en"]


# -- support of one realm ----------------------------------------------------------------------------------------------


def test_support_of_a_realm_is_told_of_its_accounts_alone(service: Service) -> None:
    """Neither by login nor by reference; what refuses an address is everybody's to know."""
    ref = service.pair.decision_id[:12]
    for query in (f"login={ALICE}", f"ref={ref}"):
        assert service.ask("GET", f"/v1/why?{query}", "org").json()["answers"]
        assert service.ask("GET", f"/v1/why?{query}", "net").json()["answers"] == []
    assert service.ask("GET", "/v1/why?ip=198.51.100.1", "net").json()["answers"]


def test_support_of_a_realm_lets_in_its_accounts_alone(service: Service) -> None:
    """Nobody of another realm, and no whole address, behind which others are."""
    pair, listed = service.pair.decision_id[:12], service.listed.reference
    for key, fields, status in [
        ("org", {"ref": pair}, 202),
        ("net", {"ref": pair}, 404),
        ("net", {"ref": listed}, 403),
        ("net", {"ref": listed, "login": ALICE}, 403),
        ("net", {"ref": listed, "login": "bob@example.net"}, 202),
    ]:
        given = {"grant_s": 3600, "reason": "a customer"} | fields
        assert service.ask("POST", "/v1/desk/appeals", key, json=given).status_code == status
    assert [(entry.address, entry.account) for entry in service.kept] == [
        (ADDRESS, ALICE),
        ("198.51.100.1", "bob@example.net"),
    ]


# -- verdicts ------------------------------------------------------------------------------------------------------------

VERDICT_REF = "c" * 12


def told_by_a_verdict(service: Service) -> dict[str, Any]:
    """What support hears of the reference that clients were shown."""
    (answer,) = service.ask("GET", f"/v1/why?ref={VERDICT_REF}").json()["answers"]
    return dict(answer)


def test_support_is_told_of_the_reference_of_a_verdict(service: Service) -> None:
    """Until when, and why; the customer hears nothing of the attack."""
    service.view.take([on_control("campaign/running", campaign(), "campaign/1")])
    answer = told_by_a_verdict(service)
    assert (answer["reference"], answer["state"], answer["decision_id"]) == (VERDICT_REF, "enforced", None)
    assert answer["until"] == campaign().until_ts
    assert "leaked pairs tried once each" in answer["support"]["en"]
    assert "leaked" not in answer["customer"]["en"]
    assert "webmail" in answer["customer"]["en"]
    assert service.ask("GET", "/v1/why?ref=cccccccccccd").json()["answers"] == []


def test_what_has_become_of_verdicts_is_told(service: Service) -> None:
    """Stopped by a person or the breaker; not given; over: the last also after the next campaign has begun."""
    service.view.take([on_control("campaign/running", campaign(), "campaign/1")])
    service.store.stop(Stops((Stop(ts=T0, by="ops", reason="a drill", kind="campaign"),)))
    assert told_by_a_verdict(service)["state"] == "suspended"
    service.store.stop(Stops())
    service.view.breaker = Breaker(opened=T0)
    assert told_by_a_verdict(service)["state"] == "suspended"
    service.view.policy = CurrentPolicy(Policy.default())
    assert told_by_a_verdict(service)["state"] == "not enforced"
    later = campaign(ts=T0 + 90_000, campaign_id="d" * 32, first_ts=T0 + 86_400)
    service.view.take([on_control("campaign/running", later, "campaign/1")])
    service.now = T0 + 86_400
    answer = told_by_a_verdict(service)
    assert (answer["state"], answer["customer"]["en"].split(";")[0]) == ("ended", "Nothing refuses your log-ins at the moment")


def test_an_appeal_against_a_verdict_names_the_customer(service: Service) -> None:
    """A verdict is about one account at one address, and so is what lets in."""
    service.view.take([on_control("campaign/running", campaign(), "campaign/1")])
    for fields in ({}, {"ip": "192.0.2.9"}, {"login": "alice"}):
        assert service.appeal(ref=VERDICT_REF, **fields).status_code == 400
    assert service.appeal(ref=VERDICT_REF, ip="192.0.2.9", login="alice").status_code == 202
    assert [(entry.address, entry.account) for entry in service.kept] == [("192.0.2.9", ALICE)]


def test_the_reference_of_a_decision_is_known_after_its_end(service: Service) -> None:
    """For a week; to whom its realm is open, and as long as the account is not forgotten. Nobody is let in by it."""
    pair = ban(join_value("203.0.113.9", ALICE), scope="account_ip", until=T0 + 60)
    service.past.put(pair, T0)
    service.past.put(ban("203.0.113.10", mode="shadow"), T0)
    asked = f"/v1/why?ref={pair.decision_id[:12]}"
    service.now = pair.end + KNOWN_S - 1
    (answer,) = service.ask("GET", asked).json()["answers"]
    assert (answer["state"], answer["decision_id"]) == ("ended", pair.decision_id)
    assert "were refused" in answer["support"]["en"]
    assert answer["customer"]["en"].startswith("Nothing refuses your log-ins at the moment")
    assert service.ask("GET", asked, "net").json()["answers"] == []
    assert service.appeal(ref=pair.decision_id[:12], ip="203.0.113.9", login="alice").status_code == 404
    service.now += 1
    assert service.ask("GET", asked).json()["answers"] == []
    service.now -= 1
    service.past.remove(pair.decision_id)
    assert service.ask("GET", asked).json()["answers"] == []


def test_campaigns_before_a_restart_are_known_from_their_alerts(service: Service) -> None:
    """The reference that a client was told yesterday; what auth.control says of the one that still runs goes first."""
    subject = Subject(campaign="c" * 32)
    fields: dict[str, Any] = {"severity": "high", "score": 1.0, "first_ts": T0 - DAY_S, "last_ts": T0, "subject": subject}
    old = Alert(
        alert_id=alert_id("campaign", subject, 1),
        kind="campaign",
        ts=T0 - 60,
        campaign_id="c" * 32,
        cause="password_spray",
        **fields,
    )
    service.view.recall(old)
    answer = told_by_a_verdict(service)
    assert (answer["state"], answer["until"]) == ("ended", T0 - 60)
    assert "few tries on each of many accounts" in answer["support"]["en"].lower()
    service.view.take([on_control("campaign/running", campaign(), "campaign/1")])
    service.view.recall(old)
    assert told_by_a_verdict(service)["state"] == "enforced"
    for number in range(orders_module._MOST_ATTACKS + 1):
        service.view.recall(msgspec.structs.replace(old, campaign_id=f"{number:032x}", ts=T0 - 100))
    assert len(service.view.attacks) == orders_module._MOST_ATTACKS
    assert told_by_a_verdict(service)["state"] == "enforced"


def on_control(key: str, value: object, schema: str) -> Any:
    """A record of ``auth.control`` as kafka-python gives it, in MessagePack."""
    said = msgspec.msgpack.encode(value)
    return SimpleNamespace(topic="auth.control", key=key.encode(), value=said, headers=[("crible-schema", schema.encode())])
