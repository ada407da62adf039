"""Postfix asks about each client, refuses what is blocked, and goes on as before where nobody answers."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.accounts import AccountDirectory
from models.attempts import Resolver
from models.decisions import Except
from models.geo import Geo
from models.policy import Policy
from streams.enforcement.postfix import PostfixPoint
from streams.store import DecisionStore
from tests.block_service import LIMIT_S, wait_for
from tests.enforcing import (
    ATTACKER,
    ATTACKER_6,
    CUSTOMER,
    IN_RANGE,
    RANGE,
    RANGE_6,
    SERVER,
    Namespace,
    decision,
    feeder_of,
    lifted,
    need,
    running,
)

PORT, POLICY_PORT = 587, 10040
EXAMPLES = Path(__file__).resolve().parents[3] / "deploy/postfix"
MASTER = "/usr/lib/postfix/sbin/master"
#: What the example leaves out: folders of its own, and that a client may say as whom it has logged in.
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = all
mydestination = localhost
myhostname = mail.example.org
mynetworks =
alias_maps =
alias_database =
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
smtpd_authorized_xclient_hosts = {customer}
"""
OTHER_SERVICES = """
postlog unix-dgram n - n - 1 postlogd
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
rewrite unix - - n - - trivial-rewrite
"""
#: What Postfix 3.7 asks, as it came over the wire.
QUESTION = """request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address={address}
client_name=unknown
client_port=47908
reverse_client_name=localhost
server_address=127.0.0.1
server_port=18025
helo_name=x
sender=a@example.net
recipient=b@example.net
recipient_count=0
queue_id=
instance=3f.65f1.0
size=0
etrn_domain=
stress=
sasl_method=PLAIN
sasl_username={login}
sasl_sender=
ccert_subject=
encryption_keysize=0
policy_context=

"""


def new_point() -> PostfixPoint:
    return PostfixPoint(Policy.default, Resolver(AccountDirectory("example.org"), Geo()), time.time)


@contextmanager
def answering(point: PostfixPoint, listening: socket.socket) -> Iterator[int]:
    """The point at work; gives its port."""
    stop = threading.Event()
    thread = threading.Thread(target=point.serve, args=(listening, stop))
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stop.set()
        thread.join(LIMIT_S)


@contextmanager
def postfix(namespace: Namespace) -> Iterator[None]:
    """Postfix with the project's example of a configuration, in a folder that its own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="crible-postfix-"))
    try:
        folder.chmod(0o755)
        for name in ("etc", "spool", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        main = (EXAMPLES / "main.cf").read_text() + MAIN.format(folder=folder, customer=CUSTOMER)
        (folder / "etc/main.cf").write_text(main)
        services, chrooted = (EXAMPLES / "master.cf").read_text(), "n       -       y       -       -       smtpd"
        assert chrooted in services
        (folder / "etc/master.cf").write_text(services.replace(chrooted, "n - n - - smtpd") + OTHER_SERVICES)
        namespace.run("postfix", "-c", str(folder / "etc"), "check")
        with running(namespace.command(MASTER, "-c", str(folder / "etc"), "-d"), folder / "out"):
            wait_for(lambda: greeting(namespace, CUSTOMER).startswith("220"), "Postfix")
            yield
    finally:
        shutil.rmtree(folder)


def greeting(namespace: Namespace, source: str) -> str:
    """What a client at ``source`` is told first; "" where nothing listens."""
    return (namespace.said(source, PORT, limit_s=10) or b"").decode()


def recipient_answer(namespace: Namespace, login: str) -> str:
    """What a customer who has logged in as ``login`` is told at last."""
    lines = (f"XCLIENT LOGIN={login}", "EHLO x", "MAIL FROM:<a@example.net>", "RCPT TO:<b@example.net>")

    def converse() -> str:
        connection = socket.create_connection((SERVER, PORT), timeout=10, source_address=(CUSTOMER, 0))
        with connection, connection.makefile("r") as answers:
            answer = answers.readline()
            for line in lines:
                connection.sendall(f"{line}\r\n".encode())
                answer = answers.readline()
                while answer[3:4] == "-":
                    answer = answers.readline()
                if answer.startswith("421"):
                    break
            return answer

    return namespace.inside(converse)


def test_a_block_acts_and_ends(namespace: Namespace) -> None:
    """What is blocked gets a temporary code with a reference before it can log in; the end of Crible lets everybody in."""
    need("postfix")
    point = new_point()
    feeder, store = feeder_of(point)
    held = decision(ATTACKER)
    for each in (held, decision(RANGE), decision(RANGE_6)):
        store.put(each)
    feeder.step()
    with postfix(namespace):
        with answering(point, namespace.listen(POLICY_PORT, "127.0.0.1")):
            assert greeting(namespace, CUSTOMER).startswith("220 ")
            refusal = greeting(namespace, ATTACKER)
            assert re.fullmatch(r"421 4\.7\.0 .*Service unavailable, reference [0-9a-f]{12}\s*", refusal), refusal
            assert held.decision_id.startswith(refusal.split()[-1])
            assert greeting(namespace, IN_RANGE).startswith("421 ")
            assert greeting(namespace, ATTACKER_6).startswith("421 ")
            store.put(lifted(held, time.time()))
            feeder.step()
            assert greeting(namespace, ATTACKER).startswith("220 ")
        assert greeting(namespace, IN_RANGE).startswith("220 ")


def test_an_account_is_refused_from_one_address(namespace: Namespace) -> None:
    """A decision about an account and an address refuses that account alone, also when it is about SMTP only."""
    need("postfix")
    point = new_point()
    feeder, store = feeder_of(point)
    store.put(decision(f"{CUSTOMER}|alice@example.org", scope="account_ip", protocols=("imap", "smtp")))
    feeder.step()
    with postfix(namespace), answering(point, namespace.listen(POLICY_PORT, "127.0.0.1")):
        assert recipient_answer(namespace, "alice").startswith("421 4.7.0")
        # The policy let bob pass, to the end of the list: nobody can really log in here.
        assert "Recipient address rejected: Access denied" in recipient_answer(namespace, "bob")


def asked(port: int, *questions: str) -> bytes:
    """Everything that is answered to ``questions`` on one connection, until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as connection:
        for question in questions:
            connection.sendall(question.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_several_questions_on_a_connection() -> None:
    """Each is answered in turn; nonsense where an address should be passes."""
    point = new_point()
    point.apply([decision(ATTACKER, until=2e9)], time.time())
    addresses = (ATTACKER, CUSTOMER, "unknown", "", "\xff")
    with answering(point, socket.create_server(("127.0.0.1", 0))) as port:
        answers = asked(port, *(QUESTION.format(address=address, login="") for address in addresses))
    assert [answer[:10] for answer in answers.split(b"\n\n")] == [b"action=421", *[b"action=DUN"] * 4, b""]


@pytest.mark.parametrize("nonsense", ["x" * 100_000 + "\n\n", "client_address=203.0.113.7\n"])
def test_nonsense_is_closed_without_an_answer(nonsense: str) -> None:
    """A question that is too long or never ends gets no answer, and the next client is served."""
    point = new_point()
    with answering(point, socket.create_server(("127.0.0.1", 0))) as port:
        try:
            said = asked(port, nonsense)
        except ConnectionError:
            said = b""
        assert said == b""
        assert asked(port, QUESTION.format(address=CUSTOMER, login="")) == b"action=DUNNO\n\n"


def test_what_it_cannot_express_is_not_given() -> None:
    """Exceptions, devices, other protocols, shadow and the never-block set never refuse anybody here."""
    point = new_point()
    feeder, store = feeder_of(point)
    for each in (
        decision("203.0.113.1", except_=(Except(asns=(1,)),)),
        decision("203.0.113.2", protocols=("imap",)),
        decision("203.0.113.3", mode="shadow"),
        decision("203.0.113.4|id:1", scope="range_device"),
        decision("10.0.0.5"),
        decision("203.0.113.6", start=time.time() + 3600),
        decision("203.0.113.7"),
    ):
        store.put(each)
    feeder.step()
    asked_about = [*(f"203.0.113.{n}" for n in (1, 2, 3, 4, 6, 7)), "10.0.0.5"]
    refused = [address for address in asked_about if "421" in point.answer({"client_address": address})]
    assert refused == ["203.0.113.7"]


def test_the_store_is_not_needed_to_check_again() -> None:
    """An end that nobody told it about is an end all the same."""
    store = DecisionStore(Policy.default())
    store.put(decision(ATTACKER, until=time.time() + 0.3))
    point = new_point()
    point.apply(store.active(time.time(), lambda _: True), time.time())
    assert "421" in point.answer({"client_address": ATTACKER})
    wait_for(lambda: "DUNNO" in point.answer({"client_address": ATTACKER}), "the end")
