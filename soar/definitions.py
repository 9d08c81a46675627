"""What the files say, before anything is opened: settings, connectors, connections, policy, playbooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from soar.approval.destinations import Destinations
from soar.approval.glass import Glass
from soar.clock import Clock, SystemClock
from soar.config import Settings
from soar.connector.connections import ConnectionSet
from soar.connector.masking import Masker
from soar.connector.registry import ConnectorRegistry
from soar.connector.secrets import SecretResolver
from soar.engine import listened
from soar.errors import DefinitionError
from soar.ingest.match import Matcher
from soar.model.alert import Alert, Match
from soar.model.playbook import Playbook
from soar.playbook import Catalog, Staff, load_catalog
from soar.policy import OwnAddresses, Policy, load_rules


@dataclass(frozen=True)
class LoadedPlaybooks:
    """The playbooks of this moment: they match as one set and are recorded as one set."""

    catalog: Catalog
    matcher: Matcher
    events: frozenset[str] = frozenset()
    """The names of events that some of them name."""

    @classmethod
    def of(cls, catalog: Catalog) -> LoadedPlaybooks:
        playbooks = catalog.playbooks.values()
        return cls(catalog, Matcher(playbooks), frozenset(name for book in playbooks for name in listened(book)))

    @property
    def digest(self) -> str:
        return self.catalog.digest

    @property
    def playbooks(self) -> Mapping[str, Playbook]:
        return self.catalog.playbooks

    def match(self, alert: Alert) -> list[Match]:
        return self.matcher.match(alert)

    def wants(self, name: str) -> bool:
        """Whether some playbook waits for events of that name, or is opened by them."""
        return any(fnmatchcase(name, pattern) for pattern in self.events)


def policy_of(settings: Settings, connections: ConnectionSet) -> Policy:
    """The policy as its file is now.

    Raises:
        ConfigError: it does not hold.
    """
    own = OwnAddresses.of(settings, connections.hosts())
    return Policy(load_rules(settings, own, connections.specs(), channel_names(connections)))


def channel_names(connections: ConnectionSet) -> frozenset[str]:
    """What may stand before the colon of a channel: the connections that carry messages, and their kinds."""
    made = connections.channels()
    return frozenset({*made, *(channel.prefix for channel in made.values())})


@dataclass(frozen=True)
class Definitions:
    """What the files say, before anything is opened: enough to check, to test and to explain."""

    settings: Settings
    masker: Masker
    secrets: SecretResolver
    registry: ConnectorRegistry
    connections: ConnectionSet
    policy: Policy

    @classmethod
    def read(cls, settings: Settings, clock: Clock | None = None) -> Definitions:
        """Load connectors and connections; needs no secret.

        Raises:
            ConfigError, ConnectorDefinitionError: they do not hold, or the policy does not.
        """
        masker = Masker()
        secrets = SecretResolver(masker, folder=settings.folder)
        registry = ConnectorRegistry.load([settings.connectors])
        connections = ConnectionSet(
            registry, settings.connections, secrets, settings.egress.allow, clock or SystemClock(), masker
        )
        return cls(settings, masker, secrets, registry, connections, policy_of(settings, connections))

    def with_policy_anew(self) -> Definitions:
        """The same with the policy as its file is now.

        Raises:
            ConfigError: it does not hold.
        """
        return replace(self, policy=policy_of(self.settings, self.connections))

    def catalog(self) -> Catalog:
        """The playbooks of the configured folder, with everything that is wrong with them."""
        sources, staff = list(self.settings.sources), self.staff()
        return load_catalog(self.settings.playbooks, self.connections.specs(), sources, staff)

    def staff(self) -> Staff:
        """The people, and for which actions policy takes their silence for a yes."""
        silence = self.policy.rules.file.approve_on_timeout or ()
        return Staff.of(self.settings, silence, channel_names(self.connections))

    def glass(self) -> Glass:
        """Who may approve alone, and who is told of it."""
        settings = self.settings
        return Glass.of(
            self.policy, Destinations(self.connections, settings.people, settings.groups), settings.public_url
        )

    def sound_catalog(self) -> Catalog:
        """The playbooks of the configured folder, when nothing is wrong with them.

        Raises:
            DefinitionError: every error in any of them.
        """
        catalog = self.catalog()
        errors = [problem for problem in catalog.problems if problem.severity == "error"]
        if errors:
            raise DefinitionError(errors)
        return catalog
