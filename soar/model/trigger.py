"""What makes a playbook fire: a detection in the shape of a Sigma rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

ENGINE_EVENTS: Final = frozenset({"alert", "approval", "connection", "containment", "execution", "policy", "schedule"})
"""First words of the names of events that the engine itself tells of; nobody else may use them."""

EVENT_NAME: Final = r"[A-Za-z0-9_]+(\.[A-Za-z0-9_-]+)*"

Scalar = str | int | float | bool | None

Operator = Literal[
    "equals", "contains", "startswith", "endswith", "re", "cidr", "exists", "fieldref", "lt", "lte", "gt", "gte"
]


@dataclass(frozen=True, slots=True)
class FieldTest:
    """`field|modifier|modifier: values`, parsed and checked."""

    field: str
    operator: Operator
    values: tuple[Scalar, ...]
    every: bool = False
    """`all`: each value must hold, not just one."""
    negated: bool = False
    """`neq`."""
    cased: bool = False
    key: str = ""
    """As the author wrote it, for traces."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Alternatives (OR) of tests that must all hold (AND)."""

    name: str
    alternatives: tuple[tuple[FieldTest, ...], ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A selection of that name holds."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    operand: Condition


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Condition, ...]


Condition = Name | Not | And | Or


@dataclass(frozen=True, slots=True)
class Detection:
    """Named selections and the condition that joins them."""

    selections: tuple[Selection, ...]
    condition: Condition


@dataclass(frozen=True, slots=True)
class Schedule:
    """`schedule:`; a local time that does not exist fires after the gap, one that comes twice at the first (S47)."""

    cron: str
    timezone: str = "UTC"
    missed: Literal["run_once", "skip", "run_all"] = "run_once"
    """What becomes of firings that came due while nothing ran: one for all of them, none, or each."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a playbook runs. With none of these it runs by hand, or as a sub-playbook, only."""

    detection: Detection | None = None
    sources: frozenset[str] = field(default_factory=frozenset)
    """Names of the sources it listens to; empty for all."""
    schedule: Schedule | None = None
    event: str | None = None
    """The name of an internal event, such as `containment.expiring`; `*` and `?` are wildcards."""
