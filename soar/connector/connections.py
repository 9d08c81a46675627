"""All connections of `soar.yaml`: what the engine calls, what the checks and the commands ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import SecretStr, ValidationError

from soar.clock import Clock
from soar.config import ConnectionSettings
from soar.connector.base import Health, HttpConnector, Settings, Wiring
from soar.connector.channel import Channel
from soar.connector.circuit import Circuit, CircuitState
from soar.connector.definition import ActionDefinition, ConnectorDefinition
from soar.connector.egress import Egress
from soar.connector.fingerprint import fingerprint
from soar.connector.http import SharedHttp
from soar.connector.inputs import Inputs
from soar.connector.invoke import Invoker
from soar.connector.limits import RateLimiter
from soar.connector.masking import Masker
from soar.connector.registry import ConnectorRegistry
from soar.connector.secrets import SecretResolver
from soar.errors import (
    ConfigError,
    ConnectorDefinitionError,
    ConnectorError,
    NotFound,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from soar.model.action import ActionCall, ActionSpec, Outcome, Prepared, UndoCall

_NAMES: Final = frozenset({"username", "user", "client_id"})
"""Kept among a connection's secrets because they belong to one, and no secrets themselves."""

_HEALTH_TIMEOUT: Final = 10.0
_CHANNEL_TIMEOUT: Final = 30.0
T = TypeVar("T")


@dataclass(slots=True)
class _Connection:
    """One entry of `connections`, checked; its connector is made when the process starts."""

    name: str
    config: ConnectionSettings
    definition: ConnectorDefinition
    settings: Settings
    egress: Egress
    inputs: Inputs
    fingerprint: str
    specs: dict[str, ActionSpec] = field(default_factory=dict)
    circuit: Circuit | None = None
    invoker: Invoker | None = None
    """None until the process starts: checks need no secret and no connector."""


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One connection for people. Of a secret only its name is told, and whether it is set."""

    name: str
    connector: str
    zone: str | None
    settings: Mapping[str, Any]
    secrets: Mapping[str, bool]
    actions: tuple[str, ...]
    circuit: CircuitState = "closed"
    """`open` while it is left alone after failures."""


class ConnectionSet:
    """The configured connections. Specs and checks need no secret; calls need `start`."""

    def __init__(
        self,
        registry: ConnectorRegistry,
        configs: Mapping[str, ConnectionSettings],
        secrets: SecretResolver,
        egress: Sequence[str],
        clock: Clock,
        masker: Masker,
        *,
        http: SharedHttp | None = None,
    ) -> None:
        """Check all entries.

        Raises:
            ConfigError: everything that is wrong with any of them, one line each.
        """
        self._registry = registry
        self._secrets = secrets
        self._clock = clock
        self._masker = masker
        self._http = http or SharedHttp(clock, masker=masker)
        self._connections: dict[str, _Connection] = {}
        self._actions: dict[str, tuple[_Connection, ActionDefinition]] = {}
        self._running = False
        problems: list[str] = []
        for name, config in configs.items():
            problems += self._add(name, config, egress)
        if problems:
            raise ConfigError("\n".join(problems))

    @property
    def names(self) -> list[str]:
        """The names of all connections, as configured."""
        return list(self._connections)

    def specs(self) -> dict[str, ActionSpec]:
        """Every action a playbook may name."""
        return {name: spec for connection in self._connections.values() for name, spec in connection.specs.items()}

    def view(self, name: str) -> ConnectionView:
        """One connection for people. Raises NotFound."""
        found = self._connection(name)
        return ConnectionView(
            name=name,
            connector=found.definition.name,
            zone=found.config.zone,
            settings=self._masker.mask(found.settings.model_dump(mode="json")),
            secrets={secret: self._secrets.is_set(reference) for secret, reference in found.config.secrets.items()},
            actions=tuple(found.specs),
            circuit="closed" if found.circuit is None else found.circuit.state,
        )

    def channels(self) -> dict[str, type[Channel]]:
        """The connections through which people can be told, with what each can do, in the order of `soar.yaml`."""
        made = {name: one.definition.connector for name, one in self._connections.items()}
        return {name: connector for name, connector in made.items() if issubclass(connector, Channel)}

    def channel(self, name: str) -> Channel:
        """The channel of that connection, for what needs no network. Raises NotFound."""
        connection = self._connection(name)
        if connection.invoker is None and self._running:
            raise NotFound(f"the connection '{name}' is in another zone; messages are sent from the default one")
        connector = self._started(connection).connector
        if not isinstance(connector, Channel):
            raise NotFound(f"the connection '{name}' carries no messages to people")
        return connector

    async def carry(self, name: str, work: Callable[[], Awaitable[T]], *, changes: bool) -> T:
        """Have a channel say or ask something, held to its connection's egress and time as actions are.

        `changes`: repeating it would be seen, so a lost answer is OutcomeUnknown and not Unavailable.

        Raises:
            NotFound: there is no such connection.
            Unavailable, Refused, OutcomeUnknown: what became of it, in words without secrets.
        """
        connection = self._connection(name)
        timeout = connection.config.timeout or _CHANNEL_TIMEOUT
        try:
            return await self._started(connection).within_call(work, timeout, changes=changes)
        except Unavailable as error:
            raise Unavailable(self._masker.text(str(error)), retry_after=error.retry_after) from error
        except ConnectorError as error:
            kind = OutcomeUnknown if isinstance(error, OutcomeUnknown) else Refused
            raise kind(self._masker.text(str(error))) from error

    def zone_of(self, name: str) -> str:
        """The zone it is reached from; empty for the default one, and for a connection that is not there."""
        found = self._connections.get(name)
        zone = None if found is None else found.config.zone
        return "" if zone in (None, "default") else str(zone)

    async def start(self, zones: Collection[str] | None = None) -> None:
        """Resolve secrets and make the connectors: all, or those of some zones; the others' secrets are not asked for.

        Raises:
            ConfigError: every secret that is not there, everything the connectors lack, one line each.
        """
        wanted = [one for one in self._connections.values() if zones is None or self.zone_of(one.name) in zones]
        problems: list[str] = []
        resolved: dict[str, dict[str, SecretStr]] = {}
        for connection in wanted:
            resolved[connection.name] = self._resolve(connection, problems)
        if problems:
            raise ConfigError("\n".join(problems))
        if any(issubclass(connection.definition.connector, HttpConnector) for connection in wanted):
            await self._http.open()
        for connection in wanted:
            try:
                await self._open(connection, resolved[connection.name])
            except ConfigError as error:
                problems.append(f"connections.{connection.name}: {error}")
        if problems:
            await self.close()
            raise ConfigError("\n".join(problems))
        self._running = True

    async def close(self) -> None:
        """Let go of everything that was opened."""
        for connection in self._connections.values():
            invoker, connection.invoker = connection.invoker, None
            if invoker is not None:
                await invoker.connector.close()
        await self._http.close()

    def spec(self, name: str) -> ActionSpec:
        connection, action = self._action(name)
        return connection.specs[f"{connection.name}.{action.name}"]

    def prepare(self, name: str, inputs: Mapping[str, Any]) -> Prepared:
        connection, action = self._action(name)
        return connection.inputs.prepare(action, inputs)

    async def perform(self, call: ActionCall) -> Outcome:
        try:
            connection, action = self._action(call.name)
        except NotFound as error:
            return Outcome("refused", message=str(error), sent=False)
        return await self._started(connection).perform(action, call)

    async def verify(self, call: ActionCall) -> Outcome:
        try:
            connection, action = self._action(call.name)
        except NotFound as error:
            return Outcome("unknown", message=str(error))
        return await self._started(connection).verify(action, call)

    async def undo(self, call: UndoCall, *, key: str, timeout: float) -> Outcome:
        try:
            connection, action = self._action(call.name)
        except NotFound as error:
            return Outcome("refused", message=f"{error}; take it back by hand", sent=False)
        return await self._started(connection).undo(action, call, key=key, timeout=timeout)

    def fingerprint(self, name: str) -> str:
        return self._connection(name.partition(".")[0]).fingerprint

    def hosts(self) -> dict[str, list[str]]:
        """The hosts that each connection's settings name: what the engine itself depends on."""
        return {name: [host for host in one.settings.hosts() if host] for name, one in self._connections.items()}

    async def health(self, name: str) -> Health:
        """Ask one connection whether it works; its failure is an answer. Raises NotFound."""
        connection = self._connection(name)
        if connection.invoker is None and self._running:
            return Health(
                ok=False, detail=f"it is reached from zone '{self.zone_of(name)}' only, not from this process"
            )
        invoker = self._started(connection)
        try:
            health = await invoker.within_call(invoker.connector.health, _HEALTH_TIMEOUT)
        except ConnectorError as error:
            health = Health(ok=False, detail=str(error))
        return Health(health.ok, self._masker.text(health.detail))

    def _add(self, name: str, config: ConnectionSettings, egress: Sequence[str]) -> list[str]:
        where = f"connections.{name}"
        try:
            definition = self._registry.definition(config.connector)
        except (NotFound, ConnectorDefinitionError) as error:
            return [f"{where}.connector: {error}"]
        problems = _secret_problems(where, config, definition)
        try:
            settings = definition.settings.model_validate(config.settings)
        except ValidationError as error:
            return problems + _settings_problems(where, error, definition)
        try:
            allowed = Egress(name, [*settings.hosts(), *egress])
        except ConfigError as error:
            return [*problems, str(error)]
        inputs = Inputs(name, self._masker)
        stands_for = fingerprint(definition, config, settings)
        connection = _Connection(name, config, definition, settings, allowed, inputs, stands_for)
        for action in definition.actions.values():
            spec = action.spec(name, definition.name, settings, config.timeout)
            connection.specs[spec.name] = spec
            self._actions[spec.name] = (connection, action)
        self._connections[name] = connection
        return problems

    def _resolve(self, connection: _Connection, problems: list[str]) -> dict[str, SecretStr]:
        resolved: dict[str, SecretStr] = {}
        for name, reference in connection.config.secrets.items():
            try:
                where = f"connections.{connection.name}.secrets.{name}"
                resolved[name] = self._secrets.resolve(reference, where, named=name in _NAMES)
            except ConfigError as error:
                problems.append(str(error))
        return resolved

    async def _open(self, connection: _Connection, secrets: Mapping[str, SecretStr]) -> None:
        connector = connection.definition.connector(Wiring(connection.settings, secrets, self._http, connection.egress))
        limit, circuit = connection.config.rate_limit, connection.config.circuit
        if circuit is not None:
            connection.circuit = Circuit(connection.name, self._clock, circuit.failures, circuit.pause)
        connection.invoker = Invoker(
            connection=connection.name,
            connector=connector,
            egress=connection.egress,
            clock=self._clock,
            inputs=connection.inputs,
            masker=self._masker,
            limiter=None if limit is None else RateLimiter(self._clock, limit.per_second, limit.burst),
            circuit=connection.circuit,
            timeout=connection.config.timeout,
        )
        await connector.open()

    def _started(self, connection: _Connection) -> Invoker:
        if connection.invoker is None:
            raise RuntimeError(f"connection '{connection.name}' is called before start() or after close()")
        return connection.invoker

    def _connection(self, name: str) -> _Connection:
        try:
            return self._connections[name]
        except KeyError:
            known = ", ".join(self._connections) or "none"
            raise NotFound(f"there is no connection '{name}' in soar.yaml; there are {known}") from None

    def _action(self, name: str) -> tuple[_Connection, ActionDefinition]:
        try:
            return self._actions[name]
        except KeyError:
            raise NotFound(f"there is no action '{name}'; see `soar connectors list`") from None


def _secret_problems(where: str, config: ConnectionSettings, definition: ConnectorDefinition) -> list[str]:
    known = {**definition.required_secrets, **definition.optional_secrets}
    missing = [
        f"{where}.secrets: '{name}' is missing: {purpose} Write for example `{name}: \"env:NAME\"`"
        for name, purpose in definition.required_secrets.items()
        if name not in config.secrets
    ]
    unknown = [
        f"{where}.secrets.{name}: connector '{definition.name}' takes no such secret; it takes"
        f" {', '.join(known) or 'none'}"
        for name in config.secrets
        if name not in known
    ]
    return missing + unknown


def _settings_problems(where: str, error: ValidationError, definition: ConnectorDefinition) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(part) for part in ("settings", *problem["loc"]))
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            known = ", ".join(definition.settings.model_fields) or "none"
            text = f"unknown; connector '{definition.name}' takes {known}"
        lines.append(f"{where}.{place}: {text}")
    return lines
