"""All playbooks of a folder, loaded as one set."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from soar.errors import Location, Problem
from soar.model.action import ActionSpec
from soar.model.playbook import Playbook
from soar.playbook.callers import circles, left_alone
from soar.playbook.check import check_playbook
from soar.playbook.load import Draft, draft_playbook
from soar.playbook.people import Staff
from soar.playbook.places import Places
from soar.playbook.source import SIZE_LIMIT


@dataclass(frozen=True, slots=True)
class Catalog:
    """The playbooks that hold, by id, and every problem of the folder."""

    playbooks: Mapping[str, Playbook]
    digest: str
    """Of the set: ids and digests."""
    problems: tuple[Problem, ...]
    beside: Mapping[str, Playbook] = field(default_factory=dict)
    """Those that were not asked for, and that these may call."""


def playbook_files(folder: Path) -> list[Path]:
    """The playbook files below a folder, in order of their names; tests beside them are left out."""
    files = [path for pattern in ("*.yaml", "*.yml") for path in folder.rglob(pattern)]
    return sorted(path for path in files if not path.stem.endswith(".test"))


def load_catalog(
    folder: Path, specs: Mapping[str, ActionSpec], sources: Collection[str] = (), staff: Staff | None = None
) -> Catalog:
    """Load a folder of playbooks; one that does not hold is left out, and its problems say why.

    Two files with one id are both left out and each is named: none is picked silently.
    """
    return load_files(playbook_files(folder) if folder.is_dir() else [], specs, sources, staff)


def load_files(
    files: Collection[Path],
    specs: Mapping[str, ActionSpec],
    sources: Collection[str] = (),
    staff: Staff | None = None,
    others: Collection[Path] = (),
) -> Catalog:
    """Load these playbook files as one set.

    `others` may be called by them; they are read for that, and nothing is said of them.
    """
    problems: list[Problem] = []
    drafts = [draft for path in files if (draft := _draft(path, problems)) is not None]
    found: dict[str, list[Draft]] = {}
    for draft in drafts:
        if draft.playbook is not None and draft.playbook.id:
            found.setdefault(draft.playbook.id, []).append(draft)
    unasked = _beside(others, files)
    beside = {name: draft.playbook for name, draft in unasked.items() if draft.playbook is not None}
    readable = beside | {name: one.playbook for name, (one, *_) in found.items() if one.playbook is not None}
    broken: set[str] = set()
    for draft in drafts:
        own = list(draft.source.problems)
        if draft.playbook is not None:
            own += check_playbook(
                draft.playbook, specs, sources, named=draft.named_steps, playbooks=readable, staff=staff
            )
        problems += sorted(own, key=lambda problem: problem.location)
        if draft.playbook is not None and any(problem.severity == "error" for problem in own):
            broken.add(draft.playbook.id)
    for name, same in found.items():
        if len(same) > 1:
            broken.add(name)
            problems += _doubled(name, [draft.playbook for draft in same if draft.playbook is not None])
    problems += _call_problems(readable, broken, beside)
    kept = {name: readable[name] for name in sorted(found) if name not in broken}
    material = "\n".join(f"{identity} {playbook.digest}" for identity, playbook in kept.items())
    whole = {name: beside[name] for name, draft in unasked.items() if not _faulty(draft) and name not in kept}
    return Catalog(MappingProxyType(kept), hashlib.sha256(material.encode()).hexdigest(), tuple(problems), whole)


def _draft(path: Path, problems: list[Problem]) -> Draft | None:
    text = _text(path, problems)
    return None if text is None else draft_playbook(text, str(path))


def _beside(others: Collection[Path], files: Collection[Path]) -> dict[str, Draft]:
    """Playbooks that can be called, but are not asked for."""
    unasked: list[Problem] = []
    known = {path.resolve() for path in files}
    drafts = [_draft(path, unasked) for path in others if path.resolve() not in known]
    return {draft.playbook.id: draft for draft in drafts if draft is not None and draft.playbook is not None}


def _faulty(draft: Draft) -> bool:
    """Whether a file could be read in part only: such a playbook is never run."""
    return any(problem.severity == "error" for problem in draft.source.problems)


def _call_problems(
    readable: Mapping[str, Playbook], broken: set[str], beside: Mapping[str, Playbook]
) -> Iterator[Problem]:
    """What is wrong with playbooks only because of those they call; all that are left out are `broken` then."""
    found = list(circles(readable))
    broken.update(name for name, _ in found)
    found += left_alone(readable, frozenset(broken))
    broken.update(name for name, _ in found)
    for name, problem in found:
        if name not in beside:
            yield problem


def _text(path: Path, problems: list[Problem]) -> str | None:
    """The text of a file; its line ends stay as they are, for the digest is that of its bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(4 * SIZE_LIMIT + 1)
        # Whatever is cut off is too large in any case, also where the cut goes through a character.
        return content.decode(errors="replace" if len(content) > 4 * SIZE_LIMIT else "strict")
    except OSError as error:
        problems.append(Problem(Location(str(path)), f"cannot be read: {error.strerror}", "make it a readable file"))
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
        place = Location(str(path), before.count(b"\n") + 1, column)
        problems.append(Problem(place, f"the byte 0x{content[error.start]:02X} is no UTF-8", "save it as UTF-8 text"))
    return None


def _doubled(identity: str, playbooks: list[Playbook]) -> list[Problem]:
    files = [playbook.location.file for playbook in playbooks]
    message = f"the id {identity!r} is taken twice: {' and '.join(files)}"
    places = [Places(playbook) for playbook in playbooks]
    where = [place.value(playbook.location, "id") for place, playbook in zip(places, playbooks, strict=True)]
    return [
        Problem(location, message, "give each playbook an id of its own", place.source.excerpt(location))
        for place, location in zip(places, where, strict=True)
    ]
