"""What people do in the workspace: press a button of a message that stands there, fill a form in.

The payload is the one that Slack sends, made from the message's own buttons; a button that is not there cannot be
pressed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from soar.rehearsal.servers.slack_limits import length
from soar.rehearsal.servers.slack_workspace import BOT, BOT_USER, Workspace

Payload = dict[str, Any]


class CannotBeDone(Exception):
    """What nobody could do in Slack at this moment, in words."""


class People:
    """The members' hands."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def press(self, wanted: Mapping[str, Any]) -> Payload:
        """`{"channel"?, "ts", "user", "team"?, "user_team"?, "action"}` as the payload of that press.

        Raises:
            CannotBeDone: there is no such message, or it has no such button.
        """
        message = self._message(wanted)
        block, button = _button(message, wanted["action"])
        user = self._user(wanted)
        pressed = {
            "type": "button",
            "action_id": button["action_id"],
            "block_id": block.get("block_id", "b1"),
            "text": button["text"],
            "action_ts": self._workspace.stamp(),
            **{name: button[name] for name in ("value", "style", "url") if name in button},
        }
        channel = self._workspace.channels[message["channel"]]
        name = "directmessage" if channel.id.startswith("D") else channel.name
        return {
            "type": "block_actions",
            **self._common(wanted, user),
            "container": _container(message),
            "channel": {"id": channel.id, "name": name},
            "message": {**message, "type": "message", "user": BOT_USER, "bot_id": BOT},
            "state": {"values": {}},
            "response_url": "https://hooks.slack.invalid/actions/rehearsal",
            "actions": [pressed],
        }

    def submit(self, wanted: Mapping[str, Any]) -> Payload:
        """`{"user", "text"}` in the form that person sees, the last one opened.

        Raises:
            CannotBeDone: there is no form before them, or it does not take such a text.
        """
        seen = [one for one in self._workspace.views.values() if one.user["id"] == wanted["user"]]
        if not seen:
            raise CannotBeDone(f"{wanted['user']} sees no form")
        view = seen[-1].view
        values = {
            block["block_id"]: _filled(block, wanted["text"]) for block in view["blocks"] if block["type"] == "input"
        }
        told = {**view, "team_id": self._workspace.team, "app_id": self._workspace.app_id, "bot_id": BOT}
        return {
            "type": "view_submission",
            **self._common(wanted, seen[-1].user),
            "view": {**told, "state": {"values": values}},
            "response_urls": [],
        }

    def close(self, payload: Payload) -> None:
        """The form goes once its submission was taken."""
        self._workspace.views.pop(payload["view"]["id"], None)

    def _message(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        found = [one for one in self._workspace.messages if one["ts"] == wanted["ts"]]
        if not found or wanted.get("channel", found[0]["channel"]) != found[0]["channel"]:
            raise CannotBeDone(f"there is no message {wanted['ts']}")
        return found[0]

    def _user(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        """Who presses is a member, or of a workspace that shares the channel."""
        id, home = wanted["user"], wanted.get("user_team")
        known = self._workspace.members.get(id)
        if known is None:
            known = self._workspace.add_member(id, {} if home is None else {"team": home})
        if known["deleted"]:
            raise CannotBeDone(f"{id} is deactivated and sees nothing")
        return {"id": id, "username": known["name"], "name": known["name"], "team_id": home or known["team_id"]}

    def _common(self, wanted: Mapping[str, Any], user: Mapping[str, str]) -> Payload:
        team = wanted.get("team", self._workspace.team)
        return {
            "team": {"id": team, "domain": "rehearsal"},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": dict(user),
            "api_app_id": self._workspace.app_id,
            "token": secrets.token_hex(12),
            "trigger_id": self._workspace.new_trigger(user),
        }


def _container(message: Mapping[str, Any]) -> Payload:
    told = {"type": "message", "message_ts": message["ts"], "channel_id": message["channel"], "is_ephemeral": False}
    return told | ({"thread_ts": message["thread_ts"]} if "thread_ts" in message else {})


def _button(message: Mapping[str, Any], action: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    for block in message.get("blocks", ()):
        for element in block.get("elements", ()) if block["type"] == "actions" else ():
            if element["action_id"] == action:
                return block, element
    raise CannotBeDone(f"the message {message['ts']} has no button '{action}'")


def _filled(block: Mapping[str, Any], text: str) -> Payload:
    element = block["element"]
    least = max(element.get("min_length", 0), 0 if block.get("optional") else 1)
    if not least <= length(text) <= element.get("max_length", 3_000):
        raise CannotBeDone(f"the form takes {least} to {element.get('max_length', 3_000)} characters")
    return {element["action_id"]: {"type": element["type"], "value": text or None}}
