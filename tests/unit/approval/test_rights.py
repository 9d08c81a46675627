"""Who may answer a request (S28, D): by group, role or name, from their stage on, and never about their own doing."""

from __future__ import annotations

from typing import Any

import pytest

from soar.approval import described, refusal
from soar.model.approval import Approval, Approvers, Stage
from soar.playbook import Staff

STAFF = Staff(
    roles={"ana": ("analyst",), "ben": ("lead",), "cleo": ("lead", "ciso"), "dan": ()},
    groups={"leads": ("ben", "cleo"), "night": ("dan",)},
)


def request(approvers: Approvers, **fields: Any) -> Approval:
    stages = (Stage((), 60.0), Stage(("night", "slack:#soc"), 60.0), Stage(("ciso", "ana"), 60.0))
    given = {"requester": "source:siem", "stages": stages, "asked_at": 0, **fields}
    return Approval("a", "e", "step", 1, "asked", "?", (), "d", approvers, **given)


def may(approval: Approval) -> set[str]:
    return {name for name in STAFF.roles if refusal(approval, name, STAFF) is None}


@pytest.mark.parametrize(
    ("approvers", "expected"),
    [
        (Approvers(groups=("leads",)), {"ben", "cleo"}),
        (Approvers(roles=("ciso", "analyst")), {"ana", "cleo"}),
        (Approvers(users=("dan",)), {"dan"}),
        (Approvers(groups=("night",), users=("ana",)), {"ana", "dan"}),
        (Approvers(), {"ana", "ben", "cleo", "dan"}),
        (Approvers(groups=("gone",)), set()),
        (Approvers(roles=("gone",)), set()),
    ],
)
def test_who_is_named_may_answer(approvers: Approvers, expected: set[str]) -> None:
    assert may(request(approvers)) == expected


def test_who_is_not_in_the_configuration_answers_nothing() -> None:
    assert "nobody in soar.yaml" in (refusal(request(Approvers()), "eve", STAFF) or "")
    assert "nobody in soar.yaml" in (refusal(request(Approvers(users=("eve",))), "eve", STAFF) or "")


@pytest.mark.parametrize(
    ("stage", "expected"), [(0, {"ben", "cleo"}), (1, {"ben", "cleo", "dan"}), (2, {"ana", "ben", "cleo", "dan"})]
)
def test_s28_an_escalation_adds_people_and_takes_none_away(stage: int, expected: set[str]) -> None:
    assert may(request(Approvers(groups=("leads",)), stage=stage)) == expected


@pytest.mark.parametrize("requester", ["person:cleo", "cli:cleo"])
def test_four_eyes_for_who_has_asked(requester: str) -> None:
    approvers = Approvers(groups=("leads",), excluded=("requester",))
    assert may(request(approvers, requester=requester)) == {"ben"}
    assert may(request(Approvers(groups=("leads",)), requester=requester)) == {"ben", "cleo"}


def test_four_eyes_for_who_has_written_the_playbook() -> None:
    approvers = Approvers(groups=("leads",), excluded=("author",))
    assert may(request(approvers, author="ben")) == {"cleo"}
    assert may(request(approvers, author=None)) == {"ben", "cleo"}


def test_four_eyes_hold_for_those_an_escalation_adds() -> None:
    approvers = Approvers(groups=("leads",), excluded=("requester",))
    assert "dan" not in may(request(approvers, requester="person:dan", stage=1))


def test_who_may_answer_in_words() -> None:
    assert described(Approvers(("leads",), ("ciso",), ("ana",))) == "group leads, role ciso, person ana"
    assert described(Approvers()) == "everybody in soar.yaml"
