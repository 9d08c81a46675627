from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from soar.config import ConnectionSettings
from soar.connector.base import Connector
from soar.connector.connections import ConnectionSet
from soar.connector.http import SharedHttp
from soar.connector.masking import Masker
from soar.connector.registry import ConnectorRegistry
from soar.connector.secrets import SecretResolver
from soar.errors import ConfigError, NotFound, Refused
from soar.model.action import ActionCall, Connections, Outcome, UndoCall
from tests.unit.connector.gateway import Gateway

URL = "https://gateway.example.com/v1"
TOKEN = "gateway-token-0123"
Handler = Callable[[httpx.Request], httpx.Response]


class SleepingClock:
    """A clock that moves when somebody sleeps on it."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> int:
        return int(self.time * 1000)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def settings(**changes: Any) -> ConnectionSettings:
    return ConnectionSettings.model_validate(
        {"connector": "gateway", "settings": {"base_url": URL}, "secrets": {"token": "env:TOKEN"}, **changes}
    )


def build(
    configs: Mapping[str, ConnectionSettings],
    handler: Handler = lambda request: httpx.Response(200),
    environ: Mapping[str, str] | None = None,
    connectors: tuple[type[Connector], ...] = (Gateway,),
) -> tuple[ConnectionSet, SleepingClock]:
    clock, masker = SleepingClock(), Masker()
    resolver = SecretResolver(masker, environ={"TOKEN": TOKEN} if environ is None else environ)
    http = SharedHttp(clock, transport=httpx.MockTransport(handler))
    return ConnectionSet(ConnectorRegistry.of(*connectors), configs, resolver, [], clock, masker, http=http), clock


@asynccontextmanager
async def gateway(handler: Handler, **changes: Any) -> AsyncIterator[tuple[ConnectionSet, SleepingClock]]:
    connections, clock = build({"edge": settings(**changes)}, handler)
    await connections.start()
    yield connections, clock
    await connections.close()


def call(action: str, timeout: float = 5.0, **inputs: Any) -> ActionCall:
    return ActionCall(f"edge.{action}", inputs, "key-1", "e-1", "contain", 1, timeout)


BLOCK = call("block_ip", ip="203.0.113.9")
MEBIBYTE = 1024 * 1024


def answers(**by_path: httpx.Response | Exception) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        answer = by_path[request.url.path.rpartition("/")[2].replace("-", "_")]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler


# What can be told before anything starts.


def test_specs_need_no_secret_and_no_start() -> None:
    connections, _ = build({"edge": settings(timeout="5s")}, environ={})
    spec = connections.specs()["edge.block_ip"]
    assert (spec.connector, spec.timeout) == ("gateway", 5.0)
    assert connections.prepare("edge.block_ip", {"ip": "203.0.113.9"}).target == "203.0.113.9"
    proof: Connections = connections
    assert proof.spec("edge.look_up").changes is False


def test_all_that_is_wrong_with_the_configuration_is_told_at_once() -> None:
    configs = {
        "a": settings(connector="gatewai"),
        "b": settings(settings={"base_url": "https://user:pw@h/", "colour": "red"}),
        "c": settings(secrets={"toke": "env:TOKEN"}),
    }
    with pytest.raises(ConfigError) as caught:
        build(configs)
    lines = str(caught.value).splitlines()
    assert "connections.a.connector: there is no connector 'gatewai'; did you mean 'gateway'?" in lines
    assert "connections.b.settings.base_url: holds credentials; put them under `secrets` of the connection" in lines
    assert "connections.b.settings.colour: unknown; connector 'gateway' takes base_url, headers" in lines
    assert any(line.startswith("connections.c.secrets: 'token' is missing: The gateway's token.") for line in lines)
    assert any(
        line.startswith("connections.c.secrets.toke: connector 'gateway' takes no such secret") for line in lines
    )
    assert "pw" not in str(caught.value)


async def test_missing_secrets_are_told_at_the_start_all_at_once() -> None:
    connections, _ = build({"edge": settings(), "core": settings(secrets={"token": "env:CORE"})}, environ={})
    with pytest.raises(ConfigError) as caught:
        await connections.start()
    assert len(str(caught.value).splitlines()) == 2
    assert "connections.core.secrets.token: the environment variable CORE is not set" in str(caught.value)


async def test_a_connector_that_lacks_what_its_settings_call_for_says_so_at_the_start() -> None:
    registry = ConnectorRegistry.load()
    config = {"api": ConnectionSettings(connector="http", settings={"base_url": URL, "auth": "bearer"})}
    masker = Masker()
    connections = ConnectionSet(registry, config, SecretResolver(masker, environ={}), [], SleepingClock(), masker)
    with pytest.raises(ConfigError, match=r"connections\.api: the settings need the secret 'token'"):
        await connections.start()


def test_g05_a_view_tells_of_a_secret_only_its_name_and_whether_it_is_set() -> None:
    connections, _ = build({"edge": settings(), "bare": settings(secrets={"token": "env:ABSENT"})})
    assert connections.view("edge").secrets == {"token": True}
    assert connections.view("bare").secrets == {"token": False}
    assert TOKEN not in repr(connections.view("edge"))
    with pytest.raises(NotFound, match="there are edge, bare"):
        connections.view("elsewhere")


# Values.


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({}, "edge.block_ip: parameter 'ip' is missing"),
        ({"ip": "unknown"}, "parameter 'ip': input is no IP address, got 'unknown'"),
        ({"ip": "-"}, "got '-'"),
        ({"ip": ""}, "got ''"),
        ({"ip": None}, "got None"),
        ({"ip": ["203.0.113.9"]}, "got ['203.0.113.9']"),
        ({"ip": "api.example.com"}, "got 'api.example.com'"),
        ({"ip": "203.0.113.9", "reson": "x"}, "there is no parameter 'reson'; there are ip, reason"),
        ({"ip": "203.0.113.9", "reason": 7}, "parameter 'reason': input should be a valid string, got 7"),
    ],
)
async def test_i08_values_that_do_not_fit_are_refused_before_any_call(inputs: dict[str, Any], says: str) -> None:
    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request)

    async with gateway(never) as (connections, _):
        with pytest.raises(Refused) as caught:
            connections.prepare("edge.block_ip", inputs)
        assert says in str(caught.value)
        outcome = await connections.perform(call("block_ip", **inputs))
        assert (outcome.kind, outcome.sent, outcome.message) == ("refused", False, str(caught.value))


@pytest.mark.parametrize(
    ("ip", "target"),
    [
        ("2001:DB8:0:0::1", "2001:db8::1"),  # I03
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.10", "192.0.2.10"),
        ("192.0.2.10", "192.0.2.10"),
    ],
)
async def test_i03_one_address_has_one_spelling_also_where_it_is_sent(ip: str, target: str) -> None:
    sent: list[bytes] = []

    def keep(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(200)

    async with gateway(keep) as (connections, _):
        assert connections.prepare("edge.block_ip", {"ip": ip}).target == target
        await connections.perform(call("block_ip", ip=ip))
        assert f'"{target}"'.encode() in sent[0]


def test_prepare_masks_what_history_may_not_show() -> None:
    connections, _ = build({"edge": settings()})
    plain = connections.prepare("edge.block_ip", {"ip": "203.0.113.9", "reason": "x"})
    assert not plain.masked
    secret = connections.prepare("edge.look_up", {"name": "https://u:p@h/?token=abc"})
    assert secret.masked
    assert secret.masked_inputs == {"name": "https://***h/?token=***"}


# Outcomes.


async def test_a_call_is_done_and_its_headers_carry_key_and_credentials() -> None:
    seen: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201)

    async with gateway(keep) as (connections, _):
        assert await connections.perform(BLOCK) == Outcome("done", {"rule_id": "key-1"})
        await connections.perform(call("look_up", name="x"))
    assert str(seen[0].url) == f"{URL}/rules/key-1"
    assert seen[0].headers["idempotency-key"] == "key-1"
    assert seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "idempotency-key" not in seen[1].headers


async def test_each_request_of_a_call_has_a_key_of_its_own_the_same_on_every_retry() -> None:
    keys: list[str] = []

    def keep(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        return httpx.Response(200)

    async with gateway(keep) as (connections, _):
        for _ in range(2):
            await connections.perform(call("two_steps", name="x"))
    assert keys == ["key-1", "key-1-2"] * 2


@pytest.mark.parametrize("second", [503, 500, 400])
async def test_after_a_first_change_no_later_failure_means_nothing_happened(second: int) -> None:
    handler = answers(first=httpx.Response(200), second=httpx.Response(second))
    async with gateway(handler) as (connections, _):
        outcome = await connections.perform(call("two_steps", name="x"))
    assert outcome.kind == "unknown"
    assert "an earlier request" in outcome.message or second == 500


@pytest.mark.parametrize("read", ["x" * (5 * MEBIBYTE + 1), "this is no JSON"], ids=["too long", "no JSON"])
async def test_s08_after_a_first_change_an_answer_that_cannot_be_read_is_no_refusal(read: str) -> None:
    handler = answers(first=httpx.Response(200), second=httpx.Response(200, text=read))
    async with gateway(handler) as (connections, _):
        assert (await connections.perform(call("look_after", name="x"))).kind == "unknown"


@pytest.mark.parametrize(("first", "kind"), [(503, "unavailable"), (400, "refused"), (500, "unknown")])
async def test_a_first_change_that_was_turned_away_is_none(first: int, kind: str) -> None:
    async with gateway(answers(first=httpx.Response(first))) as (connections, _):
        assert (await connections.perform(call("two_steps", name="x"))).kind == kind


@pytest.mark.parametrize(("status", "kind"), [(303, "done"), (304, "done"), (302, "refused"), (307, "refused")])
async def test_a_redirect_that_is_an_answer_is_one_and_others_are_a_no(status: int, kind: str) -> None:
    async with gateway(answers(key_1=httpx.Response(status))) as (connections, _):
        assert (await connections.perform(BLOCK)).kind == kind


async def test_a_login_is_no_change() -> None:
    handler = answers(login=httpx.Response(200), first=httpx.Response(503))
    async with gateway(handler) as (connections, _):
        assert (await connections.perform(call("log_in_first", name="x"))).kind == "unavailable"
    async with gateway(answers(login=httpx.Response(500))) as (connections, _):
        assert (await connections.perform(call("log_in_first", name="x"))).kind == "unavailable"


async def test_what_a_connector_says_itself_is_respected() -> None:
    handler = answers(login=httpx.Response(200), first=httpx.Response(200, text="pending"))
    async with gateway(handler) as (connections, _):
        outcome = await connections.perform(call("log_in_first", name="x"))
        assert (outcome.kind, outcome.message) == ("refused", "the gateway says it will not")


async def test_a_connectors_own_mistake_after_a_change_is_unknown_never_a_crash() -> None:
    handler = answers(login=httpx.Response(200), first=httpx.Response(200, text="{}"))
    async with gateway(handler) as (connections, _):
        outcome = await connections.perform(call("log_in_first", name="x"))
        assert outcome.kind == "unknown"
        assert "KeyError: 'text'" in outcome.message


@pytest.mark.parametrize(("size", "big"), [(64 * 1024 - 11, False), (64 * 1024 - 10, True), (5 * MEBIBYTE - 11, True)])
async def test_s08_a_result_up_to_five_mebibytes_comes_whole_and_says_when_it_is_big(size: int, big: bool) -> None:
    async with gateway(answers(things=httpx.Response(200, text="x" * size))) as (connections, _):
        outcome = await connections.perform(call("look_up", name="x"))
        assert (outcome.kind, outcome.big, outcome.exact) == ("done", big, True)
        assert outcome.output == {"text": "x" * size}


async def test_s08_a_longer_result_is_too_large_to_read() -> None:
    async with gateway(answers(things=httpx.Response(200, text="x" * (5 * MEBIBYTE)))) as (connections, _):
        outcome = await connections.perform(call("look_up", name="x"))
        assert (outcome.kind, outcome.error_kind) == ("refused", "too_large")


@pytest.mark.parametrize(("size", "whole"), [(2 * MEBIBYTE, True), (3 * MEBIBYTE, False)])
async def test_s08_a_longer_result_of_a_change_is_done_and_truncated(size: int, whole: bool) -> None:
    latin = {"content-type": "application/json; charset=latin-1"}  # one byte there is two in what is kept
    long = httpx.Response(200, content=b'{"text": "' + b"\xe9" * size + b'"}', headers=latin)
    async with gateway(answers(login=httpx.Response(200), first=long)) as (connections, _):
        outcome = await connections.perform(call("log_in_first", name="x"))
        assert outcome.output is not None
        assert (outcome.kind, outcome.big, outcome.exact) == ("done", whole, whole)
        assert outcome.output.get("truncated", False) is not whole


async def test_g01_outputs_and_messages_are_masked() -> None:
    echo = httpx.Response(200, text=f"you sent Bearer {TOKEN}")
    async with gateway(answers(things=echo)) as (connections, _):
        assert (await connections.perform(call("look_up", name="x"))).output == {"text": "you sent Bearer ***"}
    async with gateway(answers(things=httpx.Response(400, text=f"bad token {TOKEN}"))) as (connections, _):
        assert TOKEN not in (await connections.perform(call("look_up", name="x"))).message


async def test_an_action_that_is_gone_is_an_outcome_not_a_crash() -> None:
    async with gateway(answers()) as (connections, _):
        gone = ActionCall("edge.gone", {}, "k", "e", "p", 1, 5)
        assert (await connections.perform(gone)).kind == "refused"
        assert (await connections.verify(gone)).kind == "unknown"
        undone = await connections.undo(UndoCall("old.block", {}, "k", {}), key="u", timeout=5)
        assert undone.kind == "refused"
        assert "by hand" in undone.message
        with pytest.raises(NotFound):
            connections.spec("edge.gone")


# Verify and undo.


async def test_s21_verify_is_tried_again_for_sixty_seconds_then_cannot_tell() -> None:
    asked = 0

    def busy(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(503)

    async with gateway(busy) as (connections, clock):
        outcome = await connections.verify(BLOCK)
        assert outcome.kind == "unknown"
        assert 60 <= clock.time < 70
        assert asked > 10


async def test_s21_verify_that_reaches_its_system_at_last_tells() -> None:
    left = [httpx.Response(503), httpx.Response(500), httpx.Response(404)]
    async with gateway(lambda request: left.pop(0)) as (connections, _):
        assert (await connections.verify(BLOCK)).kind == "absent"


async def test_verify_that_is_refused_cannot_tell() -> None:
    async with gateway(answers(key_1=httpx.Response(403))) as (connections, _):
        assert (await connections.verify(BLOCK)).kind == "unknown"
        assert (await connections.verify(call("two_steps", name="x"))).kind == "unknown"  # has no verify


@pytest.mark.parametrize(
    ("found", "kind", "methods"),
    [(200, "done", ["GET", "DELETE"]), (404, "done", ["GET"]), (403, "unknown", ["GET"])],
)
async def test_s33_an_undo_of_what_may_not_have_happened_asks_first(found: int, kind: str, methods: list[str]) -> None:
    seen: list[str] = []

    def keep(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return httpx.Response(found if request.method == "GET" else 204)

    async with gateway(keep) as (connections, _):
        undo = UndoCall("edge.block_ip", {"ip": "203.0.113.9"}, "key-1", None)
        assert (await connections.undo(undo, key="lift-1", timeout=5)).kind == kind
    assert seen == methods


async def test_an_undo_carries_its_own_key_and_reads_results_of_other_versions() -> None:
    seen: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(404)

    async with gateway(keep) as (connections, _):
        undo = UndoCall("edge.block_ip", {}, "key-1", {"rule_id": "r-9", "since": "removed later", "truncated": True})
        assert (await connections.undo(undo, key="lift-1", timeout=5)).kind == "done"
        assert (seen[0].url.path, seen[0].headers["idempotency-key"]) == ("/v1/rules/r-9", "lift-1")
        lacking = UndoCall("edge.block_ip", {}, "key-1", {"other": 1})
        outcome = await connections.undo(lacking, key="lift-1", timeout=5)
        assert (outcome.kind, "by hand" in outcome.message) == ("refused", True)


async def test_a_rate_limit_holds_calls_back() -> None:
    async with gateway(answers(things=httpx.Response(200)), rate_limit={"per_second": 2, "burst": 1}) as (
        connections,
        clock,
    ):
        for _ in range(5):
            await connections.perform(call("look_up", name="x"))
        assert clock.time == 2.0


async def test_health_is_an_answer_also_when_it_fails() -> None:
    async with gateway(answers(status=httpx.Response(200, json={"ready": True}))) as (connections, _):
        assert (await connections.health("edge")).ok
    async with gateway(answers(status=httpx.Response(401, text=f"no {TOKEN}"))) as (connections, _):
        health = await connections.health("edge")
        assert not health.ok
        assert TOKEN not in health.detail
    async with gateway(answers(status=httpx.Response(200, text="<html>"))) as (connections, _):
        assert not (await connections.health("edge")).ok
