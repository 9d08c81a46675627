"""Finds and reads `soar.yaml`, and says everything that is wrong in it at once."""

from __future__ import annotations

import difflib
import os
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from soar.config.document import Document, read_document
from soar.config.document import Path as Place
from soar.config.environment import overlay
from soar.config.settings import ConnectionSettings, Settings, SourceSettings
from soar.errors import ConfigError, Location, Problem

MAX_BYTES: Final = 4 << 20

_SQLITE: Final = "sqlite:///"
_REMEDIES: Final[Mapping[str, str]] = {
    "missing": "add it",
    "literal_error": "use one of the words named",
    "string_pattern_mismatch": "use letters, digits, - and _, beginning with a letter",
    "string_type": "write text; quote what looks like a number",
    "dict_type": "write keys and values below it",
    "model_type": "write keys and values below it",
    "model_attributes_type": "write keys and values below it",
}


def load_settings(path: Path | None = None) -> Settings:
    """The settings of the file at `path`, else of SOAR_CONFIG, else of ./soar.yaml.

    Raises:
        ConfigError: there is none, or it does not hold; every problem is listed with its place.
    """
    file = _find(path)
    document = read_document(_read(file), _shown(file))
    content = {} if document.content is None else document.content
    if not isinstance(content, dict):
        location = document.place(())
        problem = Problem(location, "the settings must be keys and values", "see docs/configuration.md")
        raise ConfigError(str(problem), [problem])
    try:
        settings = Settings(**overlay(content, os.environ, Settings.model_fields))
    except ValidationError as error:
        problems = _problems(error, document, content)
        raise ConfigError("\n".join(map(str, problems)), problems) from None
    return _anchored(settings, file.resolve().parent, document)


def _find(path: Path | None) -> Path:
    named = os.environ.get("SOAR_CONFIG")
    file = path or (Path(named) if named else Path("soar.yaml"))
    if file.is_file():
        return file
    if path or named:
        raise ConfigError(f"{file}: there is no such file; `soar init` writes one, --config and SOAR_CONFIG name one")
    raise ConfigError("there is no soar.yaml in this folder; `soar init` writes one, --config and SOAR_CONFIG name one")


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file}: larger than {MAX_BYTES} bytes, so it is not a settings file")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{file}: cannot be read: {reason}") from None


def _shown(file: Path) -> str:
    try:
        return str(file.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _problems(error: ValidationError, document: Document, content: Mapping[str, Any]) -> list[Problem]:
    problems = [_problem(detail, document, content) for detail in error.errors(include_url=False, include_input=False)]
    return sorted(problems, key=lambda problem: problem.location)


def _problem(detail: ErrorDetails, document: Document, content: Mapping[str, Any]) -> Problem:
    place: Place = tuple(part for part in detail["loc"] if part != "[key]")
    kind = detail["type"]
    dotted = ".".join(str(part) for part in place)
    if kind == "extra_forbidden":
        message, remedy = _unknown_key(place)
    elif kind == "missing":
        message, remedy = _missing(place)
    else:
        said = detail["msg"].removeprefix("Value error, ")
        message = f"{dotted}: {said}" if dotted else said
        remedy = _REMEDIES.get(kind, "see docs/configuration.md")
    if not _stands_in(content, place if kind != "missing" else place[:-1]):
        return Problem(Location(f"environment SOAR_{'__'.join(str(part) for part in place).upper()}"), message, remedy)
    location = document.place(place, key=kind == "extra_forbidden" or "[key]" in detail["loc"])
    line = document.line(location)
    secret = "secret" in dotted or "secret" in line  # what stands there may be the secret itself
    return Problem(location, message, remedy, "" if secret else line)


def _unknown_key(place: Place) -> tuple[str, str]:
    known = _known_keys(place[:-1])
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


def _known_keys(place: Iterable[str | int]) -> list[str]:
    """The keys allowed at a place, found by walking the types."""
    current: Any = Settings
    for part in place:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else None
        else:
            current = _inner(current)
        current = _bare(current)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _bare(annotation: Any) -> Any:
    """Without Annotated and `| None`."""
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    options = [option for option in typing.get_args(annotation) if option is not type(None)]
    return options[0] if type(None) in typing.get_args(annotation) and len(options) == 1 else annotation


def _inner(annotation: Any) -> Any:
    arguments = typing.get_args(annotation)
    return arguments[-1] if typing.get_origin(annotation) is dict and arguments else None


def _anchored(settings: Settings, folder: Path, document: Document) -> Settings:
    """The same settings with relative paths starting at the file's folder."""
    database = Path(settings.database.removeprefix(_SQLITE))
    anchored = settings.model_copy(
        update={
            "database": f"{_SQLITE}{folder / database}",
            "playbooks": folder / settings.playbooks,
            "connectors": folder / settings.connectors,
            "policy": folder / settings.policy if settings.policy else None,
            "sources": {name: _source(source, folder) for name, source in settings.sources.items()},
            "connections": {name: _connection(entry, folder) for name, entry in settings.connections.items()},
        }
    )
    anchored._document = document
    anchored._folder = folder  # a private attribute is how pydantic keeps what is no setting
    return anchored


def _source(source: SourceSettings, folder: Path) -> SourceSettings:
    secrets = tuple(_secret(reference, folder) for reference in source.auth.secret)
    return source.model_copy(update={"auth": source.auth.model_copy(update={"secret": secrets})})


def _connection(connection: ConnectionSettings, folder: Path) -> ConnectionSettings:
    secrets = {name: _secret(reference, folder) for name, reference in connection.secrets.items()}
    return connection.model_copy(update={"secrets": secrets})


def _secret(reference: str, folder: Path) -> str:
    scheme, _, path = reference.partition(":")
    return f"file:{folder / path}" if scheme == "file" else reference
