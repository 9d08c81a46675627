"""One Slack workspace in memory: its channels, members, messages and forms, and the clock they live by."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from soar.rehearsal.servers.slack_limits import SlackRefused

BOT_USER: Final = "U0SOAR"
BOT: Final = "B0SOAR"
TRIGGER_LIFE: Final = 3.0
"""Seconds within which a form may be opened after a press."""


@dataclass
class Channel:
    """A public channel with the bot in it, unless said otherwise."""

    id: str
    name: str
    member: bool = True
    """Whether the bot is in it."""
    archived: bool = False
    private: bool = False


@dataclass
class Trigger:
    """What a press gives: a form may be opened for that person, once, within three seconds."""

    user: Mapping[str, str]
    until: float
    used: bool = False


@dataclass
class View:
    """A form in front of somebody."""

    user: Mapping[str, str]
    view: dict[str, Any]


@dataclass
class Workspace:
    """What the double knows; every change goes through a method of Slack's or a person's doing."""

    token: str
    team: str
    app_id: str
    app_token: str | None = None
    signing_secret: str | None = None
    scopes: list[str] = field(default_factory=lambda: ["chat:write", "users:read"])
    channels: dict[str, Channel] = field(default_factory=dict)
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    ephemerals: list[dict[str, Any]] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    request_url: str | None = None
    ahead: float = 0.0
    """Seconds by which this workspace's clock was put forward."""
    _serial: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def now(self) -> float:
        return time.time() + self.ahead

    def stamp(self) -> str:
        """A time as Slack writes it, which is a message's id too."""
        return f"{int(self.now())}.{next(self._serial):06d}"

    def add_channel(self, name: str, given: str | Mapping[str, Any]) -> None:
        """A channel, by its id or with its flags."""
        known = {"id": given} if isinstance(given, str) else dict(given)
        self.channels[known["id"]] = Channel(name=name, **known)

    def add_member(self, id: str, flags: Mapping[str, Any]) -> dict[str, Any]:
        """A member as users.info tells of one; `team` is where the account is at home."""
        given = dict(flags)
        team = given.pop("team", self.team)
        plain = dict.fromkeys(("deleted", "is_restricted", "is_ultra_restricted", "is_bot"), False)
        self.members[id] = {"id": id, "team_id": team, "name": id.lower(), **plain, **given}
        if team != self.team:
            self.members[id].setdefault("is_stranger", True)
        return self.members[id]

    def find(self, given: Any) -> Channel:
        """The channel of that name or id; a member's id is their direct messages. Raises SlackRefused."""
        name = str(given or "").removeprefix("#")
        if name in self.members or (name.startswith("U") and name.isalnum() and name.isupper()):
            return self.channels.setdefault(f"D{name[1:]}", Channel(f"D{name[1:]}", name))
        found = self.channels.get(name) or next((one for one in self.channels.values() if one.name == name), None)
        if found is None or (found.private and not found.member):
            raise SlackRefused("channel_not_found")
        return found

    def writable(self, given: Any) -> Channel:
        """The channel, if the bot may post there. Raises SlackRefused."""
        channel = self.find(given)
        if channel.archived:
            raise SlackRefused("is_archived")
        if not channel.member:
            raise SlackRefused("not_in_channel")
        return channel

    def message(self, channel: Any, ts: Any) -> dict[str, Any]:
        """The message that stands there. Raises SlackRefused."""
        for message in self.messages:
            if (message["channel"], message["ts"]) == (channel, ts):
                return message
        raise SlackRefused("message_not_found")

    def new_trigger(self, user: Mapping[str, str]) -> str:
        """A trigger id for what that person just did."""
        trigger = f"{next(self._serial)}.{secrets.token_hex(8)}"
        self.triggers[trigger] = Trigger(user, self.now() + TRIGGER_LIFE)
        return trigger
