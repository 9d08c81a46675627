"""What Slack tells of a press of a button or of a submitted form, read into an interaction.

A person is their id in their own workspace. Names and addresses in a payload are the sender's to choose: none is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import parse_qs

from connectors.slack.blocks import APPROVE, DENY, REASON
from soar.sdk import DeliveryMalformed, Interaction, SignatureInvalid

Payload = Mapping[str, Any]

_KINDS: Final[Mapping[str, Literal["approve", "wants_to_deny"]]] = {APPROVE: "approve", DENY: "wants_to_deny"}
_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_TS: Final = re.compile(r"[0-9]{1,20}\.[0-9]{1,20}")
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def is_certificate_check(body: bytes) -> bool:
    """Slack looks now and then whether the certificate of an address holds; it asks nothing, and may be unsigned."""
    return len(body) < 1_000 and b"ssl_check=1" in body.split(b"&") and b"payload=" not in body


def unpacked(body: bytes) -> Payload:
    """The payload in a form-encoded body.

    Raises:
        DeliveryMalformed: there is none, or it is no JSON object.
    """
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=20
        )
        [written] = fields["payload"]
        payload = json.loads(written)
    except (ValueError, KeyError, RecursionError) as error:
        raise DeliveryMalformed(f"the body holds no readable field 'payload' ({type(error).__name__})") from error
    if not isinstance(payload, dict):
        raise DeliveryMalformed("the payload is no JSON object")
    return payload


def interaction(payload: Payload, proof: Mapping[str, str], app_id: str | None) -> Interaction | None:
    """What was done, when it was done to something of ours; `proof` is how it came, for the record.

    Raises:
        SignatureInvalid: it is of another app than ours.
        DeliveryMalformed: it is ours, and cannot be read.
    """
    if app_id is not None and payload.get("api_app_id") != app_id:
        raise SignatureInvalid(f"it is of another app than {app_id}, the `app_id` in the settings")
    try:
        if payload.get("type") == "block_actions":
            return _pressed(payload, proof)
        if payload.get("type") == "view_submission":
            return _submitted(payload, proof)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise DeliveryMalformed(
            f"the payload lacks what one of its kind has: {type(error).__name__} {error}"
        ) from error
    return None


def _pressed(payload: Payload, proof: Mapping[str, str]) -> Interaction | None:
    ours = [action for action in payload["actions"] if action.get("action_id") in _KINDS]
    container = payload.get("container") or {}
    if not ours or container.get("type") != "message":
        return None
    action = ours[0]
    place = {"channel": _id(payload["channel"]["id"]), "ts": _ts(container["message_ts"])}
    thread = container.get("thread_ts") or (payload.get("message") or {}).get("thread_ts")
    return Interaction(
        kind=_KINDS[action["action_id"]],
        identity=_identity(payload),
        nonce=_text(action["value"]),
        place=place,
        evidence=_evidence(payload, proof, place, _ts(action["action_ts"])),
        handle=_handle(payload, place, thread and _ts(thread)),
    )


def _submitted(payload: Payload, proof: Mapping[str, str]) -> Interaction | None:
    view = payload["view"]
    if view.get("callback_id") != REASON:
        return None
    private = json.loads(view["private_metadata"])
    place = {"channel": _id(private["channel"]), "ts": _ts(private["ts"])}
    return Interaction(
        kind="deny",
        identity=_identity(payload),
        nonce=_text(private["nonce"]),
        place=place,
        reason=_text(view["state"]["values"][REASON][REASON].get("value") or ""),
        evidence=_evidence(payload, proof, place, private.get("action_ts")),
        handle=_handle(payload, place, private.get("thread_ts")),
    )


def private_of(asked: Interaction) -> dict[str, str]:
    """What the form for a reason needs to carry, so that what comes back is known for what it answers."""
    kept = {"nonce": asked.nonce, "channel": asked.place["channel"], "ts": asked.place["ts"]}
    more = {"action_ts": asked.evidence.get("action_ts"), "thread_ts": asked.handle.get("thread_ts")}
    return kept | {name: value for name, value in more.items() if value}


def _identity(payload: Payload) -> str:
    """The account in its own workspace: in a shared channel that need not be the one the message stands in."""
    user = payload["user"]
    return f"{_id(user.get('team_id') or payload['team']['id'])}/{_id(user['id'])}"


def _evidence(payload: Payload, proof: Mapping[str, str], place: Mapping[str, str], action_ts: str | None) -> Payload:
    user, team = payload["user"], payload.get("team") or {}
    told = {
        "type": payload["type"],
        "team": team.get("id"),
        "user": user["id"],
        "user_team": user.get("team_id"),
        "channel": place["channel"],
        "message_ts": place["ts"],
        "action_ts": action_ts,
        "api_app_id": payload.get("api_app_id"),
    }
    return {name: _text(value) for name, value in told.items() if value is not None} | dict(proof)


def _handle(payload: Payload, place: Mapping[str, str], thread: str | None) -> dict[str, str]:
    handle = {"trigger_id": _text(payload["trigger_id"]), "user": payload["user"]["id"], "channel": place["channel"]}
    return handle | ({"thread_ts": thread} if thread else {})


def _id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("an id that is none")
    return value


def _ts(value: Any) -> str:
    if not isinstance(value, str) or not _TS.fullmatch(value):
        raise ValueError("a time stamp that is none")
    return value


def _text(value: Any) -> str:
    """A text that every store can keep."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return _UNSTORABLE.sub("\ufffd", value)
