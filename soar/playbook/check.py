"""What a playbook says of the world around it: connections, actions, parameters, steps, variables, people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from soar.errors import Location, Problem
from soar.expression import near, spell_place
from soar.model.action import ActionSpec
from soar.model.playbook import Action, AskApproval, CallPlaybook, Fail, Playbook, Step, Stop, UndoSteps
from soar.playbook.names import Fault, Names, beside, opening_fault
from soar.playbook.offers import action_findings, playbook_findings
from soar.playbook.people import Place, Staff, approval_findings, channel_findings
from soar.playbook.places import Places
from soar.playbook.tree import Mark, Path, Placed, evaluated, everywhere, flat


def check_playbook(
    playbook: Playbook,
    specs: Mapping[str, ActionSpec],
    sources: Collection[str] = (),
    *,
    named: Mapping[str, Location] | None = None,
    playbooks: Mapping[str, Playbook] | None = None,
    staff: Staff | None = None,
) -> list[Problem]:
    """Everything that can be told before it runs.

    `named` are the ids of all its steps, those of broken steps too. `playbooks` are those it may call, `staff` the
    people it may ask; None: not checked.
    """
    checker = _Checker(playbook, specs, frozenset(named or playbook.step_ids), playbooks, staff)
    checker.head(sources)
    for placed in checker.placed:
        checker.step(placed)
    checker.last_steps(playbook.on_failure, "on_failure cannot stop or fail: it has failed")
    checker.last_steps(playbook.finally_, "finally cannot stop or fail: it is at its end")
    checker.outputs()
    return checker.problems


class _Checker:
    def __init__(
        self,
        playbook: Playbook,
        specs: Mapping[str, ActionSpec],
        named: frozenset[str],
        playbooks: Mapping[str, Playbook] | None,
        staff: Staff | None,
    ) -> None:
        self.playbook = playbook
        self.specs = specs
        self.named = named
        self.playbooks = playbooks
        self.staff = staff
        self.placed = list(everywhere(playbook))
        self.names = Names(playbook, self.placed, named, playbooks)
        self.places = Places(playbook)
        self.problems: list[Problem] = []

    def note(self, location: Location, message: str, remedy: str, *, warning: bool = False) -> None:
        excerpt = self.places.source.excerpt(location)
        self.problems.append(Problem(location, message, remedy, excerpt, "warning" if warning else "error"))

    def take(self, findings: Iterable[tuple[Location, str, str]]) -> None:
        for finding in findings:
            self.note(*finding)

    # -- the playbook itself ------------------------------------------------------------------

    def head(self, sources: Collection[str]) -> None:
        """What stands above the steps: sources, the author, the concurrency key."""
        for name in sorted(self.playbook.trigger.sources - set(sources)):
            remedy = near(name, sources) or "add it to soar.yaml, or remove it here"
            place = self.places.word(self.playbook.location, name, "trigger", "source")
            message = f"the trigger listens to the source {name!r}, which is not configured"
            self.note(place, message, remedy, warning=True)
        author = self.playbook.author
        if author is not None and self.staff is not None and author not in self.staff.known("person"):
            remedy = near(author, self.staff.known("person")) or "add them to people in soar.yaml, or remove it here"
            message = f"the author {author!r} is not among the people of soar.yaml"
            self.note(self.places.value(self.playbook.location, "author"), message, remedy)
        rule = self.playbook.concurrency
        if rule is not None:
            self._read(self.playbook.location, ("concurrency", "key"), rule.key, opening_fault)
            self._names(self.playbook.location, ("concurrency", "key"), rule.key, (), handling=False)

    def outputs(self) -> None:
        for name, value in self.playbook.outputs.items():
            self._names(self.playbook.location, ("outputs", name), value, (), handling=False)

    def last_steps(self, steps: tuple[Step, ...], why: str) -> None:
        """The playbook's own `on_failure` and `finally`: there is nothing left to stop (S10)."""
        for step in flat(steps):
            if isinstance(step.body, Stop | Fail):
                key = "stop" if isinstance(step.body, Stop) else "fail"
                self.note(self.places.key(step.location, key), f"the playbook's {why}", "remove the step")

    # -- steps --------------------------------------------------------------------------------

    def step(self, placed: Placed) -> None:
        step, body = placed.step, placed.step.body
        for path, value in evaluated(step):
            self._names(step.location, path, value, placed.around, handling=placed.handling)
        if isinstance(body, Action):
            self._action(placed, body)
        elif isinstance(body, CallPlaybook) and self.playbooks is not None and body.playbook:
            self.take(playbook_findings(self.places, step, body.playbook, body.inputs, self.playbooks))
        elif isinstance(body, UndoSteps):
            for step_id in body.steps:
                self._undo(placed, step_id)
        if step.approval is not None:
            self._approval(step)

    def _action(self, placed: Placed, action: Action) -> None:
        step, undo = placed.step, action.undo
        self.take(action_findings(self.places, step, action.name, action.inputs, self.specs))
        spec = self.specs.get(action.name)
        if undo is not None and undo.action is not None and undo.inputs is not None:
            name = f"{undo.connection}.{undo.action}"
            self.take(action_findings(self.places, step, name, undo.inputs, self.specs, ("undo",)))
        elif undo is not None and spec is not None and spec.undo is None:
            message = f"{action.name} contains nothing that could be undone"
            place = self.places.key(step.location, "undo")
            self.note(place, message, "remove 'undo', or use an action that has a way back")
        if spec is not None and spec.changes:
            self._open_targets(placed, action)

    def _open_targets(self, placed: Placed, action: Action) -> None:
        """A value that is known only under the approval is asked twice where it names the target (S25)."""
        if not any(mark.kind == "guard" for mark in placed.around):
            return
        for reference in sorted(getattr(action.inputs, "references", ())):
            if not self.names.settled_inside(reference, placed.around):
                continue
            name = ".".join(reference[:2])
            for path, place in self.places.readings(placed.step.location, ("with",), reference, 2):
                message = (
                    f"{spell_place(('with', *path))}: {name} is known only after the approval that asks for this "
                    "value: people see the expression, and are asked again where it names the target"
                )
                self.note(place, message, "look it up before the block", warning=True)

    def _undo(self, placed: Placed, step_id: str) -> None:
        """`undo: [ids]` names steps that hold something, or may (S34)."""
        place = self.places.word(placed.step.location, step_id, "undo")
        if step_id not in self.named:
            remedy = near(step_id, self.named) or f"there are {', '.join(sorted(self.named)[:12]) or 'none'}"
            self.note(place, f"undo: no step has the id {step_id!r}", remedy)
            return
        found = self.names.steps.get(step_id)
        if found is None:
            return
        if beside(found.around, placed.around):
            message = f"undo: the step {step_id!r} stands in another branch, and branches are blind to each other"
            self.note(place, message, "undo it after the parallel block")
        elif not any(self._undoable(step) for step in flat((found.step,))):
            message = f"undo: the step {step_id!r} contains nothing that could be undone"
            self.note(place, message, "name a step whose action has a way back, or one that such steps stand in")

    def _undoable(self, step: Step) -> bool:
        """Whether a step may hold a containment; what is not known has been told, or shows when it runs."""
        if isinstance(step.body, CallPlaybook):
            return True
        if not isinstance(step.body, Action):
            return False
        spec = self.specs.get(step.body.name)
        undo = step.body.undo
        return spec is None or spec.undo is not None or (undo is not None and undo.action is not None)

    def _approval(self, step: Step) -> None:
        rule = step.approval
        assert rule is not None
        if rule.on_timeout == "approve":
            self._silent_yes(step)
        if self.staff is not None:
            place: Place = lambda word, path: self.places.word(step.location, word, *path)  # noqa: E731
            self.take(approval_findings(rule, self.staff, self.playbook.author, place))
            for where, message, remedy in channel_findings(rule, self.staff, place):
                self.note(where, message, remedy, warning=True)

    def _silent_yes(self, step: Step) -> None:
        """Silence may be a yes only to actions that policy names."""
        place = self.places.value(step.location, "approval", "on_timeout")
        if self.staff is None:
            message = "approval: when nobody answers, that is taken for a yes"
            self.note(place, message, "policy must allow it; write reject, or leave it away", warning=True)
            return
        alone = isinstance(step.body, AskApproval)
        guarded = list(
            flat((*self.playbook.steps, *self.playbook.on_failure, *self.playbook.finally_) if alone else (step,))
        )
        names = {one.body.name for one in guarded if isinstance(one.body, Action)}
        names = {name for name in names if (spec := self.specs.get(name)) is None or spec.changes}
        names |= {f"all of playbook {one.body.playbook}" for one in guarded if isinstance(one.body, CallPlaybook)}
        refused = sorted(name for name in names if not self.staff.may_be_silent(name))
        if refused:
            message = f"approval: when nobody answers, {', '.join(refused)} would be done without anybody's yes"
            self.note(place, message, "write reject, or name it in `approve_on_timeout` of the policy")

    # -- names in expressions -----------------------------------------------------------------

    def _names(self, at: Location, key: Path, value: Any, around: tuple[Mark, ...], *, handling: bool) -> None:
        self._read(at, key, value, lambda reference: self.names.fault(reference, around, handling=handling))

    def _read(self, at: Location, key: Path, value: Any, judge: Any) -> None:
        for reference in sorted(getattr(value, "references", ())):
            fault: Fault | None = judge(reference)
            if fault is None:
                continue
            message, remedy, known = fault
            for path, place in self.places.readings(at, key, reference, known):
                self.note(place, f"{spell_place((*key, *path))}: {message}", remedy)
