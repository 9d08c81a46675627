"""The database that the settings name, opened as they say."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from soar.config import Settings
from soar.errors import UpgradeNeeded
from soar.store import PostgresOptions, Store, is_postgres

log = structlog.get_logger(__name__)

PATIENCE: Final = 600.0
"""Seconds for which a process waits that somebody brings the schema of a server up to date."""
_LOOK: Final = 1.0


async def open_store(settings: Settings, *, create: bool = True, waits: bool = False) -> Store:
    """Open it; `create`: make a file that is not there; `waits`: an upgrade of a server is waited for.

    Raises:
        NotFound: there is no file, and none is to be made.
        StoreError: it cannot be used.
    """
    postgres = PostgresOptions(**settings.postgres.model_dump())
    deadline = time.monotonic() + (PATIENCE if waits and is_postgres(settings.database) else 0.0)
    told = False
    while True:
        try:
            return await Store.open(settings.database, create=create, postgres=postgres)
        except UpgradeNeeded as error:
            if time.monotonic() >= deadline:
                raise
            if not told:
                log.warning("waiting for the upgrade of the database", reason=str(error))
            told = True
            await asyncio.sleep(_LOOK)
