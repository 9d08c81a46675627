"""A channel that nothing carries is told where the playbook is written, not when nobody was asked (D13)."""

from __future__ import annotations

from pathlib import Path

from soar.errors import Problem
from soar.playbook import Staff, load_catalog
from tests.unit.playbook.reading import HEAD, written

ASK = """\
steps:
  - approval:
      message: sure
      notify: [CHANNEL]
      approvers: {role: admin}
      timeout: 1h
      escalate: [{to: [ana, "night:desk"], timeout: 1h}]
"""


def told(folder: Path, channel: str, channels: set[str] | None) -> list[Problem]:
    staff = Staff({"ana": ("admin",)}, {}, (), channels)
    files: dict[str, str | bytes] = {"a.yaml": HEAD + ASK.replace("CHANNEL", channel)}
    return list(load_catalog(written(folder, files), {}, staff=staff).problems)


def test_d13_a_channel_without_a_connection_is_warned_of_with_its_place(tmp_path: Path) -> None:
    first, second = told(tmp_path, '"slak:#soc"', {"slack", "email"})
    assert first.severity == second.severity == "warning"
    assert "approval: nothing carries the channel 'slak:#soc'" in first.message
    assert first.remedy == "soar.yaml has email, slack"
    assert "'night:desk'" in second.message
    lines = (HEAD + ASK).splitlines()
    assert "notify" in lines[first.location.line - 1]
    assert "escalate" in lines[second.location.line - 1]


def test_a_channel_that_a_connection_carries_is_fine(tmp_path: Path) -> None:
    assert told(tmp_path, '"slack:#soc"', {"slack", "night"}) == []


def test_without_a_configuration_nobody_knows(tmp_path: Path) -> None:
    assert told(tmp_path, '"slak:#soc"', None) == []
