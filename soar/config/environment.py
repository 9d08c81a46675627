"""`SOAR_*` variables, laid over the file: `SOAR_LIMITS__BODY_BYTES=65536`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from soar.errors import ConfigError

PREFIX: Final = "SOAR_"
_NOT_SETTINGS: Final = frozenset({"SOAR_CONFIG"})


def overlay(content: Mapping[str, Any], environment: Mapping[str, str], known: Collection[str]) -> dict[str, Any]:
    """The file's content with the environment's values in it; the content itself stays as it is.

    Raises:
        ConfigError: a variable looks like a setting and names none, or holds broken JSON.
    """
    merged = _copy(content)
    for name in sorted(environment):
        if not name.upper().startswith(PREFIX) or name in _NOT_SETTINGS:
            continue
        levels = name[len(PREFIX) :].split("__")
        first = levels[0].lower()
        near = difflib.get_close_matches(first, known, 1, 0.8)
        if first in known:
            _place(merged, levels, _value(name, environment[name]), name)
        elif near or len(levels) > 1:
            remedy = f"did you mean '{near[0]}'?" if near else "see docs/configuration.md"
            raise ConfigError(f"environment {name}: there is no setting '{first}'; {remedy}")
    return merged


def _copy(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in content.items()}


def _value(name: str, text: str) -> Any:
    if not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise ConfigError(f'environment {name}: begins like JSON and is none; write lists as ["a", "b"]') from None


def _place(target: dict[str, Any], levels: list[str], value: Any, name: str) -> None:
    for level in levels[:-1]:
        inner = target.setdefault(_key(target, level), {})
        if not isinstance(inner, dict):
            raise ConfigError(f"environment {name}: '{level.lower()}' holds no further settings")
        target = inner
    target[_key(target, levels[-1])] = value


def _key(target: Mapping[str, Any], level: str) -> str:
    """The key as the file writes it, where the file has it; variables are often upper case only."""
    return next((key for key in target if key.lower() == level.lower()), level.lower())
