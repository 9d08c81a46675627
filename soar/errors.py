"""Every error this package raises on purpose.

* SoarError
  + ConfigError                 the settings do not hold; nothing was started
  + DefinitionError             a file is wrong, with its places
    - PlaybookError
    - MappingError
    - ConnectorDefinitionError
  + RequestInvalid              what a person asked for cannot be meant
  + NotAllowed                  who asked may not do this
  + IngestError                 a delivery was not taken
    - SignatureInvalid
    - SourceUnknown
    - DeliveryMalformed
    - DeliveryTooLarge
    - DeliveryTooSlow
    - SenderRefused
    - IntakeBusy
    - NormalizeFailed           the raw alert is kept
  + ConnectorError              what became of one call
    - Unavailable               nothing changed; retrying may help
    - Refused                   the system said no; retrying does not help
    - OutcomeUnknown            sent, and no answer: verify before anything else
  + ExecutionError
    - ExpressionFailed
      . ExpressionSyntax        it cannot even be read
    - UndoFailed
  + StoreError
    - StoreUnavailable          could not be written; nothing was kept
    - StoreBusy                 another process holds the engine's lock
    - LeaseLost                 someone else owns the execution now
    - Conflict                  the row is no longer in the state this needs
    - TargetBusy                the target is being lifted at this moment: wait
    - NotFound
    - CursorInvalid             the page asked for does not follow any page
    - SchemaOutOfDate
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

ErrorKind = Literal[
    "unavailable",
    "refused",
    "timeout",
    "guardrail",
    "expression",
    "cancelled",
    "child",
    "too_large",
    "limit",
    "fail",
    "outcome_unknown",
    "internal",
]
"""What a failed step says of itself (`error.kind`); see docs/reference/playbooks.md."""


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file. Lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where, what, and what to do about it."""

    location: Location
    message: str
    remedy: str = ""
    excerpt: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.location}: {self.message}{remedy}"


class SoarError(Exception):
    """Base of everything raised on purpose; its text may be shown to a person."""


class ConfigError(SoarError):
    """The settings do not hold. Nothing was started."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class DefinitionError(SoarError):
    """One or more files do not load; every problem found is listed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class PlaybookError(DefinitionError):
    """A playbook file, or the test file beside it, does not load."""


class MappingError(DefinitionError):
    """A source's mapping file does not load."""


class ConnectorDefinitionError(DefinitionError):
    """A connector's class or folder does not load."""


class RequestInvalid(SoarError):
    """What a person asked for cannot be meant: a value is missing, or does not fit."""


class NotAllowed(SoarError):
    """Who asked may not do this; somebody else may."""


class IngestError(SoarError):
    """A delivery was not taken; the sender is told why."""


class SignatureInvalid(IngestError):
    """The delivery did not prove where it comes from. The reason is logged, never sent."""


class SourceUnknown(IngestError):
    """No source of that name is configured."""


class DeliveryMalformed(IngestError):
    """The body is not what its source sends."""


class DeliveryTooLarge(IngestError):
    """The body is over the limit, as sent or once unpacked."""


class DeliveryTooSlow(IngestError):
    """The body did not arrive in time; sending it again may help."""


class SenderRefused(IngestError):
    """The delivery came from an address its source does not allow."""


class IntakeBusy(IngestError):
    """As many deliveries as the settings allow are being taken at this moment; nothing was read."""


class NormalizeFailed(IngestError):
    """The mapping could not read an alert. The raw alert is kept as a dead letter."""


class ConnectorError(SoarError):
    """A call through a connector did not end in a result."""


class Unavailable(ConnectorError):
    """Nothing was changed, and trying again may help."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the system asked us to wait, when it did."""


class Refused(ConnectorError):
    """The system said no, and will say no again."""


class OutcomeUnknown(ConnectorError):
    """The call was sent and no answer came: it may have happened."""


class ExecutionError(SoarError):
    """A step could not be carried out."""


class ExpressionFailed(ExecutionError):
    """An expression or template gave an error instead of a value."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in an expression or a template, found before it ever runs."""

    message: str
    remedy: str = ""
    line: int = 1
    """Its line within the text, from 1."""
    word: str = ""
    """The piece of the text it is about, to find its column by."""
    path: tuple[str | int, ...] = ()
    """Keys and places inside a value, down to the text."""


class ExpressionSyntax(ExpressionFailed):
    """An expression or template cannot be read, or uses what none may use; every fault is listed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


class UndoFailed(ExecutionError):
    """A containment could not be lifted."""


class StoreError(SoarError):
    """The store did not do what was asked."""


class StoreUnavailable(StoreError):
    """The rows could not be written; nothing was kept."""


class CommitUnknown(StoreUnavailable):
    """The connection was lost while a transaction committed: only reading again tells whether it did (S41)."""


class StoreBusy(StoreError):
    """Another process is the engine of this database."""


class LeaseLost(StoreError):
    """The execution has another owner: what we held is void."""


class Conflict(StoreError):
    """The row is no longer in the state this change needs."""


class TargetBusy(StoreError):
    """The target is being lifted at this moment; ask again when that is over."""


class OverBudget(StoreError):
    """A blast-radius budget has no room for one more change; a person must be asked."""

    def __init__(self, budget: str, message: str) -> None:
        super().__init__(message)
        self.budget = budget


class NotFound(StoreError):
    """No row has that id."""


class CursorInvalid(StoreError):
    """A list was asked for the page after a row that no page ended with."""


class SchemaOutOfDate(StoreError):
    """The database has another schema than this version needs; run `soar db upgrade`."""


class UpgradeNeeded(SchemaOutOfDate):
    """It is older than this version."""
