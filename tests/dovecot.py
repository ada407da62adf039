"""Debian's Dovecot with the settings of ``deploy/dovecot``, on loopback ports and in a directory of its own."""

from __future__ import annotations

import imaplib
import os
import poplib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.local_kafka import free_port
from tests.block_service import LIMIT_S, wait_for

__all__ = ["NONCE", "PASSWORD", "USER", "Dovecot", "dovecot", "unavailable"]

USER, PASSWORD = "alice@example.org", "right"
NONCE = "a nonce for the test"
_SETTINGS = Path(__file__).resolve().parents[1] / "deploy" / "dovecot" / "crible-2.3.conf"
_PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_NOBODY = 65534
#: The client's address comes from the client, whom this Dovecot trusts, because the loopback is never refused. A failure is
#: answered without the usual delays.
_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
login_trusted_networks = 127.0.0.0/8
auth_failure_delay = 0
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid={nobody} gid={nobody} home={folder}/mail/%u
}}
!include {folder}/crible.conf
"""


def unavailable() -> str | None:
    """Why Dovecot cannot be run here, or ``None``."""
    if _PROGRAM is None:
        return "dovecot is not installed (Debian: dovecot-imapd dovecot-pop3d)"
    return None if os.geteuid() == 0 else "dovecot must be started by root"


@dataclass
class Dovecot:
    """A running Dovecot; the methods log in and out, and return what a refused client is told, or ``None``."""

    process: subprocess.Popen[bytes]
    imap_port: int
    pop3_port: int
    log: Path

    def imap(self, password: str = PASSWORD, remote: str = "203.0.113.7", user: str = USER) -> str | None:
        """By IMAP's LOGIN."""
        client = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=LIMIT_S)
        try:
            client.xatom("ID", f'("name" "Test" "x-originating-ip" "{remote}")')
            client.login(user, password)
        except imaplib.IMAP4.error as error:
            return str(error.args[0], "utf-8") if isinstance(error.args[0], bytes) else str(error)
        finally:
            client.logout()
        return None

    def pop3(self, password: str = PASSWORD, remote: str = "203.0.113.7", user: str = USER) -> str | None:
        """By POP3's USER and PASS."""
        client = poplib.POP3("127.0.0.1", self.pop3_port, timeout=LIMIT_S)
        try:
            client._shortcmd(f"XCLIENT ADDR={remote}")  # type: ignore[attr-defined]  # the library has no other way to say it
            client.user(user)
            client.pass_(password)
        except poplib.error_proto as error:
            return str(error.args[0], "utf-8")
        finally:
            with suppress(poplib.error_proto, OSError):
                client.quit()
        return None

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text() if self.log.exists() else ""


@contextmanager
def dovecot(gate_port: int, gate_key: str) -> Iterator[Dovecot]:
    """Run Dovecot, asking the gate on ``gate_port``, until the block ends.

    The directory is not pytest's: sockets have short names, and the mail processes are not root.
    """
    with TemporaryDirectory(prefix="dovecot-") as directory:
        folder = Path(directory)
        folder.chmod(0o755)
        (folder / "mail").mkdir()
        os.chown(folder / "mail", _NOBODY, _NOBODY)
        (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        server = Dovecot(None, free_port(), free_port(), folder / "log")  # type: ignore[arg-type]  # set below
        settings = _SETTINGS.read_text("utf-8").replace("http://127.0.0.1:8084/", f"http://127.0.0.1:{gate_port}/")
        settings = settings.replace("X-API-Key: CHANGE-ME", f"X-API-Key: {gate_key}").replace("CHANGE-ME", NONCE)
        (folder / "crible.conf").write_text(settings)
        (folder / "dovecot.conf").write_text(
            _CONFIG.format(folder=folder, imap_port=server.imap_port, pop3_port=server.pop3_port, nobody=_NOBODY)
        )
        server.process = subprocess.Popen([str(_PROGRAM), "-F", "-c", str(folder / "dovecot.conf")], stderr=subprocess.DEVNULL)
        try:
            for port in (server.imap_port, server.pop3_port):
                wait_for(lambda port=port: _listens(port), f"Dovecot to listen; it said {server.said()}")
            yield server
        finally:
            server.process.terminate()
            try:
                server.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
