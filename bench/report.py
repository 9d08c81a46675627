"""The figures as tables: for the terminal, for the README, for a program."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.comparison import PACED, Readings
from bench.crash import CrashResult
from bench.footprint import Footprint
from bench.matching import MatchCost
from bench.pages import PageTimes

Table = list[list[str]]


@dataclass(slots=True)
class Results:
    """All that was measured; a part that was left out is None."""

    readings: Readings | None = None
    matching: list[MatchCost] | None = None
    pages: list[PageTimes] | None = None
    footprint: Footprint | None = None
    crash: CrashResult | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target and what was measured."""

    target: str
    measured: str
    met: bool


OURS = "soar serve"
FLOORS = ("floor, bare aiohttp", "floor, httpx on aiohttp")
NOTE = (
    "The load, the target API and the server under test share the two cores of one machine; "
    "SQLite is in WAL mode with synchronous=FULL on both sides. The sender checks every alert to its third call."
)


def verdicts(results: Results) -> list[Verdict]:
    found: list[Verdict] = []
    if results.readings:
        found += _speed(results.readings)
    if results.crash:
        found.append(_crash(results.crash))
    if results.matching:
        found.append(_matching(results.matching))
    if results.footprint:
        found += _footprint(results.footprint)
    if results.pages:
        worst = max(results.pages, key=lambda page: page.p99)
        figures = f"{worst.p99:.1f} ms ({worst.question}, p99)"
        found.append(Verdict("a list page of 1,000,000 executions: under 50 ms", figures, worst.p99 < 50))
    return found


def _speed(readings: Readings) -> list[Verdict]:
    found = []
    measured = {level for server, level in readings if server == OURS}
    for level in sorted({16, 64} & measured):
        ours = readings[OURS, level].rate
        for floor in FLOORS:
            if (floor, level) in readings:
                share = ours / readings[floor, level].rate
                goal = f"executions/s at {level} in flight: half of the {floor}"
                found.append(Verdict(goal, f"{ours:.0f}/s, {share:.0%} of it", share >= 0.5))
    accept = readings[OURS, 16].accept_p99
    found.append(Verdict("webhook accepted at 16 in flight: p99 under 50 ms", f"{accept:.1f} ms", accept < 50))
    if 64 in measured:
        busy, floored = readings[OURS, 64].accept_p99, readings[FLOORS[0], 64].accept_p99
        goal = "webhook accepted at 64 in flight: p99 no worse than the floor's"
        found.append(Verdict(goal, f"{busy:.1f} ms, floor {floored:.1f} ms", busy <= floored))
    paced = readings[OURS, PACED].whole_p50
    found.append(Verdict("webhook to last action at 5 alerts/s: p50 under 20 ms", f"{paced:.1f} ms", paced < 20))
    return found


def _crash(crash: CrashResult) -> Verdict:
    goal = "kill -9 in a burst: none lost, a repeated call under the same key"
    repeated = f"{crash.repeated} calls repeated, {crash.other_key} under another key"
    figures = f"{crash.accepted} accepted, {crash.lost} lost; {repeated}"
    return Verdict(goal, figures, crash.lost == 0 and crash.other_key == 0)


def _matching(costs: Sequence[MatchCost]) -> Verdict:
    few, many = costs[0], costs[-1]
    ratio = many.microseconds / few.microseconds
    goal = f"match against {many.playbooks:,} playbooks: at most 1.5 times the cost against {few.playbooks}"
    return Verdict(goal, f"{many.microseconds:.0f} us and {few.microseconds:.0f} us: {ratio:.2f} times", ratio <= 1.5)


def _footprint(footprint: Footprint) -> list[Verdict]:
    more = footprint.waiting_start - footprint.start
    extra = footprint.waiting_idle - footprint.idle
    ready = max(footprint.first_start, footprint.start)
    return [
        Verdict("idle: under 100 MB", f"{footprint.idle:.0f} MB", footprint.idle < 100),
        Verdict(
            "start: ready in 2 s", f"{footprint.start:.2f} s, first start {footprint.first_start:.2f} s", ready < 2
        ),
        Verdict(
            "10,000 executions waiting for approval: under 2 s more at start, no memory of their own",
            f"{more:+.2f} s, {extra:+.1f} MB",
            more < 2 and extra < 10,
        ),
    ]


def load_table(readings: Readings) -> Table:
    rows = [
        ["", "in flight", "executions/s", "accepted p50 / p99 ms", "to last action p50 / p99 ms", "CPU ms", "sender"]
    ]
    for name, level in sorted(readings, key=lambda key: (key[1], key[0] == OURS, key[0])):
        reading = readings[name, level]
        trouble = "".join(
            f", {count:.0f} {word}" for word, count in (("refused", reading.refused), ("lost", reading.lost)) if count
        )
        rows.append(
            [
                name + trouble,
                "5 alerts/s" if level == PACED else str(level),
                "" if level == PACED else f"{reading.rate:.0f}",
                f"{reading.accept_p50:.1f} / {reading.accept_p99:.1f}",
                f"{reading.whole_p50:.1f} / {reading.whole_p99:.1f}",
                f"{reading.cpu:.2f}",
                f"{reading.sender:.0%}",
            ]
        )
    return rows


def verdict_table(found: Sequence[Verdict]) -> Table:
    return [
        ["target", "measured", ""],
        *([verdict.target, verdict.measured, "met" if verdict.met else "MISSED"] for verdict in found),
    ]


def other_table(results: Results) -> Table:
    rows = [["", "measured"]]
    rows += [[f"match, {c.playbooks:,} playbooks", f"{c.microseconds:.1f} us"] for c in results.matching or []]
    rows += [[f"page: {p.question}", f"p50 {p.p50:.1f} ms, p99 {p.p99:.1f} ms"] for p in results.pages or []]
    return rows


def machine() -> str:
    """The processor and the interpreter the figures belong to."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} cores ({names[0] if names else platform.machine()}), Python {platform.python_version()}"


def tables(results: Results) -> list[Table]:
    found = [verdict_table(verdicts(results))]
    if results.readings:
        found.append(load_table(results.readings))
    if results.matching or results.pages:
        found.append(other_table(results))
    return found


def as_text(results: Results) -> str:
    return "\n\n".join([*map(aligned, tables(results)), f"{machine()}. {NOTE}", f"{results.seconds:.0f} s in all."])


def as_markdown(results: Results) -> str:
    return "\n\n".join([*map(piped, tables(results)), f"{machine()}. {NOTE}"]) + "\n"


def as_json(results: Results) -> bytes:
    readings = [
        {"server": name, "in_flight": level, **asdict(reading)}
        for (name, level), reading in (results.readings or {}).items()
    ]
    document: dict[str, Any] = {**asdict(results), "readings": readings, "machine": machine()}
    document["verdicts"] = [asdict(verdict) for verdict in verdicts(results)]
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def save(results: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_bytes(as_json(results))
    (folder / "latest.md").write_text(as_markdown(results))


def aligned(table: Table) -> str:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def piped(table: Table) -> str:
    head, *rows = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([head, "|" + " --- |" * len(table[0]), *rows])
