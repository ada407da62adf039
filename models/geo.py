"""Where an address is: country, network operator (ASN) and coordinates, from MaxMind DB files.

The only module that knows ``maxminddb``. Two layouts are read: MaxMind's nested one (``country.iso_code``,
``location.latitude``, ``autonomous_system_number``) and the flat one of the ip-location-db project (``country_code``,
``asn``; numbers may be strings). Geography is evidence, never a condition for running: whatever is wrong with a file
becomes a line in :attr:`Geo.warnings` and the answer "unknown".

Source: https://maxmind.github.io/MaxMind-DB/ (file format 2.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import maxminddb

from models.events import AuthEvent
from models.memo import Memo

__all__ = ["STALE_AFTER_S", "UNKNOWN", "Geo", "Place", "is_foreign", "state_of"]

#: Address space changes hands: MaxMind and the regional registries publish at least weekly.
STALE_AFTER_S: Final = 90 * 86_400
_REMEMBERED: Final = 1 << 17
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")
_ASN: Final = re.compile(r"(?:AS)?([0-9]{1,10})", re.IGNORECASE)
_MAX_LATITUDE: Final = 90.0
_MAX_LONGITUDE: Final = 180.0

#: Territories with an ISO 3166-1 code of their own that belong to the country named.
_TERRITORIES: Final[Mapping[str, frozenset[str]]] = {
    "FR": frozenset({"GP", "MQ", "GF", "RE", "YT", "PM", "BL", "MF", "WF", "PF", "NC", "TF"}),
    "DK": frozenset({"FO", "GL"}),
    "FI": frozenset({"AX"}),
    "GB": frozenset({"GG", "JE", "IM", "GI"}),
    "NL": frozenset({"AW", "BQ", "CW", "SX"}),
    "US": frozenset({"AS", "GU", "MP", "PR", "UM", "VI"}),
}
_STATES: Final = {territory: state for state, territories in _TERRITORIES.items() for territory in territories}


class Place(NamedTuple):
    """``country``: ISO 3166-1 code, "" if unknown; ``asn``: 0 if unknown; degrees north and east."""

    country: str
    asn: int
    latitude: float | None
    longitude: float | None


UNKNOWN: Final = Place("", 0, None, None)


def is_foreign(country: str, home: str = "FR") -> bool:
    """Is ``country`` another one than ``home``, whose overseas territories are home too? Unknown is not foreign.

    >>> is_foreign("RE"), is_foreign("DE"), is_foreign("")
    (False, True, False)
    """
    return bool(country) and state_of(country) != state_of(home)


def state_of(country: str) -> str:
    """The country that ``country`` belongs to: itself, or for a territory with a code of its own the state behind it.

    >>> state_of("RE"), state_of("DE")
    ('FR', 'DE')
    """
    return _STATES.get(country, country)


class Geo:
    """Looks up places; without a file every place is unknown.

    Attributes:
        warnings: One line for each thing that is wrong with a file; grows when a look-up meets damaged data.
        build: When the newest open file was built, UTC seconds; ``None`` without a file.
    """

    def __init__(self, readers: Mapping[Path, maxminddb.Reader] | None = None, warnings: Sequence[str] = ()) -> None:
        self._readers = dict(readers or {})
        self.warnings = list(warnings)
        builds = [int(reader.metadata().build_epoch) for reader in self._readers.values()]
        self.build: int | None = max(builds, default=None)
        self._places = Memo(self._find, _REMEMBERED)

    @classmethod
    def open(cls, paths: Sequence[Path], now: float | None = None) -> Geo:
        """Open every readable file of ``paths``; an earlier file wins where two know the same thing.

        Args:
            paths: MaxMind DB files, e.g. one for countries and one for ASNs.
            now: UTC seconds; ``None`` leaves out the test for stale files. A stale file is used, with a warning.
        """
        readers: dict[Path, maxminddb.Reader] = {}
        warnings: list[str] = []
        for path in paths:
            try:
                reader = maxminddb.open_database(path)
            except FileNotFoundError:
                warnings.append(f"{path}: geo file is missing; places that only it knows are unknown")
                continue
            except (OSError, ValueError, maxminddb.InvalidDatabaseError):
                warnings.append(f"{path}: geo file is damaged or no MaxMind DB; places that only it knows are unknown")
                continue
            readers[path] = reader
            age_s = 0.0 if now is None else now - reader.metadata().build_epoch
            if age_s > STALE_AFTER_S:
                warnings.append(f"{path}: geo file is stale, built {age_s / 86_400:.0f} days ago; get a newer one")
        return cls(readers, warnings)

    def place(self, event: AuthEvent) -> Place:
        """Where ``event`` came from: what is stamped in it wins, so a replay sees the geography of the day."""
        return self._places[event.remote if self._readers else "", event.country, event.asn]

    def stamp(self, event: AuthEvent) -> None:
        """Write the place into an event that does not name it whole, and which build knew it; nothing without a file."""
        if self.build is not None and (event.country is None or event.asn is None):
            place = self.place(event)
            event.country, event.asn, event.geo_build = place.country or None, place.asn or None, self.build

    def _find(self, known: tuple[str, str | None, int | None]) -> Place:
        """Merge what is stamped with what the files know; another country's coordinates would be wrong."""
        address, stamped_country, stamped_asn = known
        country, asn = stamped_country or "", stamped_asn or 0
        latitude = longitude = None
        for path, reader in self._readers.items():
            record = self._record(path, reader, address)
            country = country or _country(record)
            asn = asn or _asn(record)
            if latitude is None and _country(record) == country:
                latitude, longitude = _coordinates(record)
        return Place(country, asn, latitude, longitude)

    def _record(self, path: Path, reader: maxminddb.Reader, address: str) -> Mapping[str, Any]:
        try:
            record = reader.get(address)
        except maxminddb.InvalidDatabaseError:
            warning = f"{path}: geo file has damaged records; their places are unknown"
            if warning not in self.warnings:
                self.warnings.append(warning)
            return {}
        except ValueError:  # an IPv6 address and a file for IPv4 only
            return {}
        return record if isinstance(record, dict) else {}


def _country(record: Mapping[str, Any]) -> str:
    nested = record.get("country")
    code = nested.get("iso_code") if isinstance(nested, dict) else record.get("country_code")
    return code.upper() if isinstance(code, str) and _COUNTRY.fullmatch(code) else ""


def _asn(record: Mapping[str, Any]) -> int:
    match = _ASN.fullmatch(str(record.get("autonomous_system_number", record.get("asn"))))
    return int(match[1]) if match else 0


def _coordinates(record: Mapping[str, Any]) -> tuple[float | None, float | None]:
    nested = record.get("location")
    found = nested if isinstance(nested, dict) else record
    try:
        latitude, longitude = float(found["latitude"]), float(found["longitude"])
    except (KeyError, TypeError, ValueError):
        return None, None
    return (latitude, longitude) if abs(latitude) <= _MAX_LATITUDE and abs(longitude) <= _MAX_LONGITUDE else (None, None)
