"""SIGKILL at each write from the alert to the last edit of a request in Slack: nothing is lost, nothing asked twice.

The workspace and the system that is called outlive the server. A press that was acknowledged is stored; one that was
not is pressed again by the person, whose buttons still stand there. (D03, D12; S4, S28, S41)
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from soar.rehearsal.inbox import SlackInbox
from tests.crash.clicking import SIGNING, TOKEN, Life, clicked

POINTS = 16
"""Kill points of the short run; the long one takes all."""
LANES = 6
"""Deployments at one time, each with a workspace of its own."""


@pytest.fixture(scope="module")
def workspaces() -> Iterator[list[SlackInbox]]:
    with ExitStack() as stack:
        made = [SlackInbox(token=TOKEN, channels={}, signing_secret=SIGNING) for _ in range(LANES)]
        for one in made:
            one.start()
            stack.callback(one.stop)
        yield made


async def matrix(folder: Path, workspaces: list[SlackInbox], chosen: int | None) -> None:
    began = time.monotonic()
    seed = int(os.environ.get("CRASH_SEED", "") or random.SystemRandom().randrange(1 << 32))
    lives: dict[str, Life] = {}
    wrong: list[str] = []
    async with aiohttp.ClientSession() as http:
        clean = await clicked(folder / "clean", http, workspaces[0], "clean")
        assert clean.wrong() == []
        assert clean.marked == 0
        points = [f"{side}:{number}" for number in range(1, clean.writes + 1) for side in ("before", "after")]
        if chosen is not None:
            points = random.Random(seed).sample(points, min(chosen, len(points)))
        left = iter(points)

        async def lane(workspace: SlackInbox) -> None:
            for point in left:
                name = point.replace(":", "-")
                try:
                    lives[point] = await clicked(folder / name, http, workspace, name, point)
                except Exception as error:  # noqa: BLE001 # told with all the others
                    wrong.append(f"{point} {error!r}")

        await asyncio.gather(*map(lane, workspaces))
    wrong += [f"{point} {word}" for point, life in lives.items() for word in life.wrong()]
    _tell(seed, clean.writes, points, lives, time.monotonic() - began)
    assert wrong == [], f"seed {seed}\n" + "\n".join(wrong)
    # Writes differ by a few from run to run, as what arrives together is written together: the last may not come.
    assert sum(life.died for life in lives.values()) >= len(points) * 0.7


def _tell(seed: int, writes: int, points: list[str], lives: dict[str, Life], seconds: float) -> None:
    died = sum(life.died for life in lives.values())
    doubled = sum(len(life.calls) > 1 for life in lives.values())
    twice = sum(life.most_live > 1 or life.requests > 1 for life in lives.values())
    reposted = sum(life.marked for life in lives.values())
    print(
        f"\nclicks, seed {seed}: {writes} writes, {len(points)} kill points, {died} died there and resumed, lost: 0,"
        f" asked twice: {twice}, calls repeated under their key: {doubled},"
        f" posts made once more without a second set of buttons: {reposted}; {seconds:.0f} s"
    )


@pytest.mark.timeout(600)
async def test_d03_killed_at_seeded_writes_between_alert_and_last_edit(
    tmp_path: Path, workspaces: list[SlackInbox]
) -> None:
    await matrix(tmp_path, workspaces, POINTS)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_d03_killed_at_every_write_between_alert_and_last_edit(
    tmp_path: Path, workspaces: list[SlackInbox]
) -> None:
    await matrix(tmp_path, workspaces, None)
