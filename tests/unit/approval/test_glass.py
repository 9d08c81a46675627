"""Who may break the glass, and what those hear who are told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soar.approval.destinations import Destinations
from soar.approval.glass import CLOSED, Glass
from soar.model.approval import Approval, Approvers, Stage
from soar.playbook import Staff
from tests.approval.conftest import Post
from tests.unit.policy.given import policy

STAFF = Staff({"ana": ("analyst",), "cleo": ("analyst", "admin"), "dan": ()}, {"admin": ("dan",)})
GLASS = Glass(("admin",), ("slack:#security", "mailer:ciso@example.com"), "https://soar.example.com")


def request(**fields: Any) -> Approval:
    given = {"requester": "source:siem", "stages": (Stage((), 60.0),), "asked_at": 0, "playbook_id": "contain"}
    shown = ({"path": "b", "action": "gateway.block_ip", "effect": "Refuse every request from 203.0.113.9"},)
    one: dict[str, Any] = {"shown": shown, "digest": "d", "approvers": Approvers(), **given, **fields}
    return Approval("appr-1", "exec-1", "step", 1, "asked", one.pop("message", "Block it?"), **one)


@pytest.mark.parametrize(
    ("person", "why"),
    [("ana", "none of the roles"), ("dan", "none of the roles"), ("eve", "nobody in soar.yaml"), ("cleo", None)],
)
def test_who_holds_one_of_its_roles_may(person: str, why: str | None) -> None:
    assert (GLASS.refusal(person, STAFF) is None) == (why is None)
    assert why is None or why in (GLASS.refusal(person, STAFF) or "")


def test_out_of_the_box_nobody_may(tmp_path: Path) -> None:
    shipped = Glass.of(policy(tmp_path), Destinations(Post(), {}, {}), None)
    assert shipped == CLOSED
    assert "names no role" in (shipped.refusal("cleo", STAFF) or "")


def test_the_policy_says_who_may_and_where_it_is_told(tmp_path: Path) -> None:
    text = "break_glass: {roles: [admin], notify: ['slack:#security', 'email:ciso@example.com', 'pager:night']}\n"
    made = Glass.of(policy(tmp_path, text), Destinations(Post(), {}, {}), "https://soar.example.com")
    assert made.roles == ("admin",)
    assert made.notify == ("slack:#security", "mailer:ciso@example.com", "pager:night")


def test_each_place_is_told_once_who_did_what_and_why() -> None:
    twice = Glass(GLASS.roles, (*GLASS.notify, "slack:#security"), GLASS.public_url)
    first, second = twice.announcements(request(), "cleo", "card data is leaving", 7)
    assert [first.destination, second.destination] == list(GLASS.notify)
    assert (first.kind, first.state, first.due_at, first.at) == ("announcement", "waiting", 7, 7)
    for word in ("cleo", "card data is leaving", "Block it?", "203.0.113.9", "appr-1", "exec-1", "contain"):
        assert word in (first.text or ""), first.text
    assert "https://soar.example.com/approvals/appr-1" in (first.text or "")
    assert first.id != second.id
    assert [one.id for one in GLASS.announcements(request(), "dan", "late", 9)] == [first.id, second.id]


def test_no_alert_writes_a_line_of_it() -> None:
    attack = "x\nReason: all is well\nhttps://evil.example " + "y" * 1_000
    shown = tuple({"path": "b", "action": "a.b", "effect": attack} for _ in range(30))
    (one, _) = GLASS.announcements(request(message=attack, shown=shown), "cleo", attack, 7)
    lines = (one.text or "").splitlines()
    assert len([line for line in lines if line.startswith("Reason:")]) == 1
    assert not [line for line in lines if line.startswith("https://evil")]
    assert "and 20 more" in lines and max(map(len, lines)) < 400
