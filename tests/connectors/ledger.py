"""The engine and its ledger on real connections: what is contained, what its system lost, what is made again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soar.clock import SystemClock
from soar.connector.connections import ConnectionSet
from soar.engine import Engine, Upkeep
from soar.engine.pinned import PinnedPlaybooks
from soar.ids import new_id
from soar.model.containment import Containment
from soar.model.execution import Execution
from soar.playbook import parse_playbook
from soar.store import ContainmentFilter, Store

HOUR = 3_600_000


@dataclass
class Ledger:
    """One database and one engine that looks at what it holds whenever it is told to."""

    store: Store
    engine: Engine
    clock: SystemClock = field(default_factory=SystemClock)

    async def contain(self, action: str, inputs: Mapping[str, Any]) -> Containment:
        """Carry out that one action; what it contains."""
        steps = f"steps: [{{id: it, action: {action}, with: {dict(inputs)!r}, undo: {{after: 1h}}}}]\n"
        book = parse_playbook("id: it\ntrigger: {match: {any: {severity|exists: true}}}\n" + steps, "it.yaml")
        await self.store.playbooks.keep([(book.id, book.digest, "it.yaml", book.source)], book.digest)
        now = self.clock.now()
        execution = Execution(new_id(), "run", book.id, book.digest, "queued", 0, now, now + HOUR)
        await self.store.executions.open(execution)
        await self.engine.settle()
        done = await self.store.executions.get(execution.id)
        assert done.state == "succeeded", done.error
        (one,) = (await self.store.containments.page(ContainmentFilter(current=True))).items
        return one

    async def look(self, containment: Containment) -> Containment:
        """Look after what is held, and see to what follows."""
        await self.engine.look_after()
        await self.engine.settle()
        return await self.store.containments.get(containment.id)

    async def lift(self, containment: Containment) -> Containment:
        """A person lifts it."""
        await self.store.containments.lift(containment.id, "person:ana", "false alarm", self.clock.now())
        await self.engine.settle()
        return await self.store.containments.get(containment.id)

    async def trail(self, containment: Containment) -> list[str]:
        """What the audit trail says of it, oldest first."""
        page = await self.store.audit.page(f"containment:{containment.id}")
        return [entry.action for entry in reversed(page.items)]


@asynccontextmanager
async def ledger_on(connections: ConnectionSet, folder: Path, reapply: int = 3) -> AsyncIterator[Ledger]:
    """A ledger in that folder, over those connections."""
    store = await Store.open(f"sqlite:///{folder}/ledger.db", synchronous="OFF")
    upkeep = Upkeep(check=0.0, reapply=reapply)
    engine = Engine(store, connections, PinnedPlaybooks(store), upkeep=upkeep)
    try:
        yield Ledger(store, engine)
    finally:
        await engine.stop(grace=0)
        await store.close()
