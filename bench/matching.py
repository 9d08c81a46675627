"""What it costs to weigh one alert against 10, 1,000 and 10,000 playbooks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from soar.ingest.match import Matcher
from soar.model.alert import Alert
from soar.model.playbook import Playbook
from soar.playbook import parse_playbook

SIZES = (10, 1_000, 10_000)
REPEATS = 500

SELECTIONS = (
    "rule_name: Detection {n}\n      severity|gte: high",
    "rule_id: [R-{n}, R-{n}-b]",
    "rule_name|contains: [pattern {n} seen, variant {n} seen]",
    "src_ip|cidr: 10.{a}.{b}.0/24\n      rule_name|startswith: Scan {n}",
    "attacks: t1{n}\n      severity|gte: medium",
    "client_id: partner-{n}\n      risk_score|gte: 50",
    "raw.event.code: code-{n}\n      user|endswith: '@example.com'",
    "rule_name: Burst *{n}\n      method: POST",
)
"""The kinds of trigger a catalogue is made of, each as often as the others."""

PLAYBOOK = """\
id: playbook-{n}
trigger:
  match:
    selection:
      {selection}
steps:
  - set: {{seen: true}}
"""


@dataclass(frozen=True, slots=True)
class MatchCost:
    """Microseconds one alert costs."""

    playbooks: int
    microseconds: float
    fired: int


def alert() -> Alert:
    """Fires playbook 0 (every size has it) and no other."""
    return Alert(
        id="0" * 26,
        source="bench",
        source_ref="d-1",
        title="Detection 0",
        rule_id="R-none",
        rule_name="Detection 0",
        severity="high",
        severity_id=4,
        risk_score=71,
        src_ip="203.0.113.9",
        user="user-1@example.com",
        client_id="c-42",
        method="POST",
        occurred_at="2026-03-01T03:12:45.120Z",
        received_at="2026-03-01T03:12:46.000Z",
        raw={"event": {"code": "none"}},
    )


def measure(tell: Callable[[str], None]) -> list[MatchCost]:
    playbooks = [playbook(number) for number in range(max(SIZES))]
    costs = []
    for size in SIZES:
        matcher = Matcher(playbooks[:size])
        cost = MatchCost(size, _best(matcher, alert()) * 1e6, matched(matcher))
        tell(f"match against {size:,} playbooks: {cost.microseconds:.1f} us")
        costs.append(cost)
    return costs


def matched(matcher: Matcher) -> int:
    """How many playbooks the alert starts; in the figures, so that an index that finds nothing is seen."""
    return sum(match.outcome == "matched" for match in matcher.match(alert()))


def playbook(number: int) -> Playbook:
    selection = SELECTIONS[number % len(SELECTIONS)].format(n=number, a=number // 256 % 256, b=number % 256)
    return parse_playbook(PLAYBOOK.format(n=number, selection=selection), f"playbook-{number}.yaml")


def _best(matcher: Matcher, given: Alert) -> float:
    """Seconds of one match: the best of five runs, which is the one nothing else disturbed."""
    matcher.match(given)
    runs = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(REPEATS):
            matcher.match(given)
        runs.append((time.perf_counter() - began) / REPEATS)
    return min(runs)
