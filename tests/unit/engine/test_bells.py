"""Bells: what rings comes to its end when the process stops, and a store that is away stops none of them."""

from __future__ import annotations

import asyncio
import logging
from itertools import count

import pytest
from structlog.testing import capture_logs

from soar.engine.bells import Bells
from soar.errors import StoreUnavailable


async def test_what_rings_when_it_stops_comes_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    began, go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def job() -> None:
        began.set()
        await go.wait()
        ended.set()

    bells = Bells()
    bells.every(0.01, "watch", job)
    with caplog.at_level(logging.DEBUG):
        bells.start()
        await began.wait()
        stopping = asyncio.create_task(bells.stop(30))
        await asyncio.sleep(0)
        assert not stopping.done()
        go.set()
        await stopping
    assert ended.is_set()
    assert "Error" not in caplog.text


async def test_one_that_outlasts_the_grace_is_cut_without_a_trace_back(caplog: pytest.LogCaptureFixture) -> None:
    began, cut = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    bells = Bells()
    bells.at(0, "bell", job)
    with caplog.at_level(logging.DEBUG):
        bells.start()
        await began.wait()
        await bells.stop(0.0)
        await cut.wait()
        await asyncio.sleep(0)
    assert "Error" not in caplog.text


async def test_a_store_that_is_away_is_told_once_and_tried_again() -> None:
    tries, rung = count(1), asyncio.Event()

    async def job() -> None:
        if next(tries) < 4:
            raise StoreUnavailable("the disk is full")
        rung.set()

    bells = Bells()
    bells.every(0.01, "sweep", job)
    with capture_logs() as told:
        bells.start()
        await rung.wait()
        await bells.stop(30)
    assert [entry["bell"] for entry in told if entry["log_level"] == "warning"] == ["sweep"]
