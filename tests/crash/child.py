"""`soar serve` that dies by SIGKILL right before or right after its n-th write.

A write is one transaction of the store's writer that changed something, whatever stands in it. *Before* is the
instant before its COMMIT, *after* the instant after it, before anybody in the process is told.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soar.web.app  # so that the process the children are forked from has read everything once
from soar.cli.app import main
from soar.engine import activation
from soar.engine.calls import Ready
from soar.store import writer

__all__ = ["Order", "serve", "soar"]

STAY = 300
"""Milliseconds for which an execution waits in memory instead of parking: here a wait of a second has to park."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one child is to do."""

    folder: Path
    at: str = "never"
    """`before:N` or `after:N`."""
    fault: str = ""
    """`no write-ahead`: changing calls go out before their attempt is on disk."""
    environment: tuple[tuple[str, str], ...] = ()


def serve(order: Order) -> None:
    """Run the server of that folder in this process."""
    output = os.open(order.folder / "soar.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.update(order.environment)
    side, _, number = order.at.partition(":")
    arm(side, int(number or 0), order.folder / "writes")
    activation.STAY = STAY  # type: ignore[misc]
    if order.fault == "no write-ahead":
        activation.Activation._write_ahead = send_first  # type: ignore[method-assign]
    sys.exit(main(["serve", "--config", str(order.folder / "soar.yaml")]))


def arm(side: str, number: int, count: Path) -> None:
    """Have this process die at that write, and count the writes in a file."""
    numbers = itertools.count(1)
    current = 0
    changed = False

    def watched(work: Callable[..., Any]) -> Callable[..., Any]:
        def working(*given: Any) -> Any:
            nonlocal current, changed
            *_, connection, group = given
            before = changes(connection)
            results = work(*given)
            changed = changes(connection) > before and not all(map(is_word_of_life, group))
            if changed:
                current = next(numbers)
                if (side, number) == ("before", current):
                    os.kill(os.getpid(), signal.SIGKILL)
            return results

        return working

    write = writer.Writer._write

    def counted(self: writer.Writer, group: Sequence[Any]) -> Sequence[Any]:
        nonlocal changed
        changed = False
        results = write(self, group)
        if changed:
            count.write_text(str(current))
            if (side, number) == ("after", current):
                os.kill(os.getpid(), signal.SIGKILL)
        return results

    writer._together = watched(writer._together)
    writer._one_by_one = watched(writer._one_by_one)
    writer.Writer._write = counted  # type: ignore[method-assign]


def changes(connection: Any) -> int:
    """A number that is higher once the transaction has changed something."""
    if not hasattr(connection, "raw"):
        return int(connection.total_changes)
    (assigned,) = connection.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL").fetchone()
    return int(assigned)


def is_word_of_life(job: Any) -> bool:
    """That a process among several is alive is said by the clock: such writes are no part of what is counted."""
    return getattr(job.item, "__qualname__", "").startswith("Processes.")


async def send_first(self: activation.Activation, calls: list[Ready]) -> bool:
    """The fault: the attempts are written some time later, with whatever comes next."""
    for ready in calls:
        self._pending.facts += ready.facts
        self._pending.ledger += ready.ledger
        self._send(ready, self._clock.monotonic())
    return False
