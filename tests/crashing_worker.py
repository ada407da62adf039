"""``crible worker``, except that it kills itself at one step of a checkpoint.

Usage: ``python -m tests.crashing_worker STAGE STEP NUMBER [BROKER_PID]``. At STEP of the NUMBER-th checkpoint of STAGE in this
process it sends itself SIGKILL; with a BROKER_PID the broker stands still from two seconds before until just after. The product
has no hook for this: the steps of a checkpoint are methods, and here they are wrapped.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from typing import Any

import models.changelog
from streams.cli import main
from streams.partitions import Partition

__all__ = ["SMALL_FRAME_BYTES", "STEPS"]

#: Small enough that a checkpoint has several frames, so that a crash can fall between them.
SMALL_FRAME_BYTES = 20_000

#: Each names the moment that it stands for; see ``streams.partitions``.
STEPS = ("outputs sent", "outputs acknowledged", "first frame written", "frames acknowledged", "batch acknowledged")


def _die(broker_pid: int | None) -> None:
    if broker_pid is not None:
        os.kill(broker_pid, signal.SIGSTOP)
        time.sleep(2)
        subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -CONT {broker_pid}"], start_new_session=True)
    os.kill(os.getpid(), signal.SIGKILL)


def crash(stage: str, step: str, number: int, broker_pid: int | None) -> None:
    """Wrap the steps of a checkpoint."""
    checkpoints = itertools.count(1)
    await_outputs, write_frames, acknowledge = Partition._await_outputs, Partition._write_frames, Partition._acknowledge
    now = {"dying": False}

    async def awaiting(self: Partition[Any], sent: list[Any]) -> None:
        now["dying"] = now["dying"] or (
            self.spec.name == stage and bool(sent or stage != "by_source") and next(checkpoints) == number
        )
        if now["dying"] and step == "outputs sent":
            _die(broker_pid)
        await await_outputs(self, sent)
        if now["dying"] and step == "outputs acknowledged":
            _die(broker_pid)

    async def writing(self: Partition[Any], frames: list[bytes]) -> int:
        if now["dying"] and step == "first frame written" and self.spec.name == stage:
            await write_frames(self, frames[:1])
            _die(broker_pid)
        offset = await write_frames(self, frames)
        if now["dying"] and step == "frames acknowledged" and self.spec.name == stage:
            _die(broker_pid)
        return offset

    def acknowledging(self: Partition[Any], held: list[Any]) -> None:
        acknowledge(self, held)
        if now["dying"] and step == "batch acknowledged" and self.spec.name == stage:
            _die(broker_pid)

    Partition._await_outputs = awaiting  # type: ignore[method-assign]
    Partition._write_frames = writing  # type: ignore[method-assign]
    Partition._acknowledge = acknowledging  # type: ignore[method-assign]


if __name__ == "__main__":
    models.changelog.MAX_FRAME_BYTES = SMALL_FRAME_BYTES  # type: ignore[misc]
    crash(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else None)
    sys.exit(main(["worker"]))
