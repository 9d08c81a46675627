"""What an action is, and what became of one call of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Risk = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action as a connection offers it: what it needs, gives, changes, and how it is taken back."""

    name: str
    """As a playbook writes it: `gateway.block_ip`."""
    connector: str
    summary: str
    params: Mapping[str, Any]
    """JSON Schema of `with`."""
    result: Mapping[str, Any]
    """JSON Schema of `output`."""
    changes: bool
    """False for an action that only reads."""
    idempotent: bool
    """May be repeated with the same key: the second time changes nothing more."""
    verifies: bool
    """The system can be asked whether the call happened."""
    undo: str | None
    """The name of the action that takes it back (`unblock_ip`); None when it contains nothing."""
    risk: Risk
    example: Mapping[str, Any]
    """An output as the schema's examples give it, for tests without a network."""
    timeout: float = 30.0
    """Seconds one call may take."""


@dataclass(frozen=True, slots=True)
class ActionCall:
    """One call, with the values that go out."""

    name: str
    inputs: Mapping[str, Any]
    key: str
    """Derived from execution and path; the same on every retry and after every restart."""
    execution_id: str
    path: str
    attempt: int
    timeout: float
    """Seconds this call may take: the connection's limit, or what the step has left."""
    playbook_id: str = ""
    simulated: bool = False
    """Dry run or shadow: a changing action answers from its example and never leaves this process (S36)."""
    hops: int = 0
    """How many executions stand between this one and an alert that no execution caused (M01)."""


@dataclass(frozen=True, slots=True)
class UndoCall:
    """The call that takes a containment back, stored when the change was made (JSON-shaped)."""

    name: str
    """The action that was done: `gateway.block_ip`."""
    inputs: Mapping[str, Any]
    key: str
    result: Mapping[str, Any] | None
    """Its output; None when it is not known whether it happened: verify first (S33)."""
    reverse: str = ""
    """The name of the undoing action, for people: `gateway.unblock_ip`."""
    exact: bool = True
    """False when what it needs was secret or too big to keep: then nothing is guessed, and a person takes it back."""
    direct: bool = False
    """True where the playbook says how to undo: `name` and `inputs` are the call that takes it back, and it is made as
    it stands, instead of the connector's own inverse of `name`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call (or of asking whether it happened)."""

    kind: Literal["done", "unavailable", "refused", "unknown", "absent"]
    output: Mapping[str, Any] | None = None
    """For `done`: JSON-shaped, masked."""
    message: str = ""
    retry_after: float | None = None
    sent: bool = True
    """False when nothing left this process (bad inputs, no route, a full circuit)."""
    exact: bool = True
    """False when `output` is not all that the system gave: masked, or cut short."""
    error_kind: str = ""
    """A more exact `error.kind` than the outcome's own, when there is one: `too_large`, `timeout`."""
    simulated: bool = False
    """Nothing was sent: `output` is the action's example (S36)."""
    earlier_unknown: bool = False
    """This try changed nothing, and an earlier one of the same call, which had no answer, may have (S21)."""
    big: bool = False
    """`output` is over 64 KiB: it belongs into an artefact, and history keeps a reference (S8)."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call whose values were checked before anything was written or sent."""

    target: str | None = None
    """What is contained, normalised: one address has one spelling. None when nothing is."""
    masked_inputs: Mapping[str, Any] = field(default_factory=dict)
    """The inputs as history may show them."""
    masked: bool = False
    """True when `masked_inputs` differs from what goes out."""


class Connections(Protocol):
    """All configured connections, as the engine sees them."""

    def spec(self, name: str) -> ActionSpec:
        """The action of that name.

        Raises:
            NotFound: no such connection or action (it may have gone since the playbook was loaded).
        """
        ...

    def prepare(self, name: str, inputs: Mapping[str, Any]) -> Prepared:
        """Check the values against the action's types and find the target.

        Raises:
            Refused: a value does not fit; the message names the parameter.
        """
        ...

    async def perform(self, call: ActionCall) -> Outcome:
        """Make the call once. Never raises a ConnectorError: every end is an Outcome."""
        ...

    async def verify(self, call: ActionCall) -> Outcome:
        """Ask whether the call happened: `done` with its output, `absent`, or `unknown`."""
        ...

    async def undo(self, call: UndoCall, *, key: str, timeout: float) -> Outcome:
        """Take it back. Undoing what is already undone is `done`."""
        ...

    def fingerprint(self, name: str) -> str:
        """SHA-256 of which connector at which address a connection (or one of its actions) stands for.

        An approval given under another one is void (S26).

        Raises:
            NotFound: there is no such connection.
        """
        ...
