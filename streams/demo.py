"""``crible demo``: the whole job with no broker, on a made-up mail provider under attack.

Simulated attempts -> alerts -> decisions -> a block list on 127.0.0.1, and a summary that judges the decisions by the
simulator's labels. The stages are those of the worker and the ledger is that of the blocking service. Nothing in the
result depends on the clock: the same seed gives the same result.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Final

import click
import msgspec
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from models.accounts import AccountDirectory, Groups
from models.alerts import Alert
from models.attempts import Attempt, Resolver
from models.decisions import Decision, Ledger
from models.errors import InputError
from models.evaluation import ALL, BENIGN, FLOOD, GRACE_S, AttemptFigures, Effect, Evaluation, evaluate
from models.events import AuthEvent
from models.geo import Geo
from models.pipeline import Pipeline
from models.policy import Policy
from simulator import SCENARIOS, Label, groups, simulate
from streams.cli import print_json, standard_options
from streams.progress import progress
from streams.serve import DecisionStore, create_app, listen, server_of
from streams.settings import ApiKey, Settings
from streams.tables import number_column, percent, printable, table

__all__ = ["Demo", "Result", "command", "run", "serve"]

_SCENARIO: Final = "demo"
_HOUR_S: Final = 3600
_SHOWN_BLOCKS: Final = 8
_PICTURE_WIDTH: Final = 100
_HOST: Final = "127.0.0.1"
#: The scopes with refused attempts that a bouncer may ask for; addresses alone it gets without asking.
_SCOPES: Final = "ip,range,account_ip"
