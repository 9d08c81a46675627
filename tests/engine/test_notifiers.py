"""Several notifiers in one playbook: one that fails keeps nobody else from being told (H11)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiohttp import web

from connectors.http.connector import Http
from connectors.slack.connector import Slack
from soar.clock import SystemClock
from soar.config import ConnectionSettings
from soar.connector.connections import ConnectionSet
from soar.connector.masking import Masker
from soar.connector.registry import ConnectorRegistry
from soar.connector.secrets import SecretResolver
from soar.engine import view
from soar.model.execution import Execution, StepExecution
from soar.rehearsal.inbox import SlackInbox
from soar.sdk import Call, Connector, Health, Params, Result, action
from soar.testing.stage import Stage, stage
from tests.connectors.faults import serving

from .conftest import playbook

TOKEN = "xoxb-0123456789-s3cret-of-the-bot"
PAGER_TOKEN = "pager-t0ken-of-the-test"
NOTIFY = """
- id: first
  action: {first}
  with: {{to: "#soc", text: "contained"}}
  timeout: 1m
  on_failure: continue
- id: second
  action: pager.request
  with: {{method: POST, path: /page, json: {{text: "contained"}}}}
  on_failure: continue
- id: third
  action: other.post_message
  with: {{to: "#ops", text: "first is {{{{ steps.first.status }}}}"}}
  on_failure: continue
"""


class Message(Params):
    to: str
    """Whom to tell."""
    text: str
    """What."""


class Told(Result):
    told: bool
    """Whether somebody was."""


class Pigeon(Connector):
    """A notifier with a fault: it raises what no connector may raise, with its secret in the text."""

    name = "pigeon"
    required_secrets: ClassVar[Mapping[str, str]] = {"token": "Opens the cage."}

    @action
    async def post_message(self, params: Message, call: Call) -> Told:
        """Fly."""
        raise RuntimeError(f"the cage is shut, its key is {self.secret('token')}")

    async def health(self) -> Health:
        return Health(ok=True)


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox(token=TOKEN, channels={"soc": "C0000000001", "ops": "C0000000002"}, faults=True) as part:
        yield part


class Pager:
    def __init__(self) -> None:
        self.pages: list[Any] = []

    async def handle(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {PAGER_TOKEN}"
        self.pages.append(await request.json())
        return web.json_response({"id": len(self.pages)})


@asynccontextmanager
async def notifiers(folder: Path, inbox: SlackInbox, pager: Pager) -> AsyncIterator[Stage]:
    """The engine with three connections that tell somebody, and a broken one."""
    masker = Masker()
    resolver = SecretResolver(masker, environ={"TOKEN": TOKEN, "PAGER": PAGER_TOKEN, "CAGE": "cage-key-s3cret"})
    async with serving(pager.handle) as url:
        configs: Mapping[str, Mapping[str, Any]] = {
            "chat": _slack(inbox),
            "other": _slack(inbox),
            "pager": {"connector": "http", "settings": {"base_url": url}, "secrets": {"token": "env:PAGER"}},
            "pigeon": {"connector": "pigeon", "secrets": {"token": "env:CAGE"}},
        }
        registry = ConnectorRegistry.of(Http, Slack, Pigeon)
        settings = {name: ConnectionSettings.model_validate(config) for name, config in configs.items()}
        connections = ConnectionSet(registry, settings, resolver, [], SystemClock(), masker)
        await connections.start()
        try:
            async with stage(folder, connections) as built:  # type: ignore[arg-type]  # what it needs of them they have
                yield built
        finally:
            await connections.close()


def _slack(inbox: SlackInbox) -> Mapping[str, Any]:
    return {"connector": "slack", "settings": {"base_url": inbox.api_url}, "secrets": {"token": "env:TOKEN"}}


async def notify(world: Stage, first: str) -> tuple[Execution, dict[str, StepExecution]]:
    book = playbook(NOTIFY.format(first=first))
    done = await world.finish(await world.open(book, {}))
    return done, {step.path: step for step in view.steps(book, await world.facts(done))}


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ({"error": "invalid_auth"}, "failed", "invalid_auth: check the secret 'token'"),
        ({"error": "channel_not_found"}, "failed", "channel_not_found"),
        ({"status": 500, "body": {"ok": False, "error": "boom"}}, "outcome_unknown", "500 boom"),
        ({"drop": True}, "outcome_unknown", "lost"),
    ],
)
async def test_h11_when_slack_fails_the_other_two_are_told_and_the_failure_is_on_record(
    tmp_path: Path, inbox: SlackInbox, fault: dict[str, Any], status: str, said: str
) -> None:  # H11
    pager = Pager()
    async with notifiers(tmp_path, inbox, pager) as world:
        inbox.fail_next(**fault)
        done, steps = await notify(world, "chat.post_message")
        questions = (await world.store.questions.page()).items
    assert done.state == "succeeded"
    assert {path: step.status for path, step in steps.items()} == {
        "first": status,
        "second": "succeeded",
        "third": "succeeded",
    }
    assert said in (steps["first"].attempts[-1].message or "")
    assert pager.pages == [{"text": "contained"}]
    assert inbox.messages()[-1]["text"] == f"first is {status}"
    assert len(questions) == (status == "outcome_unknown")


async def test_h11_g07_a_notifier_that_raises_stops_nobody_and_its_text_is_masked(
    tmp_path: Path, inbox: SlackInbox, caplog: pytest.LogCaptureFixture
) -> None:  # H11 G07
    caplog.set_level("DEBUG")
    pager = Pager()
    async with notifiers(tmp_path, inbox, pager) as world:
        done, steps = await notify(world, "pigeon.post_message")
        facts = await world.facts(done)
    assert [steps[path].status for path in ("second", "third")] == ["succeeded", "succeeded"]
    assert pager.pages == [{"text": "contained"}]
    shown = repr((done, steps, facts))
    assert "RuntimeError: the cage is shut, its key is ***" in shown
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in ("cage-key-s3cret", TOKEN, PAGER_TOKEN):
        assert secret not in shown + caplog.text
        assert secret.encode() not in files
