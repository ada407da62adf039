"""The examples of enforcement points are settings that Crible takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.settings import CrowdSec, HaProxy, Nftables, Nginx, PlainList, PostfixPolicy, load

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
POINTS = {
    "haproxy/haproxy.cfg": HaProxy(file="/etc/haproxy/crible.map", socket="/run/haproxy/admin.sock"),
    "nftables/crible.nft": Nftables(),
    "nginx/crible.conf": Nginx(file="/etc/nginx/crible.geo"),
    "postfix/main.cf": PostfixPolicy(),
    "list/crible.toml": PlainList(file="/var/lib/crible/blocked.txt", min_remaining_s=300),
    "crowdsec/push.toml": CrowdSec(url="http://127.0.0.1:8080", machine_id="crible", password_file="/etc/crible/crowdsec-password"),
}


def settings_in(example: str) -> str:
    """The TOML of an example: the file itself, or what is indented in its comments."""
    text = (DEPLOY / example).read_text()
    if example.endswith(".toml"):
        return text
    return "\n".join(line.removeprefix("#     ") for line in text.splitlines() if line.startswith("#     "))


@pytest.mark.parametrize("example", POINTS)
def test_settings_of_a_point(example: str, tmp_path: Path) -> None:
    """What an example asks to write into the settings is one point, with nothing else than it says."""
    config = tmp_path / "crible.toml"
    config.write_text("\n".join(line for line in settings_in(example).splitlines() if "include" not in line))
    assert load(config, {}).block.points == [POINTS[example]]


def test_a_key_of_the_firewall_bouncer(tmp_path: Path) -> None:
    """The bouncer's example names the setting without which it would miss ranges."""
    config = tmp_path / "crible.toml"
    config.write_text(settings_in("crowdsec/crowdsec-firewall-bouncer.yaml.local"))
    (key,) = load(config, {}).block.api_keys
    assert key.addresses_only
