"""A playbook as it was loaded: frozen, with its expressions compiled and its places kept.

Durations are seconds. A loaded playbook is never changed by running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from soar.clock import Millis
from soar.errors import Location
from soar.model.approval import ApprovalRule
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
    """When and how the containment that an action makes is taken back."""

    after: tuple[float, ...] = ()
    """Seconds from the outcome until it lifts; several are a ladder (S32). Empty: policy's default."""
    reset: float = 30 * 86_400.0
    """Seconds after the end of an earlier period in which a new one counts as repeated."""
    never: bool = False
    """Only a person, or an `undo` step, lifts it."""
    connection: str | None = None
    """With `action` and `inputs`: the call that takes it back instead of the connector's own inverse."""
    action: str | None = None
    inputs: Value | None = None


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
class Case:
    """One branch of a `switch`."""

    when: Expression
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Switch:
    """`switch`: the steps of the first case that holds, else those of `else`."""

    cases: tuple[Case, ...]
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Parallel:
    """Branches at once, each one step (S11)."""

    branches: tuple[Step, ...]
    join: Literal["all", "any"] | int = "all"


@dataclass(frozen=True, slots=True)
class ForEach:
    """The same steps for every item of a list (S12)."""

    items: Expression
    steps: tuple[Step, ...]
    alias: str = "item"
    concurrency: Value | int = 1
    """A template is rendered once, with the list; below 1 fails the step (K03)."""
    on_item_failure: Literal["finish", "stop"] = "finish"


@dataclass(frozen=True, slots=True)
class While:
    """The same steps while a condition holds, at most `max_iterations` times."""

    condition: Expression
    steps: tuple[Step, ...]
    max_iterations: int


@dataclass(frozen=True, slots=True)
class WaitFor:
    """`wait: {for: 10m}`, in seconds from the start of the step."""

    seconds: float


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """`wait: {until: expr}`: an instant, evaluated once; the past passes at once (S14)."""

    moment: Expression


@dataclass(frozen=True, slots=True)
class WaitEvent:
    """`wait: {event: name, match: {field: value}, timeout}` (S14)."""

    event: str
    match: Value | None = None
    """A map: dotted paths of the event's data, and the values they must equal."""
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class CallPlaybook:
    """A sub-playbook: an execution of its own, waited for (S15)."""

    playbook: str
    inputs: Value


@dataclass(frozen=True, slots=True)
class UndoSteps:
    """Lift what these steps contained, now (S34)."""

    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskApproval:
    """An approval as a step of its own; its rule is the step's `approval`."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the execution here, as succeeded."""

    message: Value


@dataclass(frozen=True, slots=True)
class Fail:
    """End the execution here, as failed."""

    message: Value


Body = (
    Action
    | SetVariables
    | Block
    | Choice
    | Switch
    | Parallel
    | ForEach
    | While
    | WaitFor
    | WaitUntil
    | WaitEvent
    | CallPlaybook
    | UndoSteps
    | AskApproval
    | Stop
    | Fail
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `when`, its guard, its body, then `on_failure` (S9)."""

    segment: str
    """Its part of the path: its id, or `@n`, its place in its list from 0 (S5)."""
    id: str | None
    body: Body
    location: Location
    name: str | None = None
    when: Expression | None = None
    timeout: float | None = None
    on_failure: Literal["fail", "continue"] | tuple[Step, ...] = "fail"
    approval: ApprovalRule | None = None
    """The guard of its body; for AskApproval, the question itself."""


@dataclass(frozen=True, slots=True)
class Input:
    """One value a playbook takes from its caller or from the form of a manual run."""

    name: str
    schema: Mapping[str, Any]
    """JSON Schema: `type` (string, integer, number, boolean, array, object), `enum`, `description`, `format` ..."""
    required: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class ConcurrencyRule:
    """How many executions of this playbook with one key may be under way (S18)."""

    key: Value
    limit: int = 1
    when_full: Literal["queue", "skip", "cancel_oldest"] = "queue"


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
    finally_: tuple[Step, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: Mapping[str, Value] = field(default_factory=dict)
    concurrency: ConcurrencyRule | None = None
    priority: int = 0
    """-100 to 100: of executions that are ready, the higher goes first; then severity, then age."""
    exclusive: bool = False
    """Of all playbooks that match an alert, only the exclusive one of the highest priority opens."""
    valid_from: Millis | None = None
    valid_until: Millis | None = None
    mode: Literal["live", "shadow", "disabled"] = "live"
    author: str | None = None
    """A person of soar.yaml, for the rule that nobody approves what they wrote."""
    step_ids: frozenset[str] = field(default_factory=frozenset)
