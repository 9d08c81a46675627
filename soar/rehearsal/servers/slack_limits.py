"""What Slack refuses of blocks and forms, from its reference pages; lengths count in UTF-16, its strictest reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

Block = Mapping[str, Any]

TEXT: Final = 40_000
UPDATED_BYTES: Final = 4_000
"""`chat.update` takes less than `chat.postMessage`, and counts bytes."""
BLOCKS: Final = 50
VIEW_BLOCKS: Final = 100
ALL_BLOCKS: Final = 13_200
"""Characters of all blocks together, as JSON; not documented, see github.com/slackapi/bolt-js/issues/2509."""
_IDS: Final = 255
_ELEMENTS: Final = {"actions": 25, "context": 10}


class SlackRefused(Exception):
    """An `ok: false` answer, which Slack sends with status 200; `more` stands beside the error."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.more = more


class _Wrong(Exception):
    """What is wrong with a block, in words."""


def length(text: str) -> int:
    """Characters as JavaScript counts them."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_content(arguments: Mapping[str, Any], *, updated: bool = False) -> None:
    """A message's text and blocks.

    Raises:
        SlackRefused: with Slack's own word for what is wrong.
    """
    text, blocks = arguments.get("text") or "", arguments.get("blocks") or []
    if not text and not blocks:
        raise SlackRefused("no_text")
    if length(text) > TEXT or (updated and len(text.encode()) > UPDATED_BYTES):
        raise SlackRefused("msg_too_long")
    if not isinstance(blocks, list):
        raise SlackRefused("invalid_blocks_format")
    _check("invalid_blocks", blocks, BLOCKS)
    if length(json.dumps(blocks, ensure_ascii=False)) > ALL_BLOCKS:
        raise SlackRefused("msg_blocks_too_long")


def check_view(view: Any) -> None:
    """A form. Raises SlackRefused."""
    if not isinstance(view, dict) or view.get("type") != "modal" or not view.get("blocks"):
        raise SlackRefused("invalid_arguments", response_metadata={"messages": ["[ERROR] no modal"]})
    _check("invalid_arguments", view["blocks"], VIEW_BLOCKS)
    try:
        for name in ("title", "submit", "close"):
            if name in view or name == "title":
                _text(view.get(name), 24, name, kinds=("plain_text",))
        _limit(view.get("private_metadata", ""), 3_000, "private_metadata")
        _limit(view.get("callback_id", ""), _IDS, "callback_id")
        if any(block["type"] == "input" for block in view["blocks"]) and "submit" not in view:
            raise _Wrong("a form with inputs needs a submit")
    except _Wrong as wrong:
        raise SlackRefused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {wrong}"]}) from None


def _check(error: str, blocks: list[Any], most: int) -> None:
    try:
        if len(blocks) > most:
            raise _Wrong(f"no more than {most} items allowed")
        for block in blocks:
            _block(block)
        _unique([block["block_id"] for block in blocks if block.get("block_id")], "block_id")
    except _Wrong as wrong:
        raise SlackRefused(error, response_metadata={"messages": [f"[ERROR] {wrong}"]}) from None


def _block(block: Any) -> None:
    if not isinstance(block, dict):
        raise _Wrong("a block is an object")
    _limit(block.get("block_id", ""), _IDS, "block_id")
    kind = block.get("type")
    if kind == "header":
        _text(block.get("text"), 150, "header", kinds=("plain_text",))
    elif kind == "section":
        _section(block)
    elif kind in _ELEMENTS:
        _elements(block, _ELEMENTS[kind])
    elif kind == "input":
        _input(block)
    elif kind != "divider":
        raise _Wrong(f"unsupported block type {kind}")


def _section(block: Block) -> None:
    fields = block.get("fields")
    if fields is None or "text" in block:
        _text(block.get("text"), 3_000, "section")
    if fields is not None:
        if not isinstance(fields, list) or not 0 < len(fields) <= 10:
            raise _Wrong("a section has 1 to 10 fields")
        for field in fields:
            _text(field, 2_000, "field")


def _elements(block: Block, most: int) -> None:
    elements = block.get("elements")
    if not isinstance(elements, list) or not 0 < len(elements) <= most:
        raise _Wrong(f"{block['type']} has 1 to {most} elements")
    for element in elements:
        if block["type"] == "context":
            _text(element, 2_000, "context")
        else:
            _button(element)
    if block["type"] == "actions":
        _unique([element["action_id"] for element in elements], "action_id")


def _button(button: Any) -> None:
    if not isinstance(button, dict) or button.get("type") != "button":
        raise _Wrong("only buttons are known here")
    _text(button.get("text"), 75, "button", kinds=("plain_text",))
    if not button.get("action_id"):
        raise _Wrong("a button has an action_id")
    _limit(button["action_id"], _IDS, "action_id")
    _limit(button.get("value", ""), 2_000, "value")
    _limit(button.get("url", ""), 3_000, "url")
    if button.get("style", "primary") not in ("primary", "danger"):
        raise _Wrong("a button's style is primary or danger")
    if "confirm" in button:
        for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            _text(button["confirm"].get(name), most, f"confirm.{name}")


def _input(block: Block) -> None:
    _text(block.get("label"), 2_000, "label", kinds=("plain_text",))
    if "hint" in block:
        _text(block["hint"], 2_000, "hint", kinds=("plain_text",))
    element = block.get("element")
    if not isinstance(element, dict) or element.get("type") != "plain_text_input":
        raise _Wrong("only plain_text_input is known here")
    if not 0 <= element.get("min_length", 0) <= element.get("max_length", 3_000) <= 3_000:
        raise _Wrong("min_length and max_length are within 3000")


def _text(text: Any, most: int, what: str, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> None:
    if not isinstance(text, dict) or text.get("type") not in kinds or not isinstance(text.get("text"), str):
        raise _Wrong(f"{what} is no text object")
    if text["type"] == "mrkdwn" and "emoji" in text:
        raise _Wrong("emoji goes with plain_text only")
    if not text["text"]:
        raise _Wrong(f"{what} must be more than 0 characters")
    _limit(text["text"], most, what)


def _limit(text: Any, most: int, what: str) -> None:
    if not isinstance(text, str) or length(text) > most:
        raise _Wrong(f"{what} must be less than {most + 1} characters")


def _unique(values: list[str], what: str) -> None:
    if len(set(values)) < len(values):
        raise _Wrong(f"{what} is there twice")
