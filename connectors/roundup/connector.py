"""Roundup: open tickets, comment on them, close them.

Roundup takes no key of a caller's, so the first message of every change carries one: its Message-ID, which Roundup
keeps and searches. A message is a draft nobody sees until it is linked to an issue, so writing it changes nothing yet;
linking it is the one change, and a second call with the same key finds it linked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from soar.sdk import Call, Health, HttpConnector, HttpSettings, Params, Refused, Result, Unavailable, action

_TRIES: Final = 5
_TITLE_LIMIT: Final = 200


class RoundupSettings(HttpSettings):
    """Which tracker, and the words it uses."""

    web_url: str | None = None
    """The tracker's own address as its configuration has it (`web`), where that differs from `base_url`."""
    priority: str | None = None
    """Priority of new tickets; the tracker's own default without it."""
    closed_status: str = "resolved"
    """Status of a closed ticket."""


def _number(value: object) -> str:
    text = str(value).strip().removeprefix("issue")
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise ValueError("is no ticket of this tracker; write issue12 or 12")
    return str(int(text))


Ticket = Annotated[str, BeforeValidator(_number), Field(examples=["issue12"])]


class CreateTicket(Params):
    title: str = Field(min_length=1)
    """One line; longer than 200 characters is cut."""
    body: str = Field(min_length=1)
    """The first message."""
    priority: str | None = None
    """Priority as the tracker names it; the connection's setting without it."""


class AddComment(Params):
    ticket: Ticket
    """The ticket's key: `issue12`, or its number."""
    body: str = Field(min_length=1)
    """The message."""


class CloseTicket(Params):
    ticket: Ticket
    """The ticket's key: `issue12`, or its number."""


class Created(Result):
    key: str = Field(examples=["issue12"])
    """The ticket as people name it."""
    url: str = Field(examples=["https://tracker.example.com/issue12"])
    """Its page."""


class Commented(Result):
    key: str = Field(examples=["issue12"])
    """The ticket."""
    message: str = Field(examples=["msg31"])
    """The message as Roundup names it."""


class Closed(Result):
    key: str = Field(examples=["issue12"])
    """The ticket."""
    status: str = Field(examples=["resolved"])
    """Its status now."""


class Roundup(HttpConnector):
    """Tickets in a Roundup tracker."""

    name = "roundup"
    settings: RoundupSettings
    required_secrets: ClassVar[Mapping[str, str]] = {
        "username": "A user of the tracker with the role User.",
        "password": "Its password.",
    }
    optional_secrets: ClassVar[Mapping[str, str]] = {}

    def credentials(self) -> Mapping[str, str]:
        """Basic authentication, and the three headers Roundup wants against forged requests."""
        web = (self.settings.web_url or self.settings.base_url).rstrip("/")
        parts = urlsplit(web)
        proofs = {"origin": f"{parts.scheme}://{parts.netloc}", "referer": f"{web}/", "x-requested-with": "rest"}
        return {**super().credentials(), **proofs}

    @action(risk="low", idempotent=True)
    async def create_ticket(self, params: CreateTicket, call: Call) -> Created:
        """Open a ticket."""
        message = await self._draft(call, params.body)
        if found := await self._issue_with(message):
            return self._created(found)
        issue: dict[str, Any] = {"title": _one_line(params.title), "messages": [message]}
        if priority := params.priority or self.settings.priority:
            issue["priority"] = priority
        reply = await self.http.post(_data("issue"), json=issue)
        return self._created(str(reply.json()["data"]["id"]))

    @create_ticket.verify
    async def find_ticket(self, params: CreateTicket, call: Call) -> Created | None:
        """The ticket that this call opened."""
        message = await self._message_of(call)
        found = await self._issue_with(message) if message else None
        return self._created(found) if found else None

    @action(risk="low", idempotent=True)
    async def add_comment(self, params: AddComment, call: Call) -> Commented:
        """Add a message to a ticket."""
        await self._issue(params.ticket)
        message = await self._draft(call, params.body)
        for _ in range(_TRIES):
            issue, etag = await self._issue(params.ticket)
            if message in _linked(issue) or await self._link(params.ticket, message, etag):
                return Commented(key=f"issue{params.ticket}", message=f"msg{message}")
        raise Unavailable(f"issue{params.ticket} was changed by others {_TRIES} times in a row")

    @add_comment.verify
    async def find_comment(self, params: AddComment, call: Call) -> Commented | None:
        """The message that this call wrote, when it is linked to the ticket."""
        message = await self._message_of(call)
        if message is None or message not in _linked((await self._issue(params.ticket))[0]):
            return None
        return Commented(key=f"issue{params.ticket}", message=f"msg{message}")

    @action(risk="low", idempotent=True)
    async def close_ticket(self, params: CloseTicket, call: Call) -> Closed:
        """Give a ticket the status that means it is over."""
        wanted = self.settings.closed_status
        for _ in range(_TRIES):
            issue, etag = await self._issue(params.ticket)
            if issue["status.name"] == wanted or await self._patch(params.ticket, {"status": wanted}, etag):
                return Closed(key=f"issue{params.ticket}", status=wanted)
        raise Unavailable(f"issue{params.ticket} was changed by others {_TRIES} times in a row")

    @close_ticket.verify
    async def find_closed(self, params: CloseTicket, call: Call) -> Closed | None:
        """Whether the ticket has that status now."""
        status = (await self._issue(params.ticket))[0]["status.name"]
        return Closed(key=f"issue{params.ticket}", status=status) if status == self.settings.closed_status else None

    async def health(self) -> Health:
        """The REST interface knows our user, and the status that closes a ticket exists."""
        wanted = self.settings.closed_status
        reply = await self.http.get(_data("status"), params={"@fields": "name"})
        names = [entry["name"] for entry in reply.json()["data"]["collection"]]
        if wanted not in names:
            return Health(ok=False, detail=f"the tracker has no status '{wanted}'; it has {', '.join(names)}")
        return Health(ok=True, detail=f"{self.http.origin} knows our user")

    async def _draft(self, call: Call, body: str) -> str:
        """The message of this call, written unless it is there; not linked to anything yet."""
        if found := await self._message_of(call):
            return found
        draft = {"content": body, "messageid": self._message_id(call), "author": self.secret("username")}
        reply = await self.http.post(_data("msg"), json=draft, changes=False)
        return str(reply.json()["data"]["id"])

    async def _message_of(self, call: Call) -> str | None:
        wanted = self._message_id(call)
        reply = await self.http.get(_data("msg"), params={"messageid": wanted, "@fields": "messageid"})
        # Roundup finds parts of a text too, so the whole is compared.
        found = [entry for entry in reply.json()["data"]["collection"] if entry["messageid"] == wanted]
        return str(found[0]["id"]) if found else None

    async def _issue_with(self, message: str) -> str | None:
        reply = await self.http.get(_data("issue"), params={"messages": message})
        found = reply.json()["data"]["collection"]
        return str(found[0]["id"]) if found else None

    async def _issue(self, number: str) -> tuple[dict[str, Any], str]:
        """Status and messages of an issue, and the tag that a change of it must carry."""
        fields = {"@fields": "status.name,messages"}
        reply = await self.http.get(_data(f"issue/{number}"), params=fields, accept={404})
        if reply.status_code == 404:
            raise Refused(f"{self.http.origin} has no issue{number}")
        issue = reply.json()["data"]
        return issue["attributes"], issue["@etag"]

    async def _link(self, number: str, message: str, etag: str) -> bool:
        return await self._patch(number, {"@op": "add", "messages": [message]}, etag)

    async def _patch(self, number: str, change: Mapping[str, Any], etag: str) -> bool:
        """Make a change unless the issue changed since it was read: then False."""
        reply = await self.http.patch(_data(f"issue/{number}"), json=change, headers={"If-Match": etag}, accept={412})
        return reply.status_code != 412

    def _created(self, number: str) -> Created:
        web = (self.settings.web_url or self.settings.base_url).rstrip("/")
        return Created(key=f"issue{number}", url=f"{web}/issue{number}")

    def _message_id(self, call: Call) -> str:
        return f"<soar.{call.key}@{urlsplit(self.settings.base_url).hostname}>"


def _data(resource: str) -> str:
    return f"rest/data/{resource}"


def _linked(issue: Mapping[str, Any]) -> list[str]:
    return [str(message["id"]) for message in issue["messages"]]


def _one_line(title: str) -> str:
    line = " ".join(title.split())
    return line if len(line) <= _TITLE_LIMIT else f"{line[: _TITLE_LIMIT - 1]}…"
