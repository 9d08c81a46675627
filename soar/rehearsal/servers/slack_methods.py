"""The Web API methods that a bot which asks people needs, with the refusals of each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from soar.rehearsal.servers.slack_limits import SlackRefused, check_content, check_view
from soar.rehearsal.servers.slack_workspace import BOT, BOT_USER, View, Workspace

Arguments = Mapping[str, Any]
Answer = dict[str, Any]

_SCOPES: Final = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.update": "chat:write",
    "users.info": "users:read",
}
APP_LEVEL: Final = "apps.connections.open"
_CONTENT: Final = ("text", "blocks", "parse", "link_names", "unfurl_links", "unfurl_media", "mrkdwn", "reply_broadcast")


class Methods:
    """Slack's side of each call, on one workspace."""

    def __init__(self, workspace: Workspace, socket_url: Callable[[], str]) -> None:
        self._workspace = workspace
        self._socket_url = socket_url
        self._known: Mapping[str, Callable[[Arguments], Answer]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.update": self._update,
            "users.info": self._user,
            "views.open": self._open_view,
            APP_LEVEL: lambda _: {"url": self._socket_url()},
        }

    def call(self, name: str, token: str, arguments: Arguments) -> Answer:
        """One call's answer. Raises SlackRefused."""
        self._authorise(name, token)
        method = self._known.get(name)
        if method is None:
            raise SlackRefused("unknown_method")
        needed = _SCOPES.get(name)
        if needed is not None and needed not in self._workspace.scopes:
            raise SlackRefused("missing_scope", needed=needed, provided=",".join(self._workspace.scopes))
        return method(arguments)

    def _authorise(self, name: str, token: str) -> None:
        bot, app = self._workspace.token, self._workspace.app_token
        expected, other = (app, bot) if name == APP_LEVEL else (bot, app)
        if not token:
            raise SlackRefused("not_authed")
        if token == other and token != expected:
            raise SlackRefused("not_allowed_token_type")
        if token != expected:
            raise SlackRefused("invalid_auth")

    def _auth_test(self, _: Arguments) -> Answer:
        told = {"url": "https://rehearsal.invalid/", "team": "Rehearsal", "user": "soar", "bot_id": BOT}
        return {**told, "team_id": self._workspace.team, "user_id": BOT_USER}

    def _post(self, arguments: Arguments) -> Answer:
        channel = self._workspace.writable(arguments.get("channel"))
        check_content(arguments)
        message = {"channel": channel.id, "ts": self._workspace.stamp(), **_content(arguments)}
        if arguments.get("thread_ts"):
            message["thread_ts"] = self._parent(channel.id, arguments["thread_ts"])
        self._workspace.messages.append(message)
        return {"channel": channel.id, "ts": message["ts"], "message": message}

    def _parent(self, channel: str, ts: Any) -> str:
        """A reply goes below a message that is there, and is none itself."""
        try:
            parent = self._workspace.message(channel, ts)
        except SlackRefused:
            raise SlackRefused("thread_not_found") from None
        return str(parent.get("thread_ts", ts))

    def _update(self, arguments: Arguments) -> Answer:
        if arguments.get("channel") not in self._workspace.channels:
            raise SlackRefused("channel_not_found")  # chat.update takes an id, not a name
        if self._workspace.channels[arguments["channel"]].archived:
            raise SlackRefused("is_inactive")
        check_content(arguments, updated=True)
        message = self._workspace.message(arguments["channel"], arguments.get("ts"))
        if message.get("foreign"):
            raise SlackRefused("cant_update_message")
        message.pop("blocks", None)  # a text without blocks takes the old ones away
        message.update(_content(arguments), edited=True)
        return {"channel": message["channel"], "ts": message["ts"], "text": message["text"]}

    def _post_ephemeral(self, arguments: Arguments) -> Answer:
        channel = self._workspace.writable(arguments.get("channel"))
        check_content(arguments)
        user = arguments.get("user")
        if user != BOT_USER and (user not in self._workspace.members or self._workspace.members[user]["deleted"]):
            raise SlackRefused("user_not_in_channel")
        said = {"channel": channel.id, "user": user, "ts": self._workspace.stamp(), **_content(arguments)}
        if arguments.get("thread_ts"):
            said["thread_ts"] = arguments["thread_ts"]
        self._workspace.ephemerals.append(said)
        return {"message_ts": said["ts"]}

    def _user(self, arguments: Arguments) -> Answer:
        found = self._workspace.members.get(str(arguments.get("user")))
        if found is None:
            raise SlackRefused("user_not_found")
        return {"user": found}

    def _open_view(self, arguments: Arguments) -> Answer:
        trigger = self._workspace.triggers.get(str(arguments.get("trigger_id")))
        if trigger is None:
            raise SlackRefused("invalid_trigger_id")
        if trigger.used:
            raise SlackRefused("exchanged_trigger_id")
        if self._workspace.now() > trigger.until:
            raise SlackRefused("expired_trigger_id")
        check_view(arguments.get("view"))
        trigger.used = True
        view = {**arguments["view"], "id": f"V{secrets.token_hex(5).upper()}", "hash": secrets.token_hex(8)}
        self._workspace.views[view["id"]] = View(trigger.user, view)
        return {"view": view}


def _content(arguments: Arguments) -> dict[str, Any]:
    return {"text": "", **{key: arguments[key] for key in _CONTENT if key in arguments}}
