"""Requests by e-mail and a broken glass, from alert to call: a real server and a real mail server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.acceptance.harness import Recorder, Server, alert, calling, eventually
from tests.connectors.smtp_part import PASSWORD, USERNAME, MailPart, certificate, mail_server

CONFIG: Final = """\
  mail:
    connector: smtp
    settings: {{host: localhost, port: {port}, sender: soar@example.com, ca: "{ca}"}}
    secrets: {{username: "env:MAIL_USER", password: "env:MAIL_PASSWORD"}}
public_url: https://soar.example.com
policy: policy.yaml
people:
  ana: {{email: ana@example.com, roles: [analyst]}}
  kim: {{email: kim@example.com, roles: [incident-commander]}}
"""
POLICY: Final = 'break_glass: {roles: [incident-commander], notify: ["email:ciso@example.com"]}\n'
ASKS: Final = """\
    approval:
      message: "Call it for {{ alert.title }}?"
      notify: ["email:soc@example.com"]
      approvers: {role: analyst}
      timeout: 1h
"""
HOSTILE: Final = "x\r\nBcc: eve@example.net\r\n\r\n<a href='https://evil.example'>yes</a> {{ 7 * 7 }}"


class MailedServer(Server):
    @property
    def environment(self) -> dict[str, str]:
        given = {"MAIL_USER": USERNAME, "MAIL_PASSWORD": PASSWORD}
        return {**super().environment, **given}

    async def as_person(self, name: str, *arguments: str) -> tuple[int | None, str, str]:
        """A command with that person's token, which stands in a variable that commands take from their shell."""
        made = json.loads(await self.soar("token", "create", "--person", name, "--name", f"{name}-token", "--json"))
        child = await asyncio.create_subprocess_exec(
            *self.command(*arguments),
            cwd=self.folder,
            env={**self.environment, "SOAR_TOKEN": made["token"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await child.communicate()
        return child.returncode, out.decode(), err.decode()


@pytest.fixture
async def post(tmp_path_factory: pytest.TempPathFactory, server: Server) -> AsyncIterator[MailPart]:
    """The mail server, and a deployment that mails its requests through it."""
    proof = certificate(tmp_path_factory.mktemp("mail"))
    async with mail_server(tls_context=proof.context, require_starttls=True, auth_required=True) as part:
        server.__class__ = MailedServer
        server.configure(server.config + CONFIG.format(port=part.port, ca=proof.file))
        Path(server.folder, "policy.yaml").write_text(POLICY)
        server.playbook("three-calls", calling("/only", more=ASKS))
        yield part


async def mailed(part: MailPart, to: str, count: int = 1) -> list[EmailMessage]:
    async def look() -> list[EmailMessage] | None:
        found = [mail for mail in part.mails if mail["To"] == to]
        return found if len(found) >= count else None

    found: list[EmailMessage] = await eventually(look, f"{count} mails to {to}")
    return found


def words(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


async def request(server: Server) -> dict[str, Any]:
    async with server.api() as api:
        (one,) = await api.all("/approvals", status="all")
        return dict(one)


async def asked(server: Server) -> dict[str, Any]:
    """The request, once it counts as asked: a channel has taken it."""

    async def look() -> dict[str, Any] | None:
        found = await request(server)
        return found if found["status"] == "asked" else None

    found: dict[str, Any] = await eventually(look, "the request is asked")
    return found


async def test_d01_a_request_is_mailed_as_a_link_and_answered_elsewhere(
    server: Server, post: MailPart, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await server.start()
    assert await server.post(http, {**alert("one", 1), "title": HOSTILE}) == 202
    (mail,) = await mailed(post, "soc@example.com")
    found = await asked(server)
    assert f"https://soar.example.com/approvals/{found['id']}" in words(mail, "plain")
    assert mail["Bcc"] is None and [one.rcpt_tos for one in post.taken] == [["soc@example.com"]]
    page = words(mail, "html")
    assert "evil.example" in page and page.count("<a ") == 1
    assert not target.calls
    assert isinstance(server, MailedServer)
    assert (await server.as_person("ana", "approve", found["id"]))[0] == 0
    await target.until(lambda: len(target.calls) == 1, "the call that was approved")


async def test_a_reminder_stands_below_its_request(server: Server, post: MailPart, http: aiohttp.ClientSession) -> None:
    server.playbook("three-calls", calling("/only", more=ASKS.replace("timeout: 1h", "timeout: 1h\n      remind: 1s")))
    await server.start()
    assert await server.post(http, alert("one", 1)) == 202
    mail, *reminders = await mailed(post, "soc@example.com", 3)
    assert {one["In-Reply-To"] for one in reminders} == {mail["Message-ID"]}
    assert len({one["Message-ID"] for one in reminders}) == len(reminders)
    assert all("Still waiting for an answer" in words(one, "plain") for one in reminders)


@pytest.mark.parametrize(("fault", "repeats"), [("RCPT", 1), ("DATA", 2)])
async def test_d12_d13_a_mail_that_fails_is_sent_again_and_one_that_may_have_arrived_once_more(
    server: Server, post: MailPart, http: aiohttp.ClientSession, fault: str, repeats: int
) -> None:
    post.hang_up, post.once = fault, True
    await server.start()
    assert await server.post(http, alert("one", 1)) == 202
    await asked(server)
    mails = await mailed(post, "soc@example.com", repeats)
    assert len(mails) == repeats and len({mail["Message-ID"] for mail in mails}) == 1
    assert ("may have come twice" in words(mails[-1], "plain")) == (fault == "DATA")


async def test_a_broken_glass_calls_at_once_is_mailed_and_waits_for_its_review_across_a_kill(
    server: Server, post: MailPart, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await server.start()
    assert isinstance(server, MailedServer)
    assert await server.post(http, alert("one", 1)) == 202
    found = await asked(server)
    code, _, err = await server.as_person("ana", "approve", found["id"], "--break-glass", "--reason", "late")
    assert (code, "none of the roles" in err) == (1, True)
    assert not target.calls
    broken = await server.as_person("kim", "approve", found["id"], "--break-glass", "--reason", "nobody answers")
    assert broken[0] == 0, broken
    await target.until(lambda: len(target.calls) == 1, "the call that was approved")
    (told,) = await mailed(post, "ciso@example.com")
    assert "kim has broken the glass" in str(told["Subject"]) and "nobody answers" in told.get_content()
    server.kill()
    await server.start()
    async with server.api() as api:
        (review,) = await api.all("/reviews")
    assert (review["status"], review["by"], review["approval_id"]) == ("open", "person:kim", found["id"])
    assert len(await mailed(post, "ciso@example.com")) == 1
    assert len({call.key for call in target.calls}) == 1, "killed before its answer was on record, it is made again"
