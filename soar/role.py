"""What a process does on its database: all of it, the engine's part alone, or one command."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from soar.clock import Millis
from soar.ids import new_id
from soar.store import Process

DEFAULT_ZONE = ""
"""The zone of connections that name none; executions themselves run there."""


@dataclass(frozen=True, slots=True)
class Role:
    """What this process is for."""

    kind: Literal["serve", "worker", "command"] = "command"
    zones: tuple[str, ...] = (DEFAULT_ZONE,)
    """Whose calls it makes; one file has one engine, which makes all."""

    @property
    def may_keep(self) -> bool:
        """Whether it can do what one does for all: for that it has to reach what the default zone reaches."""
        return DEFAULT_ZONE in self.zones

    def process(self, now: Millis) -> Process:
        """As others see it."""
        try:
            installed = version("soar-engine")
        except PackageNotFoundError:
            installed = "unknown"
        return Process(new_id(), self.kind, self.zones, socket.gethostname(), os.getpid(), installed, now)
