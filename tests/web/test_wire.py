"""Senders as they are on the wire: too large, too slow, gone in the middle, and not quite HTTP."""

from __future__ import annotations

import contextlib
import json
import socket
import tracemalloc
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from tests.web.deployment import SECRETS
from tests.web.serving import PATIENCE, Reply, Served, served, until

LIMIT = 16 * 1024
LIMITS = f"limits: {{body_bytes: {LIMIT}, read_timeout: 1s, deliveries: 4, alerts: 5}}\n"
TOKEN = b"Authorization: Bearer " + SECRETS["bearer"].encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("limited"), LIMITS) as one:
        yield one


def head(*lines: bytes, token: bytes = TOKEN, path: bytes = b"/webhooks/edge") -> bytes:
    return b"\r\n".join([b"POST " + path + b" HTTP/1.1", b"Host: x", token, *lines, b"", b""])


def sized(size: int) -> bytes:
    """A body of exactly that many bytes."""
    return b'{"pad": "' + b"x" * (size - 11) + b'"}'


def chunked(body: bytes, size: int = 1000) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


def received(server: Served) -> int:
    return server.run(server.runtime.store.alerts.counts()).received


@contextlib.contextmanager
def connected(server: Served) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as wire:
        yield wire


def reply(wire: socket.socket) -> Reply:
    """One answer, while the connection stays open."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += wire.recv(1)
    found = Reply.read_all(data)[0]
    length = int(found.headers.get("content-length", 0))
    while len(found.body) < length:
        found.body += wire.recv(length - len(found.body))
    return found


# B10


def test_b10_a_body_of_the_limit_is_taken_with_and_without_its_length(server: Served) -> None:
    body = sized(LIMIT)
    (one,) = server.raw(head(b"Connection: close", b"Content-Length: %d" % len(body)), body)
    (other,) = server.raw(head(b"Connection: close", b"Transfer-Encoding: chunked"), chunked(body))
    assert (one.status, other.status) == (202, 202)
    assert [json.loads(found.body)["alerts"][0]["duplicate"] for found in (one, other)] == [False, True]


def test_b10_one_byte_more_is_refused_with_and_without_its_length(server: Served) -> None:
    before, body = received(server), sized(LIMIT + 1)
    for given in (
        head(b"Connection: close", b"Content-Length: %d" % len(body)) + body,
        head(b"Connection: close", b"Transfer-Encoding: chunked") + chunked(body),
    ):
        (found,) = server.raw(given)
        assert found.status == 413
        assert found.problem()["type"] == "urn:soar:problem:too-large"
        assert str(LIMIT) in found.problem()["detail"]
    assert received(server) == before


def test_b10_a_length_over_the_limit_is_refused_before_any_of_it_came(server: Served) -> None:
    with connected(server) as wire:
        wire.sendall(head(b"Content-Length: %d" % (1 << 40)))
        found = reply(wire)
        assert found.status == 413
        assert found.headers["connection"] == "close"


@pytest.mark.parametrize("token", [TOKEN, b"Authorization: Bearer nobody"])
def test_b10_a_body_without_end_is_read_to_the_limit_and_memory_stays_flat(server: Served, token: bytes) -> None:
    piece = chunked(b"x" * 65_536, 65_536)[: -len(b"0\r\n\r\n")]
    sent = 0
    tracemalloc.start()
    try:
        with connected(server) as wire, contextlib.suppress(ConnectionError):
            wire.sendall(head(b"Transfer-Encoding: chunked", token=token))
            while sent < 1 << 30:
                sent += wire.send(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent < 32 << 20  # the limit, what a refused sender may still say, and the buffers of two sockets
    assert peak < 16 << 20


def test_b10_too_many_alerts_in_one_delivery(server: Served) -> None:
    before = received(server)
    answer = server.post("edge", [{"id": f"many-{number}"} for number in range(6)])
    assert answer.status_code == 413
    assert "6 alerts, over the limit of 5" in answer.json()["detail"]
    assert received(server) == before


def test_the_limit_holds_for_the_api_too(server: Served) -> None:
    body = sized(LIMIT + 1)
    for path in ("/playbooks/note/executions", "/containments/x/lift", "/questions/x/answer"):
        answer = server.ask("POST", path, content=body)
        assert answer.status_code == 413, path
        assert answer.json()["type"] == "urn:soar:problem:too-large"
        chunks = server.ask("POST", path, content=iter([body[:100], body[100:]]))
        assert chunks.status_code == 413, path


def test_who_is_refused_in_mid_body_may_end_the_sentence_and_hears_why(server: Served) -> None:
    """Cut off at once, many clients tell their user of a broken connection, not of the 401."""
    with connected(server) as wire:
        wire.sendall(head(b"Content-Length: 400000", token=b"Authorization: Bearer nobody") + b"x" * 1000)
        assert reply(wire).status == 401
        for _ in range(99):
            wire.sendall(b"x" * 4000)
        wire.sendall(b"x" * 3000)
        assert wire.recv(1) == b""  # and then it is over: no reset


# Senders that do not go on


def outcome(name: str) -> float:
    return REGISTRY.get_sample_value("soar_deliveries_total", {"source": "edge", "outcome": name}) or 0.0


def test_a_sender_that_is_too_slow_is_told_so(server: Served) -> None:
    before = received(server)
    with connected(server) as wire:
        wire.sendall(head(b"Content-Length: 100") + b'{"id": "slow')
        found = reply(wire)
        assert found.status == 408
        assert found.problem()["type"] == "urn:soar:problem:too-slow"
        assert found.headers["connection"] == "close"
    assert received(server) == before


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_a_sender_that_hangs_up_in_mid_body_leaves_nothing(server: Served, framing: bytes) -> None:
    before, gone, logged = received(server), outcome("sender-gone"), len(server.logged())
    with connected(server) as wire:
        wire.sendall(head(framing) + b"8\r\n12345678\r\n")
    until(lambda: outcome("sender-gone") == gone + 1, "the server noticed")
    assert received(server) == before
    said = server.logged()[logged:]
    assert "Traceback" not in said
    assert '"level":"error"' not in said


def test_a_sender_that_does_not_wait_for_the_answer_has_its_alert_kept(server: Served) -> None:
    before, logged, body = received(server), len(server.logged()), b'{"id": "impatient"}'
    with connected(server) as wire:
        wire.sendall(head(b"Content-Length: %d" % len(body)) + body)
    until(lambda: received(server) == before + 1, "the alert is kept")
    assert "Traceback" not in server.logged()[logged:]


def test_one_more_than_can_be_taken_at_one_time_is_sent_away(server: Served) -> None:
    body = b'{"id": "busy"}'
    with contextlib.ExitStack() as open_ones:
        wires = [open_ones.enter_context(connected(server)) for _ in range(4)]
        for wire in wires:
            wire.sendall(head(b"Content-Length: %d" % len(body), b"Connection: close") + body[:5])
        until(lambda: server.runtime.intake._taking == 4, "four are being taken")
        answer = server.post("edge", {"id": "one more"})
        assert answer.status_code == 429
        assert answer.json()["type"] == "urn:soar:problem:busy"
        assert int(answer.headers["retry-after"]) >= 1
        for wire in wires:
            wire.sendall(body[5:])
        assert [reply(wire).status for wire in wires] == [202] * 4
    assert server.post("edge", {"id": "one more"}).status_code == 202


# Expect: 100-continue


def test_who_asks_first_sends_the_body_only_when_it_is_wanted(server: Served) -> None:
    body = b'{"id": "expected"}'
    asks = (b"Expect: 100-continue", b"Content-Length: %d" % len(body))
    with connected(server) as wire:
        wire.sendall(head(*asks))
        assert reply(wire).status == 100
        wire.sendall(body)
        assert reply(wire).status == 202
    for given, status in (
        (head(*asks, token=b"Authorization: Bearer nobody"), 401),
        (head(*asks, path=b"/webhooks/nobody"), 404),
        (head(b"Expect: 100-continue", b"Content-Length: %d" % (LIMIT + 1)), 413),
    ):
        (found,) = server.raw(given)  # the server ends the connection: what follows cannot be taken for the body
        assert found.status == status
        assert found.headers["connection"] == "close"


def test_a_refusal_leaves_the_connection_good_for_the_next_request(server: Served) -> None:
    body = b'{"id": "after a refusal"}'
    length = b"Content-Length: %d" % len(body)
    with connected(server) as wire:
        wire.sendall(head(length, token=b"Authorization: Bearer nobody") + body)
        assert reply(wire).status == 401
        wire.sendall(head(length) + body)
        assert reply(wire).status == 202
        wire.sendall((head(length) + body) * 2)
        assert [reply(wire).status, reply(wire).status] == [202, 202]


# Not quite HTTP


def broken(*lines: bytes, body: bytes = b'{"id": "broken"}', path: bytes = b"/webhooks/edge") -> bytes:
    return head(b"Connection: close", *lines, path=path) + body


NOT_HTTP: list[bytes] = [
    broken(b"Content-Length: 16", b"Content-Length: 17"),
    broken(b"Content-Length: -1"),
    broken(b"Content-Length: many"),
    broken(b"Content-Length: 99999999999999999999999"),
    broken(b"Content-Length: 16", b"Transfer-Encoding: chunked"),
    broken(b"Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"),
    broken(b"Content-Length: 16", b"X-Odd: a\rb"),
    broken(b"Content-Length: 16", b"X\x00Odd: a"),
    broken(b"Content-Length: 16", b"no colon"),
    b"NONSENSE\r\n\r\n",
    b"POST /webhooks/edge HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
]


@pytest.mark.parametrize("given", NOT_HTTP, ids=range(len(NOT_HTTP)))
def test_what_is_not_http_is_a_400_and_leaves_nothing(server: Served, given: bytes) -> None:
    before, logged = received(server), len(server.logged())
    replies = server.raw(given)
    assert [found.status for found in replies] == [400]
    assert received(server) == before
    assert "Traceback" not in server.logged()[logged:]


@pytest.mark.parametrize(
    "path",
    [
        b"/webhooks/edge%0d%0aX-Injected:%201",
        b"/webhooks/%0a%0a",
        b"/webhooks/edge%00",
        b"/webhooks/%ff%fe",
        b"/webhooks/" + b"x" * 5000,
        b"/webhooks/..%2f..%2fetc%2fpasswd",
        b"/webhooks/../api/v1/alerts",
    ],
)
def test_a_name_out_of_this_world_is_unknown_and_injects_nothing(server: Served, path: bytes) -> None:
    lines = len(server.logged().splitlines())
    (found,) = server.raw(broken(b"Content-Length: 16", path=path))
    assert found.status == 404
    assert "x-injected" not in found.headers
    assert len(found.body) < 400
    for line in server.logged().splitlines()[lines:]:
        assert isinstance(json.loads(line), dict)  # a log line stays one line


def test_bytes_in_the_path_that_no_url_has(server: Served) -> None:
    replies = server.raw(broken(b"Content-Length: 16", path=b"/webhooks/\xff\xfe"))
    assert [found.status for found in replies] in ([400], [404])


def test_headers_twice_and_in_any_letter_case(server: Served) -> None:
    body = b'{"id": "headers"}'
    length = b"CONTENT-LENGTH: %d" % len(body)
    for lines, status in (
        ((b"authorization: BEARER " + SECRETS["bearer"].encode(), length), 202),
        ((TOKEN, TOKEN, length), 401),
        ((TOKEN, length, b"Content-Encoding: identity"), 202),
        ((TOKEN, length, b"Content-Encoding: gzip", b"Content-Encoding: gzip"), 400),
        ((TOKEN, length, b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-For: \xff"), 202),
        ((TOKEN, length, *[b"X-%d: y" % number for number in range(200)]), 202),
    ):
        given = b"\r\n".join([b"POST /webhooks/edge HTTP/1.1", b"Host: x", b"Connection: close", *lines, b"", body])
        (found,) = server.raw(given)
        assert found.status == status, (lines[:3], found.body)


def test_http_1_0_is_answered_too(server: Served) -> None:
    body = b'{"id": "old"}'
    given = b"POST /webhooks/edge HTTP/1.0\r\n" + TOKEN + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    (found,) = server.raw(given)
    assert found.status == 202
