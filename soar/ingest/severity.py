"""A sender's severities in our words: by word, by number, or by band."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from soar.ingest.values import number, text
from soar.model.severity import RANKS, SEVERITIES, Severity

_BAND: Final = re.compile(r"(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)")
_FROM: Final = re.compile(r">=\s*(-?\d+(?:\.\d+)?)")


class SeverityMap:
    """`{high: high, "7-11": medium, ">=15": critical}`: words in any letter case, bands, and lowest values.

    A word or number written out comes first, then the first band that holds it, then the highest `>=` it
    reaches, then our own words. Whatever is left is `unknown`; the raw alert keeps what was said.
    """

    def __init__(self, entries: Mapping[str, str | int]) -> None:
        self._exact: dict[str, Severity] = {word: word for word in SEVERITIES}
        self._bands: list[tuple[float, float, Severity]] = []
        self._from: list[tuple[float, Severity]] = []
        for key, meaning in entries.items():
            self._add(key.strip().lower(), _meaning(key, meaning))
        self._from.sort(key=lambda entry: -entry[0])

    def _add(self, key: str, severity: Severity) -> None:
        if band := _BAND.fullmatch(key):
            self._bands.append((float(band[1]), float(band[2]), severity))
        elif lowest := _FROM.fullmatch(key):
            self._from.append((float(lowest[1]), severity))
        else:
            self._exact[key] = severity

    def read(self, value: Any) -> Severity:
        """The severity of a value."""
        written = text(value)
        if written is None:
            return "unknown"
        if found := self._exact.get(written.lower()):
            return found
        amount = number(value)
        if amount is None:
            return "unknown"
        if isinstance(amount, float) and amount.is_integer() and (found := self._exact.get(str(int(amount)))):
            return found
        for low, high, severity in self._bands:
            if low <= amount <= high:
                return severity
        return next((severity for low, severity in self._from if amount >= low), "unknown")


def rank_of(value: Any) -> int | None:
    """An OCSF `severity_id` from 0 to 6; 99 and all others are None."""
    found = number(value)
    return int(found) if found is not None and found in range(len(SEVERITIES)) else None


def _meaning(key: str, meaning: str | int) -> Severity:
    if isinstance(meaning, int) and 0 <= meaning < len(SEVERITIES):
        return SEVERITIES[meaning]
    word = str(meaning).lower()
    if word not in RANKS:
        raise ValueError(f"'{key}' is mapped to '{meaning}', which is none of {', '.join(SEVERITIES)}")
    return SEVERITIES[RANKS[word]]
