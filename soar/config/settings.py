"""What can be set, and what holds when it is not. docs/configuration.md shows the same to people."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from soar.config.document import Document
from soar.errors import Location

Scheme = Literal["bearer", "header", "basic", "hmac-sha256", "standard-webhooks", "path-token"]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_REFERENCES: Final = ("env:", "file:", "vault:", "sealed:")


def duration(value: Any) -> Any:
    """`30s`, `15m`, `24h`, `7d` as seconds; a bare number is seconds already."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    found = _DURATION.fullmatch(text)
    if found:
        return float(found[1]) * _UNITS[found[2]]
    if text.isdecimal():
        return float(text)
    raise ValueError("a duration is written like 30s, 15m, 24h or 7d")


def _reference(text: str) -> str:
    if not text.startswith(_REFERENCES) or not text.partition(":")[2].strip():
        raise ValueError("a secret is always a reference, such as env:NAME or file:PATH; the value itself is not taken")
    return text


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _network(text: str) -> str:
    ipaddress.ip_network(text, strict=False)
    return text


def _header(name: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError("not the name of an HTTP header")
    return name


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError("an address to listen on is written host:port, such as 127.0.0.1:8080 or [::1]:8080")
    return text


def _database(url: str) -> str:
    if url.startswith(("postgresql://", "postgres://")):
        if not urlsplit(url).path.strip("/"):
            raise ValueError("this names no database on the server: write postgresql://user@host/soar")
        return url
    if not url.startswith("sqlite:///") or len(url) == len("sqlite:///"):
        raise ValueError("write sqlite:///soar.db for one process, or postgresql://user@host/soar for several")
    return url


def _slack_identity(text: str) -> str:
    if not re.fullmatch(r"[TE][A-Z0-9]{1,20}/[UW][A-Z0-9]{1,20}", text):
        raise ValueError("write workspace and member, such as T01ABCDEF/U02ABCDEF; a name can be changed by its owner")
    return text


def _public(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ValueError("write the address people reach this server at, such as https://soar.example.com")
    return url.rstrip("/")


Seconds = Annotated[float, BeforeValidator(duration), Field(gt=0)]
SecretRef = Annotated[str, AfterValidator(_reference)]
Network = Annotated[str, AfterValidator(_network)]
SourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
ConnectionName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]


class Strict(BaseModel):
    """Unknown keys are refused: a misspelt one must not be a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


class AuthSettings(Strict):
    """How a source proves that a delivery is its own."""

    scheme: Scheme
    secret: Annotated[tuple[SecretRef, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
    """One reference, or a list while a secret is being changed: any of them is taken."""
    header: Annotated[str, AfterValidator(_header)] | None = None
    """The header that carries the token (`header`) or the signature (`hmac-sha256`)."""
    prefix: str = ""
    """What stands before the token or signature in that header, such as `sha256=`."""
    username: str | None = None
    """For `basic`."""

    @model_validator(mode="after")
    def fits_scheme(self) -> Self:
        needs_header = self.scheme in {"header", "hmac-sha256"}
        if needs_header and not self.header:
            raise ValueError(f"scheme {self.scheme} needs 'header': the name of the header to read")
        if not needs_header and (self.header or self.prefix):
            raise ValueError(f"scheme {self.scheme} takes no 'header' and no 'prefix'")
        if (self.scheme == "basic") != (self.username is not None):
            raise ValueError("scheme basic needs 'username', and no other scheme takes it")
        return self


def _words(value: Any) -> Any:
    return {str(key): severity for key, severity in value.items()} if isinstance(value, dict) else value


class SourceSettings(Strict):
    """One sender of alerts: POST /webhooks/<name>."""

    kind: str
    """Which mapping reads its bodies: `generic`, `splunk`, `elastic`, `alertmanager`."""
    auth: AuthSettings
    allow: tuple[Network, ...] = ()
    """Networks deliveries may come from; empty for any."""
    mapping: dict[str, Any] = Field(default_factory=dict)
    """Expressions by alert field, over those of the kind."""
    severity_map: Annotated[dict[str, str | int], BeforeValidator(_words)] = Field(default_factory=dict)
    """The sender's severities in our words, over those of the kind."""
    split: str | None = None
    """Path of the list of alerts in a body that carries several, for kinds that know none."""
    dedupe: tuple[str, ...] = ()
    """Paths in the body whose values make two alerts the same one; empty for the kind's own rule."""


class RateLimit(Strict):
    """How fast a connection may be called."""

    per_second: Annotated[float, Field(gt=0)]
    burst: Annotated[int, Field(ge=1)] = 1


class CircuitSettings(Strict):
    """When a connection that keeps failing is left alone."""

    failures: Annotated[int, Field(ge=1, le=10_000)] = 5
    """Calls in a row that found it unavailable, or ended without an answer."""
    pause: Annotated[Seconds, Field(le=3600)] = 30.0
    """How long nothing is sent then; after it one call tries. A longer Retry-After is obeyed."""


class ConnectionSettings(Strict):
    """One system that can be acted on; a playbook names it before the dot."""

    connector: str
    zone: str | None = None
    """The network zone it is reached from: its calls are made by workers of that zone."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The connector's own settings: see `soar connectors show NAME`."""
    secrets: dict[str, SecretRef] = Field(default_factory=dict)
    timeout: Seconds | None = None
    """Seconds one call may take; None leaves it to the connector (30 s)."""
    rate_limit: RateLimit | None = None
    circuit: CircuitSettings | None = CircuitSettings()
    """When it is left alone after failures; `null` for never."""


class EgressSettings(Strict):
    """Where connectors may connect to, besides the host of their own base_url."""

    allow: tuple[str, ...] = ()
    """Names, `*.names`, addresses and networks."""


class LimitSettings(Strict):
    """What one delivery may cost."""

    body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 1 << 20
    """Bytes of a body, as sent and once unpacked (1 MiB)."""
    depth: Annotated[int, Field(ge=4, le=200)] = 64
    """Objects and lists inside each other."""
    alerts: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Alerts in one delivery."""
    deliveries: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Deliveries being read or stored at one time; one more is answered 429."""
    read_timeout: Seconds = 15.0
    """How long a sender may take over one body."""


class PostgresSettings(Strict):
    """How each process uses a PostgreSQL database; of no meaning for a file."""

    queue: Literal["pgqueuer", "procrastinate"] = "pgqueuer"
    """What hands out executions to workers; the same for all processes of a database."""
    readers: Annotated[int, Field(ge=1, le=64)] = 3
    """Connections that read, at most; each process has two more, to write and for the queue."""
    statement_timeout: Seconds = 30.0
    """How long the server lets one statement take."""
    lock_timeout: Seconds = 10.0
    """How long the server lets one wait for whoever writes."""


class ExecutionSettings(Strict):
    """How executions run."""

    timeout: Seconds = 7 * 86_400.0
    """From first start to the end, waiting included, where the playbook names none."""
    on_failure_timeout: Seconds = 900.0
    """For the playbook's `on_failure` steps."""
    side_by_side: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Executions worked on at one time."""
    stop_grace: Seconds = 10.0
    """How long an orderly stop waits for open calls."""
    repeats: Annotated[int, Field(ge=0, le=1_000)] = 100
    """Executions of a playbook about the same thing after whose end further alerts open none; 0 for no cap."""
    repeats_window: Annotated[Seconds, Field(ge=1)] = 3600.0
    """The time in which they are counted."""


class ContainmentSettings(Strict):
    """How what is contained is looked after."""

    check_every: Seconds | None = 300.0
    """How often each containment is looked for in its system, where its connector can; `null` for never."""
    reapply: Annotated[int, Field(ge=0, le=100)] = 3
    """How often in a day one that is gone is made again; after that, and with 0, it is left to a person."""
    notice: Seconds = 900.0
    """How long before its end the event `containment.expiring` is told."""


class SignInSettings(Strict):
    """How people sign in to the pages."""

    session: Annotated[Seconds, Field(ge=60, le=86_400)] = 3600.0
    """How long a sign-in lasts."""


class PersonSettings(Strict):
    """A person, with what they may do and where they are reached."""

    email: str | None = None
    slack: Annotated[str, AfterValidator(_slack_identity)] | None = None
    """`T01/U02`: workspace and member, as Slack's profile menu and the workspace's address tell them."""
    roles: tuple[str, ...] = ()


class Settings(Strict):
    """Everything that can be set. `load_settings` lays the environment over the file, so that errors have places."""

    database: Annotated[str, AfterValidator(_database)] = "sqlite:///soar.db"
    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1:8080"
    public_url: Annotated[str, AfterValidator(_public)] | None = None
    """The address people and senders use, for links."""
    playbooks: Path = Path("playbooks")
    """The folder of playbooks."""
    connectors: Path = Path("connectors")
    """A folder of connectors and source kinds of your own, besides the shipped ones."""
    trusted_proxies: tuple[Network, ...] = ()
    """Proxies whose X-Forwarded-For is believed, from the right."""
    sources: dict[SourceName, SourceSettings] = Field(default_factory=dict)
    connections: dict[ConnectionName, ConnectionSettings] = Field(default_factory=dict)
    egress: EgressSettings = EgressSettings()
    limits: LimitSettings = LimitSettings()
    execution: ExecutionSettings = ExecutionSettings()
    postgres: PostgresSettings = PostgresSettings()
    containment: ContainmentSettings = ContainmentSettings()
    people: dict[str, PersonSettings] = Field(default_factory=dict)
    sign_in: SignInSettings = SignInSettings()
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    policy: Path | None = None
    """The policy file, laid over the shipped one; see docs/policy.md."""

    _folder: Path = PrivateAttr(default_factory=Path.cwd)
    _document: Document | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def groups_name_people(self) -> Self:
        for group, members in self.groups.items():
            for member in members:
                if member not in self.people:
                    raise ValueError(f"group '{group}' names '{member}', who is not among people")
        return self

    @model_validator(mode="after")
    def each_identity_is_one_person(self) -> Self:
        """Otherwise one human being could answer twice, as two people."""
        seen: dict[tuple[str, str], str] = {}
        for name, person in self.people.items():
            given = (("slack", person.slack), ("email", person.email and person.email.strip().lower()))
            for kind, value in given:
                other = seen.setdefault((kind, value), name) if value else name
                if other != name:
                    raise ValueError(f"people '{other}' and '{name}' have the same {kind}: one person has one entry")
        return self

    @property
    def folder(self) -> Path:
        """The folder of the file it came from: what relative paths start at."""
        return self._folder

    def place(self, *path: str | int) -> Location:
        """Where the file says that, for errors found later."""
        return self._document.place(path) if self._document else Location("soar.yaml")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)
