"""What a connector is made of: typed actions, each declared with its way back.

An action and what undoes it are declared together, like a property and its
setter. `soar.sdk` is the door; nothing else here is for connector authors.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from soar.connector.http import HttpClient, basic_header, bearer_header
from soar.errors import ConfigError
from soar.model.action import Risk

if TYPE_CHECKING:
    from soar.connector.egress import Egress
    from soar.connector.http import SharedHttp


class Params(BaseModel):
    """What an action needs; each field's docstring is its manual."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Result(BaseModel):
    """What an action gives back; it must hold all that its undo needs."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Settings(BaseModel):
    """What a connection of this connector is set up with in `soar.yaml`; never a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def hosts(self) -> list[str]:
        """The hosts these settings name: the operator chose them, so they need no `egress.allow` entry."""
        return []


class HttpSettings(Settings):
    """Settings of a connector that speaks HTTP."""

    base_url: str
    """Where the API is: `https://api.example.com/v1`. Its host may be reached without an `egress.allow` entry."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers sent with every request. For credentials use `secrets`."""

    @field_validator("base_url")
    @classmethod
    def _is_plain_http_url(cls, url: str) -> str:
        return HttpClient.checked_base_url(url)

    def hosts(self) -> list[str]:
        return [urlsplit(self.base_url).hostname or ""]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a connection works at this moment, in words for a person."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """Which call this is. `key` is URL-safe and the same on every retry and after every restart."""

    key: str
    execution_id: str = ""
    path: str = ""
    attempt: int = 1
    playbook_id: str = ""


C = TypeVar("C", bound="Connector")
P = TypeVar("P", bound=Params)
R = TypeVar("R", bound=Result)

Perform = Callable[[C, P, Call], Coroutine[Any, Any, R]]
Undo = Callable[[C, R], Coroutine[Any, Any, None]]
Verify = Callable[[C, P, Call], Coroutine[Any, Any, R | None]]
Declared = bool | Callable[[Any], bool]
"""Known for every connection, or read from a connection's settings."""


class Action(Generic[C, P, R]):
    """One action of a connector as its author declared it."""

    def __init__(
        self,
        function: Perform[C, P, R],
        *,
        changes: bool,
        risk: Risk | None,
        idempotent: Declared,
        target: str | None,
        timeout: float | None,
    ) -> None:
        self.function = function
        self.changes = changes
        self.risk: Risk = risk or ("medium" if changes else "low")
        self.idempotent = idempotent
        self.target = target
        self.timeout = timeout
        self.undo_function: Undo[C, R] | None = None
        self.verify_function: Verify[C, P, R] | None = None
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def undo(self, function: Undo[C, R]) -> Undo[C, R]:
        """Declare what takes this action back. Undoing what is already undone must succeed."""
        self.undo_function = function
        return function

    def verify(self, function: Verify[C, P, R]) -> Verify[C, P, R]:
        """Declare the read that tells whether a call happened: its result, or None."""
        self.verify_function = function
        return function

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Action[C, P, R]: ...

    @overload
    def __get__(self, instance: C, owner: type[Any]) -> Callable[[P, Call], Coroutine[Any, Any, R]]: ...

    def __get__(self, instance: C | None, owner: type[Any]) -> Any:
        return self if instance is None else self.function.__get__(instance, owner)


@overload
def action(function: Perform[C, P, R], /) -> Action[C, P, R]: ...


@overload
def action(
    *,
    changes: bool = True,
    risk: Risk | None = None,
    idempotent: Declared | None = None,
    target: str | None = None,
    timeout: float | None = None,
) -> Callable[[Perform[C, P, R]], Action[C, P, R]]: ...


def action(
    function: Perform[C, P, R] | None = None,
    /,
    *,
    changes: bool = True,
    risk: Risk | None = None,
    idempotent: Declared | None = None,
    target: str | None = None,
    timeout: float | None = None,
) -> Any:
    """Offer a method to playbooks.

    An action changes something unless `changes=False`. `idempotent` promises that a
    second call with the same key changes nothing more; where it hangs on the settings,
    give a function of them. `target` names the parameter that is contained (the first
    one unless said). `timeout` is for actions that need longer than a connection's own.
    """

    def declare(function: Perform[C, P, R]) -> Action[C, P, R]:
        repeatable = idempotent if idempotent is not None else not changes
        return Action(function, changes=changes, risk=risk, idempotent=repeatable, target=target, timeout=timeout)

    return declare if function is None else declare(function)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a connector is given when its connection is set up."""

    settings: Settings
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)
    shared: SharedHttp | None = None
    egress: Egress | None = None
    """What the connection may reach, for what it does beside calls."""


class Connector:
    """Lets playbooks act on one kind of system. One instance serves one connection, many calls at once."""

    name: ClassVar[str]
    """As `connector:` in `soar.yaml` names it; also the name of its folder."""
    required_secrets: ClassVar[Mapping[str, str]] = {}
    """Names of the secrets it cannot do without, and what each is for."""
    optional_secrets: ClassVar[Mapping[str, str]] = {}
    """Names of the secrets it can use, and what each is for."""

    settings: Settings
    """Annotate it with your own subclass of Settings, and that is what the connection is checked against."""
    secrets: Mapping[str, SecretStr]

    def __init__(self, wiring: Wiring) -> None:
        self.settings = wiring.settings
        self.secrets = wiring.secrets

    def secret(self, name: str) -> str | None:
        """A secret's value for the moment of use; None when it is not configured."""
        value = self.secrets.get(name)
        return None if value is None else value.get_secret_value()

    def needed(self, name: str) -> str:
        """A secret that the settings call for.

        Raises:
            ConfigError: it is not configured; the connection does not start.
        """
        value = self.secret(name)
        if value is None:
            raise ConfigError(f"the settings need the secret '{name}': add it under `secrets`")
        return value

    async def open(self) -> None:
        """Called once before the first call; for connectors that hold something open."""

    async def close(self) -> None:
        """Called once at the end."""

    async def health(self) -> Health:
        """Ask the system, without changing anything, whether calls can work."""
        raise NotImplementedError


class HttpConnector(Connector):
    """A connector whose system speaks HTTP; `self.http` has sorted the errors."""

    optional_secrets: ClassVar[Mapping[str, str]] = {
        "token": "Sent as `Authorization: Bearer`.",
        "username": "With `password`: sent as HTTP basic authentication.",
        "password": "With `username`: sent as HTTP basic authentication.",
    }

    settings: HttpSettings
    http: HttpClient

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        if wiring.shared is None:
            raise ValueError(f"connector '{self.name}' speaks HTTP and was given no client")
        self.http = HttpClient(
            wiring.shared,
            base_url=self.settings.base_url,
            headers={**self.settings.headers, **self.credentials()},
            egress=wiring.egress,
        )

    def credentials(self) -> Mapping[str, str]:
        """The headers that prove who we are; sent to the host of `base_url` only."""
        token, username, password = (self.secret(name) for name in ("token", "username", "password"))
        if token is not None:
            return bearer_header(token)
        if username is not None and password is not None:
            return basic_header(username, password)
        return {}

    async def health(self) -> Health:
        """Any answer below 500 shows that the system is there."""
        reply = await self.http.get("", accept=range(400, 500))
        return Health(ok=True, detail=f"{self.http.origin} answered {reply.status_code}")
