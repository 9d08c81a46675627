"""Kinds of sources: one `source.yaml` each, beside the connectors. Data, not code."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from soar.config import Document, read_document
from soar.config.settings import Scheme
from soar.errors import ConfigError, MappingError, Problem
from soar.ingest.paths import Path
from soar.ingest.severity import SeverityMap
from soar.model.alert import ALERT_FIELDS, OURS


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _path(text: str) -> str:
    Path.parse(text)
    return text


def _field(name: str) -> str:
    if name in OURS or name not in ALERT_FIELDS:
        fields = ", ".join(sorted(ALERT_FIELDS - OURS))
        raise ValueError(f"'{name}' is no alert field a sender can fill; there are {fields}")
    return name


def _severities(value: Any) -> Any:
    return {str(key): meaning for key, meaning in value.items()} if isinstance(value, dict) else value


def _readable(entries: dict[str, str | int]) -> dict[str, str | int]:
    SeverityMap(entries)
    return entries


PathText = Annotated[str, AfterValidator(_path)]
FieldName = Annotated[str, AfterValidator(_field)]
Paths = Annotated[tuple[PathText, ...], BeforeValidator(_listed), Field(min_length=1)]


class SourceKind(BaseModel):
    """How one product sends alerts: how it proves itself, how a body splits, where each field stands."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    summary: str
    auth: Annotated[tuple[Scheme, ...], Field(min_length=1)]
    """The schemes this product can use."""
    alerts: Annotated[tuple[PathText, ...], BeforeValidator(_listed)] = ()
    """Where the list of alerts may stand in a body that carries several; the rest is the envelope."""
    otherwise: Literal["whole", "refuse"] = "whole"
    """A body without that list is one alert, or is refused."""
    unwrap: PathText | None = None
    """An object inside the alert where fields are looked for first."""
    truncated: PathText | None = None
    """Where the sender says how many alerts it cut off."""
    dedupe: tuple[tuple[PathText, ...], ...] = ()
    """Paths whose values make two alerts the same one: the first set whose first path is there. Else `source_ref`."""
    fields: dict[FieldName, Paths] = Field(default_factory=dict)
    """By alert field, the paths to look at, in order; `envelope.` looks at what the delivery says of all alerts."""
    severity_map: Annotated[dict[str, str | int], BeforeValidator(_severities), AfterValidator(_readable)] = Field(
        default_factory=dict
    )


def load_kinds(folders: Iterable[FilePath] = ()) -> dict[str, SourceKind]:
    """The shipped kinds, and those of the installation's own folders, which may replace a shipped one.

    Raises:
        MappingError: with every problem of every file.
    """
    kinds: dict[str, SourceKind] = {}
    problems: list[Problem] = []
    for file, text in _files(folders):
        try:
            kind = read_kind(text, file)
        except MappingError as error:
            problems.extend(error.problems)
        else:
            kinds[kind.kind] = kind
    if problems:
        raise MappingError(problems)
    return kinds


def read_kind(text: str, file: str) -> SourceKind:
    """One `source.yaml`.

    Raises:
        MappingError: it does not hold.
    """
    try:
        document = read_document(text, file)
    except ConfigError as error:
        raise MappingError(error.problems) from None
    try:
        return SourceKind.model_validate(document.content)
    except ValidationError as error:
        raise MappingError([_problem(detail, document) for detail in error.errors(include_url=False)]) from None


def _problem(detail: Any, document: Document) -> Problem:
    path = tuple(part for part in detail["loc"] if part != "[key]")
    unknown = detail["type"] == "extra_forbidden"
    location = document.place(path, key=unknown or "[key]" in detail["loc"])
    said = detail["msg"].removeprefix("Value error, ")
    message = f"there is no key '{path[-1]}' here" if unknown else f"{'.'.join(map(str, path)) or 'the file'}: {said}"
    return Problem(location, message, "see docs/sources.md, 'A kind of your own'", document.line(location))


def _files(folders: Iterable[FilePath]) -> Iterator[tuple[str, str]]:
    """Every source.yaml: shipped ones first, each with a name for errors."""
    shipped: Traversable = importlib.resources.files("connectors")
    for entry in sorted(shipped.iterdir(), key=lambda entry: entry.name):
        file = entry / "source.yaml"
        if entry.is_dir() and file.is_file():
            yield f"connectors/{entry.name}/source.yaml", file.read_text("utf-8")
    for folder in folders:
        for path in sorted(folder.glob("*/source.yaml")) if folder.is_dir() else []:
            yield str(path), path.read_text("utf-8")
