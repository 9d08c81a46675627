"""What `policy.yaml` may say. Every part may be left out, and then the shipped file's holds (docs/policy.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from soar.config.settings import Seconds, Strict, duration
from soar.model.action import Risk
from soar.model.policy import Verdict
from soar.model.severity import Severity
from soar.policy.networks import networks_of

T = TypeVar("T")
CLASSES: Final[tuple[str, ...]] = ("containing", "guarded", "notifying", "changing")
"""Words for actions: with a way back; that or risky; neither; all that change something."""
_PATTERN: Final = re.compile(r"[A-Za-z0-9_*?-]+\.[A-Za-z0-9_*?]+")
_GROUP: Final = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"


def _one_or_more(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _pattern(text: str) -> str:
    if not _PATTERN.fullmatch(text):
        raise ValueError(f"'{text}' names no action; write connection.action, `*` and `?` are wildcards: '*.block_ip'")
    return text


def _selector(text: str) -> str:
    if text in CLASSES:
        return text
    if "." not in text:
        raise ValueError(f"'{text}' is no class of actions ({', '.join(CLASSES)}) and no pattern such as '*.block_ip'")
    return _pattern(text)


def _address(text: str) -> str:
    if "%" in text:
        raise ValueError(f"'{text}' has a zone; leave out what begins with %")
    try:
        networks_of(text)
    except ValueError:
        raise ValueError(
            f"'{text}' is no address and no network; write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"
        ) from None
    return text


def _name(text: str) -> str:
    if not text.strip() or not text.strip("*? "):
        raise ValueError(f"'{text}' would protect everybody, so that nothing could ever be contained; name them")
    return text


def _channel(text: str) -> str:
    prefix, _, address = text.partition(":")
    if not prefix.strip() or not address.strip():
        raise ValueError(f"'{text}' names no channel; write for example 'slack:#security' or 'email:soc@example.com'")
    return text


def _valued(value: Any) -> Any:
    """A bare value is an entry without a reason. Numbers are ids; YAML alone made them numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return {"value": value} if isinstance(value, str) else value


def _durations(value: Any) -> Any:
    return tuple(duration(one) for one in _one_or_more(value))


Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], BeforeValidator(_one_or_more)]
Selectors = Annotated[
    tuple[Annotated[str, AfterValidator(_selector)], ...], BeforeValidator(_one_or_more), Field(min_length=1)
]
Score = Annotated[float, Field(ge=0, le=100)]
Waits = Annotated[tuple[Annotated[float, Field(gt=0)], ...], BeforeValidator(_durations), Field(min_length=1)]


class AddressEntry(Strict):
    """An address or network that must not be contained."""

    value: Annotated[str, AfterValidator(_address)]
    reason: str = ""


class NameEntry(Strict):
    """A client, user or host that must not be contained; `*` and `?` are wildcards, case makes no difference."""

    value: Annotated[str, AfterValidator(_name)]
    reason: str = ""


Addresses = tuple[Annotated[AddressEntry, BeforeValidator(_valued)], ...]
Names = tuple[Annotated[NameEntry, BeforeValidator(_valued)], ...]


class Group(Strict):
    """One list of what is protected, under a name of the operator's choice."""

    reason: str = ""
    """Told for entries that have none of their own."""
    addresses: Addresses = ()
    clients: Names = ()
    users: Names = ()
    hosts: Names = ()


class Row(Strict):
    """What is asked for actions of one risk."""

    reversible: Verdict | None = None
    irreversible: Verdict | None = None


class Matrix(Strict):
    """Risk by whether the action has a way back."""

    low: Row = Row()
    medium: Row = Row()
    high: Row = Row()


class ActionRule(Strict):
    """What holds for certain actions instead of the matrix; the first rule that says something wins, key by key."""

    action: Patterns
    connector: str | None = None
    """Only where this connector answers."""
    reason: str = ""
    risk: Risk | None = None
    """The risk these actions have here, instead of the one their connector declares."""
    verdict: Verdict | None = None
    four_eyes: bool | None = None
    """Neither who started the execution nor who wrote the playbook may say yes."""
    host_names: bool | None = None
    """A name may stand where an address is expected."""
    counts_as: Literal["containing", "guarded", "notifying"] | None = None
    """What these actions are, where their connector cannot know: an HTTP request that only tells somebody is
    `notifying`; protected ones may be named in it."""
    undo_after: Waits | None = None
    """When a containment lifts itself where its playbook says nothing: one duration, or a ladder."""


class Minimum(Strict):
    """What the alert must reach; below it a person is asked."""

    for_: Annotated[Selectors, Field(alias="for")]
    severity: Severity | None = None
    confidence: Score | None = None
    risk_score: Score | None = None
    when_missing: Literal["allow", "ask"] = "allow"
    """For an alert that does not say."""

    @model_validator(mode="after")
    def asks_for_something(self) -> Self:
        if self.severity is None and self.confidence is None and self.risk_score is None:
            raise ValueError("needs severity, confidence or risk_score: without one it asks for nothing")
        return self


class Budget(Strict):
    """How many changes of a kind may be made in a window of time."""

    for_: Annotated[Selectors, Field(alias="for")]
    limit: Annotated[int, Field(ge=0, le=1_000_000)]
    window: Seconds
    resume_at: Annotated[int, Field(ge=0)] | None = None
    """Once full it stays full until this many are left in the window; 80 % of the limit unless said."""
    per: Literal["all", "connection", "playbook", "channel"] = "connection"
    when_full: Literal["ask", "refuse"] = "ask"

    @model_validator(mode="after")
    def resumes_below(self) -> Self:
        if self.resume_at is not None and self.resume_at >= max(self.limit, 1):
            raise ValueError(f"resume_at must be below limit ({self.limit})")
        return self

    @property
    def resumes_at(self) -> int:
        return self.limit * 8 // 10 if self.resume_at is None else self.resume_at


class ApproverSettings(Strict):
    """Who may answer a guardrail's question."""

    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    required: Annotated[int, Field(ge=1, le=10)] = 1

    @model_validator(mode="after")
    def names_somebody(self) -> Self:
        if not (self.groups or self.roles or self.users):
            raise ValueError("names nobody: give groups, roles or users, or every question goes unanswered")
        return self


class Asking(Strict):
    """How guardrails ask."""

    approvers: ApproverSettings | None = None
    timeout: Annotated[Seconds, Field(le=30 * 86_400)] | None = None
    """No answer by then is a no."""
    notify: tuple[str, ...] | None = None
    """Channels such as `slack:#soc-approvals`."""


class BreakGlass(Strict):
    """Who may approve at once and alone, whatever a request asks for, and who is told of it."""

    roles: tuple[str, ...] | None = None
    """Roles of `soar.yaml`; nobody else may, and out of the box nobody may."""
    notify: tuple[Annotated[str, AfterValidator(_channel)], ...] | None = None
    """Channels such as `slack:#security`."""


GroupName = Annotated[str, Field(pattern=_GROUP)]


class PolicyFile(Strict):
    """A whole policy file."""

    protected: dict[GroupName, Group | None] = Field(default_factory=dict)
    risk: Matrix = Matrix()
    actions: tuple[ActionRule, ...] = ()
    minimum: dict[GroupName, Minimum | None] = Field(default_factory=dict)
    budgets: dict[GroupName, Budget | None] = Field(default_factory=dict)
    approval: Asking = Asking()
    approve_on_timeout: Patterns | None = None
    """Actions whose playbook may say `on_timeout: approve`."""
    break_glass: BreakGlass = BreakGlass()

    def over(self, below: PolicyFile) -> PolicyFile:
        """This file laid over another: what it leaves out holds as the other says, `null` takes an entry away."""
        return PolicyFile(
            protected=_laid(self.protected, below.protected),
            risk=Matrix(**{risk: _row(getattr(self.risk, risk), getattr(below.risk, risk)) for risk in RISKS}),
            actions=self.actions + below.actions,
            minimum=_laid(self.minimum, below.minimum),
            budgets=_laid(self.budgets, below.budgets),
            approval=Asking(
                approvers=self.approval.approvers or below.approval.approvers,
                timeout=self.approval.timeout or below.approval.timeout,
                notify=_said(self.approval.notify, below.approval.notify),
            ),
            approve_on_timeout=_said(self.approve_on_timeout, below.approve_on_timeout),
            break_glass=BreakGlass(
                roles=_said(self.break_glass.roles, below.break_glass.roles),
                notify=_said(self.break_glass.notify, below.break_glass.notify),
            ),
        )


RISKS: Final[tuple[Risk, ...]] = ("low", "medium", "high")


def _said(over: T | None, below: T | None) -> T | None:
    """An empty list is said, and takes what stands below away."""
    return below if over is None else over


def _laid(over: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **over}
    return {name: merged[name] for name in [*over, *(name for name in below if name not in over)]}


def _row(over: Row, below: Row) -> Row:
    return Row(reversible=over.reversible or below.reversible, irreversible=over.irreversible or below.irreversible)
