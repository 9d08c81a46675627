"""Which playbooks call which: what is reachable, who calls themselves in the end, who calls one that does not hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from soar.errors import Location, Problem
from soar.model.playbook import CallPlaybook, Playbook
from soar.playbook.places import Places
from soar.playbook.tree import everywhere

Calls = Mapping[str, Mapping[str, Location]]
"""For each playbook those it calls, with the place of the step that does so first."""


def reachable(playbooks: Mapping[str, Playbook], playbook_id: str) -> frozenset[str]:
    """All sub-playbooks that an execution of this one may come to run; all of them are pinned when it opens (S15)."""
    found: set[str] = set()
    waiting = [playbook_id]
    while waiting:
        playbook = playbooks.get(waiting.pop())
        if playbook is not None:
            new = called(playbook).keys() - found
            found |= new
            waiting += new
    return frozenset(found - {playbook_id})


def called(playbook: Playbook) -> dict[str, Location]:
    """The playbooks that one calls itself, with the step that does so first."""
    found: dict[str, Location] = {}
    for placed in everywhere(playbook):
        if isinstance(placed.step.body, CallPlaybook) and placed.step.body.playbook:
            found.setdefault(placed.step.body.playbook, placed.step.location)
    return found


def circles(playbooks: Mapping[str, Playbook]) -> Iterator[tuple[str, Problem]]:
    """A problem for each playbook that calls itself in the end, at the step that leads there."""
    calls = {name: called(playbook) for name, playbook in playbooks.items()}
    told: set[str] = set()
    for circle in _circles(calls):
        if told.issuperset(circle):
            continue
        told.update(circle)
        for place, name in enumerate(circle):
            turned = [*circle[place:], *circle[:place], name]
            shown = turned if len(turned) <= 12 else [*turned[:6], "...", *turned[-5:]]
            message = f"playbooks that call each other never end: {' -> '.join(shown)}"
            yield name, _at_call(playbooks[name], calls[name][turned[1]], message, "remove one of these calls")


def _circles(calls: Calls) -> Iterator[list[str]]:
    """Circles of calls; each playbook that lies on one is in one of them, or calls one that is."""
    settled: set[str] = set()
    for start in calls:
        if start in settled:
            continue
        way: dict[str, Iterator[str]] = {start: iter(calls[start])}
        while way:
            name = next(reversed(way))
            following = next((one for one in way[name] if one in calls and one not in settled), None)
            if following is None:
                settled.add(name)
                del way[name]
            elif following in way:
                names = list(way)
                yield names[names.index(following) :]
                settled.add(name)
                del way[name]
            else:
                way[following] = iter(calls[following])


def left_alone(playbooks: Mapping[str, Playbook], broken: Collection[str]) -> Iterator[tuple[str, Problem]]:
    """A problem for each playbook that calls one that does not hold, or one that calls such a one."""
    callers: dict[str, dict[str, Location]] = {}
    for name, playbook in playbooks.items():
        for child, place in called(playbook).items():
            callers.setdefault(child, {})[name] = place
    told = set(broken)
    waiting = sorted(broken)
    while waiting:
        child = waiting.pop()
        for name, place in callers.get(child, {}).items():
            if name not in told:
                told.add(name)
                waiting.append(name)
                message = f"the playbook {child!r} does not hold, so this one cannot call it"
                yield name, _at_call(playbooks[name], place, message, f"mend {child!r}")


def _at_call(playbook: Playbook, step: Location, message: str, remedy: str) -> Problem:
    places = Places(playbook)
    place = places.value(step, "playbook")
    return Problem(place, message, remedy, places.source.excerpt(place))
