"""A connector class, read and checked: what a connection of it offers to playbooks."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from soar.connector.base import Action, Call, Connector, Params, Result, Settings
from soar.connector.example import example_of, inlined
from soar.errors import ConnectorDefinitionError, Location, Problem
from soar.model.action import ActionSpec

DEFAULT_TIMEOUT: Final = 30.0
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class ActionDefinition:
    """One action with the types its methods are annotated with."""

    name: str
    summary: str
    action: Action[Any, Any, Any]
    params: type[Params]
    result: type[Result]
    target: str | None
    """The parameter that is contained; None when nothing is."""
    params_schema: Mapping[str, Any]
    result_schema: Mapping[str, Any]
    example: Mapping[str, Any]

    @property
    def undo_name(self) -> str | None:
        function = self.action.undo_function
        return function.__name__ if function is not None else None

    def full_time(self, configured: float | None) -> float:
        """Seconds one call may take. The operator's timeout stands over the author's."""
        return configured or self.action.timeout or DEFAULT_TIMEOUT

    def spec(self, connection: str, connector: str, settings: Settings, timeout: float | None) -> ActionSpec:
        """The action as one connection offers it."""
        declared = self.action.idempotent
        return ActionSpec(
            name=f"{connection}.{self.name}",
            connector=connector,
            summary=self.summary,
            params=self.params_schema,
            result=self.result_schema,
            changes=self.action.changes,
            idempotent=bool(declared(settings)) if callable(declared) else declared,
            verifies=self.action.verify_function is not None,
            undo=self.undo_name,
            risk=self.action.risk,
            example=self.example,
            timeout=self.full_time(timeout),
        )


@dataclass(frozen=True, slots=True)
class ConnectorDefinition:
    """One connector: its class, its settings, its actions."""

    name: str
    summary: str
    connector: type[Connector]
    settings: type[Settings]
    required_secrets: Mapping[str, str]
    optional_secrets: Mapping[str, str]
    actions: Mapping[str, ActionDefinition]
    file: str

    @property
    def settings_schema(self) -> Mapping[str, Any]:
        """JSON Schema of `settings` in `soar.yaml`."""
        return inlined(self.settings.model_json_schema())


def define(connector: type[Connector]) -> ConnectorDefinition:
    """Read a connector class.

    Raises:
        ConnectorDefinitionError: all that is wrong with it, each with its place.
    """
    return _Reader(connector).read()


class _Reader:
    """Collects everything that is wrong with one class, so that it is fixed in one go."""

    def __init__(self, connector: type[Connector]) -> None:
        self.connector = connector
        self.file = inspect.getsourcefile(connector) or connector.__module__
        self.problems: list[Problem] = []

    def read(self) -> ConnectorDefinition:
        name = getattr(self.connector, "name", "")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._problem(
                self.connector,
                f"connector class {self.connector.__name__} has no usable name",
                'write name = "gateway" in the class: lower-case letters, digits and underscores',
            )
        if self.connector.health is Connector.health:
            self._problem(
                self.connector,
                f"connector '{name}' cannot be asked whether it works",
                "write async def health(self) -> Health",
            )
        actions = {definition.name: definition for definition in map(self._action, self._declared()) if definition}
        settings = self._settings()
        if self.problems or settings is None:
            raise ConnectorDefinitionError(self.problems)
        return ConnectorDefinition(
            name=name,
            summary=_first_line(self.connector.__doc__) or _first_line(inspect.getmodule(self.connector).__doc__),
            connector=self.connector,
            settings=settings,
            required_secrets=MappingProxyType(dict(self.connector.required_secrets)),
            optional_secrets=MappingProxyType(dict(self.connector.optional_secrets)),
            actions=MappingProxyType(actions),
            file=self.file,
        )

    def _declared(self) -> list[Action[Any, Any, Any]]:
        found: dict[str, Action[Any, Any, Any]] = {}
        for owner in reversed(self.connector.__mro__):
            found |= {name: value for name, value in vars(owner).items() if isinstance(value, Action)}
        if not found:
            self._problem(self.connector, "a connector without actions", "mark its methods with @action")
        return list(found.values())

    def _settings(self) -> type[Settings] | None:
        hints = self._hints(self.connector, self.connector)
        settings = hints.get("settings") if hints is not None else None
        if isinstance(settings, type) and issubclass(settings, Settings):
            return settings
        if hints is not None:
            self._problem(self.connector, "'settings' is no Settings class", "annotate it: settings: MySettings")
        return None

    def _action(self, action: Action[Any, Any, Any]) -> ActionDefinition | None:
        types = self._types(action)
        if types is None:
            return None
        params, result = types
        self._check_ways_back(action, params, result)
        summary = _first_line(action.function.__doc__)
        if not summary:
            self._problem(action.function, f"action '{action.name}' has no docstring", "say in one line what it does")
        schema = inlined(result.model_json_schema())
        return ActionDefinition(
            name=action.name,
            summary=summary,
            action=action,
            params=params,
            result=result,
            target=self._target(action, params),
            params_schema=inlined(params.model_json_schema()),
            result_schema=schema,
            example=self._example(action, result, schema),
        )

    def _types(self, action: Action[Any, Any, Any]) -> tuple[type[Params], type[Result]] | None:
        hints = self._hints(action.function, action.function)
        if hints is None:
            return None
        returned = hints.pop("return", None)
        given = list(hints.values())
        fits = len(given) == 2 and _is(given[0], Params) and given[1] is Call and _is(returned, Result)
        if fits and inspect.iscoroutinefunction(action.function):
            return given[0], returned
        self._problem(
            action.function,
            f"action '{action.name}' has another signature than actions have",
            f"write async def {action.name}(self, params: MyParams, call: Call) -> MyResult",
        )
        return None

    def _check_ways_back(self, action: Action[Any, Any, Any], params: type[Params], result: type[Result]) -> None:
        undo, verify = action.undo_function, action.verify_function
        if undo is not None:
            expected = f"async def {undo.__name__}(self, done: {result.__name__}) -> None"
            self._check_way(undo, [result], type(None), expected)
        if verify is not None:
            shape = f"(self, params: {params.__name__}, call: Call) -> {result.__name__} | None"
            self._check_way(verify, [params, Call], result | None, f"async def {verify.__name__}{shape}")
        if (undo is not None or verify is not None) and not action.changes:
            self._problem(
                action.function,
                f"action '{action.name}' changes nothing, yet has an undo or a verify",
                "remove changes=False, or the undo and verify",
            )

    def _check_way(self, function: Callable[..., Any], given: list[Any], returned: Any, expected: str) -> None:
        hints = self._hints(function, function)
        if hints is None:
            return
        actual = hints.pop("return", None)
        if list(hints.values()) != given or actual != returned or not inspect.iscoroutinefunction(function):
            self._problem(function, f"'{function.__name__}' has another signature than it needs", f"write {expected}")

    def _target(self, action: Action[Any, Any, Any], params: type[Params]) -> str | None:
        names = [field.alias or name for name, field in params.model_fields.items()]
        if action.target is not None and action.target not in names:
            self._problem(
                action.function,
                f"action '{action.name}' names '{action.target}' as its target, which is no parameter",
                f"choose one of {', '.join(names)}",
            )
        if action.undo_function is None:
            return action.target
        if action.target is None and not names:
            self._problem(
                action.function, f"action '{action.name}' contains nothing that it names", "give it a parameter"
            )
        return action.target or next(iter(names), None)

    def _example(
        self, action: Action[Any, Any, Any], result: type[Result], schema: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        example = example_of(schema)
        try:
            return result.model_validate(example).model_dump(mode="json", by_alias=True)
        except ValidationError as error:
            field = ".".join(str(part) for part in error.errors()[0]["loc"])
            self._problem(
                action.function,
                f"no example of {result.__name__} can be made from its types ('{field}')",
                "give the field one: Field(examples=[...])",
            )
            return {}

    def _hints(self, of: Any, place: Any) -> dict[str, Any] | None:
        try:
            return typing.get_type_hints(of)
        except (NameError, TypeError) as error:
            self._problem(
                place, f"an annotation cannot be read: {error}", "define the types at the top level of the module"
            )
            return None

    def _problem(self, place: Any, message: str, remedy: str) -> None:
        try:
            line = inspect.getsourcelines(place)[1]
        except (OSError, TypeError):
            line = 1
        self.problems.append(Problem(Location(self.file, max(line, 1)), message, remedy))


def _is(candidate: Any, base: type) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, base)


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]
