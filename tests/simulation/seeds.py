"""Seeds in a row, and what they came to: events, faults, crashes, refused writes, each counted by kind."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.simulation.invariants import Broken
from tests.simulation.week import week

PATIENCE: Final = 600.0
"""Seconds of real time for one week, which takes one or two, and a minute where many wait for a stuck target: one
that takes longer never comes to rest."""


@dataclass
class Tally:
    """What was simulated."""

    seeds: int = 0
    executions: int = 0
    effects: int = 0
    stale: int = 0
    events: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count that too."""
        self.seeds += other.seeds
        self.executions += other.executions
        self.effects += other.effects
        self.stale += other.stale
        self.events += other.events
        self.faults += other.faults
        self.broken += other.broken

    def __str__(self) -> str:
        def told(counts: Counter[str]) -> str:
            return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))

        made = f"{self.executions} executions, {self.effects} changes outside"
        counts = f"{self.seeds} seeded weeks: {made}, {self.stale} writes of frozen engines refused"
        kinds = (f"events: {told(self.events)}", f"faults: {told(self.faults)}")
        return "\n".join([counts, *kinds, f"broken: {len(self.broken)}", *self.broken])


def simulate(seed: int) -> Tally:
    """One week; a broken invariant is told with its seed."""
    with tempfile.TemporaryDirectory(prefix="soar-week-") as folder:
        return asyncio.run(_simulate(seed, Path(folder)))


async def _simulate(seed: int, folder: Path) -> Tally:
    tally = Tally(seeds=1)
    async with week(seed, folder) as one:
        try:
            async with asyncio.timeout(PATIENCE):
                await one.run()
        except Broken as error:
            tally.broken.append(str(error))
        except TimeoutError:
            tally.broken.append(f"seed {seed}: it never comes to rest")
        tally.executions, tally.effects, tally.stale = len(one.opened), len(one.outside.effects), one.stale
        tally.events, tally.faults = one.events, one.outside.faults
    return tally


def simulate_all(seeds: Iterable[int], *, until_broken: bool = False) -> Tally:
    """All of them, one after the other; `until_broken`: no further than the first that breaks."""
    whole = Tally()
    for seed in seeds:
        whole.add(simulate(seed))
        if until_broken and whole.broken:
            break
    return whole
