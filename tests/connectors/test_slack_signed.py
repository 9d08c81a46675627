"""What comes in over HTTP proves that it is Slack's; whatever is wrong with it, it is refused and nothing breaks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.slack.payload import interaction
from connectors.slack.signature import verified
from soar.errors import DeliveryMalformed, SignatureInvalid
from tests.connectors.contract import connected
from tests.connectors.slack_stage import NONCE, SIGNING, SOC, TOKEN, Desk, form

NOW = 1_767_225_600.0
TS = "1767225590.000100"


def pressed(**more: Any) -> dict[str, Any]:
    """What Slack tells of a press of Approve."""
    given: dict[str, Any] = {
        "type": "block_actions",
        "team": {"id": "T01", "domain": "example"},
        "user": {"id": "U01", "username": "ana", "name": "ana", "team_id": "T01"},
        "api_app_id": "A01",
        "token": "deprecated",
        "container": {"type": "message", "message_ts": TS, "channel_id": SOC, "is_ephemeral": False},
        "trigger_id": "1.2.abc",
        "channel": {"id": SOC, "name": "soc"},
        "actions": [{"type": "button", "action_id": "soar_approve", "value": NONCE, "action_ts": "1767225599.1"}],
    }
    return {**given, **more}


def submitted(private: Any = None, **more: Any) -> dict[str, Any]:
    """What Slack tells of a form that was sent off."""
    kept = {"nonce": NONCE, "channel": SOC, "ts": TS, "action_ts": "1767225599.1"} if private is None else private
    view = {
        "callback_id": "soar_reason",
        "private_metadata": kept if isinstance(kept, str) else json.dumps(kept),
        "state": {"values": {"soar_reason": {"soar_reason": {"type": "plain_text_input", "value": "no"}}}},
    }
    common = {name: pressed()[name] for name in ("team", "user", "api_app_id", "trigger_id")}
    return {"type": "view_submission", **common, "view": {**view, **more}}


def signed(body: bytes, at: float = NOW, key: str = SIGNING) -> dict[str, str]:
    timestamp = str(int(at))
    signature = hmac.new(key.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={signature}"}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with connected("slack", {"app_id": "A01"}, {"token": TOKEN, "signing_secret": SIGNING}) as connections:
        yield Desk(connections)


async def test_what_is_signed_is_taken_in(desk: Desk) -> None:
    body = form(pressed())
    headers = signed(body)
    taken = desk.channel.opened(body, headers, NOW)
    assert taken is not None
    assert (taken.kind, taken.identity, taken.nonce) == ("approve", "T01/U01", NONCE)
    assert taken.evidence["signature_sha256"] == hashlib.sha256(headers["x-slack-signature"].encode()).hexdigest()
    assert "ana" not in repr(taken)
    assert "deprecated" not in repr(taken)


SOUND = form(pressed())
BAD_HEADERS: dict[str, dict[str, Any]] = {
    "no headers": {"x-slack-signature": None, "x-slack-request-timestamp": None},
    "no time": {"x-slack-request-timestamp": None},
    "no signature": {"x-slack-signature": None},
    "an empty time": {"x-slack-request-timestamp": ""},
    "a time in words": {"x-slack-request-timestamp": "now"},
    "a time with a fraction": {"x-slack-request-timestamp": "1767225600.0"},
    "a negative time": {"x-slack-request-timestamp": "-1767225600"},
    "a time with a space": {"x-slack-request-timestamp": " 1767225600"},
    "a time with a line end": {"x-slack-request-timestamp": "1767225600\n"},
    "a time in other digits": {"x-slack-request-timestamp": "１７６７２２５６００"},
    "a time as Python writes it": {"x-slack-request-timestamp": "1_767_225_600"},
    "an endless time": {"x-slack-request-timestamp": "9" * 5_000},
    "a time twice": {"x-slack-request-timestamp": "1767225600, 1767225600"},
    "a list of times": {"x-slack-request-timestamp": ["1767225600"]},
    "a signature that is not ASCII": {"x-slack-signature": "v0=é"},
    "a signature with a lone surrogate": {"x-slack-signature": "v0=\udcff"},
    "an empty signature": {"x-slack-signature": ""},
    "a signature without version": {"x-slack-signature": signed(SOUND)["x-slack-signature"][3:]},
    "a signature of another version": {"x-slack-signature": "v1" + signed(SOUND)["x-slack-signature"][2:]},
    "a signature in capitals": {"x-slack-signature": "v0=" + signed(SOUND)["x-slack-signature"][3:].upper()},
    "a signature twice": {"x-slack-signature": ",".join([signed(SOUND)["x-slack-signature"]] * 2)},
    "a short signature": {"x-slack-signature": signed(SOUND)["x-slack-signature"][:-1]},
    "a signature with another end": {"x-slack-signature": "v0=" + "0" * 64},
    "a signature of another key": signed(SOUND, key="another key"),
    "a signature of another body": signed(SOUND + b"&x=1"),
    "a signature of another time": {"x-slack-request-timestamp": "1767225601"},
}


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
async def test_headers_that_prove_nothing_are_refused_and_raise_nothing_else(
    desk: Desk, headers: dict[str, Any]
) -> None:
    given = {name: value for name, value in {**signed(SOUND), **headers}.items() if value is not None}
    with pytest.raises(SignatureInvalid):
        desk.channel.opened(SOUND, given, NOW)


@given(
    st.binary(),
    st.text() | st.from_regex(r"[0-9]{1,12}", fullmatch=True),
    st.text() | st.from_regex(r"v0=[0-9a-f]{64}"),
)
def test_whatever_comes_is_refused_as_unsigned(body: bytes, timestamp: str, signature: str) -> None:
    with pytest.raises(SignatureInvalid):
        verified(body, {"x-slack-request-timestamp": timestamp, "x-slack-signature": signature}, SIGNING, NOW)


@pytest.mark.parametrize("body", [b"payload=\xff", "payload={}".encode("utf-16"), b"\x00\x80"])
async def test_a_body_that_is_no_text_is_refused_though_its_signature_fits(desk: Desk, body: bytes) -> None:
    with pytest.raises(SignatureInvalid, match="not UTF-8"):
        desk.channel.opened(body, signed(body), NOW)


@pytest.mark.parametrize(
    ("age", "taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (600, False)]
)
async def test_a_replay_is_refused_after_five_minutes(desk: Desk, age: float, taken: bool) -> None:
    headers = signed(SOUND, NOW - age)
    if taken:
        assert desk.channel.opened(SOUND, headers, NOW)
        return
    with pytest.raises(SignatureInvalid, match="more than five minutes"):
        desk.channel.opened(SOUND, headers, NOW)


async def test_without_a_signing_secret_nothing_is_taken_in() -> None:
    async with connected("slack", {}, {"token": TOKEN}) as connections:
        channel = Desk(connections).channel
        for body in (SOUND, b"ssl_check=1&token=x"):
            with pytest.raises(SignatureInvalid, match="signing_secret"):
                channel.opened(body, signed(body), NOW)


async def test_a_check_of_the_certificate_is_answered_and_nothing_more(desk: Desk) -> None:
    assert desk.channel.opened(b"ssl_check=1&token=deprecated", {}, NOW) is None
    for body in (b"ssl_check=1&" + SOUND, b"ssl_check=0", b"xssl_check=1"):
        with pytest.raises(SignatureInvalid):
            desk.channel.opened(body, {}, NOW)


async def test_what_is_of_another_app_is_refused(desk: Desk) -> None:
    for payload in (pressed(api_app_id="A02"), pressed(api_app_id=None), submitted() | {"api_app_id": "A02"}):
        body = form(payload)
        with pytest.raises(SignatureInvalid, match="another app than A01"):
            desk.channel.opened(body, signed(body), NOW)


def without(payload: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in names}


UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "no payload": b"a=1",
    "an empty payload": b"payload=",
    "no form": b"{}",
    "no JSON": form("{"),
    "no object": form("[]"),
    "a payload twice": SOUND + b"&" + SOUND,
    "bytes that are no text, within": b"payload=%ff",
    "a deep one": form("[" * 100_000),
    "an endless number": form("9" * 10_000),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_what_is_genuine_and_cannot_be_read_is_malformed(desk: Desk, body: bytes) -> None:
    with pytest.raises(DeliveryMalformed):
        desk.channel.opened(body, signed(body), NOW)


BUTTON = pressed()["actions"][0]
BROKEN: dict[str, Any] = {
    "no actions": without(pressed(), "actions"),
    "actions that are none": pressed(actions="x"),
    "no nonce": pressed(actions=[without(BUTTON, "value")]),
    "a nonce that is a number": pressed(actions=[{**BUTTON, "value": 7}]),
    "no user": without(pressed(), "user"),
    "a user without id": pressed(user={"team_id": "T01"}),
    "a user who would be another": pressed(user={"id": "T01/U02", "team_id": "T01"}),
    "a user nobody has": pressed(user={"id": "", "team_id": "T01"}),
    "a team nobody has": pressed(user={"id": "U01", "team_id": ["T01"]}),
    "no team at all": pressed(user={"id": "U01"}, team=None),
    "no channel": pressed(channel=None),
    "a message without time": pressed(container={"type": "message"}),
    "a time that is none": pressed(container={"type": "message", "message_ts": "x"}),
    "no trigger": without(pressed(), "trigger_id"),
    "a form of nothing": submitted("nothing"),
    "a form of no message": submitted({"nonce": NONCE}),
    "a form of another kind": submitted([1]),
    "a form without values": submitted(state={"values": {}}),
    "a form with a number": submitted(state={"values": {"soar_reason": {"soar_reason": {"value": 7}}}}),
    "no view": without(submitted(), "view"),
}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_ours_and_lacks_something_is_malformed(payload: dict[str, Any]) -> None:
    with pytest.raises(DeliveryMalformed):
        interaction(payload, {}, None)


FOREIGN: dict[str, Any] = {
    "a button of somebody else": pressed(actions=[{**BUTTON, "action_id": "approve"}]),
    "our link to the page": pressed(actions=[{**BUTTON, "action_id": "soar_open"}]),
    "no button at all": pressed(actions=[]),
    "a button within a form": pressed(container={"type": "view"}),
    "another form": submitted(callback_id="other"),
    "a form that was closed": {**submitted(), "type": "view_closed"},
    "a shortcut": {"type": "shortcut"},
    "a thing of the future": {"type": "hologram"},
    "nothing": {},
}


@pytest.mark.parametrize("payload", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_not_ours_asks_nothing_of_us(payload: dict[str, Any]) -> None:
    assert interaction(payload, {}, None) is None


@pytest.mark.parametrize(
    ("user", "team", "identity"),
    [
        ({"id": "U01", "team_id": "T01"}, {"id": "T01"}, "T01/U01"),
        ({"id": "U01"}, {"id": "T01"}, "T01/U01"),
        ({"id": "U01", "team_id": "T99"}, {"id": "T01"}, "T99/U01"),
        ({"id": "U01", "team_id": "T99"}, None, "T99/U01"),
    ],
)
def test_d06_an_account_is_known_by_its_own_workspace(user: Any, team: Any, identity: str) -> None:  # D06
    """In a channel shared with another workspace, `team` is where the message stands, and says nothing of who it is."""
    for payload in (pressed(user=user, team=team), submitted() | {"user": user, "team": team}):
        taken = interaction(payload, {}, None)
        assert taken is not None
        assert taken.identity == identity
        assert taken.evidence.get("user_team") == user.get("team_id")


def test_a_reason_that_no_store_could_keep_is_made_one() -> None:
    values = {"soar_reason": {"soar_reason": {"value": "a\0b\ud800c\n語"}}}
    taken = interaction(submitted(state={"values": values}), {}, None)
    assert taken is not None
    assert taken.reason == "a\ufffdb\ufffdc\n語"


def test_a_press_in_a_thread_is_answered_there() -> None:
    threaded = pressed(container={**pressed()["container"], "thread_ts": "1767225580.000100"})
    taken = interaction(threaded, {}, None)
    assert taken is not None
    assert taken.handle == {"trigger_id": "1.2.abc", "user": "U01", "channel": SOC, "thread_ts": "1767225580.000100"}
