"""The database that the settings name, opened as they say."""

from __future__ import annotations

from soar.config import Settings
from soar.store import PostgresOptions, Store


async def open_store(settings: Settings, *, create: bool = True) -> Store:
    """Open it; `create`: make a file that is not there.

    Raises:
        NotFound: there is no file, and none is to be made.
        StoreError: it cannot be used.
    """
    postgres = PostgresOptions(**settings.postgres.model_dump())
    return await Store.open(settings.database, create=create, postgres=postgres)
