"""The version of a playbook that an execution started with, found by its digest after any edit."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from soar.model.playbook import Playbook
from soar.playbook import parse_playbook
from soar.store import Store

KEPT: Final = 20_000


class PinnedPlaybooks:
    """Loaded playbooks by digest: the current ones at hand, older ones from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loaded: OrderedDict[str, Playbook] = OrderedDict()

    def keep(self, playbook: Playbook) -> None:
        self._loaded[playbook.digest] = playbook
        if len(self._loaded) > KEPT:
            self._loaded.popitem(last=False)

    async def get(self, digest: str) -> Playbook:
        """The playbook of that digest.

        Raises:
            NotFound: no version of that digest was ever kept.
            PlaybookError: this version of the engine no longer reads it.
        """
        playbook = self._loaded.get(digest)
        if playbook is None:
            file, text = await self._store.playbooks.source(digest)
            playbook = parse_playbook(text, file)
            self.keep(playbook)
        return playbook
