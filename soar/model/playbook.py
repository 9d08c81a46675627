"""A playbook as it was loaded: frozen, with its expressions compiled and its places kept.

Durations are seconds. A loaded playbook is never changed by running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from soar.errors import Location
from soar.model.trigger import Trigger

Scope = Mapping[str, Any]
"""The names an expression may read: alert, inputs, vars, steps, execution, error, now, item, loop."""


class Expression(Protocol):
    """A bare expression, compiled. Three outcomes: a value, or ExpressionFailed; never a guess."""

    @property
    def source(self) -> str: ...

    def evaluate(self, scope: Scope) -> Any:
        """The value itself.

        Raises:
            ExpressionFailed: it names something that is not there, or mixes types.
        """
        ...

    def holds(self, scope: Scope) -> bool:
        """The value as a condition: true, false, or ExpressionFailed; text and numbers are no conditions."""
        ...


class Value(Protocol):
    """A value of a playbook (`with`, `set`, messages), its templates compiled; plain data renders as itself."""

    @property
    def source(self) -> Any: ...

    def render(self, scope: Scope) -> Any:
        """JSON-shaped data with every template filled in.

        Raises:
            ExpressionFailed: a template gave an error; the message names the parameter.
        """
        ...


@dataclass(frozen=True, slots=True)
class Retry:
    """How often an action is tried, and how long between (S17)."""

    attempts: int = 3
    delay: float = 2.0
    backoff: Literal["fixed", "exponential"] = "exponential"


@dataclass(frozen=True, slots=True)
class UndoRule:
    """When a containment lifts itself: seconds after its outcome."""

    after: float


@dataclass(frozen=True, slots=True)
class Action:
    """One call through a connection."""

    connection: str
    action: str
    inputs: Value
    retry: Retry = Retry()
    undo: UndoRule | None = None

    @property
    def name(self) -> str:
        """As a playbook writes it: `gateway.block_ip`."""
        return f"{self.connection}.{self.action}"


@dataclass(frozen=True, slots=True)
class SetVariables:
    """Variables for later steps, seen as `vars.name`."""

    values: Value


@dataclass(frozen=True, slots=True)
class Block:
    """Steps that share a `when`, a `timeout`, an `on_failure`."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`if`: one of two lists of steps."""

    condition: Expression
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """End the execution here, as succeeded."""

    message: Value


@dataclass(frozen=True, slots=True)
class Fail:
    """End the execution here, as failed."""

    message: Value


Body = Action | SetVariables | Block | Choice | Stop | Fail


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `when`, then its body, then `on_failure` (S9)."""

    segment: str
    """Its part of the path: its id, or `@n`, its place in its list from 0 (S5)."""
    id: str | None
    body: Body
    location: Location
    name: str | None = None
    when: Expression | None = None
    timeout: float | None = None
    on_failure: Literal["fail", "continue"] | tuple[Step, ...] = "fail"


@dataclass(frozen=True, slots=True)
class Playbook:
    """One playbook file."""

    id: str
    digest: str
    """SHA-256 of the file's bytes, in hex: what an execution is pinned to."""
    trigger: Trigger
    steps: tuple[Step, ...]
    location: Location
    source: str
    """The file's text, kept so that an execution finds its own version after any edit."""
    name: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    timeout: float | None = None
    """Seconds for the whole execution; None is the setting's default (7 days)."""
    on_failure: tuple[Step, ...] = ()
    step_ids: frozenset[str] = field(default_factory=frozenset)
