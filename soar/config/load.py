"""Finds and reads `soar.yaml`, and says everything that is wrong in it at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from soar.config.document import Document, read_document
from soar.config.environment import overlay
from soar.config.faults import Faults
from soar.config.settings import ConnectionSettings, Settings, SourceSettings
from soar.errors import ConfigError, Problem

MAX_BYTES: Final = 4 << 20

_SQLITE: Final = "sqlite:///"


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
        problems = Faults(Settings, document, content, "docs/configuration.md").of(error)
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


def _anchored(settings: Settings, folder: Path, document: Document) -> Settings:
    """The same settings with relative paths starting at the file's folder."""
    anchored = settings.model_copy(
        update={
            "database": _database(settings.database, folder),
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


def _database(url: str, folder: Path) -> str:
    if not url.startswith(_SQLITE):
        return url
    return f"{_SQLITE}{folder / url.removeprefix(_SQLITE)}"


def _source(source: SourceSettings, folder: Path) -> SourceSettings:
    secrets = tuple(_secret(reference, folder) for reference in source.auth.secret)
    return source.model_copy(update={"auth": source.auth.model_copy(update={"secret": secrets})})


def _connection(connection: ConnectionSettings, folder: Path) -> ConnectionSettings:
    secrets = {name: _secret(reference, folder) for name, reference in connection.secrets.items()}
    return connection.model_copy(update={"secrets": secrets})


def _secret(reference: str, folder: Path) -> str:
    scheme, _, path = reference.partition(":")
    return f"file:{folder / path}" if scheme == "file" else reference
