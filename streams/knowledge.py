"""What the operator told us about accounts, groups and places, read from the files that the settings name."""

from __future__ import annotations

from pathlib import Path
from time import time

from models.accounts import AccountDirectory, Groups, Realm
from models.attempts import Resolver
from models.geo import Geo
from streams import telemetry
from streams.settings import Settings

__all__ = ["load_geo", "load_groups", "load_resolver"]


def load_resolver(settings: Settings) -> Resolver:
    """Account keys and places.

    Raises:
        InputError: The accounts file is wrong.
    """
    domain = settings.accounts.default_domain or ""
    realms = {
        name: Realm(tuple(rules.aliases), rules.tag_separator, rules.ignore_dots)
        for name, rules in settings.accounts.realms.items()
    }
    file = settings.accounts.file
    accounts = AccountDirectory.load(Path(file), domain, realms) if file else AccountDirectory(domain, realms=realms)
    return Resolver(accounts, load_geo(settings))


def load_geo(settings: Settings) -> Geo:
    """Places; what is wrong with a file is logged, and what only it knows is unknown."""
    geo = Geo.open([Path(path) for path in settings.geo.database], time())
    for warning in geo.warnings:
        telemetry.warning("geo.unusable", reason=warning)
    return geo


def load_groups(settings: Settings, resolver: Resolver) -> Groups:
    """Groups of accounts; none without a file.

    Raises:
        InputError: The groups file is wrong.
    """
    return Groups.load(Path(settings.groups.file), resolver.accounts) if settings.groups.file else Groups()
