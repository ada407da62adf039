"""The figures of a simulated stream beside those that were published about real log-ins.

Two large studies of real password log-ins give figures to compare with. RBA: S. Wiefling, P. R. Jørgensen, S. Thunem, L. Lo
Iacono, "Pump Up Password Security!", ACM TOPS 2023 (one service in Norway, February 2020 to February 2021; the failures and
takeovers are those of the published data set). Araña: M. Islam, M. S. Bohuk, P. Chung, T. Ristenpart, R. Chatterjee, USENIX
Security 2023 (two universities, seven months). Both are of people at browsers. Mail programs poll, so here an account logs in
far more often, and a far smaller share fails: that is as it should be. No such figures of POP and IMAP users are public.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple
from zlib import crc32

from models.events import AuthEvent, device_of
from simulator.labels import Label

__all__ = ["Marginal", "Marginals"]

_DAY_S: Final = 86_400
_MONTH_DAYS: Final = 30
_MILLION: Final = 1_000_000
#: From here on address-days and accounts are a sample: one in so many.
_LARGE: Final = 20_000
_ONE_IN: Final = 8
#: What Araña takes for an address-day worth looking at.
_FILTER_ATTEMPTS: Final = 7
_FILTER_FAILURES: Final = 0.8

_RBA_ATTEMPTS: Final = 31.3e6
_RBA_USERS: Final = 3.3e6
_RBA_DAYS: Final = 375
_RBA_TAKEOVERS: Final = 141


class Marginal(NamedTuple):
    """One figure: what it is, here, and as published (``None``: neither study says)."""

    name: str
    here: str
    published: str | None = None


class _AddressDay:
    __slots__ = ("attacks", "attempts", "failures")

    def __init__(self) -> None:
        self.attempts = self.failures = self.attacks = 0


class Marginals:
    """Counts a stream as it passes.

    Args:
        accounts: Mailboxes of the provider.
        hours: Event time that the stream covers.
    """

    def __init__(self, accounts: int, hours: float) -> None:
        self._accounts, self._days = accounts, hours / 24
        self._one_in = _ONE_IN if accounts > _LARGE else 1
        self._attempts = self._failures = self._benign = self._benign_failures = self._attacks = self._entered = 0
        self._day = -1
        self._address_days: dict[str, _AddressDay] = {}
        self._kept = self._kept_attacking = self._all_address_days = self._sampled_attacks = self._kept_attacks = 0
        self._devices: dict[str, set[str]] = {}
        self._countries: dict[str, set[str]] = {}
        self._all_countries: set[str] = set()

    def add(self, event: AuthEvent, label: Label) -> None:
        """Count one attempt. They come in order of time."""
        failed, attack = not event.success, label.label != "benign"
        self._attempts += 1
        self._failures += failed
        if attack:
            self._attacks += 1
            self._entered += label.label == "account_takeover" and event.success
        else:
            self._benign += 1
            self._benign_failures += failed
            self._add_account(event)
        self._add_address(event, failed=failed, attack=attack)

    def _add_account(self, event: AuthEvent) -> None:
        country = event.country or ""
        self._all_countries.add(country)
        account = event.account or event.login
        if event.success and crc32(account.encode()) % self._one_in == 0:
            self._devices.setdefault(account, set()).add(device_of(event))
            self._countries.setdefault(account, set()).add(country)

    def _add_address(self, event: AuthEvent, *, failed: bool, attack: bool) -> None:
        day = int(event.ts) // _DAY_S
        if day != self._day:
            self._end_day()
            self._day = day
        if crc32(event.remote.encode()) % self._one_in == 0:
            counts = self._address_days.get(event.remote)
            if counts is None:
                counts = self._address_days[event.remote] = _AddressDay()
            counts.attempts += 1
            counts.failures += failed
            counts.attacks += attack

    def _end_day(self) -> None:
        for counts in self._address_days.values():
            self._sampled_attacks += counts.attacks
            if counts.attempts >= _FILTER_ATTEMPTS and counts.failures >= _FILTER_FAILURES * counts.attempts:
                self._kept += 1
                self._kept_attacking += counts.attacks > 0
                self._kept_attacks += counts.attacks
        self._all_address_days += len(self._address_days)
        self._address_days = {}

    def rows(self) -> Iterator[Marginal]:
        """All figures; the stream has ended."""
        self._end_day()
        active, travelling = len(self._devices), sum(len(countries) > 1 for countries in self._countries.values())
        rba_per_month = _RBA_ATTEMPTS / _RBA_USERS / _RBA_DAYS * _MONTH_DAYS
        per_month = self._benign / self._accounts / self._days * _MONTH_DAYS
        takeovers = self._entered / max(1, self._attempts) * _MILLION
        rba_takeovers = _RBA_TAKEOVERS / _RBA_ATTEMPTS * _MILLION
        rule = f">= {_FILTER_ATTEMPTS} attempts, >= {_FILTER_FAILURES * 100:.0f} % fail"
        yield Marginal("accounts", f"{self._accounts:,}", "RBA: 3.3 million")
        yield Marginal("opened by their owner", _percent(active * self._one_in, self._accounts))
        yield Marginal("attempts", f"{self._attempts:,}", "RBA: 31.3 million; Araña: 34 million")
        yield Marginal("of owners, per account and month", f"{per_month:.1f}", f"RBA: {rba_per_month:.2f}, attacks included")
        yield Marginal("attempts that fail", _percent(self._failures, self._attempts), "RBA: 60 %")
        yield Marginal("attempts of owners that fail", _percent(self._benign_failures, self._benign))
        yield Marginal("attempts that are attacks", _percent(self._attacks, self._attempts))
        yield Marginal("takeovers per million attempts", f"{takeovers:,.0f}", f"RBA: {rba_takeovers:.1f} found")
        yield Marginal("clients per account", _mean(self._devices))
        yield Marginal("countries per account", _mean(self._countries))
        yield Marginal("accounts in two countries or more", _percent(travelling, active))
        yield Marginal("countries of owners", f"{len(self._all_countries)}")
        yield Marginal(
            f"address-days with {rule}", _percent(self._kept, self._all_address_days), "Araña's filter: 29 attacks in it"
        )
        yield Marginal("of them an attacker's", _percent(self._kept_attacking, self._kept))
        yield Marginal(
            "attack attempts in them", _percent(self._kept_attacks, self._sampled_attacks), "Araña: busy addresses are not all"
        )


def _percent(part: int, whole: int) -> str:
    return f"{part / whole * 100:.1f} %" if whole else "-"


def _mean(sets: dict[str, set[str]]) -> str:
    return f"{sum(map(len, sets.values())) / len(sets):.2f}" if sets else "-"
