"""Account changes: what happened to an account besides log-ins (contract section 1).

``ChangeStage`` hands them on to the partition of their account, numbered like the attempts there: so the account stage has one
input, whose order is on record, and counts each change once.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from models.stage import NoRow, Outputs, Stage

__all__ = ["SCHEMA", "AccountChange", "By", "Change", "ChangeStage"]

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


class ChangeStage(Stage[NoRow, AccountChange]):
    """Keeps nothing but how far it is, and what it has seen."""

    def __init__(self) -> None:
        super().__init__(max_rows=0)

    @staticmethod
    def row_type(key: str) -> type[NoRow]:
        """There are none."""
        return NoRow

    def _fold(self, change: AccountChange, offset: int, outputs: Outputs) -> None:
        outputs.forwards.append((offset, change))

    def _expired(self, row: NoRow) -> bool:
        return True

    def _alerting(self, row: NoRow) -> bool:
        return False

    def _remarkable(self, row: NoRow) -> tuple[float, ...]:
        return (0.0,)
