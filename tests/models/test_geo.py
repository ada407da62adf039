"""Geo: places from MaxMind DB files of two layouts; damaged files only cost knowledge."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.events import AuthEvent
from models.geo import UNKNOWN, Geo, Place, is_foreign

FLAT = Path("geo/geo-whois-asn-country.mmdb")
FLAT_BUILD = 1_781_725_900
MAXMIND = Path("geo/maxmind_test")


def event(remote: str, **stamped: object) -> AuthEvent:
    """An event from ``remote`` with geo stamps."""
    return AuthEvent(ts=0.0, login="bob", remote=remote, success=True, **stamped)  # type: ignore[arg-type]


def test_without_a_file_every_place_is_unknown() -> None:
    """No file is an ordinary state: unknown, and no warning."""
    geo = Geo.open([])
    assert geo.place(event("192.0.2.7")) == UNKNOWN
    assert (geo.warnings, geo.build) == ([], None)


def test_stamped_values_need_no_file() -> None:
    """What ingest stamped is used as it is."""
    assert Geo().place(event("192.0.2.7", country="FR", asn=3215)) == Place("FR", 3215, None, None)


def test_an_event_is_stamped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is not stamped yet, and the build that knew it; without a file nothing is."""
    geo, whole, half, bare = Geo(), event("192.0.2.7", country="FR", asn=3215), event("192.0.2.7", country="FR"), event("192.0.2.7")
    geo.stamp(bare)
    assert (bare.country, bare.asn, bare.geo_build) == (None, None, None)
    geo.build = FLAT_BUILD
    monkeypatch.setattr(geo, "place", lambda known: Place(known.country or "", 3215, None, None))
    for stamped in (whole, half, bare):
        geo.stamp(stamped)
    assert (whole.country, whole.asn, whole.geo_build) == ("FR", 3215, None)
    assert (half.country, half.asn, half.geo_build) == ("FR", 3215, FLAT_BUILD)
    assert (bare.country, bare.asn, bare.geo_build) == (None, 3215, FLAT_BUILD)


def test_missing_file_is_a_warning(tmp_path: Path) -> None:
    """A missing file gives one line that names it, and unknown places."""
    geo = Geo.open([tmp_path / "no.mmdb"], now=0.0)
    assert geo.place(event("192.0.2.7")) == UNKNOWN
    assert len(geo.warnings) == 1
    assert "no.mmdb: geo file is missing" in geo.warnings[0]


@pytest.mark.parametrize("content", [b"", b"not a database", b"\xab\xcd\xefMaxMind.com" + bytes(50)])
def test_file_of_another_kind_is_a_warning(tmp_path: Path, content: bytes) -> None:
    """An empty file, other data and a truncated header give one line and unknown places."""
    path = tmp_path / "bad.mmdb"
    path.write_bytes(content)
    geo = Geo.open([path])
    assert geo.place(event("192.0.2.7")) == UNKNOWN
    assert len(geo.warnings) == 1
    assert "damaged or no MaxMind DB" in geo.warnings[0]


def test_a_directory_is_a_warning(tmp_path: Path) -> None:
    """A path that is no file at all gives one line too."""
    assert len(Geo.open([tmp_path]).warnings) == 1


@pytest.mark.shared_data
def test_flat_layout(shared_data: Path) -> None:
    """The flat layout knows countries in both families."""
    geo = Geo.open([shared_data / FLAT])
    assert geo.place(event("81.2.69.142")) == Place("GB", 0, None, None)
    assert geo.place(event("2a02:c7f::1")).country == "GB"
    assert geo.build == FLAT_BUILD


@pytest.mark.shared_data
def test_nested_layout_from_two_files(shared_data: Path) -> None:
    """Country and coordinates come from one file, the ASN from another."""
    geo = Geo.open([shared_data / MAXMIND / "GeoLite2-City-Test.mmdb", shared_data / MAXMIND / "GeoLite2-ASN-Test.mmdb"])
    place = geo.place(event("81.2.69.142"))
    assert (place.country, place.latitude, place.longitude) == ("GB", 51.5142, -0.0931)
    assert geo.place(event("1.128.0.1")).asn == 1221
    assert geo.warnings == []


@pytest.mark.shared_data
def test_stamps_win_over_a_lookup(shared_data: Path) -> None:
    """A replay sees the stamped country and ASN; coordinates of another country are not mixed in."""
    geo = Geo.open([shared_data / MAXMIND / "GeoLite2-City-Test.mmdb"])
    assert geo.place(event("81.2.69.142", country="DE", asn=64500)) == Place("DE", 64500, None, None)
    assert geo.place(event("81.2.69.142", country="GB", asn=64500)) == Place("GB", 64500, 51.5142, -0.0931)


@pytest.mark.shared_data
def test_stale_file_is_used_with_a_warning(shared_data: Path) -> None:
    """A file older than 90 days warns with its age and still answers."""
    assert Geo.open([shared_data / FLAT], now=FLAT_BUILD + 89 * 86_400).warnings == []
    geo = Geo.open([shared_data / FLAT], now=FLAT_BUILD + 160 * 86_400)
    assert len(geo.warnings) == 1
    assert "stale, built 160 days ago" in geo.warnings[0]
    assert geo.place(event("81.2.69.142")).country == "GB"


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "name",
    [
        "GeoIP2-City-Test-Broken-Double-Format.mmdb",
        "GeoIP2-City-Test-Invalid-Node-Count.mmdb",
        "MaxMind-DB-test-broken-pointers-24.mmdb",
        "MaxMind-DB-test-broken-search-tree-24.mmdb",
    ],
)
def test_damaged_files_never_stop_the_stream(shared_data: Path, name: str) -> None:
    """Damage found at opening or at a look-up gives one line per file and the answer unknown."""
    geo = Geo.open([shared_data / MAXMIND / name])
    remotes = [
        "81.2.69.142",
        "216.160.83.56",
        "1.1.1.1",
        "1.1.1.3",
        "1.1.1.16",
        "1.1.1.32",
        "255.255.1.1",
        "2001:218::1",
        "2001:db8::1",
    ]
    assert {geo.place(event(remote)) for remote in remotes} == {UNKNOWN}
    assert len(geo.warnings) == 1
    assert name in geo.warnings[0]


@pytest.mark.parametrize("territory", ["GP", "MQ", "GF", "RE", "YT", "PM", "BL", "MF", "WF", "PF", "NC", "TF"])
def test_overseas_france_is_french(territory: str) -> None:
    """No overseas territory is foreign to France, and all are to Germany."""
    assert not is_foreign(territory)
    assert is_foreign(territory, home="DE")


def test_foreign() -> None:
    """Other countries are foreign; home and unknown are not."""
    assert is_foreign("DE")
    assert not is_foreign("FR")
    assert not is_foreign("")
    assert not is_foreign("PR", home="US")
