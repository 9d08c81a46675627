"""Big outputs: kept once by their digest, and whole again for templates (S8)."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from soar.model.execution import Fact
from soar.store import Store


async def with_artefacts(facts: Iterable[Fact], store: Store) -> list[Fact]:
    """The facts, with the outputs that were too big for history."""
    return [await _whole(fact, store) if "artefact" in fact.data else fact for fact in facts]


async def _whole(fact: Fact, store: Store) -> Fact:
    content = await store.artefacts.get(fact.data["artefact"]["sha256"])
    data = {**fact.data, "output": orjson.loads(content)}
    return Fact(fact.path, fact.kind, fact.attempt, fact.at, data)
