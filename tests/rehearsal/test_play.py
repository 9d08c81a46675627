"""The demo sees its effects in the real parts, names the one that is missing, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from soar.rehearsal.play import Play
from soar.rehearsal.range import Range


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}


def test_the_demo_ends_by_itself_with_every_effect_seen_twice_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "soar", "demo", "--once"]
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    plays = [
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=folder, env=_environment(folder)
        )
        for folder in folders
    ]
    for play, folder in zip(plays, folders, strict=True):
        said, _ = play.communicate(timeout=100)
        assert play.returncode == 0, said
        assert said.count("SEEN  ") == 10
        assert "Approve is pressed in Slack: the server answers 200" in said
        assert list(folder.iterdir()) == []  # its folder is gone


def test_a_no_of_the_person_at_the_terminal_leaves_the_gateway_untouched(tmp_path: Path) -> None:
    play = subprocess.run(
        [sys.executable, "-m", "soar", "demo"],
        input="n\nit is our own scanner\n\n",
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=_environment(tmp_path),
        timeout=100,
        check=False,
    )
    assert play.returncode == 0, play.stdout
    assert "gateway.block_ip: " in play.stdout
    assert "203.0.113.66; lifts itself after 8s" in play.stdout
    for effect in (
        "the request in Slack says that it was denied",
        "the gateway is untouched: its list is empty",
        "a request of that address still passes: 200",
        "the token is inactive on introspection",
        "the ticket is in the tracker",
    ):
        assert f"SEEN  {effect}" in play.stdout
    assert "step contain: rejected" in play.stdout
    assert "every effect was seen" in play.stdout


def test_with_the_gateway_killed_midway_the_missing_effects_are_named() -> None:
    class WithoutGateway(Play):
        def between(self) -> None:
            self.stage.gateway.kill()

    lines: list[str] = []
    with Range(lines.append) as stage:
        missing = WithoutGateway(stage, lines.append).perform()
    assert "the same attack is refused by the gateway: 403" in missing
    assert "a request of that address passes again: 200" in missing
    assert not any("the same attack is refused" in line for line in lines if line.startswith("SEEN"))


def test_sigterm_cleans_up(tmp_path: Path) -> None:
    play = subprocess.Popen(
        [sys.executable, "-m", "soar", "demo", "--once"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=_environment(tmp_path) | {"PYTHONUNBUFFERED": "1"},
    )
    assert play.stdout is not None
    for line in play.stdout:
        if "started tracker" in line:
            break
    play.send_signal(signal.SIGTERM)
    said, _ = play.communicate(timeout=30)
    assert play.returncode == 130, said
    assert list(tmp_path.iterdir()) == []
