"""Breaking the glass: one person approves alone, where the policy lets them, and everybody hears of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from soar.approval.destinations import Destinations
from soar.clock import Millis
from soar.ids import derived_id
from soar.model.approval import Approval
from soar.model.message import Message
from soar.playbook import Staff
from soar.policy import Policy

_EFFECTS: Final = 10
_LONG: Final = 300


@dataclass(frozen=True, slots=True)
class Glass:
    """Who may break it, and who is told: the policy of this moment. Of itself, nobody may."""

    roles: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    """Places as `<connection>:<address>`."""
    public_url: str | None = None

    @classmethod
    def of(cls, policy: Policy, destinations: Destinations, public_url: str | None) -> Glass:
        """As the policy says it. A place that nothing carries is kept, so that its message tells what is wrong."""
        said = policy.rules.file.break_glass
        return cls(
            tuple(said.roles or ()),
            tuple(destinations.channel(place) or place for place in said.notify or ()),
            public_url,
        )

    def refusal(self, person: str, staff: Staff) -> str | None:
        """Why that person may not break it now; None when they may."""
        if person not in staff.roles:
            return f"'{person}' is nobody in soar.yaml"
        if not self.roles:
            return "nobody may break the glass: `break_glass` of the policy names no role"
        if set(staff.roles[person]).isdisjoint(self.roles):
            return f"'{person}' has none of the roles that may break the glass: {', '.join(self.roles)}"
        return None

    def announcements(self, approval: Approval, person: str, reason: str, now: Millis) -> Sequence[Message]:
        """What those who are to hear of it are told; the same for the same request."""
        text = self._text(approval, person, reason)
        return [
            Message(
                derived_id(approval.id, "break glass", place),
                "announcement",
                approval.execution_id,
                place,
                now,
                approval_id=approval.id,
                stage=approval.stage,
                text=text,
                due_at=now,
            )
            for place in dict.fromkeys(self.notify)
        ]

    def _text(self, approval: Approval, person: str, reason: str) -> str:
        effects = [str(item.get("effect") or item.get("action") or "") for item in approval.shown]
        lines = [
            f"{person} has broken the glass, and approved alone: {_short(approval.message)}",
            f"Reason: {_short(reason)}",
            *(f"What is done: {_short(effect)}" for effect in effects[:_EFFECTS]),
        ]
        if len(effects) > _EFFECTS:
            lines.append(f"and {len(effects) - _EFFECTS} more")
        lines.append(f"Playbook {approval.playbook_id}, execution {approval.execution_id}, request {approval.id}.")
        lines.append("Somebody else must look at it: `soar reviews list`.")
        if self.public_url is not None:
            lines.append(f"{self.public_url}/approvals/{approval.id}")
        return "\n".join(lines)


CLOSED: Final = Glass()
"""For channels through which the glass cannot be broken."""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONG else f"{line[: _LONG - 1]}…"
