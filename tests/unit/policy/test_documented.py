"""docs/policy.md tells the whole language, and its examples hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from soar.config import Settings
from soar.config.settings import PersonSettings
from soar.policy import load_rules
from soar.policy.file import CLASSES, PolicyFile
from tests.unit.policy.given import OWN

PAGE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name
        for inner in models(field.annotation):
            yield from keys(inner)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


@pytest.mark.parametrize("key", sorted({*keys(PolicyFile), *CLASSES} - {"value"}))
def test_every_key_is_on_the_page(key: str) -> None:
    assert f"`{key}`" in PAGE


def test_there_is_an_example_for_every_part() -> None:
    assert len(EXAMPLES) == 6
    for part in PolicyFile.model_fields:
        assert any(re.search(rf"^{part}:", example, re.MULTILINE) for example in EXAMPLES), part


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_hold(tmp_path: Path, example: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(example)
    people = {name: PersonSettings(roles=("analyst", "incident-commander")) for name in ("ana", "ben")}
    rules = load_rules(Settings(people=people, groups={"soc-leads": ("ana", "ben")}, policy=path), OWN)
    assert rules.warnings == ()
