"""Odoo."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="odoo",
    provenance="Odoo's odoo/addons/base/models/res_users.py (_login, authenticate), 9 to 18",
    gaps="Behind a reverse proxy the address is the proxy's unless proxy_mode is on.",
    protocol="http",
    tags=re.compile(r"odoo.*"),
    words=(
        "Login failed for db:",
        "Login successful for db:",
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r"\d+ INFO \S+ odoo\.addons\.base\.models\.res_users: Login failed for (?:db:\S+ "
                rf")?login:(?P<login>.*) from (?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                r"\d+ INFO \S+ odoo\.addons\.base\.models\.res_users: Login successful for (?:db:\S+ "
                rf")?login:(?P<login>.*) from (?P<remote>{ADDRESS})\s*$",
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "2022-04-12 06:00:01,644 1 INFO odoo odoo.addons.base.models.res_users: Login failed for db:odoo "
            "login:anna@example.org from 192.0.2.62",
            {"login": "anna@example.org", "remote": "192.0.2.62", "success": False},
        ),
        Sample(
            "2022-04-12 06:00:02,644 1 INFO odoo odoo.addons.base.models.res_users: Login successful for db:odoo "
            "login:bob from 2001:db8::62",
            {"login": "bob", "remote": "2001:db8::62", "success": True},
        ),
        Sample("2022-04-12 06:00:03,644 1 INFO odoo odoo.modules.loading: loading 1 modules...", None),
    ),
)
