"""Severity words and their ranks, as OCSF orders them (`severity_id` of Detection Finding)."""

from __future__ import annotations

from typing import Final, Literal, get_args

Severity = Literal["unknown", "informational", "low", "medium", "high", "critical", "fatal"]

SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""In order of rank: the index is OCSF's `severity_id`, 0 to 6."""

RANKS: Final[dict[str, int]] = {word: rank for rank, word in enumerate(SEVERITIES)}
