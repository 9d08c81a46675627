"""What a channel shows of a request, and what comes back through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from soar.clock import Millis
from soar.model.approval import ApprovalState, Vote

Place = Mapping[str, str]
"""Where a message stands, in the channel's own words: `{"channel": "C01", "ts": "1767225600.000100"}`."""


@dataclass(frozen=True, slots=True)
class NoticeItem:
    """One action that may run once the request is approved."""

    path: str
    action: str
    """`gateway.block_ip`."""
    where: str
    """Which system that is: `gateway (haproxy, zone dmz)`."""
    effect: str
    """What would happen: `Deny every request from one client address: 203.0.113.9`."""
    undo: str
    """How it is taken back, and until when it holds: `lifts itself after 24h`."""
    risk: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """Every rendered parameter, masked."""
    open: Mapping[str, str] = field(default_factory=dict)
    """The expressions of those that are known only later."""
    held: str = ""
    """What is held on that target already, in words; empty when nothing is."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A request as it stands at this moment. Its texts hold parts of alerts: a channel shows them as they are."""

    approval_id: str
    nonce: str
    """Opaque; what a button carries. It names the message, and the message the request."""
    state: ApprovalState
    title: str
    playbook_id: str
    execution_id: str
    requester: str
    approvers: str
    """Who may answer, in words."""
    required: int
    asked_at: Millis
    due_at: Millis | None
    on_timeout: Literal["reject", "approve"]
    digest: str
    """SHA-256 of what is shown; the answer is bound to it."""
    items: tuple[NoticeItem, ...] = ()
    votes: tuple[Vote, ...] = ()
    stage: int = 0
    """0 for the first; above, it was escalated."""
    settled_at: Millis | None = None
    settled_by: str | None = None
    reason: str | None = None
    link: str | None = None
    """The page of the request; None without `public_url`."""
    repeated: bool = False
    """The answer to an earlier post was lost: the same request may stand here once more, without buttons."""

    @property
    def open(self) -> bool:
        """Whether it can still be answered."""
        return self.state in ("asking", "asked")


@dataclass(frozen=True, slots=True)
class Interaction:
    """What somebody did in a channel, verified to come from that channel's own service."""

    kind: Literal["approve", "deny", "wants_to_deny"]
    """A denial needs a reason: who presses the button is asked for it, and then it is a `deny`."""
    identity: str
    """Who, as `soar.yaml` says it under `people`: `T01/U02`."""
    nonce: str
    place: Place
    """The message that was acted on."""
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Raw ids, the time, the hash of the signature: for auditors."""
    handle: Mapping[str, str] = field(default_factory=dict)
    """What the channel needs to answer that person in private; good for seconds."""
