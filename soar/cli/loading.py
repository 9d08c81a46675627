"""Everything wrong with the files of an installation, found at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from soar.config import Settings, load_settings
from soar.definitions import Definitions
from soar.errors import ConfigError, DefinitionError, Location, NotFound, PlaybookError, Problem
from soar.ingest.kinds import load_kinds
from soar.ingest.source import check_sources
from soar.playbook import Catalog, load_files, playbook_files
from soar.testing.suite import Suite, read_suite


@dataclass
class Loaded:
    """What could be read, and every problem on the way."""

    problems: list[Problem] = field(default_factory=list)
    definitions: Definitions | None = None
    catalog: Catalog | None = None
    suites: list[Suite] = field(default_factory=list)

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]


def load(config: Path | None, paths: Sequence[Path] = ()) -> Loaded:
    """Read the configuration, connectors, sources, playbooks and their tests.

    `paths` are playbooks, test files or folders; none means the configured folder.
    """
    loaded = Loaded()
    try:
        settings = load_settings(config)
    except ConfigError as error:
        loaded.problems += _problems(error, "soar.yaml")
        return loaded
    _definitions(loaded, settings)
    if loaded.definitions is None:
        return loaded
    _playbooks(loaded, loaded.definitions, paths or [settings.playbooks])
    return loaded


def _definitions(loaded: Loaded, settings: Settings) -> None:
    where = str(settings.place().file)
    try:
        loaded.problems += check_sources(settings, load_kinds([settings.connectors]))
    except DefinitionError as error:
        loaded.problems += error.problems
    try:
        loaded.definitions = Definitions.read(settings)
        loaded.problems += loaded.definitions.policy.rules.warnings
    except (ConfigError, DefinitionError) as error:
        loaded.problems += _problems(error, where)


def _problems(error: ConfigError | DefinitionError, where: str) -> list[Problem]:
    if error.problems:
        return list(error.problems)
    return [Problem(Location(where), line) for line in str(error).splitlines()]


def _playbooks(loaded: Loaded, definitions: Definitions, paths: Sequence[Path]) -> None:
    playbooks, tests = _files(paths)
    settings = definitions.settings
    specs, sources, staff = definitions.connections.specs(), list(settings.sources), definitions.staff()
    others = playbook_files(settings.playbooks) if settings.playbooks.is_dir() else []
    loaded.catalog = load_files(playbooks, specs, sources, staff, others)
    loaded.problems += loaded.catalog.problems
    for path in tests:
        try:
            loaded.suites.append(read_suite(path))
        except PlaybookError as error:
            loaded.problems += error.problems
    for suite in loaded.suites:
        _known(loaded, suite)


def _known(loaded: Loaded, suite: Suite) -> None:
    """A test names a playbook that is there; one that does not hold has been reported already."""
    if loaded.catalog is None or suite.playbook in loaded.catalog.playbooks or loaded.errors:
        return
    message = f"there is no playbook {suite.playbook!r} to test"
    loaded.problems.append(Problem(suite.location, message, "name the id of a playbook beside this file"))


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Playbook files and test files; a test file alone brings the playbooks beside it."""
    playbooks: dict[Path, None] = {}
    tests: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise NotFound(f"{path}: there is no such file or folder; give a playbook or a folder of playbooks")
        if path.is_dir():
            playbooks |= dict.fromkeys(playbook_files(path))
            tests |= dict.fromkeys(sorted(path.rglob("*.test.yaml")))
        elif path.name.endswith(".test.yaml"):
            tests[path] = None
            playbooks |= dict.fromkeys(playbook_files(path.parent))
        else:
            playbooks[path] = None
            beside = path.with_name(f"{path.stem}.test.yaml")
            if beside.exists():
                tests[beside] = None
    return list(playbooks), list(tests)
