"""`on_timeout: approve` is refused at load for what the policy does not name (S28)."""

from __future__ import annotations

from pathlib import Path

import pytest

from soar.playbook import Staff, load_catalog
from tests.unit.playbook.reading import HEAD, written
from tests.unit.policy.given import spec

ACTIONS = {one.name: one for one in (spec(), spec("edge.block_ip"), spec("intel.lookup", changes=False, undo=None))}
ASKS = "approval: {message: sure, approvers: {role: admin}, timeout: 1h, on_timeout: approve}"
CALL = "{id: b, action: CALLED, with: {ip: 203.0.113.9}}"


def told(folder: Path, step: str, *silence: str) -> list[str]:
    files: dict[str, str | bytes] = {
        "a.yaml": f"{HEAD}steps:\n{step}",
        "b.yaml": HEAD.replace("under-test", "other") + "steps: [{stop: a}]\n",
    }
    staff = Staff({"ana": ("admin",)}, {}, silence)
    return [str(one) for one in load_catalog(written(folder, files), ACTIONS, staff=staff).problems]


def guarded(action: str) -> str:
    return f"  - {{{ASKS}, {CALL.replace('CALLED', action)[1:]}\n"


def test_s28_a_silent_yes_is_refused_with_its_place(tmp_path: Path) -> None:
    (line,) = told(tmp_path, guarded("gateway.block_ip"))
    assert "a.yaml:4:83: approval: when nobody answers, gateway.block_ip would be done" in line
    assert "write reject" in line


def test_s28_what_the_policy_names_may_be_taken_for_a_yes(tmp_path: Path) -> None:
    assert told(tmp_path, guarded("gateway.block_ip"), "gateway.*") == []


def test_s28_what_only_reads_needs_no_leave(tmp_path: Path) -> None:
    assert told(tmp_path, guarded("intel.lookup")) == []


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        (f"  - {{id: x, {ASKS}, steps: [{CALL.replace('CALLED', 'edge.block_ip')}]}}\n", "edge.block_ip"),
        (f"  - {{id: ask, {ASKS}}}\n  - {CALL.replace('CALLED', 'edge.block_ip')}\n", "edge.block_ip"),
        (f"  - {{id: x, {ASKS}, playbook: other}}\n", "all of playbook other"),
    ],
)
def test_s28_what_hides_behind_a_block_a_question_or_another_playbook(tmp_path: Path, steps: str, named: str) -> None:
    (line,) = told(tmp_path, steps, "gateway.*")
    assert f"when nobody answers, {named} would be done" in line
