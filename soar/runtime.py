"""Settings in, one assembled process out: the only place where the parts are wired."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Any, Literal, NamedTuple

from soar.approval.destinations import Destinations
from soar.approval.glass import Glass
from soar.approval.notices import Notices
from soar.approval.service import ApprovalService
from soar.clock import Clock, SystemClock
from soar.config import Settings
from soar.connector.connections import ConnectionSet
from soar.connector.masking import Masker
from soar.connector.registry import ConnectorRegistry
from soar.connector.secrets import SecretResolver
from soar.engine import Engine, Guardrails, Limits, Rerun, Upkeep, listened, run_again
from soar.engine.pinned import PinnedPlaybooks
from soar.engine.stops import StopSwitches
from soar.errors import DefinitionError, NotFound, Problem, RequestInvalid
from soar.ingest.kinds import load_kinds
from soar.ingest.manual import MANUAL, by_hand, execution_id, manual_source
from soar.ingest.match import Matcher
from soar.ingest.opening import pins_of, switched_off
from soar.ingest.process import Processor
from soar.ingest.receive import Intake
from soar.ingest.repeats import RepeatCap
from soar.ingest.ringer import Ringer
from soar.ingest.source import open_sources
from soar.model.actor import Actor
from soar.model.alert import Alert, Match
from soar.model.execution import Execution, ExecutionMode
from soar.model.playbook import Playbook
from soar.playbook import Catalog, Staff, fitted, load_catalog
from soar.policy import OwnAddresses, Policy, load_rules
from soar.store import Store, engine_lock


@dataclass(frozen=True)
class LoadedPlaybooks:
    """The playbooks of this moment: they match as one set and are recorded as one set."""

    catalog: Catalog
    matcher: Matcher
    events: frozenset[str] = frozenset()
    """The names of events that some of them name."""

    @classmethod
    def of(cls, catalog: Catalog) -> LoadedPlaybooks:
        playbooks = catalog.playbooks.values()
        return cls(catalog, Matcher(playbooks), frozenset(name for book in playbooks for name in listened(book)))

    @property
    def digest(self) -> str:
        return self.catalog.digest

    @property
    def playbooks(self) -> Mapping[str, Playbook]:
        return self.catalog.playbooks

    def match(self, alert: Alert) -> list[Match]:
        return self.matcher.match(alert)

    def wants(self, name: str) -> bool:
        """Whether some playbook waits for events of that name, or is opened by them."""
        return any(fnmatchcase(name, pattern) for pattern in self.events)


def policy_of(settings: Settings, connections: ConnectionSet) -> Policy:
    """The policy as its file is now.

    Raises:
        ConfigError: it does not hold.
    """
    own = OwnAddresses.of(settings, connections.hosts())
    return Policy(load_rules(settings, own, connections.specs(), channel_names(connections)))


def channel_names(connections: ConnectionSet) -> frozenset[str]:
    """What may stand before the colon of a channel: the connections that carry messages, and their kinds."""
    made = connections.channels()
    return frozenset({*made, *(channel.prefix for channel in made.values())})


@dataclass(frozen=True)
class Definitions:
    """What the files say, before anything is opened: enough to check, to test and to explain."""

    settings: Settings
    masker: Masker
    secrets: SecretResolver
    registry: ConnectorRegistry
    connections: ConnectionSet
    policy: Policy

    @classmethod
    def read(cls, settings: Settings, clock: Clock | None = None) -> Definitions:
        """Load connectors and connections; needs no secret.

        Raises:
            ConfigError, ConnectorDefinitionError: they do not hold, or the policy does not.
        """
        masker = Masker()
        secrets = SecretResolver(masker, folder=settings.folder)
        registry = ConnectorRegistry.load([settings.connectors])
        connections = ConnectionSet(
            registry, settings.connections, secrets, settings.egress.allow, clock or SystemClock(), masker
        )
        return cls(settings, masker, secrets, registry, connections, policy_of(settings, connections))

    def with_policy_anew(self) -> Definitions:
        """The same with the policy as its file is now.

        Raises:
            ConfigError: it does not hold.
        """
        return replace(self, policy=policy_of(self.settings, self.connections))

    def catalog(self) -> Catalog:
        """The playbooks of the configured folder, with everything that is wrong with them."""
        sources, staff = list(self.settings.sources), self.staff()
        return load_catalog(self.settings.playbooks, self.connections.specs(), sources, staff)

    def staff(self) -> Staff:
        """The people, and for which actions policy takes their silence for a yes."""
        silence = self.policy.rules.file.approve_on_timeout or ()
        return Staff.of(self.settings, silence, channel_names(self.connections))

    def glass(self) -> Glass:
        """Who may approve alone, and who is told of it."""
        settings = self.settings
        return Glass.of(
            self.policy, Destinations(self.connections, settings.people, settings.groups), settings.public_url
        )

    def sound_catalog(self) -> Catalog:
        """The playbooks of the configured folder, when nothing is wrong with them.

        Raises:
            DefinitionError: every error in any of them.
        """
        catalog = self.catalog()
        errors = [problem for problem in catalog.problems if problem.severity == "error"]
        if errors:
            raise DefinitionError(errors)
        return catalog


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

    def __init__(self, definitions: Definitions, store: Store, catalog: Catalog, clock: Clock) -> None:
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
        limits = Limits(
            active=execution.side_by_side, on_failure=execution.on_failure_timeout, timeout=execution.timeout
        )
        self.guardrails = Guardrails(definitions.policy)
        self.engine = Engine(
            store,
            self.connections,
            self.pinned,
            clock,
            limits,
            guardrails=self.guardrails,
            mask=self.masker.mask,
            wanted=lambda name: self.loaded.wants(name),  # noqa: PLW0108 # the set in use changes
            upkeep=upkeep_of(self.settings),
        )
        kinds = load_kinds([self.settings.connectors])
        sources = open_sources(self.settings, kinds, definitions.secrets.resolve)
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
    async def build(cls, settings: Settings, *, clock: Clock | None = None) -> Runtime:
        """Read every definition and open the store; nothing runs yet.

        Raises:
            ConfigError, DefinitionError: something does not hold; nothing was opened.
            StoreError: the database cannot be used.
        """
        clock = clock or SystemClock()
        definitions = Definitions.read(settings, clock)
        catalog = definitions.sound_catalog()
        store = await Store.open(settings.database)
        try:
            return cls(definitions, store, catalog, clock)
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
        """Whether alerts that come in now are carried out."""
        return self.engine.running and self._processing is not None and not self._processing.done()

    async def start(self, *, serving: bool = False) -> None:
        """Become the engine of this database, and go on where the last one stopped; `serving`: as a server.

        Raises:
            StoreBusy: another process is its engine.
            ConfigError: a connection's secret is missing.
        """
        self._lock.enter_context(engine_lock(self.settings.database, serving=serving))
        await self.connections.start()
        await self.keep_versions(self.loaded.catalog)
        await self.engine.start()
        self.approvals.start()
        self._processing = asyncio.create_task(self.processor.run())
        self._ringing = asyncio.create_task(self.ringer.run())

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

    async def keep_versions(self, catalog: Catalog) -> None:
        """Keep the text of every loaded playbook, for executions that outlive an edit."""
        kept = [(book.id, book.digest, book.location.file, book.source) for book in catalog.playbooks.values()]
        await self.store.playbooks.keep(kept, catalog.digest)

    async def stop(self) -> None:
        """Let open calls end, give the rest back to the queue, and close everything."""
        for task in (self._ringing, self._processing):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self.approvals.stop(self.settings.execution.stop_grace)
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
