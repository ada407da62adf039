"""Roundcube: what a user calls himself stands before the address."""

from __future__ import annotations

import pytest

from models.addresses import Proxies
from models.events import Refused
from tests.streams.formats.lines import read

LINE = "[12-Apr-2022 06:00:01 +0000]: <s1> IMAP Error: Login failed for {} against localhost from {}. AUTHENTICATE PLAIN: x"
PROXIES = Proxies(["10.0.0.0/8"])


@pytest.mark.parametrize("said", ["LOGIN: x", "AUTHENTICATE PLAIN: x", "Could not connect to x: y"])
def test_a_name_that_names_a_proxy_and_a_victim_is_refused(said: str) -> None:
    """The proxy would be believed."""
    with pytest.raises(Refused):
        read(LINE.format(f"anna from 10.0.0.1(X-Forwarded-For: 203.0.113.66). {said}", "192.0.2.9"), proxies=PROXIES)


def test_the_client_behind_a_proxy() -> None:
    """Whom a trusted proxy names, where the name is a name."""
    (event,) = read(LINE.format("anna", "10.0.0.1(X-Forwarded-For: 192.0.2.9)"), proxies=PROXIES)
    assert (event.login, event.remote) == ("anna", "192.0.2.9")
