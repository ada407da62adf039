"""Which mailbox a log-in is for, and which groups it belongs to (contract section 1, "Account key").

One mailbox has many log-in names: aliases, plus-tags, other domains, upper case. Counters are kept by account, so that
an attacker cannot spread tries over the names of one mailbox.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unicodedata import normalize

from models.errors import InputError
from models.events import AuthEvent
from models.memo import Memo

__all__ = ["MAIL_PROTOCOLS", "AccountDirectory", "Groups", "Realm", "fold"]

#: Protocols whose log-in names are mail addresses; a name without a domain gets the default one.
MAIL_PROTOCOLS: Final = frozenset({"imap", "pop3", "smtp", "sieve", "http", "mobileapi"})
_REMEMBERED: Final = 1 << 17
#: Dovecot's usual ``auth_master_user_separator``.
_MASTER_SEPARATOR: Final = "*"


@dataclass(frozen=True, slots=True)
class Realm:
    """How the log-in names of one domain open its mailboxes.

    Attributes:
        aliases: Other domains with the same mailboxes.
        tag_separator: What starts a tag that is not part of the name, e.g. ``+`` in ``bob+shop``; "" for none.
        ignore_dots: Whether ``b.o.b`` is ``bob``.
    """

    aliases: tuple[str, ...] = ()
    tag_separator: str = ""
    ignore_dots: bool = False

    def local_part(self, name: str) -> str:
        """``name`` without tag and dots; a name that would vanish stays."""
        bare = name.partition(self.tag_separator)[0] if self.tag_separator else name
        bare = bare.replace(".", "") if self.ignore_dots else bare
        return bare or name


class AccountDirectory:
    """Resolves log-in names to account keys.

    Args:
        default_domain: Completes mail log-ins without a domain whose event names no realm.
        accounts: Log-in name to account, for names that do not follow from the rules.
        realms: Rules by main domain.
    """

    def __init__(
        self, default_domain: str = "", accounts: Mapping[str, str] | None = None, realms: Mapping[str, Realm] | None = None
    ) -> None:
        self._default_domain = fold(default_domain)
        self._realms = {fold(domain): realm for domain, realm in (realms or {}).items()}
        self._main_domain = {fold(alias): fold(domain) for domain, realm in (realms or {}).items() for alias in realm.aliases}
        self._accounts: dict[str, str] = {}
        for login, account in (accounts or {}).items():
            self._accounts.setdefault(fold(login), account)
        # The complete name first, so that both spellings of a listed bare name open the same account.
        for login, account in (accounts or {}).items():
            self._accounts.setdefault(self._complete(fold(login), "imap", ""), account)
        self._keys = Memo(self._find_key, _REMEMBERED)

    @classmethod
    def load(cls, path: Path, default_domain: str = "", realms: Mapping[str, Realm] | None = None) -> AccountDirectory:
        """Read ``accounts.csv``: header ``login,account,realm``, one name a line; ``realm`` may be empty.

        A name without a domain is completed with its line's realm. Load again after a change: the result is a new
        directory.

        Raises:
            InputError: A line is wrong or names a log-in a second time with another account.
        """
        accounts: dict[str, str] = {}
        for line, (login, account, realm) in _rows(path, ("login", "account", "realm"), optional=1):
            name = fold(login)
            name = f"{name}@{fold(realm)}" if realm and "@" not in name else name
            if accounts.setdefault(name, account) != account:
                raise InputError(
                    "log-in is listed twice with different accounts", where=f"{path}:{line}", hint="keep one of the lines"
                )
        return cls(default_domain, accounts, realms)

    def key(self, event: AuthEvent) -> str:
        """The account that ``event`` is counted for; "" (nobody) for a master-user log-in such as ``bob*admin``.

        What is nobody's counts for no source either: it is only seen in the rates of the service as a whole. Who types such
        names to guess a master password is not found by these counters.
        """
        return self._keys[event.login, event.protocol, event.account, event.realm]

    def _find_key(self, known: tuple[str, str, str | None, str | None]) -> str:
        login, protocol, account, realm = known
        if _MASTER_SEPARATOR in login and _is_master_login(login):
            return ""
        return account or self.resolve(login, protocol, realm or "")

    def resolve(self, login: str, protocol: str = "imap", realm: str = "") -> str:
        """The account behind a name as typed.

        >>> directory = AccountDirectory("example.org", realms={"example.org": Realm(("example.net",), "+")})
        >>> directory.resolve(" Bob+Shop@Example.NET"), directory.resolve("bob"), directory.resolve("bob", "ssh")
        ('bob@example.org', 'bob@example.org', 'bob@ssh')
        """
        name = fold(login)
        full = self._complete(name, protocol, fold(realm))
        known = self._accounts
        if known:
            for candidate in (full, name):
                if candidate in known:
                    return known[candidate]
        plain = self._apply_realm(full)
        return known.get(plain, plain)

    def _complete(self, name: str, protocol: str, realm: str) -> str:
        if protocol not in MAIL_PROTOCOLS:
            return f"{name}@{protocol}"
        domain = realm or self._default_domain
        return f"{name}@{domain}" if domain and "@" not in name else name

    def _apply_realm(self, full: str) -> str:
        local, at, domain = full.rpartition("@")
        domain = self._main_domain.get(domain, domain)
        rules = self._realms.get(domain)
        return f"{rules.local_part(local)}@{domain}" if rules and at else f"{local}{at}{domain}"


class Groups:
    """Which groups an account belongs to, e.g. ``health``."""

    def __init__(self, groups: Mapping[str, Iterable[str]] | None = None) -> None:
        self._groups = {account: tuple(sorted(set(names))) for account, names in (groups or {}).items()}

    @classmethod
    def load(cls, path: Path, directory: AccountDirectory) -> Groups:
        """Read ``groups.csv``: header ``login,group``, one pair a line; log-ins are resolved like events'.

        Raises:
            InputError: A line is wrong.
        """
        groups: dict[str, list[str]] = {}
        for _, (login, group) in _rows(path, ("login", "group")):
            groups.setdefault(directory.resolve(login), []).append(group)
        return cls(groups)

    def of(self, account: str) -> tuple[str, ...]:
        """The groups of ``account`` in alphabetical order."""
        return self._groups.get(account, ())

    def members(self) -> dict[str, list[str]]:
        """The accounts of each group."""
        found: dict[str, list[str]] = {}
        for account, names in self._groups.items():
            for name in names:
                found.setdefault(name, []).append(account)
        return found


def fold(name: str) -> str:
    """``name`` in NFC, case-folded and trimmed: the form in which names are compared."""
    if name.isascii():
        return name.strip().lower()
    return normalize("NFC", normalize("NFC", name).casefold()).strip()


def _is_master_login(login: str) -> bool:
    user, _, master = login.partition(_MASTER_SEPARATOR)
    return bool(user.strip() and master.strip())


def _rows(path: Path, header: tuple[str, ...], optional: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Line number and trimmed columns of each line; the last ``optional`` columns may be empty or absent."""
    needed = len(header) - optional
    expected = f"the header is {','.join(header)}"
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, strict=True)
            first = [name.strip() for name in next(reader, [])]
            if first[:needed] != list(header[:needed]) or first != list(header[: len(first)]):
                raise InputError("first line is not the header", where=f"{path}:1", hint=expected)
            for row in reader:
                columns = [column.strip() for column in row]
                if not any(columns):
                    continue
                where = f"{path}:{reader.line_num}"
                if not needed <= len(columns) <= len(header) or not all(columns[:needed]):
                    raise InputError(f"line has not the columns {','.join(header)}", where=where, hint=expected)
                if any("\udc80" <= char <= "\udcff" for char in "".join(columns)):
                    raise InputError("line is not UTF-8", where=where, hint="save the file as UTF-8")
                yield reader.line_num, columns + [""] * (len(header) - len(columns))
    except csv.Error as error:
        raise InputError(f"line is not CSV ({error})", where=f"{path}:{reader.line_num}", hint=expected) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
