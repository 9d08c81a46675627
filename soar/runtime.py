"""Settings in, one assembled process out: the only place where the parts are wired."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any, Literal, NamedTuple

from soar.approval.destinations import Destinations
from soar.approval.notices import Notices
from soar.approval.service import ApprovalService
from soar.clock import Clock, FollowedClock, Millis, SystemClock
from soar.config import Settings
from soar.database import open_store
from soar.definitions import Definitions, LoadedPlaybooks
from soar.engine import Engine, Guardrails, Limits, Rerun, Upkeep, run_again
from soar.engine.membership import Membership, Shared
from soar.engine.pinned import PinnedPlaybooks
from soar.engine.shared import SharedEngine
from soar.engine.stops import StopSwitches
from soar.engine.zones import CallWorker, ZonedConnections
from soar.errors import NotFound, Problem, RequestInvalid, SoarError
from soar.ingest.kinds import load_kinds
from soar.ingest.manual import MANUAL, by_hand, execution_id, manual_source
from soar.ingest.opening import pins_of, switched_off
from soar.ingest.process import Processor
from soar.ingest.receive import Intake
from soar.ingest.repeats import RepeatCap
from soar.ingest.ringer import Ringer
from soar.ingest.source import open_sources
from soar.model.actor import Actor
from soar.model.execution import Execution, ExecutionMode
from soar.playbook import Catalog, fitted
from soar.queue import Depth
from soar.role import DEFAULT_ZONE, Role
from soar.store import Process, Store, engine_lock, is_postgres
from soar.telemetry import logger

log = logger(__name__)


class Zone(NamedTuple):
    """One network zone."""

    name: str
    workers: int
    """Processes that make its calls."""
    waiting: int
    """Jobs that are due, and that nobody has taken up."""
    oldest: Millis | None
    """Since when the longest of them waits."""

    @classmethod
    def of(cls, name: str, alive: Sequence[Process], depth: Depth | None) -> Zone:
        workers = sum(name in one.zones for one in alive)
        return cls(name, workers, 0, None) if depth is None else cls(name, workers, depth.waiting, depth.oldest)

    @property
    def label(self) -> str:
        """As people and graphs name it."""
        return self.name or "default"


class Asked(NamedTuple):
    """A run by hand that was kept: its alert, and the execution that opens for it."""

    alert_id: str
    execution_id: str


def upkeep_of(settings: Settings) -> Upkeep:
    """How what is held is looked after."""
    kept = settings.containment
    return Upkeep(kept.check_every, kept.reapply, kept.notice)


class Runtime:
    """One process: intake, processor and engine on one database."""

    def __init__(
        self, definitions: Definitions, store: Store, catalog: Catalog, clock: Clock, role: Role | None = None
    ) -> None:
        self.role = role or Role()
        self.definitions = definitions
        self.settings = definitions.settings
        self.masker = definitions.masker
        self.connections = definitions.connections
        self.store = store
        self.clock = clock
        self.loaded = LoadedPlaybooks.of(catalog)
        self.pinned = PinnedPlaybooks(store)
        for playbook in catalog.playbooks.values():
            self.pinned.keep(playbook)
        execution = self.settings.execution
        self.guardrails = Guardrails(definitions.policy)
        self.membership = self._membership() if store.database.shared else None
        self.engine = self._engine()
        kinds = load_kinds([self.settings.connectors])
        # A worker takes no deliveries in, so the senders' secrets are none of its business.
        takes_in = self.role.kind != "worker"
        sources = open_sources(self.settings, kinds, definitions.secrets.resolve) if takes_in else {}
        cap = RepeatCap(store.repeats, store.events, store.audit, clock, execution.repeats, execution.repeats_window)
        self.processor = Processor(
            store.alerts,
            sources | {MANUAL: manual_source(kinds)},
            lambda: self.loaded,
            clock,
            self.engine.wake,
            timeout=self.settings.execution.timeout,
            mask=self.masker.mask,
            paused=self.guardrails.stops.paused,
            cap=cap,
            share=self.membership.share if self.membership else lambda: None,
        )
        self.ringer = Ringer(
            store.alerts, store.events, store.audit, lambda: self.loaded.playbooks, clock, self.processor.wake
        )
        proxies = [ip_network(network, strict=False) for network in self.settings.trusted_proxies]
        self.intake = Intake(
            sources, store.alerts, clock, self.settings.limits, proxies=proxies, on_kept=self.processor.wake
        )
        self.approvals = self._approvals()
        self._lock = contextlib.ExitStack()
        self._processing: asyncio.Task[None] | None = None
        self._ringing: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()

    def _membership(self) -> Membership:
        process = self.role.process(self.clock.now())
        membership = Membership(self.store, self.clock, process, may_keep=self.role.may_keep)
        membership.when_asked_to_reload(self.reload_quietly)
        membership.while_keeping(self._keep, self._hand_over)
        return membership

    def _engine(self) -> Engine:
        """The only one of a file, or one of several on a server."""
        execution = self.settings.execution
        limits = Limits(
            active=execution.side_by_side, on_failure=execution.on_failure_timeout, timeout=execution.timeout
        )
        stops = self.guardrails.stops
        options: dict[str, Any] = {
            "guardrails": self.guardrails,
            "mask": self.masker.mask,
            "wanted": lambda name: self.loaded.wants(name),  # noqa: PLW0108 # the set in use changes
            "upkeep": upkeep_of(self.settings),
        }
        if self.membership is None:
            return Engine(self.store, self.connections, self.pinned, self.clock, limits, **options)
        zones, own = self.role.zones, self.connections
        membership = self.membership
        self.guardrails.lacking = lambda name: membership.lacking(own.zone_of(name))
        zoned = ZonedConnections(own, own.zone_of, zones, self.store, self.clock, self.masker.mask)
        calls = CallWorker(self.store, own, self.clock, stops)
        shared = Shared(self.store.queue, self.store.conninfo, self.membership, zones, calls)
        return SharedEngine(self.store, zoned, self.pinned, self.clock, limits, shared=shared, **options)

    def _approvals(self) -> ApprovalService:
        people, groups = self.settings.people, self.settings.groups
        default = lambda: self.definitions.policy.rules.file.approval.notify or ()  # noqa: E731 # a reload changes it
        return ApprovalService(
            self.store,
            self.connections,
            Notices(self.store, self.connections, self.settings.public_url),
            Destinations(self.connections, people, groups, default),
            lambda: self.definitions.staff(),  # noqa: PLW0108 # likewise
            people,
            self.clock,
            self.engine.look,
        )

    @classmethod
    async def build(cls, settings: Settings, *, clock: Clock | None = None, role: Role | None = None) -> Runtime:
        """Read every definition and open the store; nothing runs yet.

        Raises:
            ConfigError, DefinitionError: something does not hold; nothing was opened.
            StoreError: the database cannot be used.
        """
        followed = FollowedClock(SystemClock().now()) if is_postgres(settings.database) else None
        clock = clock or followed or SystemClock()
        definitions = Definitions.read(settings, clock)
        catalog = definitions.sound_catalog()
        store = await open_store(settings, waits=role is not None)
        try:
            if followed is not None:
                followed.follow(await store.now())
            return cls(definitions, store, catalog, clock, role)
        except BaseException:
            await store.close()
            raise

    @property
    def warnings(self) -> Sequence[Problem]:
        """What is odd about the loaded playbooks, but runs."""
        told = [problem for problem in self.loaded.catalog.problems if problem.severity == "warning"]
        return [*self.definitions.policy.rules.warnings, *told]

    @property
    def ready(self) -> bool:
        """Whether alerts that come in now are carried out; of a worker, whether it works."""
        processing = self._processing is not None and not self._processing.done()
        return self.engine.running and (processing or self.role.kind == "worker")

    async def start(self, *, serving: bool = False) -> None:
        """Become the engine of this database, and go on where the last one stopped; `serving`: as a server.

        Raises:
            StoreBusy: another process is its engine.
            ConfigError: a connection's secret is missing.
        """
        self._lock.enter_context(engine_lock(self.settings.database, serving=serving))
        if self.membership is not None and self.role.kind == "command":
            await self.membership.alone()
        await self.connections.start(None if self.membership is None else self.role.zones)
        await self.keep_versions(self.loaded.catalog)
        await self.engine.start()
        if self.membership is None:
            await self._keep()
        if self.role.kind != "worker":
            self._processing = asyncio.create_task(self.processor.run())

    async def zones(self) -> list[Zone]:
        """Each network zone: who makes its calls, and what waits for them (S44)."""
        names = {self.connections.zone_of(name) for name in self.connections.names} | {DEFAULT_ZONE}
        if self.membership is None:
            return [Zone(name, 1, 0, None) for name in sorted(names)]
        depths = {depth.zone: depth for depth in await self.store.queue_depths()}
        alive = await self.store.processes.alive(self.clock.now())
        names |= depths.keys()
        return [Zone.of(name, alive, depths.get(name)) for name in sorted(names)]

    async def _keep(self) -> None:
        """Begin what one process does for all."""
        self.approvals.start()
        self._ringing = asyncio.create_task(self.ringer.run())

    async def _hand_over(self) -> None:
        """End it; what is under way may end."""
        await _cancelled(self._ringing)
        self._ringing = None
        await self.approvals.stop(self.settings.execution.stop_grace)

    async def reload(self) -> LoadedPlaybooks:
        """Take up policy and playbooks as their files are now, in one step.

        Executions under way keep the version of their playbook; their next call is judged by the new policy.

        Raises:
            ConfigError, DefinitionError: something is wrong with them; what is in use stays in use, all of it.
            StoreError: the versions could not be kept; likewise.
        """
        async with self._reloading:
            definitions = await asyncio.to_thread(self.definitions.with_policy_anew)
            loaded = await asyncio.to_thread(lambda: LoadedPlaybooks.of(definitions.sound_catalog()))
            for playbook in loaded.playbooks.values():
                self.pinned.keep(playbook)
            await self.keep_versions(loaded.catalog)
            self.definitions, self.guardrails.policy = definitions, definitions.policy
            self.loaded = loaded
        return loaded

    async def reload_all(self) -> None:
        """The same, in every process of this database: the others follow within seconds.

        Raises:
            ConfigError, DefinitionError, StoreError: as `reload`; then no other is asked.
        """
        await self.reload()
        if self.membership is not None:
            await self.store.processes.ask_reload(self.clock.now())

    async def reload_quietly(self) -> None:
        """Asked for by somebody who does not wait: what is wrong is said in the log, and what is in use stays."""
        try:
            loaded = await self.reload()
        except SoarError as error:
            log.warning("playbooks not reloaded, those in use stay", reason=str(error))
        else:
            log.info("playbooks reloaded", playbooks=len(loaded.playbooks), digest=loaded.digest)

    async def keep_versions(self, catalog: Catalog) -> None:
        """Keep the text of every loaded playbook, for executions that outlive an edit."""
        kept = [(book.id, book.digest, book.location.file, book.source) for book in catalog.playbooks.values()]
        await self.store.playbooks.keep(kept, catalog.digest)

    async def stop(self) -> None:
        """Let open calls end, give the rest back to the queue, and close everything."""
        await _cancelled(self._processing)
        await self._hand_over()
        await self.engine.stop(self.settings.execution.stop_grace)
        await self.connections.close()
        await self.store.close()
        self._lock.close()

    async def run_by_hand(
        self,
        playbook_id: str,
        alert: Mapping[str, Any],
        actor: Actor,
        inputs: Mapping[str, Any] | None = None,
        mode: ExecutionMode = "live",
        *,
        text: bool = False,
        hops: int = 0,
    ) -> Asked:
        """Have one playbook run on an alert that no source sent.

        `text`: the inputs are words of a command line, read by their types. `hops`: how many executions led to it.

        Raises:
            RequestInvalid: the playbook is switched off, or the inputs are not those it takes.
            StoreUnavailable: it could not be written.
        """
        playbook = self.loaded.playbooks[playbook_id]
        stops = StopSwitches()  # the rows as they are: without an engine, nobody keeps our copy up to date
        await stops.refresh(self.store)
        off = switched_off(playbook, stops.paused)
        if off is not None:
            raise RequestInvalid(f"playbook {playbook_id}: not run: {off}; switch it on again first")
        try:
            given = fitted(playbook.inputs, inputs or {}, text=text)
        except ValueError as error:
            raise RequestInvalid(f"playbook {playbook_id}: {error}") from None
        raw = by_hand(playbook_id, alert, actor, self.clock.now(), given, mode, hops)
        await self.store.alerts.keep([raw])
        self.processor.wake()
        return Asked(raw.id, execution_id(raw, playbook_id))

    async def rerun(self, execution_id: str, asked: Rerun, version: Literal["original", "current"]) -> Execution:
        """Run an execution again, on the version it had or on the one in use (S37).

        Raises:
            NotFound: there is no such execution, or its playbook is no longer there.
            Conflict: it cannot be run again, or not from there.
        """
        original = await self.store.executions.get(execution_id)
        if version == "original":
            playbook, pins = await self.pinned.get(original.playbook_digest), original.pins
        else:
            current = self.loaded.playbooks.get(original.playbook_id)
            if current is None:
                raise NotFound(f"the playbook '{original.playbook_id}' is no longer there; its own version still is")
            playbook, pins = current, pins_of(current, self.loaded.playbooks)
        timeout = self.settings.execution.timeout
        return await run_again(self.store, execution_id, asked, playbook, pins, self.clock.now(), timeout)


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
