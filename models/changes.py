"""Account changes: what happened to an account besides log-ins (contract section 1)."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = ["SCHEMA", "AccountChange", "By", "Change"]

SCHEMA: Final = "account-change/1"

Change = Literal["created", "closed", "password_changed", "credential_added", "credential_revoked", "group_changed"]
By = Literal["owner", "support", "forced", "system"]


class AccountChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``account`` is an account key, ``ts`` UTC seconds, ``remote`` the address that it was done from, where known."""

    ts: float
    account: str
    change: Change
    by: By
    remote: str | None = None
