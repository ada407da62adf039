"""Magento, by CrowdSec's extension."""

from __future__ import annotations

import re
from typing import Final

from streams.formats.format import ADDRESS, Format, Rule, Sample

__all__ = ["FORMAT"]

FORMAT: Final = Format(
    name="magento",
    provenance="CrowdSec's documentation of its Magento 2 extension (crowdsec-events.log)",
    gaps="A failed log-in names no account; a customer is named by number.",
    protocol="http",
    tags=re.compile(r"crowdsec-events\.INFO"),
    words=(
        '_LOGIN_SUCCESS"',
        '_LOGIN_FAILED"',
    ),
    rules=(
        Rule(
            "attempt",
            re.compile(
                r'(?:crowdsec-events\.INFO: +)?\{"type":"(?:CUSTOMER|ADMIN)_LOGIN_FAILED","ip":"'
                rf'(?P<remote>{ADDRESS})","x-forwarded-for-ip":"[^"]*","bouncer_agent":"[^"]*"\}} \[\]\s*$',
                re.DOTALL,
            ),
            {"success": False},
        ),
        Rule(
            "attempt",
            re.compile(
                r'(?:crowdsec-events\.INFO: +)?\{"type":"(?:CUSTOMER|ADMIN)_LOGIN_SUCCESS","ip":"'
                rf'(?P<remote>{ADDRESS})","x-forwarded-for-ip":"[^"]*","bouncer_agent":"[^"]*"(?:,"customer_id":"'
                r'(?P<login>\d+)")?',
                re.DOTALL,
            ),
            {"success": True},
        ),
    ),
    samples=(
        Sample(
            "[2022-04-12 06:00:01] crowdsec-events.INFO:  "
            '{"type":"ADMIN_LOGIN_FAILED","ip":"192.0.2.118","x-forwarded-for-ip":"","bouncer_agent":"Magento 2 '
            'CrowdSec Bouncer/v1.0.0"} []',
            {"remote": "192.0.2.118", "success": False},
        ),
        Sample(
            "[2022-04-12 06:00:02] crowdsec-events.INFO:  "
            '{"type":"CUSTOMER_LOGIN_SUCCESS","ip":"192.0.2.119","x-forwarded-for-ip":"","bouncer_agent":"Magento 2 '
            'CrowdSec Bouncer/v1.0.0","customer_id":"202"} []',
            {"login": "202", "remote": "192.0.2.119", "success": True},
        ),
        Sample(
            "[2022-04-12 06:00:03] crowdsec-events.INFO:  "
            '{"type":"CUSTOMER_REGISTER_SUCCESS","ip":"192.0.2.119","x-forwarded-for-ip":"","bouncer_agent":"Magento '
            '2 CrowdSec Bouncer/v1.0.0","customer_id":"202"} []',
            None,
        ),
    ),
)
