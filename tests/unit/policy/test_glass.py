"""`break_glass` of the policy: nobody out of the box, roles that are there, channels that something carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soar.errors import ConfigError
from soar.policy import load_rules
from tests.unit.policy.given import OWN, settings

CHANNELS = ("slack", "mail", "email")


def said(tmp_path: Path, text: str | None) -> Any:
    return load_rules(settings(tmp_path, text), OWN).file.break_glass


def warnings(tmp_path: Path, text: str, channels: tuple[str, ...] | None = CHANNELS) -> list[str]:
    told = load_rules(settings(tmp_path, text), OWN, channels=channels).warnings
    return [f"{one.location.line}:{one.location.column}: {one.message}; {one.remedy}" for one in told]


@pytest.mark.parametrize("text", [None, "{}", "break_glass: {}\n", "break_glass: {roles: []}\n"])
def test_nobody_may_unless_somebody_is_named(tmp_path: Path, text: str | None) -> None:
    assert (said(tmp_path, text).roles, said(tmp_path, text).notify) == ((), ())


def test_what_is_said_holds_key_by_key(tmp_path: Path) -> None:
    found = said(tmp_path, "break_glass: {roles: [admin]}\n")
    assert (found.roles, found.notify) == (("admin",), ())


def test_each_part_is_told_with_its_place(tmp_path: Path) -> None:
    origins = load_rules(settings(tmp_path, "\nbreak_glass: {roles: [admin]}\n"), OWN).origins
    assert origins["break_glass.roles"].endswith("policy.yaml:2")
    assert origins["break_glass.notify"].startswith("the shipped policy:")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "break_glass: {roles: [admim]}\n",
            "1:23: break_glass.roles: nobody has the role 'admim'; did you mean 'admin'",
        ),
        ("break_glass: {roles: admin}\n", "1:22: "),
        ("break_glass: {notify: [soc]}\n", "1:24: break_glass.notify.0: 'soc' names no channel"),
        ("break_glass: {notify: ['slack:']}\n", "names no channel"),
        ("break_glass: {users: [ana]}\n", "no key 'users'"),
        ("break_glas: {}\n", "did you mean 'break_glass'?"),
    ],
)
def test_what_cannot_be_meant_is_told(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as told:
        load_rules(settings(tmp_path, text), OWN)
    (one,) = told.value.problems
    assert why in f"{one.location.line}:{one.location.column}: {one.message}; {one.remedy}"


def test_a_channel_that_nothing_carries_is_told(tmp_path: Path) -> None:
    text = (
        "break_glass: {roles: [admin], notify: ['slak:#x', 'email:a@example.com']}\napproval: {notify: ['pager:n']}\n"
    )
    first, second = sorted(warnings(tmp_path, text))
    assert first.startswith("1:40: policy: nothing carries the channel 'slak:#x'") and "did you mean 'slack'" in first
    assert second.startswith("2:21: policy: nothing carries the channel 'pager:n'")
    assert warnings(tmp_path, text, None) == []


def test_a_glass_that_breaks_without_a_sound_is_told(tmp_path: Path) -> None:
    (told,) = warnings(tmp_path, "break_glass: {roles: [admin]}\n")
    assert "nobody is told of it" in told and "break_glass.notify" in told
