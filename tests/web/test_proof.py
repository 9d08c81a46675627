"""Every scheme by which a source proves itself: good, bad, missing and malformed; always 401, never 500."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.web.deployment import SECRETS
from tests.web.serving import Served, signed, standard

BODY = b'{"id": "proof-1", "title": "first"}'
PATH_TOKEN = SECRETS["path"]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


Headers = dict[str, str] | list[tuple[bytes, bytes]] | Callable[[], Any]
"""What is signed with the time is signed when it is sent."""

GOOD: list[tuple[str, Headers]] = [
    ("edge", {"Authorization": f"Bearer {SECRETS['bearer']}"}),
    ("edge", {"Authorization": f"bearer   {SECRETS['bearer']} "}),
    ("keyed", {"X-Token": f"Token {SECRETS['header']}"}),
    ("basic", {"Authorization": basic("siem", SECRETS["basic"])}),
    ("signed", {"X-Signature": "sha256=" + signed(BODY)}),
    ("signed", {"X-Signature": "sha256=" + signed(BODY).upper()}),
    ("signed", {"X-Signature": "sha256=" + signed(BODY, SECRETS["old"])}),
    ("standard", lambda: standard(BODY)),
    ("standard", lambda: standard(BODY, secret=SECRETS["standard-old"])),
    ("standard", lambda: standard(BODY, at=time.time() - 280)),
    ("standard", lambda: standard(BODY, at=time.time() + 280)),
    (f"splunk/{PATH_TOKEN}", {}),
]


@pytest.mark.parametrize(("path", "headers"), GOOD)
def test_the_true_sender_is_taken(server: Served, path: str, headers: Headers) -> None:
    reply = server.wire(path, BODY, headers() if callable(headers) else headers)
    assert reply.status == 202, reply.body
    assert set(orjson.loads(reply.body)) == {"alerts"}


def several(*signatures: str) -> dict[str, str]:
    made = standard(BODY)
    return made | {"webhook-signature": " ".join([*signatures, made["webhook-signature"]])}


def test_one_of_several_standard_signatures_is_enough(server: Served) -> None:
    other = "v1," + base64.b64encode(b"x" * 32).decode()
    for headers in (several(other), several("v1a,abc", other), several("", "v1,", "junk", other)):
        assert server.wire("standard", BODY, headers).status == 202, headers


def changed(**changes: str) -> dict[str, str]:
    return standard(BODY) | {name.replace("_", "-"): value for name, value in changes.items()}


def stored(server: Served) -> tuple[int, int]:
    counts = server.run(server.runtime.store.alerts.counts())
    return counts.received, counts.duplicates


SIGNATURE = signed(BODY)
BAD: list[tuple[str, Headers]] = [
    # bearer
    ("edge", {}),
    ("edge", {"Authorization": ""}),
    ("edge", {"Authorization": "Bearer"}),
    ("edge", {"Authorization": "Bearer "}),
    ("edge", {"Authorization": SECRETS["bearer"]}),
    ("edge", {"Authorization": f"Basic {SECRETS['bearer']}"}),
    ("edge", {"Authorization": f"Bearer {SECRETS['bearer']}x"}),
    ("edge", {"Authorization": f"Bearer {SECRETS['bearer'][:-1]}"}),
    ("edge", {"Authorization": f"Bearer {SECRETS['bearer'].lower()}"}),
    ("edge", {"X-Token": f"Token {SECRETS['bearer']}"}),
    ("edge", [(b"Authorization", b"Bearer \xff\xfe\xe9")]),
    ("edge", [(b"Authorization", b"Bearer \x80" + SECRETS["bearer"].encode())]),
    ("edge", [(b"Authorization", b"Bearer " + SECRETS["bearer"].encode())] * 2),
    # header
    ("keyed", {}),
    ("keyed", {"X-Token": ""}),
    ("keyed", {"X-Token": "Token"}),
    ("keyed", {"X-Token": "Token "}),
    ("keyed", {"X-Token": SECRETS["header"]}),
    ("keyed", {"X-Token": f"Token {SECRETS['bearer']}"}),
    ("keyed", {"Authorization": f"Bearer {SECRETS['header']}"}),
    ("keyed", [(b"X-Token", b"Token \xc3\xa9")]),
    # basic
    ("basic", {}),
    ("basic", {"Authorization": "Basic"}),
    ("basic", {"Authorization": "Basic !!!not base64"}),
    ("basic", {"Authorization": "Basic YQ"}),
    ("basic", {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()}),
    ("basic", {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:\x00").decode()}),
    ("basic", {"Authorization": basic("siem", "wrong")}),
    ("basic", {"Authorization": basic("siem", "")}),
    ("basic", {"Authorization": basic("other", SECRETS["basic"])}),
    ("basic", {"Authorization": f"Bearer {SECRETS['basic']}"}),
    # hmac-sha256
    ("signed", {}),
    ("signed", {"X-Signature": ""}),
    ("signed", {"X-Signature": "sha256="}),
    ("signed", {"X-Signature": SIGNATURE}),
    ("signed", {"X-Signature": "sha1=" + SIGNATURE}),
    ("signed", {"X-Signature": "sha256=" + SIGNATURE[:-1]}),
    ("signed", {"X-Signature": "sha256=" + SIGNATURE + "0"}),
    ("signed", {"X-Signature": "sha256=" + "zz" * 32}),
    ("signed", {"X-Signature": "sha256=" + signed(BODY, "another secret")}),
    ("signed", {"X-Signature": "sha256=" + signed(BODY + b" ")}),
    ("signed", [(b"X-Signature", b"sha256=\xff" + SIGNATURE.encode())]),
    ("signed", [(b"X-Signature", b"sha256=" + SIGNATURE.encode())] * 2),
    # standard-webhooks
    ("standard", {}),
    ("standard", lambda: changed(webhook_signature="")),
    ("standard", lambda: changed(webhook_signature="v1,")),
    ("standard", lambda: changed(webhook_signature="v1,!!!")),
    ("standard", lambda: changed(webhook_signature="v2," + standard(BODY)["webhook-signature"][3:])),
    ("standard", lambda: changed(webhook_signature=standard(BODY)["webhook-signature"][3:])),
    ("standard", lambda: changed(webhook_id="msg_2")),
    ("standard", lambda: changed(webhook_id="")),
    ("standard", lambda: changed(webhook_id="a.b")),
    ("standard", lambda: changed(webhook_timestamp=str(int(time.time()) - 5))),
    ("standard", lambda: changed(webhook_timestamp="")),
    ("standard", lambda: changed(webhook_timestamp="soon")),
    ("standard", lambda: changed(webhook_timestamp="-1")),
    ("standard", lambda: changed(webhook_timestamp="9" * 40)),
    ("standard", lambda: changed(webhook_timestamp="1e9")),
    ("standard", lambda: standard(BODY, at=time.time() - 320)),
    ("standard", lambda: standard(BODY, at=time.time() + 320)),
    ("standard", lambda: standard(BODY, at=0)),
    ("standard", lambda: standard(BODY + b" ")),
    ("standard", lambda: standard(BODY, secret="d3Jvbmctc2VjcmV0LXdyb25n")),
    ("standard", lambda: several(*["v1,eA=="] * 40)),
    ("standard", lambda: [(name.encode(), value.encode()) for name, value in standard(BODY).items()] * 2),
    # path-token
    ("splunk", {}),
    ("splunk/", {}),
    (f"splunk/{PATH_TOKEN}x", {}),
    (f"splunk/{PATH_TOKEN[:-1]}", {}),
    (f"splunk/{PATH_TOKEN}/", {}),
    ("splunk/%FF%FE", {}),
    ("splunk/%00", {}),
    ("splunk", {"Authorization": f"Bearer {PATH_TOKEN}"}),
    # a token in the path is for scheme path-token alone
    (f"edge/{SECRETS['bearer']}", {}),
]


@pytest.mark.parametrize(("path", "headers"), BAD)
def test_anybody_else_hears_the_same_401(server: Served, path: str, headers: Headers) -> None:
    before = stored(server)
    reply = server.wire(path, BODY, headers() if callable(headers) else headers)
    assert reply.status == 401, reply.body
    assert reply.problem() == {
        "type": "urn:soar:problem:not-authenticated",
        "title": "Unauthorized",
        "status": 401,
        "detail": "the request did not prove where it comes from",
    }
    assert stored(server) == before


def test_a_signature_is_over_the_raw_bytes(server: Served) -> None:
    """The same data written otherwise is another body: nothing is read before the proof."""
    body = b'{ "id":"raw-bytes",\n\t"n": 1.0, "escaped": "\\u00e9" }'
    rewritten = orjson.dumps(orjson.loads(body))
    good = {"X-Signature": "sha256=" + signed(body)}
    assert server.post("signed", rewritten, good).status_code == 401
    assert server.post("signed", body, good).status_code == 202


def test_what_is_not_json_is_told_to_the_true_sender_only(server: Served) -> None:
    body = b"{not json"
    assert server.post("signed", body, {"X-Signature": "sha256=" + signed(b"other")}).status_code == 401
    assert server.post("signed", body, {"X-Signature": "sha256=" + signed(body)}).status_code == 400


def test_standard_webhooks_as_another_library_signs_them(server: Served) -> None:
    """The specification's own example of a signed text: id, time and body with points between them."""
    body = b'{"id": "std-lib"}'
    made = standard(body, message="msg_p5jXN8AQM9LWM0D4loKWxJek")
    assert server.post("standard", body, made).status_code == 202
    assert server.post("standard", body, made | {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJeK"}).status_code == 401


def test_which_part_failed_is_logged_and_no_secret_with_it(server: Served) -> None:
    server.post("standard", BODY, standard(BODY, at=0))
    server.post("basic", BODY, {"Authorization": basic("siem", SECRETS["bearer"])})
    log = server.logged()
    assert "webhook-timestamp is more than 5 minutes off" in log
    assert "the Basic credentials are not base64" in log
    for secret in SECRETS.values():
        assert secret not in log


def test_no_source_of_that_name_and_no_other_method(server: Served) -> None:
    answer = server.post("nobody", BODY)
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:soar:problem:unknown-source"
    assert server.post("manual", BODY).status_code == 404  # runs by hand come by the API alone
    assert server.post("Edge", BODY).status_code == 404
    for path in ("edge", f"splunk/{PATH_TOKEN}", "nobody"):
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"):
            answer = server.http.request(method, f"/webhooks/{path}", content=BODY)
            assert answer.status_code == 405, (method, path)
            assert answer.headers["allow"] == "POST"
            assert answer.json()["type"] == "urn:soar:problem:method-not-allowed"


@pytest.mark.parametrize("path", ["webhooks", "webhooks/", "webhooks//", "", "WEBHOOKS/edge", "webhooks/edge%2Fx"])
def test_other_paths_are_nothing(server: Served, path: str) -> None:
    answer: Any = server.http.post(f"/{path}", content=BODY)
    assert answer.status_code in {401, 404, 405}
    assert answer.headers["content-type"] == "application/problem+json"


# A14


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("2001:db8::5", 202),
        ("[2001:db8::5]:4711", 202),
        ("::ffff:192.0.2.9", 202),
        ("192.0.2.255", 202),
        ("203.0.113.1", 403),
        ("::ffff:203.0.113.1", 403),
        ("2001:db9::5", 403),
        ("192.0.2.9, 203.0.113.1", 403),  # the last entry is the proxy's own; those before it anybody can write
        ("203.0.113.1, 192.0.2.9", 202),
        ("192.0.2.9, unknown", 403),
        ("", 403),
        ("\u00e9", 403),
    ],
)
def test_a14_networks_of_both_kinds(server: Served, address: str, status: int) -> None:
    headers = [
        (b"Authorization", f"Bearer {SECRETS['bearer']}".encode()),
        (b"X-Forwarded-For", address.encode()),
    ]
    answer = server.http.post("/webhooks/guarded", content=BODY, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["type"] == "urn:soar:problem:sender-not-allowed"


def test_a14_the_address_is_asked_before_the_secret_and_both_count(server: Served) -> None:
    inside = {"X-Forwarded-For": "192.0.2.9"}
    assert server.post("guarded", BODY, inside).status_code == 401
    assert server.post("guarded", BODY).status_code == 403
