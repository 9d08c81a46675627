"""The values of a call, checked before anything is written or sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any, Final

from pydantic import ValidationError

from soar.connector.base import Params
from soar.connector.definition import ActionDefinition
from soar.connector.masking import Masker
from soar.errors import Refused
from soar.model.action import Prepared

_ADDRESS: Final = frozenset({"ip_v4_address", "ip_v6_address", "ip_any_address"})
"""Of `IPv4Address | IPv6Address` pydantic names the first only; a person should not be sent after the version."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Reads what a playbook gives to one connection's actions."""

    connection: str
    masker: Masker

    def prepare(self, action: ActionDefinition, inputs: Mapping[str, Any]) -> Prepared:
        """Check the values, find the target, mask what history may not show. Raises as `parse` does."""
        params = self.parse(action, inputs)
        shown = self.masker.mask(inputs)
        return Prepared(_target(action, params), shown, shown is not inputs and shown != inputs)

    def parse(self, action: ActionDefinition, inputs: Mapping[str, Any]) -> Params:
        """The inputs as the action's own type; an address has one spelling.

        Raises:
            Refused: the message names each parameter that does not fit.
        """
        try:
            params = action.params.model_validate(dict(inputs))
        except ValidationError as error:
            raise Refused(self._does_not_fit(action, inputs, error)) from None
        return _unmapped(params)

    def _does_not_fit(self, action: ActionDefinition, inputs: Mapping[str, Any], error: ValidationError) -> str:
        complaints: dict[str, str] = {}
        for problem in error.errors(include_url=False, include_context=False):
            name = str(problem["loc"][0]) if problem["loc"] else "with"
            complaints.setdefault(name, self._complaint(action, inputs, name, problem["type"], problem["msg"]))
        return f"{self.connection}.{action.name}: {'; '.join(complaints.values())}"

    def _complaint(self, action: ActionDefinition, inputs: Mapping[str, Any], name: str, kind: str, text: str) -> str:
        if kind == "missing":
            return f"parameter '{name}' is missing"
        if kind == "extra_forbidden":
            known = ", ".join(action.params_schema.get("properties", {})) or "none"
            return f"there is no parameter '{name}'; there are {known}"
        text = "input is no IP address" if kind in _ADDRESS else text.removeprefix("Value error, ")
        text = self.masker.text(text)
        shown = repr(self.masker.mask({name: inputs.get(name)})[name])
        return f"parameter '{name}': {text[:1].lower()}{text[1:]}, got {shown[:80]}"


def _unmapped(params: Params) -> Params:
    """An IPv4 address written as IPv6 is the IPv4 address: one target must not have two names."""
    plain = {
        name: value.ipv4_mapped
        for name, value in params.__dict__.items()
        if isinstance(value, IPv6Address) and value.ipv4_mapped is not None
    }
    return params.model_copy(update=plain) if plain else params


def _target(action: ActionDefinition, params: Params) -> str | None:
    if action.target is None or action.action.undo_function is None:
        return None
    value = params.model_dump(mode="json", by_alias=True).get(action.target)
    return None if value is None else str(value)
