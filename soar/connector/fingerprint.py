"""What a connection stands for, in one number: which connector, in which version, at which address."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import orjson

from soar.config import ConnectionSettings
from soar.connector.base import Settings
from soar.connector.definition import ConnectorDefinition


def fingerprint(definition: ConnectorDefinition, config: ConnectionSettings, settings: Settings) -> str:
    """SHA-256 over the connector, its code, its zone and its settings, in hex; secrets have no part in it."""
    parts = {
        "connector": definition.name,
        "code": _code(Path(definition.file)),
        "zone": config.zone,
        "settings": settings.model_dump(mode="json"),
    }
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


@lru_cache(maxsize=256)
def _code(module: Path) -> str:
    """The connector's own files as this process first saw them; their names count, their place does not."""
    digest = hashlib.sha256()
    for file in sorted(module.parent.glob("*.py")) if module.is_file() else ():
        digest.update(file.name.encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
