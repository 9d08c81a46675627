"""`soar schema`: the playbook language as JSON Schema, for editors."""

from __future__ import annotations

from soar.cli.loading import load
from soar.cli.output import emit
from soar.cli.shared import Config
from soar.errors import DefinitionError


def command(config: Config = None) -> None:
    """Print the JSON Schema of a playbook file, with the actions and playbooks of this installation."""
    from soar.playbook.schema import playbook_schema

    loaded = load(config)
    if loaded.definitions is None or loaded.catalog is None:
        raise DefinitionError(loaded.errors)
    emit(playbook_schema(loaded.definitions.connections.specs(), loaded.catalog.playbooks))
