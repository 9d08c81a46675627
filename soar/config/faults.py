"""What pydantic found wrong with a file, as problems with place, cause and remedy."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from soar.config.document import Document
from soar.config.document import Path as Place
from soar.errors import Location, Problem

_REMEDIES: Final[Mapping[str, str]] = {
    "missing": "add it",
    "literal_error": "use one of the words named",
    "string_pattern_mismatch": "use letters, digits, - and _, beginning with a letter",
    "string_type": "write text; quote what looks like a number",
    "dict_type": "write keys and values below it",
    "model_type": "write keys and values below it",
    "model_attributes_type": "write keys and values below it",
}


class Faults:
    """Tells of the faults of one file."""

    def __init__(
        self, root: type[BaseModel], document: Document, content: Mapping[str, Any], page: str, environment: bool = True
    ) -> None:
        self._root = root
        self._document = document
        self._content = content
        self._page = page
        self._environment = environment

    def of(self, error: ValidationError) -> list[Problem]:
        """Everything that is wrong, by place."""
        problems = [self._problem(detail) for detail in error.errors(include_url=False, include_input=False)]
        return sorted(problems, key=lambda problem: problem.location)

    def _problem(self, detail: ErrorDetails) -> Problem:
        place: Place = tuple(part for part in detail["loc"] if part != "[key]")
        kind = detail["type"]
        dotted = ".".join(str(part) for part in place)
        if kind == "extra_forbidden":
            message, remedy = _unknown_key(self._root, place)
        elif kind == "missing":
            message, remedy = _missing(place)
        else:
            said = detail["msg"].removeprefix("Value error, ")
            message = f"{dotted}: {said}" if dotted else said
            remedy = _REMEDIES.get(kind, f"see {self._page}")
        if self._environment and not _stands_in(self._content, place if kind != "missing" else place[:-1]):
            return Problem(
                Location(f"environment SOAR_{'__'.join(str(part) for part in place).upper()}"), message, remedy
            )
        location = self._document.place(place, key=kind == "extra_forbidden" or "[key]" in detail["loc"])
        line = self._document.line(location)
        secret = "secret" in dotted or "secret" in line  # what stands there may be the secret itself
        return Problem(location, message, remedy, "" if secret else line)


def _unknown_key(root: type[BaseModel], place: Place) -> tuple[str, str]:
    known = _known_keys(root, place[:-1])
    near = difflib.get_close_matches(str(place[-1]), known, 1, 0.6)
    where = f"'{'.'.join(str(part) for part in place[:-1])}' has" if place[:-1] else "there is"
    listed = ", ".join(sorted(known))
    return f"{where} no key '{place[-1]}'", f"did you mean '{near[0]}'?" if near else f"known are: {listed}"


def _missing(place: Place) -> tuple[str, str]:
    if place[0] == "sources" and place[-1] in {"auth", "secret"}:
        remedy = 'add auth: {scheme: bearer, secret: "env:NAME"}; without one anybody could send it alerts'
        return f"source '{place[1]}' has no secret", remedy
    return f"'{'.'.join(str(part) for part in place)}' is missing", "add it"


def _stands_in(content: Any, place: Place) -> bool:
    """Whether the file says anything at that place; if not, the environment did."""
    for part in place:
        if isinstance(content, dict) and str(part) in content:
            content = content[str(part)]
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            content = content[part]
        else:
            return not isinstance(content, dict | list)
    return True


def _known_keys(root: type[BaseModel], place: Iterable[str | int]) -> list[str]:
    """The keys allowed at a place, found by walking the types."""
    current: Any = root
    for part in place:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = _fields(current).get(str(part))
            current = field.annotation if field else None
        else:
            current = _inner(current)
        current = _bare(current)
    return list(_fields(current)) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """The fields by the names a file gives them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _bare(annotation: Any) -> Any:
    """Without Annotated and `| None`."""
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    options = [option for option in typing.get_args(annotation) if option is not type(None)]
    return options[0] if type(None) in typing.get_args(annotation) and len(options) == 1 else annotation


def _inner(annotation: Any) -> Any:
    arguments = typing.get_args(annotation)
    return arguments[-1 if typing.get_origin(annotation) is dict else 0] if arguments else None
