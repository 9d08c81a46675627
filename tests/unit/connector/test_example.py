from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, AwareDatetime, BaseModel, Field

from soar.connector.base import Result
from soar.connector.example import example_of, inlined


class Level(Enum):
    LOW = "low"


class Part(Result):
    at: AwareDatetime


class Tree(BaseModel):
    children: list[Tree] = []


class Everything(Result):
    text: str
    given: str = Field(examples=["r-7"])
    ip: IPv4Address | IPv6Address
    maybe: int | None
    level: Level
    word: Literal["a", "b"]
    part: Part
    parts: Annotated[list[Part], Field(min_length=1)]
    few: Annotated[int, Field(ge=5, le=9)]
    more: Annotated[float, Field(gt=0.5)]
    link: AnyUrl
    name: UUID
    short: Annotated[str, Field(max_length=3)]
    free: dict[str, Any]
    tree: Tree


def test_an_example_is_made_from_types_and_fits_them() -> None:
    schema = inlined(Everything.model_json_schema())
    assert "$ref" not in repr({key: value for key, value in schema.items() if key != "tree"})
    example = Everything.model_validate(example_of(schema))
    assert example.given == "r-7"
    assert str(example.ip) == "192.0.2.1"
    assert example.few == 5


def test_references_are_resolved_and_a_type_that_holds_itself_ends() -> None:
    assert example_of(inlined(Tree.model_json_schema())) == {"children": []}


@pytest.mark.parametrize(("schema", "example"), [({"const": 3}, 3), ({"default": None}, None), ({}, None)])
def test_constants_and_defaults(schema: dict[str, Any], example: object) -> None:
    assert example_of(schema) == example
