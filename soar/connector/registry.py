"""Which connectors there are: those that ship, and those in the user's own folder."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Self

from soar.connector.base import Connector
from soar.connector.definition import ActionDefinition, ConnectorDefinition, define
from soar.errors import ConnectorDefinitionError, Location, NotFound, Problem
from soar.model.action import Risk

_SHIPPED: Final = "connectors"
_OWN: Final = "soar_own_connectors"


@dataclass(frozen=True, slots=True)
class ActionDescription:
    """One action for people and for docs."""

    name: str
    summary: str
    params: Mapping[str, Any]
    result: Mapping[str, Any]
    example: Mapping[str, Any]
    changes: bool
    idempotent: bool | None
    """None where it hangs on the connection's settings."""
    verifies: bool
    undo: str | None
    target: str | None
    risk: Risk


@dataclass(frozen=True, slots=True)
class ConnectorDescription:
    """One connector for people and for docs."""

    name: str
    summary: str
    settings: Mapping[str, Any]
    """JSON Schema of `settings`."""
    required_secrets: Mapping[str, str]
    optional_secrets: Mapping[str, str]
    actions: tuple[ActionDescription, ...]
    file: str
    readme: str | None
    """Where its README.md is."""


class ConnectorRegistry:
    """Connectors by name. A connector is imported when it is first asked for."""

    def __init__(self, places: Mapping[str, Path | None], definitions: Mapping[str, ConnectorDefinition]) -> None:
        self._places = dict(places)
        self._definitions = dict(definitions)

    @classmethod
    def load(cls, folders: Iterable[Path] = ()) -> Self:
        """The shipped connectors and those in the given folders; a missing or empty folder is no error.

        Raises:
            ConnectorDefinitionError: a folder's connector has the name of another.
        """
        shipped = _shipped_folder()
        places: dict[str, Path | None] = dict.fromkeys(_names_in(shipped))
        problems: list[Problem] = []
        for folder in folders:
            if folder.resolve() == shipped.resolve():
                continue
            for name in _names_in(folder):
                file = folder / name / "connector.py"
                if name in places:
                    other = places[name] or shipped / name / "connector.py"
                    message = f"connector '{name}' is already defined in {other}"
                    problems.append(Problem(Location(str(file)), message, "rename the folder and the connector"))
                places[name] = file
        if problems:
            raise ConnectorDefinitionError(problems)
        return cls(places, {})

    @classmethod
    def of(cls, *connectors: type[Connector]) -> Self:
        """Only these connectors."""
        definitions = [define(connector) for connector in connectors]
        return cls({}, {definition.name: definition for definition in definitions})

    @property
    def names(self) -> list[str]:
        """All names, in alphabetical order, whether or not the connectors load."""
        return sorted({*self._places, *self._definitions})

    def definition(self, name: str) -> ConnectorDefinition:
        """The connector of that name.

        Raises:
            NotFound: there is none; a near match is offered.
            ConnectorDefinitionError: it does not load.
        """
        if name not in self._definitions:
            if name not in self._places:
                raise NotFound(f"there is no connector '{name}'{self._near(name)}")
            self._definitions[name] = self._read(name)
        return self._definitions[name]

    def check(self) -> list[Problem]:
        """What is wrong with any of them, for `soar check`."""
        problems: list[Problem] = []
        for name in self.names:
            try:
                self.definition(name)
            except ConnectorDefinitionError as error:
                problems.extend(error.problems)
        return problems

    def describe(self, name: str) -> ConnectorDescription:
        """All there is to know about a connector before it is set up. Raises as `definition` does."""
        found = self.definition(name)
        readme = Path(found.file).with_name("README.md")
        return ConnectorDescription(
            name=found.name,
            summary=found.summary,
            settings=found.settings_schema,
            required_secrets=found.required_secrets,
            optional_secrets=found.optional_secrets,
            actions=tuple(_described(action) for action in found.actions.values()),
            file=found.file,
            readme=str(readme) if readme.is_file() else None,
        )

    def _near(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names, n=1)
        return f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(self.names) or 'none'}"

    def _read(self, name: str) -> ConnectorDefinition:
        file = self._places[name]
        module = _import_shipped(name) if file is None else _import_file(name, file)
        place = Location(str(file or module.__file__))
        classes = [value for value in vars(module).values() if _is_defined_here(value, module)]
        if len(classes) != 1:
            count = "no class" if not classes else f"{len(classes)} classes"
            message = f"{count} of Connector here; a connector.py defines exactly one"
            raise ConnectorDefinitionError([Problem(place, message, "see docs/connectors.md")])
        definition = define(classes[0])
        if definition.name != name:
            message = f"the connector says its name is '{definition.name}', and its folder '{name}'"
            raise ConnectorDefinitionError([Problem(place, message, "give both the same name")])
        return definition


def _described(action: ActionDefinition) -> ActionDescription:
    declared = action.action.idempotent
    return ActionDescription(
        name=action.name,
        summary=action.summary,
        params=action.params_schema,
        result=action.result_schema,
        example=action.example,
        changes=action.action.changes,
        idempotent=None if callable(declared) else declared,
        verifies=action.action.verify_function is not None,
        undo=action.undo_name,
        target=action.target,
        risk=action.action.risk,
    )


def _shipped_folder() -> Path:
    return Path(str(importlib.import_module(_SHIPPED).__file__)).parent


def _names_in(folder: Path) -> list[str]:
    return sorted(file.parent.name for file in folder.glob("*/connector.py")) if folder.is_dir() else []


def _is_defined_here(value: Any, module: ModuleType) -> bool:
    is_connector = isinstance(value, type) and issubclass(value, Connector)
    return is_connector and value.__module__ == module.__name__ and "name" in vars(value)


def _import_shipped(name: str) -> ModuleType:
    module = f"{_SHIPPED}.{name}.connector"
    try:
        return importlib.import_module(module)
    except Exception as error:  # a connector's module is foreign code: whatever it raises is its own mistake
        raise _does_not_load(_shipped_folder() / name / "connector.py", error) from error


def _import_file(name: str, file: Path) -> ModuleType:
    title = f"{_OWN}.{name}"
    spec = importlib.util.spec_from_file_location(title, file)
    if spec is None or spec.loader is None:
        raise ConnectorDefinitionError([Problem(Location(str(file)), "this is no Python file")])
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module  # dataclasses and type hints look their module up here
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # as above
        del sys.modules[title]
        raise _does_not_load(file, error) from error
    return module


def _does_not_load(file: Path, error: Exception) -> ConnectorDefinitionError:
    line, trace = 1, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.lineno:
        line = error.lineno
    message = f"the connector does not load: {type(error).__name__}: {error}"
    return ConnectorDefinitionError([Problem(Location(str(file), line), message, "correct it and start again")])
