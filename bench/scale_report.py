"""The figures of the scale-out as tables: for the terminal, for the docs, for a program."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from bench.report import Table, Verdict, aligned, machine, piped

DATABASE_CPU = 2.0
"""Milliseconds of PostgreSQL's CPU that one execution may take."""
NOTE = (
    "The processes, PostgreSQL (fsync, full_page_writes and synchronous_commit on) and the target API share the cores "
    "of one machine. An execution is three calls, each committed before it is sent and after it was answered; CPU is "
    "user and system time for each."
)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many processes at work on a backlog."""

    name: str
    processes: int
    per_second: float
    database_cpu: float
    """Milliseconds for each execution."""
    process_cpu: float


@dataclass(frozen=True, slots=True)
class TakeOver:
    """One of three workers killed in a burst."""

    running: int
    """Executions under way in all three at that moment."""
    seconds: float
    """Until the last of them had ended or had another owner."""
    accepted: int
    finished: int


@dataclass(frozen=True, slots=True)
class Latency:
    """From a delivery to its last call, in seconds."""

    per_second: int
    p50: float
    p99: float
    waiting: float
    """Executions that waited for a worker, on average."""
    most: int


@dataclass(frozen=True, slots=True)
class Results:
    rates: list[Rate]
    take_over: TakeOver
    latencies: list[Latency]
    seconds: float


def verdicts(results: Results) -> list[Verdict]:
    """Each target, and what was measured."""
    by_name = {(rate.name, rate.processes): rate for rate in results.rates}
    one, floor = by_name["soar worker", 1], by_name["floor", 1]
    share = one.per_second / floor.per_second
    most = max(rate.database_cpu for rate in results.rates if rate.name != "floor")
    over = results.take_over
    lost = over.accepted - over.finished
    figures = f"{over.seconds:.1f} s, {lost} lost"
    return [
        Verdict("one worker: half of its floor", f"{one.per_second:.0f}/s, {100 * share:.0f}% of it", share >= 0.5),
        Verdict("PostgreSQL: 2 ms of CPU for an execution", f"{most:.2f} ms at most", most <= DATABASE_CPU),
        Verdict("a worker killed: its work goes on within 10 s", figures, over.seconds < 10 and lost == 0),
    ]


def tables(results: Results) -> list[Table]:
    return [_targets(results), _rates(results), _latencies(results)]


def _targets(results: Results) -> Table:
    rows = [[one.target, one.measured, "met" if one.met else "MISSED"] for one in verdicts(results)]
    return [["target", "measured", ""], *rows]


def _rates(results: Results) -> Table:
    single = {rate.name: rate.per_second for rate in results.rates if rate.processes == 1}
    head = ["", "processes", "executions/s", "of one, times processes", "PostgreSQL CPU ms", "processes' CPU ms"]
    return [
        head,
        *[
            [
                rate.name,
                str(rate.processes),
                f"{rate.per_second:.0f}",
                f"{100 * rate.per_second / (single[rate.name] * rate.processes):.0f}%",
                f"{rate.database_cpu:.2f}",
                f"{rate.process_cpu:.2f}",
            ]
            for rate in results.rates
        ],
    ]


def _latencies(results: Results) -> Table:
    head = ["alerts/s", "to last action p50 ms", "p99 ms", "waiting, mean", "most"]
    return [
        head,
        *[
            [str(one.per_second), f"{1000 * one.p50:.0f}", f"{1000 * one.p99:.0f}", f"{one.waiting:.1f}", str(one.most)]
            for one in results.latencies
        ],
    ]


def as_text(results: Results) -> str:
    return "\n\n".join([*map(aligned, tables(results)), f"{machine()}. {NOTE}", f"{results.seconds:.0f} s in all."])


def save(results: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = {**asdict(results), "verdicts": [asdict(one) for one in verdicts(results)], "machine": machine()}
    (folder / "scale.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    (folder / "scale.md").write_text("\n\n".join([*map(piped, tables(results)), f"{machine()}. {NOTE}"]) + "\n")
