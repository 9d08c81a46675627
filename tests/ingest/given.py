"""A store, playbooks and what rings and opens for them, without a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from soar.ingest.kinds import load_kinds
from soar.ingest.manual import by_hand, manual_source
from soar.ingest.match import Matcher
from soar.ingest.process import Processor
from soar.ingest.repeats import RepeatCap
from soar.ingest.ringer import Ringer
from soar.ingest.source import make_source
from soar.model.actor import Actor
from soar.model.alert import Alert, Match, RawAlert
from soar.model.execution import Execution
from soar.model.playbook import Playbook
from soar.playbook import parse_playbook
from soar.store import Store
from soar.testing.clock import FakeClock

ANA = Actor("person", "ana")


@dataclass
class Books:
    """Playbooks as the runtime has them loaded."""

    playbooks: dict[str, Playbook]
    digest: str = "catalog"

    def match(self, alert: Alert) -> list[Match]:
        return Matcher(list(self.playbooks.values())).match(alert)


@dataclass
class Desk:
    """One process's ringer and processor."""

    store: Store
    clock: FakeClock
    books: Books
    stopped: dict[str, str] = field(default_factory=dict)
    cap: RepeatCap | None = None

    def __post_init__(self) -> None:
        self.ringer = Ringer(
            self.store.alerts, self.store.events, self.store.audit, lambda: self.books.playbooks, self.clock
        )
        kinds = load_kinds()
        manual = manual_source(kinds)
        sources = {"manual": manual, "tickets": make_source("tickets", kinds["generic"], manual.verifier)}
        paused: Callable[[str], str | None] = self.stopped.get
        self.processor = Processor(
            self.store.alerts, sources, lambda: self.books, self.clock, timeout=3600.0, paused=paused, cap=self.cap
        )

    async def opened(self) -> list[Execution]:
        """All executions, once every raw alert is processed; the oldest first."""
        while await self.processor.step():
            pass
        return list(reversed((await self.store.executions.page(limit=200)).items))

    async def run(self, playbook_id: str, **asked: Any) -> RawAlert:
        """Ask for a playbook by hand."""
        raw = by_hand(playbook_id, {"title": "by hand"}, ANA, self.clock.now(), **asked)
        await self.store.alerts.keep([raw])
        return raw

    async def kept(self) -> list[RawAlert]:
        """The raw alerts that wait, the oldest first."""
        return list(await self.store.alerts.unprocessed(1_000))


def books(*texts: str) -> Books:
    """Playbooks of these texts; each ends with the same one step."""
    read = [parse_playbook(_whole(text), "p.yaml") for text in texts]
    return Books({book.id: book for book in read})


def scheduled(cron: str = "* * * * *", rest: str = "", name: str = "sweep") -> str:
    return f"id: {name}\ntrigger: {{schedule: {{cron: '{cron}'{rest}}}}}"


def _whole(text: str) -> str:
    trigger = "" if "trigger:" in text else "trigger: {}\n"
    return f"{text}\n{trigger}steps: [{{stop: done}}]\n"
