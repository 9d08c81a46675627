"""Slack: post messages and change them, ask people there and take their answers in, through slack-sdk's own client.

Texts come from playbooks and alerts together, so all of them are escaped and shown as they are: no alert can ping a
channel, name a person, hide a link behind other words or dress itself up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any, ClassVar, Final

from pydantic import Field
from slack_sdk.web.async_client import AsyncWebClient

from connectors.slack.blocks import message, reason_form, said
from connectors.slack.checkup import KNOWS_PEOPLE, POSTS, deaf, missing_scopes, unreachable
from connectors.slack.client import Method, answered, web_client
from connectors.slack.payload import interaction, is_certificate_check, private_of, unpacked
from connectors.slack.signature import verified
from connectors.slack.socket_mode import Listener
from connectors.slack.standing import Remembered, objection
from connectors.slack.text import as_one, cut, escaped, in_bytes
from soar.sdk import (
    AnsweringChannel,
    Call,
    Health,
    HttpConnector,
    HttpSettings,
    Interaction,
    Notice,
    Params,
    Place,
    Result,
    SignatureInvalid,
    Take,
    action,
)

TEXT_LIMIT: Final = 4_000
_WHISPER: Final = 3_000
_AS_IT_IS: Final[Mapping[str, Any]] = {"parse": "none", "link_names": False}
_NO_PREVIEWS: Final[Mapping[str, Any]] = {"unfurl_links": False, "unfurl_media": False}


class SlackSettings(HttpSettings):
    """Which workspace the token belongs to is in the token."""

    base_url: str = "https://slack.com/api/"
    """Slack's Web API; another address only for rehearsals."""
    repeat_lost_posts: bool = False
    """After a lost answer post once more, marked as such, instead of asking a person whether the message is there."""
    formatting: bool = False
    """Let *bold*, _italic_ and `code` in texts take effect, in those parts too that an alert brought."""
    app_id: str | None = Field(default=None, examples=["A0123456789"])
    """The app's id; answers that name another app are refused."""
    socket_mode: bool = False
    """Fetch answers through a socket that the engine opens; needs the secret `app_token`, and no way in."""
    channels: list[str] = Field(default_factory=list, examples=[["#soc"]])
    """Channels that `soar connectors test` looks at: whether the bot can post there."""

    def hosts(self) -> list[str]:
        """Slack's sockets are on hosts of their own below its name."""
        hosts = super().hosts()
        return [*hosts, *(f"*.{host}" for host in hosts if self.socket_mode and not _is_address(host))]


class PostMessage(Params):
    to: str = Field(min_length=1, max_length=255, examples=["#soc"])
    """Channel by name (`#soc`) or id, or a user's id for a direct message."""
    text: str = Field(min_length=1)
    """The message, shown as it is: mentions, hidden links and formatting do not work. Cut after 4,000 characters."""
    thread: str | None = None
    """`ts` of the message to answer below."""


class UpdateMessage(Params):
    channel: str = Field(min_length=1, max_length=255, examples=["C0123456789"])
    """`channel` of the message as post_message gave it."""
    ts: str = Field(min_length=1, max_length=64, examples=["1767225600.000100"])
    """`ts` of the message as post_message gave it."""
    text: str = Field(min_length=1)
    """The new text. Slack takes 4,000 bytes of it, and it is cut to that."""


class Posted(Result):
    channel: str = Field(examples=["C0123456789"])
    """Id of the channel."""
    ts: str = Field(examples=["1767225600.000100"])
    """The message's own id in the channel."""


class Slack(HttpConnector, AnsweringChannel):
    """Tell people in Slack, ask them, and take their answers in."""

    name = "slack"
    prefix: ClassVar[str] = "slack"
    settings: SlackSettings
    required_secrets: ClassVar[Mapping[str, str]] = {"token": "The app's bot token (xoxb-...), scope chat:write."}
    optional_secrets: ClassVar[Mapping[str, str]] = {
        "signing_secret": "The app's signing secret: proves that answers sent to /slack/interactions are Slack's.",
        "app_token": "The app-level token (xapp-...), scope connections:write; for `socket_mode`.",
    }

    async def open(self) -> None:
        if self.settings.socket_mode:
            self.needed("app_token")
        self._standing = Remembered()
        self._own_team: str | None = None

    # -- what playbooks may do ----------------------------------------------------------------

    @action(risk="low", idempotent=lambda settings: settings.repeat_lost_posts)
    async def post_message(self, params: PostMessage, call: Call) -> Posted:
        """Post a message to a channel, a thread or a person."""
        repeated = self.settings.repeat_lost_posts and call.attempt > 1
        text = _shown(params.text) + (f"\n(try {call.attempt}: this may stand here twice)" if repeated else "")
        formatted = {"mrkdwn": self.settings.formatting}
        return await self._post(channel=params.to, text=text, thread_ts=params.thread, **formatted)

    @action(risk="low", idempotent=True)
    async def update_message(self, params: UpdateMessage, call: Call) -> Posted:
        """Give a message of ours another text."""
        text, formatted = _shown(params.text, in_bytes), {"mrkdwn": self.settings.formatting}
        return await self._update(changes=True, channel=params.channel, ts=params.ts, text=text, **formatted)

    # -- how people are asked -----------------------------------------------------------------

    async def post(self, notice: Notice, to: str, thread: Place | None) -> Place:
        """Put a request before people; in a thread it is shown in the channel too, where it is not overlooked."""
        made = message(notice, buttons=False)
        below = {} if thread is None else {"thread_ts": thread["ts"], "reply_broadcast": True}
        channel = to if thread is None else thread["channel"]
        return _place(await self._post(channel=channel, text=made.text, blocks=made.blocks, mrkdwn=False, **below))

    async def show(self, notice: Notice, place: Place) -> None:
        made = message(notice, buttons=self._is_answered, elsewhere=not self._is_answered)
        where = {"channel": place["channel"], "ts": place["ts"]}
        await self._update(changes=False, **where, text=made.text, blocks=made.blocks, mrkdwn=False)

    async def tell(self, text: str, to: str, thread: Place | None) -> Place:
        where = {"channel": to} if thread is None else {"channel": thread["channel"], "thread_ts": thread["ts"]}
        return _place(await self._post(**where, text=_shown(text), mrkdwn=False))

    def address(self, email: str | None, identity: str | None) -> str | None:
        """The member id: a message to it is a direct one."""
        _, _, member = (identity or "").partition("/")
        return member or None

    # -- what they answer ---------------------------------------------------------------------

    def opened(self, body: bytes, headers: Mapping[str, str], now: float) -> Interaction | None:
        secret = self.secret("signing_secret")
        if secret is None:
            raise SignatureInvalid("there is no secret 'signing_secret' to check it with")
        if is_certificate_check(body):
            return None
        proof = {"signature_sha256": verified(body, headers, secret, now)}
        return interaction(unpacked(body), proof, self.settings.app_id)

    @property
    def listens(self) -> bool:
        return self.settings.socket_mode

    async def listen(self, take: Take) -> None:
        app_token, app_id = self.needed("app_token"), self.settings.app_id
        with self.http.beside_calls():
            read = partial(interaction, app_id=app_id)
            await Listener(self._client(), app_token, self.http.session, read).run(take)

    async def standing(self, identity: str) -> str | None:
        if not self._standing.known(identity):
            team, _, member = identity.partition("/")
            found = await answered(lambda: self._client().users_info(user=member), changes=False)
            self._standing[identity] = objection(found.get("user") or {}, team, await self._team())
        return self._standing[identity]

    async def ask_reason(self, interaction: Interaction) -> None:
        form = reason_form(private_of(interaction))
        trigger = interaction.handle["trigger_id"]
        await answered(lambda: self._client().views_open(trigger_id=trigger, view=form), changes=False)

    async def whisper(self, interaction: Interaction, text: str) -> None:
        handle, client = interaction.handle, self._client()
        await answered(
            lambda: client.chat_postEphemeral(
                channel=handle["channel"],
                user=handle["user"],
                thread_ts=handle.get("thread_ts"),
                text=_shown(text),
                blocks=[said(text, _WHISPER)],
                **_AS_IT_IS,
            ),
            changes=False,
        )

    # -- whether it works ---------------------------------------------------------------------

    async def health(self) -> Health:
        """The token is good and may do what is needed, the bot is in its channels, the way in is open."""
        client = self._client()
        answer = await answered(client.auth_test, changes=False)
        needed = [POSTS, KNOWS_PEOPLE] if self._is_answered else [POSTS]
        asked = [unreachable(client, channel, str(answer.get("user_id"))) for channel in self.settings.channels]
        if self.settings.socket_mode:
            asked.append(deaf(client, self.needed("app_token")))
        found = [missing_scopes(answer.headers, needed), *await asyncio.gather(*asked)]
        wrong = [problem for problems in found for problem in problems]
        bot = f"bot {answer.get('user') or answer.get('user_id')} in {answer.get('team')}"
        return Health(ok=not wrong, detail="; ".join([bot, *wrong]))

    @property
    def _is_answered(self) -> bool:
        return self.settings.socket_mode or self.secret("signing_secret") is not None

    async def _team(self) -> str:
        """The workspace that the token is of."""
        if self._own_team is None:
            self._own_team = str((await answered(self._client().auth_test, changes=False))["team_id"])
        return self._own_team

    async def _post(self, **content: Any) -> Posted:
        client = self._client()
        return await self._sent(lambda: client.chat_postMessage(**content, **_AS_IT_IS, **_NO_PREVIEWS), changes=True)

    async def _update(self, *, changes: bool, **content: Any) -> Posted:
        client = self._client()
        return await self._sent(lambda: client.chat_update(**content, **_AS_IT_IS), changes=changes)

    async def _sent(self, method: Method, *, changes: bool) -> Posted:
        answer = await answered(method, changes=changes)
        return Posted(channel=str(answer["channel"]), ts=str(answer["ts"]))

    def _client(self) -> AsyncWebClient:
        return web_client(self.secret("token"), self.settings.base_url, self.http.session)


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host.strip("[]")))
    except ValueError:
        return False


def _place(posted: Posted) -> Place:
    return {"channel": posted.channel, "ts": posted.ts}


def _shown(text: str, count: Callable[[str], int] = as_one) -> str:
    """A text in which nothing acts; it is cut before it is escaped."""
    return escaped(cut(text, TEXT_LIMIT, count))
